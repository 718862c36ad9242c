"""HorizontalPodAutoscalers, autoscaling/v2 and v1."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from lightkube.models import autoscaling_v1, autoscaling_v2

from svcsim.errors import ManifestError
from svcsim.kube import defaults
from svcsim.kube.autoscalers import Autoscaler, CpuMetric, ScalingPolicy, ScalingRules, SelectPolicy
from svcsim.kube.conversion.rules import check_dns_subdomain, choice, whole_number
from svcsim.kube.keys import ACTING_KINDS, ObjectKey
from svcsim.kube.place import FieldPath, Notes, Place, show_path
from svcsim.kube.quantities import parse_quantity
from svcsim.kube.reading.documents import RawObject
from svcsim.kube.reading.schema import typed

__all__ = ["autoscaler"]

MAX_WINDOW_SECONDS = 3600
MAX_PERIOD_SECONDS = 1800
_SOURCES = ("Resource", "ContainerResource", "Pods", "Object", "External")
_TARGETS = ("Utilization", "AverageValue", "Value")
_SELECT: tuple[SelectPolicy, ...] = ("Max", "Min", "Disabled")
_KINDS = {"ReplicationController": "", "Deployment": "apps", "ReplicaSet": "apps", "StatefulSet": "apps"}
_NOT_FROM_KUBELETS = "comes from a metrics adapter, which is not simulated: the autoscaler acts without it"
_IN_ANNOTATIONS = ("autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/behavior")


def autoscaler(raw: RawObject, notes: Notes) -> Autoscaler:
    """Return a HorizontalPodAutoscaler's record.

    Metrics other than CPU are left out with a warning.

    Raises:
        ManifestError: what autoscaling/validation/validation.go refuses.
    """
    check_dns_subdomain(raw.key.name, raw.place, ("metadata", "name"))
    return _v1(raw, notes) if raw.api_version.endswith("/v1") else _v2(raw, notes)


def _target(
    ref: autoscaling_v1.CrossVersionObjectReference | autoscaling_v2.CrossVersionObjectReference,
    raw: RawObject,
    notes: Notes,
) -> tuple[ObjectKey, bool]:
    """Return what is scaled, and whether a cluster finds it by that apiVersion."""
    path: FieldPath = ("spec", "scaleTargetRef")
    for name, value in (("kind", ref.kind), ("name", ref.name)):
        if not value:
            raise raw.place.missing((*path, name), "an autoscaler says what it scales")
    group = (ref.apiVersion or "").rpartition("/")[0]
    found = group == _KINDS.get(ref.kind, group)
    if not found:
        notes.remark(
            raw.key,
            show_path((*path, "apiVersion")),
            f"= {ref.apiVersion or '(absent)'} has no {ref.kind}, so nothing is scaled (FailedGetScale); "
            f"accepted: {ACTING_KINDS[ref.kind]}",
        )
    return ObjectKey(kind=ref.kind, namespace=raw.key.namespace, name=ref.name), found


def _bounds(least: int | None, most: int, place: Place) -> tuple[int, int]:
    """Return minReplicas and maxReplicas (validation.go `validateHorizontalPodAutoscalerSpec`)."""
    low = whole_number(least, defaults.HPA_MIN_REPLICAS, place, ("spec", "minReplicas"), least=1)
    high = whole_number(most, 1, place, ("spec", "maxReplicas"), least=1)
    if high < low:
        raise place.error(("spec", "maxReplicas"), high, f"must be at least minReplicas, which is {low}")
    return low, high


def _v1(raw: RawObject, notes: Notes) -> Autoscaler:
    """autoscaling/v1: one target, CPU in percent (autoscaling/v1/conversion.go)."""
    spec = typed(raw, autoscaling_v1.HorizontalPodAutoscaler, notes).spec
    if spec is None:
        raise raw.place.missing(("spec",), "an autoscaler needs scaleTargetRef and maxReplicas")
    for name in _IN_ANNOTATIONS:
        if name in (raw.metadata.get("annotations") or {}):
            notes.remark(
                raw.key,
                show_path(("metadata", "annotations", name)),
                "is not read: write the object as autoscaling/v2",
            )
    least, most = _bounds(spec.minReplicas, spec.maxReplicas, raw.place)
    percent = whole_number(
        spec.targetCPUUtilizationPercentage,
        defaults.HPA_CPU_UTILIZATION,
        raw.place,
        ("spec", "targetCPUUtilizationPercentage"),
        least=1,
    )
    target, acts = _target(spec.scaleTargetRef, raw, notes)
    return Autoscaler(
        key=raw.key,
        target=target,
        acts=acts,
        min_replicas=least,
        max_replicas=most,
        metrics=(CpuMetric(utilization=percent),),
    )


def _v2(raw: RawObject, notes: Notes) -> Autoscaler:
    place = raw.place
    spec = typed(raw, autoscaling_v2.HorizontalPodAutoscaler, notes).spec
    if spec is None:
        raise place.missing(("spec",), "an autoscaler needs scaleTargetRef and maxReplicas")
    least, most = _bounds(spec.minReplicas, spec.maxReplicas, place)
    found = [_metric(one, raw, notes, ("spec", "metrics", i)) for i, one in enumerate(spec.metrics or [])]
    metrics = tuple(one for one in found if one is not None)
    if not spec.metrics:
        # pkg/apis/autoscaling/v2/defaults.go SetDefaults_HorizontalPodAutoscaler
        metrics = (CpuMetric(utilization=defaults.HPA_CPU_UTILIZATION),)
    up = down = None
    if spec.behavior is not None:
        up = _rules(spec.behavior.scaleUp, _UP, place, ("spec", "behavior", "scaleUp"))
        down = _rules(spec.behavior.scaleDown, _DOWN, place, ("spec", "behavior", "scaleDown"))
    target, acts = _target(spec.scaleTargetRef, raw, notes)
    return Autoscaler(
        key=raw.key,
        target=target,
        acts=acts,
        min_replicas=least,
        max_replicas=most,
        metrics=metrics,
        scale_up=up,
        scale_down=down,
    )


def _metric(
    model: autoscaling_v2.MetricSpec, raw: RawObject, notes: Notes, path: FieldPath
) -> CpuMetric | None:
    """Return a metric's target, or None with a warning where nothing in a run measures it."""
    place = raw.place
    kind = choice(model.type, _SOURCES, place, (*path, "type"))
    field = kind[0].lower() + kind[1:]
    if getattr(model, field) is None:
        raise place.missing((*path, field), f"type {kind} needs it")
    if model.resource is not None and kind == "Resource":
        name, target, container = model.resource.name, model.resource.target, None
    elif model.containerResource is not None and kind == "ContainerResource":
        name, target = model.containerResource.name, model.containerResource.target
        container = model.containerResource.container
    else:
        notes.remark(raw.key, show_path((*path, field)), _NOT_FROM_KUBELETS)
        return None
    where = (*path, field)
    percent, average = _cpu_target(target, place, (*where, "target"))
    if name != "cpu":
        notes.remark(
            raw.key,
            show_path((*where, "name")),
            f"= {name} is not simulated: the autoscaler acts as if it asked for no more pods",
        )
        return None
    return CpuMetric(utilization=percent, average_milli=average, container=container)


