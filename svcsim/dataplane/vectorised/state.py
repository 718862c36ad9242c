"""Arrays of the vectorised engine, grouped by what they describe; all are owned by `VectorisedEngine`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from svcsim.dataplane.vectorised.bundles import bundle

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
    "Virtuals",
    "Work",
]

Array = Any  # a NumPy array; kernels are typed by Numba from what they are given

HIST_BINS = 64 * 64
JOB_CLIENT = 1 << 31
N_OUTCOMES = 12
N_CAUSES = 17
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
    SHARED_FREE,
) = range(12)


@bundle
class Servers(NamedTuple):
    """Per server (first axis): what a SYN meets there.

    state int8; group int32; next_cut, last_end int64; accepted int64; work int64, service ns of what was
    accepted, less what a cut took (R19); free int64 (n, max workers), next
    instants at which a worker is free; ring int64 (flat), starts of waiting requests; ring_at int64 (n + 1,),
    where a server's ring begins; ring_head, ring_len int32; views_at int32 (n + 1,), views int32, CSR;
    listening int32 (n_views,), servers of a view that listen now. node int32, -1 where not placed.
    closed int64: its last CLOSE or CUT row, -1 before.
    Per node: nodes int8, `NodeState`; power int64, how often it was lost.
    Per group: workers, queue int32; full int8; idle int64; simple int8: no queue limit, no R31, no R32.
    R32: listened int64 per server, since when it listens; per group age, warm_up, slowdown int64, falls int8.
    R31: cores int64 per group, thousandths, 0 for workers; share int64 (n, 5) per server, `kernel.S_*`.
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
    simple: Array
    listened: Array
    age: Array
    warm_up: Array
    slowdown: Array
    falls: Array
    cores: Array
    share: Array


@bundle
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
    R27: socket, cleaning int8, udp, udp_stream int64 per client; flow int64 (sources, columns): the entry of
    a source's socket; clean_place int32 per source: its row in Routers.cleaned, or -1; clean_row int32 per
    place in `current`: the row that its beliefs turn, or -1; clean_before int64 per row.
    R28: port_limit, table_limit int64 per source: a row of Routers.limits, or -1.
    view_of int32 per source: the view that R7 asks about. R34: floor int64 per client, looked int64 per
    source.
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
    socket: Array
    cleaning: Array
    udp: Array
    udp_stream: Array
    flow: Array
    clean_place: Array
    clean_row: Array
    clean_before: Array
    view_of: Array
    floor: Array
    looked: Array
    port_limit: Array
    table_limit: Array
    users: Array
    user_at: Array
    loop_place: Array
    loop_route: Array
    loop_think: Array
    loop_service: Array


@bundle
class Virtuals(NamedTuple):
    """Virtual services (R26), one row to each, and a column to a server where there are two axes.

    row_of_source int32 per source, row_of_entry int32 as entry_pair: the row, -1 for none. of_pair_at int64,
    of_pair int32, CSR: the rows that follow a pair's beliefs. hash_key uint64 per client; table_key uint64
    (1,). scheduler int8; size int64: how many destinations; last int64: place of the last chosen, -1 for the
    head; n_leaving, entries int64; dirty int8: the table is to be built; table int32 (n, entries), servers.
    destinations int32, last to first, so that the newest is at the end; there int8: is it one; leaving
    int64: since when, -1 where it is not; open, over int32: attempts, and what is remembered beyond its end;
    last_end int64: until when anything is. mark, at, skip int64 (1, n_servers): room. ring int64 (n, 3):
    (until, row, server) remembered; counts int64 (3,): its head, its length, the number of lists taken.
    """

    row_of_source: Array
    row_of_entry: Array
    scheduler: Array
    of_pair_at: Array
    of_pair: Array
    hash_key: Array
    table_key: Array
    size: Array
    last: Array
    n_leaving: Array
    entries: Array
    dirty: Array
    table: Array
    destinations: Array
    there: Array
    leaving: Array
    open: Array
    over: Array
    last_end: Array
    mark: Array
    at: Array
    skip: Array
    ring: Array
    counts: Array


@bundle
class Routers(NamedTuple):
    """What sources remember of servers (R23, R24), one row to a source that does, one column to a server.

    open, fails int32; fail_t, ejected, takes, learned int64. stuck int32, stuck_t int64 (flat):
    affinities. candidates int32: room for a list. virtual: what chooses in place of sources.
    cleaned int64 (2, rows, n_servers): when an entry to a server would have been deleted
    last, by cleaning REMOVED and SERVING (R27b); marks int8 (n_servers,): room for _note_cleaning.
    limits int64 (rows, columns), kept_until int64 (flat): what is limited, and its queues (R28).
    """

    open: Array
    fails: Array
    fail_t: Array
    ejected: Array
    takes: Array
    learned: Array
    stuck: Array
    stuck_t: Array
    candidates: Array
    virtual: Virtuals
    cleaned: Array
    marks: Array
    limits: Array
    kept_until: Array


@bundle
class Kept(NamedTuple):
    """Connections (R25): table int64 (n, columns); top int64 per source: the newest idle one, or the channel,
    -1 without; size int64 per source."""

    table: Array
    top: Array
    size: Array


@bundle
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


@bundle
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


@bundle
class Events(NamedTuple):
    """The heap of what lies ahead: (t, rank, client, request) orders it; kind and payload say what to do.

    key int64 (n, 4); what int64 (n, 3): kind, payload a, payload b.
    """

    key: Array
    what: Array


@bundle
class Work(NamedTuple):
    """What is not settled: `wait` (still connecting, or booked) and `open` (accepted), int64 tables.

    tried int32 (n_wait, most attempts): servers that a booked request has tried.
    shared int64 (n, columns): accepted work that shares its server's cores (R31).
    """

    wait: Array
    wait_service: Array
    tried: Array
    open: Array
    job: Array
    shared: Array


@bundle
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
