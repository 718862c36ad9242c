"""Deployments, ReplicaSets, ReplicationControllers, StatefulSets, DaemonSets and bare pods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from lightkube.models import apps_v1, core_v1, meta_v1

from svcsim.kube import defaults
from svcsim.kube.conversion.pods import pod_template
from svcsim.kube.conversion.rules import check_dns_subdomain, choice, int_or_percent, whole_number
from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import AdoptedPod, BarePod, IntOrPercent, PodTemplate, Strategy, Update, Workload
from svcsim.kube.place import FieldPath, Notes, Place
from svcsim.kube.reading.documents import RawObject
from svcsim.kube.reading.schema import typed
from svcsim.kube.selectors import Operator, Requirement, Selector

__all__ = ["MAX_PODS", "bare_pod", "label_selector", "workload"]

MAX_PODS = 150_000
"""Kubernetes' own threshold for a cluster (community sig-scalability thresholds.md), and svcsim's limit."""

_UPDATES: tuple[Literal["RollingUpdate", "OnDelete"], ...] = ("RollingUpdate", "OnDelete")
_OPERATORS: tuple[Operator, ...] = ("In", "NotIn", "Exists", "DoesNotExist")
_LABEL_NAME = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def label_selector(model: meta_v1.LabelSelector, place: Place, path: FieldPath) -> Selector:
    """Return a LabelSelector's clauses, matchLabels first.

    Source: apimachinery meta/v1/helpers.go `LabelSelectorAsSelector`.

    Raises:
        ManifestError: an operator that does not exist, or values that do not fit it.
    """
    clauses = list(Selector.equal(model.matchLabels or {}).requirements)
    for index, expression in enumerate(model.matchExpressions or []):
        where = (*path, "matchExpressions", index)
        if not _LABEL_NAME.fullmatch(expression.key):
            raise place.error((*where, "key"), expression.key, "must be a label's name")
        operator = choice(expression.operator, _OPERATORS, place, (*where, "operator"))
        values = tuple(expression.values or ())
        if operator in ("In", "NotIn") and not values:
            raise place.missing((*where, "values"), f"operator {operator} needs at least one value")
        if operator in ("Exists", "DoesNotExist") and values:
            raise place.error((*where, "values"), list(values), f"must be absent with operator {operator}")
        clauses.append(Requirement(key=expression.key, operator=operator, values=values))
    return Selector(requirements=tuple(clauses))


def _strategy(model: apps_v1.DeploymentStrategy | None, place: Place) -> Strategy:
    """Return a Deployment's strategy (apps/validation/validation.go `ValidateDeploymentStrategy`)."""
    path: FieldPath = ("spec", "strategy")
    usual = Strategy()
    if model is None:
        return usual
    kind = choice(model.type or defaults.STRATEGY, ("RollingUpdate", "Recreate"), place, (*path, "type"))
    rolling = model.rollingUpdate
    inside = (*path, "rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            raise place.error(
                (*path, "type"), kind, "takes no rollingUpdate; remove it, or use RollingUpdate"
            )
        return Strategy(type="Recreate")
    if rolling is None:
        return usual
    surge = int_or_percent(rolling.maxSurge, usual.max_surge, place, (*inside, "maxSurge"), at_most_all=False)
    unavailable = int_or_percent(
        rolling.maxUnavailable, usual.max_unavailable, place, (*inside, "maxUnavailable"), at_most_all=True
    )
    if surge.value == 0 and unavailable.value == 0:
        raise place.error(
            (*inside, "maxUnavailable"),
            rolling.maxUnavailable,
            "may not be 0 when maxSurge is 0: no pod could be replaced",
        )
    return Strategy(max_surge=surge, max_unavailable=unavailable)


def _replicas(value: int | None, place: Place) -> int:
    count = whole_number(value, defaults.REPLICAS, place, ("spec", "replicas"))
    if count > MAX_PODS:
        raise place.error(
            ("spec", "replicas"),
            count,
            f"is more than {MAX_PODS} pods, svcsim's limit and Kubernetes' own threshold",
        )
    return count


def _template(model: core_v1.PodTemplateSpec | None, place: Place, notes: Notes) -> PodTemplate:
    path: FieldPath = ("spec", "template")
    if model is None:
        raise place.missing(path, "a controller needs a template for its pods")
    return pod_template(model.metadata, model.spec, place, path, notes, only_always=True)


