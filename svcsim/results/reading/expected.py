"""Expected failures of a replication, from its two histories alone: variance-free, and no engine's code.

For a client that opens fresh connections the failures at the first SYN are a thinned Poisson process, so
their mean is the integral of rate x (listed servers that do not accept) / listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import ClientPlan, OnEmpty, Plan, Reach, Resolve, Scheduler
from svcsim.dataplane.curves import RateCurve
from svcsim.dataplane.demand import rate_curve
from svcsim.results.reading.nodes import Away
from svcsim.results.reading.truth import Beliefs, Lists, Truth
from svcsim.scenario import Scenario

__all__ = ["Rates", "expected_failures"]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
UInt64 = npt.NDArray[np.uint64]

_CHUNK = 1 << 20
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Rates:
    """The integral of one client's rate, or the number of its recorded arrivals."""

    def __init__(self, scenario: Scenario, client: int) -> None:
        self._trace = scenario.clients[client].trace
        self._curve = rate_curve(scenario, client)
        starts = [at for at in self._curve.starts_ns if at < scenario.duration_ns]
        self._curve = RateCurve(
            tuple(starts), self._curve.rates_per_s[: len(starts)], self._curve.slopes_per_s2[: len(starts)]
        )
        self._knots = np.array([*starts, scenario.duration_ns], dtype=np.int64)
        self._cumulated = self._curve.requests_at(self._knots)
        if self._trace is not None:
            self._cumulated = self._trace.before(self._knots).astype(np.float64)

    def until(self, t_ns: Int64) -> Float64:
        """Expected requests before each instant."""
        if self._trace is not None:
            return self._trace.before(np.minimum(t_ns, self._knots[-1])).astype(np.float64)
        found = np.interp(t_ns, self._knots, self._cumulated)
        if self._curve.bends:  # below or above its chord by s x (L - x) / 2
            at = np.clip(t_ns, 0, self._knots[-1])
            piece = np.minimum(np.searchsorted(self._knots, at, side="right") - 1, len(self._knots) - 2)
            done, left = at - self._knots[piece], self._knots[piece + 1] - at
            found = found - 0.5e-18 * np.array(self._curve.slopes_per_s2)[piece] * done * left
        return found

    @property
    def end_ns(self) -> int:
        """The run's end."""
        return int(self._knots[-1])

    @property
    def total(self) -> float:
        """Expected requests of the whole run."""
        return float(self._cumulated[-1])


class _Accepting:
    """The spells in which each server accepts: from_ns, to_ns int64 (k, n_servers), k the most of one."""

    def __init__(self, truth: Truth, away: list[Away], server_node: Int64 | None) -> None:
        self._away = away
        self._server_node = server_node
        server, begin, end = truth.listening()
        new = np.ones(len(server), dtype=bool)
        new[1:] = server[1:] != server[:-1]
        firsts = np.flatnonzero(new)
        ordinal = np.arange(len(server)) - np.repeat(firsts, np.diff(np.append(firsts, len(server))))
        shape = (int(ordinal.max(initial=-1)) + 1, truth.n_servers)
        self.from_ns = np.zeros(shape, dtype=np.int64)
        self.to_ns = np.zeros(shape, dtype=np.int64)
        self.from_ns[ordinal, server] = begin
        self.to_ns[ordinal, server] = end

    def served(
        self, rates: Rates, source: Int64, server: Int64, begin: Int64, end: Int64, entry: Int64 | None = None
    ) -> Float64:
        """Expected requests in [begin, end) that the server accepts, element by element.

        source: the node of the source; what it would send without power, or over a lost link, is left out.
        entry: the node that it enters at, -1 where it enters at none.
        """
        total = self._accepted(rates, server, begin, end)
        for span in self._away:
            assert self._server_node is not None
            node = self._server_node[server]
            off = span.down(source)
            if entry is None:
                off = off | span.link_lost(source, node)
            else:
                first = np.where(entry >= 0, entry, node)
                off = off | span.link_lost(source, first) | span.link_lost(first, node)
            lost = np.flatnonzero(off)
            a = np.clip(begin[lost], span.from_ns, span.to_ns)
            b = np.clip(end[lost], span.from_ns, span.to_ns)
            total[lost] -= self._accepted(rates, server[lost], a, b)
        return total

    def _accepted(self, rates: Rates, server: Int64, begin: Int64, end: Int64) -> Float64:
        total = np.zeros(len(server))
        for low, high in zip(self.from_ns, self.to_ns, strict=True):
            a, b = low[server], high[server]
            total += rates.until(np.clip(end, a, b)) - rates.until(np.clip(begin, a, b))
        return total

    def unsent(self, rates: Rates, source: Int64, begin: Int64, end: Int64) -> Float64:
        """Requests in [begin, end) that sources on these nodes would send, had they power."""
        total = np.zeros(len(source))
        for span in self._away:
            off = span.down(source)
            a, b = np.clip(begin, span.from_ns, span.to_ns), np.clip(end, span.from_ns, span.to_ns)
            total += np.where(off, rates.until(b) - rates.until(a), 0.0)
        return total


