"""Files that describe a real cluster: `kubectl get nodes -o yaml` and kube-proxy's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from svcsim.errors import ManifestError
from svcsim.kube.place import Notes
from svcsim.kube.quantities import parse_quantity
from svcsim.kube.reading.documents import RawObject, raw_objects
from svcsim.kube.reading.files import read_texts
from svcsim.kube.reading.yamltext import yaml_documents
from svcsim.scenario.files.place import Where
from svcsim.scenario.model import MAX_NODES, Node

__all__ = ["nodes_from_file", "proxy_settings_from_file"]

ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
KEEPS_OUT = ("NoSchedule", "NoExecute")
_PROXY_KIND = "KubeProxyConfiguration"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _node(raw: RawObject, warnings: list[str]) -> Node:
    spec, status = _mapping(raw.value.get("spec")), _mapping(raw.value.get("status"))
    labels = _mapping(raw.metadata.get("labels"))
    allocatable = _mapping(status.get("allocatable")) or _mapping(status.get("capacity"))
    unschedulable = spec.get("unschedulable") is True
    taints = [t for t in map(_mapping, spec.get("taints") or ()) if t.get("effect") in KEEPS_OUT]
    if taints and not unschedulable:
        warnings.append(f"node {raw.key.name} has the taint {taints[0].get('key')}; no pod is placed on it")
    conditions = map(_mapping, status.get("conditions") or ())
    if any(c.get("type") == "Ready" and c.get("status") != "True" for c in conditions):
        warnings.append(f"node {raw.key.name} is not Ready in its file; no pod is placed on it")
        unschedulable = True
    usual = Node(name=raw.key.name)
    return Node(
        name=raw.key.name,
        zone=next((str(labels[label]) for label in ZONE_LABELS if labels.get(label)), None),
        pods_limit=int(parse_quantity(allocatable["pods"])) if "pods" in allocatable else usual.pods_limit,
        unschedulable=unschedulable or bool(taints),
        cpu=parse_quantity(allocatable["cpu"]) if "cpu" in allocatable else None,
    )


def nodes_from_file(path: str, base: Path | None, where: Where, warnings: list[str]) -> tuple[Node, ...]:
    """Return the nodes of a file that `kubectl get nodes -o yaml` (or json) wrote.

    A node that is cordoned, tainted against scheduling or not Ready takes no pod.
    """
    try:
        found = raw_objects(read_texts([path], base=base), Notes())
        nodes = tuple(_node(raw, warnings) for raw in found if raw.key.kind == "Node")
    except ManifestError as error:
        raise where.problem(f"{where}: {error}") from None
    if not 1 <= len(nodes) <= MAX_NODES:
        raise where.error(
            path, f"has {len(nodes)} Nodes; accepted: 1 to {MAX_NODES}, as `kubectl get nodes -o yaml`"
        )
    return nodes


def _configurations(value: object, name: str) -> Iterator[dict[str, Any]]:
    """Yield the kube-proxy configurations in a document: itself, in a ConfigMap, or in a List."""
    document = _mapping(value)
    if document.get("kind") == _PROXY_KIND:
        yield document
    elif document.get("kind") == "ConfigMap":
        for key, text in _mapping(document.get("data")).items():
            if isinstance(text, str) and _PROXY_KIND in text:
                for inside, _ in yaml_documents(text, f"{name}, {key}"):
                    yield from _configurations(inside, name)
    elif isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _configurations(item, name)


def proxy_settings_from_file(path: str, base: Path | None, where: Where) -> dict[str, Any]:
    """Return mode, periods and IPVS scheduler of a KubeProxyConfiguration, as a scenario spells them.

    An empty mode is the platform's default; a period of zero is an absent one
    (pkg/proxy/apis/config/v1alpha1/defaults.go).
    """
    try:
        found = [
            configuration
            for text in read_texts([path], base=base)
            for value, _ in yaml_documents(text.text, text.name)
            for configuration in _configurations(value, text.name)
        ]
    except ManifestError as error:
        raise where.problem(f"{where}: {error}") from None
    if len(found) != 1:
        raise where.error(path, f"has {len(found)} {_PROXY_KIND}s; accepted: one, itself or in its ConfigMap")
    mode = found[0].get("mode") or "iptables"
    settings: dict[str, Any] = {"mode": mode}
    periods = _mapping(found[0].get(mode)) if isinstance(mode, str) else {}
    for name in ("minSyncPeriod", "syncPeriod"):
        if periods.get(name) not in (None, "", 0, "0", "0s"):
            settings[name] = periods[name]
    if mode == "ipvs" and periods.get("scheduler"):
        settings["ipvsScheduler"] = periods["scheduler"]
    return settings