def _check_selects(selector: Selector, labels: Mapping[str, str], place: Place) -> None:
    if not selector.requirements:
        raise place.error(("spec", "selector"), {}, "must name at least one label of the pods")
    if not selector.matches(labels):
        raise place.error(
            ("spec", "template", "metadata", "labels"),
            dict(labels),
            f"must match spec.selector, which asks for {selector}",
        )


def workload(
    raw: RawObject, notes: Notes, *, owner: ObjectKey | None = None, pods: tuple[AdoptedPod, ...] = ()
) -> Workload:
    """Return the record of a Deployment, ReplicaSet, ReplicationController, StatefulSet or DaemonSet.

    Args:
        raw: the object.
        notes: takes warnings.
        owner: its controller, if the object names one that the input does not have.
        pods: the pods of a dump that it already has.

    Raises:
        ManifestError: what apps/validation/validation.go and core/validation/validation.go refuse.
    """
    place = raw.place
    check_dns_subdomain(raw.key.name, place, ("metadata", "name"))
    match raw.key.kind:
        case "Deployment":
            return _deployment(typed(raw, apps_v1.Deployment, notes), raw, notes, owner, pods)
        case "ReplicaSet":
            set_spec = typed(raw, apps_v1.ReplicaSet, notes).spec
            if set_spec is None:
                raise place.missing(("spec",), "a ReplicaSet needs a selector and a template")
            selector = label_selector(set_spec.selector, place, ("spec", "selector"))
            template = _template(set_spec.template, place, notes)
            replicas, min_ready = set_spec.replicas, set_spec.minReadySeconds
        case "StatefulSet":
            return _stateful_set(typed(raw, apps_v1.StatefulSet, notes), raw, notes, owner, pods)
        case "DaemonSet":
            return _daemon_set(typed(raw, apps_v1.DaemonSet, notes), raw, notes, owner, pods)
        case _:
            spec = typed(raw, core_v1.ReplicationController, notes).spec
            if spec is None:
                raise place.missing(("spec",), "a ReplicationController needs a template")
            template = _template(spec.template, place, notes)
            for name, value in (spec.selector or {}).items():
                if not isinstance(value, str):
                    rule = "must be text: a ReplicationController selects by plain labels"
                    raise place.error(("spec", "selector", name), value, rule)
            selector = Selector.equal(spec.selector or template.labels)
            replicas, min_ready = spec.replicas, spec.minReadySeconds
    _check_selects(selector, template.labels, place)
    return Workload(
        key=raw.key,
        replicas=_replicas(replicas, place),
        selector=selector,
        template=template,
        min_ready_seconds=whole_number(
            min_ready, defaults.MIN_READY_SECONDS, place, ("spec", "minReadySeconds")
        ),
        owner=owner,
        pods=pods,
    )


def _deployment(
    model: apps_v1.Deployment,
    raw: RawObject,
    notes: Notes,
    owner: ObjectKey | None,
    pods: tuple[AdoptedPod, ...],
) -> Workload:
    place, spec = raw.place, model.spec
    if spec is None:
        raise place.missing(("spec",), "a Deployment needs a selector and a template")
    selector = label_selector(spec.selector, place, ("spec", "selector"))
    template = _template(spec.template, place, notes)
    _check_selects(selector, template.labels, place)
    min_ready = whole_number(
        spec.minReadySeconds, defaults.MIN_READY_SECONDS, place, ("spec", "minReadySeconds")
    )
    deadline = whole_number(
        spec.progressDeadlineSeconds,
        defaults.PROGRESS_DEADLINE_SECONDS,
        place,
        ("spec", "progressDeadlineSeconds"),
    )
    if deadline <= min_ready:
        raise place.error(
            ("spec", "progressDeadlineSeconds"),
            deadline,
            f"must be greater than minReadySeconds, which is {min_ready}",
        )
    return Workload(
        key=raw.key,
        replicas=_replicas(spec.replicas, place),
        selector=selector,
        template=template,
        strategy=_strategy(spec.strategy, place),
        min_ready_seconds=min_ready,
        paused=bool(spec.paused),
        progress_deadline_seconds=deadline,
        revision_history_limit=whole_number(
            spec.revisionHistoryLimit,
            defaults.REVISION_HISTORY_LIMIT,
            place,
            ("spec", "revisionHistoryLimit"),
        ),
        owner=owner,
        pods=pods,
    )


