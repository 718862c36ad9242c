"""The draws of one client's requests, in order, as both engines read them.

Everything random about a request is fixed before any engine runs: its arrival instant, its route word
(source and first pick) and its service time in each group it may reach. Draws live in blocks of
`DRAW_BLOCK` requests, each block with generators of its own; a slot is a buffer of any size that never
crosses a block's edge, so the slot size changes nothing but memory.

Arrivals: unit-rate gaps in integers of 2^-30, summed exactly, then mapped through the inverse of the
integrated rate (time-change theorem for Poisson processes, Cinlar 1975, ch. 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.clock import array_to_ns
from svcsim.compiled import compiled
from svcsim.distributions import Constant, Distribution, Exponential, LogNormal, Mixture
from svcsim.rng import Purpose, stream

__all__ = ["DRAW_BLOCK", "GAP_UNIT", "ClientDraws", "RateCurve", "Shares", "Slot"]

DRAW_BLOCK = 1 << 16
GAP_UNIT = 1 << 30
_SECOND = 1_000_000_000
_LONG_S = 1e6  # beyond this mean a sample could leave int64 nanoseconds


@dataclass(frozen=True)
class RateCurve:
    """A piecewise constant rate: `starts_ns[k]` is where `rates_per_s[k]` begins; the first start is 0."""

    starts_ns: tuple[int, ...]
    rates_per_s: tuple[float, ...]

    def __post_init__(self) -> None:
        assert self.starts_ns[0] == 0 and list(self.starts_ns) == sorted(self.starts_ns)
        assert len(self.starts_ns) == len(self.rates_per_s)

    def units_at_starts(self) -> npt.NDArray[np.int64]:
        """Integrated rate at each start, in gap units: int64 (k,)."""
        units = [0]
        for k in range(1, len(self.starts_ns)):
            span_ns = self.starts_ns[k] - self.starts_ns[k - 1]
            units.append(units[-1] + round(span_ns * self.rates_per_s[k - 1] * GAP_UNIT / _SECOND))
        return np.array(units, dtype=np.int64)

    def invert(self, units: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Instants (int64 ns) at which the integrated rate reaches `units` (int64, ascending)."""
        if len(self.starts_ns) == 1:
            rate = self.rates_per_s[0]
            if rate <= 0:
                return np.full(len(units), np.iinfo(np.int64).max, dtype=np.int64)
            return (units * (_SECOND / (rate * GAP_UNIT))).astype(np.int64)
        at = self.units_at_starts()
        piece = np.searchsorted(at, units, side="right") - 1
        starts = np.array(self.starts_ns, dtype=np.int64)
        per_unit = np.array([_SECOND / (r * GAP_UNIT) if r > 0 else inf for r in self.rates_per_s])
        with np.errstate(invalid="ignore"):
            offset = (units - at[piece]) * per_unit[piece]
        offset = np.where(np.isfinite(offset), offset, 9.0e18 - starts[piece])
        instants: npt.NDArray[np.int64] = starts[piece] + offset.astype(np.int64)
        ends = np.append(starts[1:], np.iinfo(np.int64).max)
        np.minimum(instants, ends[piece], out=instants)
        return instants


@dataclass(frozen=True)
class Shares:
    """How the requests of each proxy are split over backends (R33).

    `since_ns`: int64 (n_versions, n_proxies), from when on a proxy goes by each version, ascending along a
    column, the first row 0. `upto`: int64 (n_versions, n_backends), cumulated weights, below 2^32, the last
    of each row above 0.
    """

    since_ns: npt.NDArray[np.int64]
    upto: npt.NDArray[np.int64]

    def routed(
        self, arrival_ns: npt.NDArray[np.int64], route: npt.NDArray[np.uint64], word: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.uint64]:
        """Route words, uint64 (n,), by which R4 gives the source of (proxy, backend).

        route: whose high half chooses the proxy. word: uint64 (n,), whose high half chooses the backend.
        """
        half = np.uint64(32)
        n_proxies, n_backends = self.since_ns.shape[1], self.upto.shape[1]
        proxy = (((route >> half) * np.uint64(n_proxies)) >> half).astype(np.int64)
        backend = np.zeros(len(route), dtype=np.int64)
        for since, upto in zip(self.since_ns, self.upto, strict=True):
            place = ((word >> half) * np.uint64(upto[-1])) >> half
            now = np.searchsorted(upto, place.astype(np.int64), side="right")
            backend = np.where(arrival_ns >= since[proxy], now, backend)
        source = (proxy * n_backends + backend).astype(np.uint64)
        n_sources = np.uint64(n_proxies * n_backends)
        high = ((source << half) + n_sources - np.uint64(1)) // n_sources
        routed: npt.NDArray[np.uint64] = (high << half) | (route & np.uint64(0xFFFFFFFF))
        return routed


@dataclass(frozen=True)
class Slot:
    """Consecutive requests of one client, all with arrival before the run's end.

    `first`: index of the first request. `arrival_ns`: int64 (n,). `route`: uint64 (n,), whose high half
    chooses the source and the low half the first pick. `service_ns`: by group id of the client, int64 (n,).
    """

    first: int
    arrival_ns: npt.NDArray[np.int64]
    route: npt.NDArray[np.uint64]
    service_ns: dict[int, npt.NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.arrival_ns)

    @property
    def route_hi(self) -> npt.NDArray[np.uint32]:
        """uint32 (n,): what chooses the source."""
        return (self.route >> np.uint64(32)).astype(np.uint32)

    @property
    def route_lo(self) -> npt.NDArray[np.uint32]:
        """uint32 (n,): what picks first."""
        return (self.route & np.uint64(0xFFFFFFFF)).astype(np.uint32)


