"""The DaemonSet controller (pkg/controller/daemon: `manage` in daemon_controller.go, update.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.objects import DaemonSet, Pod

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["DaemonSetController"]


class DaemonSetController:
    """Keeps one pod on every node; a node's next pod is made once the object of the last one is gone."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def enqueue(self, daemon: DaemonSet) -> None:
        """The DaemonSet or one of its pods changed."""
        if daemon.sync_queued:
            return
        daemon.sync_queued = True
        plane = self._plane
        lag = plane.dice.lag("controller", f"daemonset/{daemon.workload.key}")
        plane.loop.at(plane.awake("daemonset", plane.loop.now + lag), self._sync, daemon)

    def _sync(self, daemon: DaemonSet) -> None:
        daemon.sync_queued = False
        plane = self._plane
        daemon.pods = [pod for pod in daemon.pods if not pod.gone]
        on_node: list[list[Pod]] = [[] for _ in plane.nodes]
        for pod in daemon.pods:
            on_node[pod.wanted_node].append(pod)
        for node, pods in enumerate(on_node):
            if not pods:
                self.create(daemon, node)
            for pod in pods:
                if pod.terminal and not pod.deleting:
                    plane.delete_pod(pod)
        update = daemon.workload.update
        assert update is not None
        if update.type == "RollingUpdate":
            self._roll(daemon, on_node)

    def _roll(self, daemon: DaemonSet, on_node: list[list[Pod]]) -> None:
        """Without surge: old pods that are not available go at once, others as maxUnavailable allows.

        With surge: a new pod beside an old one, which goes when the new one is available.
        """
        plane = self._plane
        update = daemon.workload.update
        assert update is not None
        surge = update.max_surge.resolve(len(on_node), round_up=True)
        allowed = update.max_unavailable.resolve(len(on_node), round_up=True)
        unavailable = surging = 0
        broken: list[Pod] = []
        candidates: list[Pod] = []
        for pods in on_node:
            live = [pod for pod in pods if not pod.deleting]
            old = next((pod for pod in live if pod.revision != daemon.revision), None)
            new = next((pod for pod in live if pod.revision == daemon.revision), None)
            if old is not None and new is not None:
                surging += 1
                if self._available(daemon, new):
                    plane.delete_pod(old)
            elif old is None:
                unavailable += new is None or not self._available(daemon, new)
            elif self._available(daemon, old):
                candidates.append(old)
            else:
                broken.append(old)
        if surge:
            for pod in [*broken, *candidates[: max(surge - surging, 0)]]:
                self.create(daemon, pod.wanted_node)
            return
        for pod in [*broken, *candidates[: max(allowed - unavailable, 0)]]:
            plane.delete_pod(pod)

    def _available(self, daemon: DaemonSet, pod: Pod) -> bool:
        """Ready for minReadySeconds; wakes the controller when it will be."""
        if not pod.ready:
            return False
        plane = self._plane
        at = plane.whole_second(pod.ready_since_ns) + daemon.min_ready_ns
        if not daemon.min_ready_ns or at <= plane.loop.now:
            return True
        plane.loop.at(at, self.enqueue, daemon)
        return False

    def create(self, daemon: DaemonSet, node: int, *, scheduled: bool = True) -> Pod:
        """A pod for a node, cordoned or not."""
        plane = self._plane
        daemon.made += 1
        key = daemon.workload.key
        pod = plane.make_pod(f"{key}/r{daemon.revision}/{daemon.made}", key, daemon.template, None)
        pod.revision = daemon.revision
        pod.wanted_node = node
        pod.keeper = lambda: self.enqueue(daemon)
        daemon.pods.append(pod)
        if scheduled:
            plane.scheduler.enqueue(pod)
        return pod
