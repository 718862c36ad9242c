"""A question from manifests alone: every Service asked for in two ways."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from svcsim.clock import format_duration
from svcsim.errors import ScenarioError
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import Service
from svcsim.scenario.build import Manifests, inputs_of, plain
from svcsim.scenario.defaults import default
from svcsim.scenario.files.place import Source, Where
from svcsim.scenario.resolve.document import resolve
from svcsim.scenario.resolve.values import positive_ns
from svcsim.scenario.scenario import Scenario

__all__ = ["scenario_from_manifests"]


def _skipped(service: Service, manifests: ManifestSet) -> str | None:
    """Say why a Service gets no client, if it gets none."""
    if service.type == "ExternalName":
        return "is an ExternalName Service, a DNS alias without pods"
    if not service.selector:
        return "has no selector, so its endpoints are not known"
    if not manifests.backends(service):
        return "selects no pod of the manifests"
    if not service.ports:
        return "has no port"
    if all(port.protocol != "TCP" for port in service.ports):
        return "has no TCP port; others are not simulated yet"
    return None


def _clients(service: Service, name: str, rate: Any) -> list[dict[str, Any]]:
    target: dict[str, Any] = {"to": f"{service.key.namespace}/service/{service.key.name}", "rate": rate}
    if service.ports[0].protocol != "TCP":
        port = next(port for port in service.ports if port.protocol == "TCP")
        target["port"] = port.name or port.port
    pinned = {"name": f"{name}-pinned", **target, "via": "pod-ip", "resolve": "once"}
    vip = {"name": f"{name}-vip", **target, "via": "cluster-ip"}
    return [pinned] if service.headless else [vip, pinned]


def _direct_clients(manifests: ManifestSet, rate: Any, warnings: list[str]) -> list[dict[str, Any]]:
    """Clients of pods that no Service stands before: their addresses are all there is to hold on to."""
    owners = [one.key for one in manifests.workloads] + [one.key for one in manifests.pods]
    clients: list[dict[str, Any]] = []
    times = Counter(key.name for key in owners)
    for key in owners:
        called = key.name if times[key.name] == 1 else f"{key.namespace}-{key.kind.lower()}-{key.name}"
        to = f"{key.namespace}/{key.kind.lower()}/{key.name}"
        name = f"{called}-pinned"
        clients.append({"name": name, "to": to, "rate": rate, "via": "pod-ip", "resolve": "once"})
        warnings.append(f"{key}: no Service selects its pods, so they are reached by pod IP alone")
    return clients


def scenario_from_manifests(
    manifests: Manifests,
    rate: str | float,
    rollout: str | None = None,
    duration: str | float | None = None,
    *,
    name: str | None = None,
    base: Path | None = None,
) -> Scenario:
    """Return the question that needs no scenario file.

    Each Service that selects pods is reached by its cluster IP (client `SERVICE-vip`) and by pod addresses
    looked up once (client `SERVICE-pinned`), each at the rate; a headless one only by the latter. The other
    Services are skipped with a warning. Where no Service is left, pods are reached by their addresses alone.

    Args:
        manifests: paths, plain objects, or a ManifestSet.
        rate: the rate of every client, such as `200/s`.
        rollout: the Deployment that rolls out at a third of the duration.
        duration: how long the run lasts; 60s by default.
        name: what the scenario is called.
        base: the folder of relative paths.

    Raises:
        ScenarioError: nothing to reach is left, or a value breaks a rule.
        ManifestError: a manifest that the API server would refuse.
    """
    inputs = inputs_of(manifests, base)
    found = inputs.load()
    lasting = plain(default("duration") if duration is None else duration)
    duration_ns = positive_ns(lasting, Where(Source(), ("duration",)))
    times = Counter(service.key.name for service in found.services)
    clients: list[dict[str, Any]] = []
    warnings: list[str] = []
    for service in found.services:
        why = _skipped(service, found)
        if why is not None:
            warnings.append(f"{service.key} {why}: no client is made for it")
            continue
        unique = times[service.key.name] == 1
        called = service.key.name if unique else f"{service.key.namespace}-{service.key.name}"
        clients += _clients(service, called, rate)
    if not clients:
        clients = _direct_clients(found, rate, warnings)
    if not clients:
        why = "; ".join(warnings) or "there is no Service"
        raise ScenarioError(f"the manifests have no Service that selects pods: {why}")
    document: dict[str, Any] = {"name": name or "manifests", "duration": lasting, "clients": clients}
    if inputs.entries:
        document["manifests"] = list(inputs.entries)
    if rollout is not None:
        document["events"] = [{"at": format_duration(duration_ns // 3), "rollout": rollout}]
    return resolve(
        document, source=Source(), base=base, inputs=inputs, manifests=found, warnings=tuple(warnings)
    )
