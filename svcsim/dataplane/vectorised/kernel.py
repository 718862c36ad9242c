"""The compiled event loop: one pass over the merged arrivals, with a heap for what is rare.

An arrival costs O(1): the belief its source's observer holds is one lookup, the pick a multiplication, the
queue `start = max(t, free)`, `end = start + service` (Lindley 1952, departures form). Retransmissions,
connect deadlines and re-resolutions go through a binary heap keyed by R1's (t, rank, client, request).
An accepted request is settled at once when its end and every cut before it lie inside the window; else it
waits in the open table for the next window.

One file, although long: Numba's cache knows a function by its own file only, so a callee that lived elsewhere
could change without its callers being compiled again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svcsim.compiled import compiled
from svcsim.dataplane.contract import (
    DROPPED,
    LOOP_FLOOR_NS,
    ON_SERVERS_NODE,
    Balance,
    Cause,
    Keeps,
    NodeState,
    OnEmpty,
    Outcome,
    QueueFull,
    Rank,
    Reach,
    Resolve,
    ServerState,
    TruthKind,
)
from svcsim.dataplane.vectorised.state import (
    BELIEF_AT,
    CONNECTION_FREE,
    HEAP_SIZE,
    JOB_CLIENT,
    LOG_SIZE,
    NODES_AWAY,
    OPEN_SIZE,
    OUT_SIZE,
    RESOLVED,
    TRUTH_AT,
    WAIT_FREE,
    WINDOW_OPENED,
)

__all__ = [
    "DONE",
    "GROW_CONNECTIONS",
    "GROW_HEAP",
    "GROW_LOG",
    "GROW_OPEN",
    "GROW_WAIT",
    "NEED_LOOP",
    "NEED_OUTPUT",
    "NEED_SLOT",
    "run_window",
]

DONE, NEED_SLOT, NEED_OUTPUT, GROW_HEAP, GROW_WAIT, GROW_OPEN, GROW_LOG, GROW_CONNECTIONS, NEED_LOOP = range(
    9
)

NEVER = np.int64(1 << 62)
ICMP_COST = np.int64(1_000_000_000)
ICMP_BURST = np.int64(6_000_000_000)
SECOND = np.int64(1_000_000_000)
LOW = np.uint64(0xFFFFFFFF)

_COMPLETION, _DEADLINE, _SYN, _ARRIVAL = (
    int(Rank.COMPLETION),
    int(Rank.DEADLINE),
    int(Rank.SYN),
    int(Rank.ARRIVAL),
)
_UNBORN, _STARTING, _LISTENING, _CLOSED, _VANISHED, _FOREIGN = (
    int(ServerState.UNBORN),
    int(ServerState.STARTING),
    int(ServerState.LISTENING),
    int(ServerState.CLOSED),
    int(ServerState.VANISHED),
    int(ServerState.FOREIGN),
)
_ADDRESS, _LISTEN, _CLOSE, _CUT, _RELEASE, _REUSE = (int(k) for k in TruthKind)
_OK, _REFUSED, _UNREACHABLE, _CONNECT_TIMEOUT = (
    int(Outcome.OK),
    int(Outcome.REFUSED),
    int(Outcome.UNREACHABLE),
    int(Outcome.CONNECT_TIMEOUT),
)
_RESET, _EOF, _REQUEST_TIMEOUT, _REJECTED = (
    int(Outcome.RESET),
    int(Outcome.EOF),
    int(Outcome.REQUEST_TIMEOUT),
    int(Outcome.REJECTED),
)
_MISDELIVERED, _DNS_FAILURE, _NOT_SENT = (
    int(Outcome.MISDELIVERED),
    int(Outcome.DNS_FAILURE),
    int(Outcome.NOT_SENT),
)
_C_NONE, _C_STALE, _C_RESOLVER, _C_NOT_PROGRAMMED, _C_NO_ENDPOINT, _C_EARLY = (
    int(Cause.NONE),
    int(Cause.STALE_ENDPOINT),
    int(Cause.STALE_RESOLVER),
    int(Cause.NOT_YET_PROGRAMMED),
    int(Cause.NO_ENDPOINT),
    int(Cause.READY_BEFORE_LISTENING),
)
_C_CUT, _C_OVERLOAD, _C_SLOW, _C_REUSED, _C_NOT_ROUTED, _C_NODE, _C_DROP, _C_KEPT = (
    int(Cause.IN_FLIGHT_CUT),
    int(Cause.OVERLOAD),
    int(Cause.SLOW_SERVICE),
    int(Cause.IP_REUSED),
    int(Cause.NOT_ROUTED),
    int(Cause.NODE_LOST),
    int(Cause.POLICY_DROP),
    int(Cause.KEPT_CLOSED),
)
_FRESH, _KEPT, _CHANNEL = int(Keeps.FRESH), int(Keeps.KEPT), int(Keeps.CHANNEL)
_UP, _DOWN = int(NodeState.UP), int(NodeState.DOWN)
_R_NONE, _R_PINNED, _R_HELD = int(Reach.NONE), int(Reach.PINNED), int(Reach.HELD)
_E_REJECT, _E_NO_ADDRESS, _E_SILENT = int(OnEmpty.REJECT), int(OnEmpty.NO_ADDRESS), int(OnEmpty.SILENT)
_E_UNAVAILABLE = int(OnEmpty.UNAVAILABLE)
_UNIFORM, _ROUND_ROBIN, _LEAST = int(Balance.UNIFORM), int(Balance.ROUND_ROBIN), int(Balance.LEAST)
_ONCE, _EVERY, _ON_FAILURE = int(Resolve.ONCE), int(Resolve.EVERY), int(Resolve.ON_FAILURE)
_FULL_REJECT = int(QueueFull.REJECT)

# kinds of heap events
K_WAIT, _K_RESOLVE, _K_JOB, _K_BOOK, K_RETRY, K_UNHEARD = range(6)
_K_LOOP = 29

# states of a row of the wait table: a booked request keeps its row until it ends (R22)
CONNECTING, ACCEPTED, ENDED, WAITING = range(4)

# columns of the wait table; W_NEXT doubles as the free list's link
(
    W_CLIENT,
    W_REQUEST,
    W_SOURCE,
    W_ARRIVAL,
    W_SYNS,
    W_SERVER,
    W_STICKY,
    W_FAIL_AT,
    W_DEADLINE,
    W_CAUSE,
    W_OBSERVER,
    W_VERSION,
    W_NEXT,
    W_ENTRY,
    W_BEGAN,
    W_ATTEMPTS,
    W_STATE,
    W_CONNECTED,
    W_START,
    W_OUTCOME,
    W_TRIED,
    W_CONNECTION,
    W_HELD,
) = range(23)
WAIT_COLUMNS = 23

# columns of the open table
(
    O_CLIENT,
    O_REQUEST,
    O_SOURCE,
    O_ARRIVAL,
    O_SYNS,
    O_SERVER,
    O_CONNECTED,
    O_START,
    O_END,
    O_DEADLINE,
    O_OBSERVER,
    O_VERSION,
    O_SETTLED,
    O_ENTRY,
    O_BEGAN,
    O_ATTEMPTS,
    O_WAIT,
) = range(17)
OPEN_COLUMNS = 17

# columns of the table of connections (R25); C_NEXT is the next older of a stack, or the free list's link;
# C_HOLDERS: attempts on it, and one more while it is in a source's stack or its channel
(
    C_SERVER,
    C_ENTRY,
    C_OPENED,
    C_ENDS,
    C_USED,
    C_ATTEMPTS,
    C_POWER,
    C_ENTRY_POWER,
    C_HOLDERS,
    C_NEXT,
) = range(10)
CONNECTION_COLUMNS = 10

# columns of the job table
J_SERVER, J_AT, J_SERVICE, J_TIMEOUT, J_OUTCOME, J_END, J_DUE = range(7)
JOB_COLUMNS = 7

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@compiled
def mix64(x: Any) -> Any:
    """`rng.mix64` on uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def u32_at(key: Any, a: Any, b: Any, c: Any) -> Any:
    """`rng.u32_at(key, a, b, c)` on uint64."""
    one = np.uint64(1)
    x = mix64(key + _GOLDEN * (np.uint64(a) + one))
    x = mix64(x + _GOLDEN * (np.uint64(b) + one))
    return mix64(x + _GOLDEN * (np.uint64(c) + one)) >> np.uint64(32)


