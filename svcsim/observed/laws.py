"""What fits need of distributions over arrays: excesses, scaling, slices of equal probability."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.clock import format_duration, seconds_to_ns
from svcsim.distributions import Distribution, Exponential, Gamma, LogNormal, Mixture, Shifted
from svcsim.distributions.base import special

__all__ = ["excess", "scaled", "slices", "spec_text"]

Floats = npt.NDArray[np.float64]


@singledispatch
def _upper_moments(law: Distribution, s: Floats, power: int) -> list[Floats]:
    """Return E[X^k; X > s] for k = 0 to power, s > 0."""
    raise NotImplementedError(type(law).__name__)


@_upper_moments.register
def _(law: LogNormal, s: Floats, power: int) -> list[Floats]:
    mu, sigma = law.mu, law.sigma
    z = (mu - np.log(s)) / sigma
    return [np.exp(k * mu + 0.5 * (k * sigma) ** 2) * special().ndtr(z + k * sigma) for k in range(power + 1)]


@_upper_moments.register
def _(law: Gamma, s: Floats, power: int) -> list[Floats]:
    scale = law.mean_s / law.shape
    factors = np.cumprod([1.0, *((law.shape + k) * scale for k in range(power))])
    return [factors[k] * special().gammaincc(law.shape + k, s / scale) for k in range(power + 1)]


@_upper_moments.register
def _(law: Exponential, s: Floats, power: int) -> list[Floats]:
    return _upper_moments(Gamma(mean=law.mean_s, shape=1.0), s, power)


def excess(law: Distribution, s: npt.ArrayLike, power: int) -> Floats:
    """Return E[((X - s)+)^power], float64 of the shape of `s` (seconds, any sign), power 0, 1 or 2.

    Power 0 is P(X > s). The arrays' form of `Distribution.mean_excess` and `square_excess`.

    >>> excess(Exponential(2.0), [0.0, 2.0], 1).round(6)
    array([2.      , 0.735759])
    """
    s = np.asarray(s, dtype=np.float64)
    if isinstance(law, Shifted):
        return excess(law.inner, s - law.offset, power)
    if isinstance(law, Mixture):
        shares = np.array(law.weights) / np.sum(law.weights)
        parts = (share * excess(part, s, power) for share, part in zip(shares, law.components, strict=True))
        return np.asarray(sum(parts))
    mean, square = law.mean(), law.variance() + law.mean() ** 2
    below = (np.ones_like(s), mean - s, square - 2.0 * mean * s + s * s)[power]
    moments = _upper_moments(law, np.where(s > 0.0, s, 1.0), power)
    above = (
        moments[0],
        moments[1] - s * moments[0] if power > 0 else s,
        moments[2] - 2.0 * s * moments[1] + s * s * moments[0] if power > 1 else s,
    )[power]
    return np.where(s > 0.0, np.maximum(above, 0.0), below)


def scaled(law: Distribution, factor: float) -> Distribution:
    """Return the law of `factor` times a duration.

    >>> scaled(Exponential(3.0), 0.5)
    Exponential(mean=1.5)
    """
    if isinstance(law, LogNormal):
        return LogNormal(median=law.median * factor, p99=law.p99 * factor)
    if isinstance(law, Gamma):
        return Gamma(mean=law.mean_s * factor, shape=law.shape)
    if isinstance(law, Exponential):
        return Exponential(law.mean_s * factor)
    if isinstance(law, Shifted):
        return Shifted(law.offset * factor, scaled(law.inner, factor))
    assert isinstance(law, Mixture)
    return Mixture([scaled(part, factor) for part in law.components], law.weights)


def slices(law: Distribution, n: int) -> Floats:
    """Return the means of n slices of equal probability, float64 (n,), ascending: their mean is the law's."""
    edges = [law.quantile1(k / n) for k in range(n)]
    # E[X; X > q] = E[(X - q)+] + q P(X > q)
    beyond = np.array([law.mean_excess(q) + q * (1.0 - k / n) for k, q in enumerate(edges)])
    return np.diff(np.append(-beyond, 0.0)) * n


def _rounded(seconds: float) -> str:
    return format_duration(seconds_to_ns(float(f"{seconds:.4g}")))


def spec_text(spec: Any, key: str = "") -> Any:
    """Return the written form of a law with durations as rounded text, as people write them.

    >>> spec_text(LogNormal(median=0.04123456, p99=0.13).spec())
    {'lognormal': {'median': '41.23ms', 'p99': '130ms'}}
    """
    if isinstance(spec, dict):
        return {name: spec_text(body, name) for name, body in spec.items()}
    if isinstance(spec, list):
        return [spec_text(part, key) for part in spec]
    if key in ("weight", "shape"):
        return float(f"{spec:.4g}")
    return _rounded(spec)