def expected_failures(
    scenario: Scenario,
    plan: Plan,
    truth: Truth,
    beliefs: Beliefs,
    lists: Lists,
    *,
    away: Sequence[Away] = (),
    server_node: Int64 | None = None,
) -> npt.NDArray[np.float64]:
    """Expected failures of each client, float64 (n_clients,), given what was true and what was believed.

    away: spans in which nodes are lost, and then server_node: int64 (n_servers,), the node of each server.

    It counts the requests whose first SYN meets a server that does not accept, or an empty list: refused,
    unreachable, misdelivered, connect time-outs and DNS failures. It does not count work cut in flight,
    overload or slow service; and it counts a request that a later SYN saves within its connect time-out (a
    silent server that begins to listen, an ICMP-limited empty list that fills), and one still open at the
    run's end. Re-resolution on failure, attempts, affinity and choices other than R5's depend on the dice of
    single requests, weights of a route (R33) on when each proxy heard of them, random bursts and closed loops
    on the dice of arrivals: NaN.
    """
    lost = [] if server_node is None else list(away)
    accepting = _Accepting(truth, lost, server_node)
    found = np.empty(len(plan.clients))
    for k, client in enumerate(plan.clients):
        chosen = client.affinity_ns >= 0 or client.scheduler != Scheduler.NONE or client.backends > 1
        if client.booked or chosen or _drawn_demand(scenario, k):
            found[k] = np.nan
            continue
        rates = Rates(scenario, k)
        if client.reach == Reach.NONE:
            found[k] = rates.total
        elif client.reach == Reach.BELIEF:
            found[k] = _believing(client, rates, accepting, beliefs, lists)
        elif client.resolve == Resolve.ON_FAILURE:
            found[k] = np.nan
        else:
            found[k] = _pinned(client, rates, accepting, beliefs, lists)
    return found


def _drawn_demand(scenario: Scenario, client: int) -> bool:
    """Whether it is drawn, or up to the answers, how many requests a client sends by when."""
    own = scenario.clients[client]
    return own.loop is not None or (own.bursts is not None and own.bursts.random)


@dataclass(frozen=True)
class _Consulted:
    """Which list which share of a client's requests is routed by, in [begin, end): arrays of one length.

    node: of the source, entry: the node it enters at, -1 for none; failing: expected requests that no list
    was consulted for, as there was no target.
    """

    node: Int64
    entry: Int64
    version: Int64
    begin: Int64
    end: Int64
    share: Float64
    failing: float = 0.0


