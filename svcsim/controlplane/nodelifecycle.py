"""Nodes that are lost and come back, and the controller that notices (pkg/controller/nodelifecycle).

A kubelet renews its node's lease every 10 s (pkg/kubelet/nodelease); the controller looks every 5 s, and
takes the node for lost once it has seen no renewal for the grace period: the node is Unknown, its pods are
marked not ready, and no pod is scheduled there. The NoExecute taint is put on one node of a zone at a time,
at the zone's rate; a pod is deleted when its toleration of it has run out, and stays Terminating until the
kubelet is back. Leases and looks of nodes that are well cost nothing: they are reckoned when one is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod
from svcsim.controlplane.probes import first_tick
from svcsim.dataplane.contract import NodeState
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["LARGE_ZONE", "NodeLifecycle", "Zone", "eviction_gap_ns"]

LEASE_NS = 10 * SECOND  # pkg/kubelet/kubelet.go: a quarter of nodeLeaseDurationSeconds = 40
MONITOR_NS = 5 * SECOND  # --node-monitor-period
EVICTION_GAP_NS = 10 * SECOND  # --node-eviction-rate 0.1
SECONDARY_GAP_NS = 100 * SECOND  # --secondary-node-eviction-rate 0.01
UNHEALTHY_SHARE = 0.55  # --unhealthy-zone-threshold
UNHEALTHY_LEAST = 3
LARGE_ZONE = 50  # --large-cluster-size-threshold


def eviction_gap_ns(lost: int, size: int) -> int | None:
    """The time between two nodes tainted in a zone, None for no more at all.

    Source: node_lifecycle_controller.go `ComputeZoneState`, `ReducedQPSFunc`. A zone that
    is lost as a whole keeps the usual rate.

    >>> eviction_gap_ns(1, 3), eviction_gap_ns(3, 5), eviction_gap_ns(40, 60), eviction_gap_ns(3, 3)
    (10000000000, None, 100000000000, 10000000000)
    """
    if lost == size or lost < UNHEALTHY_LEAST or lost / size < UNHEALTHY_SHARE:
        return EVICTION_GAP_NS
    return SECONDARY_GAP_NS if size > LARGE_ZONE else None


@dataclass(kw_only=True, eq=False)
class Zone:
    """The nodes of a zone and its queue of nodes to taint. next_ns: when the limiter lets one through."""

    nodes: list[int]
    queue: list[int]
    next_ns: int = 0
    gap_ns: int | None = EVICTION_GAP_NS
    asked: int = 0


class NodeLifecycle:
    """Power and links of nodes, and what the control plane makes of it."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._state = [NodeState.UP] * len(plane.nodes)
        self._connected = [True] * len(plane.nodes)
        self._spell = [0] * len(plane.nodes)
        self._return = [0] * len(plane.nodes)
        self._unknown: set[int] = set()
        self.removed: set[int] = set()
        self._tainted: dict[int, int] = {}
        self._look_phase = int(plane.dice.unit(Purpose.PHASE, "nodelifecycle") * MONITOR_NS)
        by_zone: dict[str | None, Zone] = {}
        for i, node in enumerate(plane.nodes):
            by_zone.setdefault(node.zone, Zone(nodes=[], queue=[])).nodes.append(i)
        self._zones = list(by_zone.values())
        self._zone_of = {node: zone for zone in self._zones for node in zone.nodes}

    @property
    def unreachable(self) -> set[int]:
        """Nodes on which no pod is scheduled: those taken for lost."""
        return self._unknown

    # -- what happens to a node

    def fail(self, node: int) -> None:
        """The machine has lost its power: nothing on it lives, and nobody is told."""
        plane = self._plane
        if self._state[node] is NodeState.DOWN:
            return
        self._leave(node, NodeState.DOWN)
        plane.kubelet.power_lost(node)

    def remove(self, node: int) -> None:
        """The machine is deleted: it is off for good, and the cloud's load balancers no longer have it."""
        self.fail(node)
        self.removed.add(node)
        self._plane.downstream.deregister(self._plane.loop.now, node)

    def partition(self, node: int) -> None:
        """The node is cut off from everything else; what is on it runs on."""
        if self._state[node] is not NodeState.UP:
            return
        self._leave(node, NodeState.CUT)
        self._plane.kubelet.cut_off(node)

    def _leave(self, node: int, state: NodeState) -> None:
        plane = self._plane
        now = plane.loop.now
        self._state[node] = state
        self._return[node] += 1
        plane.timeline.node(now, node, int(state))
        plane.downstream.node(now, node, int(state))
        plane.cut_observers(node)
        if not self._connected[node]:
            return
        self._connected[node] = False
        self._spell[node] += 1
        name = plane.nodes[node].name
        lease = int(plane.dice.unit(Purpose.PHASE, f"lease/{name}") * LEASE_NS)
        look = self._look_phase
        renewed = first_tick(lease - 2 * LEASE_NS, LEASE_NS, now - LEASE_NS + 1)
        seen = first_tick(look - 4 * MONITOR_NS, MONITOR_NS, renewed)
        grace = plane.scenario.cluster.node_monitor_grace_ns
        lost = first_tick(look, MONITOR_NS, seen + grace)
        at = plane.awake("nodelifecycle", lost)
        plane.loop.at(at, self._taken_for_lost, node, self._spell[node])

    def recover(self, node: int) -> None:
        """The machine boots, or the link is whole; who lost a connection has another after a while."""
        plane = self._plane
        state, now = self._state[node], plane.loop.now
        if node in self.removed:
            plane.warn_once(f"{plane.nodes[node].name} is deleted: it does not come back")
            return
        if state is NodeState.UP:
            return
        self._state[node] = NodeState.UP
        self._return[node] += 1
        name = plane.nodes[node].name
        plane.timeline.node(now, node, int(NodeState.UP))
        plane.downstream.node(now, node, int(NodeState.UP))
        if state is NodeState.DOWN:
            plane.reconnect_observers(node, booted=True)
            self._back(node, self._return[node], booted=True)
            return
        proxy = plane.dice.lag("reconnect", f"proxy/{name}")
        kubelet = plane.dice.lag("reconnect", f"kubelet/{name}")
        plane.loop.at(now + proxy, self._observers_back, node, self._return[node])
        plane.loop.at(now + kubelet, self._back, node, self._return[node])

    def _observers_back(self, node: int, asked: int) -> None:
        if self._return[node] == asked:
            self._plane.reconnect_observers(node)

    def _back(self, node: int, asked: int, *, booted: bool = False) -> None:
        """The kubelet talks to the API server again; the controller sees it Ready at its next look."""
        plane = self._plane
        if self._return[node] != asked:
            return
        self._connected[node] = True
        self._spell[node] += 1
        if booted:
            plane.kubelet.booted(node)
        else:
            plane.kubelet.reconnected(node)
        at = plane.awake("nodelifecycle", first_tick(self._look_phase, MONITOR_NS, plane.loop.now))
        plane.loop.at(at, self._seen_ready, node, self._spell[node])

    # -- what the controller does

    def _taken_for_lost(self, node: int, spell: int) -> None:
        """No lease for the grace period: Unknown, pods not ready (`MarkPodsNotReady`), taint to come."""
        plane = self._plane
        if self._spell[node] != spell:
            return
        self._unknown.add(node)
        at = plane.loop.now
        for pod in plane.pods:
            if pod.node == node and not pod.gone:
                at += plane.dice.lag("api", f"notready/{plane.nodes[node].name}")
                plane.loop.at(plane.awake("kube-apiserver", at), self._mark_not_ready, pod, spell)
        self._zone_of[node].queue.append(node)
        self._reckon()

    def _mark_not_ready(self, pod: Pod, spell: int) -> None:
        plane = self._plane
        if self._spell[pod.node] != spell or pod.gone or not pod.ready:
            return
        pod.ready = False
        pod.ready_since_ns = plane.loop.now
        plane.pod_changed(pod)

    def _seen_ready(self, node: int, spell: int) -> None:
        """The node is Ready: its taints go, and with them the deletions that were to come."""
        if self._spell[node] != spell or node not in self._unknown:
            return
        self._unknown.discard(node)
        self._tainted.pop(node, None)
        zone = self._zone_of[node]
        zone.queue = [other for other in zone.queue if other != node]
        self._reckon()
        self._plane.scheduler.retry()

    def _reckon(self) -> None:
        """Rates by the state of each zone; with every node of the cluster lost nothing is evicted at all."""
        now = self._plane.loop.now
        all_lost = len(self._unknown) == len(self._plane.nodes)
        if all_lost:
            self._tainted.clear()
        for zone in self._zones:
            lost = sum(node in self._unknown for node in zone.nodes)
            gap = None if all_lost else eviction_gap_ns(lost, len(zone.nodes))
            if gap != zone.gap_ns:
                if zone.gap_ns is None and gap is not None:
                    zone.queue = [
                        node for node in zone.nodes if node in self._unknown and node not in self._tainted
                    ]
                if zone.next_ns > now and gap is not None:
                    zone.next_ns = now + gap
                zone.gap_ns = gap
            self._ask(zone)

    def _ask(self, zone: Zone) -> None:
        """Wake when the zone's limiter lets the next node through."""
        zone.asked += 1
        if zone.queue and zone.gap_ns is not None:
            at = max(zone.next_ns, self._plane.loop.now)
            self._plane.loop.at(at, self._taint, zone, zone.asked)

    def _taint(self, zone: Zone, asked: int) -> None:
        """NoExecute: pods go when they no longer tolerate it (tainteviction/taint_eviction.go)."""
        plane = self._plane
        if zone.asked != asked or not zone.queue or zone.gap_ns is None:
            return
        node = zone.queue.pop(0)
        zone.next_ns = plane.loop.now + zone.gap_ns
        taint = self._tainted[node] = plane.loop.now
        for pod in plane.pods:
            if pod.node == node and not pod.gone and pod.workload.kind != "DaemonSet":
                tolerated = pod.template.unreachable_toleration_seconds
                if tolerated is not None:
                    at = plane.awake("nodelifecycle", taint + tolerated * SECOND)
                    plane.loop.at(at, self._evict, node, taint, pod)
        self._ask(zone)

    def _evict(self, node: int, taint: int, pod: Pod) -> None:
        plane = self._plane
        if self._tainted.get(node) != taint:
            return
        if pod.owner is None and pod.keeper is None:
            plane.warn_once(f"{pod.workload}: no controller replaces it after its node was lost")
        plane.delete_pod(pod)
