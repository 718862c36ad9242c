"""The law of the data plane: what both engines must do, rule by rule.

Code and tests cite rules by number. Everything here is an int64 nanosecond or a small integer; no float
reaches an engine. Agreement of two engines means equal arrays, every column of `RECORD_DTYPE`.

**Time and order**

R1. *Total order.* What happens at one instant is ordered by (t, rank, client, request). Ranks, first to
    last: NODE, TRUTH, BELIEF, COMPLETION, DEADLINE, SYN, ARRIVAL, PULL (`Rank`). Node and truth rows keep the
    order in which the control plane wrote them. DEADLINE precedes SYN because a client arms its connect timer
    before the kernel arms the first retransmission. SYN and ARRIVAL events of injected jobs (R17) come
    after those of all clients.
R2. *Windows.* `advance(window)` is half-open: it handles every event with t < window.until_ns and no
    other. Any cutting of time into windows gives the same records.
R3. *A record* is one request: see `RECORD_DTYPE`. A request starts when its arrival instant is below the
    run's duration. What is not settled at the end of the run keeps outcome OPEN, cause NONE,
    end_ns = -1; settled means its settling instant is < duration.

**Routing** (at a SYN: the first at the arrival instant, j = 0; later ones by R8, j = 1, 2, ...)

R4. *Source.* Each request leaves from one source of its client: source = (route_hi * n_sources) >> 32,
    with route_hi the high half of the request's route word. A source belongs to an observer, fixed.
R5. *Pick.* From a list of n endpoints the pick is index (u * n) >> 32; u = the low half of the route word
    for j = 0, and `rng.u32_at(repick_key, request, j)` for j >= 1.
R6. *Reach.*  NONE: what the client addresses cannot be routed from where it is (pod network from outside):
    UNREACHABLE at once, cause NOT_ROUTED, no SYN is answered (syns = 1).
    BELIEF: the list is the version that the source's observer holds now for the source's view.
    PINNED: the address is the one the source holds (R12); no list is consulted.
    HELD: the list is the version that the source holds (R12); the pick is R5's, or with `rotates` index
    (first + k) mod n for the k-th request (k = 0, 1, ...) of the source since its last resolution, where
    `first` is what PINNED would have picked at that resolution.
R7. *Empty list*, by the client's `on_empty`:
    REJECT (a virtual IP): the node answers with ICMP port unreachable. Its kernel sends it only while the
    source's token bucket lasts (R9); `icmp_limited` False (host network: loopback is exempt) always sends.
    Sent: REFUSED now. Not sent: silence, the ladder (R8) goes on, and the next SYN meets the rules again.
    NO_ADDRESS (name or watch without an address): DNS_FAILURE now, with syns = 0.
    NOT_SENT (loopback without a live pod): outcome NOT_SENT now, syns = 0; it is not counted as started.
    SILENT (behind a load balancer, which relays no ICMP): silence; the ladder goes on, the next SYN meets the
    rules again.
    UNAVAILABLE (a reverse proxy without a backend answers itself, 503): REJECTED now, with syns = 0.
    Cause for all of these: NOT_YET_PROGRAMMED if any server of the view is LISTENING at that instant,
    else NO_ENDPOINT; NOT_SENT has cause NO_ENDPOINT. A timeout after silence takes the cause of the last
    SYN.
R8. *SYN ladder.* A SYN that nobody answers is sent again at arrival + ladder[k], k = 0, 1, ... (k-th
    retransmission), while that instant is < the connect deadline. A SYN that has chosen a server sticks to
    it (conntrack keeps the first backend); after silence without one it is routed anew with the next j. j
    counts the SYNs of this request. The connect deadline is arrival + connect_timeout, or arrival +
    request_timeout if that is smaller: CONNECT_TIMEOUT with the cause of the last SYN, unless a rule
    settled the request before.
R9. *ICMP bucket* (Linux inet_peer_xrlim_allow): per (client, source): tokens start at ICMP_BURST_NS; at a
    REJECT at instant t: tokens = min(ICMP_BURST_NS, tokens + t - last), last = t; if tokens >= ICMP_COST_NS:
    tokens -= ICMP_COST_NS and the answer is sent. `last` starts at 0.

**At the server** (a SYN that has a server, by the server's state, `ServerState`)

R10. LISTENING: R13. CLOSED or STARTING: REFUSED now; cause STALE_ENDPOINT for CLOSED, READY_BEFORE_LISTENING
    for STARTING (in a PINNED client cause STALE_RESOLVER takes the place of STALE_ENDPOINT). FOREIGN (the
    address was given to somebody else): MISDELIVERED now, cause IP_REUSED.
    VANISHED or UNBORN: silence. If `vanished_after_ns` >= 0 the first such SYN of the request sets the
    instant t + vanished_after_ns at which, unless settled before or a later SYN met another state that
    settles it, the request ends UNREACHABLE (rank COMPLETION). Cause STALE_ENDPOINT (or STALE_RESOLVER), also
    where a SYN in between was dropped by a full queue.
R11. *Server states* follow the truth rows: ADDRESS -> STARTING; LISTEN -> LISTENING; CLOSE -> CLOSED if
    LISTENING or CLOSED, STARTING stays STARTING; RELEASE -> VANISHED; REUSE -> FOREIGN; CUT does not change
    the state. All servers start UNBORN.
R12. *Pinned sources.* A source holds one address (a server) or none. It resolves at t = 0, after the belief
    rows of t = 0 and before its arrivals, and then: ONCE never; EVERY at phase[source] + k * period, k = 0,
    1, ... (rank PULL: an arrival at that instant still uses the old address); ON_FAILURE at the
    settling instant of each of its requests that ends in anything but OK or NOT_SENT, at once after what
    settled it (after a CUT: as an event of rank COMPLETION, client and request of the failure), provided the
    source still holds the server (or none) that it held when the attempt began.
    Resolution m (0 for t = 0; EVERY: k + 1; ON_FAILURE: 1, 2, ... of those done, counted per source) picks by
    R5 with u = rng.u32_at(resolve_key, source, m) from the version the client's `resolver` observer holds for
    the view at that instant (belief rows of that instant included); an empty list gives none.
    A source without an address: R7 NO_ADDRESS. Records of pinned clients have observer = version = -1.
R13. *Queue.* Server of group g with workers[g] FIFO workers (0 = unlimited) and queue[g] waiting places
    (-1 = unlimited). start = max(t, earliest instant a worker is free); end = start + service.
    With places limited: waiting = number of accepted requests of this server with start > t that were not
    cut; if start > t and waiting >= queue[g]: full. queue_full[g] REJECT: REJECTED now, cause OVERLOAD;
    DROP: silence (R8), cause OVERLOAD. Service time is the request's draw for group g. At t, completions
    of that instant have happened (R1), so a worker with end == t is free.
    `connected_ns` = t, `start_ns` = start (also of work that never came to begin).
R14. *Cut.* A CUT row at instant x ends the process: every accepted request of the server not settled before
    with end >= x ends now: EOF if start < x (it was in service and read: FIN), else RESET (unread data);
    cause IN_FLIGHT_CUT. The client hears of it at x. Work whose client has given up vanishes too. Workers
    become free and the queue empty.
R15. *Settling* of an accepted request: the first of CUT (R14), end (OK, cause NONE), request deadline arrival
    + request_timeout (REQUEST_TIMEOUT; cause OVERLOAD if start > connected, else SLOW_SERVICE). The work
    of a request that timed out stays in the queue and is served.
R16. *ask.* DRAIN_END(server, at): max(at, the largest end of accepted uncut work of the server), once the
    window has been advanced to `at`. IN_FLIGHT(server, at): accepted uncut work with end >= at.
    ACCEPTED(server, at): connections of clients accepted so far. The other two include jobs and lost work.
R17. *inject.* A job is a request made by the control plane (a probe) to one server: it arrives at at_ns, goes
    straight to R10 at that server, has no ladder (silence means CONNECT_TIMEOUT at its deadline, or
    UNREACHABLE by R10 if that comes first or at the same instant), deadline at_ns + timeout_ns, and its own
    service_ns. Its result (outcome, end_ns, due_ns) is answered by `job`; due_ns is the instant at which
    accepted work ends unless it is cut, known from the acceptance on. It counts in the queue, not in any
    client. (A probe that competes, `controlplane/prober.py`, is a job for each SYN of its connection.)

**Lost nodes**

R18. *Links.* Node rows say that a node is UP, CUT (nobody on it reaches anybody off it) or DOWN (it has no
    power). A server is on the node it was placed on before its ADDRESS row, a source on its client's
    `node_of_source`; -1 is outside the cluster, -2 the node of whatever server the source uses (loopback, and
    every job). The link of a source and a server is lost while they are on two nodes of which one is not UP.
    (a) *A SYN* over a lost link to a server that is not UNBORN meets silence, whatever the server's state;
        cause NODE_LOST; R10's clock is not started, and goes on where it was.
    (b) *A source on a DOWN node* sends nothing: NOT_SENT, cause NODE_LOST, at the arrival, syns = 0. When its
        node goes DOWN, its requests that are not settled end so at that instant.
    (c) *A server on a node that goes DOWN* loses its accepted work without a word; workers become free and
        the queue empty. The control plane writes the RELEASE rows of that instant.
    (d) *An accepted request whose link is lost* before it is settled can't be answered. Its deadline ends it:
        REQUEST_TIMEOUT, cause NODE_LOST; without one it stays OPEN. Its work goes on. If the link comes back
        at instant h, the work was not lost by (c) nor cut by R14 meanwhile, and end >= h, R15 holds again; if
        end < h, the answer arrives at the first end + RESPONSE_RTO_NS[k] >= h (the server's kernel sends
        it again), as OK, rank COMPLETION, unless the deadline comes before; CUT no longer stops it, (c) does.
    (e) *Looking up* an address (R12) needs no link. Jobs lost by (c) stay OPEN.
R19. *Work done.* ask WORK_DONE(server, at): the service nanoseconds that the server has performed in
    [0, at), once the window has been advanced to `at`: the sum over all it accepted, jobs and lost work
    included, of the part of [start, end) before `at`; of work that was cut (R14) or lost (R18c) at x the part
    before x. A request that timed out or whose client has gone goes on being work.

**Ways in**

R20. *Entry.* A request may enter at a node, whose observer (numbered as the node) then routes it by R4 to
    R7: the source's `entry_of_source`, fixed; or, where the client has `targets`, a node picked by R5 from
    the version that its `balancer` holds for this view (a list of node numbers), with u =
    rng.u32_at(entry_key, request, j), at the first SYN j at which that list is not empty; later SYNs of the
    request enter at the same node. An empty list of targets is R7 with the client's `on_empty`, and gives
    observer and version. The request crosses two links, source to entry and entry to server, and R18 holds
    for it while either is lost. A SYN over a lost link to its entry is silence, cause NODE_LOST, and is not
    routed. An entry that goes DOWN forgets its connections: their answers never come (R18c for the answer).
    Sources that are ON_SERVERS_NODE have no entry.
R21. *Dropped.* An observer may hold, instead of a version, DROPPED: a list that is empty by policy
    (internal/externalTrafficPolicy Local without a local endpoint). Its SYN meets silence, cause
    POLICY_DROP, and the next one meets the rules again.

**Clients that try again, and routers that choose**

R22. *Attempts.* A request is one or more attempts, k = 0, 1, ... R4 holds once for all of them; R6 to R8,
    R10, R13 to R15, R18, R20 and R21 hold for each as if it were a request that arrived when the attempt
    began, with the words rng.u32_at(key, request, j, k) in place of (key, request, j), and the low half of
    the route word at k = 0, j = 0 alone. The service time is the request's. When attempt k ends at instant t
    with an outcome in `retry_on`, k < `retries`, and the budget lasts, attempt k + 1 begins at t + wait (rank
    ARRIVAL, client and request): b = min(backoff_ns * 2^k, backoff_max_ns), wait = b, or with jitter
    (b * rng.u32_at(retry_key, request, k)) >> 32. Otherwise the request ends as the attempt did. A request
    whose source goes DOWN while it waits ends by R18b. ON_FAILURE (R12) follows every failed attempt. What
    ends an attempt is booked in the place that R12 gives to ON_FAILURE: (t, COMPLETION, client, request).
    *Budget*: per source, tokens in thousandths: 1000 * budget_burst at first; a first attempt adds
    budget_permille, up to that; a retry takes 1000, and there is none for less.
R23. *Choice.* Where a list (R5, R6) is to be chosen from and the client is more than R5's, the candidates are
    the servers of the list, in its order, that this request has not tried in an earlier attempt (with
    `excludes_tried`) and that the source has not ejected (R24); if there are none, those not tried; if there
    are none, all. Of m candidates, by `balance`: UNIFORM: index (u * m) >> 32. ROUND_ROBIN: index (c + i) mod
    m for the source's i-th choice, c = rng.u32_at(router_key, source, 0). LEAST: the fewest open attempts of
    this source, of e equals index (u * e) >> 32 among them (the first would be every source's first: they
    would herd). TWO_CHOICES: of a = (u * m) >> 32 and b = (v * (m - 1)) >> 32, one further if b >= a, with
    v = rng.u32_at(choice_key, request, j, k), the one with fewer open attempts, of equals a. PEAK_EWMA: of
    the same two the one whose (open attempts + 1) * e is smaller, of equals a. e is what the source thinks
    that a server takes: EWMA_FIRST_NS until an attempt at it was booked; then (E * w) >> 16, w =
    EWMA_WEIGHTS[16 * d // EWMA_DECAY_NS] or 0 beyond its end, d the time since one was booked last. A booking
    makes E: r, the time since its attempt began (at most EWMA_MOST_NS), if r >= e, else e + ((r * (65536 -
    w)) >> 16), with w = 0 and e as above at the first. An attempt is open from the SYN that chose until its
    end is booked.
    *Affinity*: with affinity_ns >= 0 a source that chose a server at most affinity_ns ago, from the entry or
    observer that is asked now, gets it again if it is in the list; either way the instant is remembered.
R24. *Ejection.* With eject_after > 0: an attempt that ends REFUSED, UNREACHABLE, CONNECT_TIMEOUT, RESET or
    EOF at a server counts against it at its source; one that ends OK sets the count to 0, and so does a
    failure more than eject_ns after the one before. At eject_after the server is ejected until t + eject_ns,
    and the count begins anew.

**Connections that are kept**

R25. *Kept connections.* With `keeps` FRESH every attempt opens a connection (R6 to R10). With KEPT a source
    has a stack of idle connections; an attempt takes the one put there last, unless that is over, and then
    the next; with CHANNEL a source has one connection that any number of attempts share. Without one that it
    can use an attempt opens its own, which is the source's from the acceptance on (a CHANNEL's instead of the
    one before). A connection knows its server, entry, the instant of its opening, of its last use (its
    opening, or when an attempt on it was booked), and its attempts.
    *Over*, as the source knows at t: opened + age <= t, age = max_age_ns - (((max_age_ns *
    age_jitter_permille // 1000) * rng.u32_at(age_key, request that opened it, its attempt)) >> 32); or
    attempts >= max_requests; or the source's node has been DOWN since it was opened; KEPT only: last use +
    keep_idle_ns <= t; or the server has closed it, and t >= that + hears_ns. The server closes it by CLOSE or
    CUT rows at x >= opened, and, KEPT only, at last use + idle_ns of its group. One that the server has
    closed, or will have by t + hears_ns for its being idle, ends the attempt at once: RESET, cause
    KEPT_CLOSED.
    An attempt on a connection sends no SYN (syns = 0, observer = version = -1; entry, server: the
    connection's), has no connect deadline, and reaches the server as an accepted SYN would (R13),
    connected_ns = t. Silence lasts to its request deadline: REQUEST_TIMEOUT, without one it stays OPEN. It
    meets silence at a full queue that drops (cause OVERLOAD), and (cause NODE_LOST) over a lost link, through
    an entry that has been DOWN since the opening, and at a server that does not listen.
    When an attempt is booked its connection goes back if it ended OK or REJECTED by a full queue, and is
    closed otherwise. KEPT: it is closed too if it is over, or if the stack, rid of what is over, has
    max_idle.

**A node's own balancer**

R26. *Scheduler.* With `scheduler` other than NONE the list of R6 (BELIEF) is chosen from by what routes the
    request, its entry or the source's observer, in place of R5 and of R23's candidates and `balance`: it
    knows neither what was tried nor what is ejected. Affinity (R23) comes before it. What follows is kept for
    each (observer or entry, view, `virtual`), for all clients and sources that use it, also through a loss of
    power.
    *Destinations* (Linux net/netfilter/ipvs; all weights are 1), none at first. A belief row of the observer
    and the view (DROPPED is the empty list) puts those that are new, or were leaving, at the head, one after
    the other in the order of the list; then those that are not listed go, or with SOURCE_HASH and MAGLEV are
    *leaving* while something is remembered of them. An attempt is remembered from the SYN that chose, or its
    beginning on a kept connection, until it is booked, and for REMEMBERED_NS more if it was accepted. One
    that is leaving since x goes at the first x + k * LEAVING_CHECK_NS, k = 1, 2, ..., at which nothing is
    remembered (looked at when a list is taken or chosen from).
    ROUND_ROBIN: the one after the last chosen, the first after the last; at first, the first. If the last
    chosen goes, the one before it stands for it, or the head, before the first.
    LEAST: the smallest 256 * open attempts + remembered others, of equals the first.
    SOURCE_HASH: of n destinations number (h mod 256) mod n, h = rng.u32_at(hash_key, source).
    MAGLEV: entry h mod 4093 of Maglev's table, h = rng.u32_at(hash_key, request, k), a hash of address and
    port, the same for all SYNs of attempt k. The destinations take turns in their order (at most as many as
    there are entries); d visits offset, offset + skip, ... mod M, offset = rng.u32_at(table_key, d) mod M,
    skip = rng.u32_at(table_key, d, 1) mod (M - 1) + 1, and takes the first that is free.
    A hash that names one that is leaving: R7 with the client's `on_empty`, cause STALE_ENDPOINT.
    TUPLE: MAGLEV with 16381 entries over the list itself in its order; nothing is remembered.

**Datagrams**

R27. *UDP*. With `socket` ONE or EACH an attempt is one datagram and its answer: no SYN is sent again, there
    is no connect deadline, and silence lasts to the request deadline: REQUEST_TIMEOUT with the cause of the
    silence, without one it stays OPEN. Every attempt is booked (R22). syns = 1 for a datagram sent. A UDP
    client keeps no connections and has no `targets`.
    (a) *Entries.* A BELIEF datagram is routed by R20, then by the entry of its 5-tuple in the connection
        table of its entry's or its source's node, and only without one by R5 to R7, R21, R23; a server
        chosen so is a new entry. With ONE all datagrams of a source have one 5-tuple, with EACH every attempt
        has its own. What R7 rejects or R21 drops leaves no entry: the filter is passed before an entry is
        kept. `observer` and `version` are those of the list held then, consulted or not.
    (b) *Life of an entry.* A datagram at t that has an entry, and an answer that comes at t, make it last
        until t + udp_stream_ns if it was answered before and is older than UDP_STREAM_AFTER_NS at t, else
        until t + udp_ns; at that instant it is gone. It is gone, too, when its node has lost its power since
        (R18c), or at belief rows of its observer (the entry's, else the source's) for the view `serving` at x
        > its beginning, by `cleaning`: NONE never; REMOVED (Kubernetes <= 1.31) if its server was listed
        before x and is not now, or nothing was listed before and something is now; SERVING (since 1.32) if
        something is listed and its server is not. Of several rows of one instant the last counts.
    (c) *At the server*: LISTENING: R13; a full queue that rejects answers. CLOSED, STARTING, FOREIGN: R10.
        VANISHED and UNBORN: silence, and no clock of R10: a UDP socket does not hear of an unreachable host
        (Linux icmp_err_convert: not fatal). For an address that is no more the cause is STALE_CONNTRACK if an
        entry led there and the list held then does not have the server, else R10's.
    (d) *Cut* (R14): nobody tells the client: silence, cause IN_FLIGHT_CUT.
    (e) *Answers* pass the entry: an answer at t whose entry is gone then, and with ONE has no successor to
        the same server, does not come: silence, cause STALE_CONNTRACK. R18d holds, but an answer over a lost
        link is not sent again. One that comes after its deadline keeps no entry alive.
    PINNED and HELD datagrams go to the server's own address and have no entries.

**Ports and tables**

R28. Of clients with `keeps` FRESH and `socket` STREAM; every attempt is booked (R22), at t.
    (a) *Ports.* With `ports` >= 0 a source has so many local ports for what it calls. An attempt takes one at
        its beginning, whatever becomes of it; where none is left it ends at once: UNREACHABLE (EADDRNOTAVAIL
        is an error to the caller, who asked), cause PORTS_EXHAUSTED, syns = 0, and takes none. The port can
        be taken again from t on, or if the client was the first to close (OK, REQUEST_TIMEOUT, REJECTED,
        MISDELIVERED) from t + TIME_WAIT_NS on.
    (b) *Tables.* With `tracked` a connection takes an entry in the table of its source's node, or from
        outside of its source's entry node, which has `table_max` of them; without such a node none. A SYN
        without an entry that finds the table full is dropped before anything routes it: silence, cause
        TABLE_FULL, and the next one meets the table again. It takes an entry when a server is chosen. The
        entry is free from t + TABLE_CLOSE_NS on after REFUSED or RESET, and from t + TABLE_TIME_WAIT_NS on
        after all else.
    Nothing else gives one back, a loss of power neither.

**Clients that wait for answers**

R29. *Closed loop.* With `users` > 0 a client's requests arrive because earlier ones ended. User u, 0 <= u <
    users, sends requests number u, u + users, u + 2 * users, ..., one at a time, all from source u mod
    n_sources (in place of R4). T(r), the time its user thinks before request r, its route word and its
    service times are drawn by r (`loops.LoopDraws`). Request u arrives at T(u). When request r, which arrived
    at a, has ended at e (with R22 its last attempt), request r + users arrives at max(e + T(r + users), a +
    LOOP_FLOOR_NS), rank ARRIVAL: no user can send for ever at one instant. After one that stays OPEN there is
    no other.

**How servers work**

R31. *Processor sharing.* A group with cores_permille = C > 0 (thousandths of a core) has no workers. What its
    server accepts starts at once; while it has n works each of them progresses at the rate min(1, C / 1000n).
    A server has a clock V of the service that each of its works has had, in SHARE_UNITS to a nanosecond,
    rounded down: it is 0 when work comes to a server without any, and from one change of the set of works
    (acceptance, end, cut, loss) to an instant dt later it grows by dt * SHARE_UNITS * min(1000n, C) // 1000n;
    it is rounded at changes, not at questions. Work accepted at V ends at the first instant (rank COMPLETION)
    at which the clock has reached V + SHARE_UNITS * min(service, LONGEST_WORK_NS); one later than that by
    2^61 ns or more never comes.
    *Queue* (R13): full at n >= ceil(C / 1000) + queue. *Cut* (R14): every work that has not ended before x.
    *Settling* (R15): a deadline's cause is OVERLOAD if start + service <= deadline (alone it would have been
    in time), else SLOW_SERVICE. *DRAIN_END* (R16), *due_ns* (R17): the end if nothing more is accepted, so a
    bound that later acceptances raise and nothing lowers: who waits for it asks again. due_ns of work that
    has ended, or was cut or lost, is the instant of that. *Lost links* (R18d): end >= h means that the work
    has not ended before h. *WORK_DONE* (R19): of each work (min(V, V at its end) - V at its start) //
    SHARE_UNITS, V as of `at`, or of its end, cut or loss.
R32. *Warm-up.* Work of a server that starts (R13) at age a < warm_up_ns takes longer than it was drawn to:
    service + extra, extra = min(service, LONGEST_WORK_NS) * f // 1000, f = slowdown_permille - 1000, or with
    `slowdown_falls` f = (slowdown_permille - 1000) * (warm_up_ns - a) // warm_up_ns. a = start - L, L the
    instant of the server's last LISTEN row; of one at t = 0, L = -age_ns (it stood before the run). The start
    counts, not the acceptance: what waited in the queue meets the code as warm as it is then. Jobs too.

**Routes with weights**

R33. *Shares.* A client with `backends` = b > 1 has n_sources / b proxies, each of them b sources: source =
    proxy * b + backend. The proxy is R4's of n_sources / b. The backend is the first whose cumulated weight
    is > (w * total) >> 32, by the weights that the proxy holds at the arrival and a word w of the request's
    own (`draws.Shares`); the route word's high half is then the least by which R4 gives this source. All
    attempts of a request are its source's. What R7 asks about is the view of the source.

**Look-ups that are held back**

R34. *Floor.* An ON_FAILURE source (R12) looks up at t only if t >= the instant of its last look-up (0 at
    first) + resolve_floor_ns; a failure before that leads to none, then or later.

`attempts`: attempts begun; `attempt_ns`: when the last began; the columns from `entry` to `start_ns` are of
the last.
`syns` counts SYNs sent. `entry`: the node entered at (R20), -1 if none. `observer`, `version`: of the last
list consulted, -1 if none. `server`: the last one addressed, -1 if none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from svcsim.scenario.load import LOOP_FLOOR_NS
from svcsim.timeline.histories import Slice

__all__ = [
    "DROPPED",
    "EWMA_DECAY_NS",
    "EWMA_FIRST_NS",
    "EWMA_MOST_NS",
    "EWMA_WEIGHTS",
    "ICMP_BURST_NS",
    "ICMP_COST_NS",
    "LEAVING_CHECK_NS",
    "LONGEST_WORK_NS",
    "LOOP_FLOOR_NS",
    "NEVER",
    "ON_SERVERS_NODE",
    "RECORD_DTYPE",
    "REMEMBERED_NS",
    "RESPONSE_RTO_NS",
    "SHARE_UNITS",
    "TABLE_CLOSE_NS",
    "TABLE_TIME_WAIT_NS",
    "TIME_WAIT_NS",
    "UDP_STREAM_AFTER_NS",
    "Ask",
    "Balance",
    "Cause",
    "Cleaning",
    "ClientPlan",
    "DataPlane",
    "GroupPlan",
    "Job",
    "JobResult",
    "Keeps",
    "NodeState",
    "OnEmpty",
    "Outcome",
    "Plan",
    "QueueFull",
    "Rank",
    "Reach",
    "Resolve",
    "Scheduler",
    "ServerState",
    "Socket",
    "TruthKind",
    "Window",
]

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]

NEVER = 1 << 62
ICMP_COST_NS = 1_000_000_000
ICMP_BURST_NS = 6 * ICMP_COST_NS
LONGEST_WORK_NS = 1 << 50
SHARE_UNITS = 1 << 10

RESPONSE_RTO_NS = tuple(
    200_000_000 * (2**k - 1) if k <= 10 else 204_600_000_000 + (k - 10) * 120_000_000_000
    for k in range(1, 16)
)
"""Retransmissions of an answer, ns after it was sent first: TCP_RTO_MIN 200 ms doubling to TCP_RTO_MAX 120 s,
15 of them (Linux net/ipv4/tcp_timer.c, tcp_retries2)."""

EWMA_DECAY_NS = 10_000_000_000
"""Time in which an estimate of peak EWMA falls to 1/e (linkerd2-proxy, EwmaConfig decay)."""

EWMA_FIRST_NS = 30_000_000
"""What a server is thought to take before anything is known (linkerd2-proxy, EwmaConfig default_rtt)."""

EWMA_MOST_NS = 1 << 46
"""No estimate is longer: 19.5 hours."""


def _weights() -> tuple[int, ...]:
    """exp(-k / 16) in 65536ths, in integers from one to the next, as long as there is anything of it."""
    found = [1 << 16]
    while found[-1] > 1:
        found.append(found[-1] * 61565 >> 16)
    return tuple(found)


EWMA_WEIGHTS = _weights()
"""How much of an estimate is left after k sixteenths of EWMA_DECAY_NS, in 65536ths."""

ON_SERVERS_NODE = -2

REMEMBERED_NS = 120_000_000_000
"""How long IPVS counts a connection that is over (ip_vs_proto_tcp.c: TIME_WAIT and FIN_WAIT, 2 min)."""

LEAVING_CHECK_NS = 60_000_000_000
"""pkg/proxy/ipvs/graceful_termination.go rsCheckDeleteInterval."""
TIME_WAIT_NS = 60_000_000_000
"""How long a port is kept by who closed first (Linux include/net/tcp.h, TCP_TIMEWAIT_LEN)."""

TABLE_TIME_WAIT_NS = 120_000_000_000
TABLE_CLOSE_NS = 10_000_000_000
"""How long an entry stays after FIN, or a SYN that nobody answers, and after RST
(Linux nf_conntrack_proto_tcp.c, tcp_timeouts: TIME_WAIT, SYN_SENT; CLOSE)."""

UDP_STREAM_AFTER_NS = 2_000_000_000
"""Age from which an answered UDP entry is a stream (Linux nf_conntrack_proto_udp.c, udp_packet)."""

DROPPED = -2
"""Stands for the version of a list that is empty by policy (R21)."""


class Rank(IntEnum):
    """Order of kinds of events at one instant (R1)."""

    NODE = 0
    TRUTH = 1
    BELIEF = 2
    COMPLETION = 3
    DEADLINE = 4
    SYN = 5
    ARRIVAL = 6
    PULL = 7


class Outcome(IntEnum):
    """What the client sees."""

    OPEN = 0
    OK = 1
    REFUSED = 2
    UNREACHABLE = 3
    CONNECT_TIMEOUT = 4
    RESET = 5
    EOF = 6
    REQUEST_TIMEOUT = 7
    REJECTED = 8
    MISDELIVERED = 9
    DNS_FAILURE = 10
    NOT_SENT = 11


class Cause(IntEnum):
    """Why it ended so."""

    NONE = 0
    STALE_ENDPOINT = 1
    STALE_RESOLVER = 2
    NOT_YET_PROGRAMMED = 3
    NO_ENDPOINT = 4
    READY_BEFORE_LISTENING = 5
    IN_FLIGHT_CUT = 6
    OVERLOAD = 7
    SLOW_SERVICE = 8
    IP_REUSED = 9
    NOT_ROUTED = 10
    NODE_LOST = 11
    POLICY_DROP = 12
    KEPT_CLOSED = 13
    STALE_CONNTRACK = 14
    TABLE_FULL = 15
    PORTS_EXHAUSTED = 16


class ServerState(IntEnum):
    """What a SYN meets at a server's address (R11)."""

    UNBORN = 0
    STARTING = 1
    LISTENING = 2
    CLOSED = 3
    VANISHED = 4
    FOREIGN = 5