def _spells(beliefs: Beliefs, view: int, end_ns: int) -> tuple[Int64, Int64, Int64, Int64]:
    """(observer, version, begin, end) of what every observer of a view held, from its first belief on."""
    steps, version = beliefs.of(view)
    end = np.full(len(steps.t), end_ns, dtype=np.int64)
    same = steps.group[1:] == steps.group[:-1]
    end[:-1][same] = steps.t[1:][same]
    return steps.group, version, steps.t, end


def _consulted(client: ClientPlan, rates: Rates, beliefs: Beliefs, lists: Lists) -> _Consulted:
    """The lists that a client's sources are routed by."""
    if client.targets >= 0:
        return _behind_balancer(client, rates, beliefs, lists)
    routed_by = np.where(client.entry_of_source >= 0, client.entry_of_source, client.observer_of_source)
    kinds = np.stack((client.views, routed_by, client.node_of_source, client.entry_of_source)).astype(
        np.int64
    )
    kinds, sources = np.unique(kinds, axis=1, return_counts=True)
    parts = []
    for (view, observer, node, entry), n in zip(kinds.T.tolist(), sources.tolist(), strict=True):
        observers, version, begin, end = _spells(beliefs, view, rates.end_ns)
        own = (observers == observer) & (end > begin)
        k = int(own.sum())
        parts.append(
            (
                np.full(k, node),
                np.full(k, entry),
                version[own],
                begin[own],
                end[own],
                np.full(k, n / client.n_sources),
            )
        )
    node, entry, version, begin, end, share = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Consulted(node, entry, version, begin, end, share)


def _behind_balancer(client: ClientPlan, rates: Rates, beliefs: Beliefs, lists: Lists) -> _Consulted:
    """What the nodes believe that a load balancer sends to, in the shares it does (R20)."""
    observers, version, begin, end = _spells(beliefs, client.targets, rates.end_ns)
    own = (observers == client.balancer) & (end > begin)
    version, begin, end = version[own], begin[own], end[own]
    size = lists.size[version]
    empty = size == 0
    failing = float((rates.until(end[empty]) - rates.until(begin[empty])).sum())
    node = np.concatenate(
        [lists.servers[lists.at[v] : lists.at[v] + n] for v, n in zip(version, size, strict=True)]
        or [np.empty(0, dtype=np.int64)]
    )
    begin, end, share = (
        np.repeat(begin, size),
        np.repeat(end, size),
        np.repeat(1.0 / np.maximum(size, 1), size),
    )
    at, held, held_from, held_to = _spells(beliefs, client.view, rates.end_ns)
    first, last = np.searchsorted(at, node), np.searchsorted(at, node, side="right")
    times = last - first
    row = np.repeat(first, times) + np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    begin = np.maximum(np.repeat(begin, times), held_from[row])
    end = np.minimum(np.repeat(end, times), held_to[row])
    use = end > begin
    outside = np.full(int(use.sum()), int(client.node_of_source[0]), dtype=np.int64)
    return _Consulted(
        outside,
        np.repeat(node, times)[use],
        held[row][use],
        begin[use],
        end[use],
        np.repeat(share, times)[use],
        failing,
    )


def _believing(
    client: ClientPlan, rates: Rates, accepting: _Accepting, beliefs: Beliefs, lists: Lists
) -> float:
    """Sweep over what each observer of the client held."""
    rows = _consulted(client, rates, beliefs, lists)
    mass = (rates.until(rows.end) - rates.until(rows.begin)) * rows.share
    unheard = rates.total - float(mass.sum())
    mass -= accepting.unsent(rates, rows.node, rows.begin, rows.end) * rows.share
    empty = lists.size[rows.version] == 0
    failing = 0.0
    if client.on_empty != OnEmpty.NOT_SENT:
        failing += unheard + float(mass[empty].sum())
    return max(failing + _unserved(rows, mass, ~empty, rates, accepting, lists), 0.0)


