"""Evictions and what holds them back (kubectl drain; registry/core/pod/storage/eviction.go)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod
from svcsim.kube import DisruptionBudget

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["RETRY_NS", "Disruption", "leaving"]

RETRY_NS = 5 * SECOND  # kubectl drain, after an eviction is refused with 429


def leaving(pods: Iterable[Pod], node: int) -> list[Pod]:
    """The pods of a node that a drain makes go: all that are there but a DaemonSet's."""
    return [pod for pod in pods if pod.node == node and not pod.gone and pod.workload.kind != "DaemonSet"]


class Disruption:
    """Cordons, drains, and the budgets of the manifests.

    A budget is reckoned when an eviction asks, from what the API server shows then; the disruption
    controller's own lag, within which evictions count against the last reckoning, is not drawn.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._abandoned: set[Pod] = set()

    def cordon(self, node: int) -> None:
        """The node takes no new pods."""
        self._plane.cordoned.add(node)

    def uncordon(self, node: int) -> None:
        """The node takes pods again, if it is still there; those that found no place are tried again."""
        if node in self._plane.node_lifecycle.removed:
            return
        self._plane.cordoned.discard(node)
        self._plane.scheduler.retry()

    def drain(self, node: int) -> None:
        """Cordon, then evict every pod but a DaemonSet's, all at once, again and again until they may go."""
        plane = self._plane
        self.cordon(node)
        name = plane.nodes[node].name
        for pod in plane.pods:
            if pod.node != node or not pod.active or pod.workload.kind == "DaemonSet":
                continue
            if pod.owner is None and pod.keeper is None:
                plane.warn_once(f"drain of {name}: {pod.workload} has no controller, so nothing replaces it")
            plane.loop.at(plane.loop.now + plane.dice.lag("api", f"evict/{pod.name}"), self._evict, pod)

    def abandon(self, node: int) -> None:
        """Pods of a node whose eviction was refused so far are left alone."""
        self._abandoned |= set(leaving(self._plane.pods, node))

    def _evict(self, pod: Pod) -> None:
        if not pod.active or pod in self._abandoned:
            return
        if self._allowed(pod):
            self._plane.delete_pod(pod)
        else:
            self._plane.loop.at(self._plane.loop.now + RETRY_NS, self._evict, pod)

    def _allowed(self, pod: Pod) -> bool:
        """Whether the pod's budget, if it has one, lets it go now."""
        budgets = [b for b in self._plane.scenario.manifests.budgets if self._covers(b, pod)]
        if not budgets:
            return True
        if len(budgets) > 1:
            self._plane.warn_once(
                f"{pod.workload}: {len(budgets)} disruption budgets select its pods, so none can be evicted"
            )
            return False
        (budget,) = budgets
        plane = self._plane
        healthy = sum(p.ready and p.active and self._covers(budget, p) for p in plane.pods)
        desired = budget.desired_healthy(self._expected(budget))
        if not pod.ready:
            return budget.always_allow or (healthy >= desired > 0)
        return healthy > desired

    @staticmethod
    def _covers(budget: DisruptionBudget, pod: Pod) -> bool:
        same = budget.key.namespace == pod.workload.namespace
        return same and budget.selector.matches(pod.template.labels)

    def _expected(self, budget: DisruptionBudget) -> int:
        """Pods that the controllers of the budget's pods are asked for (disruption.go `getExpectedScale`)."""
        plane = self._plane
        total = 0
        for workload in plane.scenario.manifests.workloads:
            same = workload.key.namespace == budget.key.namespace
            if same and budget.selector.matches(workload.template.labels):
                total += plane.wanted_replicas(workload.key)
        return total + sum(
            pod.active and pod.owner is None and pod.keeper is None and self._covers(budget, pod)
            for pod in plane.pods
        )
