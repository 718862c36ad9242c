"""A node-pool upgrade: nodes are drained, taken away and given back, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.disruption import leaving
from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod
from svcsim.scenario import Upgrade

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["POLL_NS", "NodePool"]

POLL_NS = SECOND  # kubectl drain looks every second whether the pods are gone


class NodePool:
    """The nodes of one upgrade, in order. A machine is switched off once nothing is left to evict."""

    def __init__(self, plane: ControlPlane, event: Upgrade) -> None:
        self._plane = plane
        self._event = event
        kind, _, name = event.scope.partition(":")
        self._todo = [
            i
            for i, node in enumerate(plane.nodes)
            if event.scope == "all" or (kind == "zone" and node.zone == name) or node.name == event.scope
        ]

    def begin(self) -> None:
        """The first `count` nodes."""
        for _ in range(self._event.count):
            self._next()

    def _next(self) -> None:
        if not self._todo:
            return
        plane = self._plane
        node = self._todo.pop(0)
        plane.disruption.drain(node)
        plane.loop.at(plane.loop.now + POLL_NS, self._poll, node, leaving(plane.pods, node))

    def _poll(self, node: int, pods: list[Pod]) -> None:
        plane = self._plane
        left = [pod for pod in pods if not pod.gone]
        if left:
            plane.loop.at(plane.loop.now + POLL_NS, self._poll, node, left)
            return
        plane.node_lifecycle.fail(node)
        plane.loop.at(plane.loop.now + self._event.for_ns, self._back, node)

    def _back(self, node: int) -> None:
        self._plane.node_lifecycle.recover(node)
        self._plane.disruption.uncordon(node)
        self._next()
