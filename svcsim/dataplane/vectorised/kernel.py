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

from svcsim.compiled import compiled, inner
from svcsim.dataplane.contract import (
    DROPPED,
    EWMA_DECAY_NS,
    EWMA_FIRST_NS,
    EWMA_MOST_NS,
    EWMA_WEIGHTS,
    LEAVING_CHECK_NS,
    LONGEST_WORK_NS,
    LOOP_FLOOR_NS,
    ON_SERVERS_NODE,
    REMEMBERED_NS,
    SHARE_UNITS,
    TABLE_CLOSE_NS,
    TABLE_TIME_WAIT_NS,
    TIME_WAIT_NS,
    UDP_STREAM_AFTER_NS,
    Balance,
    Cause,
    Cleaning,
    Keeps,
    NodeState,
    OnEmpty,
    Outcome,
    QueueFull,
    Rank,
    Reach,
    Resolve,
    Scheduler,
    ServerState,
    Socket,
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
    SHARED_FREE,
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
    "GROW_REMEMBERED",
    "GROW_SHARED",
    "GROW_WAIT",
    "NEED_LOOP",
    "NEED_OUTPUT",
    "NEED_SLOT",
    "run_window",
]

DONE, NEED_SLOT, NEED_OUTPUT, GROW_HEAP, GROW_WAIT, GROW_OPEN, GROW_LOG, GROW_CONNECTIONS = range(8)
GROW_REMEMBERED = 8
GROW_SHARED = 9
NEED_LOOP = 10

NEVER = np.int64(1 << 62)
ICMP_COST = np.int64(1_000_000_000)
ICMP_BURST = np.int64(6_000_000_000)
SECOND = np.int64(1_000_000_000)
LONGEST_WORK = np.int64(LONGEST_WORK_NS)
UNITS = np.int64(SHARE_UNITS)
TOO_LATE = np.int64(1 << 61)
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
_PEAK_EWMA = int(Balance.PEAK_EWMA)
EWMA_DECAY, EWMA_FIRST, EWMA_MOST = np.int64(EWMA_DECAY_NS), np.int64(EWMA_FIRST_NS), np.int64(EWMA_MOST_NS)
WEIGHTS = np.array(EWMA_WEIGHTS, dtype=np.int64)
_ONCE, _EVERY, _ON_FAILURE = int(Resolve.ONCE), int(Resolve.EVERY), int(Resolve.ON_FAILURE)
_FULL_REJECT = int(QueueFull.REJECT)
_TURNS, _FEWEST, _BY_SOURCE, _MAGLEV, _TUPLE = (
    int(Scheduler.ROUND_ROBIN),
    int(Scheduler.LEAST),
    int(Scheduler.SOURCE_HASH),
    int(Scheduler.MAGLEV),
    int(Scheduler.TUPLE),
)
REMEMBERED = np.int64(REMEMBERED_NS)
CHECK = np.int64(LEAVING_CHECK_NS)
_C_CONNTRACK = int(Cause.STALE_CONNTRACK)
_C_TABLE, _C_PORTS = int(Cause.TABLE_FULL), int(Cause.PORTS_EXHAUSTED)
_S_STREAM, _S_ONE = int(Socket.STREAM), int(Socket.ONE)
_CLEAN_NONE, _CLEAN_REMOVED, _CLEAN_SERVING = (int(k) for k in Cleaning)
STREAM_AFTER = np.int64(UDP_STREAM_AFTER_NS)
TIME_WAIT = np.int64(TIME_WAIT_NS)
TABLE_TIME_WAIT = np.int64(TABLE_TIME_WAIT_NS)
TABLE_CLOSE = np.int64(TABLE_CLOSE_NS)

# kinds of heap events
K_WAIT, _K_RESOLVE, _K_JOB, _K_BOOK, K_RETRY, K_UNHEARD, _K_SHARED, _K_SHARED_LATE = range(8)
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
    W_ENTERED,
    W_POWER,
    W_HOLDS,
) = range(26)
WAIT_COLUMNS = 26

# values of W_ENTERED: no entry, one that its server's list confirms, one that only the table has (R27)
NO_FLOW, OWN_FLOW, FLOW, STALE_FLOW = range(4)
# columns of the table of entries, one row to a source (R27)
F_SERVER, F_SINCE, F_UNTIL, F_ANSWERED, F_POWER = range(5)
FLOW_COLUMNS = 5
# columns of what is limited (R28): how many there are, are taken, and two queues of those kept for a while
L_MOST, L_TAKEN, L_RING, L_HEAD, L_LENGTH, L_HEAD_SHORT, L_LENGTH_SHORT = range(7)
LIMIT_COLUMNS = 7
# bits of W_HOLDS
HOLDS_PORT, HOLDS_ENTRY = 1, 2

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

# columns of the job table; J_SHARED: its row of the table of shared work, -1 without
J_SERVER, J_AT, J_SERVICE, J_TIMEOUT, J_OUTCOME, J_END, J_DUE, J_SHARED = range(8)
JOB_COLUMNS = 8

