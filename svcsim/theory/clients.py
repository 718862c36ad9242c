"""Expected failures by what the client does: retries, backoff, cached names, a pinned address.

The words are those of ``lag``: L is the lag until an observer stops choosing the dying pod, s (``serves_s``)
how long that pod still accepts.
"""

from __future__ import annotations

import math

from svcsim.distributions import Distribution, Shifted, Uniform
from svcsim.errors import ScenarioError
from svcsim.theory.checks import count, nonnegative, per_endpoint

__all__ = [
    "backoff_failures",
    "dns_failures",
    "first_address_outage_probability",
    "pinned_dead_share",
    "pinned_failures",
    "retry_attempts",
    "retry_failure_share",
    "two_cache_failures",
    "two_cache_residual",
]


def retry_failure_share(stale: int, listed: int, retries: int, *, exclude_tried: bool = False) -> float:
    """Return the share of requests that fail although retried at once, k of m endpoints stale.

    With replacement (k/m)^(r+1); excluding tried endpoints the product of (k - i)/(m - i) for i = 0..r, which
    is 0 from r = k on.

    Args:
        stale: k endpoints that refuse.
        listed: m endpoints listed.
        retries: r >= 0 retries after the first attempt.
        exclude_tried: each attempt avoids the endpoints already tried.

    >>> retry_failure_share(3, 10, 0), round(retry_failure_share(3, 10, 2, exclude_tried=True), 6)
    (0.3, 0.008333)
    """
    m, k = count("listed", listed), count("stale", stale, least=0)
    if k > m:
        raise ScenarioError(f"stale = {k} must be <= listed = {m}")
    r = count("retries", retries, least=0)
    if not exclude_tried:
        return float((k / m) ** (r + 1))
    return math.prod((k - i) / (m - i) if m > i else 0.0 for i in range(min(r, k) + 1))


def retry_attempts(failure: float, retries: int) -> float:
    """Return the attempts per request when each fails with the same probability: (1 - p^(r+1))/(1 - p).

    >>> round(retry_attempts(0.3, 3), 3)
    1.417
    """
    if not 0.0 <= failure <= 1.0:
        raise ScenarioError(f"failure = {failure!r} must be in [0, 1]")
    return math.fsum(failure**i for i in range(count("retries", retries, least=0) + 1))


def backoff_failures(
    rate_per_s: float, listed: int, lag: Distribution, serves_s: float, *, retries: int, backoff_s: float
) -> float:
    """Return the expected requests whose every attempt hits the one dying pod.

    rate (1/m)^(r+1) E[(L - s - r b)+]: the last attempt must come before the lag is over too.

    Args:
        rate_per_s: requests per second.
        listed: m endpoints believed in.
        lag: law of L.
        serves_s: s in seconds.
        retries: r >= 0.
        backoff_s: b, seconds between attempts.

    >>> from svcsim.distributions import Exponential
    >>> round(backoff_failures(200.0, 5, Exponential(2.0), 0.5, retries=1, backoff_s=0.3), 4)
    10.7251
    """
    r = count("retries", retries, least=0)
    start = nonnegative("serves_s", serves_s) + r * nonnegative("backoff_s", backoff_s)
    share = nonnegative("rate_per_s", rate_per_s) * (1.0 / count("listed", listed)) ** (r + 1)
    return share * lag.mean_excess(start)


def dns_failures(rate_per_s: float, listed: int, removal_s: float, ttl_s: float, serves_s: float) -> float:
    """Return the expected failures behind one cached name: (rate/n) E[(l + U(0, T) - s)+].

    A client that always takes the first address has the same mean, all or nothing.

    Args:
        rate_per_s: requests per second of the clients behind the cache.
        listed: n addresses in the record.
        removal_s: l, seconds until the record is gone from the server.
        ttl_s: T, seconds an answer is cached, met at a uniform phase.
        serves_s: s in seconds.

    >>> round(dns_failures(1.0, 1, 0.5, 30.0, 5.0), 4)
    10.8375
    """
    residual = Shifted(removal_s, Uniform(0.0, ttl_s))
    return per_endpoint(rate_per_s, listed) * residual.mean_excess(nonnegative("serves_s", serves_s))


def first_address_outage_probability(listed: int) -> float:
    """Return the chance that a client using only the first address is cut off when one of n pods goes.

    >>> first_address_outage_probability(4)
    0.25
    """
    return 1.0 / count("listed", listed)


def two_cache_residual(ttl1_s: float, ttl2_s: float, *, restarted: bool) -> tuple[float, float]:
    """Return the mean and the maximum seconds that a removed record survives two caches in a row.

    Args:
        ttl1_s: lifetime in the cache nearer to the server.
        ttl2_s: lifetime in the cache nearer to the client.
        restarted: the second cache starts the lifetime anew, so that both add up; otherwise it passes on what
            is left and the residual is uniform up to the first lifetime.

    >>> two_cache_residual(30.0, 5.0, restarted=True)
    (17.5, 35.0)
    """
    first, second = nonnegative("ttl1_s", ttl1_s), nonnegative("ttl2_s", ttl2_s)
    return (0.5 * (first + second), first + second) if restarted else (0.5 * first, first)


def two_cache_failures(
    rate_per_s: float, listed: int, removal_s: float, ttls_s: tuple[float, float], serves_s: float
) -> float:
    """Return the expected failures behind two caches that both restart the lifetime.

    (rate/n) E[(l + U(0, T1) + U(0, T2) - s)+], the integral of a trapezoid density.

    Args:
        rate_per_s: requests per second.
        listed: n addresses in the record.
        removal_s: l, seconds until the record is gone from the server.
        ttls_s: T1 and T2 in seconds.
        serves_s: s in seconds.

    >>> two_cache_failures(1.0, 1, 0.5, (30.0, 30.0), 0.0)
    30.5
    """
    share = per_endpoint(rate_per_s, listed)
    a, b = (nonnegative(f"ttls_s[{i}]", ttl) for i, ttl in enumerate(ttls_s))
    x = nonnegative("serves_s", serves_s) - nonnegative("removal_s", removal_s)
    if x <= 0.0:
        return share * (0.5 * (a + b) - x)
    if a == 0.0 or b == 0.0:
        return share * Uniform(0.0, max(a, b)).mean_excess(x)
    cubes = max(a + b - x, 0.0) ** 3 - max(a - x, 0.0) ** 3 - max(b - x, 0.0) ** 3
    return share * cubes / (6.0 * a * b)


def pinned_failures(rate_per_s: float, elapsed_s: float, serves_s: float) -> float:
    """Return the expected failures of a client pinned to one pod address that it never resolves again.

    Nothing fails before the pod stops, everything afterwards: rate (t - s)+.

    Args:
        rate_per_s: requests per second of that client.
        elapsed_s: t, seconds since the pod stopped being wanted.
        serves_s: s in seconds.

    >>> pinned_failures(10.0, 60.0, 5.0)
    550.0
    """
    rate = nonnegative("rate_per_s", rate_per_s)
    return rate * max(nonnegative("elapsed_s", elapsed_s) - nonnegative("serves_s", serves_s), 0.0)


def pinned_dead_share(replaced: int, pods: int) -> float:
    """Return the share of pinned clients that have lost their pod once k of n pods are replaced.

    >>> pinned_dead_share(3, 10)
    0.3
    """
    n, k = count("pods", pods), count("replaced", replaced, least=0)
    if k > n:
        raise ScenarioError(f"replaced = {k} must be <= pods = {n}")
    return k / n
