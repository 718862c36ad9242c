"""Steady-state queues in front of pods: mean waits, quantiles, losses.

``arrivals_per_s`` is the Poisson arrival rate into the queue, ``service_s`` the mean service time.
Wait is the time before service starts; response is wait plus service.
"""

from __future__ import annotations

import math

from svcsim.distributions import Distribution
from svcsim.theory.checks import bisect, count, level, load, nonnegative

__all__ = [
    "ekm1_mean_wait",
    "ekm1_response_quantile",
    "ekm1_root",
    "erlang_b",
    "erlang_c",
    "kingman_bound",
    "md1_wait_cdf",
    "md1_wait_quantile",
    "mg1_mean_wait",
    "mm1_mean_response",
    "mm1_mean_wait",
    "mm1_response_quantile",
    "mm1_wait_quantile",
    "mmc_mean_wait",
    "mmc_response_quantile",
    "mmc_response_survival",
    "mmc_wait_quantile",
    "mmck_loss",
    "mmck_mean_wait",
    "ps_mean_response",
]


def mm1_mean_wait(arrivals_per_s: float, service_s: float) -> float:
    """Return the mean wait of M/M/1 FIFO in seconds (Kleinrock, Queueing Systems I, 1975, chapter 3).

    A random choice among n pods is n such queues, each at 1/n of the arrivals.

    >>> round(mm1_mean_wait(0.9, 1.0), 9)
    9.0
    """
    rho = load(arrivals_per_s, service_s)
    return rho * service_s / (1.0 - rho)


def mm1_mean_response(arrivals_per_s: float, service_s: float) -> float:
    """Return the mean response of M/M/1 in seconds (Kleinrock 1975, chapter 3).

    >>> mm1_mean_response(0.5, 1.0)
    2.0
    """
    return service_s / (1.0 - load(arrivals_per_s, service_s))


