"""The driver of the compiled loop: owns the arrays, feeds slots and windows, grows what is full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import (
    ICMP_BURST_NS,
    NEVER,
    RECORD_DTYPE,
    Ask,
    Cause,
    Job,
    JobResult,
    NodeState,
    Outcome,
    Plan,
    Rank,
    Scheduler,
    TruthKind,
    Window,
)
from svcsim.dataplane.draws import DRAW_BLOCK, ClientDraws
from svcsim.dataplane.vectorised import kernel, links, loops, sharing, state, virtuals
from svcsim.rng import u32_at

__all__ = ["Keep", "VectorisedEngine"]

Records = npt.NDArray[Any]


SLOT_BUDGET = 1 << 22  # requests held drawn at a time, over all clients
SLOT_FLOOR = 1 << 8


class Keep:
    """How much of each request to keep: tallies only, failures too, or every request."""

    TALLIES = 0
    FAILURES = 1
    REQUESTS = 2


class VectorisedEngine:
    """Implements `contract.DataPlane` with compiled loops.

    `slot`: requests drawn at a time per client, fewer where there are many clients (memory only, never the
    result).
    `keep`: see `Keep`; `on_records` receives finished records (RECORD_DTYPE) in no particular order, a
    buffer at a time.
    """

    def __init__(
        self,
        plan: Plan,
        draws: Sequence[ClientDraws],
        *,
        slot: int = DRAW_BLOCK,
        keep: int = Keep.REQUESTS,
        on_records: Callable[[Records], None] | None = None,
    ) -> None:
        slot = min(slot, max(SLOT_FLOOR, SLOT_BUDGET // max(len(draws), 1)))
        self._plan = plan
        self._until = 0
        self._unanswered: list[links.Unanswered] = []
        self._nodes = np.zeros(plan.n_nodes, dtype=np.int8)
        self._power = np.zeros(plan.n_nodes, dtype=np.int64)
        self._sources = [d.slots(slot) for d in draws]
        self._records: list[Records] = []
        self._on_records = on_records or self._records.append
        self._scalars = np.zeros(state.SCALARS, dtype=np.int64)
        self._seconds = plan.duration_ns // 1_000_000_000 + 1
        self._n_servers = 0
        self._server_views: list[tuple[int, ...]] = []
        self._cl, self._pairs = _clients(plan, draws)
        self._rt = self._routers(0, None)
        sources = int(self._cl.source_at[-1])
        table = np.zeros((64, kernel.CONNECTION_COLUMNS), dtype=np.int64)
        table[:, kernel.C_NEXT] = np.append(np.arange(1, 64), -1)
        self._kept = state.Kept(
            table, np.full(sources, -1, dtype=np.int64), np.zeros(sources, dtype=np.int64)
        )
        self._sl = self._slots(slot, draws)
        self._sv = self._servers(0, None)
        self._versions_at = np.zeros(1, dtype=np.int64)
        self._version_servers = np.empty(0, dtype=np.int32)
        self._current = np.full(len(self._pairs), -1, dtype=np.int32)
        self._log = (np.empty(64, np.int64), np.empty(64, np.int32), np.empty(64, np.int32))
        self._ev = state.Events(np.zeros((256, 4), dtype=np.int64), np.zeros((256, 3), dtype=np.int64))
        wait = np.zeros((64, kernel.WAIT_COLUMNS), dtype=np.int64)
        wait[:, kernel.W_NEXT] = np.append(np.arange(1, 64), -1)
        self._work = state.Work(
            wait,
            np.zeros((64, max(self._sl.service.shape[1], 1)), dtype=np.int64),
            np.zeros(
                (64, max([c.retries for c in plan.clients if c.excludes_tried], default=0) + 1), np.int32
            ),
            np.zeros((256, kernel.OPEN_COLUMNS), dtype=np.int64),
            np.zeros((1, kernel.JOB_COLUMNS), dtype=np.int64),
            sharing.empty(64),
        )
        self._users = loops.Users(draws)
        self._grow_heap(self._users.n)
        self._users.start(self._scalars, self._cl, self._ev)
        n_clients = len(plan.clients)
        self._out = state.Output(
            np.empty((1 << 14, state.OUT_COLUMNS), dtype=np.int64),
            np.zeros((n_clients, state.N_OUTCOMES, state.N_CAUSES), dtype=np.int64),
            np.zeros((n_clients, state.HIST_BINS), dtype=np.int64),
            np.zeros(n_clients, dtype=np.int64),
            np.zeros(n_clients, dtype=np.int64),
            np.zeros((0, self._seconds), dtype=np.int32),
            np.array([keep], dtype=np.int64),
            np.zeros(1, dtype=np.float64),
            np.zeros(kernel.OPEN_COLUMNS, dtype=np.int64),
        )

    # -- what the joint of the planes calls

    def advance(self, window: Window) -> None:
        """Handle every event before window.until_ns (R2)."""
        if not len(window.node_t) and not self._unanswered:
            self._advance(window)
            return
        for part, changes in links.parts(window):
            self._advance(part)
            for node, now in changes:
                self._node_changes(node, now, part.until_ns)

    def _advance(self, window: Window) -> None:
        """A window in which no node changes."""
        self._add_servers(window)
        self._sv.node[window.placed_server] = window.placed_node
        rows = self._rows(window)
        if self._unanswered:
            self._settle_unanswered(window.until_ns)
        for client in np.flatnonzero((self._sl.at == self._sl.size) & (self._sl.done == 0)).tolist():
            self._next_slot(client)
        while True:
            status, client = kernel.run_window(
                window.until_ns,
                self._plan.vanished_after_ns,
                self._scalars,
                self._sv,
                self._cl,
                self._rt,
                self._kept,
                self._sl,
                rows,
                self._ev,
                self._work,
                self._out,
            )
            if status == kernel.DONE:
                break
            rows = self._make_room(status, client, rows)
        self._until = window.until_ns

    # -- lost nodes (R18)

    def _node_changes(self, node: int, now: int, at_ns: int) -> None:
        """A node row at the instant advanced to."""
        self._nodes[node] = now
        self._scalars[state.NODES_AWAY] = links.away(self._nodes)
        if now == int(NodeState.DOWN):
            self._power[node] += 1
            self._clients_gone(node, at_ns)
            for server in links.servers_with_power_lost(self._sv, self._n_servers, node).tolist():
                kernel.forget_work(self._sv, server)
        self._shared_lose_links(node, now, at_ns)
        opened = self._work.open[: self._scalars[state.OPEN_SIZE]]
        at_node = self._sv.node[opened[:, kernel.O_SERVER]] == node
        lost_power = at_node & (now == int(NodeState.DOWN))
        forgotten = lost_power | ((opened[:, kernel.O_ENTRY] == node) & (now == int(NodeState.DOWN)))
        waiting = (opened[:, kernel.O_SETTLED] == 0) & (opened[:, kernel.O_CLIENT] != state.JOB_CLIENT)
        for place in np.flatnonzero(waiting).tolist():
            row = opened[place]
            if lost_power[place] or self._link_lost(row):
                self._unanswered.append(links.Unanswered(row.copy(), answer_lost=bool(forgotten[place])))
                row[kernel.O_SETTLED] = 1
        if now == int(NodeState.DOWN):
            for one in self._unanswered:
                on_its_way = (int(self._sv.node[one.row[kernel.O_SERVER]]), int(one.row[kernel.O_ENTRY]))
                one.answer_lost |= node in on_its_way
            for row in opened[lost_power]:
                self._sv.work[row[kernel.O_SERVER]] -= kernel.lost_work(row, at_ns)
            kept = opened[~lost_power]
            opened[: len(kept)] = kept
            self._scalars[state.OPEN_SIZE] = len(kept)

    def _shared_lose_links(self, node: int, now: int, at_ns: int) -> None:
        """R18, R31: shared work is lost with its server's power; clients behind a lost link wait."""
        down = now == int(NodeState.DOWN)
        for place in sharing.waited_for(self._work).tolist():
            row = self._work.shared[place]
            no_power = down and int(self._sv.node[row[kernel.O_SERVER]]) == node
            if no_power or self._link_lost(row):
                row[kernel.O_SETTLED] = kernel.UNANSWERED
                forgotten = no_power or (down and int(row[kernel.O_ENTRY]) == node)
                self._unanswered.append(
                    links.Unanswered(row[: kernel.OPEN_COLUMNS].copy(), answer_lost=forgotten, shared=place)
                )
        if not down:
            return
        lost = links.servers_with_power_lost(self._sv, self._n_servers, node).tolist()
        for one in self._unanswered:
            if one.shared >= 0 and one.row[kernel.O_SERVER] in lost:
                sharing.read(self._scalars, self._work, one)
                one.shared = -1  # what still runs is lost below
        for server in lost:
            kernel.lose_shared(self._scalars, self._sv, self._work, server, at_ns)

    def _clients_gone(self, node: int, at_ns: int) -> None:
        """R18b: what clients on a node that goes DOWN were waiting for."""
        gone = (at_ns, int(Outcome.NOT_SENT), int(Cause.NODE_LOST))
        wait, used = self._work.wait, ~self._free_waits()
        waits_to_begin = used & (wait[:, kernel.W_STATE] == kernel.WAITING)
        used &= (wait[:, kernel.W_STATE] == kernel.CONNECTING) | waits_to_begin
        source = self._node_of(wait[:, kernel.W_CLIENT], wait[:, kernel.W_SOURCE])
        leaving = np.flatnonzero(
            used & links.leaves_from(node, source, np.append(self._sv.node, -1)[wait[:, kernel.W_SERVER]])
        ).tolist()
        links.heap_without(self._scalars, self._ev, set(leaving))
        for w in leaving:
            self._room_for_one()
            if waits_to_begin[w]:
                kernel.end_request(self._scalars, self._work, self._out, w, *gone)
                client, request, arrival = wait[w, [kernel.W_CLIENT, kernel.W_REQUEST, kernel.W_ARRIVAL]]
                kernel.goes_on(self._scalars, self._cl, self._ev, client, request, arrival, at_ns)
            else:
                kernel.give_up(self._scalars, self._cl, self._ev, self._work, self._out, w, *gone)
        opened = self._work.open[: self._scalars[state.OPEN_SIZE]]
        for row in opened[opened[:, kernel.O_SETTLED] == 0]:
            if row[kernel.O_CLIENT] != state.JOB_CLIENT and self._leaves_from(node, row):
                opened[links.same_attempt(opened, row), kernel.O_SETTLED] = 1
                self._finish(row, *gone)
        for place in sharing.waited_for(self._work).tolist():
            row = self._work.shared[place]
            if self._leaves_from(node, row):
                row[kernel.O_SETTLED] = 1
                self._finish(row, *gone)
        staying = [one for one in self._unanswered if not self._leaves_from(node, one.row)]
        for one in self._unanswered:
            if self._leaves_from(node, one.row):
                self._finish(one.row, *gone)
                sharing.let_go(self._scalars, self._work, one)
        self._unanswered = staying

    def _settle_unanswered(self, until_ns: int) -> None:
        """At a part's start: what it decides about the unanswered, and whose link is whole again (R18d)."""
        still = []
        opened = self._work.open[: self._scalars[state.OPEN_SIZE]]
        for one in self._unanswered:
            sharing.read(self._scalars, self._work, one)
            server, end = int(one.row[kernel.O_SERVER]), int(one.row[kernel.O_END])
            link_lost = self._link_lost(one.row)
            if end >= self._until and not one.answer_lost and not link_lost:
                opened[links.same_attempt(opened, one.row), kernel.O_SETTLED] = 0
                if one.shared >= 0:
                    self._work.shared[one.shared, kernel.O_SETTLED] = 0
                continue
            settled = links.settle_of(
                one,
                link_lost=link_lost,
                sent_again=not self._plan.clients[int(one.row[kernel.O_CLIENT])].datagrams,
                from_ns=self._until,
                until_ns=until_ns,
            )
            if settled is None:
                foreseen = one.shared < 0 and end >= self._until
                one.answer_lost |= foreseen and int(self._sv.next_cut[server]) <= end
                still.append(one)
            else:
                self._finish(one.row, *settled)
                sharing.let_go(self._scalars, self._work, one)
        self._unanswered = still

    def _finish(self, row: npt.NDArray[np.int64], end_ns: int, outcome: int, cause: int) -> None:
        """Settle an accepted request outside the compiled loop."""
        self._room_for_one()
        kernel.finish(self._scalars, self._cl, self._ev, self._work, self._out, row, end_ns, outcome, cause)

    def _room_for_one(self) -> None:
        self._grow_heap()
        if self._scalars[state.OUT_SIZE] + 8 > len(self._out.rows):
            self._drain()

    def _node_of(self, client: npt.NDArray[np.int64], source: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The node of each (client, source)."""
        node: npt.NDArray[np.int64] = self._cl.node[self._cl.source_at[client] + source]
        return node

    def _leaves_from(self, node: int, row: npt.NDArray[np.int64]) -> bool:
        source = self._node_of(row[[kernel.O_CLIENT]], row[[kernel.O_SOURCE]])
        return bool(links.leaves_from(node, source, self._sv.node[row[[kernel.O_SERVER]]])[0])

    def _link_lost(self, row: npt.NDArray[np.int64]) -> bool:
        flat = int(self._cl.source_at[row[kernel.O_CLIENT]] + row[kernel.O_SOURCE])
        entry, server = int(row[kernel.O_ENTRY]), int(row[kernel.O_SERVER])
        return bool(kernel.link_lost(self._sv, self._cl, flat, entry, server))

    def ask(self, server: int, what: Ask) -> int:
        """Answer R16 or R19 as of the instant advanced to."""
        if what is not Ask.ACCEPTED and self._sv.cores[self._sv.group[server]] > 0:
            return sharing.answer(self._sv, self._work, server, what, self._until)
        match what:
            case Ask.DRAIN_END:
                return max(self._until, int(self._sv.last_end[server]))
            case Ask.IN_FLIGHT:
                rows = self._work.open[: self._scalars[state.OPEN_SIZE]]
                return int(np.count_nonzero(rows[:, kernel.O_SERVER] == server))
            case Ask.ACCEPTED:
                return int(self._sv.accepted[server])
            case Ask.WORK_DONE:
                rows = self._work.open[: self._scalars[state.OPEN_SIZE]]
                rows = rows[rows[:, kernel.O_SERVER] == server]
                ahead = rows[:, kernel.O_END] - np.maximum(rows[:, kernel.O_START], self._until)
                return int(self._sv.work[server] - ahead.sum())

    def inject(self, job: Job) -> None:
        """Add a job (R17)."""
        table = self._work.job
        if job.job >= len(table):
            table = _grown(table, 2 * (job.job + 1))
            self._work = self._work._replace(job=table)
        table[job.job] = (
            job.server,
            job.at_ns,
            job.service_ns,
            job.timeout_ns,
            int(Outcome.OPEN),
            -1,
            -1,
            -1,
        )
        self._grow_heap()
        kernel.push(
            self._scalars,
            self._ev,
            job.at_ns,
            int(Rank.ARRIVAL),
            state.JOB_CLIENT,
            job.job,
            kernel._K_JOB,
            0,
            0,
        )

    def job(self, job: int) -> JobResult:
        """The state of an injected job as of the instant advanced to."""
        row = self._work.job[job]
        return JobResult(
            outcome=Outcome(int(row[kernel.J_OUTCOME])),
            end_ns=int(row[kernel.J_END]),
            due_ns=sharing.due_ns(self._sv, self._work, row),
        )

    # -- results, after the last window

    def finish(self) -> Records:
        """With Keep.REQUESTS and no `on_records`: every record, sorted by (client, request)."""
        self._drain()
        records = np.concatenate([*self._records, self._unsettled()])
        return records[np.lexsort((records["request"], records["client"]))]

    def flush(self) -> None:
        """Hand the records at hand to `on_records`, the unsettled ones last."""
        self._drain()
        if self._out.keep[0]:
            self._on_records(self._unsettled())

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Settled requests: int64 (n_clients, n_outcomes, n_causes); column OPEN counts the unsettled."""
        counts: npt.NDArray[np.int64] = self._out.count.copy()
        clients, number = np.unique(self._unsettled()["client"], return_counts=True)
        counts[clients, int(Outcome.OPEN), 0] = number
        return counts

    @property
    def latency_histogram(self) -> npt.NDArray[np.int64]:
        """Latencies of OK requests: int64 (n_clients, HIST_BINS), 64 bins to an octave of ns."""
        hist: npt.NDArray[np.int64] = self._out.hist
        return hist

    @property
    def retries(self) -> npt.NDArray[np.int64]:
        """Attempts beyond the first of a request: int64 (n_clients,)."""
        retries: npt.NDArray[np.int64] = self._out.retries
        return retries

    @property
    def reused(self) -> npt.NDArray[np.int64]:
        """Attempts on a connection that was there: int64 (n_clients,)."""
        reused: npt.NDArray[np.int64] = self._out.reused
        return reused

    @property
    def load(self) -> npt.NDArray[np.int32]:
        """Connections accepted: int32 (n_servers, seconds)."""
        load: npt.NDArray[np.int32] = self._out.load[: self._n_servers]
        return load

    # -- inside

    def _unsettled(self) -> Records:
        """Records of what has started and not settled: connecting, or accepted and unanswered."""
        wait = self._work.wait[~self._free_waits()]
        opened = self._work.open[: self._scalars[state.OPEN_SIZE]]
        opened = opened[(opened[:, kernel.O_SETTLED] == 0) & (opened[:, kernel.O_CLIENT] != state.JOB_CLIENT)]
        shared = self._work.shared[sharing.waited_for(self._work), : kernel.OPEN_COLUMNS]
        opened = np.concatenate([opened, shared, *(one.row[None, :] for one in self._unanswered)])
        opened = opened[opened[:, kernel.O_WAIT] < 0]  # a booked request is in the wait table
        table = np.full((len(wait) + len(opened), state.OUT_COLUMNS), -1, dtype=np.int64)
        w, o = table[: len(wait)], table[len(wait) :]
        for column, (of_wait, of_open) in enumerate(_UNSETTLED):
            if of_wait is not None:
                w[:, column] = wait[:, of_wait]
            if of_open is not None:
                o[:, column] = opened[:, of_open]
        table[:, 14:] = 0
        return _as_records(table)

    def _free_waits(self) -> npt.NDArray[np.bool_]:
        """Which rows of the wait table are free."""
        free = np.zeros(len(self._work.wait), dtype=bool)
        at = int(self._scalars[state.WAIT_FREE])
        while at >= 0:
            free[at] = True
            at = int(self._work.wait[at, kernel.W_NEXT])
        return free

    def _drain(self) -> None:
        n = int(self._scalars[state.OUT_SIZE])
        if n:
            self._on_records(_as_records(self._out.rows[:n]))
            self._scalars[state.OUT_SIZE] = 0

    def _make_room(self, status: int, client: int, rows: state.Rows) -> state.Rows:
        match status:
            case kernel.NEED_SLOT:
                self._next_slot(client)
            case kernel.NEED_LOOP:
                self._users.refill(self._cl)
            case kernel.NEED_OUTPUT:
                self._drain()
                need = int(self._scalars[state.OPEN_SIZE]) + 64
                if len(self._out.rows) < need:
                    self._out = self._out._replace(
                        rows=np.zeros((2 * need, state.OUT_COLUMNS), dtype=np.int64)
                    )
            case kernel.GROW_HEAP:
                self._grow_heap()
            case kernel.GROW_OPEN:
                self._work = self._work._replace(open=_grown(self._work.open, 2 * len(self._work.open)))
            case kernel.GROW_WAIT:
                self._grow_wait()
            case kernel.GROW_SHARED:
                self._work = sharing.grown(self._scalars, self._work)
            case kernel.GROW_CONNECTIONS:
                n = len(self._kept.table)
                table = _grown(self._kept.table, 2 * n)
                table[n:, kernel.C_NEXT] = np.append(np.arange(n + 1, 2 * n), -1)
                table[int(self._scalars[state.CONNECTION_FREE]), kernel.C_NEXT] = n
                self._kept = self._kept._replace(table=table)
            case kernel.GROW_REMEMBERED:
                self._rt = self._rt._replace(virtual=virtuals.more_room(self._rt.virtual))
            case _:
                t, pair, version = (_grown(a, 2 * len(a)) for a in self._log)
                self._log = (t, pair, version)
                rows = rows._replace(log_t=t, log_pair=pair, log_version=version)
        return rows

    def _grow_heap(self, more: int = 0) -> None:
        need = 2 * int(self._scalars[state.HEAP_SIZE] + self._scalars[state.OPEN_SIZE] + more) + 64
        if len(self._ev.key) < need:
            self._ev = state.Events(_grown(self._ev.key, need), _grown(self._ev.what, need))

    def _grow_wait(self) -> None:
        n = len(self._work.wait)
        wait = _grown(self._work.wait, 2 * n)
        wait[n:, kernel.W_NEXT] = np.append(np.arange(n + 1, 2 * n), -1)
        last = int(self._scalars[state.WAIT_FREE])
        wait[last, kernel.W_NEXT] = n
        service = _grown(self._work.wait_service, 2 * n)
        tried = _grown(self._work.tried, 2 * n)
        self._work = self._work._replace(wait=wait, wait_service=service, tried=tried)

    def _slots(self, slot: int, draws: Sequence[ClientDraws]) -> state.Slots:
        n = len(draws)
        laws = max((len(set(d.services.values())) for d in draws), default=1)
        return state.Slots(
            np.empty((n, slot), dtype=np.int64),
            np.empty((n, slot), dtype=np.uint64),
            np.empty((n, max(laws, 1), slot), dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int8),
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
        )

    def _next_slot(self, client: int) -> None:
        slot = next(self._sources[client], None)
        sl = self._sl
        sl.at[client] = 0
        if slot is None:
            sl.done[client] = 1
            sl.size[client] = 0
            return
        n = len(slot)
        sl.size[client] = n
        sl.first[client] = slot.first
        sl.arrival[client, :n] = slot.arrival_ns
        sl.route[client, :n] = slot.route
        for group, law in enumerate(self._cl.law[client]):
            if law >= 0:
                sl.service[client, law, :n] = slot.service_ns[group]

    def _servers(self, n: int, old: state.Servers | None) -> state.Servers:
        """Server arrays with room for n, with what the old ones held."""
        groups = self._plan.groups
        width = max((g.workers for g in groups), default=1) or 1
        new = state.Servers(
            np.zeros(n, dtype=np.int8),
            np.zeros(n, dtype=np.int32),
            np.full(n, NEVER, dtype=np.int64),
            np.full(n, -1, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            np.zeros((n, width), dtype=np.int64),
            np.zeros(0, dtype=np.int64),
            np.zeros(n + 1, dtype=np.int64),
            np.zeros(n, dtype=np.int32),
            np.zeros(n, dtype=np.int32),
            np.zeros(n + 1, dtype=np.int64),
            np.zeros(0, dtype=np.int32),
            np.zeros(self._plan.n_views, dtype=np.int32),
            np.array([g.workers for g in groups], dtype=np.int32),
            np.array([g.queue for g in groups], dtype=np.int32),
            np.array([int(g.queue_full) for g in groups], dtype=np.int8),
            np.full(n, -1, dtype=np.int32),
            self._nodes,
            np.full(n, -1, dtype=np.int64),
            np.array([g.idle_ns for g in groups], dtype=np.int64),
            self._power,
            np.array(
                [g.queue < 0 and g.warm_up_ns == 0 and g.cores_permille == 0 for g in groups], dtype=np.int8
            ),
            np.zeros(n, dtype=np.int64),
            np.array([g.age_ns for g in groups], dtype=np.int64),
            np.array([g.warm_up_ns for g in groups], dtype=np.int64),
            np.array([g.slowdown_permille for g in groups], dtype=np.int64),
            np.array([g.slowdown_falls for g in groups], dtype=np.int8),
            np.array([g.cores_permille for g in groups], dtype=np.int64),
            sharing.nobody(n),
        )
        if old is not None:
            k = len(old.state)
            for name in (
                "state",
                "group",
                "next_cut",
                "last_end",
                "accepted",
                "work",
                "free",
                "ring_head",
                "ring_len",
                "node",
                "closed",
                "listened",
                "share",
            ):
                getattr(new, name)[:k] = getattr(old, name)
            new = new._replace(listening=old.listening)
        return new

    def _routers(self, n: int, old: state.Routers | None) -> state.Routers:
        """Router arrays with room for n servers, with what the old ones held."""
        rows = int(np.count_nonzero(self._cl.router_row >= 0))
        stuck = int(self._cl.stuck_at[-1])
        new = state.Routers(
            np.zeros((rows, n), dtype=np.int32),
            np.zeros((rows, n), dtype=np.int32),
            np.full((rows, n), -1, dtype=np.int64),
            np.zeros((rows, n), dtype=np.int64),
            np.zeros((rows, n), dtype=np.int64),
            np.full((rows, n), -1, dtype=np.int64),
            np.full(stuck, -1, dtype=np.int32) if old is None else old.stuck,
            np.zeros(stuck, dtype=np.int64) if old is None else old.stuck_t,
            np.zeros(n, dtype=np.int32),
            virtuals.with_servers(
                virtuals.laid_out(self._plan, self._pairs) if old is None else old.virtual, n
            ),
            np.full((2, len(self._cl.clean_before), n), -1, dtype=np.int64),
            np.zeros(n, dtype=np.int8),
            *(_limits(self._plan) if old is None else (old.limits, old.kept_until)),
        )
        if old is not None:
            for name in ("open", "fails", "fail_t", "ejected", "takes", "learned", "cleaned"):
                getattr(new, name)[..., : old.open.shape[1]] = getattr(old, name)
        return new

    def _add_servers(self, window: Window) -> None:
        added = len(window.new_server_group)
        if not added:
            return
        n = self._n_servers
        total = n + added
        old_ring = self._sv.ring
        if total > len(self._sv.state):
            self._sv = self._servers(max(2 * total, 16), self._sv)
            load = np.zeros((len(self._sv.state), self._seconds), dtype=np.int32)
            load[:n] = self._out.load[:n]
            self._out = self._out._replace(load=load)
            self._rt = self._routers(len(self._sv.state), self._rt)
        self._sv.group[n:total] = window.new_server_group
        self._server_views += window.new_server_views
        room = len(self._sv.state)
        places = np.zeros(room, dtype=np.int64)
        queues = self._sv.queue[self._sv.group[:total]]
        places[:total] = np.where(self._sv.workers[self._sv.group[:total]] > 0, np.maximum(queues, 0), 0)
        ring_at = np.concatenate(([0], np.cumsum(places)))
        ring = np.zeros(int(ring_at[-1]), dtype=np.int64)
        ring[: min(len(old_ring), len(ring))] = old_ring[: len(ring)]
        counts = np.zeros(room, dtype=np.int64)
        counts[:total] = [len(v) for v in self._server_views]
        flat = [view for views in self._server_views for view in views]
        self._sv = self._sv._replace(
            ring=ring,
            ring_at=ring_at,
            views_at=np.concatenate(([0], np.cumsum(counts))),
            views=np.array(flat, dtype=np.int32),
        )
        self._n_servers = total

    def _rows(self, window: Window) -> state.Rows:
        """The window's rows as the kernel reads them; beliefs that no client consults are left out."""
        if window.new_versions:
            sizes = np.array([len(v) for v in window.new_versions], dtype=np.int64)
            self._versions_at = np.concatenate((self._versions_at, self._versions_at[-1] + np.cumsum(sizes)))
            self._version_servers = np.concatenate((self._version_servers, *window.new_versions))
        keys = window.belief_observer.astype(np.int64) * self._plan.n_views + window.belief_view
        place = np.minimum(np.searchsorted(self._pairs, keys), max(len(self._pairs) - 1, 0))
        used = self._pairs[place] == keys if len(self._pairs) else np.zeros(len(keys), dtype=bool)
        is_cut = window.truth_kind == int(TruthKind.CUT)
        cut_server = window.truth_server[is_cut]
        by_server = np.argsort(cut_server, kind="stable")
        cut_t = window.truth_t[is_cut][by_server]
        cut_at = np.searchsorted(cut_server[by_server], np.arange(self._n_servers + 1))
        first = np.append(cut_t, NEVER)[cut_at[:-1]] if self._n_servers else np.empty(0, dtype=np.int64)
        self._sv.next_cut[: self._n_servers] = np.where(cut_at[1:] > cut_at[:-1], first, NEVER)
        self._scalars[state.TRUTH_AT] = 0
        self._scalars[state.BELIEF_AT] = 0
        log_t, log_pair, log_version = self._log
        return state.Rows(
            window.truth_t,
            window.truth_server,
            window.truth_kind,
            np.ascontiguousarray(window.belief_t[used]),
            place[used].astype(np.int32),
            np.ascontiguousarray(window.belief_version[used]),
            self._current,
            self._versions_at,
            self._version_servers,
            log_t,
            log_pair,
            log_version,
            cut_at.astype(np.int64),
            cut_t,
            cut_at[:-1].astype(np.int64),
        )


_UNSETTLED: tuple[tuple[int | None, int | None], ...] = (
    (kernel.W_CLIENT, kernel.O_CLIENT),
    (kernel.W_REQUEST, kernel.O_REQUEST),
    (kernel.W_SOURCE, kernel.O_SOURCE),
    (kernel.W_ARRIVAL, kernel.O_ARRIVAL),
    (kernel.W_ATTEMPTS, kernel.O_ATTEMPTS),
    (kernel.W_BEGAN, kernel.O_BEGAN),
    (kernel.W_ENTRY, kernel.O_ENTRY),
    (kernel.W_OBSERVER, kernel.O_OBSERVER),
    (kernel.W_VERSION, kernel.O_VERSION),
    (kernel.W_SERVER, kernel.O_SERVER),
    (kernel.W_SYNS, kernel.O_SYNS),
    (kernel.W_CONNECTED, kernel.O_CONNECTED),
    (kernel.W_START, kernel.O_START),
)


def _as_records(table: npt.NDArray[np.int64]) -> Records:
    """Rows of the kernel's output as RECORD_DTYPE."""
    records = np.empty(len(table), dtype=RECORD_DTYPE)
    for column, name in enumerate(RECORD_DTYPE.names or ()):
        records[name] = table[:, column]
    return records


def _grown(array: Any, n: int) -> Any:
    """A longer array of the same kind that begins with the old one."""
    longer = np.zeros((n, *array.shape[1:]), dtype=array.dtype)
    longer[: len(array)] = array
    return longer


def _table_rows(plan: Plan) -> npt.NDArray[np.int64]:
    """The row of the limits that is each source's table, tables after ports; -1 without one (R28b)."""
    ports = sum(c.n_sources for c in plan.clients if c.ports >= 0)
    found = [np.empty(0, dtype=np.int64)]
    for c in plan.clients:
        node = np.where(c.node_of_source >= 0, c.node_of_source, c.entry_of_source).astype(np.int64)
        found.append(np.where((node >= 0) & c.tracked, node + ports, -1))
    return np.concatenate(found)


def _limits(plan: Plan) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Limits of all ports, then of all nodes' tables, and room for their queues (R28)."""
    most = [c.ports for c in plan.clients if c.ports >= 0 for _ in range(c.n_sources)]
    if plan.table_max >= 0:
        most += [plan.table_max] * plan.n_nodes
    limits = np.zeros((len(most), kernel.LIMIT_COLUMNS), dtype=np.int64)
    limits[:, kernel.L_MOST] = most
    limits[:, kernel.L_RING] = 2 * (np.cumsum(limits[:, kernel.L_MOST]) - limits[:, kernel.L_MOST])
    return limits, np.zeros(2 * sum(most), dtype=np.int64)


def _numbered(which: Sequence[bool]) -> npt.NDArray[np.int64]:
    """0, 1, ... for those that are true, -1 for the others."""
    mask = np.array(which, dtype=bool)
    return np.where(mask, np.cumsum(mask) - 1, -1).astype(np.int64)


def _clients(plan: Plan, draws: Sequence[ClientDraws]) -> tuple[state.Clients, npt.NDArray[np.int64]]:
    """Client arrays, and the sorted (observer, view) pairs whose belief some client consults."""
    plans = plan.clients
    none = np.empty(0, dtype=np.int32)
    keys: set[int] = set()
    observers = [np.where(c.entry_of_source >= 0, c.entry_of_source, c.observer_of_source) for c in plans]
    entries = [range(plan.n_nodes) if c.targets >= 0 else range(0) for c in plans]
    routed_by = [
        (seen_by.astype(np.int64) * plan.n_views + c.views).tolist()
        for c, seen_by in zip(plans, observers, strict=True)
    ]
    for c, seen_by, by, nodes in zip(plans, observers, routed_by, entries, strict=True):
        keys.update(key for key, observer in zip(by, seen_by.tolist(), strict=True) if observer >= 0)
        keys.update(o * plan.n_views + c.view for o in (*nodes, c.resolver) if o >= 0)
        if c.targets >= 0:
            keys.add(c.balancer * plan.n_views + c.targets)
        if c.cleaning:
            keys.update(o * plan.n_views + c.serving for o in seen_by.tolist() if o >= 0)
    pairs = np.array(sorted(keys), dtype=np.int64)
    place = {int(key): k for k, key in enumerate(pairs)}
    sizes = [c.n_sources for c in plans]
    total = sum(sizes)
    pair = [place.get(key, 0) for by in routed_by for key in by]
    entry_pair = [
        place[o * plan.n_views + c.view] for c, nodes in zip(plans, entries, strict=True) for o in nodes
    ]
    clean_keys = [
        o * plan.n_views + c.serving if c.cleaning and o >= 0 else -1
        for c, seen_by in zip(plans, observers, strict=True)
        for o in seen_by.tolist()
    ]
    clean_place = {key: k for k, key in enumerate(sorted(set(clean_keys) - {-1}))}
    widths = [0 if c.affinity_ns < 0 else plan.n_nodes if c.targets >= 0 else 1 for c in plans]
    law = np.full((len(plans), max(len(plan.groups), 1)), -1, dtype=np.int32)
    for k, d in enumerate(draws):
        order = {value: i for i, value in enumerate(dict.fromkeys(d.services.values()))}
        for group, value in d.services.items():
            law[k, group] = order[value]

    ladders = [state.empty_rows() if c.datagrams else c.ladder_ns for c in plans]

    def column(values: list[int], dtype: Any = np.int64) -> Any:
        return np.array(values, dtype=dtype)

    clients = state.Clients(
        view_id=column([c.view for c in plans], np.int32),
        reach=column([int(c.reach) for c in plans], np.int8),
        on_empty=column([int(c.on_empty) for c in plans], np.int8),
        resolve=column([int(c.resolve) for c in plans], np.int8),
        period=column([max(c.resolve_period_ns, 1) for c in plans]),
        resolver_pair=column([place.get(c.resolver * plan.n_views + c.view, 0) for c in plans], np.int32),
        icmp_limited=column([int(c.icmp_limited) for c in plans], np.int8),
        connect_timeout=column([NEVER if c.datagrams else c.connect_timeout_ns for c in plans]),
        request_timeout=column([c.request_timeout_ns for c in plans]),
        ladder_at=np.concatenate(([0], np.cumsum([len(one) for one in ladders]))).astype(np.int64),
        ladder=np.concatenate(ladders or [state.empty_rows()]).astype(np.int64),
        repick_key=column([c.repick_key for c in plans], np.uint64),
        resolve_key=column([c.resolve_key for c in plans], np.uint64),
        source_at=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        n_sources=column(sizes),
        observer=np.concatenate(observers or [none]).astype(np.int32),
        pair=column(pair, np.int32),
        phase=np.concatenate([c.phase_ns for c in plans] or [state.empty_rows()]).astype(np.int64),
        icmp_tokens=np.full(total, ICMP_BURST_NS, dtype=np.int64),
        icmp_last=np.zeros(total, dtype=np.int64),
        target=np.full(total, -1, dtype=np.int32),
        resolves=np.zeros(total, dtype=np.int64),
        node=np.concatenate([c.node_of_source for c in plans] or [none]).astype(np.int32),
        held=np.full(total, -1, dtype=np.int32),
        first=np.zeros(total, dtype=np.int64),
        uses=np.zeros(total, dtype=np.int64),
        entry=np.concatenate([c.entry_of_source for c in plans] or [none]).astype(np.int32),
        balancer=column([c.balancer for c in plans], np.int32),
        target_pair=column(
            [place[c.balancer * plan.n_views + c.targets] if c.targets >= 0 else -1 for c in plans], np.int32
        ),
        entry_at=np.concatenate(([0], np.cumsum([len(nodes) for nodes in entries]))).astype(np.int64),
        entry_pair=column(entry_pair, np.int32),
        entry_key=column([c.entry_key for c in plans], np.uint64),
        rotates=column([int(c.rotates) for c in plans], np.int8),
        booked=column([int(c.booked) for c in plans], np.int8),
        special=column(
            [int(c.booked or c.affinity_ns >= 0 or c.scheduler != Scheduler.NONE) for c in plans], np.int8
        ),
        balance=column([int(c.balance) for c in plans], np.int8),
        choice_key=column([c.choice_key for c in plans], np.uint64),
        turn=column([u32_at(c.router_key, k, 0) for c in plans for k in range(c.n_sources)]),
        router_row=_numbered([c.booked for c in plans for _ in range(c.n_sources)]),
        affinity=column([c.affinity_ns for c in plans]),
        stuck_at=np.concatenate(
            ([0], np.cumsum([c.n_sources * width for c, width in zip(plans, widths, strict=True)]))
        ).astype(np.int64),
        stuck_width=column(widths),
        retries=column([c.retries for c in plans]),
        retry_on=column([sum(1 << int(outcome) for outcome in c.retry_on) for c in plans]),
        backoff=column([c.backoff_ns for c in plans]),
        backoff_max=column([c.backoff_max_ns for c in plans]),
        jitter=column([int(c.jitter) for c in plans], np.int8),
        retry_key=column([c.retry_key for c in plans], np.uint64),
        excludes_tried=column([int(c.excludes_tried) for c in plans], np.int8),
        budget_permille=column([c.budget_permille for c in plans]),
        budget_burst=column([c.budget_burst for c in plans]),
        tokens=column([1000 * c.budget_burst for c in plans for _ in range(c.n_sources)]),
        eject_after=column([c.eject_after for c in plans]),
        eject_ns=column([c.eject_ns for c in plans]),
        keeps=column([int(c.keeps) for c in plans], np.int8),
        keep_idle=column([c.keep_idle_ns for c in plans]),
        max_idle=column([c.max_idle for c in plans]),
        max_age=column([c.max_age_ns for c in plans]),
        age_jitter=column([c.age_jitter_permille for c in plans]),
        age_key=column([c.age_key for c in plans], np.uint64),
        max_requests=column([c.max_requests for c in plans]),
        hears=column([c.hears_ns for c in plans]),
        law=law,
        socket=column([int(c.socket) for c in plans], np.int8),
        cleaning=column([int(c.cleaning) for c in plans], np.int8),
        udp=column([c.udp_ns for c in plans]),
        udp_stream=column([c.udp_stream_ns for c in plans]),
        flow=np.full((total, kernel.FLOW_COLUMNS), -1, dtype=np.int64),
        clean_place=column([clean_place.get(key, -1) for key in clean_keys], np.int32),
        clean_row=column([clean_place.get(int(key), -1) for key in pairs], np.int32),
        clean_before=column([-1] * len(clean_place)),
        view_of=np.concatenate([c.views for c in plans] or [np.empty(0, dtype=np.int32)]).astype(np.int32),
        floor=column([c.resolve_floor_ns for c in plans]),
        looked=np.zeros(total, dtype=np.int64),
        port_limit=_numbered([c.ports >= 0 for c in plans for _ in range(c.n_sources)]),
        table_limit=_table_rows(plan),
        **loops.columns(plans, draws),
    )
    return clients, pairs