# the table of shared work (R31): the columns of the open table, O_END NEVER while it is not known, and these;
# H_LEFT and H_RIGHT make a heap of a server's rows by H_UNTIL, and H_LEFT the free list
H_BEGUN, H_UNTIL, H_ALONE, H_STATE, H_LEFT, H_RIGHT = range(17, 23)
SHARED_COLUMNS = 23
# states of such a row; O_SETTLED 2 keeps one that is over until it has been read (R18d)
SHARED_FREED, SHARED_RUNS, SHARED_ENDED, SHARED_LOST = range(4)
UNANSWERED = 2
# columns of sv.share: S_CLOCK as of S_AT; S_WAKE: the first instant at which the heap looks at the server
S_ROOT, S_WORKS, S_CLOCK, S_AT, S_WAKE = range(5)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@inner
def mix64(x: Any) -> Any:
    """`rng.mix64` on uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inner
def u32_at(key: Any, a: Any, b: Any, c: Any) -> Any:
    """`rng.u32_at(key, a, b, c)` on uint64."""
    one = np.uint64(1)
    x = mix64(key + _GOLDEN * (np.uint64(a) + one))
    x = mix64(x + _GOLDEN * (np.uint64(b) + one))
    return mix64(x + _GOLDEN * (np.uint64(c) + one)) >> np.uint64(32)


@inner
def _before(key: Any, i: Any, j: Any) -> Any:
    for k in range(4):
        if key[i, k] != key[j, k]:
            return key[i, k] < key[j, k]
    return False


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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


@inner
def _enter(cl: Any, rows: Any, client: Any, request: Any, j: Any, k: Any) -> Any:
    """R20: the node that a balancer picks for SYN j of attempt k of a request, -1 from an empty list."""
    version = rows.current[cl.target_pair[client]]
    low = rows.version_at[version] if version >= 0 else 0
    n = rows.version_at[version + 1] - low if version >= 0 else 0
    if n == 0:
        return np.int64(-1)
    u = u32_at(cl.entry_key[client], request, j, k)
    return np.int64(rows.version_servers[low + np.int64((u * np.uint64(n)) >> np.uint64(32))])


@inner
def _listed(rows: Any, version: Any, server: Any) -> Any:
    for i in range(rows.version_at[version], rows.version_at[version + 1]):
        if rows.version_servers[i] == server:
            return True
    return False


@inner
def _choose(cl: Any, rt: Any, rows: Any, work: Any, w: Any, version: Any, j: Any, u: Any, t: Any) -> Any:
    """R23, R26: a server of a version that lists some, for SYN j of the request `w`; -1 if R26 has none."""
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
    virtual = _virtual_of(cl, rt, client, flat, row[W_ENTRY])
    if virtual >= 0:
        server = _scheduled(rt.virtual, row, virtual, t)
    else:
        server = _choose_candidate(cl, rt, rows, work, w, flat, version, j, u, t)
    if timeout >= 0 and server >= 0:
        rt.stuck[place] = server
        rt.stuck_t[place] = t
    return server


@inner
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
    first, second = np.int64(rt.candidates[a]), np.int64(rt.candidates[b])
    if m == 1:
        return first
    if balance == _PEAK_EWMA:
        own = (rt.open[router, first] + 1) * _estimate(rt, router, first, t)
        other = (rt.open[router, second] + 1) * _estimate(rt, router, second, t)
        return first if own <= other else second
    return first if rt.open[router, first] <= rt.open[router, second] else second


@inner
def _ewma_left(rt: Any, router: Any, server: Any, t: Any) -> Any:
    """R23: 65536ths that are left of an estimate."""
    if rt.learned[router, server] < 0:
        return np.int64(0)
    step = 16 * (t - rt.learned[router, server]) // EWMA_DECAY
    return np.int64(WEIGHTS[step]) if step < len(WEIGHTS) else np.int64(0)


@inner
def _estimate(rt: Any, router: Any, server: Any, t: Any) -> Any:
    """R23: how long a source thinks that a server takes."""
    if rt.learned[router, server] < 0:
        return EWMA_FIRST
    return (rt.takes[router, server] * _ewma_left(rt, router, server, t)) >> 16


@inner
def _learn(rt: Any, router: Any, server: Any, took: Any, t: Any) -> None:
    """R23: an attempt at a server that took so long was booked."""
    worn = _estimate(rt, router, server, t)
    if took < worn:
        took = worn + ((took * (65536 - _ewma_left(rt, router, server, t))) >> 16)
    rt.takes[router, server] = took
    rt.learned[router, server] = t


@inner
def _booked_at_router(cl: Any, rt: Any, row: Any, router: Any, outcome: Any, t: Any) -> None:
    """R23, R24: the attempt of a row of the wait table has ended at its server."""
    client, server = row[W_CLIENT], row[W_SERVER]
    rt.open[router, server] -= 1
    if cl.balance[client] == _PEAK_EWMA:
        _learn(rt, router, server, min(t - row[W_BEGAN], EWMA_MOST), t)
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


@inner
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


@inner
def _version_then(sc: Any, rows: Any, pair: Any, instant: Any) -> Any:
    """The version a pair held at `instant`, rows of that instant included."""
    for k in range(sc[LOG_SIZE] - 1, -1, -1):
        if rows.log_pair[k] == pair and rows.log_t[k] <= instant:
            return rows.log_version[k]
    return -1


@inner
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


@inner
def _place(sv: Any, server: Any, t: Any, service: Any) -> Any:
    """R13: the start of a request at a LISTENING server, or -1 where the queue is full."""
    group = sv.group[server]
    if sv.cores[group] > 0:
        return np.int64(-1) if _shared_full(sv, server) else np.int64(t)
    workers = sv.workers[group]
    start = t
    best = 0
    if workers > 0:
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
    end = start + _slowed(sv, server, start, service)
    if workers > 0:
        sv.free[server, best] = end
    sv.last_end[server] = max(sv.last_end[server], end)
    return start


@compiled
def lost_work(row: Any, cut: Any) -> Any:
    """How much of an accepted request's work a cut takes (R19)."""
    return max(row[O_END] - max(row[O_START], cut), 0)