class NodeState(IntEnum):
    """How a node stands to the rest of the cluster (R18)."""

    UP = 0
    CUT = 1
    DOWN = 2


class TruthKind(IntEnum):
    """Rows of the truth: what happened to a server."""

    ADDRESS = 0
    LISTEN = 1
    CLOSE = 2
    CUT = 3
    RELEASE = 4
    REUSE = 5


class Reach(IntEnum):
    """How a client finds its backend (R6)."""

    NONE = 0
    BELIEF = 1
    PINNED = 2
    HELD = 3


class OnEmpty(IntEnum):
    """What an empty list means to a client (R7)."""

    REJECT = 0
    NO_ADDRESS = 1
    NOT_SENT = 2
    SILENT = 3
    UNAVAILABLE = 4


class Resolve(IntEnum):
    """When a pinned source looks its address up again (R12)."""

    ONCE = 0
    EVERY = 1
    ON_FAILURE = 2


class Balance(IntEnum):
    """How a source chooses among candidates (R23)."""

    UNIFORM = 0
    ROUND_ROBIN = 1
    LEAST = 2
    TWO_CHOICES = 3
    PEAK_EWMA = 4


class Scheduler(IntEnum):
    """How a node chooses among the destinations of a virtual service (R26)."""

    NONE = 0
    ROUND_ROBIN = 1
    LEAST = 2
    SOURCE_HASH = 3
    MAGLEV = 4
    TUPLE = 5

    @property
    def remembers(self) -> bool:
        """Whether it matters how long a connection is open."""
        return self in (Scheduler.LEAST, Scheduler.SOURCE_HASH, Scheduler.MAGLEV)

    @property
    def entries(self) -> int:
        """The size of its Maglev table; 0 for none (CONFIG_IP_VS_MH_TAB_INDEX 12; Cilium's default)."""
        return {Scheduler.MAGLEV: 4093, Scheduler.TUPLE: 16381}.get(self, 0)


