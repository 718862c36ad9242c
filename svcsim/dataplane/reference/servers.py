"""Servers: their state as the truth has it, their workers and their queue (R10, R11, R13, R14, R16, R19)."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from simpy.events import ConditionValue, Event, ProcessGenerator

from svcsim.dataplane.contract import (
    Ask,
    Cause,
    GroupPlan,
    Outcome,
    QueueFull,
    Rank,
    ServerState,
    TruthKind,
    Window,
)
from svcsim.dataplane.reference.order import OrderedEnvironment
from svcsim.dataplane.reference.sharing import SharedCores, SharedWork
from svcsim.dataplane.reference.warming import listening_since, slowed

__all__ = ["Accepted", "Answer", "Ended", "Server", "Servers", "Silent"]


@dataclass(frozen=True)
class Ended:
    """A SYN was answered and that settles the request."""

    outcome: Outcome
    cause: Cause


@dataclass(frozen=True)
class Silent:
    """Nobody answered; `cause` is what a timeout will be blamed on, `vanished` whether R10's clock runs."""

    cause: Cause
    vanished: bool = False


@dataclass(frozen=True)
class Accepted:
    """A connection and its work; `cut` happens when the process ends (R14).

    `alone_ns`: the end if nothing is shared. `power`: the server's count of power losses when it accepted
    (R18c).
    """

    connected_ns: int
    start_ns: int
    alone_ns: int
    cut: Event
    power: int
    shared: SharedWork | None = None

    @property
    def end_ns(self) -> int:
        """When the work ends; NEVER while that is not known (R31)."""
        return self.alone_ns if self.shared is None else self.shared.end_ns

    def end(self, env: OrderedEnvironment, client: int, request: int) -> Event:
        """The end of the work."""
        if self.shared is not None:
            return self.shared.ended
        return env.at(self.alone_ns, Rank.COMPLETION, client, request)

    def settled(self, fired: ConditionValue, end: Event, deadline: Event, now_ns: int) -> Ended:
        """How the request ends, by what came first: the cut, the end of its work or the deadline (R15)."""
        if self.cut in fired:
            outcome = Outcome.EOF if self.start_ns < now_ns else Outcome.RESET
            return Ended(outcome, Cause.IN_FLIGHT_CUT)
        if end in fired:
            return Ended(Outcome.OK, Cause.NONE)
        assert deadline in fired
        waited = self.start_ns > self.connected_ns or (self.shared is not None and self.alone_ns <= now_ns)
        return Ended(Outcome.REQUEST_TIMEOUT, Cause.OVERLOAD if waited else Cause.SLOW_SERVICE)


Answer = Ended | Silent | Accepted


