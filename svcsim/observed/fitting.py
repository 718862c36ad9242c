"""Fits of laws to histograms by maximum likelihood, chosen by BIC."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from svcsim.distributions import Distribution, Exponential, Gamma, LogNormal, Mixture, Shifted
from svcsim.observed.histograms import Histogram
from svcsim.observed.likelihood import Likelihood, Survival

__all__ = [
    "CANDIDATES",
    "MOST_S",
    "Bucket",
    "Candidate",
    "Fit",
    "buckets",
    "fit_all",
    "maximise",
    "spread_prior",
]

Floats = npt.NDArray[np.float64]

LEAST_S, MOST_S = 1e-5, 600.0
_LOG_LEAST, _LOG_MOST = math.log(LEAST_S), math.log(MOST_S)
_SPREADS = (math.log(0.05), math.log(2.5))
_SHAPES = (math.log(0.1), math.log(400.0))
_USUAL_SPREAD = 0.6


def spread_prior(log_spread: float) -> float:
    """Return what one imagined observation says of the spread over the mean: near 0.6, within a factor of e.

    It decides only where the buckets don't: all observations in one, say.
    """
    return -0.5 * (log_spread - math.log(_USUAL_SPREAD)) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A family: its law for a point theta within bounds, and starts for a given mean."""

    name: str
    law: Callable[[Floats], Distribution]
    bounds: Sequence[tuple[float, float]]
    starts: Callable[[float], Sequence[Sequence[float]]]

    @property
    def parameters(self) -> int:
        """How many numbers are fitted."""
        return len(self.bounds)


def _lognormal(log_median: float, log_sigma: float) -> LogNormal:
    return LogNormal.from_median_sigma(math.exp(log_median), math.exp(log_sigma))


def _mixture(theta: Floats) -> Distribution:
    share = 1.0 / (1.0 + math.exp(-theta[4]))
    return Mixture([_lognormal(*theta[:2]), _lognormal(*theta[2:4])], [share, 1.0 - share])


_POSITION = (_LOG_LEAST, _LOG_MOST)

CANDIDATES = (
    Candidate(
        name="lognormal",
        law=lambda theta: _lognormal(*theta),
        bounds=(_POSITION, _SPREADS),
        starts=lambda mean: [(math.log(mean), math.log(sigma)) for sigma in (0.3, 1.0)],
    ),
    Candidate(
        name="shifted lognormal",
        law=lambda theta: Shifted(math.exp(theta[2]), _lognormal(*theta[:2])),
        bounds=(_POSITION, _SPREADS, _POSITION),
        starts=lambda mean: [
            (math.log(mean * (1.0 - part)), math.log(0.7), math.log(mean * part)) for part in (0.2, 0.6)
        ],
    ),
    Candidate(
        name="gamma",
        law=lambda theta: Gamma(mean=math.exp(theta[0]), shape=math.exp(theta[1])),
        bounds=(_POSITION, _SHAPES),
        starts=lambda mean: [(math.log(mean), shape) for shape in (0.0, 2.0)],
    ),
    Candidate(
        name="shifted exponential",
        law=lambda theta: Shifted(math.exp(theta[1]), Exponential(math.exp(theta[0]))),
        bounds=(_POSITION, _POSITION),
        starts=lambda mean: [(math.log(mean * (1.0 - part)), math.log(mean * part)) for part in (0.1, 0.6)],
    ),
    Candidate(
        name="two lognormals",
        law=_mixture,
        bounds=(_POSITION, _SPREADS, _POSITION, _SPREADS, (-7.0, 7.0)),
        starts=lambda mean: [
            (math.log(mean * a), math.log(0.5), math.log(mean * b), math.log(0.5), odds)
            for a, b, odds in ((0.6, 1.8, 0.5), (0.8, 4.0, 2.5), (0.2, 1.3, -0.8))
        ],
    ),
)
"""The families that are tried. A new one enters here; the tests do the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One family's best law. bic: lower is better; on as many observations as can be independent."""

    name: str
    law: Distribution
    survival: Survival
    log_likelihood: float
    bic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Share of observations between two bounds in seconds, observed and fitted."""

    low_s: float
    high_s: float
    observed: float
    fitted: float


def maximise(
    objective: Callable[[Floats], float],
    starts: Sequence[Sequence[float]],
    bounds: Sequence[tuple[float, float]],
    *,
    steps: int = 400,
) -> tuple[Floats, float]:
    """Return the best point and its value, by Nelder and Mead's simplex from every start."""

    def cost(theta: Floats) -> float:
        return -objective(theta)

    best: tuple[Floats, float] | None = None
    low, high = np.array(bounds, dtype=np.float64).T
    options: Any = {"maxfev": steps * len(bounds), "xatol": 1e-4, "fatol": 1e-6}
    for start in starts:
        found = optimize.minimize(
            cost,
            np.clip(np.array(start), low, high).tolist(),
            method="Nelder-Mead",
            bounds=optimize.Bounds(low, high),
            options=options,
        )
        if best is None or -found.fun > best[1]:
            best = np.asarray(found.x, dtype=np.float64), -float(found.fun)
    assert best is not None
    return best


