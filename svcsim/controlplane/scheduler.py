"""The scheduler: which node a pod goes to, and when (pkg/scheduler, with the default profile)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Scheduler", "nodes_to_score", "spread_scores"]

Int64 = npt.NDArray[np.int64]

QPS = 50  # componentbaseconfig client connection
QPS_BURST = 100
HOST_SKEW, ZONE_SKEW = 3, 5  # podtopologyspread/plugin.go systemDefaultConstraints
SPREAD_WEIGHT = 2
MAX_SCORE = 100
USUAL_CPU_MILLI = 100  # noderesources: a container without a request counts as 100m
BACKOFF_NS, BACKOFF_MAX_NS = SECOND, 10 * SECOND
SAMPLED_FROM = 100


def nodes_to_score(n_nodes: int) -> int:
    """How many feasible nodes are looked for (schedule_one.go `numFeasibleNodesToFind`).

    >>> nodes_to_score(99), nodes_to_score(1000), nodes_to_score(6000)
    (99, 420, 300)
    """
    if n_nodes < SAMPLED_FROM:
        return n_nodes
    share = max(50 - n_nodes // 125, 5)
    return max(n_nodes * share // 100, SAMPLED_FROM)


def spread_scores(on_node: Int64, zone: Int64, nodes: Int64) -> Int64:
    """PodTopologySpread with the default constraints (podtopologyspread/scoring.go `Score`).

    Args:
        on_node: int64 (n_nodes,), pods of the same kind on each node.
        zone: int64 (n_nodes,), the zone's number, -1 without.
        nodes: indices of the nodes that are scored.

    Returns:
        int64 (len(nodes),), 0 to 100, most where the fewest of the same kind are.
    """
    raw = on_node[nodes] * math.log(len(nodes) + 2) + (HOST_SKEW - 1)
    zones = zone[nodes]
    if zones.max() >= 0:
        in_zone = np.bincount(zone[zone >= 0], weights=on_node[zone >= 0], minlength=int(zone.max()) + 1)
        weight = math.log(len(np.unique(zones[zones >= 0])) + 2)
        raw = raw + np.where(zones >= 0, in_zone[zones] * weight + (ZONE_SKEW - 1), 0.0)
    rounded = np.floor(raw + 0.5).astype(np.int64)
    most = int(rounded.max())
    if most == 0:
        return np.full(len(nodes), MAX_SCORE, dtype=np.int64)
    scores: Int64 = MAX_SCORE * (most + int(rounded.min()) - rounded) // most
    return scores


class Scheduler:
    """Binds one pod at a time to the node with the best score; of equals, to any.

    Scores: default topology spreading over nodes and zones, among pods that the same ReplicaSet (or other
    controller) owns and that are not being deleted; then the least allocated node. A node needs room for one
    more pod and, where its cores are known, for the pod's CPU request; memory, affinity and taints other than
    of lost nodes are not looked at.
    """

    def __init__(self, plane: ControlPlane, n_nodes: int) -> None:
        self._plane = plane
        nodes = plane.nodes
        zones = {zone: i for i, zone in enumerate(dict.fromkeys(n.zone for n in nodes if n.zone is not None))}
        self._zone = np.array([-1 if n.zone is None else zones[n.zone] for n in nodes], dtype=np.int64)
        self._limit = np.array([n.pods_limit for n in nodes], dtype=np.int64)
        known = [n.cpu for n in nodes]
        self._cpu = np.array([0 if cpu is None else int(cpu * 1000) for cpu in known], dtype=np.int64)
        self._pods = np.zeros(n_nodes, dtype=np.int64)
        self._requested = np.zeros(n_nodes, dtype=np.int64)
        self._scored = np.zeros(n_nodes, dtype=np.int64)
        self._same: dict[str, Int64] = {}
        self._open = np.ones(n_nodes, dtype=bool)
        self._closed: frozenset[int] = frozenset()
        self._start = 0
        self._tokens = QPS_BURST * SECOND
        self._tokens_ns = 0
        self._tries: dict[int, tuple[int, int]] = {}
        self._requests: dict[int, tuple[int, int]] = {}

    def enqueue(self, pod: Pod) -> None:
        """A pod without a node was created."""
        plane = self._plane
        lag = plane.dice.lag("scheduler", pod.name)
        plane.loop.at(plane.awake("scheduler", plane.loop.now + lag), self._schedule, pod)

    def _schedule(self, pod: Pod) -> None:
        """Its turn: it is bound when the client's rate limit lets the binding through."""
        plane = self._plane
        now = plane.loop.now
        self._tokens = min(QPS_BURST * SECOND, self._tokens + (now - self._tokens_ns) * QPS)
        self._tokens_ns = now
        self._tokens -= SECOND
        if self._tokens >= 0:
            self._bind(pod)
        else:
            plane.loop.at(now - self._tokens // QPS, self._bind, pod)

    def _bind(self, pod: Pod) -> None:
        plane = self._plane
        if pod.gone or pod.deleting:
            return
        node = self.choose(pod)
        if node < 0:
            self._tries[pod.uid] = (self._tries.get(pod.uid, (0, 0))[0] + 1, plane.loop.now)
            plane.unschedulable.append(pod)
            return
        self._tries.pop(pod.uid, None)
        self.assume(pod, node)
        plane.kubelet.bound(pod)

    def choose(self, pod: Pod) -> int:
        """The node's index, or -1 if no node has room."""
        plane = self._plane
        request, scored = self._cpu_milli(pod)
        room = (self._pods < self._limit) & ((self._cpu == 0) | (self._requested + request <= self._cpu))
        wanted = pod.wanted_node
        if wanted < 0 and pod.template.node_name is not None:
            wanted = plane.node_index.get(pod.template.node_name, len(plane.nodes))
        if wanted >= 0:
            return wanted if wanted < len(plane.nodes) and room[wanted] else -1
        feasible = np.flatnonzero(room & self._schedulable())
        if not len(feasible):
            return -1
        feasible = self._sample(feasible)
        score = SPREAD_WEIGHT * spread_scores(self._same_kind(pod), self._zone, feasible)
        score = score + self._least_allocated(feasible, scored)
        equal = feasible[score == score.max()]
        return int(equal[int(plane.dice.unit(Purpose.SCHEDULE, pod.name) * len(equal))])

    def _schedulable(self) -> npt.NDArray[np.bool_]:
        """Nodes that are neither cordoned nor lost."""
        closed = frozenset(self._plane.cordoned | self._plane.node_lifecycle.unreachable)
        if closed != self._closed:
            self._closed = closed
            self._open[:] = True
            self._open[list(closed)] = False
        return self._open

    def _sample(self, feasible: Int64) -> Int64:
        """In large clusters the search stops early, and goes on from there for the next pod."""
        n_nodes = len(self._pods)
        enough = nodes_to_score(n_nodes)
        if n_nodes < SAMPLED_FROM or len(feasible) <= enough:
            return feasible
        first = int(np.searchsorted(feasible, self._start))
        chosen = np.take(feasible, np.arange(first, first + enough), mode="wrap")
        self._start = (int(chosen[-1]) + 1) % n_nodes
        return np.sort(chosen)

    def _least_allocated(self, nodes: Int64, request: int) -> Int64:
        """NodeResourcesFit, LeastAllocated: by CPU requests, or by pods where cores are not known."""
        by_pods = MAX_SCORE * (self._limit[nodes] - self._pods[nodes] - 1) // self._limit[nodes]
        cpu = self._cpu[nodes]
        free = np.maximum(cpu - self._scored[nodes] - request, 0)
        score: Int64 = np.where(cpu > 0, MAX_SCORE * free // np.maximum(cpu, 1), by_pods)
        return score

    def _same_kind(self, pod: Pod) -> Int64:
        kind = pod.owner.name if pod.owner is not None else str(pod.workload)
        same = self._same.get(kind)
        if same is None:
            same = self._same[kind] = np.zeros(len(self._pods), dtype=np.int64)
        return same

    def assume(self, pod: Pod, node: int) -> None:
        """The pod takes its place on the node."""
        request, scored = self._cpu_milli(pod)
        pod.node = node
        self._pods[node] += 1
        self._requested[node] += request
        self._scored[node] += scored
        self._same_kind(pod)[node] += 1

    def deleting(self, pod: Pod) -> None:
        """A pod that is being deleted keeps its place, but no longer counts for spreading."""
        if pod.node >= 0:
            self._same_kind(pod)[pod.node] -= 1

    def release(self, pod: Pod) -> None:
        """The pod's place is free again; pods that found no node are tried again."""
        if pod.node < 0:
            return
        request, scored = self._cpu_milli(pod)
        self._pods[pod.node] -= 1
        self._requested[pod.node] -= request
        self._scored[pod.node] -= scored
        if not pod.deleting:
            self._same_kind(pod)[pod.node] -= 1
        self.retry()

    def retry(self) -> None:
        """Pods that found no node are tried again, after a back-off of 1 s, doubling to 10 s."""
        plane = self._plane
        waiting, plane.unschedulable = plane.unschedulable, []
        for other in waiting:
            tries, last_ns = self._tries.get(other.uid, (1, 0))
            backoff = min(BACKOFF_NS << min(tries - 1, 4), BACKOFF_MAX_NS)
            plane.loop.at(last_ns + backoff, self.enqueue, other)

    def _cpu_milli(self, pod: Pod) -> tuple[int, int]:
        """(what its containers request, the same with what counts for one without a request), milli-cores."""
        known = self._requests.get(id(pod.template))
        if known is None:
            asked = [container.requests.get("cpu") for container in pod.template.containers]
            request = sum(int(cpu * 1000) for cpu in asked if cpu is not None)
            known = (request, request + USUAL_CPU_MILLI * sum(cpu is None for cpu in asked))
            self._requests[id(pod.template)] = known
        return known