@inner
def _accepted(until: Any, sc: Any, sv: Any, cl: Any, ev: Any, work: Any, out: Any) -> None:
    """R14, R15 for the request just accepted that out.scratch describes; what this window can't settle
    goes to the open table."""
    row = out.scratch
    server = row[O_SERVER]
    end = row[O_END]
    if row[O_CLIENT] != JOB_CLIENT:
        out.load[server, row[O_CONNECTED] // SECOND] += 1
        sv.accepted[server] += 1
    if sv.cores[sv.group[server]] > 0:
        _share(sc, sv, ev, work, row)
        return
    cut = sv.next_cut[server]
    sv.work[server] += end - row[O_START] - lost_work(row, cut)
    row[O_SETTLED] = 0
    _settle(until, cut, sc, cl, ev, work, out, row)
    if end >= until and cut > end:
        kept = work.open[sc[OPEN_SIZE]]
        sc[OPEN_SIZE] += 1
        for column in range(OPEN_COLUMNS):
            kept[column] = row[column]


@inner
def _settle(until: Any, cut: Any, sc: Any, cl: Any, ev: Any, work: Any, out: Any, row: Any) -> None:
    """Settle an accepted request if this window decides it."""
    end = row[O_END]
    deadline = row[O_DEADLINE]
    first = min(end, deadline)
    if cut <= first and row[O_WAIT] >= 0 and cl.socket[row[O_CLIENT]] != _S_STREAM:
        row[O_SETTLED] = 1
        _unheard(sc, cl, ev, work, row[O_WAIT], _C_CUT)
    elif cut <= first:
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


@inner
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


@inner
def _empty_cause(sv: Any, view: Any) -> Any:
    return _C_NOT_PROGRAMMED if sv.listening[view] > 0 else _C_NO_ENDPOINT


@inner
def _icmp_sent(cl: Any, flat: Any, t: Any) -> Any:
    """R9: does the kernel still send this source an ICMP error at t?"""
    tokens = min(ICMP_BURST, cl.icmp_tokens[flat] + t - cl.icmp_last[flat])
    cl.icmp_last[flat] = t
    sent = tokens >= ICMP_COST
    cl.icmp_tokens[flat] = tokens - ICMP_COST if sent else tokens
    return sent


@inner
def client_gone(sv: Any, cl: Any, flat: Any) -> Any:
    """R18b: whether the node of a source has no power."""
    node = cl.node[flat]
    return node >= 0 and sv.nodes[node] == _DOWN


@inner
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


@inner
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


@inner
def _opens(cl: Any, rt: Any, row: Any, flat: Any, server: Any) -> None:
    """The attempt of a row of the wait table is open at a server (R23, R26)."""
    if cl.router_row[flat] >= 0:
        rt.open[cl.router_row[flat], server] += 1
        virtual = _virtual_of(cl, rt, row[W_CLIENT], flat, row[W_ENTRY])
        if virtual >= 0:
            rt.virtual.open[virtual, server] += 1


@inner
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
    record[O_END] = start + _slowed(sv, row[W_SERVER], start, service)
    record[O_DEADLINE] = row[W_BEGAN] + cl.request_timeout[client]
    if cl.booked[client] == 1:
        row[W_STATE] = ACCEPTED
        record[O_WAIT] = w
    else:
        free_row(sc, work, w)
    _accepted(until, sc, sv, cl, ev, work, out)


@inner
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
    elif row[W_STICKY] == 0 and cl.reach[client] != _R_NONE and not _room(rt, cl.table_limit[flat], t):
        row[W_CAUSE] = _C_TABLE
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
                    _opens(cl, rt, row, flat, row[W_SERVER])
                cl.uses[flat] += 1
            if row[W_SERVER] < 0:
                outcome = _DNS_FAILURE
                cause = _empty_cause(sv, cl.view_of[flat])
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
                    else:
                        at = np.int64((u * np.uint64(n)) >> np.uint64(32))
                        row[W_SERVER] = rows.version_servers[low + at]
                if row[W_SERVER] >= 0:
                    row[W_STICKY] = 1
                    if cl.special[client] == 1:
                        _opens(cl, rt, row, flat, row[W_SERVER])
                elif version == DROPPED:
                    row[W_CAUSE] = _C_DROP
                else:
                    cause = _empty_cause(sv, cl.view_of[flat]) if n == 0 else _C_STALE
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
        if cl.table_limit[flat] >= 0 and row[W_HOLDS] & HOLDS_ENTRY == 0:
            _take_one(rt, cl.table_limit[flat], row, HOLDS_ENTRY)
        if cl.socket[client] != _S_STREAM:
            stale = _datagram_routed(sv, cl, row, flat, t, stale)
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
            if vanished_after >= 0 and row[W_FAIL_AT] == NEVER and cl.socket[client] == _S_STREAM:
                row[W_FAIL_AT] = t + vanished_after
    if outcome != 0:
        give_up(sc, cl, ev, work, out, w, t, outcome, cause)
    else:
        _wait_on(sc, cl, ev, work, w)


@inner
def _look_again(cl: Any, rows: Any, client: Any, source: Any, held: Any, t: Any) -> None:
    """R12, R34: an ON_FAILURE source that still holds what a failed attempt used resolves anew."""
    flat = cl.source_at[client] + source
    holds = cl.target[flat] if cl.reach[client] == _R_PINNED else cl.held[flat]
    if holds == held and t >= cl.looked[flat] + cl.floor[client]:
        cl.looked[flat] = t
        cl.resolves[flat] += 1
        _pick_pinned(cl, rows, client, source, cl.resolves[flat], rows.current[cl.resolver_pair[client]])


@inner
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
    if outcome in (_OK, _REJECTED) and not _answer_passes(sv, cl, rt, row, flat, t):
        _unheard(sc, cl, ev, work, w, _C_CONNTRACK)
        return
    if row[W_HOLDS] > 0:
        _give_back(cl, rt, row, flat, outcome, t)
    if (
        outcome not in (_OK, _NOT_SENT)
        and cl.resolve[client] == _ON_FAILURE
        and cl.reach[client] >= _R_PINNED
    ):
        _look_again(cl, rows, client, row[W_SOURCE], row[W_HELD], t)
    if row[W_CONNECTION] >= 0:
        _connection_booked(sc, sv, cl, kept, client, flat, row[W_CONNECTION], outcome, t)
        row[W_CONNECTION] = -1
    if row[W_SERVER] >= 0 and cl.router_row[flat] >= 0:
        _booked_at_router(cl, rt, row, cl.router_row[flat], outcome, t)
        virtual = _virtual_of(cl, rt, client, flat, row[W_ENTRY])
        if virtual >= 0:
            _remember(rt.virtual, virtual, row[W_SERVER], row[W_CONNECTED] >= 0, t)
    wait = _retry_after(cl, row, flat, outcome)
    if wait < 0:
        end_request(sc, work, out, w, t, outcome, row[W_CAUSE])
        goes_on(sc, cl, ev, client, row[W_REQUEST], row[W_ARRIVAL], t)
    else:
        row[W_STATE] = WAITING
        push(sc, ev, t + wait, _ARRIVAL, client, row[W_REQUEST], K_RETRY, w, 0)


@inner
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


@inner
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
    row[W_ENTERED] = NO_FLOW
    row[W_HOLDS] = 0


@inner
def _let_go(sc: Any, kept: Any, c: Any) -> None:
    """One holder less of a connection."""
    kept.table[c, C_HOLDERS] -= 1
    if kept.table[c, C_HOLDERS] == 0:
        kept.table[c, C_NEXT] = sc[CONNECTION_FREE]
        sc[CONNECTION_FREE] = c


@inner
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


@inner
def _power(sv: Any, node: Any) -> Any:
    return sv.power[node] if node >= 0 else 0


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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
        if cl.socket[client] != _S_STREAM:
            _follow_entry(sc, sv, cl, rt, rows, row, flat, t)
        elif cl.port_limit[flat] >= 0 and not (sc[NODES_AWAY] > 0 and client_gone(sv, cl, flat)):
            if not _room(rt, cl.port_limit[flat], t):
                give_up(sc, cl, ev, work, out, w, t, _UNREACHABLE, _C_PORTS)
                return
            _take_one(rt, cl.port_limit[flat], row, HOLDS_PORT)
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
    _opens(cl, rt, row, flat, server)
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


@inner
def _unheard(sc: Any, cl: Any, ev: Any, work: Any, w: Any, cause: Any) -> None:
    """R27: no answer comes to the datagram of the request `w`, and nobody says so: its deadline ends it."""
    row = work.wait[w]
    client = row[W_CLIENT]
    row[W_STATE] = CONNECTING
    row[W_CAUSE] = cause
    if cl.request_timeout[client] < NEVER:
        deadline = row[W_BEGAN] + cl.request_timeout[client]
        push(sc, ev, deadline, _DEADLINE, client, row[W_REQUEST], K_UNHEARD, w, 0)


@inner
def _note_cleaning(cl: Any, rt: Any, rows: Any, k: Any) -> None:
    """R27b: belief row k is of serving endpoints: note whose entries it deletes, once an instant is whole."""
    pair = rows.belief_pair[k]
    t = rows.belief_t[k]
    row = cl.clean_row[pair]
    if k == 0 or rows.belief_t[k - 1] != t or rows.belief_pair[k - 1] != pair:
        cl.clean_before[row] = rows.current[pair]
    if k + 1 < len(rows.belief_t) and rows.belief_t[k + 1] == t and rows.belief_pair[k + 1] == pair:
        return
    before = cl.clean_before[row]
    now = rows.belief_version[k]
    was_any = before >= 0 and rows.version_at[before + 1] > rows.version_at[before]
    is_any = now >= 0 and rows.version_at[now + 1] > rows.version_at[now]
    n = rt.cleaned.shape[2]
    listed = rt.marks
    for server in range(n):
        listed[server] = 0
    if was_any:
        for i in range(rows.version_at[before], rows.version_at[before + 1]):
            listed[rows.version_servers[i]] += 1
    if is_any:
        for i in range(rows.version_at[now], rows.version_at[now + 1]):
            listed[rows.version_servers[i]] += 2
    for server in range(n):
        if listed[server] == 1 or (is_any and not was_any):
            rt.cleaned[0, row, server] = t
        if is_any and listed[server] < 2:
            rt.cleaned[1, row, server] = t


@inner
def _entry_alive(
    sv: Any, cl: Any, rt: Any, client: Any, flat: Any, node: Any, server: Any, since: Any, end: Any,
    power: Any, t: Any,
) -> Any:  # fmt: skip
    """R27b: whether an entry is there at t. node: whose table has it, below 0 for none in the cluster."""
    if t >= end or power != _power(sv, node):
        return False
    cleaning = cl.cleaning[client]
    return cleaning == _CLEAN_NONE or rt.cleaned[cleaning - 1, cl.clean_place[flat], server] <= since


@inner
def _extended(cl: Any, client: Any, since: Any, answered: Any, t: Any) -> Any:
    """R27b: until when an entry lives after a packet at t."""
    if answered == 1 and t > since + STREAM_AFTER:
        return t + cl.udp_stream[client]
    return t + cl.udp[client]


@inner
def _follow_entry(sc: Any, sv: Any, cl: Any, rt: Any, rows: Any, row: Any, flat: Any, t: Any) -> None:
    """R27a: a datagram of a socket whose 5-tuple has an entry goes to its server, whatever the rules say."""
    client = row[W_CLIENT]
    flow = cl.flow[flat]
    server = flow[F_SERVER]
    if server < 0 or (sc[NODES_AWAY] > 0 and client_gone(sv, cl, flat)):
        return
    entry = np.int64(cl.entry[flat])
    if entry >= 0 and sc[NODES_AWAY] > 0 and _cut_off(sv, np.int64(cl.node[flat]), entry):
        return
    node = entry if entry >= 0 else np.int64(cl.node[flat])
    alive = _entry_alive(
        sv, cl, rt, client, flat, node, server, flow[F_SINCE], flow[F_UNTIL], flow[F_POWER], t
    )
    if not alive:
        flow[F_SERVER] = -1
        return
    version = np.int64(rows.current[cl.pair[flat]])
    row[W_ENTRY] = entry
    row[W_OBSERVER] = entry if entry >= 0 else cl.observer[flat]
    row[W_VERSION] = version
    row[W_SERVER] = server
    row[W_STICKY] = 1
    row[W_ENTERED] = FLOW if version >= 0 and _listed(rows, version, server) else STALE_FLOW
    flow[F_UNTIL] = _extended(cl, client, flow[F_SINCE], flow[F_ANSWERED], t)
    _opens(cl, rt, row, flat, server)


@inner
def _datagram_routed(sv: Any, cl: Any, row: Any, flat: Any, t: Any, stale: Any) -> Any:
    """R27: a datagram has a server; if by the rules, that is a new entry. The cause if it is no more."""
    client = row[W_CLIENT]
    if row[W_ENTERED] == STALE_FLOW:
        return _C_CONNTRACK
    if row[W_ENTERED] == NO_FLOW and cl.reach[client] < _R_PINNED:
        entry = row[W_ENTRY]
        row[W_ENTERED] = OWN_FLOW
        row[W_POWER] = _power(sv, entry if entry >= 0 else np.int64(cl.node[flat]))
        if cl.socket[client] == _S_ONE:
            flow = cl.flow[flat]
            row[W_ENTERED] = FLOW
            flow[F_SERVER] = row[W_SERVER]
            flow[F_SINCE] = t
            flow[F_UNTIL] = t + cl.udp[client]
            flow[F_ANSWERED] = 0
            flow[F_POWER] = row[W_POWER]
    return stale


@inner
def _answer_passes(sv: Any, cl: Any, rt: Any, row: Any, flat: Any, t: Any) -> Any:
    """R27e: whether an answer at t gets back to the request's client; it keeps its entry alive."""
    if row[W_ENTERED] == NO_FLOW:
        return True
    client = row[W_CLIENT]
    server = row[W_SERVER]
    node = row[W_ENTRY] if row[W_ENTRY] >= 0 else np.int64(cl.node[flat])
    if row[W_ENTERED] == OWN_FLOW:
        since = row[W_BEGAN]
        return _entry_alive(
            sv, cl, rt, client, flat, node, server, since, since + cl.udp[client], row[W_POWER], t
        )
    flow = cl.flow[flat]
    alive = flow[F_SERVER] == server and _entry_alive(
        sv, cl, rt, client, flat, node, server, flow[F_SINCE], flow[F_UNTIL], flow[F_POWER], t
    )
    if alive:
        flow[F_UNTIL] = _extended(cl, client, flow[F_SINCE], flow[F_ANSWERED], t)
        flow[F_ANSWERED] = 1
    return alive


@inner
def _room(rt: Any, limit: Any, t: Any) -> Any:
    """R28: whether one more can be taken of what is limited (its row, -1 for no limit)."""
    if limit < 0:
        return True
    row = rt.limits[limit]
    most = row[L_MOST]
    for short in range(2):
        ring = row[L_RING] + short * most
        head = L_HEAD + 2 * short
        while row[head + 1] > 0 and rt.kept_until[ring + row[head]] <= t:
            row[head] = row[head] + 1 if row[head] + 1 < most else 0
            row[head + 1] -= 1
            row[L_TAKEN] -= 1
    return row[L_TAKEN] < most


@inner
def _take_one(rt: Any, limit: Any, waiting: Any, what: Any) -> None:
    """R28: an attempt takes a port or an entry."""
    rt.limits[limit, L_TAKEN] += 1
    waiting[W_HOLDS] |= what


@inner
def _kept(rt: Any, limit: Any, short: Any, until: Any) -> None:
    """R28: one is kept until an instant, in the queue of the longer or the shorter time; instants ascend."""
    row = rt.limits[limit]
    head = L_HEAD + 2 * short
    tail = row[head] + row[head + 1]
    if tail >= row[L_MOST]:
        tail -= row[L_MOST]
    rt.kept_until[row[L_RING] + short * row[L_MOST] + tail] = until
    row[head + 1] += 1


@inner
def _give_back(cl: Any, rt: Any, row: Any, flat: Any, outcome: Any, t: Any) -> None:
    """R28: the attempt of a wait-table row has ended at t."""
    if row[W_HOLDS] & HOLDS_PORT:
        if outcome in (_OK, _REQUEST_TIMEOUT, _REJECTED, _MISDELIVERED):
            _kept(rt, cl.port_limit[flat], 0, t + TIME_WAIT)
        else:
            rt.limits[cl.port_limit[flat], L_TAKEN] -= 1
    if row[W_HOLDS] & HOLDS_ENTRY:
        if outcome in (_REFUSED, _RESET):
            _kept(rt, cl.table_limit[flat], 1, t + TABLE_CLOSE)
        else:
            _kept(rt, cl.table_limit[flat], 0, t + TABLE_TIME_WAIT)
    row[W_HOLDS] = 0


@inner
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
        _look_again(cl, rows, client, a, b, t)
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
    elif kind == _K_SHARED:
        _shared_ends(sc, sv, cl, ev, work, out, a, t)
    elif kind == _K_SHARED_LATE:
        _shared_late(sc, cl, ev, work, out, client, request, a, b, t)
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
        outcome = _CONNECT_TIMEOUT if cl.socket[client] == _S_STREAM else _REQUEST_TIMEOUT
        cause = row[W_CAUSE]
        if rank == _COMPLETION:
            outcome = _UNREACHABLE
            cause = _C_RESOLVER if cl.reach[client] >= _R_PINNED else _C_STALE
        give_up(sc, cl, ev, work, out, a, t, outcome, cause)


@inner
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
            service = _slowed(sv, server, start, row[J_SERVICE])
            row[J_DUE] = start + service
            record = out.scratch
            record[O_CLIENT] = JOB_CLIENT
            record[O_REQUEST] = job
            record[O_SOURCE] = 0
            record[O_ARRIVAL] = t
            record[O_SYNS] = 1
            record[O_SERVER] = server
            record[O_CONNECTED] = t
            record[O_START] = start
            record[O_END] = start + service
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


@inner
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


@inner
def users_draws_used_up(cl: Any, ev: Any) -> Any:
    """Whether the next event is a user's request of which nothing is drawn yet."""
    return ev.what[0, 0] == _K_LOOP and cl.loop_place[ev.what[0, 1]] == cl.loop_route.shape[1]


@inner
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


@inner
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
        t = rows.truth_t[k]
        sv.listened[server] = t if t > 0 else -sv.age[sv.group[server]]
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


@inner
def _virtual_of(cl: Any, rt: Any, client: Any, flat: Any, entry: Any) -> Any:
    """The virtual service that chooses for a source that enters at a node, -1 where nothing does (R26)."""
    if cl.target_pair[client] >= 0:
        return np.int64(rt.virtual.row_of_entry[cl.entry_at[client] + entry])
    return np.int64(rt.virtual.row_of_source[flat])


@inner
def _forget(vs: Any, t: Any) -> None:
    """R26: connections that were remembered long enough are not any more."""
    while vs.counts[1] > 0 and vs.ring[vs.counts[0], 0] <= t:
        oldest = vs.ring[vs.counts[0]]
        vs.over[oldest[1], oldest[2]] -= 1
        vs.counts[0] = (vs.counts[0] + 1) % len(vs.ring)
        vs.counts[1] -= 1


@inner
def _remember(vs: Any, virtual: Any, server: Any, accepted: Any, t: Any) -> None:
    """R26: an attempt at a server is booked; the caller has seen to room."""
    vs.open[virtual, server] -= 1
    if accepted:
        vs.last_end[virtual, server] = t + REMEMBERED
    if accepted and vs.scheduler[virtual] == _FEWEST:
        vs.over[virtual, server] += 1
        newest = vs.ring[(vs.counts[0] + vs.counts[1]) % len(vs.ring)]
        newest[0] = t + REMEMBERED
        newest[1] = virtual
        newest[2] = server
        vs.counts[1] += 1
    _forget(vs, t)


@inner
def _without_those_gone(vs: Any, virtual: Any) -> None:
    """R26: close the ranks after some are no longer there; of a last chosen the one before it is left."""
    kept = 0
    last = np.int64(-1)
    for i in range(vs.size[virtual]):
        server = vs.destinations[virtual, i]
        if i == vs.last[virtual]:
            last = np.int64(kept)
        if vs.there[virtual, server] == 1:
            vs.destinations[virtual, kept] = server
            kept += 1
        elif vs.leaving[virtual, server] >= 0:
            vs.leaving[virtual, server] = -1
            vs.n_leaving[virtual] -= 1
    vs.last[virtual] = last if last < kept else np.int64(-1)
    vs.size[virtual] = kept
    vs.dirty[virtual] = 1


@inner
def _drop_drained(vs: Any, virtual: Any, t: Any) -> None:
    """R26: what is leaving goes at the first check at which nothing is remembered of it."""
    if vs.n_leaving[virtual] == 0:
        return
    some = False
    for i in range(vs.size[virtual]):
        server = vs.destinations[virtual, i]
        since = vs.leaving[virtual, server]
        if since >= 0 and vs.open[virtual, server] == 0:
            checks = max((vs.last_end[virtual, server] - since + CHECK - 1) // CHECK, 1)
            if since + checks * CHECK <= t:
                vs.there[virtual, server] = 0
                some = True
    if some:
        _without_those_gone(vs, virtual)


@inner
def _take_list(vs: Any, rows: Any, virtual: Any, version: Any, t: Any) -> None:
    """R26: kube-proxy programs a list."""
    low = rows.version_at[version] if version >= 0 else 0
    n = rows.version_at[version + 1] - low if version >= 0 else 0
    _drop_drained(vs, virtual, t)
    vs.dirty[virtual] = 1
    if vs.scheduler[virtual] == _TUPLE:
        for i in range(n):
            vs.destinations[virtual, n - 1 - i] = rows.version_servers[low + i]
        vs.size[virtual] = n
        return
    vs.counts[2] += 1
    again = False
    for i in range(n):
        server = rows.version_servers[low + i]
        vs.mark[0, server] = vs.counts[2]
        if vs.leaving[virtual, server] >= 0:
            vs.there[virtual, server] = 0
            again = True
    if again:
        _without_those_gone(vs, virtual)
    for i in range(n):
        server = rows.version_servers[low + i]
        if vs.there[virtual, server] == 0:
            vs.there[virtual, server] = 1
            vs.destinations[virtual, vs.size[virtual]] = server
            vs.size[virtual] += 1
    hashes = vs.scheduler[virtual] in (_BY_SOURCE, _MAGLEV)
    for i in range(vs.size[virtual]):
        server = vs.destinations[virtual, i]
        if vs.mark[0, server] != vs.counts[2] and vs.leaving[virtual, server] < 0:
            if hashes and (vs.open[virtual, server] > 0 or vs.last_end[virtual, server] > t):
                vs.leaving[virtual, server] = t
                vs.n_leaving[virtual] += 1
            else:
                vs.there[virtual, server] = 0
    _without_those_gone(vs, virtual)


@inner
def _followed(vs: Any, rows: Any, pair: Any, version: Any, t: Any) -> None:
    """A pair holds another version: its virtual services take it."""
    for k in range(vs.of_pair_at[pair], vs.of_pair_at[pair + 1]):
        _take_list(vs, rows, np.int64(vs.of_pair[k]), np.int64(version), t)


@inner
def _build_table(vs: Any, virtual: Any) -> None:
    """R26: Maglev's table; destinations take turns, each along its own permutation of the entries."""
    entries = vs.entries[virtual]
    size = vs.size[virtual]
    sharing = min(size, entries)
    table = vs.table[virtual]
    for i in range(sharing):
        server = vs.destinations[virtual, size - 1 - i]
        offset = u32_at(vs.table_key[0], server, 0, 0) % np.uint64(entries)
        skip = u32_at(vs.table_key[0], server, 1, 0) % np.uint64(entries - 1)
        vs.at[0, i] = np.int64(offset)
        vs.skip[0, i] = np.int64(skip) + 1
    for entry in range(entries):
        table[entry] = -1
    left = entries
    while left > 0:
        for i in range(min(sharing, left)):
            entry = vs.at[0, i]
            while table[entry] >= 0:
                entry += vs.skip[0, i]
                if entry >= entries:
                    entry -= entries
            table[entry] = vs.destinations[virtual, size - 1 - i]
            vs.at[0, i] = entry
        left -= min(sharing, left)
    vs.dirty[virtual] = 0


@inner
def _scheduled(vs: Any, row: Any, virtual: Any, t: Any) -> Any:
    """R26: the destination of a new connection of a row of the wait table, -1 where its hash names none."""
    _forget(vs, t)
    _drop_drained(vs, virtual, t)
    size = vs.size[virtual]
    scheduler = vs.scheduler[virtual]
    if scheduler == _TURNS:
        place = vs.last[virtual] - 1 if vs.last[virtual] > 0 else size - 1
        vs.last[virtual] = place
        return np.int64(vs.destinations[virtual, place])
    if scheduler == _FEWEST:
        best = np.int64(-1)
        least = np.int64(0)
        for i in range(size - 1, -1, -1):
            server = np.int64(vs.destinations[virtual, i])
            overhead = 256 * np.int64(vs.open[virtual, server]) + vs.over[virtual, server]
            if best < 0 or overhead < least:
                best = server
                least = overhead
        return best
    key = vs.hash_key[row[W_CLIENT]]
    if scheduler == _BY_SOURCE:
        bucket = np.int64(u32_at(key, row[W_SOURCE], 0, 0) & np.uint64(255))
        server = np.int64(vs.destinations[virtual, size - 1 - bucket % size])
    else:
        if vs.dirty[virtual] == 1:
            _build_table(vs, virtual)
        word = u32_at(key, row[W_REQUEST], row[W_ATTEMPTS] - 1, 0)
        server = np.int64(vs.table[virtual, np.int64(word % np.uint64(vs.entries[virtual]))])
    return server if vs.leaving[virtual, server] < 0 else np.int64(-1)


@inner
def _slowed(sv: Any, server: Any, start: Any, service: Any) -> Any:
    """R32: how long work takes that starts at `start`."""
    group = sv.group[server]
    length = sv.warm_up[group]
    age = start - sv.listened[server]
    if age >= length:
        return np.int64(service)
    more = sv.slowdown[group] - 1000
    if sv.falls[group] == 1:
        more = more * (length - age) // length
    counted = min(service, LONGEST_WORK)
    return np.int64(service + counted // 1000 * more + counted % 1000 * more // 1000)


@inner
def shared_gain(dt: Any, works: Any, cores: Any) -> Any:
    """R31: how far the clock of a server gets in dt ns; in two parts, which stay in range."""
    parts = 1000 * works
    rate = UNITS * min(parts, cores)
    return dt // parts * rate + dt % parts * rate // parts


@inner
def shared_wait(units: Any, works: Any, cores: Any) -> Any:
    """R31: how long until the clock has grown by so many units; NEVER if too long."""
    if units <= 0:
        return np.int64(0)
    parts = 1000 * works
    rate = UNITS * min(parts, cores)
    whole = units // rate
    if whole > TOO_LATE // parts:
        return NEVER
    wait = np.int64(whole * parts + (units % rate * parts + rate - 1) // rate)
    return wait if wait <= TOO_LATE else NEVER


@compiled
def shared_due(until: Any, place: Any, clock: Any, at: Any, cores: Any) -> Any:
    """R31: when the work ends whose H_UNTIL is until[place], ascending, if nothing more is accepted."""
    left = len(until)
    for k in range(place + 1):
        wait = shared_wait(until[k] - clock, left, cores)
        if wait == NEVER:
            return NEVER
        at += wait
        clock += shared_gain(wait, left, cores)
        left -= 1
    return at


@compiled
def shared_clock(sv: Any, server: Any, t: Any) -> Any:
    """R31: the clock of a server at an instant up to which its works did not change."""
    share = sv.share[server]
    if share[S_WORKS] == 0:
        return np.int64(0)
    return share[S_CLOCK] + shared_gain(t - share[S_AT], share[S_WORKS], sv.cores[sv.group[server]])


@inner
def _shared_full(sv: Any, server: Any) -> Any:
    """R31: whether the cores and the places are taken."""
    group = sv.group[server]
    limit = sv.queue[group]
    return limit >= 0 and sv.share[server, S_WORKS] >= (sv.cores[group] + 999) // 1000 + limit


@inner
def _shared_before(table: Any, a: Any, b: Any) -> Any:
    if table[a, H_UNTIL] != table[b, H_UNTIL]:
        return table[a, H_UNTIL] < table[b, H_UNTIL]
    if table[a, O_CLIENT] != table[b, O_CLIENT]:
        return table[a, O_CLIENT] < table[b, O_CLIENT]
    return table[a, O_REQUEST] < table[b, O_REQUEST]


@inner
def _meld(table: Any, a: Any, b: Any) -> Any:
    """Two skew heaps as one (Sleator and Tarjan 1986, top down); -1 is an empty one."""
    if a < 0:
        return b
    if b < 0:
        return a
    if _shared_before(table, b, a):
        a, b = b, a
    root = a
    while True:
        right = table[a, H_RIGHT]
        table[a, H_RIGHT] = table[a, H_LEFT]
        if right < 0:
            table[a, H_LEFT] = b
            return root
        if _shared_before(table, b, right):
            b, right = right, b
        table[a, H_LEFT] = right
        a = right


@inner
def _share(sc: Any, sv: Any, ev: Any, work: Any, row: Any) -> None:
    """R31: the request just accepted that `row` describes shares its server's cores; there is room."""
    h = sc[SHARED_FREE]
    one = work.shared[h]
    sc[SHARED_FREE] = one[H_LEFT]
    for column in range(OPEN_COLUMNS):
        one[column] = row[column]
    server = one[O_SERVER]
    t = one[O_CONNECTED]
    share = sv.share[server]
    clock = shared_clock(sv, server, t)
    one[O_SETTLED] = 0
    one[H_ALONE] = one[O_END]
    one[O_END] = NEVER
    one[H_BEGUN] = clock
    one[H_UNTIL] = clock + UNITS * min(one[H_ALONE] - t, LONGEST_WORK)
    one[H_STATE] = SHARED_RUNS
    one[H_LEFT] = -1
    one[H_RIGHT] = -1
    share[S_CLOCK] = clock
    share[S_AT] = t
    share[S_WORKS] += 1
    share[S_ROOT] = _meld(work.shared, share[S_ROOT], h)
    if one[O_CLIENT] == JOB_CLIENT:
        work.job[one[O_REQUEST], J_SHARED] = h
    if one[O_DEADLINE] < NEVER:
        push(
            sc, ev, one[O_DEADLINE], _DEADLINE, one[O_CLIENT], one[O_REQUEST], _K_SHARED_LATE, h, one[O_BEGAN]
        )
    _look_at_shared(sc, sv, ev, work, server)


@inner
def _look_at_shared(sc: Any, sv: Any, ev: Any, work: Any, server: Any) -> None:
    """Put the next end at a server on the heap, unless it will be looked at before."""
    share = sv.share[server]
    if share[S_ROOT] < 0:
        return
    units = work.shared[share[S_ROOT], H_UNTIL] - share[S_CLOCK]
    wait = shared_wait(units, share[S_WORKS], sv.cores[sv.group[server]])
    if wait < NEVER and share[S_AT] + wait < share[S_WAKE]:
        share[S_WAKE] = share[S_AT] + wait
        push(sc, ev, share[S_WAKE], _COMPLETION, -1, server, _K_SHARED, server, 0)


@inner
def _first_over(sv: Any, work: Any, server: Any, t: Any) -> Any:
    """Take the work of a server that is the first to end, at t; what it had is booked (R19)."""
    share = sv.share[server]
    share[S_CLOCK] = shared_clock(sv, server, t)
    share[S_AT] = t
    h = share[S_ROOT]
    one = work.shared[h]
    share[S_ROOT] = _meld(work.shared, one[H_LEFT], one[H_RIGHT])
    share[S_WORKS] -= 1
    sv.work[server] += (min(share[S_CLOCK], one[H_UNTIL]) - one[H_BEGUN]) // UNITS
    if one[O_CLIENT] == JOB_CLIENT:
        work.job[one[O_REQUEST], J_SHARED] = -1
        work.job[one[O_REQUEST], J_DUE] = t
    return h


@compiled
def free_shared(sc: Any, work: Any, h: Any) -> None:
    """Give a row of the table of shared work back."""
    work.shared[h, H_STATE] = SHARED_FREED
    work.shared[h, H_LEFT] = sc[SHARED_FREE]
    sc[SHARED_FREE] = h


@inner
def _shared_ends(sc: Any, sv: Any, cl: Any, ev: Any, work: Any, out: Any, server: Any, t: Any) -> None:
    """R31: a server is looked at: one work ends if it has had its service by now."""
    share = sv.share[server]
    if share[S_WAKE] != t:
        return
    share[S_WAKE] = NEVER
    if share[S_ROOT] >= 0 and shared_clock(sv, server, t) >= work.shared[share[S_ROOT], H_UNTIL]:
        h = _first_over(sv, work, server, t)
        one = work.shared[h]
        if one[O_SETTLED] == UNANSWERED:
            one[H_STATE] = SHARED_ENDED
            one[O_END] = t
        else:
            if one[O_SETTLED] == 0:
                finish(sc, cl, ev, work, out, one, t, _OK, _C_NONE)
            free_shared(sc, work, h)
    _look_at_shared(sc, sv, ev, work, server)


@inner
def _shared_late(
    sc: Any, cl: Any, ev: Any, work: Any, out: Any, client: Any, request: Any, h: Any, began: Any, t: Any
) -> None:
    """R15, R31: the deadline of shared work; the row may be another's by now."""
    one = work.shared[h]
    same = one[O_CLIENT] == client and one[O_REQUEST] == request and one[O_BEGAN] == began
    if one[H_STATE] == SHARED_RUNS and same and one[O_SETTLED] == 0:
        one[O_SETTLED] = 1
        cause = _C_OVERLOAD if one[H_ALONE] <= t else _C_SLOW
        finish(sc, cl, ev, work, out, one, t, _REQUEST_TIMEOUT, cause)


@inner
def _cut_one_shared(sc: Any, sv: Any, cl: Any, rows: Any, ev: Any, work: Any, out: Any) -> Any:
    """R14: if the next row of the truth cuts shared work, end one such work, and say so."""
    k = sc[TRUTH_AT]
    server = rows.truth_server[k]
    if rows.truth_kind[k] != _CUT or sv.share[server, S_ROOT] < 0:
        return False
    t = rows.truth_t[k]
    h = _first_over(sv, work, server, t)
    one = work.shared[h]
    if one[O_SETTLED] == UNANSWERED:
        one[H_STATE] = SHARED_LOST
        return True
    if one[O_SETTLED] == 0 and one[O_WAIT] >= 0 and cl.socket[one[O_CLIENT]] != _S_STREAM:
        _unheard(sc, cl, ev, work, one[O_WAIT], _C_CUT)
    elif one[O_SETTLED] == 0:
        finish(sc, cl, ev, work, out, one, t, _EOF if one[O_START] < t else _RESET, _C_CUT)
    free_shared(sc, work, h)
    return True


@compiled
def lose_shared(sc: Any, sv: Any, work: Any, server: Any, t: Any) -> None:
    """R18c: all shared work of a server is lost without a word."""
    while sv.share[server, S_ROOT] >= 0:
        free_shared(sc, work, _first_over(sv, work, server, t))


@inner
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
    # what every arrival reads, at hand
    state, group_of, simple, worker_count, free = sv.state, sv.group, sv.simple, sv.workers, sv.free
    last_end, next_cut, accepted, worked = sv.last_end, sv.next_cut, sv.accepted, sv.work
    pair_of, entry_of, law, current = cl.pair, cl.entry, cl.law, rows.current
    version_at, version_servers, load, bits = rows.version_at, rows.version_servers, out.load, out.bits
    services = sl.service
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
        if rt.virtual.counts[1] >= len(rt.virtual.ring):
            return GROW_REMEMBERED, 0
        if work.shared[sc[SHARED_FREE], H_LEFT] < 0:
            return GROW_SHARED, 0
        if t_heap < until and users_draws_used_up(cl, ev):
            return NEED_LOOP, 0
        if t_truth <= t_belief and t_truth <= t_heap and t_truth <= t_arrival:
            if not _cut_one_shared(sc, sv, cl, rows, ev, work, out):
                _truth_row(sc, sv, rows)
            continue
        if t_belief <= t_heap and t_belief <= t_arrival:
            if sc[LOG_SIZE] >= len(rows.log_t):
                return GROW_LOG, 0
            k = sc[BELIEF_AT]
            sc[BELIEF_AT] = k + 1
            if cl.clean_row[rows.belief_pair[k]] >= 0:
                _note_cleaning(cl, rt, rows, k)
            rows.current[rows.belief_pair[k]] = rows.belief_version[k]
            _followed(rt.virtual, rows, rows.belief_pair[k], rows.belief_version[k], rows.belief_t[k])
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
            entry = np.int64(entry_of[flat])
            if pinned:
                if pulls:
                    _pull(sc, cl, rows, client, source, t)
                server = np.int64(cl.target[flat])
                if held:
                    version = np.int64(cl.held[flat])
                    server = _from_held(cl, rows, client, flat, route & LOW)
            elif reach != _R_NONE:
                pair = np.int64(pair_of[flat])
                if balanced:
                    entry = _enter(cl, rows, client, first_request + i, 0, 0)
                    pair = np.int64(-1)
                    if entry >= 0:
                        pair = np.int64(cl.entry_pair[cl.entry_at[client] + entry])
                if pair >= 0:
                    version = np.int64(current[pair])
                if version >= 0:
                    low = version_at[version]
                    n = version_at[version + 1] - low
                    if n > 0:
                        at = np.int64(((route & LOW) * np.uint64(n)) >> np.uint64(32))
                        server = np.int64(version_servers[low + at])
            if (
                server >= 0
                and plain
                and state[server] == _LISTENING
                and simple[group_of[server]] == 1
                and not (away and (client_gone(sv, cl, flat) or link_lost(sv, cl, flat, entry, server)))
            ):
                # the common case: accepted at once, unlimited places, neither warming up nor shared
                if held:
                    cl.uses[flat] += 1
                group = group_of[server]
                service = services[client, law[client, group], i]
                workers = worker_count[group]
                start = t
                if workers == 1:
                    start = max(t, free[server, 0])
                    free[server, 0] = start + service
                elif workers > 1:
                    best = 0
                    for k in range(1, workers):
                        if free[server, k] < free[server, best]:
                            best = k
                    start = max(t, free[server, best])
                    free[server, best] = start + service
                end = start + service
                last_end[server] = max(last_end[server], end)
                if keep < 2 and end < until and end < next_cut[server] and end - t <= timeout:
                    load[server, t // SECOND] += 1
                    accepted[server] += 1
                    worked[server] += service
                    bits[0] = np.float64(end - t)
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
                    work.wait_service[w, k] = services[client, k, i]
                u = route & LOW
                i += 1
                _attempt(until, vanished_after, sc, sv, cl, rt, kept, rows, ev, work, out, w, t, u)
            if (
                sc[HEAP_SIZE] > heap_room
                or sc[OPEN_SIZE] > open_room
                or sc[OUT_SIZE] > out_room
                or work.wait[sc[WAIT_FREE], W_NEXT] < 0
                or kept.table[sc[CONNECTION_FREE], C_NEXT] < 0
                or work.shared[sc[SHARED_FREE], H_LEFT] < 0
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
