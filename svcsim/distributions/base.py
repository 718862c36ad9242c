"""What every distribution of a duration can do."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from svcsim.clock import array_to_ns, float_to_ns, seconds_to_ns
from svcsim.errors import ScenarioError

__all__ = ["Distribution", "checked", "positive", "special"]


@cache
def special() -> Any:
    """Return ``scipy.special``, imported at its first use."""
    import scipy.special  # noqa: PLC0415 (a third of a second that most commands never need)

    return scipy.special


def checked(name: str, value: float) -> None:
    """Refuse a parameter that is no duration: negative, not finite, over ten years."""
    try:
        seconds_to_ns(value)
    except ScenarioError as error:
        raise ScenarioError(f"{name} = {error}") from None


def positive(name: str, value: float) -> None:
    """Refuse a parameter that is not finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ScenarioError(f"{name} = {value!r} must be a finite number > 0")


class Distribution(ABC):
    """A nonnegative random duration; a frozen value, parameters and results in seconds.

    Scalars and arrays agree to the last bit: ``quantile1`` and ``cdf1`` use the same IEEE operations and the
    same ufuncs as ``quantile`` and ``cdf``, never ``math``'s transcendental functions, which may differ from
    NumPy's vector instructions in the last place.
    """

    __slots__ = ()
    name: ClassVar[str]

    @abstractmethod
    def mean(self) -> float:
        """Return E[X] in seconds."""

    @abstractmethod
    def variance(self) -> float:
        """Return Var[X] in seconds squared."""

    @abstractmethod
    def mean_excess(self, s: float) -> float:
        """Return E[(X - s)+] in seconds, for any real ``s`` in seconds."""

    @abstractmethod
    def square_excess(self, s: float) -> float:
        """Return E[((X - s)+)^2] in seconds squared, for any real ``s`` in seconds."""

    @abstractmethod
    def cdf1(self, x: float) -> float:
        """Return P(X <= x) for one ``x`` in seconds."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Return the one-key mapping that ``from_spec`` reads back to an equal value."""

    @abstractmethod
    def _cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...

    @abstractmethod
    def _quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]: ...

    @abstractmethod
    def _quantile1(self, u: float) -> float: ...

    @abstractmethod
    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Return n fresh draws in seconds; the caller may overwrite them."""

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return P(X <= x), float64 of the shape of ``x`` (seconds)."""
        return self._cdf(np.ascontiguousarray(x, dtype=np.float64))

    def quantile(self, u: ArrayLike) -> NDArray[np.float64]:
        """Return the smallest x with P(X <= x) >= u, elementwise, in seconds; infinity where unbounded at 1.

        Raises:
            ValueError: an element of ``u`` is not within 0 to 1.
        """
        # contiguous, so that NumPy takes the same inner loop whatever the caller's strides
        array = np.ascontiguousarray(u, dtype=np.float64)
        if array.size and not (array.min() >= 0.0 and array.max() <= 1.0):
            raise ValueError("u must be from 0 to 1 in every element")
        return self._quantile(array)

    def quantile1(self, u: float) -> float:
        """Return ``quantile`` of one ``u``, the same bits, quicker.

        Raises:
            ValueError: ``u`` is not within 0 to 1.
        """
        if not 0.0 <= u <= 1.0:
            raise ValueError(f"u = {u!r} must be from 0 to 1")
        return self._quantile1(u)

    def quantile_ns(self, u: ArrayLike) -> NDArray[np.int64]:
        """Return ``quantile`` as int64 nanoseconds, rounded half to even, capped at ten years."""
        return array_to_ns(self.quantile(u))

    def quantile1_ns(self, u: float) -> int:
        """Return ``quantile_ns`` of one ``u``, the same integer, quicker."""
        return float_to_ns(self.quantile1(u))

    def sample_ns(
        self, rng: np.random.Generator, n: int, out: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Return n independent draws as int64 (n,), nanoseconds; n draws in two parts are the same values.

        Args:
            rng: where the draws come from.
            n: how many.
            out: int64 (n,) that receives the draws; a new array by default.
        """
        return array_to_ns(self._sample(rng, n), out, overwrite=True)
