"""Pod templates and pods."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lightkube.models import core_v1, meta_v1

from svcsim.kube import defaults
from svcsim.kube.conversion.containers import container
from svcsim.kube.conversion.rules import MAX_INT32, check_dns_subdomain, choice, whole_number
from svcsim.kube.objects import Container, PodTemplate, RestartPolicy
from svcsim.kube.place import FieldPath, Notes, Place, show_path

__all__ = ["DELETION_COST", "deletion_cost", "pod_template"]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_RESTART: tuple[RestartPolicy, ...] = ("Always", "OnFailure", "Never")
_COST = re.compile(r"0|-?[1-9][0-9]*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
UNREACHABLE = "node.kubernetes.io/unreachable"
# The API server's DefaultTolerationSeconds plugin writes these two into every pod.
_USUAL_TOLERATIONS = frozenset({"node.kubernetes.io/not-ready", UNREACHABLE})
_NOT_SIMULATED: tuple[tuple[str, str], ...] = (
    ("activeDeadlineSeconds", "is not simulated: the pod is not ended for it"),
    ("affinity", "is not simulated: pods are spread over the nodes without it"),
    ("hostNetwork", "is not simulated: the pod keeps an address of its own"),
    ("schedulingGates", "are not simulated: the pod is scheduled at once"),
    ("topologySpreadConstraints", "are not simulated: pods are spread over the nodes without them"),
)


def deletion_cost(annotations: Mapping[str, str], place: Place, path: FieldPath) -> int:
    """Return the pod's deletion cost (core/helper/helpers.go `GetDeletionCostFromPodAnnotations`)."""
    text = annotations.get(DELETION_COST)
    if text is None:
        return defaults.POD_DELETION_COST
    where = (*path, DELETION_COST)
    if not _COST.fullmatch(text) or not -MAX_INT32 - 1 <= int(text) <= MAX_INT32:
        raise place.error(where, text, "must be a 32-bit integer without leading zeros or '+', as text")
    return int(text)


def _check_labels(labels: Mapping[str, str], place: Place, path: FieldPath) -> None:
    for name, value in labels.items():
        if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            raise place.error(
                (*path, name), value, "must be a label value: at most 63 of A-Z, a-z, 0-9, '-', '_' and '.'"
            )


def _remark_unsimulated(spec: core_v1.PodSpec, place: Place, path: FieldPath, notes: Notes) -> None:
    for field, text in _NOT_SIMULATED:
        if getattr(spec, field):
            notes.remark(place.label, show_path((*path, field)), text)
    linux = {"kubernetes.io/os": "linux"}
    if spec.nodeSelector and spec.nodeSelector != linux:
        notes.remark(
            place.label,
            show_path((*path, "nodeSelector")),
            "is not simulated: pods are spread over the nodes without it",
        )
    if any(toleration.key not in _USUAL_TOLERATIONS for toleration in spec.tolerations or []):
        notes.remark(
            place.label,
            show_path((*path, "tolerations")),
            "are not simulated: pods are spread over the nodes without them",
        )


def _unreachable_toleration(spec: core_v1.PodSpec) -> int | None:
    """Seconds for which a pod tolerates the NoExecute taint of a lost node, None for ever.

    Source: plugin/pkg/admission/defaulttolerationseconds; component-helpers scheduling/corev1
    `GetMatchingTolerations`; tainteviction `getMinTolerationTime`.
    """
    matching = [
        one.tolerationSeconds
        for one in spec.tolerations or []
        if one.effect in (None, "", "NoExecute")
        and (one.key == UNREACHABLE or (not one.key and one.operator == "Exists"))
        and (one.operator == "Exists" or not one.value)
    ]
    if not matching:
        return defaults.UNREACHABLE_TOLERATION_SECONDS
    limited = [max(seconds, 0) for seconds in matching if seconds is not None]
    return min(limited) if limited else None


def _containers(
    spec: core_v1.PodSpec, place: Place, path: FieldPath, notes: Notes, grace: int
) -> tuple[tuple[Container, ...], tuple[str, ...]]:
    """Return the containers, native sidecars last, and the names of the ordinary init containers."""
    if not spec.containers:
        raise place.error((*path, "containers"), spec.containers, "must have at least one container")
    seen: set[str] = set()
    main: list[Container] = []
    sidecars: list[Container] = []
    ordinary: list[str] = []
    both = (("containers", spec.containers), ("initContainers", spec.initContainers or []))
    for field, models in both:
        for index, model in enumerate(models):
            where = (*path, field, index)
            if model.name in seen:
                raise place.error(
                    (*where, "name"), model.name, "is used twice in this pod; container names are unique"
                )
            seen.add(model.name)
            is_init = field == "initContainers"
            sidecar = is_init and model.restartPolicy == "Always"
            if is_init and not sidecar:
                ordinary.append(model.name)
                continue
            made = container(
                model, place, where, notes, grace=grace, host_network=bool(spec.hostNetwork), sidecar=sidecar
            )
            (sidecars if sidecar else main).append(made)
    if ordinary:
        notes.remark(
            place.label,
            show_path((*path, "initContainers")),
            "are not simulated: add their time to workloads.startup",
        )
    return (*main, *sidecars), tuple(ordinary)


def pod_template(
    metadata: meta_v1.ObjectMeta | None,
    spec: core_v1.PodSpec | None,
    place: Place,
    path: FieldPath,
    notes: Notes,
    *,
    only_always: bool,
) -> PodTemplate:
    """Return what every pod made from this metadata and spec has.

    Args:
        metadata: the template's or the pod's metadata.
        spec: its spec.
        place: the object it belongs to.
        path: where in the object the template stands; empty for a pod.
        notes: takes warnings about what is not simulated.
        only_always: refuse restart policies other than Always, as controllers that keep pods do.

    Raises:
        ManifestError: what core/validation/validation.go `ValidatePodSpec` would refuse.
    """
    if spec is None:
        raise place.missing((*path, "spec"), "a pod needs a spec with containers")
    labels = dict((metadata.labels if metadata else None) or {})
    annotations = dict((metadata.annotations if metadata else None) or {})
    _check_labels(labels, place, (*path, "metadata", "labels"))
    where = (*path, "spec")
    restart = choice(
        spec.restartPolicy or defaults.RESTART_POLICY,
        _RESTART[:1] if only_always else _RESTART,
        place,
        (*where, "restartPolicy"),
    )
    grace = whole_number(
        spec.terminationGracePeriodSeconds,
        defaults.GRACE_PERIOD_SECONDS,
        place,
        (*where, "terminationGracePeriodSeconds"),
    )
    if spec.nodeName:
        check_dns_subdomain(spec.nodeName, place, (*where, "nodeName"))
    containers, init = _containers(spec, place, where, notes, grace)
    _remark_unsimulated(spec, place, where, notes)
    return PodTemplate(
        labels=labels,
        annotations=annotations,
        containers=containers,
        termination_grace_period_seconds=grace,
        restart_policy=restart,
        node_selector=dict(spec.nodeSelector or {}),
        node_name=spec.nodeName or None,
        readiness_gates=tuple(gate.conditionType for gate in spec.readinessGates or []),
        host_network=bool(spec.hostNetwork),
        pod_deletion_cost=deletion_cost(annotations, place, (*path, "metadata", "annotations")),
        init_containers=init,
        unreachable_toleration_seconds=_unreachable_toleration(spec),
    )
