"""Autoscalers and what they scale: who acts at all, and the size that a run starts with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from svcsim.kube.autoscalers import Autoscaler
from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import Workload
from svcsim.kube.place import Notes
from svcsim.kube.reading.documents import RawObject

__all__ = ["scaled_objects"]


def scaled_objects(
    workloads: tuple[Workload, ...],
    autoscalers: tuple[Autoscaler, ...],
    written: Mapping[ObjectKey, RawObject],
    notes: Notes,
) -> tuple[tuple[Workload, ...], tuple[Autoscaler, ...]]:
    """Return both with what follows from each other; what a cluster would complain of becomes warnings.

    A run starts within the bounds of an autoscaler that acts, as one that has been there keeps it; `written`
    are the workloads as the input has them.
    """
    by_key = {one.key: one for one in workloads}
    claims = Counter(one.target for one in autoscalers if one.acts)
    found: list[Autoscaler] = []
    for one in autoscalers:
        target = by_key.get(one.target)
        acts = one.acts and _has_scale(one, target, notes)
        if acts and claims[one.target] > 1:
            notes.remark(
                one.key,
                "spec.scaleTargetRef",
                f"= {one.target} is scaled by several autoscalers, so none of them acts (AmbiguousSelector)",
            )
            acts = False
        if acts and target is not None:
            _remark_requests(one, target, notes)
            by_key[one.target] = _started(one, target, written[one.target], notes)
        found.append(replace(one, acts=acts))
    return tuple(by_key[one.key] for one in workloads), tuple(found)


def _has_scale(one: Autoscaler, target: Workload | None, notes: Notes) -> bool:
    """Whether there is something to scale (horizontal.go `scaleForResourceMappings`)."""
    if target is not None and target.key.kind != "DaemonSet":
        return True
    why = "has one pod to a node" if target is not None else "is not among the manifests"
    notes.remark(
        one.key, "spec.scaleTargetRef", f"= {one.target} {why}, so nothing is scaled (FailedGetScale)"
    )
    return False


def _remark_requests(one: Autoscaler, target: Workload, notes: Notes) -> None:
    """Name the containers whose missing request or absence makes a metric invalid."""
    containers = {each.name: each for each in target.template.containers}
    for metric in one.metrics:
        if metric.container is not None and metric.container not in containers:
            notes.remark(
                one.key,
                "spec.metrics",
                f"name container {metric.container}, which {target.key} does not have: no metric, no scaling "
                "(FailedGetContainerResourceMetric)",
            )
        needed = [metric.container] if metric.container is not None else list(containers)
        bare = [name for name in needed if name in containers and "cpu" not in containers[name].requests]
        if metric.utilization is not None and bare:
            kind = "ContainerResource" if metric.container is not None else "Resource"
            notes.remark(
                one.key,
                "spec.metrics",
                f"ask for a utilization of cpu, but container {bare[0]} of {target.key} has no "
                f"resources.requests.cpu: no metric, no scaling (FailedGet{kind}Metric)",
            )


def _started(one: Autoscaler, target: Workload, raw: RawObject, notes: Notes) -> Workload:
    """The workload with the size that the run starts with, and what its declared size means."""
    if target.replicas == 0:
        notes.remark(target.key, "spec.replicas", f"= 0 switches {one.key} off (ScalingDisabled)")
        return target
    spec = raw.value.get("spec")
    declared = isinstance(spec, dict) and spec.get("replicas") is not None
    if declared and "resourceVersion" not in raw.metadata:
        notes.remark(
            target.key,
            "spec.replicas",
            f"= {target.replicas} stands in a manifest whose size {one.key} decides: every apply sets it "
            "back to that until the autoscaler's next sync; leave it out (a scale event shows what an apply "
            "does)",
        )
    size = min(max(target.replicas, one.min_replicas), one.max_replicas)
    if declared and size != target.replicas:
        notes.remark(
            target.key,
            "spec.replicas",
            f"= {target.replicas} is outside the {one.min_replicas} to {one.max_replicas} of {one.key}: the "
            f"run starts with {size}, as the autoscaler keeps it",
        )
    return replace(target, replicas=size)