def _cpu_target(
    target: autoscaling_v2.MetricTarget, place: Place, path: FieldPath
) -> tuple[int | None, int | None]:
    """Return (percent, None) or (None, thousandths) (validation.go `validateResourceSource`)."""
    choice(target.type, _TARGETS, place, (*path, "type"))
    if (target.averageUtilization is None) == (target.averageValue is None):
        raise place.error(
            (*path, "type"), target.type, "needs exactly one of averageUtilization and averageValue"
        )
    if target.averageUtilization is not None:
        here = (*path, "averageUtilization")
        return whole_number(target.averageUtilization, 0, place, here, least=1), None
    here = (*path, "averageValue")
    amount = _quantity(target.averageValue, place, here)
    if amount <= 0:
        raise place.error(here, target.averageValue, "must be > 0")
    return None, -(-amount * 1000 // 1)


def _quantity(text: str | None, place: Place, path: FieldPath) -> Fraction:
    try:
        return parse_quantity(text or "")
    except ManifestError as error:
        raise place.error(path, text, str(error).split(" ", 1)[1]) from None


_UP = ScalingRules(
    policies=(
        ScalingPolicy(type="Pods", value=4, period_seconds=15),
        ScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
    stabilization_window_seconds=defaults.HPA_UP_STABILIZATION_SECONDS,
)
_DOWN = ScalingRules(
    policies=(ScalingPolicy(type="Percent", value=100, period_seconds=15),),
    stabilization_window_seconds=defaults.HPA_DOWN_STABILIZATION_SECONDS,
)


def _rules(
    model: autoscaling_v2.HPAScalingRules | None, usual: ScalingRules, place: Place, path: FieldPath
) -> ScalingRules:
    """Return one direction's rules (autoscaling/v2/defaults.go `copyHPAScalingRules`)."""
    if model is None:
        return usual
    tolerance = None
    if model.tolerance is not None:
        tolerance = _quantity(model.tolerance, place, (*path, "tolerance"))
        if tolerance < 0:
            raise place.error((*path, "tolerance"), model.tolerance, "must be >= 0")
    return ScalingRules(
        policies=usual.policies
        if model.policies is None
        else _policies(model.policies, place, (*path, "policies")),
        stabilization_window_seconds=whole_number(
            model.stabilizationWindowSeconds,
            usual.stabilization_window_seconds,
            place,
            (*path, "stabilizationWindowSeconds"),
            most=MAX_WINDOW_SECONDS,
        ),
        select_policy=choice(
            model.selectPolicy or usual.select_policy, _SELECT, place, (*path, "selectPolicy")
        ),
        tolerance=tolerance,
    )


def _policies(
    models: Sequence[autoscaling_v2.HPAScalingPolicy], place: Place, path: FieldPath
) -> tuple[ScalingPolicy, ...]:
    if not models:
        raise place.error(path, [], "must have at least one policy")
    found = []
    for index, model in enumerate(models):
        here = (*path, index)
        kind = choice(model.type, ("Pods", "Percent"), place, (*here, "type"))
        found.append(
            ScalingPolicy(
                type="Pods" if kind == "Pods" else "Percent",
                value=whole_number(model.value, 1, place, (*here, "value"), least=1),
                period_seconds=whole_number(
                    model.periodSeconds,
                    1,
                    place,
                    (*here, "periodSeconds"),
                    least=1,
                    most=MAX_PERIOD_SECONDS,
                ),
            )
        )
    return tuple(found)