def _unserved(
    rows: _Consulted,
    mass: Float64,
    use: npt.NDArray[np.bool_],
    rates: Rates,
    accepting: _Accepting,
    lists: Lists,
) -> float:
    """Expected requests of `mass`, by rows, that meet a server of their list that does not accept."""
    failing = 0.0
    node, entry, version = rows.node[use], rows.entry[use], rows.version[use]
    begin, end, share, mass = rows.begin[use], rows.end[use], rows.share[use], mass[use]
    size = lists.size[version]
    edges = np.searchsorted(np.cumsum(size), np.arange(_CHUNK, int(size.sum()) + _CHUNK, _CHUNK)) + 1
    low = 0
    for edge in edges.tolist():
        part = slice(low, edge)
        low = edge
        n = size[part]
        pair = np.repeat(np.arange(len(n)), n)
        offset = np.arange(len(pair)) - np.repeat(np.cumsum(n) - n, n)
        server = lists.servers[lists.at[version[part]][pair] + offset]
        served = accepting.served(
            rates, node[part][pair], server, begin[part][pair], end[part][pair], entry[part][pair]
        )
        served *= (share[part] / np.maximum(n, 1))[pair]
        failing += float(mass[part].sum()) - float(served.sum())
    return failing


def _pinned(client: ClientPlan, rates: Rates, accepting: _Accepting, beliefs: Beliefs, lists: Lists) -> float:
    """Sweep over the address that each source holds (R12), drawn as the contract says."""
    n = client.n_sources
    source = np.arange(n)
    number = np.zeros(n, dtype=np.int64)
    begin = np.zeros(n, dtype=np.int64)
    if client.resolve == Resolve.EVERY:
        period, phase = client.resolve_period_ns, client.phase_ns
        times = np.maximum(-((phase - rates.end_ns) // period), 0)
        k = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
        source = np.concatenate((source, np.repeat(source, times)))
        number = np.concatenate((number, k + 1))
        begin = np.concatenate((begin, np.repeat(phase, times) + k * period))
        order = np.lexsort((number, source))
        source, number, begin = source[order], number[order], begin[order]
    end = np.full(len(source), rates.end_ns, dtype=np.int64)
    same = source[1:] == source[:-1]
    end[:-1][same] = begin[1:][same]
    version, _ = beliefs.held(client.view, np.full(len(source), client.resolver), begin)
    size = lists.size[version]
    if client.reach == Reach.HELD:
        node = client.node_of_source.astype(np.int64)[source]
        use = end > begin
        rows = _Consulted(
            node[use],
            np.full(int(use.sum()), -1, dtype=np.int64),
            version[use],
            begin[use],
            end[use],
            np.full(int(use.sum()), 1 / n),
        )
        mass = (rates.until(rows.end) - rates.until(rows.begin)) * rows.share
        mass -= accepting.unsent(rates, rows.node, rows.begin, rows.end) * rows.share
        empty = lists.size[rows.version] == 0
        return max(float(mass[empty].sum()) + _unserved(rows, mass, ~empty, rates, accepting, lists), 0.0)
    draw = _u32_at(client.resolve_key, source, number)
    has = size > 0
    pick = (draw[has] * size[has].astype(np.uint64)) >> np.uint64(32)
    server = lists.servers[lists.at[version[has]] + pick.astype(np.int64)]
    node = client.node_of_source.astype(np.int64)[source]
    served = accepting.served(rates, node[has], server, begin[has], end[has]).sum() / n
    unsent = accepting.unsent(rates, node, begin, end).sum() / n
    return max(rates.total - float(served) - float(unsent), 0.0)


def _u32_at(key: int, a: Int64, b: Int64) -> UInt64:
    """`rng.u32_at(key, a, b)` of each pair, as uint64."""
    with np.errstate(over="ignore"):
        x = _mix(np.uint64(key) + _GOLDEN * (a.astype(np.uint64) + np.uint64(1)))
        x = _mix(x + _GOLDEN * (b.astype(np.uint64) + np.uint64(1)))
        return _mix(x + _GOLDEN) >> np.uint64(32)


def _mix(x: UInt64) -> UInt64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
