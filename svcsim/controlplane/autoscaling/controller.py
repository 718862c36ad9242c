"""The HorizontalPodAutoscaler controller (podautoscaler/horizontal.go `reconcileAutoscaler`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from svcsim.controlplane.autoscaling.limits import Memory, normalise
from svcsim.controlplane.autoscaling.replicas import (
    PodSeen,
    Proposal,
    Sample,
    Tolerances,
    Unavailable,
    highest,
    propose,
)
from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod
from svcsim.kube import Autoscaler, CpuMetric, ScalingRules
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["SYNC_PERIOD_NS", "AutoscalerController", "Decision"]

SYNC_PERIOD_NS = 15 * SECOND
"""--horizontal-pod-autoscaler-sync-period, from the end of one sync to the next."""
RANGED_SINCE, OWN_TOLERANCE_SINCE = 33, 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One sync of an autoscaler.

    replicas: spec.replicas as read; size: as it leaves it. usage, target, proposed: of the metric that
    decided, None where none was asked or none had a number. reason: of the rescale, or why there is no
    number. able, limited: reasons of the conditions AbleToScale and ScalingLimited, "" where they were not
    set.
    """

    at_ns: int
    autoscaler: str
    workload: str
    replicas: int
    size: int
    usage: int | None = None
    target: int | None = None
    proposed: int | None = None
    reason: str = ""
    able: str = ""
    limited: str = ""


@dataclass(kw_only=True, eq=False)
class _Scaled:
    scaler: Autoscaler
    tolerances: Tolerances
    memory: Memory = field(default_factory=Memory)
    seen: bool = False


class AutoscalerController:
    """Syncs every autoscaler again and again; `decisions` has a row to a sync."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.decisions: list[Decision] = []
        minor = plane.scenario.cluster.kubernetes_minor
        for scaler in plane.scenario.manifests.autoscalers:
            if scaler.acts:
                one = _Scaled(scaler=scaler, tolerances=_tolerances(scaler, minor))
                phase = plane.dice.unit(Purpose.PHASE, f"autoscaler/{scaler.key}") * SYNC_PERIOD_NS
                plane.loop.at(int(phase), self._sync, one)

    def _sync(self, one: _Scaled) -> None:
        plane = self._plane
        scaler = one.scaler
        now = plane.loop.now
        current = plane.wanted_replicas(scaler.target)
        if not one.seen:
            one.seen = True
            one.memory.recommendations.append((now, current))
        decision = Decision(
            at_ns=now, autoscaler=str(scaler.key), workload=str(scaler.target), replicas=current, size=current
        )
        if current == 0:
            decision = replace(decision, reason="ScalingDisabled")
        elif current > scaler.max_replicas:
            reason = "Current number of replicas above Spec.MaxReplicas"
            decision = replace(decision, size=scaler.max_replicas, reason=reason)
        elif current < scaler.min_replicas:
            reason = "Current number of replicas below Spec.MinReplicas"
            decision = replace(decision, size=scaler.min_replicas, reason=reason)
        elif scaler.metrics:
            decision = self._by_metrics(one, decision)
        lag = plane.dice.lag("api", f"autoscaler/{scaler.key}")
        plane.loop.at(plane.awake("horizontalpodautoscaler", now + lag), self._write, one, decision)

    def _by_metrics(self, one: _Scaled, decision: Decision) -> Decision:
        plane = self._plane
        current = decision.replicas
        pods = [pod for pod in plane.pods if pod.workload == one.scaler.target and not pod.gone]
        chosen = highest([self._proposal(one, m, pods, decision) for m in one.scaler.metrics], current)
        if isinstance(chosen, Unavailable):
            return replace(decision, reason=f"{chosen.reason}: {chosen.message}")
        reason = ""
        if chosen.replicas > current:
            reason = f"{chosen.name} above target"
        elif chosen.replicas < current:
            reason = "All metrics below target"
        done = normalise(
            one.scaler, one.memory, current=current, wanted=chosen.replicas, now_ns=decision.at_ns
        )
        return replace(
            decision,
            size=done.replicas,
            usage=chosen.usage,
            target=chosen.target,
            proposed=chosen.replicas,
            reason=reason,
            able=done.able,
            limited=done.limited,
        )

    def _proposal(
        self, one: _Scaled, metric: CpuMetric, pods: list[Pod], decision: Decision
    ) -> Proposal | Unavailable:
        samples: dict[str, Sample]
        try:
            samples = self._plane.metrics.read(pods, metric.container)
        except KeyError:
            text = f"container {metric.container} not present in metrics"
            return Unavailable("FailedGetContainerResourceMetric", text)
        return propose(
            metric,
            current=decision.replicas,
            pods=[self._seen(pod, metric.container) for pod in pods],
            samples=samples,
            now_ns=decision.at_ns,
            tolerances=one.tolerances,
        )

    def _seen(self, pod: Pod, container: str | None) -> PodSeen:
        """The pod as the API server shows it; its instants have whole seconds there."""
        plane = self._plane
        some = [c for c in pod.template.containers if container in (None, c.name)]
        requests = [c.requests.get("cpu") for c in some]
        amounts = [-(-amount * 1000 // 1) for amount in requests if amount is not None]
        admitted = pod.admitted_ns
        return PodSeen(
            name=pod.name,
            pending=not pod.has_ip,
            ignored=pod.deleting or pod.terminal,
            ready=pod.ready,
            start_ns=plane.whole_second(admitted) if admitted != -1 else None,
            transition_ns=plane.whole_second(max(pod.ready_since_ns, admitted)),
            request_milli=sum(amounts) if len(amounts) == len(requests) else None,
        )

    def _write(self, one: _Scaled, decision: Decision) -> None:
        """Update the scale, unless somebody else has meanwhile; the next sync follows."""
        plane = self._plane
        target = one.scaler.target
        if decision.size != decision.replicas:
            if plane.wanted_replicas(target) == decision.replicas:
                plane.scale(target, decision.size)
                if one.scaler.scale_up is not None:
                    one.memory.scaled(plane.loop.now, decision.replicas, decision.size)
            else:
                decision = replace(decision, size=plane.wanted_replicas(target), able="FailedUpdateScale")
        self.decisions.append(decision)
        at = plane.awake("horizontalpodautoscaler", plane.loop.now + SYNC_PERIOD_NS)
        plane.loop.at(at, self._sync, one)


def _tolerances(scaler: Autoscaler, minor: int) -> Tolerances:
    """The controller's tolerance, or the autoscaler's own (HPAConfigurableTolerance, on since 1.35)."""
    usual = Tolerances(ranged=minor >= RANGED_SINCE)
    if minor < OWN_TOLERANCE_SINCE:
        return usual

    def own(rules: ScalingRules | None) -> float:
        return float(rules.tolerance) if rules is not None and rules.tolerance is not None else usual.up

    return replace(usual, down=own(scaler.scale_down), up=own(scaler.scale_up))
