"""Truth and belief as plain arrays, written by the control plane and read by the data plane.

A *server* is one container of one pod that a client may address, numbered in order of creation.
A *view* is a list of servers under one rule (the endpoints of one Service port, the pods of one
workload). A *version* is one value that list had; versions are shared by all observers. An *observer*
(a node's kube-proxy, a resolver, a client's watch) takes a version at an instant.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Histories", "Slice", "Timeline"]

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What was written with t < until_ns since the slice before; arrays as in `Histories`."""

    until_ns: int
    new_server_group: Int32
    new_server_views: tuple[tuple[int, ...], ...]
    placed_server: Int32
    placed_node: Int32
    node_t: Int64
    node_id: Int32
    node_state: Int8
    truth_t: Int64
    truth_server: Int32
    truth_kind: Int8
    new_versions: tuple[Int32, ...]
    belief_t: Int64
    belief_observer: Int32
    belief_view: Int32
    belief_version: Int32


@dataclass(frozen=True, kw_only=True)
class Histories:
    """The two histories of one run, whole.

    `server_group`, `server_node`: int32 (n_servers,), node -1 where none was given.
    `node_*`: (n_node,), in order of effect. `truth_*`: (n_truth,), in order of effect. `versions[v]`: int32,
    server ids in rule order. `belief_*`: (n_belief,), sorted by (t, observer, view, order written).
    """

    server_group: Int32
    server_node: Int32
    node_t: Int64
    node_id: Int32
    node_state: Int8
    truth_t: Int64
    truth_server: Int32
    truth_kind: Int8
    versions: tuple[Int32, ...]
    belief_t: Int64
    belief_observer: Int32
    belief_view: Int32
    belief_version: Int32


