"""Arrays of the vectorised engine, grouped by what they describe; all are owned by `VectorisedEngine`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "HIST_BINS",
    "JOB_CLIENT",
    "N_CAUSES",
    "N_OUTCOMES",
    "OUT_COLUMNS",
    "SCALARS",
    "Clients",
    "Events",
    "Kept",
    "Output",
    "Routers",
    "Rows",
    "Servers",
    "Slots",
    "Work",
]

Array = Any  # a NumPy array; kernels are typed by Numba from what they are given

HIST_BINS = 64 * 64
JOB_CLIENT = 1 << 31
N_OUTCOMES = 12
N_CAUSES = 14
OUT_COLUMNS = 16

# places in the int64 array of scalars
SCALARS = 16
(
    HEAP_SIZE,
    WAIT_FREE,
    OPEN_SIZE,
    OUT_SIZE,
    TRUTH_AT,
    BELIEF_AT,
    RESOLVED,
    LOG_SIZE,
    WINDOW_OPENED,
    NODES_AWAY,
    CONNECTION_FREE,
) = range(11)


class Servers(NamedTuple):
    """Per server (first axis): what a SYN meets there.

    state int8; group int32; next_cut, last_end int64; accepted int64; work int64, service ns of what was
    accepted, less what a cut took (R19); free int64 (n, max workers), next
    instants at which a worker is free; ring int64 (flat), starts of waiting requests; ring_at int64 (n + 1,),
    where a server's ring begins; ring_head, ring_len int32; views_at int32 (n + 1,), views int32, CSR;
    listening int32 (n_views,), servers of a view that listen now. node int32, -1 where not placed.
    closed int64: its last CLOSE or CUT row, -1 before.
    Per node: nodes int8, `NodeState`; power int64, how often it was lost.
    Per group: workers, queue int32; full int8; idle int64.
    """

    state: Array
    group: Array
    next_cut: Array
    last_end: Array
    accepted: Array
    work: Array
    free: Array
    ring: Array
    ring_at: Array
    ring_head: Array
    ring_len: Array
    views_at: Array
    views: Array
    listening: Array
    workers: Array
    queue: Array
    full: Array
    node: Array
    nodes: Array
    closed: Array
    idle: Array
    power: Array


class Clients(NamedTuple):
    """Per client, and per source (flat, a client's sources begin at source_at[client]).

    icmp_tokens, icmp_last, target (server or -1), resolves (count), phase, node int64/int32 per source;
    pair int32 per source: place in `current` of what its observer believes; resolver_pair per client.
    held int32 per source: the version it holds; first, uses int64: where its rotation began, how far it is.
    entry int32 per source: the node it enters at, or -1. Per client: balancer int32; target_pair int32: place
    in `current` of what its balancer believes, -1 without one; entry_pair int32 (flat): by node entered at,
    place in `current` of what it believes, from entry_at[client] on; rotates int8.
    R22 to R24: booked, special int8: whether attempts are booked, and whether choices are not R5's alone;
    turn, tokens int64 per source; router_row int64 per source: its row in `Routers`, -1 without; stuck_at,
    stuck_width: where a client's affinities begin, and how many a source has; retry_on int64: a bit to an
    outcome.
    law int32 (n_clients, n_groups): which service-time law of the client's slot a group uses.
    R29: users int64 per client; a client's users begin at user_at[client]. Per user (first axis): loop_place
    int64, which of its drawn requests is its present or next; loop_route uint64 (n, k), loop_think int64
    (n, k), how long it thinks after it; loop_service int64 (n, laws, k).
    """

    view_id: Array
    reach: Array
    on_empty: Array
    resolve: Array
    period: Array
    resolver_pair: Array
    icmp_limited: Array
    connect_timeout: Array
    request_timeout: Array
    ladder_at: Array
    ladder: Array
    repick_key: Array
    resolve_key: Array
    source_at: Array
    n_sources: Array
    observer: Array
    pair: Array
    phase: Array
    icmp_tokens: Array
    icmp_last: Array
    target: Array
    resolves: Array
    node: Array
    held: Array
    first: Array
    uses: Array
    entry: Array
    balancer: Array
    target_pair: Array
    entry_at: Array
    entry_pair: Array
    entry_key: Array
    rotates: Array
    booked: Array
    special: Array
    balance: Array
    choice_key: Array
    turn: Array
    router_row: Array
    affinity: Array
    stuck_at: Array
    stuck_width: Array
    retries: Array
    retry_on: Array
    backoff: Array
    backoff_max: Array
    jitter: Array
    retry_key: Array
    excludes_tried: Array
    budget_permille: Array
    budget_burst: Array
    tokens: Array
    eject_after: Array
    eject_ns: Array
    keeps: Array
    keep_idle: Array
    max_idle: Array
    max_age: Array
    age_jitter: Array
    age_key: Array
    max_requests: Array
    hears: Array
    law: Array
    users: Array
    user_at: Array
    loop_place: Array
    loop_route: Array
    loop_think: Array
    loop_service: Array


class Routers(NamedTuple):
    """What sources remember of servers (R23, R24), one row to a source that does, one column to a server.

    open, fails int32; fail_t, ejected int64. stuck int32, stuck_t int64 (flat): affinities. candidates int32:
    room for a list.
    """

    open: Array
    fails: Array
    fail_t: Array
    ejected: Array
    stuck: Array
    stuck_t: Array
    candidates: Array


class Kept(NamedTuple):
    """Connections (R25): table int64 (n, columns); top int64 per source: the newest idle one, or the channel,
    -1 without; size int64 per source."""

    table: Array
    top: Array
    size: Array


class Slots(NamedTuple):
    """The drawn requests at hand, per client: arrival int64, route uint64 (n_clients, slot),
    service int64 (n_clients, laws, slot); first, at, size int64 per client; done int8: no slot follows.
    head int64: instant of each client's next arrival, NEVER if none; order int64: a heap of clients by it."""

    arrival: Array
    route: Array
    service: Array
    first: Array
    at: Array
    size: Array
    done: Array
    head: Array
    order: Array


class Rows(NamedTuple):
    """The window's rows: truth (t, server, kind), belief (t, pair, version), and the cuts by server."""

    truth_t: Array
    truth_server: Array
    truth_kind: Array
    belief_t: Array
    belief_pair: Array
    belief_version: Array
    current: Array
    version_at: Array
    version_servers: Array
    log_t: Array
    log_pair: Array
    log_version: Array
    cut_at: Array
    cut_t: Array
    cut_next: Array


class Events(NamedTuple):
    """The heap of what lies ahead: (t, rank, client, request) orders it; kind and payload say what to do.

    key int64 (n, 4); what int64 (n, 3): kind, payload a, payload b.
    """

    key: Array
    what: Array


class Work(NamedTuple):
    """What is not settled: `wait` (still connecting, or booked) and `open` (accepted), int64 tables.

    tried int32 (n_wait, most attempts): servers that a booked request has tried.
    """

    wait: Array
    wait_service: Array
    tried: Array
    open: Array
    job: Array


class Output(NamedTuple):
    """Tallies and records. keep int64 (1,): 0 tallies only, 1 failures too, 2 every request.
    bits, scratch: room for a float's bits and for a row of the open table."""

    rows: Array
    count: Array
    hist: Array
    retries: Array
    reused: Array
    load: Array
    keep: Array
    bits: Array
    scratch: Array


def empty_rows() -> np.ndarray[Any, np.dtype[np.int64]]:
    """An empty int64 column."""
    return np.empty(0, dtype=np.int64)
