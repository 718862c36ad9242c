"""Rates that change with time: what a client's arrivals are drawn from, piece by piece.

A piece's rate is constant or a straight line, so the integrated rate is known exactly and is inverted in
closed form (time-change theorem for Poisson processes, Cinlar 1975, ch. 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
import numpy.typing as npt

__all__ = ["GAP_UNIT", "RateCurve"]

GAP_UNIT = 1 << 30
"""Integrated rates are counted in integers of 2^-30 of a request."""
_SECOND = 1_000_000_000
_MOST = np.iinfo(np.int64).max

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RateCurve:
    """A rate in pieces: `starts_ns[k]` is where `rates_per_s[k]` begins; the first start is 0.

    `slopes_per_s2`: by how much a piece's rate grows in a second, empty where all are constant.
    """

    starts_ns: tuple[int, ...]
    rates_per_s: tuple[float, ...]
    slopes_per_s2: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        assert self.starts_ns[0] == 0 and list(self.starts_ns) == sorted(self.starts_ns)
        assert len(self.starts_ns) == len(self.rates_per_s)
        assert len(self.slopes_per_s2) in (0, len(self.starts_ns))

    @property
    def bends(self) -> bool:
        """Whether some piece's rate is not constant."""
        return len(self.slopes_per_s2) > 0

    def units_at_starts(self) -> Int64:
        """Integrated rate at each start, in gap units: int64 (k,)."""
        return self._units

    @cached_property
    def _units(self) -> Int64:
        units = [0]
        for k in range(1, len(self.starts_ns)):
            span_ns = self.starts_ns[k] - self.starts_ns[k - 1]
            rate = self.rates_per_s[k - 1]
            if self.bends:
                rate = max(rate + 0.5 * self.slopes_per_s2[k - 1] * span_ns / _SECOND, 0.0)
            units.append(units[-1] + round(span_ns * rate * GAP_UNIT / _SECOND))
        return np.array(units, dtype=np.int64)

    @cached_property
    def _pieces(self) -> tuple[Int64, Float64]:
        """Starts in ns, and ns to a gap unit where a piece's rate is constant."""
        per_unit = np.array([_SECOND / (r * GAP_UNIT) if r > 0 else inf for r in self.rates_per_s])
        return np.array(self.starts_ns, dtype=np.int64), per_unit

    def invert(self, units: Int64) -> Int64:
        """Instants (int64 ns) at which the integrated rate reaches `units` (int64, ascending).

        What is due at the instant at which the rate becomes 0 comes when it rises again.
        """
        if len(self.starts_ns) == 1 and not self.bends:
            rate = self.rates_per_s[0]
            if rate <= 0:
                return np.full(len(units), _MOST, dtype=np.int64)
            return (units * (_SECOND / (rate * GAP_UNIT))).astype(np.int64)
        at = self._units
        piece = np.searchsorted(at, units, side="right") - 1
        starts, per_unit = self._pieces
        with np.errstate(invalid="ignore"):
            offset = (units - at[piece]) * per_unit[piece]
        if self.bends:
            offset = self._bent(units - at[piece], piece, offset)
        offset = np.where(np.isfinite(offset), offset, 9.0e18 - starts[piece])
        instants: Int64 = starts[piece] + offset.astype(np.int64)
        ends = np.append(starts[1:], _MOST)
        np.minimum(instants, ends[piece], out=instants)
        return instants

    def _bent(self, units: Int64, piece: npt.NDArray[np.intp], offset: Float64) -> Float64:
        """Offsets (ns) in pieces with a slope: r x + s x^2 / 2 = requests, solved for x without loss."""
        slope = np.array(self.slopes_per_s2)[piece]
        rate = np.array(self.rates_per_s)[piece]
        requests = units / GAP_UNIT
        root = np.sqrt(np.maximum(rate * rate + 2.0 * slope * requests, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            x = np.where(units > 0, 2.0 * requests / (rate + root) * _SECOND, 0.0)
        return np.where(slope != 0.0, x, offset)

    def requests_at(self, knots_ns: Int64) -> Float64:
        """Expected requests until each start and the end of the last piece, float64 (k + 1,).

        knots_ns: the starts, and that end.
        """
        spans = np.diff(knots_ns) * 1e-9
        mean = np.array(self.rates_per_s)
        if self.bends:
            mean = mean + 0.5 * np.array(self.slopes_per_s2) * spans
        return np.concatenate(([0.0], np.cumsum(spans * mean)))

    def at(self, t_ns: int) -> tuple[float, float]:
        """The rate per second at an instant, and its slope."""
        k = int(np.searchsorted(self._pieces[0], t_ns, side="right")) - 1
        slope = self.slopes_per_s2[k] if self.bends else 0.0
        return max(self.rates_per_s[k] + slope * (t_ns - self.starts_ns[k]) / _SECOND, 0.0), slope

    @classmethod
    def of_pieces(cls, pieces: Sequence[tuple[int, float, float]]) -> RateCurve:
        """Return the curve of (start ns, rate per second, slope), the later of two at one instant."""
        kept = {start: (rate, slope) for start, rate, slope in pieces}
        starts = sorted(kept)
        slopes = tuple(kept[start][1] for start in starts)
        rates = tuple(kept[start][0] for start in starts)
        return cls(tuple(starts), rates, slopes if any(slopes) else ())
