"""Distributions made of recorded values or of other distributions."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from svcsim.distributions.base import Distribution, checked
from svcsim.errors import ScenarioError

__all__ = ["Empirical", "Mixture", "Shifted"]

_TOLERANCE_S = 1e-10  # a tenth of a nanosecond
_ULPS = 4.5e-16
_BELOW_ONE = math.nextafter(1.0, 0.0)


def _weights(weights: Iterable[float]) -> tuple[float, ...]:
    result = tuple(float(weight) for weight in weights)
    for i, weight in enumerate(result):
        if not (math.isfinite(weight) and weight >= 0.0):
            raise ScenarioError(f"weights[{i}] = {weight!r} must be a finite number >= 0")
    if not 0.0 < math.fsum(result) < math.inf:
        raise ScenarioError(f"weights = {list(result)!r} must have a sum > 0")
    return result


def _cumulated(weights: Iterable[float]) -> list[float]:
    """Return the running shares; the last is exactly 1, so that every u finds a place."""
    sums = list(accumulate(weights))
    shares = [min(partial / sums[-1], 1.0) for partial in sums]
    shares[-1] = 1.0
    return shares


@dataclass(frozen=True, slots=True, repr=False)
class Empirical(Distribution):
    """One of the recorded ``values`` (seconds), equally likely or by ``weights``; nothing in between.

    >>> Empirical([1.0, 3.0], [3.0, 1.0]).mean()
    1.5
    """

    name: ClassVar[str] = "empirical"
    values: tuple[float, ...]
    weights: tuple[float, ...] | None
    _sorted: NDArray[np.float64] = field(compare=False)
    _shares: NDArray[np.float64] = field(compare=False)
    _sorted_list: list[float] = field(compare=False)
    _shares_list: list[float] = field(compare=False)

    def __init__(self, values: Iterable[float], weights: Iterable[float] | None = None) -> None:
        values = tuple(values)
        if not values:
            raise ScenarioError("values = [] must have at least one duration")
        for i, value in enumerate(values):
            checked(f"values[{i}]", value)
        kept = None if weights is None else _weights(weights)
        if kept is not None and len(kept) != len(values):
            raise ScenarioError(f"weights has {len(kept)} entries but must have {len(values)}, one per value")
        pairs = sorted(zip(map(float, values), kept or [1.0] * len(values), strict=True))
        pairs = [(value, weight) for value, weight in pairs if weight > 0.0]
        ordered = [value for value, _ in pairs]
        shares = _cumulated(weight for _, weight in pairs)
        for attribute, content in (
            ("values", tuple(map(float, values))),
            ("weights", kept),
            ("_sorted", np.array(ordered)),
            ("_shares", np.array(shares)),
            ("_sorted_list", ordered),
            ("_shares_list", shares),
        ):
            object.__setattr__(self, attribute, content)

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={list(self.weights)!r}"
        return f"Empirical({list(self.values)!r}{weights})"

    def _expect(self, amounts: NDArray[np.float64]) -> float:
        return float(np.dot(amounts, np.diff(self._shares, prepend=0.0)))

    def mean(self) -> float:
        return self._expect(self._sorted)

    def variance(self) -> float:
        return self._expect((self._sorted - self.mean()) ** 2)

    def mean_excess(self, s: float) -> float:
        return self._expect(np.maximum(self._sorted - s, 0.0))

    def square_excess(self, s: float) -> float:
        return self._expect(np.maximum(self._sorted - s, 0.0) ** 2)

    def cdf1(self, x: float) -> float:
        count = bisect_right(self._sorted_list, x)
        return self._shares_list[count - 1] if count else 0.0

    def spec(self) -> dict[str, Any]:
        if self.weights is None:
            return {self.name: list(self.values)}
        return {self.name: {"values": list(self.values), "weights": list(self.weights)}}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        count = np.searchsorted(self._sorted, x, side="right")
        return np.where(count > 0, self._shares[count - 1], 0.0)

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._sorted[np.searchsorted(self._shares, u, side="left")]

    def _quantile1(self, u: float) -> float:
        return self._sorted_list[bisect_left(self._shares_list, u)]

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return self._quantile(rng.random(n))


@dataclass(frozen=True, slots=True, repr=False)
class Mixture(Distribution):
    """One of the ``components``, chosen by ``weights`` (any positive scale; equal by default).

    The quantile is found by bisection between the smallest and the largest component's quantile until the
    bracket is a tenth of a nanosecond wide.

    >>> from svcsim.distributions import Exponential
    >>> Mixture([Exponential(1.0), Exponential(3.0)], [0.5, 0.5]).mean()
    2.0
    """

    name: ClassVar[str] = "mixture"
    components: tuple[Distribution, ...]
    weights: tuple[float, ...]
    _shares: tuple[float, ...] = field(compare=False)
    _cumulated: NDArray[np.float64] = field(compare=False)

    def __init__(self, components: Iterable[Distribution], weights: Iterable[float] | None = None) -> None:
        components = tuple(components)
        if not components:
            raise ScenarioError("components = [] must have at least one distribution")
        weights = _weights([1.0] * len(components) if weights is None else weights)
        if len(weights) != len(components):
            raise ScenarioError(
                f"weights has {len(weights)} entries but must have {len(components)}, one per component"
            )
        total = math.fsum(weights)
        object.__setattr__(self, "components", components)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "_shares", tuple(weight / total for weight in weights))
        object.__setattr__(self, "_cumulated", np.array(_cumulated(weights)))

    def __repr__(self) -> str:
        return f"Mixture({list(self.components)!r}, weights={list(self.weights)!r})"

    def _parts(self) -> Iterable[tuple[float, Distribution]]:
        return [part for part in zip(self._shares, self.components, strict=True) if part[0] > 0.0]

    def mean(self) -> float:
        return math.fsum(share * part.mean() for share, part in self._parts())

    def variance(self) -> float:
        mean = self.mean()
        return math.fsum(
            share * (part.variance() + (part.mean() - mean) ** 2) for share, part in self._parts()
        )

    def mean_excess(self, s: float) -> float:
        return math.fsum(share * part.mean_excess(s) for share, part in self._parts())

    def square_excess(self, s: float) -> float:
        return math.fsum(share * part.square_excess(s) for share, part in self._parts())

    def cdf1(self, x: float) -> float:
        total = 0.0
        for share, part in self._parts():
            total += share * part.cdf1(x)
        return total

    def spec(self) -> dict[str, Any]:
        pairs = zip(self.weights, self.components, strict=True)
        return {self.name: [{"weight": weight, "of": part.spec()} for weight, part in pairs]}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros(x.shape)
        for share, part in self._parts():
            total += share * part.cdf(x)
        return total

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        quantiles = [part.quantile(u) for _, part in self._parts()]
        high: NDArray[np.float64] = np.maximum.reduce(quantiles)
        low: NDArray[np.float64] = np.minimum.reduce(quantiles)
        low = np.where(u == 1.0, high, low)
        high = np.where(self._cdf(low) >= u, low, high)
        while True:
            with np.errstate(invalid="ignore"):  # inf - inf where u = 1
                wide = high - low > np.maximum(_TOLERANCE_S, _ULPS * high)
            if not wide.any():
                return np.asarray(high)
            middle = np.where(wide, 0.5 * (low + high), high)
            above = self._cdf(middle) >= u
            high = np.where(wide & above, middle, high)
            low = np.where(wide & ~above, middle, low)

    def _quantile1(self, u: float) -> float:
        quantiles = [part.quantile1(u) for _, part in self._parts()]
        low, high = min(quantiles), max(quantiles)
        if u == 1.0 or self.cdf1(low) >= u:
            return high if u == 1.0 else low
        while high - low > max(_TOLERANCE_S, _ULPS * high):
            middle = 0.5 * (low + high)
            if self.cdf1(middle) >= u:
                high = middle
            else:
                low = middle
        return high

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        # one uniform per draw: its place among the shares is the component, the rest the component's quantile
        u = rng.random(n)
        chosen = np.searchsorted(self._cumulated, u, side="right")
        draws = np.empty(n)
        before = 0.0
        for i, (part, upto) in enumerate(zip(self.components, self._cumulated, strict=True)):
            mine = chosen == i
            if upto > before:
                within = (u[mine] - before) / (upto - before)
                draws[mine] = part.quantile(np.clip(within, 0.0, _BELOW_ONE))
            before = upto
        return draws


@dataclass(frozen=True, slots=True)
class Shifted(Distribution):
    """``offset`` seconds later than ``inner``.

    >>> from svcsim.distributions import Exponential
    >>> Shifted(0.5, Exponential(1.0)).mean()
    1.5
    """

    name: ClassVar[str] = "shifted"
    offset: float
    inner: Distribution

    def __post_init__(self) -> None:
        checked("by", self.offset)
        object.__setattr__(self, "offset", float(self.offset))

    def mean(self) -> float:
        return self.offset + self.inner.mean()

    def variance(self) -> float:
        return self.inner.variance()

    def mean_excess(self, s: float) -> float:
        return self.inner.mean_excess(s - self.offset)

    def square_excess(self, s: float) -> float:
        return self.inner.square_excess(s - self.offset)

    def cdf1(self, x: float) -> float:
        return self.inner.cdf1(x - self.offset)

    def spec(self) -> dict[str, Any]:
        return {self.name: {"by": self.offset, "of": self.inner.spec()}}

    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.inner.cdf(x - self.offset)

    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.offset + self.inner.quantile(u))

    def _quantile1(self, u: float) -> float:
        return self.offset + self.inner.quantile1(u)

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        draws = self.inner._sample(rng, n)
        draws += self.offset
        return draws