class Keeps(IntEnum):
    """What becomes of a client's connection after an attempt (R25)."""

    FRESH = 0
    KEPT = 1
    CHANNEL = 2


class Socket(IntEnum):
    """What a client sends by: TCP connections, or datagrams of one UDP socket or of one each (R27)."""

    STREAM = 0
    ONE = 1
    EACH = 2


class Cleaning(IntEnum):
    """Which UDP entries kube-proxy deletes after a sync (R27b)."""

    NONE = 0
    REMOVED = 1
    SERVING = 2


class QueueFull(IntEnum):
    """What a server with a full queue does to a new connection (R13)."""

    REJECT = 0
    DROP = 1


class Ask(IntEnum):
    """Questions the control plane may put to the data plane (R16, R19)."""

    DRAIN_END = 0
    IN_FLIGHT = 1
    ACCEPTED = 2
    WORK_DONE = 3


RECORD_DTYPE = np.dtype(
    [
        ("client", np.int32),
        ("request", np.int64),
        ("source", np.int32),
        ("arrival_ns", np.int64),
        ("attempts", np.int32),
        ("attempt_ns", np.int64),
        ("entry", np.int32),
        ("observer", np.int32),
        ("version", np.int32),
        ("server", np.int32),
        ("syns", np.int32),
        ("connected_ns", np.int64),
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("outcome", np.int8),
        ("cause", np.int8),
    ]
)
"""One request. Instants are int64 ns, -1 where it did not happen (connected_ns, start_ns, end_ns)."""


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """Servers that behave alike (one container of one workload). idle_ns: R25, NEVER for no limit.

    `cores_permille`: R31, 0 for workers, at most 1024 cores; workers is 0 then.
    `warm_up_ns` (0: none, at most an hour), `slowdown_permille` (1000 to 1,000,000), `slowdown_falls`,
    `age_ns`: R32.
    """

    name: str
    workers: int
    queue: int
    queue_full: QueueFull
    idle_ns: int = NEVER
    warm_up_ns: int = 0
    slowdown_permille: int = 1000
    slowdown_falls: bool = False
    age_ns: int = NEVER
    cores_permille: int = 0


