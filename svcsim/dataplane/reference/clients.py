"""Clients: arrivals, and the life of each request from its first SYN to its settling (R3 to R8, R15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from simpy.events import Event, ProcessGenerator

from svcsim.dataplane.contract import (
    DROPPED,
    ON_SERVERS_NODE,
    Cause,
    ClientPlan,
    Keeps,
    OnEmpty,
    Outcome,
    Rank,
    Reach,
    Resolve,
    ServerState,
    Socket,
)
from svcsim.dataplane.draws import ClientDraws
from svcsim.dataplane.reference.beliefs import NO_VERSION, Beliefs, pick
from svcsim.dataplane.reference.connections import Connection
from svcsim.dataplane.reference.flows import Flow, Flows
from svcsim.dataplane.reference.limits import Limit, entry_kept_ns, port_kept_ns
from svcsim.dataplane.reference.nodes import Nodes, arrives_again
from svcsim.dataplane.reference.order import OrderedEnvironment
from svcsim.dataplane.reference.servers import Accepted, Answer, Ended, Servers, Silent
from svcsim.dataplane.reference.sources import NO_SERVER, Source
from svcsim.dataplane.reference.virtuals import VirtualService
from svcsim.rng import u32_at

__all__ = ["Client", "Request"]

_CLIENT_GONE = Ended(Outcome.NOT_SENT, Cause.NODE_LOST)


@dataclass(slots=True, eq=False)
class Request:
    """One request: what was drawn for it, then what became of it (`contract.RECORD_DTYPE`).

    `tried`: servers that earlier attempts chose.
    """

    client: int
    request: int
    source: Source
    arrival_ns: int
    route_lo: int
    service_ns: dict[int, int] = field(repr=False)
    attempts: int = 0
    attempt_ns: int = -1
    tried: list[int] = field(default_factory=list)
    connection: Connection | None = None
    flow: Flow | None = None
    port: Limit | None = None
    table: Limit | None = None
    entry: int = -1
    observer: int = -1
    version: int = NO_VERSION
    server: int = NO_SERVER
    syns: int = 0
    connected_ns: int = -1
    start_ns: int = -1
    end_ns: int = -1
    outcome: Outcome = Outcome.OPEN
    cause: Cause = Cause.NONE

    def begin_attempt(self, now_ns: int) -> None:
        """Nothing is known of the new attempt (R22)."""
        if self.server != NO_SERVER:
            self.tried.append(self.server)
        self.attempts += 1
        self.attempt_ns = now_ns
        self.entry = self.observer = -1
        self.version, self.server = NO_VERSION, NO_SERVER
        self.syns = 0
        self.connected_ns = self.start_ns = -1
        self.connection = None
        self.flow = None
        self.port = self.table = None

    def record(self) -> tuple[int, ...]:
        """The row of `contract.RECORD_DTYPE`."""
        return (
            self.client,
            self.request,
            self.source.number,
            self.arrival_ns,
            self.attempts,
            self.attempt_ns,
            self.entry,
            self.observer,
            self.version,
            self.server,
            self.syns,
            self.connected_ns,
            self.start_ns,
            self.end_ns,
            int(self.outcome),
            int(self.cause),
        )


class Client:
    """One client: a process that starts a process per request. `accepted`: by server and second."""

    def __init__(
        self,
        *,
        env: OrderedEnvironment,
        servers: Servers,
        nodes: Nodes,
        beliefs: Beliefs,
        tables: dict[int, Limit],
        number: int,
        plan: ClientPlan,
        vanished_after_ns: int,
    ) -> None:
        self.env = env
        self.servers = servers
        self.nodes = nodes
        self.beliefs = beliefs
        self.number = number
        self.plan = plan
        self.vanished_after_ns = vanished_after_ns
        self.sources = [Source(env, beliefs, number, plan, k) for k in range(plan.n_sources)]
        self.requests: list[Request] = []
        self._flows = Flows(plan, beliefs, nodes)
        self._tables = tables if plan.tracked else {}
        self.reused = 0
        self.accepted: Counter[tuple[int, int]] = Counter()
        self._pinned = plan.reach in (Reach.PINNED, Reach.HELD)
        self._stale = Cause.STALE_RESOLVER if self._pinned else Cause.STALE_ENDPOINT
        self._hash_key = int(plan.hash_key)
        self._ladder_ns: list[int] = plan.ladder_ns.tolist()
        self._connect_within_ns = min(int(plan.connect_timeout_ns), int(plan.request_timeout_ns))

    def start(self, draws: ClientDraws, slot: int) -> None:
        """Start the processes of the client and of its resolvers."""
        self.env.process(self._arrivals(draws, slot))
        if self._pinned:
            for source in self.sources:
                self.env.process(source.resolver())

    def _arrivals(self, draws: ClientDraws, size: int) -> ProcessGenerator:
        """Process: one request after the other, as drawn."""
        for slot in draws.slots(size):
            services = {group: column.tolist() for group, column in slot.service_ns.items()}
            drawn = zip(slot.arrival_ns.tolist(), slot.route_hi.tolist(), slot.route_lo.tolist(), strict=True)
            for k, (arrival_ns, route_hi, route_lo) in enumerate(drawn):
                number = int(slot.first) + k
                yield self.env.at(arrival_ns, Rank.ARRIVAL, self.number, number)
                request = Request(
                    client=self.number,
                    request=number,
                    source=self.sources[pick(route_hi, len(self.sources))],
                    arrival_ns=arrival_ns,
                    route_lo=route_lo,
                    service_ns={group: column[k] for group, column in services.items()},
                )
                self.requests.append(request)
                self.env.process(self.life(request))

    def _at(self, t_ns: int, rank: Rank, r: Request) -> Event:
        return self.env.at(t_ns, rank, r.client, r.request)

    def life(self, r: Request) -> ProcessGenerator:
        """Process: one request; begins at its arrival, within the ARRIVAL event (R22)."""
        r.source.router.first_attempt()
        while True:
            r.begin_attempt(self.env.now_ns)
            held = self._held(r)
            ended = yield from self._attempt(r)
            end_ns = self.env.now_ns
            failed = ended.outcome not in (Outcome.OK, Outcome.NOT_SENT)
            looks_again = failed and self._pinned and self.plan.resolve is Resolve.ON_FAILURE
            if not looks_again and not self.plan.booked:
                break
            if not self.plan.retries:
                r.outcome, r.cause, r.end_ns = ended.outcome, ended.cause, end_ns
            yield self._at(end_ns, Rank.COMPLETION, r)
            if looks_again and self._held(r) == held and r.source.may_look_again():
                r.source.resolve()
            self._give_back(r, ended.outcome, end_ns)
            if r.connection is not None:
                r.source.connections.booked(r.connection, ended.outcome, end_ns)
            if r.server != NO_SERVER:
                r.source.router.ended(r.server, ended.outcome, r.attempt_ns, end_ns)
                service = self._virtual_service(r)
                if service is not None:
                    service.ended(r.server, accepted=r.connected_ns >= 0, now_ns=end_ns)
            wait_ns = self._retry_after(r, ended.outcome)
            if wait_ns is None:
                break
            gone = yield from self._wait(r, end_ns + wait_ns)
            if gone is not None:
                ended, end_ns = gone, self.env.now_ns
                break
        r.outcome, r.cause, r.end_ns = ended.outcome, ended.cause, end_ns

    def _give_back(self, r: Request, outcome: Outcome, end_ns: int) -> None:
        """An attempt has ended: its port and its entry can be taken again, now or later (R28)."""
        if r.port is not None:
            r.port.give_back(end_ns + port_kept_ns(outcome))
        if r.table is not None:
            r.table.give_back(end_ns + entry_kept_ns(outcome))

    def _retry_after(self, r: Request, outcome: Outcome) -> int | None:
        """How long until the next attempt, None if there is none (R22)."""
        k = r.attempts - 1
        if outcome not in self.plan.retry_on or k >= self.plan.retries or not r.source.router.may_retry():
            return None
        longest = min(self.plan.backoff_ns << k, self.plan.backoff_max_ns)
        if not self.plan.jitter:
            return longest
        return (longest * u32_at(int(self.plan.retry_key), r.request, k)) >> 32

    def _wait(self, r: Request, until_ns: int) -> Generator[Event, Any, Ended | None]:
        """Until the next attempt begins; the end of the request if its source loses power first."""
        begins = self._at(until_ns, Rank.ARRIVAL, r)
        while True:
            fired = yield self.env.any_of([begins, self.nodes.change])
            if begins in fired:
                return None
            if self._client_gone(r):
                return _CLIENT_GONE

    def _attempt(self, r: Request) -> Generator[Event, Any, Ended]:
        """One attempt, from its first SYN, or its request on a connection, to its end."""
        if self.nodes.down(r.source.node):
            return _CLIENT_GONE
        if self.plan.datagrams:
            return (yield from self._datagram(r))
        if r.source.ports is not None:
            if not r.source.ports.room(self.env.now_ns):
                return Ended(Outcome.UNREACHABLE, Cause.PORTS_EXHAUSTED)
            r.port = r.source.ports
            r.port.take()
        if self.plan.keeps is not Keeps.FRESH:
            r.connection = r.source.connections.take(self.env.now_ns, self.nodes.power(r.source.node))
            if r.connection is not None:
                return (yield from self._on_connection(r, r.connection))
        answer = self._send_syn(r)
        if isinstance(answer, Silent):
            answer = yield from self._retransmit(r, answer)
        if isinstance(answer, Accepted):
            if self.plan.keeps is not Keeps.FRESH:
                r.connection = r.source.connections.opened(
                    r.server,
                    self.servers[r.server],
                    r.entry,
                    r.request,
                    r.attempts - 1,
                    self.env.now_ns,
                    (self.nodes.power(r.source.node), self.nodes.power(r.entry)),
                )
            answer = yield from self._be_served(r, answer)
        return answer

    def _on_connection(self, r: Request, connection: Connection) -> Generator[Event, Any, Ended]:
        """An attempt on a connection that the source has (R25)."""
        self.reused += 1
        r.server, r.entry = connection.server, connection.entry
        r.source.router.open[r.server] += 1
        service = self._virtual_service(r)
        if service is not None:
            service.opened(r.server)
        if r.source.connections.broken(connection, self.env.now_ns):
            return Ended(Outcome.RESET, Cause.KEPT_CLOSED)
        server = self.servers[r.server]
        unheard = self._link_lost(r) or self.nodes.power(r.entry) != connection.power[1]
        answer = Silent(Cause.NODE_LOST) if unheard else server.request(r.service_ns[server.group])
        match answer:
            case Accepted():
                return (yield from self._be_served(r, answer))
            case Ended():
                return answer
            case Silent():
                return (yield from self._unheard(r, answer))

    def _unheard(self, r: Request, silent: Silent) -> Generator[Event, Any, Ended]:
        """Nobody answers on an open connection: the request deadline ends it (R25)."""
        deadline = self._at(r.attempt_ns + int(self.plan.request_timeout_ns), Rank.DEADLINE, r)
        while True:
            fired = yield self.env.any_of([deadline, self.nodes.change])
            if deadline in fired:
                return Ended(Outcome.REQUEST_TIMEOUT, silent.cause)
            if self._client_gone(r):
                return _CLIENT_GONE

    def _datagram(self, r: Request) -> Generator[Event, Any, Ended]:
        """An attempt of a UDP client: one datagram, and its answer unless there is silence (R27)."""
        answer = self._send_datagram(r)
        if isinstance(answer, Accepted):
            answer = yield from self._be_served(r, answer)
        answered = isinstance(answer, Ended) and answer.outcome in (Outcome.OK, Outcome.REJECTED)
        if answered and not self._flows.answer_passes(r.flow, r.source.flow, self.env.now_ns):
            answer = Silent(Cause.STALE_CONNTRACK)
        if isinstance(answer, Silent):
            answer = yield from self._unheard(r, answer)
        return answer

    def _send_datagram(self, r: Request) -> Answer:
        """The datagram meets the connection table, the rules and the server (R27a, R27c)."""
        r.syns += 1
        if self.plan.reach is Reach.NONE:
            return Ended(Outcome.UNREACHABLE, Cause.NOT_ROUTED)
        tracked = self.plan.reach is Reach.BELIEF
        stale = self._stale
        answer = self._enter(r, 0) if tracked else None
        if answer is not None:
            return answer
        flow = r.source.flow
        if tracked and flow is not None and self._flows.alive(flow, self.env.now_ns):
            r.observer = flow.observer
            r.version, servers = self.beliefs.look(r.observer, r.source.view)
            r.server, r.flow = flow.server, flow
            r.source.router.open[r.server] += 1
            self._flows.extend(flow, self.env.now_ns)
            if r.server not in servers:
                stale = Cause.STALE_CONNTRACK
        else:
            answer = self._route(r, 0)
            if answer is not None:
                return answer
            if tracked:
                node = r.source.node if r.entry < 0 else r.entry
                r.flow = self._flows.begin(r.observer, node, r.server, self.env.now_ns)
                if self.plan.socket is Socket.ONE:
                    r.source.flow = r.flow
        return self._meet_server(r, stale)

    def _meet_server(self, r: Request, stale: Cause) -> Answer:
        """What a SYN or a datagram meets on its way to its server, and there (R10, R18a)."""
        server = self.servers[r.server]
        if self._link_lost(r) and server.state is not ServerState.UNBORN:
            return Silent(Cause.NODE_LOST)
        return server.syn(r.service_ns[server.group], stale)

    def _held(self, r: Request) -> int:
        """What the source of a pinned client holds: a server, or a version (R12)."""
        return r.source.held if self.plan.reach is Reach.PINNED else r.source.held_version

    def _send_syn(self, r: Request) -> Answer:
        """SYN number r.syns of a request meets the rules (R6, R7, R8)."""
        j = r.syns
        r.syns += 1
        if self.plan.reach is Reach.NONE:
            return Ended(Outcome.UNREACHABLE, Cause.NOT_ROUTED)
        if r.server == NO_SERVER:
            table = self._tables.get(r.source.node if r.source.node >= 0 else r.source.entry)
            if table is not None and not table.room(self.env.now_ns):
                return Silent(Cause.TABLE_FULL)
            answer = self._route(r, j)
            if answer is not None:
                return answer
            if table is not None:
                table.take()
                r.table = table
        return self._meet_server(r, self._stale)

    def _link_lost(self, r: Request) -> bool:
        """Whether a link is lost that the request crosses on its way to its server (R18, R20)."""
        server = self.servers[r.server].node
        if r.entry < 0:
            return self.nodes.link_lost(r.source.node, server)
        return self.nodes.link_lost(r.source.node, r.entry) or self.nodes.link_lost(r.entry, server)

    def _client_gone(self, r: Request) -> bool:
        """Whether the node that just changed is the one the request left from, and has no power (R18b)."""
        local = r.source.node == ON_SERVERS_NODE and r.server != NO_SERVER
        node = self.servers[r.server].node if local else r.source.node
        return node == self.nodes.changed and self.nodes.down(node)

    def _route(self, r: Request, j: int) -> Answer | None:
        """Choose the server of SYN j (R5, R6, R20, R21); or the answer where there is none to choose."""
        match self.plan.reach:
            case Reach.PINNED:
                r.server = r.source.held
            case Reach.HELD:
                self._use_held_list(r)
            case _:
                answer = self._enter(r, j)
                if answer is not None:
                    return answer
                r.observer = r.source.observer if r.entry < 0 else r.entry
                r.version, servers = self.beliefs.look(r.observer, r.source.view)
                if r.version == DROPPED:
                    return Silent(Cause.POLICY_DROP)
                if servers:
                    r.server = self._choose(r, j, servers)
                    if r.server == NO_SERVER:
                        return self._meet_empty_list(r, self.plan.on_empty, Cause.STALE_ENDPOINT)
        if r.server == NO_SERVER:
            return self._meet_empty_list(r, OnEmpty.NO_ADDRESS if self._pinned else self.plan.on_empty)
        return None

    def _use_held_list(self, r: Request) -> None:
        """Pick from the list that the source holds (R6)."""
        r.version = r.source.held_version
        servers = self.beliefs.listed(r.version)
        if servers:
            rotates = self.plan.rotates
            r.server = r.source.rotate(servers) if rotates else self._choose(r, 0, servers)

    def _word(self, key: int, r: Request, j: int) -> int:
        """The random word of SYN j of the present attempt (R22)."""
        return u32_at(int(key), r.request, j, r.attempts - 1)

    def _choose(self, r: Request, j: int, servers: tuple[int, ...]) -> int:
        """R5, R23, R26: one server of a list that is not empty; NO_SERVER where R26 has none."""
        first = j == 0 and r.attempts == 1
        u = r.route_lo if first else self._word(self.plan.repick_key, r, j)
        v = self._word(self.plan.choice_key, r, j)
        tried = r.tried if self.plan.excludes_tried else ()
        asked = r.entry if r.entry >= 0 else r.source.observer
        service = self._virtual_service(r)
        if service is None:
            server = r.source.router.choose(servers, tried, asked, u, v, self.env.now_ns)
        else:
            words = u32_at(self._hash_key, r.source.number), u32_at(self._hash_key, r.request, r.attempts - 1)
            server = r.source.router.choose(
                servers, tried, asked, u, v, self.env.now_ns, lambda: service.choose(*words, self.env.now_ns)
            )
            if server == NO_SERVER:
                return server
            service.opened(server)
        r.source.router.open[server] += 1
        return server

    def _virtual_service(self, r: Request) -> VirtualService | None:
        """What chooses for a request in place of its source (R26)."""
        routed_by = r.entry if r.entry >= 0 else r.source.observer
        return self.beliefs.virtuals.at(self.plan, routed_by, r.source.view)

    def _enter(self, r: Request, j: int) -> Answer | None:
        """Get to the node that routes the request, where one is on the way (R20)."""
        if r.entry < 0:
            r.entry = r.source.entry
        if r.entry < 0 and self.plan.targets >= 0:
            r.observer = self.plan.balancer
            r.version, targets = self.beliefs.look(r.observer, self.plan.targets)
            if not targets:
                return self._meet_empty_list(r, self.plan.on_empty)
            r.entry = targets[pick(self._word(self.plan.entry_key, r, j), len(targets))]
        if r.entry >= 0 and self.nodes.link_lost(r.source.node, r.entry):
            return Silent(Cause.NODE_LOST)
        return None

    def _meet_empty_list(self, r: Request, on_empty: OnEmpty, cause: Cause | None = None) -> Answer:
        """R7: an ICMP error or its absence, a name without an address, or nothing to do.

        cause: where it is not R7's (R26).
        """
        if cause is None:
            listening = self.servers.any_listening(r.source.view)
            cause = Cause.NOT_YET_PROGRAMMED if listening else Cause.NO_ENDPOINT
        match on_empty:
            case OnEmpty.NO_ADDRESS:
                r.syns -= 1
                return Ended(Outcome.DNS_FAILURE, cause)
            case OnEmpty.NOT_SENT:
                r.syns -= 1
                return Ended(Outcome.NOT_SENT, Cause.NO_ENDPOINT)
            case OnEmpty.REJECT:
                if self.plan.icmp_limited and not r.source.icmp.allow(self.env.now_ns):
                    return Silent(cause)
                return Ended(Outcome.REFUSED, cause)
            case OnEmpty.SILENT:
                return Silent(cause)
            case OnEmpty.UNAVAILABLE:
                r.syns -= 1
                return Ended(Outcome.REJECTED, cause)

    def _retransmit(self, r: Request, silent: Silent) -> Generator[Event, Any, Ended | Accepted]:
        """R8, R10: wait and send SYNs until one is answered, ICMP says unreachable, or time is up."""
        deadline_ns = r.attempt_ns + self._connect_within_ns
        deadline = self._at(deadline_ns, Rank.DEADLINE, r)
        unreachable: Event | None = None
        ladder = iter(self._ladder_ns)
        while True:
            if silent.vanished and unreachable is None and self.vanished_after_ns >= 0:
                unreachable = self._at(self.env.now_ns + self.vanished_after_ns, Rank.COMPLETION, r)
            waited_for = [deadline] if unreachable is None else [deadline, unreachable]
            syn_ns = r.attempt_ns + next(ladder, self._connect_within_ns)
            if syn_ns < deadline_ns:
                waited_for.append(self._at(syn_ns, Rank.SYN, r))
            fired = yield self.env.any_of([*waited_for, self.nodes.change])
            while not any(event in fired for event in waited_for):
                if self._client_gone(r):
                    return _CLIENT_GONE
                fired = yield self.env.any_of([*waited_for, self.nodes.change])
            if deadline in fired:
                return Ended(Outcome.CONNECT_TIMEOUT, silent.cause)
            if unreachable in fired:
                return Ended(Outcome.UNREACHABLE, self._stale)
            answer = self._send_syn(r)
            if not isinstance(answer, Silent):
                return answer
            silent = answer

    def _be_served(self, r: Request, accepted: Accepted) -> Generator[Event, Any, Ended]:
        """Accepted: the first of the cut, the end of the work and the request's deadline settles it (R15)."""
        r.connected_ns, r.start_ns = accepted.connected_ns, accepted.start_ns
        entry_power = self.nodes.power(r.entry)
        self.servers[r.server].accepted_clients += 1
        self.accepted[r.server, accepted.connected_ns // 1_000_000_000] += 1
        end = accepted.end(self.env, r.client, r.request)
        deadline = self._at(r.attempt_ns + int(self.plan.request_timeout_ns), Rank.DEADLINE, r)
        settles = [accepted.cut, end, deadline]
        while True:
            fired = yield self.env.any_of([*settles, self.nodes.change])
            if accepted.cut in fired and self.plan.datagrams:
                return (yield from self._unheard(r, Silent(Cause.IN_FLIGHT_CUT)))
            if any(event in fired for event in settles):
                return accepted.settled(fired, end, deadline, self.env.now_ns)
            ended = yield from self._over_lost_link(r, accepted, deadline, entry_power)
            if ended is not None:
                return ended

    def _over_lost_link(
        self, r: Request, accepted: Accepted, deadline: Event, entry_power: int
    ) -> Generator[Event, Any, Ended | None]:
        """R18: some node changed. How the request ends behind a lost link; None once R15 holds (again)."""
        cut: Event | None = accepted.cut
        answer_lost = False
        while True:
            if self._client_gone(r):
                return _CLIENT_GONE
            answer_lost = (
                answer_lost
                or accepted.power != self.servers[r.server].power
                or entry_power != self.nodes.power(r.entry)
            )
            answer: Event | None = None
            if not answer_lost and not self._link_lost(r):
                if accepted.end_ns >= self.env.now_ns:
                    return None
                again_ns = arrives_again(accepted.end_ns, self.env.now_ns)
                if self.plan.datagrams:
                    again_ns = None
                if again_ns is not None:
                    answer = self._at(again_ns, Rank.COMPLETION, r)
            waited_for = [deadline, self.nodes.change, *(e for e in (answer, cut) if e is not None)]
            fired = yield self.env.any_of(waited_for)
            if answer is not None and answer in fired:
                return Ended(Outcome.OK, Cause.NONE)
            if deadline in fired:
                return Ended(Outcome.REQUEST_TIMEOUT, Cause.NODE_LOST)
            if cut is not None and cut in fired:
                answer_lost = answer_lost or self.env.now_ns <= accepted.end_ns
                cut = None
