"""Fixed points where the load makes itself: the shortest of d queues, and retries after a timeout.

Both are limits for many pods; a hundred are near enough in practice.
"""

from __future__ import annotations

import math

from svcsim.errors import ScenarioError
from svcsim.theory.checks import bisect, count, level, load, nonnegative

__all__ = [
    "choices_mean_response",
    "choices_response_quantile",
    "choices_tails",
    "retry_critical_load",
    "retry_load",
    "retry_tipping_load",
]

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def choices_tails(choices: int, rho: float) -> list[float]:
    """Return s_0, s_1, ...: the share of pods with at least k requests under the shortest of d queues.

    Args:
        choices: d >= 1, queues compared at random per request.
        rho: load of each pod; exponential service FIFO, or any service law with processor sharing.

    Returns:
        The tails down to 1e-18.

    Source: Mitzenmacher, IEEE TPDS 12(10), 2001; Vvedenskaya, Dobrushin, Karpelevich 1996.

    >>> [round(s, 6) for s in choices_tails(2, 0.9)[1:4]]
    [0.9, 0.729, 0.478297]
    """
    rho, d = load(rho, 1.0), count("choices", choices)
    tails, exponent = [1.0], 1
    while tails[-1] > 1e-18:
        tails.append(rho**exponent)
        exponent = d * exponent + 1
    return tails


def choices_mean_response(choices: int, rho: float, service_s: float) -> float:
    """Return the mean response in seconds for the shortest of d queues (Mitzenmacher 2001, theorem 1).

    >>> round(choices_mean_response(2, 0.9, 1.0), 6)
    2.614057
    """
    return service_s * math.fsum(s**choices for s in choices_tails(choices, rho))


def choices_response_quantile(choices: int, rho: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the FIFO response in seconds for the shortest of d queues.

    An arrival finds k requests with probability s_k^d - s_(k+1)^d and then stays for k + 1 services.

    >>> round(choices_response_quantile(2, 0.9, 1.0, 0.99), 5)
    8.79097
    """
    finds = [s**choices for s in choices_tails(choices, rho)] + [0.0]

    def survival(t: float) -> float:
        # P(Erlang(k + 1) > t) is a sum of Poisson terms; a term j counts for every k >= j
        term, total = math.exp(-t), 0.0
        for j in range(len(finds) - 1):
            total += finds[j] * term
            term *= t / (j + 1)
        return total

    if level("p", p) == 0.0:
        return 0.0
    high = -2.0 * math.log1p(-p) / (1.0 - rho)
    return service_s * bisect(lambda t: (1.0 - p) - survival(t), 0.0, high)


def _retry_amplification(total: float, timeout: float, retries: int) -> float:
    """Return the attempts per request when each pod carries ``total`` < 1, in units of the service time."""
    return math.fsum(math.exp(-i * (1.0 - total) * timeout) for i in range(retries + 1))


def retry_critical_load(timeout_s: float, retries: int, service_s: float) -> float:
    """Return the first-attempt load per pod above which retries after a timeout leave no good state.

    Random choice, exponential service FIFO, immediate retries, abandoned requests still served. The largest
    x / sum_i exp(-i (1 - x) timeout), where the good and the tipping state meet.

    Args:
        timeout_s: seconds that a client waits for the response.
        retries: r >= 0.
        service_s: mean service time in seconds.

    Source: M/M/1 response tail in x = lam sum_(i<=r) P(T > timeout)^i; the phenomenon is that of Bronson et
    al., HotOS 2021.

    >>> round(retry_critical_load(10.0, 3, 1.0), 5)
    0.69372
    """
    load(0.0, service_s)
    timeout = nonnegative("timeout_s", timeout_s) / service_s
    peak = _retry_peak(timeout, count("retries", retries, least=0))
    return peak / _retry_amplification(peak, timeout, retries)


def _retry_peak(timeout: float, retries: int) -> float:
    """Return the total load at which the sustainable first-attempt load peaks, by golden section."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if left / _retry_amplification(left, timeout, retries) < right / _retry_amplification(
            right, timeout, retries
        ):
            low = left
        else:
            high = right
    return 0.5 * (low + high)


def _retry_sides(rho: float, timeout_s: float, retries: int, service_s: float) -> tuple[float, float]:
    critical = retry_critical_load(timeout_s, retries, service_s)
    if not 0.0 <= rho < critical:
        raise ScenarioError(
            f"rho = {rho!r} must be >= 0 and < {critical:.6g}: above it retries feed themselves"
        )
    return _retry_peak(timeout_s / service_s, retries), timeout_s / service_s


def retry_load(rho: float, timeout_s: float, retries: int, service_s: float) -> float:
    """Return the total load per pod, retries included, of the good state.

    Args:
        rho: load of the first attempts alone, below ``retry_critical_load``.
        timeout_s: seconds that a client waits.
        retries: r >= 0.
        service_s: mean service time in seconds.

    >>> round(retry_load(0.5, 10.0, 3, 1.0), 5)
    0.50351
    """
    peak, timeout = _retry_sides(rho, timeout_s, retries, service_s)
    return bisect(lambda x: x - rho * _retry_amplification(x, timeout, retries), 0.0, peak)


def retry_tipping_load(rho: float, timeout_s: float, retries: int, service_s: float) -> float:
    """Return the total load per pod beyond which the good state is lost although ``rho`` allows it.

    Collapse to rho (r + 1) follows if that is at least 1; otherwise nothing tips and the error says so.

    >>> round(retry_tipping_load(0.5, 10.0, 3, 1.0), 5)
    0.92951
    """
    peak, timeout = _retry_sides(rho, timeout_s, retries, service_s)
    if rho * (retries + 1) < 1.0:
        raise ScenarioError(
            f"rho (retries + 1) = {rho * (retries + 1)!r} must be >= 1: below it nothing collapses"
        )
    return bisect(lambda x: rho * _retry_amplification(x, timeout, retries) - x, peak, 1.0)
