"""Delays drawn by name: stage, entity, count. The waits of ticks and minSyncPeriod are not drawn here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.distributions import Distribution
from svcsim.rng import Purpose, key64, unit_at

__all__ = ["LOAD_EXPONENTS", "Dice", "units_at"]

LOAD_EXPONENTS = {
    "controller": 1.0,
    "api": 1.0,
    "scheduler": 1.0,
    "status": 1.0,
    "endpointSlice": 1.0,
    "start": 0.4,
    "stop": 0.4,
    "teardown": 0.4,
    "sync": 0.4,
}
"""How strongly a stage feels how busy the cluster is (the power of the `load` factor); others do not."""


@dataclass(slots=True)
class _Place:
    """One stage's lag of one entity: its key and law, by how much it is longer, draws so far."""

    key: int
    law: Distribution
    factor: float
    count: int = 0


class Dice:
    """Every draw of one replication's control plane."""

    def __init__(self, lag: Mapping[str, Distribution | None], seed: int, replication: int) -> None:
        self._lag = lag
        self._seed = seed
        self._replication = replication
        self._places: dict[tuple[str, str], _Place] = {}
        load = lag["load"]
        assert load is not None
        factor = load.quantile1_ns(unit_at(self.key(Purpose.LAG, "load"), 0)) / 1e9
        self._factors: dict[str, float] = {
            stage: float(factor**power) for stage, power in LOAD_EXPONENTS.items()
        }

    def lag(self, stage: str, entity: str) -> int:
        """The next delay of this stage for this entity, ns (>= 0)."""
        place = self._places.get((stage, entity))
        if place is None:
            law = self._lag[stage]
            assert law is not None
            key = self.key(Purpose.LAG, f"{stage}/{entity}")
            place = self._places[stage, entity] = _Place(key, law, self._factors.get(stage, 1.0))
        count, place.count = place.count, place.count + 1
        return round(place.law.quantile1_ns(unit_at(place.key, count)) * place.factor)

    def load_factor(self, stage: str) -> float:
        """By how much this replication's cluster is slower than the median one, for a stage."""
        return self._factors.get(stage, 1.0)

    def duration(self, law: Distribution, entity: str, count: int) -> int:
        """A duration of an application (its start-up), by entity and count."""
        return law.quantile1_ns(unit_at(self.key(Purpose.LAG, entity), count))

    def unit(self, purpose: Purpose, entity: str, count: int = 0) -> float:
        """A uniform in (0, 1)."""
        return unit_at(self.key(purpose, entity), count)

    def key(self, purpose: Purpose, entity: str) -> int:
        """The key of an entity's counter-based draws."""
        return key64(self._seed, self._replication, purpose, entity)


def units_at(keys: npt.NDArray[np.uint64], first: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.float64]:
    """`rng.unit_at(keys[i], first[i] + k)` for k < n: float64 (len(keys), n)."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    one = np.uint64(1)
    with np.errstate(over="ignore"):
        a = first[:, None].astype(np.uint64) + np.arange(n, dtype=np.uint64)[None, :]
        x = _mix(keys[:, None] + golden * (a + one))
        x = _mix(_mix(x + golden) + golden)
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