class Timeline:
    """Collects rows, also ones that lie ahead, and hands them over in order, window by window."""

    def __init__(self) -> None:
        self._server_group: list[int] = []
        self._server_views: list[tuple[int, ...]] = []
        self._placed: list[tuple[int, int]] = []
        self._node_ahead: list[tuple[int, int, int, int]] = []
        self._node: list[tuple[int, int, int]] = []
        self._versions: list[tuple[int, ...]] = []
        self._version_ids: dict[tuple[int, ...], int] = {}
        self._truth_ahead: list[tuple[int, int, int, int]] = []
        self._belief_ahead: list[tuple[int, int, int, int, int]] = []
        self._cancelled: set[int] = set()
        self._seq = 0
        self._truth: list[tuple[int, int, int]] = []
        self._belief: list[tuple[int, int, int, int]] = []
        self._handed_servers = 0
        self._number: dict[int, int] = {}  # of a version, by its handle
        self._numbered: list[tuple[int, ...]] = []
        self._handed_placed = 0
        self._until = 0

    def add_server(self, group: int, views: tuple[int, ...]) -> int:
        """A new server, UNBORN; returns its id."""
        self._server_group.append(group)
        self._server_views.append(views)
        return len(self._server_group) - 1

    def place(self, server: int, node: int) -> None:
        """The node of a server, before its address is given."""
        self._placed.append((server, node))

    def node(self, t_ns: int, node: int, state: int) -> None:
        """A node takes a state (`contract.NodeState`) at t_ns, now or ahead."""
        assert t_ns >= self._until
        self._seq += 1
        heapq.heappush(self._node_ahead, (t_ns, self._seq, node, state))

    def add_version(self, servers: tuple[int, ...]) -> int:
        """A handle of a list of servers; equal lists are one version.

        Versions are numbered as they come into effect, not as they are added: by `hand_over`, or `number`.
        """
        known = self._version_ids.get(servers)
        if known is None:
            known = len(self._versions)
            self._version_ids[servers] = known
            self._versions.append(servers)
        return known

    def truth(self, t_ns: int, server: int, kind: int) -> int:
        """A row of the truth at t_ns, now or ahead; returns a handle for `cancel`."""
        assert t_ns >= self._until
        self._seq += 1
        heapq.heappush(self._truth_ahead, (t_ns, self._seq, server, kind))
        return self._seq

    def cancel(self, handle: int) -> None:
        """Take back a row that lies ahead; without effect on one already handed over."""
        self._cancelled.add(handle)

    def listed(self, version: int) -> tuple[int, ...]:
        """What the version of a handle lists; nothing for one that stands for no list."""
        return self._versions[version] if version >= 0 else ()

    def number(self, version: int) -> int:
        """The number of a version, by its handle; what stands for no list is its own number."""
        if version < 0:
            return version
        known = self._number.get(version)
        if known is None:
            known = self._number[version] = len(self._numbered)
            self._numbered.append(self._versions[version])
        return known

    def truth_before(self, until_ns: int) -> list[tuple[int, int, int]]:
        """(t, server, kind) of the rows before until_ns that have not been handed over, in order."""
        rows = [row for row in self._truth_ahead if row[0] < until_ns and row[1] not in self._cancelled]
        return [(t, server, kind) for t, _, server, kind in sorted(rows)]

    def belief(self, t_ns: int, observer: int, view: int, version: int) -> None:
        """`observer` takes the version of a handle (or DROPPED) of `view` at t_ns, now or ahead."""
        assert t_ns >= self._until
        self._seq += 1
        heapq.heappush(self._belief_ahead, (t_ns, observer, view, self._seq, version))

    def hand_over(self, until_ns: int) -> Slice:
        """Every row with t < until_ns that has not been handed over yet."""
        assert until_ns >= self._until
        self._until = until_ns
        truth: list[tuple[int, int, int]] = []
        while self._truth_ahead and self._truth_ahead[0][0] < until_ns:
            t, handle, server, kind = heapq.heappop(self._truth_ahead)
            if handle in self._cancelled:
                self._cancelled.discard(handle)
            else:
                truth.append((t, server, kind))
        nodes: list[tuple[int, int, int]] = []
        while self._node_ahead and self._node_ahead[0][0] < until_ns:
            t, _, node, state = heapq.heappop(self._node_ahead)
            nodes.append((t, node, state))
        belief: list[tuple[int, int, int, int]] = []
        versions = len(self._numbered)
        while self._belief_ahead and self._belief_ahead[0][0] < until_ns:
            t, observer, view, _, version = heapq.heappop(self._belief_ahead)
            belief.append((t, observer, view, self.number(version)))
        self._truth += truth
        self._node += nodes
        self._belief += belief
        servers, self._handed_servers = self._handed_servers, len(self._server_group)
        placed = self._placed[self._handed_placed :]
        self._handed_placed = len(self._placed)
        p_s, p_n = _columns(placed, 2)
        n_t, n_i, n_s = _columns(nodes, 3)
        t_t, t_s, t_k = _columns(truth, 3)
        b_t, b_o, b_v, b_n = _columns(belief, 4)
        return Slice(
            until_ns=until_ns,
            new_server_group=np.array(self._server_group[servers:], dtype=np.int32),
            new_server_views=tuple(self._server_views[servers:]),
            placed_server=p_s.astype(np.int32),
            placed_node=p_n.astype(np.int32),
            node_t=n_t,
            node_id=n_i.astype(np.int32),
            node_state=n_s.astype(np.int8),
            truth_t=t_t,
            truth_server=t_s.astype(np.int32),
            truth_kind=t_k.astype(np.int8),
            new_versions=tuple(np.array(v, dtype=np.int32) for v in self._numbered[versions:]),
            belief_t=b_t,
            belief_observer=b_o.astype(np.int32),
            belief_view=b_v.astype(np.int32),
            belief_version=b_n.astype(np.int32),
        )

    def histories(self) -> Histories:
        """Everything handed over so far."""
        n_t, n_i, n_s = _columns(self._node, 3)
        node_of = np.full(len(self._server_group), -1, dtype=np.int32)
        for server, node in self._placed:
            node_of[server] = node
        t_t, t_s, t_k = _columns(self._truth, 3)
        b_t, b_o, b_v, b_n = _columns(self._belief, 4)
        return Histories(
            server_group=np.array(self._server_group, dtype=np.int32),
            server_node=node_of,
            node_t=n_t,
            node_id=n_i.astype(np.int32),
            node_state=n_s.astype(np.int8),
            truth_t=t_t,
            truth_server=t_s.astype(np.int32),
            truth_kind=t_k.astype(np.int8),
            versions=tuple(np.array(v, dtype=np.int32) for v in self._numbered),
            belief_t=b_t,
            belief_observer=b_o.astype(np.int32),
            belief_view=b_v.astype(np.int32),
            belief_version=b_n.astype(np.int32),
        )


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[Int64]:
    """Rows of equal width as int64 columns."""
    if not rows:
        return [np.empty(0, dtype=np.int64) for _ in range(width)]
    table = np.array(rows, dtype=np.int64)
    return [np.ascontiguousarray(table[:, k]) for k in range(width)]