@compiled
def _before(key: Any, i: Any, j: Any) -> Any:
    for k in range(4):
        if key[i, k] != key[j, k]:
            return key[i, k] < key[j, k]
    return False


@compiled
def _swap(ev: Any, i: Any, j: Any) -> None:
    for k in range(4):
        ev.key[i, k], ev.key[j, k] = ev.key[j, k], ev.key[i, k]
    for k in range(3):
        ev.what[i, k], ev.what[j, k] = ev.what[j, k], ev.what[i, k]


@compiled
def push(sc: Any, ev: Any, t: Any, rank: Any, client: Any, request: Any, kind: Any, a: Any, b: Any) -> None:
    """Put an event on the heap; the caller has seen to room."""
    i = sc[HEAP_SIZE]
    sc[HEAP_SIZE] = i + 1
    ev.key[i, 0] = t
    ev.key[i, 1] = rank
    ev.key[i, 2] = client
    ev.key[i, 3] = request
    ev.what[i, 0] = kind
    ev.what[i, 1] = a
    ev.what[i, 2] = b
    while i > 0:
        up = (i - 1) >> 1
        if not _before(ev.key, i, up):
            break
        _swap(ev, i, up)
        i = up


@compiled
def _pop(sc: Any, ev: Any) -> None:
    """Drop the first event of the heap."""
    n = sc[HEAP_SIZE] - 1
    sc[HEAP_SIZE] = n
    _swap(ev, 0, n)
    i = 0
    while True:
        low = 2 * i + 1
        if low >= n:
            break
        if low + 1 < n and _before(ev.key, low + 1, low):
            low += 1
        if not _before(ev.key, low, i):
            break
        _swap(ev, i, low)
        i = low


@compiled
def finish(
    sc: Any, cl: Any, ev: Any, work: Any, out: Any, row: Any, end: Any, outcome: Any, cause: Any
) -> None:
    """The attempt of an open-table row is settled at `end`: book it if that means anything, else its request
    ends; an ON_FAILURE source looks its address up again (R12). The caller has seen to room."""
    client = row[O_CLIENT]
    request = row[O_REQUEST]
    if client == JOB_CLIENT:
        work.job[request, J_OUTCOME] = outcome
        work.job[request, J_END] = end
        return
    # a time-out that was foreseen takes its place among the deadlines of its instant
    rank = _DEADLINE if outcome == _REQUEST_TIMEOUT else _COMPLETION
    w = row[O_WAIT]
    if w >= 0:
        waiting = work.wait[w]
        waiting[W_STATE] = ENDED
        waiting[W_OUTCOME] = outcome
        waiting[W_CAUSE] = cause
        push(sc, ev, end, rank, client, request, _K_BOOK, w, 0)
        return
    if (
        outcome not in (_OK, _NOT_SENT)
        and cl.resolve[client] == _ON_FAILURE
        and cl.reach[client] >= _R_PINNED
    ):
        held = row[O_SERVER] if cl.reach[client] == _R_PINNED else row[O_VERSION]
        push(sc, ev, end, rank, client, request, _K_RESOLVE, row[O_SOURCE], held)
    _record(sc, out, row, end, outcome, cause)
    goes_on(sc, cl, ev, client, request, row[O_ARRIVAL], end)


@compiled
def _record(sc: Any, out: Any, row: Any, end: Any, outcome: Any, cause: Any) -> None:
    """A request has ended: tally it, keep its record if asked to."""
    client = row[O_CLIENT]
    out.count[client, outcome, cause] += 1
    if outcome == _OK:
        out.bits[0] = np.float64(end - row[O_ARRIVAL])
        place = out.bits.view(np.int64)[0] >> 46
        out.hist[client, max(place - (1023 << 6), 0)] += 1
    if out.keep[0] == 2 or (out.keep[0] == 1 and outcome != _OK):
        record = out.rows[sc[OUT_SIZE]]
        sc[OUT_SIZE] += 1
        record[0] = client
        record[1] = row[O_REQUEST]
        record[2] = row[O_SOURCE]
        record[3] = row[O_ARRIVAL]
        record[4] = row[O_ATTEMPTS]
        record[5] = row[O_BEGAN]
        record[6] = row[O_ENTRY]
        record[7] = row[O_OBSERVER]
        record[8] = row[O_VERSION]
        record[9] = row[O_SERVER]
        record[10] = row[O_SYNS]
        record[11] = row[O_CONNECTED]
        record[12] = row[O_START]
        record[13] = end
        record[14] = outcome
        record[15] = cause


@compiled
def _describe(record: Any, row: Any) -> None:
    """Write a row of the wait table as one of the open table."""
    record[O_CLIENT] = row[W_CLIENT]
    record[O_REQUEST] = row[W_REQUEST]
    record[O_SOURCE] = row[W_SOURCE]
    record[O_ARRIVAL] = row[W_ARRIVAL]
    record[O_SYNS] = row[W_SYNS]
    record[O_SERVER] = row[W_SERVER]
    record[O_CONNECTED] = row[W_CONNECTED]
    record[O_START] = row[W_START]
    record[O_ENTRY] = row[W_ENTRY]
    record[O_OBSERVER] = row[W_OBSERVER]
    record[O_VERSION] = row[W_VERSION]
    record[O_BEGAN] = row[W_BEGAN]
    record[O_ATTEMPTS] = row[W_ATTEMPTS]
    record[O_WAIT] = -1


@compiled
def free_row(sc: Any, work: Any, w: Any) -> None:
    """Give a row of the wait table back."""
    work.wait[w, W_NEXT] = sc[WAIT_FREE]
    sc[WAIT_FREE] = w


@compiled
def give_up(
    sc: Any, cl: Any, ev: Any, work: Any, out: Any, w: Any, end: Any, outcome: Any, cause: Any
) -> None:
    """A connecting request's attempt ends at `end` without having been accepted."""
    record = out.scratch
    _describe(record, work.wait[w])
    if cl.booked[record[O_CLIENT]] == 1:
        record[O_WAIT] = w
    else:
        free_row(sc, work, w)
    finish(sc, cl, ev, work, out, record, end, outcome, cause)


@compiled
def end_request(sc: Any, work: Any, out: Any, w: Any, end: Any, outcome: Any, cause: Any) -> None:
    """A booked request has ended for good."""
    record = out.scratch
    _describe(record, work.wait[w])
    free_row(sc, work, w)
    _record(sc, out, record, end, outcome, cause)


@compiled
def _pick_pinned(cl: Any, rows: Any, client: Any, source: Any, m: Any, version: Any) -> None:
    """Resolution m of a source from `version` (R12)."""
    flat = cl.source_at[client] + source
    low = rows.version_at[version] if version >= 0 else 0
    n = rows.version_at[version + 1] - low if version >= 0 else 0
    cl.held[flat] = version
    cl.uses[flat] = 0
    if n == 0:
        cl.target[flat] = -1
    else:
        u = u32_at(cl.resolve_key[client], source, m, 0)
        cl.first[flat] = np.int64((u * np.uint64(n)) >> np.uint64(32))
        cl.target[flat] = rows.version_servers[low + cl.first[flat]]


@compiled
def _from_held(cl: Any, rows: Any, client: Any, flat: Any, u: Any) -> Any:
    """R6: the server that word u, or the rotation, takes from the list a source holds; -1 without one."""
    version = cl.held[flat]
    low = rows.version_at[version] if version >= 0 else 0
    n = rows.version_at[version + 1] - low if version >= 0 else 0
    if n == 0:
        return np.int64(-1)
    if cl.rotates[client] == 1:
        return np.int64(rows.version_servers[low + (cl.first[flat] + cl.uses[flat]) % n])
    return np.int64(rows.version_servers[low + np.int64((u * np.uint64(n)) >> np.uint64(32))])


@compiled
def _enter(cl: Any, rows: Any, client: Any, request: Any, j: Any, k: Any) -> Any:
    """R20: the node that a balancer picks for SYN j of attempt k of a request, -1 from an empty list."""
    version = rows.current[cl.target_pair[client]]
    low = rows.version_at[version] if version >= 0 else 0
    n = rows.version_at[version + 1] - low if version >= 0 else 0
    if n == 0:
        return np.int64(-1)
    u = u32_at(cl.entry_key[client], request, j, k)
    return np.int64(rows.version_servers[low + np.int64((u * np.uint64(n)) >> np.uint64(32))])


