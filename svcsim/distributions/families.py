"""The parametric families. Parameters are seconds unless said otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from svcsim.clock import float_to_ns
from svcsim.distributions.base import Distribution, checked, positive, special
from svcsim.errors import ScenarioError

__all__ = ["Constant", "Exponential", "Gamma", "LogNormal", "Uniform"]

_Z99 = 2.3263478740408408  # 0.99 quantile of the standard normal
_SQRT2 = math.sqrt(2.0)


def _phi(z: float) -> float:
    """Return the standard normal's P(Z <= z)."""
    return 0.5 * math.erfc(-z / _SQRT2)


@dataclass(frozen=True, slots=True)
class Constant(Distribution):
    """Always ``value`` seconds.

    >>> Constant(0.25).quantile1_ns(0.7)
    250000000
    """

    name: ClassVar[str] = "constant"
    value: float
    _ns: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked("value", self.value)
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "_ns", float_to_ns(self.value))

    def mean(self) -> float:
        return self.value

    def variance(self) -> float:
        return 0.0

    def mean_excess(self, s: float) -> float:
        return max(self.value - s, 0.0)

    def square_excess(self, s: float) -> float:
        return max(self.value - s, 0.0) ** 2

    def cdf1(self, x: float) -> float:
        return 1.0 if x >= self.value else 0.0

    def spec(self) -> dict[str, Any]:
        return {self.name: self.value}

    def quantile1_ns(self, u: float) -> int:
        if not 0.0 <= u <= 1.0:
            raise ValueError(f"u = {u!r} must be from 0 to 1")
        return self._ns

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x >= self.value).astype(np.float64)

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(u.shape, self.value)

    def _quantile1(self, u: float) -> float:
        return self.value

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return np.full(n, self.value)


@dataclass(frozen=True, slots=True)
class Uniform(Distribution):
    """Equally likely from ``low`` to ``high`` seconds.

    >>> Uniform(0.0, 3.0).mean_excess(1.0)
    0.6666666666666666
    """

    name: ClassVar[str] = "uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        checked("low", self.low)
        checked("high", self.high)
        if self.high < self.low:
            raise ScenarioError(f"high = {self.high!r} must be >= low = {self.low!r}")
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))

    def mean(self) -> float:
        return 0.5 * (self.low + self.high)

    def variance(self) -> float:
        return (self.high - self.low) ** 2 / 12.0

    def mean_excess(self, s: float) -> float:
        if s <= self.low:
            return self.mean() - s
        return (self.high - s) ** 2 / (2.0 * (self.high - self.low)) if s < self.high else 0.0

    def square_excess(self, s: float) -> float:
        if s <= self.low:
            return self.variance() + (self.mean() - s) ** 2
        return (self.high - s) ** 3 / (3.0 * (self.high - self.low)) if s < self.high else 0.0

    def cdf1(self, x: float) -> float:
        if x < self.low:
            return 0.0
        return (x - self.low) / (self.high - self.low) if x < self.high else 1.0

    def spec(self) -> dict[str, Any]:
        return {self.name: {"low": self.low, "high": self.high}}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.low == self.high:
            return (x >= self.low).astype(np.float64)
        return (np.clip(x, self.low, self.high) - self.low) / (self.high - self.low)

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.low + (self.high - self.low) * u)

    def _quantile1(self, u: float) -> float:
        return self.low + (self.high - self.low) * u

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return self._quantile(rng.random(n))


