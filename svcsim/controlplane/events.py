"""What the scenario makes happen: to workloads, to nodes, and to a node's kube-proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.nodepool import NodePool
from svcsim.controlplane.noderemoval import NodeRemoval
from svcsim.controlplane.objects import Pod
from svcsim.dataplane.contract import NEVER
from svcsim.kube import ObjectKey
from svcsim.rng import Purpose
from svcsim.scenario import (
    Cordon,
    Crash,
    Delete,
    Drain,
    Fail,
    Kill,
    Partition,
    Recover,
    RemoveNode,
    Reselect,
    Rollout,
    Scale,
    Scenario,
    StartProxy,
    StopProxy,
    Uncordon,
    Unready,
    Upgrade,
)

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Events"]


def proxy_outages(scenario: Scenario) -> dict[int, list[tuple[int, int]]]:
    """When each node's kube-proxy is stopped: (from, until) ns by node, until NEVER where it stays so."""
    nodes = {node.name: i for i, node in enumerate(scenario.cluster.nodes)}
    outages: dict[int, list[tuple[int, int]]] = {}
    for event in scenario.events:
        if isinstance(event, StopProxy):
            spells = outages.setdefault(nodes[event.node], [])
            if not spells or spells[-1][1] != NEVER:
                spells.append((event.at_ns, NEVER))
        elif isinstance(event, StartProxy):
            spells = outages.get(nodes[event.node], [])
            if spells and spells[-1][1] == NEVER:
                spells[-1] = (spells[-1][0], event.at_ns)
    return outages


class Events:
    """Puts the scenario's events on the control plane's clock."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def arrange(self) -> None:
        """Every event before the run's end."""
        plane = self._plane
        nodes = plane.node_index
        for number, event in enumerate(plane.scenario.events):
            if event.at_ns >= plane.scenario.duration_ns:
                continue
            asked_ns = plane.awake("kube-apiserver", event.at_ns)
            match event:
                case Rollout():
                    plane.loop.at(asked_ns, self._rollout, event)
                case Scale():
                    plane.loop.at(asked_ns, plane.scale, event.target, event.replicas)
                case Reselect():
                    plane.loop.at(asked_ns, plane.reselect, event)
                case Delete():
                    plane.loop.at(asked_ns, self._delete, event, number)
                case Crash() | Kill():
                    plane.loop.at(event.at_ns, self._crash, event, number)
                case Cordon():
                    plane.loop.at(asked_ns, plane.disruption.cordon, nodes[event.node])
                case Uncordon():
                    plane.loop.at(asked_ns, plane.disruption.uncordon, nodes[event.node])
                case Drain():
                    plane.loop.at(asked_ns, plane.disruption.drain, nodes[event.node])
                case Unready():
                    plane.loop.at(event.at_ns, self._unready, event, number)
                case Fail():
                    plane.loop.at(event.at_ns, plane.node_lifecycle.fail, nodes[event.node])
                case Partition():
                    plane.loop.at(event.at_ns, plane.node_lifecycle.partition, nodes[event.node])
                    if event.for_ns is not None:
                        end_ns = event.at_ns + event.for_ns
                        plane.loop.at(end_ns, plane.node_lifecycle.recover, nodes[event.node])
                case Recover():
                    plane.loop.at(event.at_ns, plane.node_lifecycle.recover, nodes[event.node])
                case RemoveNode():
                    plane.loop.at(asked_ns, NodeRemoval(plane, nodes[event.node], event.wait_ns).begin)
                case Upgrade():
                    plane.loop.at(asked_ns, NodePool(plane, event).begin)

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
            plane.deployments.adopt_older(deployment)
        plane.deployments.enqueue(deployment)

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