@compiled
def _listed(rows: Any, version: Any, server: Any) -> Any:
    for i in range(rows.version_at[version], rows.version_at[version + 1]):
        if rows.version_servers[i] == server:
            return True
    return False


@compiled
def _choose(cl: Any, rt: Any, rows: Any, work: Any, w: Any, version: Any, j: Any, u: Any, t: Any) -> Any:
    """R23: a server of a version that lists some, for SYN j of the request `w`."""
    row = work.wait[w]
    client = row[W_CLIENT]
    flat = cl.source_at[client] + row[W_SOURCE]
    timeout = cl.affinity[client]
    place = np.int64(0)
    if timeout >= 0:
        place = cl.stuck_at[client] + row[W_SOURCE] * cl.stuck_width[client]
        if cl.stuck_width[client] > 1:
            place += row[W_ENTRY]
        server = rt.stuck[place]
        if server >= 0 and t - rt.stuck_t[place] <= timeout and _listed(rows, version, server):
            rt.stuck_t[place] = t
            return np.int64(server)
    server = _choose_candidate(cl, rt, rows, work, w, flat, version, j, u, t)
    if timeout >= 0:
        rt.stuck[place] = server
        rt.stuck_t[place] = t
    return server


@compiled
def _choose_candidate(
    cl: Any, rt: Any, rows: Any, work: Any, w: Any, flat: Any, version: Any, j: Any, u: Any, t: Any
) -> Any:
    """R23: among the candidates of a list, which are left in rt.candidates."""
    row = work.wait[w]
    client = row[W_CLIENT]
    low = rows.version_at[version]
    n = rows.version_at[version + 1] - low
    router = cl.router_row[flat]
    m = 0
    for strict in range(2, -1, -1):
        m = 0
        for i in range(n):
            server = rows.version_servers[low + i]
            usable = True
            if strict >= 1:
                for k in range(row[W_TRIED]):
                    if work.tried[w, k] == server:
                        usable = False
            if strict == 2 and router >= 0 and rt.ejected[router, server] > t:
                usable = False
            if usable:
                rt.candidates[m] = server
                m += 1
        if m > 0:
            break
    balance = cl.balance[client]
    if balance == _ROUND_ROBIN:
        cl.turn[flat] += 1
        return np.int64(rt.candidates[(cl.turn[flat] - 1) % m])
    if balance == _UNIFORM:
        return np.int64(rt.candidates[np.int64((u * np.uint64(m)) >> np.uint64(32))])
    if balance == _LEAST:
        equals = 0
        fewest = rt.open[router, rt.candidates[0]]
        for i in range(m):
            number = rt.open[router, rt.candidates[i]]
            if number < fewest:
                fewest = number
                equals = 0
            if number == fewest:
                rt.candidates[equals] = rt.candidates[i]
                equals += 1
        return np.int64(rt.candidates[np.int64((u * np.uint64(equals)) >> np.uint64(32))])
    v = u32_at(cl.choice_key[client], row[W_REQUEST], j, row[W_ATTEMPTS] - 1)
    a = np.int64((u * np.uint64(m)) >> np.uint64(32))
    b = np.int64((v * np.uint64(m - 1)) >> np.uint64(32))
    if b >= a:
        b += 1
    if m == 1 or rt.open[router, rt.candidates[a]] <= rt.open[router, rt.candidates[b]]:
        return np.int64(rt.candidates[a])
    return np.int64(rt.candidates[b])


@compiled
def _booked_at_router(cl: Any, rt: Any, client: Any, router: Any, server: Any, outcome: Any, t: Any) -> None:
    """R24: an attempt at a server has ended."""
    rt.open[router, server] -= 1
    after = cl.eject_after[client]
    if after <= 0:
        return
    if outcome == _OK:
        rt.fails[router, server] = 0
    elif outcome in (_REFUSED, _UNREACHABLE, _CONNECT_TIMEOUT, _RESET, _EOF):
        count = rt.fails[router, server] + 1
        if rt.fail_t[router, server] >= 0 and t - rt.fail_t[router, server] > cl.eject_ns[client]:
            count = 1
        if count >= after:
            rt.ejected[router, server] = t + cl.eject_ns[client]
            count = 0
        rt.fails[router, server] = count
        rt.fail_t[router, server] = t


@compiled
def _retry_after(cl: Any, row: Any, flat: Any, outcome: Any) -> Any:
    """R22: how long until the next attempt of a request, -1 if there is none."""
    client = row[W_CLIENT]
    k = row[W_ATTEMPTS] - 1
    if (cl.retry_on[client] >> outcome) & 1 == 0 or k >= cl.retries[client]:
        return np.int64(-1)
    if cl.budget_permille[client] >= 0:
        if cl.tokens[flat] < 1000:
            return np.int64(-1)
        cl.tokens[flat] -= 1000
    wait = cl.backoff[client]
    most = cl.backoff_max[client]
    for _ in range(k):
        if wait < most:
            wait *= 2
    wait = min(wait, most)
    if cl.jitter[client] == 1:
        u = u32_at(cl.retry_key[client], row[W_REQUEST], k, 0)
        high = np.uint64(wait) >> np.uint64(32)
        rest = np.uint64(wait) & LOW
        wait = np.int64(high * u + ((rest * u) >> np.uint64(32)))
    return wait


@compiled
def _version_then(sc: Any, rows: Any, pair: Any, instant: Any) -> Any:
    """The version a pair held at `instant`, rows of that instant included."""
    for k in range(sc[LOG_SIZE] - 1, -1, -1):
        if rows.log_pair[k] == pair and rows.log_t[k] <= instant:
            return rows.log_version[k]
    return -1


@compiled
def _pull(sc: Any, cl: Any, rows: Any, client: Any, source: Any, t: Any) -> None:
    """Bring an EVERY source up to date: its last re-resolution before t (R12, rank PULL)."""
    flat = cl.source_at[client] + source
    phase = cl.phase[flat]
    if t <= phase:
        return
    m = (t - phase - 1) // cl.period[client] + 1
    if m > cl.resolves[flat]:
        cl.resolves[flat] = m
        instant = phase + (m - 1) * cl.period[client]
        _pick_pinned(cl, rows, client, source, m, _version_then(sc, rows, cl.resolver_pair[client], instant))


@compiled
def _place(sv: Any, server: Any, t: Any, service: Any) -> Any:
    """R13: the start of a request at a LISTENING server, or -1 where the queue is full."""
    group = sv.group[server]
    workers = sv.workers[group]
    start = t
    if workers > 0:
        best = 0
        for k in range(1, workers):
            if sv.free[server, k] < sv.free[server, best]:
                best = k
        start = max(t, sv.free[server, best])
        limit = sv.queue[group]
        if limit >= 0:
            low = sv.ring_at[server]
            head = sv.ring_head[server]
            while sv.ring_len[server] > 0 and sv.ring[low + head] <= t:
                head = head + 1 if head + 1 < limit else 0
                sv.ring_len[server] -= 1
            sv.ring_head[server] = head
            if start > t:
                if sv.ring_len[server] >= limit:
                    return np.int64(-1)
                tail = head + sv.ring_len[server]
                if tail >= limit:
                    tail -= limit
                sv.ring[low + tail] = start
                sv.ring_len[server] += 1
        sv.free[server, best] = start + service
    sv.last_end[server] = max(sv.last_end[server], start + service)
    return start


@compiled
def lost_work(row: Any, cut: Any) -> Any:
    """How much of an accepted request's work a cut takes (R19)."""
    return max(row[O_END] - max(row[O_START], cut), 0)