@dataclass(frozen=True, slots=True)
class Exponential(Distribution):
    """Memoryless with the given ``mean`` in seconds; 0 is always 0.

    >>> round(Exponential(2.0).mean_excess(1.0), 6)
    1.213061
    """

    name: ClassVar[str] = "exponential"
    mean_s: float

    def __init__(self, mean: float) -> None:
        checked("mean", mean)
        object.__setattr__(self, "mean_s", float(mean))

    def __repr__(self) -> str:
        return f"Exponential(mean={self.mean_s!r})"

    def mean(self) -> float:
        return self.mean_s

    def variance(self) -> float:
        return self.mean_s**2

    def mean_excess(self, s: float) -> float:
        if s <= 0.0:
            return self.mean_s - s
        return self.mean_s * math.exp(-s / self.mean_s) if self.mean_s else 0.0

    def square_excess(self, s: float) -> float:
        if s <= 0.0:
            return self.mean_s**2 + (self.mean_s - s) ** 2
        return 2.0 * self.mean_s**2 * math.exp(-s / self.mean_s) if self.mean_s else 0.0

    def cdf1(self, x: float) -> float:
        if x < 0.0 or not self.mean_s:
            return 1.0 if x >= 0.0 else 0.0
        return float(-np.expm1(-x / self.mean_s))

    def spec(self) -> dict[str, Any]:
        return {self.name: {"mean": self.mean_s}}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.mean_s:
            return (x >= 0.0).astype(np.float64)
        return np.asarray(-np.expm1(-np.maximum(x, 0.0) / self.mean_s))

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.mean_s:
            return np.zeros(u.shape)
        with np.errstate(divide="ignore"):
            return np.asarray(-self.mean_s * np.log1p(-u))

    def _quantile1(self, u: float) -> float:
        if u == 1.0:
            return math.inf if self.mean_s else 0.0
        return -self.mean_s * float(np.log1p(-u))

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        draws = rng.standard_exponential(n)
        draws *= self.mean_s
        return draws


@dataclass(frozen=True, slots=True)
class LogNormal(Distribution):
    """The logarithm is normal; given by ``median`` and ``p99`` (the 0.99 quantile) in seconds.

    >>> round(LogNormal(median=0.05, p99=0.3).quantile1(0.99), 12)
    0.3
    """

    name: ClassVar[str] = "lognormal"
    median: float
    p99: float
    _mu: float = field(init=False, repr=False, compare=False)
    _sigma: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked("median", self.median)
        checked("p99", self.p99)
        if self.median < 1e-9:
            raise ScenarioError(f"median = {self.median!r} must be at least 1ns; a constant can be 0")
        if self.p99 <= self.median:
            raise ScenarioError(
                f"p99 = {self.p99!r} must be > median = {self.median!r}; a constant has no spread"
            )
        object.__setattr__(self, "median", float(self.median))
        object.__setattr__(self, "p99", float(self.p99))
        object.__setattr__(self, "_mu", math.log(self.median))
        object.__setattr__(self, "_sigma", math.log(self.p99 / self.median) / _Z99)

    @classmethod
    def from_median_sigma(cls, median: float, sigma: float) -> LogNormal:
        """Return the one with this median (seconds) and standard deviation of the logarithm."""
        positive("sigma", sigma)
        return cls(median=median, p99=median * math.exp(min(sigma * _Z99, 700.0)))

    @classmethod
    def from_mean_sigma(cls, mean: float, sigma: float) -> LogNormal:
        """Return the one with this mean (seconds) and standard deviation of the logarithm.

        >>> round(LogNormal.from_mean_sigma(0.1, 0.5).mean(), 12)
        0.1
        """
        positive("mean", mean)
        positive("sigma", sigma)
        return cls.from_median_sigma(mean * math.exp(max(-0.5 * sigma**2, -700.0)), sigma)

    @property
    def mu(self) -> float:
        """Mean of the logarithm (of seconds)."""
        return self._mu

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return self._sigma

    def mean(self) -> float:
        return math.exp(self._mu + 0.5 * self._sigma**2)

    def variance(self) -> float:
        return math.expm1(self._sigma**2) * math.exp(2.0 * self._mu + self._sigma**2)

    def _upper_moment(self, power: int, s: float) -> float:
        """Return E[X^power; X > s] for s > 0 in closed form."""
        mu, sigma = self._mu, self._sigma
        return math.exp(power * mu + 0.5 * (power * sigma) ** 2) * _phi(
            (mu + power * sigma**2 - math.log(s)) / sigma
        )

    def mean_excess(self, s: float) -> float:
        if s <= 0.0:
            return self.mean() - s
        return max(self._upper_moment(1, s) - s * self._upper_moment(0, s), 0.0)

    def square_excess(self, s: float) -> float:
        if s <= 0.0:
            return self.variance() + (self.mean() - s) ** 2
        first, none = self._upper_moment(1, s), self._upper_moment(0, s)
        return max(self._upper_moment(2, s) - 2.0 * s * first + s * s * none, 0.0)

    def cdf1(self, x: float) -> float:
        if x <= 0.0:
            return 0.0
        return float(special().ndtr((float(np.log(x)) - self._mu) / self._sigma))

    def spec(self) -> dict[str, Any]:
        return {self.name: {"median": self.median, "p99": self.p99}}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):
            z = (np.log(np.maximum(x, 0.0)) - self._mu) / self._sigma
        return np.asarray(special().ndtr(z))

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(self._mu + self._sigma * special().ndtri(u)))

    def _quantile1(self, u: float) -> float:
        return float(np.exp(self._mu + self._sigma * float(special().ndtri(u))))

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        draws = rng.standard_normal(n)
        draws *= self._sigma
        draws += self._mu
        return np.asarray(np.exp(draws, out=draws))


