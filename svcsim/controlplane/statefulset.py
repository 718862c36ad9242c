"""The StatefulSet controller (pkg/controller/statefulset/stateful_set_control.go `updateStatefulSet`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.objects import Pod, StatefulSet

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["StatefulSetController"]


class StatefulSetController:
    """Keeps pods 0 to n-1, each in its place: the lowest first up, the highest first down and over.

    Under OrderedReady a step waits for the pod before it to be available; Parallel waits only when it rolls.
    A pod is made anew once the object of its predecessor is gone.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def enqueue(self, stateful: StatefulSet) -> None:
        """The StatefulSet or one of its pods changed."""
        if stateful.sync_queued:
            return
        stateful.sync_queued = True
        plane = self._plane
        lag = plane.dice.lag("controller", f"statefulset/{stateful.workload.key}")
        plane.loop.at(plane.awake("statefulset", plane.loop.now + lag), self._sync, stateful)

    def _sync(self, stateful: StatefulSet) -> None:
        stateful.sync_queued = False
        stateful.pods = {o: pod for o, pod in stateful.pods.items() if not pod.gone}
        if self._bring_up(stateful) and self._bring_down(stateful):
            self._roll(stateful)

    def _bring_up(self, stateful: StatefulSet) -> bool:
        """Create what is missing, lowest first; False where the next step has to wait."""
        ordered = not stateful.workload.parallel
        for ordinal in range(stateful.replicas):
            pod = stateful.pods.get(ordinal)
            if pod is None:
                self.create(stateful, ordinal)
                if ordered:
                    return False
            elif pod.terminal and not pod.deleting:
                self._plane.delete_pod(pod)
                if ordered:
                    return False
            elif ordered and not self._available(stateful, pod):
                return False
        return True

    def _bring_down(self, stateful: StatefulSet) -> bool:
        """Delete what is too many, highest first; False where the next step has to wait."""
        ordered = not stateful.workload.parallel
        condemned = sorted((o for o in stateful.pods if o >= stateful.replicas), reverse=True)
        unhealthy = [o for o in condemned if not stateful.pods[o].ready or stateful.pods[o].deleting]
        for ordinal in condemned:
            pod = stateful.pods[ordinal]
            if pod.deleting:
                if ordered:
                    return False
                continue
            if ordered and unhealthy and not pod.ready and ordinal != min(unhealthy):
                return False
            self._plane.delete_pod(pod)
            if ordered:
                return False
        return True

    def _roll(self, stateful: StatefulSet) -> None:
        """Replace one pod of an older template, the highest ordinal first, down to the partition."""
        update = stateful.workload.update
        assert update is not None
        if update.type == "OnDelete":
            return
        for ordinal in range(stateful.replicas - 1, update.partition - 1, -1):
            pod = stateful.pods.get(ordinal)
            if pod is None:
                return
            if pod.revision != stateful.revision and not pod.deleting:
                self._plane.delete_pod(pod)
                return
            if not self._available(stateful, pod):
                return
        if update.partition == 0:
            stateful.current = (stateful.revision, stateful.template)

    def _available(self, stateful: StatefulSet, pod: Pod) -> bool:
        """Running, ready for minReadySeconds, and not being deleted; wakes the controller when it will be."""
        if pod.deleting or not pod.ready:
            return False
        plane = self._plane
        at = plane.whole_second(pod.ready_since_ns) + stateful.min_ready_ns
        if not stateful.min_ready_ns or at <= plane.loop.now:
            return True
        plane.loop.at(at, self.enqueue, stateful)
        return False

    def create(self, stateful: StatefulSet, ordinal: int, *, scheduled: bool = True) -> Pod:
        """A pod for an ordinal, of the template that the partition gives it."""
        plane = self._plane
        update = stateful.workload.update
        assert update is not None
        newest = (stateful.revision, stateful.template)
        revision, template = newest if ordinal >= update.partition else stateful.current
        stateful.made[ordinal] = stateful.made.get(ordinal, 0) + 1
        key = stateful.workload.key
        pod = plane.make_pod(f"{key}/{ordinal}/{stateful.made[ordinal]}", key, template, None)
        pod.revision = revision
        pod.keeper = lambda: self.enqueue(stateful)
        stateful.pods[ordinal] = pod
        if scheduled:
            plane.scheduler.enqueue(pod)
        return pod