@dataclass(frozen=True, kw_only=True)
class ClientDraws:
    """Where one client's requests come from.

    `services`: group id -> service-time law; groups with equal laws share one array. All laws read the
    same underlying stream, so changing the law of a workload keeps each request's luck.
    """

    name: str
    seed: int
    replication: int
    duration_ns: int
    curve: RateCurve
    poisson: bool
    services: dict[int, Distribution]
    shares: Shares | None = None

    def slots(self, size: int = DRAW_BLOCK) -> Iterator[Slot]:
        """The client's requests in order, in slots of at most `size`; ends at the run's end."""
        units = 0
        first = 0
        block = 0
        laws = list(dict.fromkeys(self.services.values()))
        while True:
            gaps_rng = stream(self.seed, self.replication, Purpose.ARRIVAL, self.name, block)
            route_rng = stream(self.seed, self.replication, Purpose.ROUTE, self.name, block)
            split_rng = stream(self.seed, self.replication, Purpose.SHARES, self.name, block)
            law_rngs = [stream(self.seed, self.replication, Purpose.SERVICE, self.name, block) for _ in laws]
            left = DRAW_BLOCK
            while left:
                n = min(size, left, self._expected_rest(units))
                left -= n
                if self.poisson:
                    sums = _summed(gaps_rng.standard_exponential(n), units)
                else:
                    sums = units + GAP_UNIT * np.arange(1, n + 1, dtype=np.int64)
                units = int(sums[-1])
                arrival = self.curve.invert(sums)
                route = route_rng.integers(0, 1 << 64, dtype=np.uint64, size=n)
                if self.shares is not None:
                    word = split_rng.integers(0, 1 << 64, dtype=np.uint64, size=n)
                    route = self.shares.routed(arrival, route, word)
                keep = (
                    n if arrival[-1] < self.duration_ns else int(np.searchsorted(arrival, self.duration_ns))
                )
                drawn = {law: _sample(law, rng, n)[:keep] for law, rng in zip(laws, law_rngs, strict=True)}
                if keep:
                    yield Slot(
                        first,
                        arrival[:keep],
                        route[:keep],
                        {group: drawn[law] for group, law in self.services.items()},
                    )
                first += keep
                if keep < n:
                    return
            block += 1

    def _expected_rest(self, units: int) -> int:
        """About how many requests are still to come: a hint for the buffer, never for the result."""
        curve = self.curve
        total = int(curve.units_at_starts()[-1])
        total += int((self.duration_ns - curve.starts_ns[-1]) * curve.rates_per_s[-1] * GAP_UNIT / _SECOND)
        rest = max(total - units, 0) / GAP_UNIT
        return int(rest + 4 * rest**0.5) + 16


@compiled
def _sum_gaps(gaps: Any, units: Any, sums: Any) -> None:
    for i in range(len(gaps)):
        units += np.int64(gaps[i] * GAP_UNIT)
        sums[i] = units


def _summed(gaps: npt.NDArray[np.float64], units: int) -> npt.NDArray[np.int64]:
    """Running sums of unit-rate gaps in integers of 2^-30, from `units` on: int64 (n,)."""
    sums = np.empty(len(gaps), dtype=np.int64)
    _sum_gaps(gaps, units, sums)
    return sums


def _sample(law: Distribution, rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """n service times, int64 ns; sample i depends on the stream's prefix only, not on n."""
    seconds: npt.NDArray[np.float64]
    match law:
        case Constant():
            return np.full(n, law.quantile1_ns(0.5), dtype=np.int64)
        case Exponential():
            seconds = rng.standard_exponential(n)
            if law.mean() < _LONG_S:
                # three passes over the buffer instead of five
                seconds *= law.mean() * _SECOND
                return np.rint(seconds, out=seconds).astype(np.int64)
            seconds *= law.mean()
        case LogNormal():
            seconds = rng.standard_normal(n)
            seconds *= law.sigma
            seconds += law.mu
            np.exp(seconds, out=seconds)
        case Mixture():
            return _compose(law, rng.random(n))
        case _:
            return law.quantile_ns(_open(rng.random(n)))
    return array_to_ns(seconds, overwrite=True)


def _open(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Uniforms moved off zero by half a step of 2^-53."""
    return u + 2.0**-54


def _compose(law: Mixture, u: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """A mixture by composition from one uniform: its place chooses the component, its rest the value."""
    weights: Sequence[float] = law.weights
    edges = np.cumsum(np.array(weights) / sum(weights))
    which = np.minimum(np.searchsorted(edges, u, side="right"), len(weights) - 1)
    out = np.empty(len(u), dtype=np.int64)
    for k, component in enumerate(law.components):
        here = which == k
        low = edges[k - 1] if k else 0.0
        rest = np.clip((u[here] - low) / (edges[k] - low), 0.0, 1.0 - 2.0**-53)
        if isinstance(component, Mixture):
            out[here] = _compose(component, rest)
        else:
            out[here] = component.quantile_ns(_open(rest))
    return out