@dataclass(frozen=True, kw_only=True)
class ClientPlan:
    """One client as an engine needs it.

    `view_of_source`: int32 (n_sources,), the lists by which each source is routed, and which R7 asks about;
    None where all are `view`'s.
    `observer_of_source`: int32 (n_sources,), observer whose belief a source routes by.
    `node_of_source`: int32 (n_sources,), where it is: -1 outside, ON_SERVERS_NODE with whom it calls (R18).
    `entry_of_source`: int32 (n_sources,), the node it enters at, -1 if none; `balancer`, `targets`: observer
    and view of a load balancer that picks the entry, -1 without (R20; one that picks pods is a `balancer`
    alone). `rotates`: how a HELD source picks (R6).
    `balance` and `affinity_ns` (-1 for none): R23. `retries` to `budget_burst` (permille -1: no budget): R22.
    `eject_after` (0: never), `eject_ns`: R24. `keeps` to `hears_ns`: R25, NEVER for no limit.
    `scheduler`, `virtual` (number of the virtual service), `hash_key`: R26.
    `socket` to `udp_stream_ns`: R27; `serving`: the view whose rows delete entries, -1 for none.
    `backends`: into how many sources a proxy falls (R33). `resolve_floor_ns`: R34.
    `ports` (-1 for no limit), `tracked`: R28.
    `phase_ns`: int64 (n_sources,), first re-resolution of EVERY.
    `ladder_ns`: int64 (k,), retransmission instants after the arrival, ascending.
    `users`: R29, 0 for a client whose requests arrive by themselves.
    `request_timeout_ns`, `connect_timeout_ns`: NEVER where the client has none; the kernel's last word
    (ETIMEDOUT) is then the connect time-out.
    """

    name: str
    view: int
    reach: Reach
    on_empty: OnEmpty
    resolve: Resolve
    resolve_period_ns: int
    resolver: int
    phase_ns: Int64
    observer_of_source: Int32
    node_of_source: Int32
    entry_of_source: Int32
    balancer: int = -1
    targets: int = -1
    entry_key: int = 0
    rotates: bool = False
    view_of_source: Int32 | None = None
    balance: Balance = Balance.UNIFORM
    router_key: int = 0
    choice_key: int = 0
    affinity_ns: int = -1
    retries: int = 0
    retry_on: frozenset[Outcome] = frozenset()
    backoff_ns: int = 0
    backoff_max_ns: int = 0
    jitter: bool = False
    retry_key: int = 0
    excludes_tried: bool = False
    budget_permille: int = -1
    budget_burst: int = 0
    eject_after: int = 0
    eject_ns: int = 0
    keeps: Keeps = Keeps.FRESH
    keep_idle_ns: int = NEVER
    max_idle: int = 0
    max_age_ns: int = NEVER
    age_jitter_permille: int = 0
    age_key: int = 0
    max_requests: int = NEVER
    hears_ns: int = 0
    icmp_limited: bool
    connect_timeout_ns: int
    request_timeout_ns: int
    ladder_ns: Int64
    repick_key: int
    resolve_key: int
    scheduler: Scheduler = Scheduler.NONE
    virtual: int = 0
    hash_key: int = 0
    socket: Socket = Socket.STREAM
    serving: int = -1
    cleaning: Cleaning = Cleaning.NONE
    udp_ns: int = NEVER
    udp_stream_ns: int = NEVER
    backends: int = 1
    resolve_floor_ns: int = 0
    ports: int = -1
    tracked: bool = False
    users: int = 0

    @property
    def n_sources(self) -> int:
        return len(self.observer_of_source)

    @property
    def booked(self) -> bool:
        """Whether the end of an attempt means more than its record (R22 to R28)."""
        remembers = self.balance != Balance.UNIFORM or self.keeps != Keeps.FRESH or self.datagrams
        remembers = remembers or self.scheduler.remembers or self.ports >= 0 or self.tracked
        return self.retries > 0 or self.eject_after > 0 or remembers

    @property
    def datagrams(self) -> bool:
        """Whether it sends datagrams (R27)."""
        return self.socket != Socket.STREAM

    @property
    def views(self) -> Int32:
        """int32 (n_sources,): the view by which each source is routed."""
        if self.view_of_source is not None:
            return self.view_of_source
        return np.full(self.n_sources, self.view, dtype=np.int32)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about a run that is known before it starts.

    `vanished_after_ns`: -1 where a vanished address stays silent (blackhole). `table_key`: R26. `table_max`:
    R28b.
    """

    duration_ns: int
    n_observers: int
    n_views: int
    n_nodes: int
    groups: tuple[GroupPlan, ...]
    clients: tuple[ClientPlan, ...]
    vanished_after_ns: int
    table_key: int = 0
    table_max: int = -1


Window = Slice
"""What the control plane wrote since the last window; all rows have t < until_ns.

