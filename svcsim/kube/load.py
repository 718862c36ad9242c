"""Manifests in, a ManifestSet out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from svcsim.errors import ManifestError
from svcsim.kube.conversion.adoption import own
from svcsim.kube.conversion.autoscalers import autoscaler
from svcsim.kube.conversion.budgets import budget
from svcsim.kube.conversion.handwritten import hand_written
from svcsim.kube.conversion.remarks import remark_backends, remark_service, remark_skipped
from svcsim.kube.conversion.routes import route
from svcsim.kube.conversion.rules import check_dns_label
from svcsim.kube.conversion.scaled import scaled_objects
from svcsim.kube.conversion.services import allocate, service
from svcsim.kube.conversion.workloads import MAX_PODS, bare_pod, workload
from svcsim.kube.keys import ACTING_KINDS, OLDER_VERSIONS, ObjectKey
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import Workload
from svcsim.kube.place import Notes
from svcsim.kube.reading.documents import RawObject, raw_objects
from svcsim.kube.reading.files import Text, read_texts

__all__ = ["load_manifests", "parse_manifests"]

# Groups whose kinds share names with the acting ones; any other group's `Service` is another kind.
_OWN_GROUPS = frozenset(
    {"", "apps", "autoscaling", "extensions", "core", "policy", "gateway.networking.k8s.io"}
)


def load_manifests(
    paths: Sequence[str | Path], *, stdin: TextIO | None = None, base: Path | None = None
) -> ManifestSet:
    """Read manifests from files, folders, glob patterns and standard input.

    Args:
        paths: files, folders (searched for *.yaml, *.yml and *.json), glob patterns, or "-".
        stdin: what "-" reads; the process's standard input when None.
        base: the folder that relative paths start from; the working directory when None.

    Returns:
        The objects with Kubernetes' defaults, and every warning.

    Raises:
        ManifestError: what cannot be read or parsed, or what the API server would refuse; one line
            with file, line, object, field, value and rule.
    """
    return _assemble(read_texts(paths, stdin=stdin, base=base))


def parse_manifests(text: str, name: str = "manifest") -> ManifestSet:
    """Read manifests from a text.

    Args:
        text: YAML or JSON, of one or several documents.
        name: what messages call it.

    Raises:
        ManifestError: as `load_manifests`.

    >>> manifests = parse_manifests('''
    ... {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
    ... ''')
    >>> manifests.service("web").ports[0].target_port
    80
    """
    return _assemble([Text(name=name, text=text)])


def _acts(raw: RawObject) -> bool:
    """Tell whether an object takes part in a run; refuse an acting kind in a version no server has."""
    kind = raw.key.kind
    group = raw.api_version.partition("/")[0] if "/" in raw.api_version else ""
    if kind not in ACTING_KINDS or group not in _OWN_GROUPS:
        return False
    accepted = (ACTING_KINDS[kind], *OLDER_VERSIONS.get(kind, ()))
    if raw.api_version not in accepted:
        raise raw.place.error(
            ("apiVersion",),
            raw.api_version,
            f"has no {kind} in any supported Kubernetes; accepted: {', '.join(accepted)}",
        )
    return True


def _newest(found: Iterable[RawObject], notes: Notes) -> dict[ObjectKey, RawObject]:
    """Return the objects by key; of two with one key the later wins, as with `kubectl apply`."""
    objects: dict[ObjectKey, RawObject] = {}
    for raw in found:
        known = objects.get(raw.key)
        if known is not None:
            notes.say(
                f"{raw.key} is declared twice, at {known.place} and at {raw.place}; the later one counts"
            )
        objects[raw.key] = raw
    return objects


def _remark_count(one: Workload, notes: Notes) -> None:
    present = sum(not pod.deleting for pod in one.pods)
    if one.pods and present != one.replicas and one.key.kind != "DaemonSet":
        notes.remark(
            one.key,
            "spec.replicas",
            f"= {one.replicas}, but the input shows {present} of its pods; the run starts with the former",
        )


def _assemble(texts: Iterable[Text]) -> ManifestSet:
    notes = Notes()
    acting: list[RawObject] = []
    skipped: list[RawObject] = []
    for raw in raw_objects(texts, notes):
        (acting if _acts(raw) else skipped).append(raw)
    objects = _newest(acting, notes)
    raw_services = [raw for key, raw in objects.items() if key.kind == "Service"]
    declared = [(service(raw, notes), raw.place) for raw in raw_services]
    wired, external, skipped = hand_written([one for one, _ in declared], skipped, notes)
    remark_skipped(skipped, notes)
    owned = own(objects, notes)
    workloads = tuple(
        workload(raw, notes, owner=owner, pods=tuple(owned.adopted.get(raw.key, ())))
        for raw, owner in owned.workloads
    )
    autoscalers = tuple(
        autoscaler(raw, notes) for key, raw in objects.items() if key.kind == "HorizontalPodAutoscaler"
    )
    fixed = {raw.key: raw for raw, _ in owned.workloads}
    workloads, autoscalers = scaled_objects(workloads, autoscalers, fixed, notes)
    pods = tuple(bare_pod(raw, notes, owner=owner, state=state) for raw, owner, state in owned.pods)
    total = sum(one.replicas for one in workloads) + len(pods) + len(external)
    if total > MAX_PODS:
        raise ManifestError(f"the manifests declare {total} pods; svcsim's limit is {MAX_PODS}")
    services = allocate([(one, place) for one, (_, place) in zip(wired, declared, strict=True)])
    namespaces = [raw for key, raw in objects.items() if key.kind == "Namespace"]
    budgets = tuple(budget(raw, notes) for key, raw in objects.items() if key.kind == "PodDisruptionBudget")
    for raw in namespaces:
        check_dns_label(raw.key.name, raw.place, ("metadata", "name"))
    manifests = ManifestSet(
        services=tuple(services),
        workloads=workloads,
        pods=(*pods, *external),
        budgets=budgets,
        autoscalers=autoscalers,
        namespaces=tuple(raw.key.name for raw in namespaces),
        routes=tuple(route(raw, notes) for key, raw in objects.items() if key.kind == "HTTPRoute"),
    )
    for one in workloads:
        _remark_count(one, notes)
    for each in services:
        remark_service(each, notes)
    remark_backends(manifests, notes)
    return replace(manifests, latest_timestamp=notes.latest, warnings=notes.lines())
