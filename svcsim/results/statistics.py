"""Quantiles of the additive histogram, and intervals over replications.

A replication is one sample: failures cluster by rollout, so the requests of one run are not independent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = [
    "HIST_BINS",
    "MIN_REPLICATIONS",
    "bin_of",
    "edges_s",
    "mean_interval",
    "no_failure_bound",
    "quantiles_s",
    "ratio_interval",
]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

HIST_BINS = 64 * 64
MIN_REPLICATIONS = 5
_NONE = (float("nan"), float("nan"))


def bin_of(span_ns: Int64) -> Int64:
    """The histogram bin of each span (int64 ns, >= 0): 64 bins to an octave, 0 for spans under 2 ns.

    The float64 bits of a span hold its octave and, in the six bits after it, its place in the octave.
    """
    bits = span_ns.astype(np.float64).view(np.int64) >> 46
    clipped: Int64 = np.clip(bits - (1023 << 6), 0, HIST_BINS - 1)
    return clipped


def edges_s() -> Float64:
    """Edges of the bins: float64 (HIST_BINS + 1,), seconds; the first bin begins at 0."""
    bins = np.arange(HIST_BINS + 1)
    edges: Float64 = np.ldexp(1.0 + (bins & 63) / 64.0, bins >> 6) * 1e-9
    edges[0] = 0.0
    return edges


def _middles_s() -> Float64:
    bins = np.arange(HIST_BINS)
    middles: Float64 = np.ldexp(1.0 + ((bins & 63) + 0.5) / 64.0, bins >> 6) * 1e-9
    middles[0] = 0.0
    return middles


_MIDDLES_S = _middles_s()


def quantiles_s(histogram: Int64, levels: tuple[float, ...]) -> Float64:
    """The quantiles of each row of `histogram`, int64 (n, HIST_BINS): float64 (n, levels), seconds.

    The smallest bin whose cumulative count reaches level x total, as its midpoint: less than 1% off the exact
    order statistic. NaN for an empty row.
    """
    total = np.cumsum(histogram, axis=1)
    found = np.full((len(histogram), len(levels)), np.nan)
    for i, row in enumerate(total):
        n = int(row[-1])
        if n:
            ranks = np.maximum(np.ceil(np.array(levels) * n - 1e-9), 1)
            found[i] = _MIDDLES_S[np.searchsorted(row, ranks)]
    return found


def mean_interval(values: Float64, *, confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean of one value per replication; NaN under 5 replications or with a NaN.

    >>> [round(x, 3) for x in mean_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))]
    [1.037, 4.963]
    """
    n = len(values)
    if n < MIN_REPLICATIONS or not np.isfinite(values).all():
        return _NONE
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * float(np.std(values, ddof=1)) / n**0.5
    return mean - half, mean + half


def ratio_interval(part: Float64, whole: Float64, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of sum(part) / sum(whole) over replications, within [0, 1]; NaN under 5 replications.

    Linearised: the residuals part - ratio x whole have a t interval (Cochran, Sampling Techniques, 1977, eq.
    6.13). With no part at all the upper end is NaN: what can be said then is `no_failure_bound`.
    """
    total = float(np.sum(whole))
    if len(part) < MIN_REPLICATIONS or total <= 0:
        return _NONE
    ratio = float(np.sum(part)) / total
    if ratio == 0:
        return 0.0, float("nan")
    low, high = mean_interval(part - ratio * whole, confidence=confidence)
    mean = total / len(part)
    return max(ratio + low / mean, 0.0), min(ratio + high / mean, 1.0)


def no_failure_bound(replications: int, *, confidence: float = 0.95) -> float:
    """Upper bound on the probability that a replication fails, none of them having failed (about 3/R).

    >>> round(no_failure_bound(20), 4)
    0.1391
    """
    return float(1.0 - (1.0 - confidence) ** (1.0 / replications))
