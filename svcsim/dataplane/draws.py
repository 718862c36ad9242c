"""The draws of one client's requests, in order, as both engines read them.

Everything random about a request is fixed before any engine runs: its arrival instant, its route word
(source and first pick) and its service time in each group it may reach. Draws live in blocks of
`DRAW_BLOCK` requests, each block with generators of its own; a slot is a buffer of any size that never
crosses a block's edge, so the slot size changes nothing but memory.

Arrivals: unit-rate gaps in integers of 2^-30, summed exactly, then mapped through the inverse of the
integrated rate (time-change theorem for Poisson processes, Cinlar 1975, ch. 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.clock import array_to_ns
from svcsim.compiled import compiled
from svcsim.dataplane.compose import above_zero, compose
from svcsim.dataplane.curves import GAP_UNIT, RateCurve
from svcsim.dataplane.loops import LoopDraws
from svcsim.distributions import Constant, Distribution, Exponential, LogNormal, Mixture
from svcsim.rng import Purpose, stream
from svcsim.scenario.load import Trace

__all__ = ["DRAW_BLOCK", "GAP_UNIT", "ClientDraws", "RateCurve", "Shares", "Slot"]

DRAW_BLOCK = 1 << 16
_SECOND = 1_000_000_000
_LONG_S = 1e6  # beyond this mean a sample could leave int64 nanoseconds


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
    same underlying stream, so changing the law of a workload keeps each request's luck. `trace`: recorded
    instants, which take the place of drawn ones. `loop`: the draws of its users where it is a closed loop; it
    has no slots then.
    """

    name: str
    seed: int
    replication: int
    duration_ns: int
    curve: RateCurve
    poisson: bool
    services: dict[int, Distribution]
    shares: Shares | None = None
    trace: Trace | None = None
    loop: LoopDraws | None = None

    def slots(self, size: int = DRAW_BLOCK) -> Iterator[Slot]:
        """The client's requests in order, in slots of at most `size`; ends at the run's end."""
        if self.loop is not None:
            return
        units = 0
        first = 0
        drawn_before = 0
        latest = 0
        block = 0
        laws = list(dict.fromkeys(self.services.values()))
        while True:
            gaps_rng = stream(self.seed, self.replication, Purpose.ARRIVAL, self.name, block)
            route_rng = stream(self.seed, self.replication, Purpose.ROUTE, self.name, block)
            split_rng = stream(self.seed, self.replication, Purpose.SHARES, self.name, block)
            law_rngs = [stream(self.seed, self.replication, Purpose.SERVICE, self.name, block) for _ in laws]
            left = DRAW_BLOCK
            while left:
                n = min(size, left, self._expected_rest(units, drawn_before))
                left -= n
                if self.trace is not None:
                    arrival = _recorded(self.trace, drawn_before, n)
                else:
                    if self.poisson:
                        sums = _summed(gaps_rng.standard_exponential(n), units)
                    else:
                        sums = units + GAP_UNIT * np.arange(1, n + 1, dtype=np.int64)
                    units = int(sums[-1])
                    arrival = self.curve.invert(sums)
                    if self.curve.bends:  # what rounding could put before its predecessor by a nanosecond
                        arrival[0] = max(arrival[0], latest)
                        np.maximum.accumulate(arrival, out=arrival)
                        latest = int(arrival[-1])
                drawn_before += n
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

    def _expected_rest(self, units: int, drawn: int) -> int:
        """About how many requests are still to come: a hint for the buffer, never for the result."""
        if self.trace is not None:
            return _recorded_until(self.trace, self.duration_ns) - drawn + 1
        curve = self.curve
        total = int(curve.units_at_starts()[-1])
        last_ns = max(self.duration_ns - curve.starts_ns[-1], 0)
        rate = max(curve.rates_per_s[-1], curve.at(self.duration_ns)[0])
        total += int(last_ns * rate * GAP_UNIT / _SECOND)
        rest = max(total - units, 0) / GAP_UNIT
        return int(rest + 4 * rest**0.5) + 16


def _recorded(trace: Trace, first: int, n: int) -> npt.NDArray[np.int64]:
    """Arrivals first .. first + n - 1 of a trace, int64 ns; beyond its end the largest integer."""
    number = np.arange(first, first + n, dtype=np.int64)
    length = len(trace.instants_ns)
    if trace.period_ns is not None:
        turn, place = np.divmod(number, length)
        return turn * trace.period_ns + trace.instants_ns[place]
    instants = np.full(n, np.iinfo(np.int64).max, dtype=np.int64)
    there = number < length
    instants[there] = trace.instants_ns[number[there]]
    return instants


def _recorded_until(trace: Trace, t_ns: int) -> int:
    """How many arrivals of a trace are before an instant."""
    return int(trace.before(np.array([t_ns], dtype=np.int64))[0])


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
            return compose(law, rng.random(n))
        case _:
            return law.quantile_ns(above_zero(rng.random(n)))
    return array_to_ns(seconds, overwrite=True)