class Server:
    """One server: what a SYN meets there.

    `_free`: heap, for each worker the instant it is free. `_starts`: starts of accepted work that may still
    wait, ascending because the queue is FIFO. `_work`: (start, end) of accepted uncut work not known to be
    over; `_done_ns`: nanoseconds performed of all other work.
    """

    def __init__(self, env: OrderedEnvironment, group: int, plan: GroupPlan) -> None:
        self.env = env
        self.group = group
        self.plan = plan
        self.state = ServerState.UNBORN
        self.node = -1
        self.power = 0
        self.closed_ns = -1
        self.listening_ns = 0
        self.accepted_clients = 0
        self.cut = env.event()
        self._free = [0] * plan.workers
        self._starts: deque[int] = deque()
        self._work: list[tuple[int, int]] = []
        self._done_ns = 0
        self._shared = SharedCores(env, plan.cores_permille) if plan.cores_permille else None

    def happen(self, kind: TruthKind) -> None:
        """A row of the truth (R11); CUT frees the workers and empties the queue (R14).

        CLOSE and CUT close connections (R25): `closed_ns`.
        """
        if kind in (TruthKind.CLOSE, TruthKind.CUT):
            self.closed_ns = self.env.now_ns
        match kind:
            case TruthKind.ADDRESS:
                self.state = ServerState.STARTING
            case TruthKind.LISTEN:
                self.state = ServerState.LISTENING
                self.listening_ns = listening_since(self.plan, self.env.now_ns)
            case TruthKind.CLOSE:
                if self.state is ServerState.LISTENING:
                    self.state = ServerState.CLOSED
            case TruthKind.RELEASE:
                self.state = ServerState.VANISHED
            case TruthKind.REUSE:
                self.state = ServerState.FOREIGN
            case TruthKind.CUT:
                self._forget_work()
                self.cut.succeed()
                self.cut = self.env.event()

    def lose_power(self) -> None:
        """The node goes DOWN: accepted work is lost without a word (R18c)."""
        self._forget_work()
        self.power += 1

    def _forget_work(self) -> None:
        """Workers become free and the queue empty; what was performed stays performed (R19)."""
        self._free = [0] * self.plan.workers
        self._starts.clear()
        self._done_ns += sum(_performed(work, self.env.now_ns) for work in self._work)
        self._work.clear()
        if self._shared is not None:
            self._shared.forget()

    def syn(self, service_ns: int, stale: Cause) -> Answer:
        """What a SYN meets now (R10); `stale` is the sender's word for an address that is no more."""
        match self.state:
            case ServerState.LISTENING:
                return self._accept(service_ns)
            case ServerState.CLOSED:
                return Ended(Outcome.REFUSED, stale)
            case ServerState.STARTING:
                return Ended(Outcome.REFUSED, Cause.READY_BEFORE_LISTENING)
            case ServerState.FOREIGN:
                return Ended(Outcome.MISDELIVERED, Cause.IP_REUSED)
            case ServerState.VANISHED | ServerState.UNBORN:
                return Silent(stale, vanished=True)

    def request(self, service_ns: int) -> Answer:
        """What a request on a connection that is open meets now (R25)."""
        if self.state is not ServerState.LISTENING:
            return Silent(Cause.NODE_LOST)
        return self._accept(service_ns)

    def _accept(self, service_ns: int) -> Answer:
        """FIFO over the workers, waiting places limited (R13)."""
        now = self.env.now_ns
        if self._shared is not None:
            return self._share(self._shared, slowed(self.plan, service_ns, now - self.listening_ns))
        start = max(now, self._free[0]) if self.plan.workers else now
        while self._starts and self._starts[0] <= now:
            self._starts.popleft()
        if start > now:
            if 0 <= self.plan.queue <= len(self._starts):
                return self._full()
            self._starts.append(start)
        end = start + slowed(self.plan, service_ns, start - self.listening_ns)
        if self.plan.workers:
            heapq.heapreplace(self._free, end)
        self._work.append((start, end))
        return Accepted(now, start, end, self.cut, self.power)

    def _full(self) -> Answer:
        """What a new connection meets at a full queue (R13)."""
        if self.plan.queue_full is QueueFull.REJECT:
            return Ended(Outcome.REJECTED, Cause.OVERLOAD)
        return Silent(Cause.OVERLOAD)

    def _share(self, cores: SharedCores, service_ns: int) -> Answer:
        """Whatever is accepted shares the cores (R31)."""
        if cores.full(self.plan.queue):
            return self._full()
        now = self.env.now_ns
        return Accepted(now, now, now + service_ns, self.cut, self.power, cores.accept(service_ns))

    def due_ns(self, accepted: Accepted) -> int:
        """When accepted work ends as far as is known (R17)."""
        if self._shared is None or accepted.shared is None:
            return accepted.end_ns
        return self._shared.due_ns(accepted.shared)

    def ask(self, what: Ask, at_ns: int) -> int:
        """R16, R19 at an instant up to which everything has been handled; at_ns never goes back."""
        if self._shared is not None and what is not Ask.ACCEPTED:
            return self._shared.ask(what, at_ns)
        self._done_ns += sum(end - start for start, end in self._work if end < at_ns)
        self._work = [(start, end) for start, end in self._work if end >= at_ns]
        match what:
            case Ask.DRAIN_END:
                return max((end for _, end in self._work), default=at_ns)
            case Ask.IN_FLIGHT:
                return len(self._work)
            case Ask.ACCEPTED:
                return self.accepted_clients
            case Ask.WORK_DONE:
                return self._done_ns + sum(_performed(work, at_ns) for work in self._work)


def _performed(work: tuple[int, int], before_ns: int) -> int:
    """How much of (start, end) lies before an instant, ns."""
    start, end = work
    return max(min(end, before_ns) - start, 0)


class Servers:
    """All servers in order of creation, and the views they belong to."""

    def __init__(self, env: OrderedEnvironment, groups: tuple[GroupPlan, ...]) -> None:
        self.env = env
        self.groups = groups
        self._servers: list[Server] = []
        self._of_view: dict[int, list[Server]] = {}
        self._rows = 0

    def __getitem__(self, server: int) -> Server:
        assert server >= 0
        return self._servers[server]

    def add(self, groups: Iterable[int], views_of_each: Iterable[Iterable[int]]) -> None:
        """Append servers, UNBORN."""
        for group, views in zip(groups, views_of_each, strict=True):
            server = Server(self.env, group, self.groups[group])
            self._servers.append(server)
            for view in views:
                self._of_view.setdefault(int(view), []).append(server)

    def place(self, servers: Iterable[int], nodes: Iterable[int]) -> None:
        """Each server is on its node from now on (R18)."""
        for server, node in zip(servers, nodes, strict=True):
            self[server].node = node

    def lose_power(self, node: int) -> None:
        """Every server that was given an address on the node loses its work (R18c)."""
        for server in self._servers:
            if server.node == node and server.state is not ServerState.UNBORN:
                server.lose_power()

    def any_listening(self, view: int) -> bool:
        """Whether the truth has a server of this view that would accept (R7's cause)."""
        return any(server.state is ServerState.LISTENING for server in self._of_view.get(view, ()))

    def replay(self, window: Window) -> ProcessGenerator:
        """Process: the window's truth rows take effect in the order given."""
        rows = zip(
            window.truth_t.tolist(), window.truth_server.tolist(), window.truth_kind.tolist(), strict=True
        )
        for t_ns, server, kind in rows:
            self._rows += 1
            yield self.env.at(t_ns, Rank.TRUTH, 0, self._rows)
            self[server].happen(TruthKind(kind))