def mm1_response_quantile(arrivals_per_s: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the M/M/1 FIFO response, exponential with the mean response, in seconds.

    >>> round(mm1_response_quantile(0.9, 1.0, 0.99), 6)
    46.051702
    """
    return -math.log1p(-level("p", p)) * mm1_mean_response(arrivals_per_s, service_s)


def mm1_wait_quantile(arrivals_per_s: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the M/M/1 FIFO wait in seconds: P(W > t) = rho exp(-(1 - rho) t / service_s).

    >>> round(mm1_wait_quantile(0.5, 1.0, 0.99), 6)
    7.824046
    """
    return mmc_wait_quantile(1, arrivals_per_s, service_s, p)


def erlang_b(servers: int, offered: float) -> float:
    """Return the share of arrivals lost by M/G/c/c, whatever the service law (Erlang 1917).

    Args:
        servers: c >= 0.
        offered: arrivals per second times mean service time, any value >= 0.

    >>> round(erlang_b(10, 9.0), 6)
    0.167963
    """
    nonnegative("offered", offered)
    blocking = 1.0
    for k in range(1, count("servers", servers, least=0) + 1):
        blocking = offered * blocking / (k + offered * blocking)
    return blocking


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability that an arrival at M/M/c waits (Erlang 1917).

    >>> round(erlang_c(10, 9.0), 6)
    0.668732
    """
    rho = load(offered, 1.0, servers)
    blocking = erlang_b(servers, offered)
    return blocking / (1.0 - rho * (1.0 - blocking))


def mmc_mean_wait(servers: int, arrivals_per_s: float, service_s: float) -> float:
    """Return the mean wait of M/M/c FIFO in seconds (Kleinrock 1975, chapter 3).

    >>> round(mmc_mean_wait(2, 1.8, 1.0), 6)
    4.263158
    """
    rho = load(arrivals_per_s, service_s, servers)
    return erlang_c(servers, arrivals_per_s * service_s) * service_s / (servers * (1.0 - rho))


def mmc_wait_quantile(servers: int, arrivals_per_s: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the M/M/c FIFO wait in seconds; 0 where enough arrivals don't wait.

    >>> round(mmc_wait_quantile(2, 1.4, 1.0, 0.99), 6)
    6.757232
    """
    rho = load(arrivals_per_s, service_s, servers)
    waiting, beyond = erlang_c(servers, arrivals_per_s * service_s), 1.0 - level("p", p)
    if waiting <= beyond:
        return 0.0
    return math.log(waiting / beyond) * service_s / (servers * (1.0 - rho))


def mmc_response_survival(servers: int, arrivals_per_s: float, service_s: float, t: float) -> float:
    """Return P(response > t) of M/M/c FIFO: an exponential service after a wait that may be zero.

    Source: Gross, Shortle, Thompson, Harris, Fundamentals of Queueing Theory, 4th ed. 2008, chapter 2.

    >>> round(mmc_response_survival(2, 1.8, 1.0, 23.344430), 6)
    0.01
    """
    rho = load(arrivals_per_s, service_s, servers)
    waiting = erlang_c(servers, arrivals_per_s * service_s)
    x = nonnegative("t", t) / service_s
    theta = servers * (1.0 - rho)  # decay of the wait, in units of the service rate
    gap = (theta - 1.0) * x
    # (theta e^-x - e^-(theta x)) / (theta - 1), written so that theta = 1 is no special case
    spread = -math.expm1(-gap) / gap * x if abs(gap) > 1e-9 else x * (1.0 - 0.5 * gap)
    return math.exp(-x) * (1.0 + waiting * spread)


def mmc_response_quantile(servers: int, arrivals_per_s: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the M/M/c FIFO response in seconds, by bisection.

    >>> round(mmc_response_quantile(4, 3.6, 1.0, 0.95), 6)
    8.165525
    """
    beyond = 1.0 - level("p", p)
    if p == 0.0:
        return 0.0
    high = mmc_wait_quantile(servers, arrivals_per_s, service_s, 1.0 - beyond / 2)
    high -= service_s * math.log(beyond / 2)
    return bisect(lambda t: beyond - mmc_response_survival(servers, arrivals_per_s, service_s, t), 0.0, high)


def _mmck_probabilities(servers: int, places: int, arrivals_per_s: float, service_s: float) -> list[float]:
    count("servers", servers)
    count("places", places, least=servers)
    offered = nonnegative("arrivals_per_s", arrivals_per_s) * nonnegative("service_s", service_s)
    terms = [1.0]
    for n in range(1, places + 1):
        terms.append(terms[-1] * offered / min(n, servers))
        if terms[-1] > 1e200:
            terms = [term / terms[-1] for term in terms]
    total = math.fsum(terms)
    return [term / total for term in terms]


def mmck_loss(servers: int, places: int, arrivals_per_s: float, service_s: float) -> float:
    """Return the share of arrivals that M/M/c/K turns away (Kleinrock 1975, chapter 3).

    Args:
        servers: c, how many are served at once.
        places: K >= c, in service and waiting together.
        arrivals_per_s: any rate; overload is allowed.
        service_s: mean service time in seconds.

    >>> round(mmck_loss(4, 8, 3.6, 1.0), 6)
    0.096636
    """
    return _mmck_probabilities(servers, places, arrivals_per_s, service_s)[-1]


def mmck_mean_wait(servers: int, places: int, arrivals_per_s: float, service_s: float) -> float:
    """Return the mean wait in seconds of those that M/M/c/K accepts (Little's law on its queue).

    >>> round(mmck_mean_wait(4, 8, 3.6, 1.0), 6)
    0.332038
    """
    probabilities = _mmck_probabilities(servers, places, arrivals_per_s, service_s)
    if arrivals_per_s == 0.0:
        return 0.0
    waiting = math.fsum((n - servers) * p for n, p in enumerate(probabilities) if n > servers)
    return waiting / (arrivals_per_s * (1.0 - probabilities[-1]))


def mg1_mean_wait(arrivals_per_s: float, service: Distribution) -> float:
    """Return the mean wait of M/G/1 FIFO in seconds (Pollaczek 1930, Khinchine 1932).

    >>> from svcsim.distributions import Constant
    >>> round(mg1_mean_wait(0.9, Constant(1.0)), 9)
    4.5
    """
    rho = load(arrivals_per_s, service.mean())
    return arrivals_per_s * (service.variance() + service.mean() ** 2) / (2.0 * (1.0 - rho))


def kingman_bound(rho: float, arrival_scv: float, service_scv: float, service_s: float) -> float:
    """Return Kingman's heavy-traffic mean wait of GI/G/1 in seconds (Kingman 1961), tight as rho nears 1.

    Args:
        rho: load < 1.
        arrival_scv: variance over squared mean of the gaps between arrivals.
        service_scv: the same of the service times.
        service_s: mean service time in seconds.

    >>> round(kingman_bound(0.9, 4.0, 1.0, 1.0), 6)
    22.5
    """
    rho = load(rho, 1.0)
    return rho / (1.0 - rho) * 0.5 * (arrival_scv + service_scv) * service_s


def ps_mean_response(arrivals_per_s: float, service_s: float, size_s: float | None = None) -> float:
    """Return the mean response of M/G/1 processor sharing in seconds, whatever the service law.

    Args:
        arrivals_per_s: arrival rate.
        service_s: mean service time in seconds.
        size_s: service time of the request asked about; the mean by default (Kleinrock 1967).

    >>> ps_mean_response(0.5, 1.0)
    2.0
    """
    return (service_s if size_s is None else size_s) / (1.0 - load(arrivals_per_s, service_s))


def _md1_queue_cdf(rho: float, upto: int) -> list[float]:
    """Return P(N <= k) of M/D/1 for k = 0..upto from the flow balance across each level."""
    gap = [math.exp(-rho)]
    for k in range(1, upto + 24):  # what lies beyond is below 1e-22 of the term it would join
        gap.append(gap[-1] * rho / k)
    more = [math.fsum(gap[k:]) for k in range(1, len(gap))]  # more[k] = P(arrivals in a service > k)
    states = [1.0 - rho]
    for n in range(1, upto + 1):
        inflow = states[0] * more[n - 1] + math.fsum(states[j] * more[n - j] for j in range(1, n))
        states.append(inflow / gap[0])
    return [min(math.fsum(states[: k + 1]), 1.0) for k in range(upto + 1)]


def md1_wait_cdf(arrivals_per_s: float, service_s: float, t: float) -> float:
    """Return P(wait <= t) of M/D/1 FIFO from Franx's sum of positive terms, free of cancellation.

    Source: G. J. Franx, Operations Research Letters 29 (2001), with one server. Cost O((t/service_s)^2).

    >>> round(md1_wait_cdf(0.5, 1.0, 3.33626), 5)
    0.99
    """
    rho = load(arrivals_per_s, service_s)
    if nonnegative("t", t) == 0.0 or rho == 0.0:
        return 1.0 - rho if t == 0.0 else 1.0
    k = int(t / service_s) + 1
    x = max(arrivals_per_s * (k * service_s - t), 0.0)
    queue = _md1_queue_cdf(rho, k)
    term, total = math.exp(-x), 0.0
    for j in range(k):
        total += queue[k - j] * term  # k - 1 - j waiting and one in service
        term *= x / (j + 1)
    return min(total, 1.0)


def md1_wait_quantile(arrivals_per_s: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the M/D/1 FIFO wait in seconds, by bisection; 0 where p <= 1 - rho.

    >>> round(md1_wait_quantile(0.7, 1.0, 0.99), 5)
    6.4855
    """
    rho = load(arrivals_per_s, service_s)
    if level("p", p) <= 1.0 - rho:
        return 0.0
    # an exponential service of the same mean waits longer at every level
    high = mm1_wait_quantile(arrivals_per_s, service_s, p)
    return bisect(lambda t: md1_wait_cdf(arrivals_per_s, service_s, t) - p, 0.0, high)


def ekm1_root(servers: int | None, rho: float) -> float:
    """Return sigma, the probability that an arrival at E_k/M/1 waits: sigma = (k rho/(k rho + 1 - sigma))^k.

    Args:
        servers: k; None is the limit D/M/1, sigma = exp(-(1 - sigma)/rho).
        rho: load < 1.

    Source: Kleinrock 1975, chapter 6 (GI/M/1), with Erlang gaps.

    >>> round(ekm1_root(3, 0.9), 6), round(ekm1_root(None, 0.9), 6)
    (0.85261, 0.8069)
    """
    rho = load(rho, 1.0)
    if rho == 0.0:
        return 0.0

    def transform(sigma: float) -> float:
        if servers is None:
            return math.exp(-(1.0 - sigma) / rho)
        k = count("servers", servers)
        return math.exp(-k * math.log1p((1.0 - sigma) / (k * rho)))

    sigma = 0.0
    while True:  # rises to the smaller root, the one below 1
        following = transform(sigma)
        if following <= sigma:
            return sigma
        sigma = following


def ekm1_mean_wait(servers: int | None, rho: float, service_s: float) -> float:
    """Return the mean wait in seconds behind round robin: each of k pods is an E_k/M/1 queue.

    Args:
        servers: k pods that one proxy visits in turn (Poisson input); None for the limit D/M/1.
        rho: load of each pod.
        service_s: mean (exponential) service time in seconds.

    >>> round(ekm1_mean_wait(10, 0.9, 1.0), 6)
    4.660276
    """
    sigma = ekm1_root(servers, rho)
    return sigma * service_s / (1.0 - sigma)


def ekm1_response_quantile(servers: int | None, rho: float, service_s: float, p: float) -> float:
    """Return the p-quantile of the response behind round robin in seconds.

    The response is exponential with mean service_s/(1 - sigma) (Kleinrock 1975, chapter 6).

    >>> round(ekm1_response_quantile(10, 0.9, 1.0, 0.99), 4)
    26.0665
    """
    return -math.log1p(-level("p", p)) * service_s / (1.0 - ekm1_root(servers, rho))