@dataclass(frozen=True, slots=True)
class Gamma(Distribution):
    """Gamma with the given ``mean`` (seconds) and ``shape``; an integer shape k is Erlang, k stages.

    >>> round(Gamma.erlang(k=3, mean=1.5).mean_excess(1.0), 6)
    0.609009
    """

    name: ClassVar[str] = "gamma"
    mean_s: float
    shape: float
    _scale: float = field(repr=False, compare=False)

    def __init__(self, mean: float, shape: float) -> None:
        checked("mean", mean)
        positive("mean", mean)
        positive("shape", shape)
        object.__setattr__(self, "mean_s", float(mean))
        object.__setattr__(self, "shape", float(shape))
        object.__setattr__(self, "_scale", float(mean) / float(shape))

    @classmethod
    def erlang(cls, k: float, mean: float) -> Gamma:
        """Return the sum of ``k`` independent exponential stages whose means add up to ``mean`` seconds."""
        if isinstance(k, bool) or not (math.isfinite(k) and k >= 1 and k == int(k)):
            raise ScenarioError(f"k = {k!r} must be a whole number of stages >= 1")
        return cls(mean=mean, shape=float(k))

    def __repr__(self) -> str:
        return f"Gamma(mean={self.mean_s!r}, shape={self.shape!r})"

    def mean(self) -> float:
        return self.mean_s

    def variance(self) -> float:
        return self.mean_s * self._scale

    def _beyond(self, s: float, power: int) -> float:
        """Return the survival function at s of the gamma with ``power`` more stages."""
        return float(special().gammaincc(self.shape + power, s / self._scale))

    def mean_excess(self, s: float) -> float:
        if s <= 0.0:
            return self.mean_s - s
        return max(self.mean_s * self._beyond(s, 1) - s * self._beyond(s, 0), 0.0)

    def square_excess(self, s: float) -> float:
        if s <= 0.0:
            return self.variance() + (self.mean_s - s) ** 2
        second = self.mean_s * (self.mean_s + self._scale) * self._beyond(s, 2)
        return max(second - 2.0 * s * self.mean_s * self._beyond(s, 1) + s * s * self._beyond(s, 0), 0.0)

    def cdf1(self, x: float) -> float:
        return float(special().gammainc(self.shape, x / self._scale)) if x > 0.0 else 0.0

    def spec(self) -> dict[str, Any]:
        return {self.name: {"mean": self.mean_s, "shape": self.shape}}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(special().gammainc(self.shape, np.maximum(x, 0.0) / self._scale))

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._scale * special().gammaincinv(self.shape, u))

    def _quantile1(self, u: float) -> float:
        return self._scale * float(special().gammaincinv(self.shape, u))

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        draws = rng.standard_gamma(self.shape, n)
        draws *= self._scale
        return draws
