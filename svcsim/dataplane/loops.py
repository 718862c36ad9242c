"""The draws of a closed loop (R29), by request number: users advance unevenly, so no order is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.compose import from_uniform
from svcsim.distributions import Distribution
from svcsim.rng import Purpose, key64

__all__ = ["LoopDraws", "LoopSlot"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class LoopSlot:
    """Requests of one client's users: route uint64 (n,); service_ns by group id of the client, int64 (n,)."""

    route: UInt64
    service_ns: dict[int, Int64]


@dataclass(frozen=True, kw_only=True)
class LoopDraws:
    """Where the requests of one client's users come from; `services` as in `ClientDraws`."""

    name: str
    seed: int
    replication: int
    users: int
    think: Distribution
    services: dict[int, Distribution]

    def requests(self, numbers: Int64) -> LoopSlot:
        """What is drawn for requests of these numbers (int64 (n,))."""
        unit = _units(self._words(Purpose.SERVICE, numbers))
        drawn = {law: from_uniform(law, unit) for law in dict.fromkeys(self.services.values())}
        return LoopSlot(
            self._words(Purpose.ROUTE, numbers), {group: drawn[law] for group, law in self.services.items()}
        )

    def think_ns(self, numbers: Int64) -> Int64:
        """How long its user thinks before each of these requests, int64 (n,)."""
        return from_uniform(self.think, _units(self._words(Purpose.THINK, numbers)))

    def _words(self, purpose: Purpose, numbers: Int64) -> UInt64:
        """`rng.u64_at` of each number."""
        key = np.uint64(key64(self.seed, self.replication, purpose, self.name))
        with np.errstate(over="ignore"):
            x = _mix(key + _GOLDEN * (numbers.astype(np.uint64) + np.uint64(1)))
            return _mix(_mix(x + _GOLDEN) + _GOLDEN)


def _units(words: UInt64) -> npt.NDArray[np.float64]:
    """Floats in (0, 1), as `rng.unit_at` makes them."""
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mix(x: UInt64) -> UInt64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
