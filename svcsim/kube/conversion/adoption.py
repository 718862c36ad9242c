"""Who owns what in a dump: owned objects are state of their owner, never objects of their own."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from svcsim.kube.conversion.pods import deletion_cost
from svcsim.kube.keys import ACTING_KINDS, ObjectKey
from svcsim.kube.objects import AdoptedPod
from svcsim.kube.place import Notes
from svcsim.kube.reading.documents import RawObject

__all__ = ["Ownership", "own", "recorded_pod"]

HASH_LABEL = "pod-template-hash"


_NOT_OF_PODS = ("HTTPRoute", "HorizontalPodAutoscaler", "Namespace", "PodDisruptionBudget", "Service")


@dataclass(slots=True)
class Ownership:
    """What stands alone, with the owner it names but the input lacks, and each workload's pods."""

    workloads: list[tuple[RawObject, ObjectKey | None]] = field(default_factory=list)
    pods: list[tuple[RawObject, ObjectKey | None, AdoptedPod | None]] = field(default_factory=list)
    adopted: dict[ObjectKey, list[AdoptedPod]] = field(default_factory=lambda: defaultdict(list))


def _controller(raw: RawObject) -> ObjectKey | None:
    """Return the owner that controls an object (meta/v1/controller_ref.go `GetControllerOf`)."""
    references = raw.metadata.get("ownerReferences") or []
    if not isinstance(references, list):
        raise raw.place.error(("metadata", "ownerReferences"), references, "must be a list")
    for reference in references:
        if isinstance(reference, dict) and reference.get("controller") is True:
            kind, name = reference.get("kind"), reference.get("name")
            if isinstance(kind, str) and isinstance(name, str):
                return ObjectKey(kind=kind, namespace=raw.key.namespace, name=name)
    return None


def _instant(text: object, notes: Notes) -> datetime.datetime | None:
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=datetime.UTC)
    notes.saw(instant)
    return instant


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def recorded_pod(raw: RawObject, notes: Notes) -> AdoptedPod | None:
    """Return what a dump says of a pod; None for a pod that ended or was only declared.

    A status that lacks a field says nothing about it; the kubelet writes the fields one by one.
    """
    status, spec, metadata = _mapping(raw.value.get("status")), _mapping(raw.value.get("spec")), raw.metadata
    phase = _text(status.get("phase")) or "Unknown"
    if not status or phase in ("Succeeded", "Failed"):
        return None
    conditions = _items(status.get("conditions"))
    ready = next((c for c in conditions if c.get("type") == "Ready"), {})
    is_ready = ready.get("status") == "True"
    counts = [container.get("restartCount") for container in _items(status.get("containerStatuses"))]
    deleted = metadata.get("deletionTimestamp")
    for instant in (metadata.get("creationTimestamp"), *(c.get("lastTransitionTime") for c in conditions)):
        _instant(instant, notes)
    return AdoptedPod(
        name=raw.key.name,
        labels={str(k): str(v) for k, v in _mapping(metadata.get("labels")).items()},
        node_name=_text(spec.get("nodeName")),
        ip=_text(status.get("podIP")),
        phase=phase,
        ready=is_ready,
        deleting=deleted is not None,
        start_time=_instant(status.get("startTime"), notes),
        ready_since=_instant(ready.get("lastTransitionTime"), notes) if is_ready else None,
        restarts=sum(count for count in counts if isinstance(count, int)),
        pod_deletion_cost=deletion_cost(
            {str(k): str(v) for k, v in _mapping(metadata.get("annotations")).items()},
            raw.place,
            ("metadata", "annotations"),
        ),
    )


class _Owners:
    def __init__(self, objects: Mapping[ObjectKey, RawObject]) -> None:
        self.objects = objects

    def root(self, raw: RawObject) -> tuple[ObjectKey | None, ObjectKey | None]:
        """Return the workload of the input that an object belongs to, and the owner it names."""
        named = _controller(raw)
        owner = named
        seen: set[ObjectKey] = set()
        root: ObjectKey | None = None
        while owner is not None and owner not in seen:
            seen.add(owner)
            if owner in self.objects and owner.kind in ACTING_KINDS:
                root = owner
                owner = _controller(self.objects[owner])
            elif root is None:
                return self.deployment_of(raw, owner), named
            else:
                break
        return root, named

    def deployment_of(self, raw: RawObject, owner: ObjectKey) -> ObjectKey | None:
        """Return the Deployment whose ReplicaSet the owner is, when the dump leaves ReplicaSets out.

        A Deployment names its ReplicaSets NAME-HASH (deployment/sync.go `getNewReplicaSet`).
        """
        revision = _mapping(raw.metadata.get("labels")).get(HASH_LABEL)
        if (
            owner.kind != "ReplicaSet"
            or not isinstance(revision, str)
            or not owner.name.endswith(f"-{revision}")
        ):
            return None
        name = owner.name.removesuffix(f"-{revision}")
        key = ObjectKey(kind="Deployment", namespace=owner.namespace, name=name)
        return key if key in self.objects else None


def own(objects: Mapping[ObjectKey, RawObject], notes: Notes) -> Ownership:
    """Sort the input's workloads and pods into what stands alone and what an owner already has.

    Args:
        objects: the acting objects of the input, by key.
        notes: takes a warning for every owner that is missing.

    Raises:
        ManifestError: ownerReferences that are no list.
    """
    owners = _Owners(objects)
    result = Ownership()
    orphans: dict[tuple[ObjectKey, str], int] = defaultdict(int)
    for key, raw in objects.items():
        if key.kind in _NOT_OF_PODS:
            continue
        root, named = owners.root(raw)
        if key.kind != "Pod":
            if root is None:
                result.workloads.append((raw, named))
                if named is not None:
                    orphans[named, key.kind] += 1
            continue
        state = recorded_pod(raw, notes)
        ended = _mapping(raw.value.get("status")).get("phase") in ("Succeeded", "Failed")
        if root is not None and state is not None:
            result.adopted[root].append(state)
        elif root is None and not ended:
            result.pods.append((raw, named, state))
            if named is not None:
                orphans[named, "Pod"] += 1
    for (owner, kind), count in orphans.items():
        what = "pod" if kind == "Pod" else kind
        acts = "a bare pod that nothing replaces" if kind == "Pod" else f"a {kind} of its own"
        each = "acts as" if count == 1 else "each act as"
        why = "is not simulated" if owner.kind not in ACTING_KINDS else "is not in the input"
        notes.say(f"{owner}: the owner of {count} {what}{'' if count == 1 else 's'} {why}; {each} {acts}")
    return result