Servers are numbered in order of creation: `new_server_group` int32 (k,) appends k of them, and
`new_server_views` gives for each the views (ids) it belongs to (for R7's cause), at any time of the run where
a Service's selector changes.
`placed_server`, `placed_node` int32: servers whose node became known. Node rows, in order: `node_t` int64,
`node_id` int32, `node_state` int8 (`NodeState`); all nodes start UP.
Truth rows, in order: `truth_t` int64, `truth_server` int32, `truth_kind` int8.
Versions are numbered in order of creation: `new_versions` appends lists of server ids in rule order.
Belief rows, sorted by (t, observer, view): `belief_t` int64, `belief_observer`, `belief_view`,
`belief_version` int32 (or DROPPED). An observer that has had no row for a view holds the empty list (version
-1).
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request made by the control plane itself (R17)."""

    job: int
    server: int
    at_ns: int
    service_ns: int
    timeout_ns: int


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How a job ended; outcome OPEN and end_ns -1 while it has not. due_ns: -1 unless it was accepted."""

    outcome: Outcome = Outcome.OPEN
    end_ns: int = field(default=-1)
    due_ns: int = field(default=-1)


class DataPlane(Protocol):
    """What the joint of the planes asks of an engine."""

    def advance(self, window: Window) -> None:
        """Handle every event before window.until_ns (R2)."""

    def ask(self, server: int, what: Ask) -> int:
        """Answer R16 or R19 as of the instant advanced to."""

    def inject(self, job: Job) -> None:
        """Add a job with at_ns >= the instant advanced to; before the window that contains it."""

    def job(self, job: int) -> JobResult:
        """The state of an injected job as of the instant advanced to."""
