"""kube-proxy on every node: its watch, its run loop, and how long a sync takes.

The run loop is a function from the instants at which changes arrive to (start, end) of the syncs, called for
all nodes at once. Two algorithms: Kubernetes >= 1.34 (pkg/proxy/runner/bounded_frequency_runner.go): the
minimum interval runs from the end of a sync to the start of the next, no burst; <= 1.33
(pkg/util/async/bounded_frequency_runner.go): a token bucket of rate 1/minSyncPeriod and burst 2, and after it
runs dry the minimum interval since the last sync's end. Both also sync when nothing asked for it for the
maximum interval, and a sync is full where the last full one is an hour ago (proxier.go `syncProxyRules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.compiled import compiled

__all__ = ["LAST_TOKEN_BUCKET_MINOR", "ProxyLoops", "full_interval_ns", "maximum_interval_ns"]

Int64 = npt.NDArray[np.int64]

LAST_TOKEN_BUCKET_MINOR = 33
_IDLE = -(1 << 60)
_NEVER = 1 << 60
_HOUR_NS = 3_600_000_000_000
_LAST_WITHOUT_HOURLY_MINOR = 30
_LARGE_CLUSTER = 1000


def maximum_interval_ns(mode: str, kubernetes_minor: int, sync_period_ns: int) -> int:
    """After how long a kube-proxy syncs though nothing changed: an hour, or its syncPeriod.

    >>> [maximum_interval_ns("nftables", minor, 30 * 10**9) // 10**9 for minor in (33, 34)]
    [30, 3600]
    """
    if mode == "iptables" or (mode == "nftables" and kubernetes_minor > LAST_TOKEN_BUCKET_MINOR):
        return _HOUR_NS
    return _NEVER if mode == "cilium" else sync_period_ns


def full_interval_ns(mode: str, kubernetes_minor: int, endpoints: int) -> int:
    """How long after a full sync the next one is full: an hour; with iptables not in big clusters, or 1.30.

    >>> full_interval_ns("iptables", 36, 1001) > full_interval_ns("iptables", 36, 1000)
    True
    """
    if mode == "iptables":
        hourly = kubernetes_minor > _LAST_WITHOUT_HOURLY_MINOR and endpoints <= _LARGE_CLUSTER
    else:
        hourly = mode == "nftables"
    return _HOUR_NS if hourly else _NEVER


@compiled
def _run_loops(
    until: Any,
    token_bucket: Any,
    minimum: Any,
    arrivals: Any,
    durations: Any,
    done: Any,
    last_end: Any,
    tokens: Any,
    tokens_at: Any,
    syncs: Any,
    starts: Any,
    commits: Any,
    outage_at: Any,
    outage_from: Any,
    outage_to: Any,
    anew: Any,
    full_permille: Any,
    maximum: Any,
    full_every: Any,
    last_start: Any,
    last_full: Any,
) -> None:
    """Decide every sync that starts before `until`.

    arrivals int64 (n_nodes, n_changes), ascending along a row; durations (n_nodes, n_changes) of the next
    syncs to their commit; starts, commits (n_nodes, n_changes) are filled for the changes decided;
    the rest is state per node. outage_*: CSR of
    the spells in which a node's kube-proxy is stopped (a sync that began before one still commits). anew
    int8: 1 where the next sync is a new process's first, which is full and takes full_permille / 1000 of a
    partial one. A sync that applies no change takes as long as the next one will.
    """
    n_nodes, n_changes = arrivals.shape
    for node in range(n_nodes):
        k = 0
        i = done[node]
        while i < n_changes:
            asked = min(arrivals[node, i], last_start[node] + maximum)
            at = max(asked, last_end[node])
            have = np.int64(0)
            if token_bucket and minimum > 0:
                have = min(2 * minimum, tokens[node] + at - tokens_at[node])
                if have < minimum:
                    at = max(at, last_end[node] + minimum, at + minimum - have)
                    have = min(2 * minimum, tokens[node] + at - tokens_at[node])
            elif last_end[node] > _IDLE:
                at = max(at, last_end[node] + minimum)
            for k_out in range(outage_at[node], outage_at[node + 1]):
                if outage_from[k_out] <= at < outage_to[k_out]:
                    # a new process: it programs what there is as soon as it starts
                    at = outage_to[k_out]
                    have = 2 * minimum
                    anew[node] = 1
            if at >= until:
                break
            if token_bucket and minimum > 0:
                tokens[node] = have - minimum
                tokens_at[node] = at
            takes = durations[node, k]
            if anew[node] == 1 or at >= last_full[node] + full_every:
                takes = takes * full_permille // 1000
                anew[node] = 0
                last_full[node] = at
            commit = at + takes
            last_start[node] = at
            last_end[node] = at + takes * 3 // 2
            if arrivals[node, i] > at:
                continue
            while i < n_changes and arrivals[node, i] <= at:
                starts[node, i] = at
                commits[node, i] = commit
                i += 1
            k += 1
            syncs[node] += 1
        done[node] = i


class ProxyLoops:
    """State of the run loops of some nodes, window by window.

    last_ns: when each one synced last before the run, fully; long ago if not given.
    """

    def __init__(
        self,
        *,
        n_nodes: int,
        kubernetes_minor: int,
        min_sync_ns: int,
        outages: Sequence[Sequence[tuple[int, int]]] = (),
        full_factor: float = 1.0,
        maximum_ns: int = _NEVER,
        full_every_ns: int = _NEVER,
        last_ns: Sequence[int] = (),
    ) -> None:
        spells = list(outages) or [[] for _ in range(n_nodes)]
        self._outage_at = np.concatenate(([0], np.cumsum([len(s) for s in spells]))).astype(np.int64)
        self._outage_from = np.array([a for s in spells for a, _ in s], dtype=np.int64)
        self._outage_to = np.array([b for s in spells for _, b in s], dtype=np.int64)
        self._token_bucket = kubernetes_minor <= LAST_TOKEN_BUCKET_MINOR
        self._minimum = min_sync_ns
        self.done = np.zeros(n_nodes, dtype=np.int64)
        self.syncs = np.zeros(n_nodes, dtype=np.int64)
        self.anew = np.zeros(n_nodes, dtype=np.int8)
        self._full_permille = round(1000 * full_factor)
        self._maximum = maximum_ns
        self._full_every = full_every_ns
        known = list(last_ns)
        self._last_end = np.array(known or [_IDLE] * n_nodes, dtype=np.int64)
        self._last_start = np.array(known or [0] * n_nodes, dtype=np.int64)
        self._last_full = self._last_start.copy()
        self._tokens = np.full(n_nodes, 2 * min_sync_ns, dtype=np.int64)
        self._tokens_at = np.zeros(n_nodes, dtype=np.int64)

    def advance(
        self, until_ns: int, arrivals: Int64, durations: Int64, first_change: int
    ) -> tuple[Int64, Int64]:
        """(starts, commits), int64 (n_nodes, n_changes), -1 where not decided yet.

        Column 0 of the arrays is change `first_change`; columns of changes a node has done stay -1.
        """
        starts = np.full(arrivals.shape, -1, dtype=np.int64)
        commits = np.full(arrivals.shape, -1, dtype=np.int64)
        self.done -= first_change
        _run_loops(
            until_ns,
            self._token_bucket,
            self._minimum,
            arrivals,
            durations,
            self.done,
            self._last_end,
            self._tokens,
            self._tokens_at,
            self.syncs,
            starts,
            commits,
            self._outage_at,
            self._outage_from,
            self._outage_to,
            self.anew,
            self._full_permille,
            self._maximum,
            self._full_every,
            self._last_start,
            self._last_full,
        )
        self.done += first_change
        return starts, commits