def fit_all(
    histogram: Histogram, measured: Callable[[Distribution], Survival], mean_s: float
) -> tuple[Fit, ...]:
    """Fit every candidate; the best by BIC comes first.

    Args:
        histogram: what was observed; not empty.
        measured: the survival function of what is observed, given the law.
        mean_s: a guess of the law's mean in seconds, where the search starts.
    """
    likelihood = Likelihood(histogram)
    start = min(max(mean_s, 10 * LEAST_S), MOST_S / 10)
    known = max(len(histogram.occupied), 2)  # shares, less one as they add up to 1, and the sum
    fits = []
    for candidate in CANDIDATES:
        if candidate.parameters > known:
            continue
        theta, _ = maximise(
            partial(_posterior, likelihood, measured, candidate), candidate.starts(start), candidate.bounds
        )
        law = candidate.law(theta)
        value = likelihood(measured(law))
        bic = candidate.parameters * math.log(max(likelihood.independent, 2.0)) - 2.0 * value
        fits.append(Fit(name=candidate.name, law=law, survival=measured(law), log_likelihood=value, bic=bic))
    return tuple(sorted(fits, key=lambda fit: fit.bic))


def _posterior(
    likelihood: Likelihood,
    measured: Callable[[Distribution], Survival],
    candidate: Candidate,
    theta: Floats,
) -> float:
    law = candidate.law(theta)
    return likelihood(measured(law)) + _prior(law)


def _prior(law: Distribution) -> float:
    """Return `spread_prior` of the law and of its parts, by their coefficients of variation."""
    if isinstance(law, Mixture):
        return math.fsum(_prior(part) for part in law.components)
    own = spread_prior(0.5 * math.log(law.variance()) - math.log(law.mean()))
    return own + _prior(law.inner) if isinstance(law, Shifted) else own


def buckets(histogram: Histogram, survival: Survival) -> tuple[tuple[Bucket, ...], float]:
    """Return the buckets from the first to the last occupied, and the largest gap of the two CDFs."""
    bounds = np.array((0.0, *histogram.bounds))
    fitted = 1.0 - np.append(survival(bounds[:-1]), 0.0)
    observed = np.cumsum((0.0, *histogram.counts)) / histogram.count
    used = np.flatnonzero(histogram.counts)
    rows = tuple(
        Bucket(
            low_s=float(bounds[k]),
            high_s=float(bounds[k + 1]),
            observed=float(observed[k + 1] - observed[k]),
            fitted=float(fitted[k + 1] - fitted[k]),
        )
        for k in range(int(used[0]), int(used[-1]) + 1)
    )
    return rows, float(np.max(np.abs(fitted - observed)))
