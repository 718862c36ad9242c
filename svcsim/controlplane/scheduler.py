"""The scheduler: which node a pod goes to, and when (default spreading, kubernetes.md section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.objects import Pod
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Scheduler"]


class Scheduler:
    """Binds one pod at a time to the node with the fewest pods of its workload, then the fewest pods."""

    def __init__(self, plane: ControlPlane, n_nodes: int) -> None:
        self._plane = plane
        self._pods = [0] * n_nodes
        self._of_workload: dict[str, list[int]] = {}
        self._busy_ns = 0

    def enqueue(self, pod: Pod) -> None:
        """A pod without a node was created."""
        plane = self._plane
        lag = plane.dice.lag("scheduler", pod.name)
        plane.loop.at(plane.awake("scheduler", plane.loop.now + lag), self._bind, pod)

    def _bind(self, pod: Pod) -> None:
        plane = self._plane
        if pod.gone or pod.deleting:
            return
        node = self.choose(pod)
        if node < 0:
            plane.unschedulable.append(pod)
            return
        self.assume(pod, node)
        plane.kubelet.bound(pod)

    def choose(self, pod: Pod) -> int:
        """The node's index, or -1 if no node has room."""
        plane = self._plane
        same = self._of_workload.setdefault(str(pod.workload), [0] * len(self._pods))
        wanted = pod.template.node_name
        if pod.wanted_node >= 0:
            wanted = plane.nodes[pod.wanted_node].name
        closed = plane.cordoned | plane.node_lifecycle.unreachable
        best: tuple[int, int] | None = None
        equal: list[int] = []
        for i, node in enumerate(plane.nodes):
            if wanted is not None and node.name != wanted:
                continue
            if (i in closed and wanted is None) or self._pods[i] >= node.pods_limit:
                continue
            score = (same[i], self._pods[i])
            if best is None or score < best:
                best = score
                equal = [i]
            elif score == best:
                equal.append(i)
        if not equal:
            return -1
        return equal[int(plane.dice.unit(Purpose.SCHEDULE, pod.name) * len(equal))]

    def assume(self, pod: Pod, node: int) -> None:
        """The pod takes its place on the node."""
        pod.node = node
        self._pods[node] += 1
        self._of_workload.setdefault(str(pod.workload), [0] * len(self._pods))[node] += 1

    def release(self, pod: Pod) -> None:
        """The pod's place is free again; pods that found no node are tried again."""
        if pod.node < 0:
            return
        self._pods[pod.node] -= 1
        self._of_workload[str(pod.workload)][pod.node] -= 1
        self.retry()

    def retry(self) -> None:
        """Pods that found no node are tried again."""
        plane = self._plane
        waiting, plane.unschedulable = plane.unschedulable, []
        for other in waiting:
            self.enqueue(other)
