"""What the scenario makes happen: rollout, scale, delete, crash, kill, unready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.objects import Pod
from svcsim.kube import ObjectKey
from svcsim.rng import Purpose
from svcsim.scenario import Crash, Delete, Kill, Rollout, Scale, Unready

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Events"]


class Events:
    """Puts the scenario's events on the control plane's clock."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def arrange(self) -> None:
        """Every event before the run's end."""
        plane = self._plane
        for number, event in enumerate(plane.scenario.events):
            if event.at_ns >= plane.scenario.duration_ns:
                continue
            match event:
                case Rollout():
                    plane.loop.at(event.at_ns, self._rollout, event)
                case Scale():
                    plane.loop.at(event.at_ns, self._scale, event)
                case Delete():
                    plane.loop.at(event.at_ns, self._delete, event, number)
                case Crash() | Kill():
                    plane.loop.at(event.at_ns, self._crash, event, number)
                case Unready():
                    plane.loop.at(event.at_ns, self._unready, event, number)

    def _rollout(self, event: Rollout) -> None:
        plane = self._plane
        stateful = plane.workload_stateful.get(event.target)
        daemon = plane.workload_daemons.get(event.target)
        for owner in (stateful, daemon):
            if owner is not None:
                owner.revision += 1
                owner.template = event.template or owner.template
        if stateful is not None:
            plane.stateful_sets.enqueue(stateful)
            return
        if daemon is not None:
            plane.daemon_sets.enqueue(daemon)
            return
        deployment = plane.workload_deployments[event.target]
        deployment.revision += 1
        if deployment.workload.paused:
            plane.warn_once(f"rollout of {event.target}: it is paused, so nothing is replaced")
        if event.template is not None:
            deployment.template = event.template
        plane.deployments.enqueue(deployment)

    def _scale(self, event: Scale) -> None:
        plane = self._plane
        deployment = plane.workload_deployments.get(event.target)
        if deployment is not None:
            deployment.replicas = event.replicas
            plane.deployments.enqueue(deployment)
            return
        stateful = plane.workload_stateful.get(event.target)
        if stateful is not None:
            stateful.replicas = event.replicas
            plane.stateful_sets.enqueue(stateful)
            return
        rs = plane.workload_sets[event.target]
        rs.replicas = event.replicas
        plane.replica_sets.enqueue(rs)

    def _delete(self, event: Delete, number: int) -> None:
        for pod in self._victims(event.target, event.count, number):
            self._plane.delete_pod(pod)

    def _crash(self, event: Crash | Kill, number: int) -> None:
        for pod in self._victims(event.target, event.count, number):
            self._plane.kubelet.crash(pod)

    def _unready(self, event: Unready, number: int) -> None:
        for pod in self._victims(event.target, event.count, number):
            self._plane.kubelet.fail_readiness(pod, event.for_ns)

    def _victims(self, target: ObjectKey, count: int, number: int) -> list[Pod]:
        """`count` of the target's live pods, ready ones first, by draw."""
        plane = self._plane
        live = [
            pod
            for pod in plane.pods
            if pod.workload == target and pod.active and not pod.terminating and pod.started_ns != -1
        ]
        if len(live) < count:
            plane.warn_once(f"{target}: an event asks for {count} pods, {len(live)} were there")
        live.sort(
            key=lambda pod: (
                not pod.ready,
                plane.dice.unit(Purpose.VICTIM, f"event {number}/{pod.name}"),
            )
        )
        return live[:count]
