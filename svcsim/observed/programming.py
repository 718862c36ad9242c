"""Network programming latency taken apart: what of it is the endpointSlice stage, what waits.

kube-proxy observes, at the end of each successful sync, the time since a change's trigger
(pkg/proxy/endpointschangetracker.go, pkg/proxy/iptables/proxier.go). The trigger is the pod's
Ready.lastTransitionTime, cut to whole seconds, so that what is observed is

    M = U(0, 1) + status + endpointSlice + watch + wait + sync

with `wait` the time kube-proxy's run loop holds a change back. A change that finds the loop idle does not
wait; one that finds it busy comes at a uniform instant of the cycle, minSyncPeriod + sync from Kubernetes
1.34 on, the longer of the two before. With X the sum of the other stages and T the cycle,

    P(U + X > x)     = E1(x - 1) - E1(x),                                 E1(s) = E[(X - s)+]
    P(U + X + W > x) = (E2(x-1-T) - E2(x-1) - E2(x-T) + E2(x)) / (2 T),   E2(s) = E[((X - s)+)^2]

and X is a lognormal, the endpointSlice stage, behind slices of equal probability of the known stages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.distributions import Distribution, LogNormal
from svcsim.observed.fitting import MOST_S, maximise, spread_prior
from svcsim.observed.histograms import Histogram
from svcsim.observed.laws import excess, slices
from svcsim.observed.likelihood import Likelihood, Survival

__all__ = ["Split", "known_delays", "measured_latency", "split"]

Floats = npt.NDArray[np.float64]

_FINE, _COARSE = 16, 16
_SHARES = 11
_BOUNDS = ((math.log(1e-3), math.log(MOST_S)), (math.log(0.1), math.log(2.5)))
_DROP_95 = 1.92  # half the 95% quantile of chi-squared with one degree of freedom
_NO_WAIT_S = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The endpointSlice stage and the busy share that explain a histogram best.

    busy_low, busy_high: shares that explain it hardly worse (profile likelihood, 95%); equal where the share
    was given. mean_low_s, mean_high_s: mean of the endpointSlice stage over those shares.
    """

    endpoint_slice: LogNormal
    busy: float
    busy_low: float
    busy_high: float
    mean_low_s: float
    mean_high_s: float
    wait_mean_s: float
    survival: Survival


def known_delays(laws: Sequence[Distribution]) -> Floats:
    """Return delays of equal probability whose mean is that of the sum of independent laws, ascending."""
    sums = np.zeros(1)
    for law in laws:
        sums = (sums[:, None] + slices(law, _FINE)).ravel()
        if len(sums) > _COARSE:
            sums = np.sort(sums).reshape(_COARSE, -1).mean(axis=1)
    return np.asarray(sums)


def measured_latency(endpoint_slice: Distribution, known_s: Floats, cycle_s: float, busy: float) -> Survival:
    """Return P(M > x).

    Args:
        endpoint_slice: law of that stage.
        known_s: float64 (n,), equally likely sums of the other stages in seconds.
        cycle_s: T in seconds.
        busy: share of changes that find the run loop busy.
    """

    def survival(x: Floats) -> Floats:
        s = x[:, None] - known_s
        share = busy if cycle_s > _NO_WAIT_S else 0.0
        total = np.zeros_like(s)
        if share < 1.0:
            total += (1.0 - share) * (excess(endpoint_slice, s - 1.0, 1) - excess(endpoint_slice, s, 1))
        if share > 0.0:
            second = [excess(endpoint_slice, s - back, 2) for back in (1.0 + cycle_s, 1.0, cycle_s, 0.0)]
            total += share * (second[0] - second[1] - second[2] + second[3]) / (2.0 * cycle_s)
        return np.asarray(np.clip(total.mean(axis=1), 0.0, 1.0))

    return survival


def split(
    histogram: Histogram, known_s: Floats, cycle_s: float, *, busy: float | None, least_busy: float
) -> Split:
    """Fit the endpointSlice stage, and the busy share unless it is given.

    Args:
        histogram: of the network programming latency; not empty.
        known_s: float64 (n,), equally likely sums of the other stages in seconds.
        cycle_s: T in seconds.
        busy: share of changes that find the run loop busy, or None.
        least_busy: the least it can be, from the count of syncs.
    """
    likelihood = Likelihood(histogram)
    rest = histogram.mean_s - 0.5 - float(np.mean(known_s))
    wide = [
        (math.log(min(max(guess, 2e-3), 100.0)), math.log(0.6))
        for guess in (0.04, rest, rest - 0.5 * (least_busy if busy is None else busy) * cycle_s)
    ]

    def best(share: float, starts: Sequence[Sequence[float]]) -> tuple[float, float, LogNormal]:
        def posterior(theta: Floats) -> float:
            survival = measured_latency(_law(theta), known_s, cycle_s, share)
            return likelihood(survival) + spread_prior(theta[1])

        theta, value = maximise(posterior, starts, _BOUNDS, steps=60)
        return value, share, _law(theta)

    found = [best(least_busy if busy is None else busy, wide)]
    if busy is None:
        step = (1.0 - least_busy) / (_SHARES - 1)
        for share in least_busy + step * np.arange(1, _SHARES):
            found.append(best(float(min(share, 1.0)), [_theta(found[-1][2])]))
        _, near, law = max(found, key=lambda one: one[0])
        for share in np.linspace(max(near - step, least_busy), min(near + step, 1.0), _SHARES):
            found.append(best(float(share), [_theta(law)]))
    value, share, law = max(found, key=lambda one: one[0])
    likely = [one for one in found if one[0] >= value - _DROP_95]
    means = [one[2].mean() for one in likely]
    return Split(
        endpoint_slice=law,
        busy=share,
        busy_low=min(one[1] for one in likely),
        busy_high=max(one[1] for one in likely),
        mean_low_s=min(means),
        mean_high_s=max(means),
        wait_mean_s=0.5 * share * cycle_s,
        survival=measured_latency(law, known_s, cycle_s, share),
    )


def _theta(law: LogNormal) -> list[float]:
    return [law.mu, math.log(law.sigma)]


def _law(theta: Floats) -> LogNormal:
    return LogNormal.from_median_sigma(math.exp(theta[0]), math.exp(theta[1]))
