"""The ReplicaSet controller, ReplicationControllers too (pkg/controller/replicaset/replica_set.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod, ReplicaSet
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["BURST_REPLICAS", "ReplicaSetController", "deletion_rank", "slow_start_batches"]

BURST_REPLICAS = 500
QPS = 20
QPS_BURST = 30
POD_CALL_TOKENS = 2  # a create or delete, and the event that tells of it
CALL_SPACING_NS = 6_000_000  # measured: parallel calls reach the API server 3 to 12 ms apart


def slow_start_batches(count: int) -> list[int]:
    """Sizes of the parallel creation batches (replica_set.go `slowStartBatch`).

    >>> slow_start_batches(10)
    [1, 2, 4, 3]
    """
    batches: list[int] = []
    size = 1
    while count > 0:
        batches.append(min(size, count))
        count -= batches[-1]
        size *= 2
    return batches


def _log2_bucket(age_ns: int) -> int:
    """floor(log2(age in ns)), -1 for an age of 0 or less (controller_utils.go `ActivePodsWithRanks`)."""
    return age_ns.bit_length() - 1 if age_ns > 0 else -1


def deletion_rank(pod: Pod, *, now_ns: int, on_node: int, tie: float) -> tuple[float, ...]:
    """Sort key: who is deleted first has the smallest (controller_utils.go `ActivePodsWithRanks.Less`).

    on_node: active pods of the same Deployment on this pod's node. tie: a draw in place of the UID.
    """
    running = pod.admitted_ns >= 0 and any(c.running for c in pod.containers)
    return (
        0 if pod.node < 0 else 1,
        1 if running or pod.ready else 0,
        1 if pod.ready else 0,
        pod.template.pod_deletion_cost,
        -on_node,
        _log2_bucket(now_ns - pod.ready_since_ns) if pod.ready else 0,
        -pod.restarts,
        _log2_bucket(now_ns - pod.created_ns),
        tie,
    )


class ReplicaSetController:
    """Keeps the number of a ReplicaSet's pods, and its status."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._tokens = QPS_BURST * SECOND
        self._tokens_ns = 0

    def enqueue(self, rs: ReplicaSet) -> None:
        """The ReplicaSet or one of its pods changed."""
        if rs.sync_queued:
            return
        rs.sync_queued = True
        plane = self._plane
        lag = plane.dice.lag("controller", f"replicaset/{rs.name}")
        plane.loop.at(plane.awake("replicaset", plane.loop.now + lag), self._sync, rs)

    def _sync(self, rs: ReplicaSet) -> None:
        rs.sync_queued = False
        if rs.creating == 0 and rs.deletions_unseen == 0:
            active = [pod for pod in rs.pods if pod.active]
            if len(active) < rs.replicas:
                self._create(rs, min(rs.replicas - len(active), BURST_REPLICAS))
            elif len(active) > rs.replicas:
                self._delete(rs, active, min(len(active) - rs.replicas, BURST_REPLICAS))
        self._update_status(rs)

    def _call_at(self, tokens: int) -> int:
        """The instant of the next write that the client's rate limit allows (20 a second, burst 30)."""
        now = self._plane.loop.now
        self._tokens = min(QPS_BURST * SECOND, self._tokens + (now - self._tokens_ns) * QPS)
        self._tokens_ns = now
        self._tokens -= tokens * SECOND
        return now if self._tokens >= 0 else now - self._tokens // QPS

    def _create(self, rs: ReplicaSet, count: int) -> None:
        plane = self._plane
        rs.creating = count
        round_trip = 0
        for batch in slow_start_batches(count):
            for i in range(batch):
                at = max(self._call_at(POD_CALL_TOKENS), plane.loop.now + round_trip)
                plane.loop.at(at + i * CALL_SPACING_NS, self._created, rs)
            round_trip += plane.dice.lag("api", f"create/{rs.name}")

    def _created(self, rs: ReplicaSet) -> None:
        rs.creating -= 1
        self._plane.create_pod(rs)
        if rs.creating == 0:
            self.enqueue(rs)

    def _delete(self, rs: ReplicaSet, active: list[Pod], count: int) -> None:
        plane = self._plane
        related = rs.deployment.sets if rs.deployment is not None else [rs]
        per_node: dict[int, int] = {}
        for other in related:
            for pod in other.pods:
                if pod.active:
                    per_node[pod.node] = per_node.get(pod.node, 0) + 1
        now = plane.loop.now
        ranked = sorted(
            active,
            key=lambda pod: deletion_rank(
                pod,
                now_ns=now,
                on_node=per_node.get(pod.node, 0),
                tie=plane.dice.unit(Purpose.VICTIM, pod.name),
            ),
        )
        rs.deletions_unseen = count
        for i, pod in enumerate(ranked[:count]):
            plane.loop.at(self._call_at(POD_CALL_TOKENS) + i * CALL_SPACING_NS, self._deleted, rs, pod)

    def _deleted(self, rs: ReplicaSet, pod: Pod) -> None:
        rs.deletions_unseen -= 1
        self._plane.delete_pod(pod)
        if rs.deletions_unseen == 0:
            self.enqueue(rs)

    def _update_status(self, rs: ReplicaSet) -> None:
        """status.replicas, readyReplicas, availableReplicas; a change wakes the Deployment.

        A pod is available minReadySeconds after its Ready condition's lastTransitionTime, which has whole
        seconds (podutil `IsPodAvailable`).
        """
        plane = self._plane
        now = plane.loop.now
        active = [pod for pod in rs.pods if pod.active]
        ready = [pod for pod in active if pod.ready]
        available = 0
        wake = -1
        for pod in ready:
            at = plane.whole_second(pod.ready_since_ns) + rs.min_ready_ns if rs.min_ready_ns else now
            if at <= now:
                available += 1
            elif wake < 0 or at < wake:
                wake = at
        if wake >= 0 and rs.wake_ns != wake:
            rs.wake_ns = wake
            plane.loop.at(wake, self.enqueue, rs)
        status = (len(active), len(ready), available)
        if status != rs.status:
            rs.status = status
            self._call_at(1)
            if rs.deployment is not None:
                plane.deployments.enqueue(rs.deployment)