def _stateful_set(
    model: apps_v1.StatefulSet,
    raw: RawObject,
    notes: Notes,
    owner: ObjectKey | None,
    pods: tuple[AdoptedPod, ...],
) -> Workload:
    """Return a StatefulSet's record (apps/v1/defaults.go `SetDefaults_StatefulSet`)."""
    place, spec = raw.place, model.spec
    if spec is None:
        raise place.missing(("spec",), "a StatefulSet needs a selector and a template")
    selector = label_selector(spec.selector, place, ("spec", "selector"))
    template = _template(spec.template, place, notes)
    _check_selects(selector, template.labels, place)
    policies = ("OrderedReady", "Parallel")
    policy = choice(spec.podManagementPolicy or policies[0], policies, place, ("spec", "podManagementPolicy"))
    path: FieldPath = ("spec", "updateStrategy")
    given = spec.updateStrategy
    kind = choice((given and given.type) or "RollingUpdate", _UPDATES, place, (*path, "type"))
    rolling = given.rollingUpdate if given is not None else None
    partition = whole_number(
        rolling.partition if rolling is not None else None, 0, place, (*path, "rollingUpdate", "partition")
    )
    if rolling is not None and rolling.maxUnavailable is not None:
        notes.remark(
            raw.key,
            "spec.updateStrategy.rollingUpdate.maxUnavailable",
            "is behind a feature gate that is off by default: one pod at a time",
        )
    if spec.ordinals is not None and spec.ordinals.start:
        notes.remark(raw.key, "spec.ordinals.start", "is not simulated: ordinals begin at 0")
    return Workload(
        key=raw.key,
        replicas=_replicas(spec.replicas, place),
        selector=selector,
        template=template,
        update=Update(type=kind, partition=partition),
        parallel=policy == "Parallel",
        min_ready_seconds=whole_number(
            spec.minReadySeconds, defaults.MIN_READY_SECONDS, place, ("spec", "minReadySeconds")
        ),
        owner=owner,
        pods=pods,
    )


def _daemon_set(
    model: apps_v1.DaemonSet,
    raw: RawObject,
    notes: Notes,
    owner: ObjectKey | None,
    pods: tuple[AdoptedPod, ...],
) -> Workload:
    """Return a DaemonSet's record (apps/v1/defaults.go `SetDefaults_DaemonSet`)."""
    place, spec = raw.place, model.spec
    if spec is None:
        raise place.missing(("spec",), "a DaemonSet needs a selector and a template")
    selector = label_selector(spec.selector, place, ("spec", "selector"))
    template = _template(spec.template, place, notes)
    _check_selects(selector, template.labels, place)
    path: FieldPath = ("spec", "updateStrategy")
    given = spec.updateStrategy
    kind = choice((given and given.type) or "RollingUpdate", _UPDATES, place, (*path, "type"))
    rolling = given.rollingUpdate if given is not None else None
    usual = Update()
    inside = (*path, "rollingUpdate")
    unavailable, surge = usual.max_unavailable, usual.max_surge
    if rolling is not None:
        surge = int_or_percent(rolling.maxSurge, surge, place, (*inside, "maxSurge"), at_most_all=True)
        none = IntOrPercent(value=0)
        unavailable = int_or_percent(
            rolling.maxUnavailable,
            none if surge.value else unavailable,
            place,
            (*inside, "maxUnavailable"),
            at_most_all=True,
        )
        if bool(surge.value) == bool(unavailable.value):
            raise place.error(
                (*inside, "maxUnavailable"),
                rolling.maxUnavailable,
                "and maxSurge: exactly one of them must be above 0",
            )
    return Workload(
        key=raw.key,
        replicas=0,
        selector=selector,
        template=template,
        update=Update(type=kind, max_unavailable=unavailable, max_surge=surge),
        min_ready_seconds=whole_number(
            spec.minReadySeconds, defaults.MIN_READY_SECONDS, place, ("spec", "minReadySeconds")
        ),
        owner=owner,
        pods=pods,
    )


def bare_pod(
    raw: RawObject, notes: Notes, *, owner: ObjectKey | None = None, state: AdoptedPod | None = None
) -> BarePod:
    """Return the record of a pod that nothing in the input controls.

    Args:
        raw: the pod.
        notes: takes warnings.
        owner: its controller, if the pod names one that the input does not have.
        state: what the dump says of it.

    Raises:
        ManifestError: what core/validation/validation.go `ValidatePodCreate` refuses.
    """
    check_dns_subdomain(raw.key.name, raw.place, ("metadata", "name"))
    model = typed(raw, core_v1.Pod, notes)
    template = pod_template(model.metadata, model.spec, raw.place, (), notes, only_always=False)
    return BarePod(key=raw.key, template=template, owner=owner, state=state)
