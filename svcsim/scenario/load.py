"""How a client's requests arrive where that is more than a rate: curves, bursts, recorded instants, loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from svcsim.distributions import Distribution

__all__ = ["LOOP_FLOOR_NS", "MAX_PIECES", "MAX_TRACE", "MAX_USERS", "Bursts", "Curve", "Loop", "Trace"]

MAX_PIECES: Final = 100_000
"""The most pieces that a client's rate may have in a run: points of a curve, and bursts."""
MAX_TRACE: Final = 20_000_000
MAX_USERS: Final = 100_000
LOOP_FLOOR_NS: Final = 1_000_000
"""A user begins a request this long after the one before at the soonest, whatever its think time."""

Interpolate = Literal["linear", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A rate that follows points (ns, requests per second), the first at 0.

    Between two points it is a straight line, or with `step` the rate of the earlier. After the last it stays,
    or begins anew every period_ns, a line leading there. start_ns: where on the curve the run begins.
    """

    points: tuple[tuple[int, float], ...]
    interpolate: Interpolate = "linear"
    period_ns: int | None = None
    start_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """Spells of another rate: the usual one times `factor`, or `rate_per_s`, the other being None.

    One of length_ns begins every every_ns, the first at first_ns. With `random` spells and the time between
    two are exponential with these means: a Markov-modulated process of two states, stationary from 0 on.
    """

    every_ns: int
    length_ns: int
    factor: float | None = None
    rate_per_s: float | None = None
    first_ns: int = 0
    random: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Recorded arrivals: int64 ns, ascending. period_ns: when they begin anew, None for once.

    `digest` stands for the instants where traces are compared.
    """

    digest: str
    period_ns: int | None = None
    instants_ns: npt.NDArray[np.int64] = field(compare=False, repr=False)

    @classmethod
    def of(cls, instants_ns: npt.NDArray[np.int64], period_ns: int | None = None) -> Trace:
        """Return the trace of some instants."""
        instants_ns = np.ascontiguousarray(instants_ns, dtype=np.int64)
        instants_ns.setflags(write=False)
        digest = sha256(instants_ns.astype("<i8").tobytes()).hexdigest()
        return cls(digest=digest, period_ns=period_ns, instants_ns=instants_ns)

    def before(self, t_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many arrivals are before each instant."""
        if self.period_ns is None:
            return np.searchsorted(self.instants_ns, t_ns).astype(np.int64)
        turn, rest = np.divmod(t_ns, self.period_ns)
        return turn * len(self.instants_ns) + np.searchsorted(self.instants_ns, rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A closed loop: each of so many users thinks, sends a request, awaits its end, and thinks again."""

    users: int
    think: Distribution