@compiled
def _accepted(until: Any, sc: Any, sv: Any, cl: Any, ev: Any, work: Any, out: Any) -> None:
    """R14, R15 for the request just accepted that out.scratch describes; what this window can't settle
    goes to the open table."""
    row = out.scratch
    server = row[O_SERVER]
    end = row[O_END]
    if row[O_CLIENT] != JOB_CLIENT:
        out.load[server, row[O_CONNECTED] // SECOND] += 1
        sv.accepted[server] += 1
    cut = sv.next_cut[server]
    sv.work[server] += end - row[O_START] - lost_work(row, cut)
    row[O_SETTLED] = 0
    _settle(until, cut, sc, cl, ev, work, out, row)
    if end >= until and cut > end:
        kept = work.open[sc[OPEN_SIZE]]
        sc[OPEN_SIZE] += 1
        for column in range(OPEN_COLUMNS):
            kept[column] = row[column]


@compiled
def _settle(until: Any, cut: Any, sc: Any, cl: Any, ev: Any, work: Any, out: Any, row: Any) -> None:
    """Settle an accepted request if this window decides it."""
    end = row[O_END]
    deadline = row[O_DEADLINE]
    first = min(end, deadline)
    if cut <= first:
        row[O_SETTLED] = 1
        finish(sc, cl, ev, work, out, row, cut, _EOF if row[O_START] < cut else _RESET, _C_CUT)
    elif first < until:
        row[O_SETTLED] = 1
        outcome = _OK
        cause = _C_NONE
        if end > deadline:
            outcome = _REQUEST_TIMEOUT
            cause = _C_OVERLOAD if row[O_START] > row[O_CONNECTED] else _C_SLOW
        finish(sc, cl, ev, work, out, row, first, outcome, cause)


@compiled
def _settle_open(until: Any, sc: Any, sv: Any, cl: Any, ev: Any, work: Any, out: Any) -> None:
    """At a window's start: settle what the new window decides about the open table."""
    kept = 0
    for i in range(sc[OPEN_SIZE]):
        row = work.open[i]
        cut = sv.next_cut[row[O_SERVER]]
        if row[O_SETTLED] == 0:
            _settle(until, cut, sc, cl, ev, work, out, row)
        sv.work[row[O_SERVER]] -= lost_work(row, cut)
        if row[O_END] >= until and cut > row[O_END]:
            if kept != i:
                for column in range(OPEN_COLUMNS):
                    work.open[kept, column] = row[column]
            kept += 1
    sc[OPEN_SIZE] = kept


@compiled
def _empty_cause(sv: Any, view: Any) -> Any:
    return _C_NOT_PROGRAMMED if sv.listening[view] > 0 else _C_NO_ENDPOINT


@compiled
def _icmp_sent(cl: Any, flat: Any, t: Any) -> Any:
    """R9: does the kernel still send this source an ICMP error at t?"""
    tokens = min(ICMP_BURST, cl.icmp_tokens[flat] + t - cl.icmp_last[flat])
    cl.icmp_last[flat] = t
    sent = tokens >= ICMP_COST
    cl.icmp_tokens[flat] = tokens - ICMP_COST if sent else tokens
    return sent


@compiled
def client_gone(sv: Any, cl: Any, flat: Any) -> Any:
    """R18b: whether the node of a source has no power."""
    node = cl.node[flat]
    return node >= 0 and sv.nodes[node] == _DOWN


@compiled
def _cut_off(sv: Any, a: Any, b: Any) -> Any:
    """Whether nothing gets from one node to another, -1 for outside."""
    return a != b and ((a >= 0 and sv.nodes[a] != _UP) or (b >= 0 and sv.nodes[b] != _UP))


@compiled
def link_lost(sv: Any, cl: Any, flat: Any, entry: Any, server: Any) -> Any:
    """R18, R20: whether nothing gets from a source, by way of its entry if it has one, to a server."""
    a = cl.node[flat]
    b = sv.node[server]
    if a == ON_SERVERS_NODE:
        return False
    if entry >= 0:
        return _cut_off(sv, a, entry) or _cut_off(sv, entry, b)
    return _cut_off(sv, a, b)


@compiled
def _wait_on(sc: Any, cl: Any, ev: Any, work: Any, w: Any) -> None:
    """Put the next thing that can happen to a connecting request on the heap (R8, R10)."""
    row = work.wait[w]
    client = row[W_CLIENT]
    ladder = cl.ladder_at[client]
    k = row[W_SYNS] - 1
    at = row[W_DEADLINE]
    rank = _DEADLINE
    if row[W_FAIL_AT] <= at:
        at = row[W_FAIL_AT]
        rank = _COMPLETION
    if k < cl.ladder_at[client + 1] - ladder:
        syn = row[W_BEGAN] + cl.ladder[ladder + k]
        if syn < at:
            at = syn
            rank = _SYN
    push(sc, ev, at, rank, client, row[W_REQUEST], K_WAIT, w, 0)


@compiled
def _opens(cl: Any, rt: Any, flat: Any, server: Any) -> None:
    """An attempt is open at a server (R23)."""
    if cl.router_row[flat] >= 0:
        rt.open[cl.router_row[flat], server] += 1


@compiled
def _accept(
    until: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    kept: Any,
    ev: Any,
    work: Any,
    out: Any,
    w: Any,
    t: Any,
    start: Any,
    service: Any,
) -> None:
    """The attempt of the request `w` was accepted at t."""
    row = work.wait[w]
    client = row[W_CLIENT]
    row[W_CONNECTED] = t
    row[W_START] = start
    if cl.keeps[client] != _FRESH and row[W_CONNECTION] < 0:
        _connected(sc, sv, cl, kept, row, t)
    record = out.scratch
    _describe(record, row)
    record[O_END] = start + service
    record[O_DEADLINE] = row[W_BEGAN] + cl.request_timeout[client]
    if cl.booked[client] == 1:
        row[W_STATE] = ACCEPTED
        record[O_WAIT] = w
    else:
        free_row(sc, work, w)
    _accepted(until, sc, sv, cl, ev, work, out)


@compiled
def _syn(
    until: Any,
    vanished_after: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    rt: Any,
    kept: Any,
    rows: Any,
    ev: Any,
    work: Any,
    out: Any,
    w: Any,
    t: Any,
    u: Any,
) -> None:
    """One SYN of the connecting request `w` at t, routed by word u unless it sticks to a server (R6-R10)."""
    row = work.wait[w]
    client = row[W_CLIENT]
    source = row[W_SOURCE]
    flat = cl.source_at[client] + source
    row[W_SYNS] += 1
    outcome = 0
    cause = _C_NONE
    if sc[NODES_AWAY] > 0 and client_gone(sv, cl, flat):
        outcome = _NOT_SENT
        cause = _C_NODE
        row[W_SYNS] -= 1
    elif row[W_STICKY] == 0:
        if cl.reach[client] == _R_NONE:
            outcome = _UNREACHABLE
            cause = _C_NOT_ROUTED
        elif cl.reach[client] >= _R_PINNED:
            if cl.reach[client] == _R_PINNED:
                row[W_SERVER] = cl.target[flat]
            else:
                row[W_VERSION] = cl.held[flat]
                row[W_SERVER] = _from_held(cl, rows, client, flat, u)
                if row[W_SERVER] >= 0 and cl.rotates[client] == 0 and cl.special[client] == 1:
                    row[W_SERVER] = _choose(cl, rt, rows, work, w, row[W_VERSION], 0, u, t)
                    _opens(cl, rt, flat, row[W_SERVER])
                cl.uses[flat] += 1
            if row[W_SERVER] < 0:
                outcome = _DNS_FAILURE
                cause = _empty_cause(sv, cl.view_id[client])
                row[W_SYNS] -= 1
            else:
                row[W_STICKY] = 1
        else:
            pair = np.int64(cl.pair[flat])
            if row[W_ENTRY] < 0:
                row[W_ENTRY] = cl.entry[flat]
                if cl.target_pair[client] >= 0:
                    row[W_OBSERVER] = cl.balancer[client]
                    row[W_VERSION] = rows.current[cl.target_pair[client]]
                    row[W_ENTRY] = _enter(
                        cl, rows, client, row[W_REQUEST], row[W_SYNS] - 1, row[W_ATTEMPTS] - 1
                    )
            entry = row[W_ENTRY]
            if cl.target_pair[client] >= 0:
                pair = np.int64(-1)
                if entry >= 0:
                    pair = np.int64(cl.entry_pair[cl.entry_at[client] + entry])
            if entry >= 0 and sc[NODES_AWAY] > 0 and _cut_off(sv, np.int64(cl.node[flat]), entry):
                row[W_CAUSE] = _C_NODE
            else:
                version = np.int64(-1)
                if pair >= 0:
                    version = np.int64(rows.current[pair])
                    row[W_OBSERVER] = entry if entry >= 0 else cl.observer[flat]
                    row[W_VERSION] = version
                low = rows.version_at[version] if version >= 0 else 0
                n = rows.version_at[version + 1] - low if version >= 0 else 0
                if n > 0:
                    if cl.special[client] == 1:
                        row[W_SERVER] = _choose(cl, rt, rows, work, w, version, row[W_SYNS] - 1, u, t)
                        _opens(cl, rt, flat, row[W_SERVER])
                    else:
                        at = np.int64((u * np.uint64(n)) >> np.uint64(32))
                        row[W_SERVER] = rows.version_servers[low + at]
                    row[W_STICKY] = 1
                elif version == DROPPED:
                    row[W_CAUSE] = _C_DROP
                else:
                    cause = _empty_cause(sv, cl.view_id[client])
                    row[W_CAUSE] = cause
                    if cl.on_empty[client] == _E_REJECT:
                        if cl.icmp_limited[client] == 0 or _icmp_sent(cl, flat, t):
                            outcome = _REFUSED
                    elif cl.on_empty[client] == _E_NO_ADDRESS:
                        outcome = _DNS_FAILURE
                        row[W_SYNS] -= 1
                    elif cl.on_empty[client] == _E_UNAVAILABLE:
                        outcome = _REJECTED
                        row[W_SYNS] -= 1
                    elif cl.on_empty[client] != _E_SILENT:
                        outcome = _NOT_SENT
                        cause = _C_NO_ENDPOINT
                        row[W_SYNS] -= 1
    server = row[W_SERVER]
    if row[W_STICKY] == 1:
        state = sv.state[server]
        stale = _C_RESOLVER if cl.reach[client] >= _R_PINNED else _C_STALE
        if sc[NODES_AWAY] > 0 and state != _UNBORN and link_lost(sv, cl, flat, row[W_ENTRY], server):
            row[W_CAUSE] = _C_NODE
        elif state == _LISTENING:
            service = work.wait_service[w, cl.law[client, sv.group[server]]]
            start = _place(sv, server, t, service)
            if start >= 0:
                _accept(until, sc, sv, cl, kept, ev, work, out, w, t, start, service)
                return
            cause = _C_OVERLOAD
            if sv.full[sv.group[server]] == _FULL_REJECT:
                outcome = _REJECTED
            else:
                row[W_CAUSE] = cause
        elif state in (_STARTING, _CLOSED):
            outcome = _REFUSED
            cause = _C_EARLY if state == _STARTING else stale
        elif state == _FOREIGN:
            outcome = _MISDELIVERED
            cause = _C_REUSED
        else:
            row[W_CAUSE] = stale
            if vanished_after >= 0 and row[W_FAIL_AT] == NEVER:
                row[W_FAIL_AT] = t + vanished_after
    if outcome != 0:
        give_up(sc, cl, ev, work, out, w, t, outcome, cause)
    else:
        _wait_on(sc, cl, ev, work, w)


@compiled
def _look_again(cl: Any, rows: Any, client: Any, source: Any, held: Any) -> None:
    """R12, ON_FAILURE: a source that still holds what a failed attempt used resolves anew."""
    flat = cl.source_at[client] + source
    holds = cl.target[flat] if cl.reach[client] == _R_PINNED else cl.held[flat]
    if holds == held:
        cl.resolves[flat] += 1
        _pick_pinned(cl, rows, client, source, cl.resolves[flat], rows.current[cl.resolver_pair[client]])


@compiled
def _book(
    sc: Any,
    sv: Any,
    cl: Any,
    rt: Any,
    kept: Any,
    rows: Any,
    ev: Any,
    work: Any,
    out: Any,
    w: Any,
    t: Any,
) -> None:
    """R22: the attempt of the request `w` has ended at t: what follows from it."""
    row = work.wait[w]
    client = row[W_CLIENT]
    outcome = row[W_OUTCOME]
    flat = cl.source_at[client] + row[W_SOURCE]
    if (
        outcome not in (_OK, _NOT_SENT)
        and cl.resolve[client] == _ON_FAILURE
        and cl.reach[client] >= _R_PINNED
    ):
        _look_again(cl, rows, client, row[W_SOURCE], row[W_HELD])
    if row[W_CONNECTION] >= 0:
        _connection_booked(sc, sv, cl, kept, client, flat, row[W_CONNECTION], outcome, t)
        row[W_CONNECTION] = -1
    if row[W_SERVER] >= 0 and cl.router_row[flat] >= 0:
        _booked_at_router(cl, rt, client, cl.router_row[flat], row[W_SERVER], outcome, t)
    wait = _retry_after(cl, row, flat, outcome)
    if wait < 0:
        end_request(sc, work, out, w, t, outcome, row[W_CAUSE])
        goes_on(sc, cl, ev, client, row[W_REQUEST], row[W_ARRIVAL], t)
    else:
        row[W_STATE] = WAITING
        push(sc, ev, t + wait, _ARRIVAL, client, row[W_REQUEST], K_RETRY, w, 0)


@compiled
def _begin_attempt(sc: Any, cl: Any, rows: Any, work: Any, out: Any, w: Any, t: Any) -> None:
    """R22: the next attempt of a request begins; nothing is known of it."""
    row = work.wait[w]
    client = row[W_CLIENT]
    if row[W_SERVER] >= 0 and cl.excludes_tried[client] == 1:
        work.tried[w, row[W_TRIED]] = row[W_SERVER]
        row[W_TRIED] += 1
    out.retries[client] += 1
    row[W_ATTEMPTS] += 1
    row[W_BEGAN] = t
    row[W_STATE] = CONNECTING
    row[W_DEADLINE] = t + min(cl.connect_timeout[client], cl.request_timeout[client])
    _blank(row)
    if cl.reach[client] >= _R_PINNED and cl.resolve[client] == _EVERY:
        _pull(sc, cl, rows, client, row[W_SOURCE], t)


@compiled
def _blank(row: Any) -> None:
    """An attempt that has sent nothing yet."""
    row[W_SYNS] = 0
    row[W_SERVER] = -1
    row[W_STICKY] = 0
    row[W_FAIL_AT] = NEVER
    row[W_CAUSE] = _C_NONE
    row[W_ENTRY] = -1
    row[W_OBSERVER] = -1
    row[W_VERSION] = -1
    row[W_CONNECTED] = -1
    row[W_START] = -1
    row[W_CONNECTION] = -1


@compiled
def _let_go(sc: Any, kept: Any, c: Any) -> None:
    """One holder less of a connection."""
    kept.table[c, C_HOLDERS] -= 1
    if kept.table[c, C_HOLDERS] == 0:
        kept.table[c, C_NEXT] = sc[CONNECTION_FREE]
        sc[CONNECTION_FREE] = c


@compiled
def _over(sv: Any, cl: Any, kept: Any, client: Any, c: Any, t: Any) -> Any:
    """R25: whether the source knows at t that a connection is over (its own node's power apart)."""
    row = kept.table[c]
    if row[C_ENDS] <= t or row[C_ATTEMPTS] >= cl.max_requests[client]:
        return True
    server = row[C_SERVER]
    if cl.keeps[client] == _KEPT and row[C_USED] + cl.keep_idle[client] <= t:
        return True
    if sv.closed[server] >= row[C_OPENED]:
        return sv.closed[server] + cl.hears[client] <= t
    if cl.keeps[client] == _KEPT:
        return row[C_USED] + sv.idle[sv.group[server]] + cl.hears[client] <= t
    return False


@compiled
def _power(sv: Any, node: Any) -> Any:
    return sv.power[node] if node >= 0 else 0


@compiled
def _take(sc: Any, sv: Any, cl: Any, kept: Any, client: Any, flat: Any, t: Any) -> Any:
    """R25: the connection for an attempt, -1 if it must open one."""
    while kept.top[flat] >= 0:
        c = kept.top[flat]
        row = kept.table[c]
        gone = row[C_POWER] != _power(sv, cl.node[flat]) or _over(sv, cl, kept, client, c, t)
        if gone or cl.keeps[client] == _KEPT:
            kept.top[flat] = row[C_NEXT]
            kept.size[flat] -= 1
            if gone:
                _let_go(sc, kept, c)
                continue
        else:
            row[C_HOLDERS] += 1
        row[C_ATTEMPTS] += 1
        return np.int64(c)
    return np.int64(-1)


@compiled
def _connected(sc: Any, sv: Any, cl: Any, kept: Any, waiting: Any, t: Any) -> None:
    """R25: an attempt's own connection was accepted; the caller has seen to room."""
    client = waiting[W_CLIENT]
    flat = cl.source_at[client] + waiting[W_SOURCE]
    c = sc[CONNECTION_FREE]
    row = kept.table[c]
    sc[CONNECTION_FREE] = row[C_NEXT]
    waiting[W_CONNECTION] = c
    age = cl.max_age[client]
    if cl.age_jitter[client] > 0:
        most = np.uint64(age * cl.age_jitter[client] // 1000)
        u = u32_at(cl.age_key[client], waiting[W_REQUEST], waiting[W_ATTEMPTS] - 1, 0)
        age -= np.int64((most >> np.uint64(32)) * u + (((most & LOW) * u) >> np.uint64(32)))
    row[C_SERVER] = waiting[W_SERVER]
    row[C_ENTRY] = waiting[W_ENTRY]
    row[C_OPENED] = t
    row[C_ENDS] = t + age
    row[C_USED] = t
    row[C_ATTEMPTS] = 1
    row[C_POWER] = _power(sv, cl.node[flat])
    row[C_ENTRY_POWER] = _power(sv, waiting[W_ENTRY])
    row[C_HOLDERS] = 1
    row[C_NEXT] = -1
    if cl.keeps[client] == _CHANNEL:
        if kept.top[flat] >= 0:
            _let_go(sc, kept, kept.top[flat])
        kept.top[flat] = c
        kept.size[flat] = 1
        row[C_HOLDERS] = 2


@compiled
def _connection_booked(
    sc: Any, sv: Any, cl: Any, kept: Any, client: Any, flat: Any, c: Any, outcome: Any, t: Any
) -> None:
    """R25: an attempt on a connection has ended."""
    row = kept.table[c]
    row[C_USED] = t
    survives = outcome in (_OK, _REJECTED)
    if cl.keeps[client] == _CHANNEL:
        if not survives and kept.top[flat] == c:
            kept.top[flat] = -1
            kept.size[flat] = 0
            _let_go(sc, kept, c)
        _let_go(sc, kept, c)
        return
    if not survives or _over(sv, cl, kept, client, c, t):
        _let_go(sc, kept, c)
        return
    if kept.size[flat] >= cl.max_idle[client]:
        _rid_of_what_is_over(sc, sv, cl, kept, client, flat, t)
    if kept.size[flat] < cl.max_idle[client]:
        row[C_NEXT] = kept.top[flat]
        kept.top[flat] = c
        kept.size[flat] += 1
    else:
        _let_go(sc, kept, c)


@compiled
def _rid_of_what_is_over(sc: Any, sv: Any, cl: Any, kept: Any, client: Any, flat: Any, t: Any) -> None:
    """Take out of a stack what its source knows to be over."""
    newer = np.int64(-1)
    c = np.int64(kept.top[flat])
    while c >= 0:
        older = np.int64(kept.table[c, C_NEXT])
        if _over(sv, cl, kept, client, c, t):
            if newer >= 0:
                kept.table[newer, C_NEXT] = older
            else:
                kept.top[flat] = older
            kept.size[flat] -= 1
            _let_go(sc, kept, c)
        else:
            newer = c
        c = older


@compiled
def _attempt(
    until: Any,
    vanished_after: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    rt: Any,
    kept: Any,
    rows: Any,
    ev: Any,
    work: Any,
    out: Any,
    w: Any,
    t: Any,
    u: Any,
) -> None:
    """An attempt begins: on a connection that its source keeps (R25), or with a SYN."""
    row = work.wait[w]
    client = row[W_CLIENT]
    flat = cl.source_at[client] + row[W_SOURCE]
    c = np.int64(-1)
    row[W_HELD] = cl.target[flat] if cl.reach[client] == _R_PINNED else cl.held[flat]
    if cl.keeps[client] != _FRESH and not (sc[NODES_AWAY] > 0 and client_gone(sv, cl, flat)):
        c = _take(sc, sv, cl, kept, client, flat, t)
    if c < 0:
        _syn(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, w, t, u)
        return
    connection = kept.table[c]
    server = connection[C_SERVER]
    group = sv.group[server]
    entry = connection[C_ENTRY]
    out.reused[client] += 1
    row[W_CONNECTION] = c
    row[W_SERVER] = server
    row[W_ENTRY] = entry
    row[W_STICKY] = 1
    _opens(cl, rt, flat, server)
    broken = sv.closed[server] >= connection[C_OPENED] or (
        cl.keeps[client] == _KEPT and t + cl.hears[client] >= connection[C_USED] + sv.idle[group]
    )
    if broken:
        give_up(sc, cl, ev, work, out, w, t, _RESET, _C_KEPT)
        return
    row[W_CAUSE] = _C_NODE
    unheard = (
        (sc[NODES_AWAY] > 0 and link_lost(sv, cl, flat, entry, server))
        or _power(sv, entry) != connection[C_ENTRY_POWER]
        or sv.state[server] != _LISTENING
    )
    if not unheard:
        service = work.wait_service[w, cl.law[client, group]]
        start = _place(sv, server, t, service)
        if start >= 0:
            _accept(until, sc, sv, cl, kept, ev, work, out, w, t, start, service)
            return
        if sv.full[group] == _FULL_REJECT:
            give_up(sc, cl, ev, work, out, w, t, _REJECTED, _C_OVERLOAD)
            return
        row[W_CAUSE] = _C_OVERLOAD
    if cl.request_timeout[client] < NEVER:
        deadline = row[W_BEGAN] + cl.request_timeout[client]
        push(sc, ev, deadline, _DEADLINE, client, row[W_REQUEST], K_UNHEARD, w, 0)


@compiled
def _heap_event(
    until: Any,
    vanished_after: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    rt: Any,
    kept: Any,
    rows: Any,
    ev: Any,
    work: Any,
    out: Any,
) -> None:
    """Handle the first event of the heap."""
    t = ev.key[0, 0]
    rank = ev.key[0, 1]
    client = ev.key[0, 2]
    request = ev.key[0, 3]
    kind = ev.what[0, 0]
    a = ev.what[0, 1]
    b = ev.what[0, 2]
    _pop(sc, ev)
    if kind == _K_RESOLVE:
        _look_again(cl, rows, client, a, b)
    elif kind == _K_BOOK:
        _book(sc, sv, cl, rt, kept, rows, ev, work, out, a, t)
    elif kind == K_UNHEARD:
        give_up(sc, cl, ev, work, out, a, t, _REQUEST_TIMEOUT, work.wait[a, W_CAUSE])
    elif kind == K_RETRY:
        _begin_attempt(sc, cl, rows, work, out, a, t)
        row = work.wait[a]
        _attempt(
            until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, a, t,
            u32_at(cl.repick_key[client], request, 0, row[W_ATTEMPTS] - 1),
        )  # fmt: skip
    elif kind == _K_LOOP:
        _loop_event(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, client, request, a, t)
    elif kind == _K_JOB:
        _job_event(until, vanished_after, sc, sv, cl, ev, work, out, request, rank, t)
    elif rank == _SYN:
        row = work.wait[a]
        _syn(
            until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, a, t,
            u32_at(cl.repick_key[client], request, row[W_SYNS], row[W_ATTEMPTS] - 1),
        )  # fmt: skip
    else:
        row = work.wait[a]
        outcome = _CONNECT_TIMEOUT
        cause = row[W_CAUSE]
        if rank == _COMPLETION:
            outcome = _UNREACHABLE
            cause = _C_RESOLVER if cl.reach[client] >= _R_PINNED else _C_STALE
        give_up(sc, cl, ev, work, out, a, t, outcome, cause)


@compiled
def _job_event(
    until: Any,
    vanished_after: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    ev: Any,
    work: Any,
    out: Any,
    job: Any,
    rank: Any,
    t: Any,
) -> None:
    """R17: an injected job arrives, or its silence ends at its deadline."""
    row = work.job[job]
    server = row[J_SERVER]
    if rank != _ARRIVAL:
        row[J_OUTCOME] = _CONNECT_TIMEOUT if rank == _DEADLINE else _UNREACHABLE
        row[J_END] = t
        return
    state = sv.state[server]
    deadline = row[J_AT] + row[J_TIMEOUT]
    outcome = 0
    if state == _LISTENING:
        start = _place(sv, server, t, row[J_SERVICE])
        if start >= 0:
            row[J_DUE] = start + row[J_SERVICE]
            record = out.scratch
            record[O_CLIENT] = JOB_CLIENT
            record[O_REQUEST] = job
            record[O_SOURCE] = 0
            record[O_ARRIVAL] = t
            record[O_SYNS] = 1
            record[O_SERVER] = server
            record[O_CONNECTED] = t
            record[O_START] = start
            record[O_END] = start + row[J_SERVICE]
            record[O_DEADLINE] = deadline
            record[O_ENTRY] = -1
            record[O_OBSERVER] = -1
            record[O_VERSION] = -1
            record[O_BEGAN] = t
            record[O_ATTEMPTS] = 1
            record[O_WAIT] = -1
            _accepted(until, sc, sv, cl, ev, work, out)
            return
        if sv.full[sv.group[server]] == _FULL_REJECT:
            outcome = _REJECTED
    elif state in (_STARTING, _CLOSED):
        outcome = _REFUSED
    elif state == _FOREIGN:
        outcome = _MISDELIVERED
    if outcome != 0:
        row[J_OUTCOME] = outcome
        row[J_END] = t
    elif state != _LISTENING and vanished_after >= 0 and t + vanished_after <= deadline:
        push(sc, ev, t + vanished_after, _COMPLETION, JOB_CLIENT, job, _K_JOB, 0, 0)
    else:
        push(sc, ev, deadline, _DEADLINE, JOB_CLIENT, job, _K_JOB, 0, 0)


@compiled
def _new_request(sc: Any, cl: Any, work: Any, client: Any, request: Any, source: Any, t: Any) -> Any:
    """A row of the wait table for a request that arrives at t; the caller has seen to room."""
    w = sc[WAIT_FREE]
    row = work.wait[w]
    sc[WAIT_FREE] = row[W_NEXT]
    row[W_CLIENT] = client
    row[W_REQUEST] = request
    row[W_SOURCE] = source
    row[W_ARRIVAL] = t
    row[W_DEADLINE] = t + min(cl.connect_timeout[client], cl.request_timeout[client])
    row[W_BEGAN] = t
    row[W_ATTEMPTS] = 1
    row[W_STATE] = CONNECTING
    row[W_TRIED] = 0
    _blank(row)
    if cl.budget_permille[client] > 0:
        flat = cl.source_at[client] + source
        cl.tokens[flat] = min(1000 * cl.budget_burst[client], cl.tokens[flat] + cl.budget_permille[client])
    return w


@compiled
def start_users(sc: Any, cl: Any, ev: Any, first: Any) -> None:
    """R29: the first request of every user, `first` int64 (n_users,) its instant; the heap has room."""
    for client in range(len(cl.users)):
        for user in range(cl.users[client]):
            flat = cl.user_at[client] + user
            push(sc, ev, first[flat], _ARRIVAL, client, user, _K_LOOP, flat, 0)


@compiled
def goes_on(sc: Any, cl: Any, ev: Any, client: Any, request: Any, arrival: Any, end: Any) -> None:
    """R29: a request has ended; its user, if it has one, thinks before the next."""
    users = cl.users[client]
    if users == 0:
        return
    user = cl.user_at[client] + request % users
    place = cl.loop_place[user]
    cl.loop_place[user] = place + 1
    at = max(end + cl.loop_think[user, place], arrival + LOOP_FLOOR_NS)
    push(sc, ev, at, _ARRIVAL, client, request + users, _K_LOOP, user, 0)


@compiled
def users_draws_used_up(cl: Any, ev: Any) -> Any:
    """Whether the next event is a user's request of which nothing is drawn yet."""
    return ev.what[0, 0] == _K_LOOP and cl.loop_place[ev.what[0, 1]] == cl.loop_route.shape[1]


@compiled
def _loop_event(
    until: Any,
    vanished_after: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    rt: Any,
    kept: Any,
    rows: Any,
    ev: Any,
    work: Any,
    out: Any,
    client: Any,
    request: Any,
    user: Any,
    t: Any,
) -> None:
    """R29: a user's next request arrives."""
    source = (request % cl.users[client]) % cl.n_sources[client]
    place = cl.loop_place[user]
    w = _new_request(sc, cl, work, client, request, source, t)
    for k in range(cl.loop_service.shape[1]):
        work.wait_service[w, k] = cl.loop_service[user, k, place]
    if cl.reach[client] >= _R_PINNED and cl.resolve[client] == _EVERY:
        _pull(sc, cl, rows, client, source, t)
    u = cl.loop_route[user, place] & LOW
    _attempt(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, w, t, u)


@compiled
def forget_work(sv: Any, server: Any) -> None:
    """R14, R18c: workers become free and the queue empty."""
    for w in range(sv.workers[sv.group[server]]):
        sv.free[server, w] = 0
    sv.ring_len[server] = 0
    sv.last_end[server] = -1


@compiled
def _truth_row(sc: Any, sv: Any, rows: Any) -> None:
    """Apply the next row of the truth (R11, R14)."""
    k = sc[TRUTH_AT]
    sc[TRUTH_AT] = k + 1
    server = rows.truth_server[k]
    kind = rows.truth_kind[k]
    was = sv.state[server]
    now = was
    if kind in (_CLOSE, _CUT):
        sv.closed[server] = rows.truth_t[k]
    if kind == _ADDRESS:
        now = _STARTING
    elif kind == _LISTEN:
        now = _LISTENING
    elif kind == _CLOSE:
        now = _CLOSED if was in (_LISTENING, _CLOSED) else was
    elif kind == _RELEASE:
        now = _VANISHED
    elif kind == _REUSE:
        now = _FOREIGN
    else:
        c = rows.cut_next[server]
        rows.cut_next[server] = c + 1
        sv.next_cut[server] = rows.cut_t[c + 1] if c + 1 < rows.cut_at[server + 1] else NEVER
        forget_work(sv, server)
    sv.state[server] = now
    if (was == _LISTENING) != (now == _LISTENING):
        step = 1 if now == _LISTENING else -1
        for v in range(sv.views_at[server], sv.views_at[server + 1]):
            sv.listening[sv.views[v]] += step


@compiled
def _sift(sl: Any, place: Any, n: Any) -> None:
    """Let the client at a place of the heap of next arrivals sink to where it belongs, by (t, client)."""
    i = place
    while True:
        low = 2 * i + 1
        if low >= n:
            return
        a = sl.order[low]
        if low + 1 < n:
            b = sl.order[low + 1]
            if sl.head[b] < sl.head[a] or (sl.head[b] == sl.head[a] and b < a):
                low += 1
                a = b
        c = sl.order[i]
        if sl.head[c] < sl.head[a] or (sl.head[c] == sl.head[a] and c < a):
            return
        sl.order[i] = a
        sl.order[low] = c
        i = low


@compiled
def run_window(
    until: Any,
    vanished_after: Any,
    sc: Any,
    sv: Any,
    cl: Any,
    rt: Any,
    kept: Any,
    sl: Any,
    rows: Any,
    ev: Any,
    work: Any,
    out: Any,
) -> Any:
    """Handle every event with t < until. Returns (status, client): DONE, or what the caller must do first."""
    n_clients = len(cl.view_id)
    heap_room = len(ev.key) - 4
    open_room = len(work.open) - 2
    out_room = len(out.rows) - 4
    keep = out.keep[0]
    away = sc[NODES_AWAY] > 0
    float_bits = out.bits.view(np.int64)
    if sc[WINDOW_OPENED] == 0:
        if sc[HEAP_SIZE] + 2 * sc[OPEN_SIZE] > heap_room:
            return GROW_HEAP, 0
        if sc[OUT_SIZE] + sc[OPEN_SIZE] > out_room:
            return NEED_OUTPUT, 0
        _settle_open(until, sc, sv, cl, ev, work, out)
        sc[WINDOW_OPENED] = 1
    for c in range(n_clients):
        if sl.at[c] == sl.size[c] and sl.done[c] == 0:
            return NEED_SLOT, c
        sl.head[c] = sl.arrival[c, sl.at[c]] if sl.at[c] < sl.size[c] else NEVER
        sl.order[c] = c
    for place in range(n_clients // 2 - 1, -1, -1):
        _sift(sl, place, n_clients)
    while True:
        # what comes first, apart from arrivals
        t_truth = rows.truth_t[sc[TRUTH_AT]] if sc[TRUTH_AT] < len(rows.truth_t) else NEVER
        t_belief = rows.belief_t[sc[BELIEF_AT]] if sc[BELIEF_AT] < len(rows.belief_t) else NEVER
        t_heap = ev.key[0, 0] if sc[HEAP_SIZE] > 0 else NEVER
        t_rows = min(t_truth, t_belief)
        if sc[RESOLVED] == 0 and t_rows > 0 and until > 0:
            for c in range(n_clients):
                if cl.reach[c] >= _R_PINNED:
                    for s in range(cl.n_sources[c]):
                        _pick_pinned(cl, rows, c, s, 0, rows.current[cl.resolver_pair[c]])
            sc[RESOLVED] = 1
        # the client whose arrival is next, by (t, client)
        client = -1
        t_arrival = NEVER
        second = NEVER
        second_client = -1
        if n_clients > 0:
            client = sl.order[0]
            t_arrival = sl.head[client]
        for child in range(1, min(n_clients, 3)):
            c = sl.order[child]
            if sl.head[c] < second or (sl.head[c] == second and c < second_client):
                second = sl.head[c]
                second_client = c
        if min(t_rows, t_heap, t_arrival) >= until:
            break
        if sc[HEAP_SIZE] > heap_room:
            return GROW_HEAP, 0
        if sc[OPEN_SIZE] > open_room:
            return GROW_OPEN, 0
        if sc[OUT_SIZE] > out_room:
            return NEED_OUTPUT, 0
        if work.wait[sc[WAIT_FREE], W_NEXT] < 0:
            return GROW_WAIT, 0
        if kept.table[sc[CONNECTION_FREE], C_NEXT] < 0:
            return GROW_CONNECTIONS, 0
        if t_heap < until and users_draws_used_up(cl, ev):
            return NEED_LOOP, 0
        if t_truth <= t_belief and t_truth <= t_heap and t_truth <= t_arrival:
            _truth_row(sc, sv, rows)
            continue
        if t_belief <= t_heap and t_belief <= t_arrival:
            if sc[LOG_SIZE] >= len(rows.log_t):
                return GROW_LOG, 0
            k = sc[BELIEF_AT]
            sc[BELIEF_AT] = k + 1
            rows.current[rows.belief_pair[k]] = rows.belief_version[k]
            n_log = sc[LOG_SIZE]
            rows.log_t[n_log] = rows.belief_t[k]
            rows.log_pair[n_log] = rows.belief_pair[k]
            rows.log_version[n_log] = rows.belief_version[k]
            sc[LOG_SIZE] = n_log + 1
            continue
        if t_heap < t_arrival or (t_heap == t_arrival and ev.key[0, 1] < _ARRIVAL):
            _heap_event(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out)
            continue
        if t_heap == t_arrival and ev.key[0, 1] == _ARRIVAL and ev.key[0, 2] <= client:
            # of one client the request that tries again came before the one that arrives
            _heap_event(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out)
            continue
        # a run of arrivals of one client, up to whatever else is next
        stop = min(t_rows, t_heap, until)
        reach = cl.reach[client]
        pinned = reach >= _R_PINNED
        held = reach == _R_HELD
        balanced = cl.target_pair[client] >= 0
        plain = cl.special[client] == 0
        base = cl.source_at[client]
        n_sources = np.uint64(cl.n_sources[client])
        timeout = cl.request_timeout[client]
        pulls = pinned and cl.resolve[client] == _EVERY
        i = sl.at[client]
        size = sl.size[client]
        arrival = sl.arrival[client]
        routes = sl.route[client]
        first_request = sl.first[client]
        hist = out.hist[client]
        fast_ok = np.int64(0)
        first_done = False
        while i < size:
            t = arrival[i]
            if first_done and (t >= stop or t > second or (t == second and client > second_client)):
                break
            first_done = True
            route = routes[i]
            source = np.int64(((route >> np.uint64(32)) * n_sources) >> np.uint64(32))
            flat = base + source
            server = np.int64(-1)
            version = np.int64(-1)
            entry = np.int64(cl.entry[flat])
            if pinned:
                if pulls:
                    _pull(sc, cl, rows, client, source, t)
                server = np.int64(cl.target[flat])
                if held:
                    version = np.int64(cl.held[flat])
                    server = _from_held(cl, rows, client, flat, route & LOW)
            elif reach != _R_NONE:
                pair = np.int64(cl.pair[flat])
                if balanced:
                    entry = _enter(cl, rows, client, first_request + i, 0, 0)
                    pair = np.int64(-1)
                    if entry >= 0:
                        pair = np.int64(cl.entry_pair[cl.entry_at[client] + entry])
                if pair >= 0:
                    version = np.int64(rows.current[pair])
                if version >= 0:
                    low = rows.version_at[version]
                    n = rows.version_at[version + 1] - low
                    if n > 0:
                        at = np.int64(((route & LOW) * np.uint64(n)) >> np.uint64(32))
                        server = np.int64(rows.version_servers[low + at])
            if (
                server >= 0
                and plain
                and sv.state[server] == _LISTENING
                and sv.queue[sv.group[server]] < 0
                and not (away and (client_gone(sv, cl, flat) or link_lost(sv, cl, flat, entry, server)))
            ):
                # the common case: accepted at once, unlimited places
                if held:
                    cl.uses[flat] += 1
                group = sv.group[server]
                service = sl.service[client, cl.law[client, group], i]
                workers = sv.workers[group]
                start = t
                if workers == 1:
                    start = max(t, sv.free[server, 0])
                    sv.free[server, 0] = start + service
                elif workers > 1:
                    best = 0
                    for k in range(1, workers):
                        if sv.free[server, k] < sv.free[server, best]:
                            best = k
                    start = max(t, sv.free[server, best])
                    sv.free[server, best] = start + service
                end = start + service
                sv.last_end[server] = max(sv.last_end[server], end)
                if keep < 2 and end < until and end < sv.next_cut[server] and end - t <= timeout:
                    out.load[server, t // SECOND] += 1
                    sv.accepted[server] += 1
                    sv.work[server] += service
                    out.bits[0] = np.float64(end - t)
                    hist[max((float_bits[0] >> 46) - (1023 << 6), 0)] += 1
                    fast_ok += 1
                    i += 1
                    continue
                record = out.scratch
                record[O_CLIENT] = client
                record[O_REQUEST] = first_request + i
                record[O_SOURCE] = source
                record[O_ARRIVAL] = t
                record[O_SYNS] = 1
                record[O_SERVER] = server
                record[O_CONNECTED] = t
                record[O_START] = start
                record[O_END] = end
                record[O_DEADLINE] = t + timeout
                record[O_BEGAN] = t
                record[O_ATTEMPTS] = 1
                record[O_WAIT] = -1
                record[O_ENTRY] = entry
                record[O_OBSERVER] = -1 if pinned else (entry if entry >= 0 else cl.observer[flat])
                record[O_VERSION] = version
                _accepted(until, sc, sv, cl, ev, work, out)
                i += 1
            else:
                # everything else goes through the wait table
                w = _new_request(sc, cl, work, client, first_request + i, source, t)
                for k in range(work.wait_service.shape[1]):
                    work.wait_service[w, k] = sl.service[client, k, i]
                u = route & LOW
                i += 1
                _attempt(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, w, t, u)
            if (
                sc[HEAP_SIZE] > heap_room
                or sc[OPEN_SIZE] > open_room
                or sc[OUT_SIZE] > out_room
                or work.wait[sc[WAIT_FREE], W_NEXT] < 0
                or kept.table[sc[CONNECTION_FREE], C_NEXT] < 0
            ):
                break
            if sc[HEAP_SIZE] > 0:
                stop = min(stop, ev.key[0, 0])
        sl.at[client] = i
        out.count[client, _OK, _C_NONE] += fast_ok
        if i == size and sl.done[client] == 0:
            return NEED_SLOT, client
        sl.head[client] = arrival[i] if i < size else NEVER
        _sift(sl, 0, n_clients)
    sc[WINDOW_OPENED] = 0
    return DONE, 0
