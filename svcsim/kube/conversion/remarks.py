"""Warnings: kinds that are skipped, Service fields that are not simulated, Services that reach nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from svcsim.kube.keys import ACTING_KINDS, KINDS, ObjectKey, nearest
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import Service, ServicePort
from svcsim.kube.place import Notes
from svcsim.kube.ports import resolve_port
from svcsim.kube.reading.documents import RawObject

__all__ = ["remark_backends", "remark_service", "remark_skipped"]

_POD_MAKERS = frozenset({"CronJob", "Job"})
_CHANGES: dict[str, str] = {
    "EndpointSlice": "the endpoints follow the pods",
    "Endpoints": "the endpoints follow the pods",
    "Ingress": "nothing routes through ingresses",
    "NetworkPolicy": "no traffic is blocked",
    "Node": "the nodes are those of the scenario",
}


def _names(keys: list[ObjectKey]) -> str:
    shown = ", ".join(f'"{key.name}"' for key in keys[:5])
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"


def remark_skipped(skipped: Iterable[RawObject], notes: Notes) -> None:
    """Name every kind that the run leaves out, once, with what that means."""
    by_kind: dict[str, list[ObjectKey]] = defaultdict(list)
    foreign: dict[str, str] = {}
    for raw in skipped:
        by_kind[raw.key.kind].append(raw.key)
        group = raw.api_version.partition("/")[0] if "/" in raw.api_version else ""
        if raw.key.kind in ACTING_KINDS or ("." in group and not group.endswith(".k8s.io")):
            foreign[raw.key.kind] = raw.api_version
    others: list[str] = []
    for kind, keys in by_kind.items():
        near = nearest(kind, ACTING_KINDS, cutoff=0.75)
        if kind in foreign:
            others.append(f"{len(keys)} {kind} ({foreign[kind]})")
        elif kind in _POD_MAKERS:
            pods = "is not simulated yet: its pods" if len(keys) == 1 else "are not simulated yet: their pods"
            notes.say(f"{kind} {_names(keys)} {pods} do not exist in this run, unless listed as Pods")
        elif kind in _CHANGES:
            verb = "is" if len(keys) == 1 else "are"
            notes.say(f"{kind} {_names(keys)} {verb} not simulated yet: {_CHANGES[kind]}")
        elif kind not in KINDS and near is not None:
            notes.say(f"{kind} {_names(keys)} skipped: unknown kind; did you mean {near}?")
        else:
            others.append(f"{len(keys)} {kind}")
    if others:
        notes.say(f"skipped, without effect on this run: {', '.join(others)}")


def remark_service(service: Service, notes: Notes) -> None:
    """Name every field of a Service that would change the answer but is not simulated yet."""
    key = service.key

    def remark(field: str, text: str) -> None:
        notes.remark(key, field, text)

    if service.external_ips:
        remark("spec.externalIPs", "are not simulated yet: nothing arrives there")
    if "IPv6" in service.ip_families:
        remark("spec.ipFamilies", "include IPv6, which is not simulated yet: all traffic takes one family")


def _remark_port(service: Service, port: ServicePort, manifests: ManifestSet, notes: Notes) -> None:
    backends = manifests.backends(service)
    answers = [
        (b.key, resolve_port(b.template.containers, port.target_port, port.protocol)) for b in backends
    ]
    what = f"spec.ports[{port}].targetPort = {port.target_port}"
    for key, answer in answers:
        if not answer.listed:
            all_alike = not any(other.listed for _, other in answers)
            so = "the port has no endpoints" if all_alike else "its pods are no endpoints of this port"
            notes.remark(service.key, what, f"does not resolve in {key}: {answer.reason}; {so}")
        elif not answer.listening:
            notes.remark(service.key, what, f"is refused by {key}: {answer.reason}")
        elif answer.assumed and len(backends[0].template.containers) > 1:
            notes.remark(service.key, what, f"leads to an undeclared port of {key}: {answer.reason}")


def remark_backends(manifests: ManifestSet, notes: Notes) -> None:
    """Name Services that select nothing, and ports that lead nowhere."""
    for service in manifests.services:
        if service.type == "ExternalName":
            continue
        if service.selector is None:
            notes.remark(
                service.key, "spec.selector", "is absent: nothing in this run gives the Service endpoints"
            )
            continue
        backends = manifests.backends(service)
        if not backends:
            asked = ",".join(f"{name}={value}" for name, value in service.selector.items())
            notes.remark(service.key, "spec.selector", f"matches no pod of this run (it asks for {asked})")
            continue
        for port in service.ports:
            _remark_port(service, port, manifests, notes)
