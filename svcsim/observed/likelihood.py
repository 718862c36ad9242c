"""How well a law explains a histogram: the likelihood of bucket counts and of the known sum.

An observation in a bucket says only that it lies between two bounds (interval censoring). The sum of all
observations is known exactly besides, which tells much where buckets are wide: given the counts it is close
to normal around the sum of the buckets' conditional means. Its spread is taken as that of durations spread
evenly over each bucket, whatever the law, so that no law gains by having no spread.

kube-proxies on many nodes observe the same changes, nearly in phase: n proxies count as one. The likelihood
is the geometric mean over proxies, and a histogram has `count / proxies` independent observations at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from svcsim.distributions import Distribution
from svcsim.observed.histograms import Histogram
from svcsim.observed.laws import excess

__all__ = ["Likelihood", "Survival", "plain", "truncated"]

Floats = npt.NDArray[np.float64]
Survival = Callable[[Floats], Floats]
"""P(M > x) elementwise for x >= 0 in seconds."""

_POINTS = 8
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_POINTS)
_LEAST = 1e-300


def plain(law: Distribution) -> Survival:
    """Return the survival function of a duration that is measured as it is."""
    return lambda x: excess(law, x, 0)


def truncated(law: Distribution) -> Survival:
    """Return the survival function of L + U(0, 1): a duration from an instant cut to whole seconds.

    P(L + U > x) is the integral of P(L > x - u) over u, E[(L - (x - 1))+] - E[(L - x)+].
    """
    return lambda x: np.maximum(excess(law, x - 1.0, 1) - excess(law, x, 1), 0.0)


class Likelihood:
    """The log-likelihood of one histogram for any survival function."""

    def __init__(self, histogram: Histogram) -> None:
        low, high, counts = (np.array(column) for column in zip(*histogram.occupied, strict=True))
        self._low, self._high, self._counts = low, high, counts
        self._finite = np.isfinite(high)
        self.weight = 1.0 / max(histogram.proxies, 1)
        self.independent = histogram.count * self.weight
        self._sum_s = histogram.sum_s if self._finite.all() else None
        self._variance = float(np.sum(counts * (high - low) ** 2) / 12.0) if self._sum_s is not None else 0.0
        half = 0.5 * np.where(self._finite, high - low, 0.0)[:, None]
        self._inside = low[:, None] + half * (1.0 + _NODES)
        self._inside_weights = half * _WEIGHTS
        self._at = np.concatenate((low, np.where(self._finite, high, low), self._inside.ravel()))

    def __call__(self, survival: Survival) -> float:
        """Return the log-likelihood per proxy."""
        n = len(self._low)
        there = survival(self._at)
        begins, ends = there[:n], np.where(self._finite, there[n : 2 * n], 0.0)
        shares = begins - ends
        log = float(np.dot(self._counts, np.log(np.maximum(shares, _LEAST))))
        if self._sum_s is not None:
            area = np.sum(self._inside_weights * there[2 * n :].reshape(n, _POINTS), axis=1)
            first = self._low * begins - self._high * ends + area  # E[M; bucket], by parts
            means = np.clip(first / np.maximum(shares, _LEAST), self._low, self._high)
            off = self._sum_s - float(np.dot(self._counts, means))
            log -= 0.5 * (off * off / self._variance + math.log(2.0 * math.pi * self._variance))
        return self.weight * log
