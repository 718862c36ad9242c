"""Scenarios to YAML that reads back to the same."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import yaml

from svcsim.kube.reading.documents import RawObject
from svcsim.scenario.files.documents import kube_proxy_document, nodes_document
from svcsim.scenario.files.loaddocuments import load_document

if TYPE_CHECKING:
    from svcsim.scenario.resolve.inputs import Inputs
    from svcsim.scenario.scenario import Scenario

__all__ = ["to_yaml", "yaml_text"]

# Kubernetes' reader takes 1e3, 0o17 and yes for numbers and truth values, which PyYAML writes unquoted.
# It also writes line ends of Unicode as they are, and folds them when it reads.
_NEEDS_QUOTES = re.compile(
    r"[-+.0-9~].*|.*[\x85\u2028\u2029].*|(?i:true|false|yes|no|on|off|null|y|n)|", re.DOTALL
)
_PLAIN = re.compile(r"([0-9]+(\.[0-9]+)?(h|ms|us|ns|m|s))+|[0-9]+(\.[0-9]+)?/s|[0-9]+%")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out: a scenario file has no anchors."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    quoted = _NEEDS_QUOTES.fullmatch(text) is not None and _PLAIN.fullmatch(text) is None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_Dumper.add_representer(str, _text)


def yaml_text(document: Any) -> str:
    """Return plain values as YAML that Kubernetes' reader and PyYAML both read back.

    >>> yaml_text({"version": "1e3", "after": "250ms"})
    'version: "1e3"\\nafter: 250ms\\n'
    """
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _entries(inputs: Inputs, *, inline: bool) -> list[Any]:
    """Return the list under `manifests`; what standard input gave is always written out."""
    if inline or "-" in inputs.entries or inputs.given is not None:
        objects: list[RawObject] = inputs.objects()
        return [raw.value for raw in objects]
    return list(inputs.entries)


def to_yaml(scenario: Scenario, *, self_contained: bool) -> str:
    """Return the file of a scenario; see `Scenario.to_yaml`."""
    written = scenario.written
    if written is None:
        from svcsim.scenario.build import written_of  # noqa: PLC0415 (it builds what this writes)

        written = written_of(scenario)
    document = copy.deepcopy(dict(written.document))
    document.pop("manifests", None)
    cluster = document.get("cluster")
    if self_contained and isinstance(cluster, dict):
        if isinstance(cluster.get("nodes"), str):
            cluster["nodes"] = nodes_document(scenario.cluster.nodes)
        if isinstance(cluster.get("kubeProxy"), str):
            cluster["kubeProxy"] = kube_proxy_document(scenario.cluster.kube_proxy)
    if self_contained:
        for entry, client in zip(document.get("clients", ()), scenario.clients, strict=True):
            if client.trace is not None:
                entry.update(load_document(client))
    head = {"name": document.pop("name")} if "name" in document else {}
    entries = _entries(written.inputs, inline=self_contained)
    return yaml_text({**head, "manifests": entries, **document})
