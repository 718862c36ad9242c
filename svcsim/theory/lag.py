"""Expected failures while observers still believe in a pod that is going away.

L is the lag from "the pod stops being wanted" until an observer stops choosing it, s (``serves_s``) how long
the pod goes on accepting after that instant: preStop, application drain, less the kubelet's own lag. A
connection fails when it is sent during (L - s)+. Requests arrive as a Poisson process of ``rate_per_s`` and
choose at random among ``listed`` endpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svcsim.distributions import Constant, Distribution, Empirical, Exponential, Shifted, Uniform
from svcsim.errors import ScenarioError
from svcsim.theory.checks import count, nonnegative, per_endpoint

__all__ = [
    "expected_last",
    "failures_variance",
    "fallback_failures",
    "history_failures",
    "no_failure_probability",
    "rollout_failures",
    "sigkill_cuts",
    "stale_failures",
]


def stale_failures(rate_per_s: float, listed: int, lag: Distribution, serves_s: float) -> float:
    """Return the expected failures of one pod's end: (rate/n) E[(L - s)+].

    With node proxies, pass the total rate: the sum over nodes of (rate_j/n) E[(L_j - s)+] is the same when
    the lags have one law, whether or not they depend on each other.

    Args:
        rate_per_s: requests per second to the service.
        listed: n endpoints believed in, the dying one included.
        lag: law of L.
        serves_s: s in seconds.

    Source: thinning of a Poisson process (Kingman, Poisson Processes, 1993).

    >>> from svcsim.distributions import Exponential
    >>> round(stale_failures(1000.0, 10, Exponential(2.0), 1.0), 4)
    121.3061
    """
    return per_endpoint(rate_per_s, listed) * lag.mean_excess(nonnegative("serves_s", serves_s))


def failures_variance(
    rate_per_s: float,
    listed: int,
    lag: Distribution,
    serves_s: float,
    *,
    nodes: int = 1,
    shared: bool = False,
) -> float:
    """Return the variance of the failures of one pod's end: mean + (rate/n)^2 Var[(L - s)+] / N.

    Args:
        rate_per_s: requests per second to the service, spread equally over the nodes.
        listed: n endpoints believed in.
        lag: law of L.
        serves_s: s in seconds.
        nodes: N proxies with independent lags.
        shared: all proxies have one common lag, so that nothing averages out.

    >>> from svcsim.distributions import Exponential
    >>> round(failures_variance(20.0, 10, Exponential(2.0), 1.0), 5)
    15.94903
    """
    excess = lag.mean_excess(nonnegative("serves_s", serves_s))
    spread = max(lag.square_excess(serves_s) - excess**2, 0.0)
    share = per_endpoint(rate_per_s, listed)
    return share * excess + share**2 * spread / (1 if shared else count("nodes", nodes))


def no_failure_probability(rate_per_s: float, listed: int, lag: Distribution, serves_s: float) -> float:
    """Return P(no failure) at one pod's end behind one proxy: E[exp(-a (L - s)+)], a = rate/n.

    Closed for an exponential lag, 1 - exp(-theta s) a/(theta + a), and for a constant one; otherwise the
    midpoint rule on 1 - integral of P(L > s - ln(v)/a) over v in (0, 1), good to about 1e-5.

    >>> from svcsim.distributions import Exponential
    >>> round(no_failure_probability(20.0, 10, Exponential(2.0), 1.0), 6)
    0.514775
    """
    share = per_endpoint(rate_per_s, listed)
    nonnegative("serves_s", serves_s)
    if share == 0.0 or lag.mean() == 0.0:
        return 1.0
    if isinstance(lag, Constant):
        return math.exp(-share * lag.mean_excess(serves_s))
    if isinstance(lag, Exponential):
        theta = 1.0 / lag.mean()
        return 1.0 - math.exp(-theta * serves_s) * share / (theta + share)
    points = 100_000
    v = (np.arange(points) + 0.5) / points
    return float(np.mean(lag.cdf(serves_s - np.log(v) / share)))


def expected_last(lag: Distribution, observers: int) -> float:
    """Return E[max of N independent lags] in seconds: when the last node has converged.

    Closed for exponential (mean times the harmonic number), uniform, constant and empirical lags; otherwise
    Gauss-Legendre between quantiles of the maximum.

    >>> from svcsim.distributions import Exponential
    >>> round(expected_last(Exponential(2.0), 50), 4)
    8.9984
    """
    n = count("observers", observers)
    if isinstance(lag, Constant):
        return lag.value
    if isinstance(lag, Shifted):
        return lag.offset + expected_last(lag.inner, n)
    if isinstance(lag, Exponential):
        return lag.mean() * math.fsum(1.0 / k for k in range(1, n + 1))
    if isinstance(lag, Uniform):
        return lag.low + (lag.high - lag.low) * n / (n + 1)
    if isinstance(lag, Empirical):
        values = np.unique(lag.values)
        return float(np.dot(values, np.diff(lag.cdf(values) ** n, prepend=0.0)))
    return _mean_of_max(lag, n)


def _mean_of_max(lag: Distribution, n: int) -> float:
    """Integrate 1 - F(x)^n over panels that end at quantiles of the maximum, where jumps lie too."""
    levels = np.concatenate((2.0 ** -np.arange(40.0, 6.0, -1.0), np.linspace(0.01, 0.99, 99)))
    lower = lag.quantile(np.exp(np.log(levels) / n))
    # 1 - v^(1/n) directly: near 1 the difference would lose its digits
    upper = lag.quantile(1.0 + np.expm1(np.log1p(-(2.0 ** -np.arange(7.0, 45.0))) / n))
    edges = np.unique(np.concatenate(([0.0], lower, upper)))
    edges = edges[np.isfinite(edges)]
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)[:, None]
    x: NDArray[np.float64] = edges[:-1, None] + half * (1.0 + nodes)
    return float(np.sum(half * weights * (1.0 - lag.cdf(x) ** n)))


def rollout_failures(
    rate_per_s: float, replicas: int, listed: int, lag: Distribution, serves_s: float
) -> float:
    """Return the expected failures of replacing R pods: R (rate/m) E[(L - s)+], whatever the overlap.

    Args:
        rate_per_s: requests per second to the service.
        replicas: R pods replaced.
        listed: m endpoints listed throughout.
        lag: law of L.
        serves_s: s in seconds.

    >>> from svcsim.distributions import Exponential
    >>> round(rollout_failures(1000.0, 10, 10, Exponential(2.0), 5.0), 3)
    164.17
    """
    return count("replicas", replicas, least=0) * stale_failures(rate_per_s, listed, lag, serves_s)


def history_failures(
    rate_per_s: float, instants_s: Sequence[float], stale: Sequence[int], listed: Sequence[int]
) -> float:
    """Return the expected failures over a history: rate times the integral of stale(t)/listed(t).

    Args:
        rate_per_s: requests per second.
        instants_s: n + 1 rising instants in seconds that bound n spans.
        stale: per span, the listed endpoints that no longer accept.
        listed: per span, the endpoints listed; a span without any adds nothing.

    >>> history_failures(100.0, [0.0, 1.0, 3.0], [1, 2], [4, 5])
    105.0
    """
    if not len(instants_s) - 1 == len(stale) == len(listed):
        raise ScenarioError(
            f"stale has {len(stale)} and listed {len(listed)} spans but must have {len(instants_s) - 1}"
        )
    spans = zip(instants_s[:-1], instants_s[1:], stale, listed, strict=True)
    shares = [(end - start) * bad / total for start, end, bad, total in spans if total]
    return nonnegative("rate_per_s", rate_per_s) * math.fsum(shares)


def fallback_failures(node_rate_per_s: float, node_removal: Distribution, stops_s: float) -> float:
    """Return the expected failures when no ready endpoint is left and terminating ones still serve.

    Until the pod stops nothing fails; then everything sent to its node does until the node is out of the
    balancer: rate E[(H - g)+].

    Args:
        node_rate_per_s: requests per second to that node.
        node_removal: law of H, seconds until the balancer drops the node.
        stops_s: g, seconds until the pod really stops.

    >>> from svcsim.distributions import Uniform
    >>> fallback_failures(100.0, Uniform(0.0, 4.0), 2.0)
    50.0
    """
    rate = nonnegative("node_rate_per_s", node_rate_per_s)
    return rate * node_removal.mean_excess(nonnegative("stops_s", stops_s))


def sigkill_cuts(
    rate_per_s: float, listed: int, duration: Distribution, lag_s: float, grace_s: float
) -> float:
    """Return the expected connections open when SIGKILL comes: (rate/n) E[(D - (G - min(L, G)))+].

    Those opened before the pod's end add E[D](1 - F_e(G)) = E[(D - G)+], those opened later the rest.

    Args:
        rate_per_s: connections opened per second to the service.
        listed: n endpoints believed in.
        duration: law of a connection's length D.
        lag_s: L, seconds during which new connections still arrive.
        grace_s: G, seconds from the pod's end to SIGKILL.

    Source: number in an M/G/infinity system (Takacs 1962), with the arrivals stopped.

    >>> from svcsim.distributions import Exponential
    >>> round(sigkill_cuts(100.0, 10, Exponential(20.0), 5.0, 30.0), 4)
    57.301
    """
    accepts = min(nonnegative("lag_s", lag_s), nonnegative("grace_s", grace_s))
    return per_endpoint(rate_per_s, listed) * duration.mean_excess(grace_s - accepts)
