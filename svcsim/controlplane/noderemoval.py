"""A node that a cluster autoscaler takes away (cluster-autoscaler/core/scaledown/actuation/actuator.go).

The taint ToBeDeletedByClusterAutoscaler comes first: no pod is scheduled there any more, and the node's
kube-proxy answers 503 at :10256/healthz as soon as it has seen it (pkg/proxy/healthcheck/proxy_health.go,
KEP-3836). After a delay the node's pods are evicted, all but those of DaemonSets; when they are gone the
machine is switched off, and the cloud takes it out of its load balancers. If some cannot be evicted in time
the taint is taken back and the node stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.disruption import leaving
from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["EVICTION_NS", "POLL_NS", "NodeRemoval"]

EVICTION_NS = 120 * SECOND  # --max-pod-eviction-time
POLL_NS = 5 * SECOND  # drain.go: between two looks whether the pods are gone


class NodeRemoval:
    """The removal of one node."""

    def __init__(self, plane: ControlPlane, node: int, wait_ns: int) -> None:
        self._plane = plane
        self._node = node
        self._wait_ns = wait_ns
        self._was_cordoned = False
        self._drained_ns = 0

    def begin(self) -> None:
        """The taint is written; kube-proxy hears of it by its watch."""
        plane = self._plane
        self._was_cordoned = self._node in plane.cordoned
        plane.disruption.cordon(self._node)
        self._eligible(False)
        plane.loop.at(plane.loop.now + self._wait_ns, self._drain)

    def _eligible(self, eligible: bool) -> None:
        plane = self._plane
        seen = plane.dice.lag("watch", f"taint/{plane.nodes[self._node].name}")
        plane.downstream.eligible(plane.loop.now + seen, self._node, eligible)

    def _drain(self) -> None:
        plane = self._plane
        self._drained_ns = plane.loop.now
        pods = leaving(plane.pods, self._node)
        plane.disruption.drain(self._node)
        self._look(pods)

    def _look(self, pods: list[Pod]) -> None:
        plane = self._plane
        left = [pod for pod in pods if not pod.gone]
        if not left:
            plane.node_lifecycle.remove(self._node)
        elif any(pod.active for pod in left) and plane.loop.now - self._drained_ns >= EVICTION_NS:
            self._give_up()
        else:
            plane.loop.at(plane.loop.now + POLL_NS, self._look, left)

    def _give_up(self) -> None:
        """Some pod could not be evicted: the node stays."""
        plane = self._plane
        plane.warn_once(
            f"removal of {plane.nodes[self._node].name}: a pod could not be evicted for "
            f"{EVICTION_NS // SECOND} s, so the node stays"
        )
        plane.disruption.abandon(self._node)
        self._eligible(True)
        if not self._was_cordoned:
            plane.disruption.uncordon(self._node)
