"""Scenarios from Python: friendly values in, the same resolution as a file's."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from svcsim.clock import format_duration
from svcsim.distributions import Distribution
from svcsim.errors import ScenarioError
from svcsim.kube.keys import ObjectKey
from svcsim.kube.manifests import ManifestSet
from svcsim.scenario.events import Event
from svcsim.scenario.files.documents import (
    behaviour_document,
    client_document,
    cluster_document,
    event_document,
    scenario_document,
)
from svcsim.scenario.files.place import Source, Where, did_you_mean, one_of
from svcsim.scenario.model import Client, Cluster, WorkloadBehaviour
from svcsim.scenario.resolve.document import resolve
from svcsim.scenario.resolve.inputs import Inputs
from svcsim.scenario.scenario import Scenario, Written

__all__ = ["inputs_of", "plain", "replaced", "scenario", "written_of"]

Manifests = str | Path | ManifestSet | Mapping[str, Any] | Sequence[str | Path | Mapping[str, Any]]
SECTIONS = ("name", "manifests", "duration", "cluster", "lag", "workloads", "clients", "events")
_SNAKE = re.compile(r"_([a-z0-9])")
_AS_THEY_ARE = ("workloads", "set", "labels", "backends", "lag")
_IP = {"vanished_ip": "vanishedIP", "vanishedIp": "vanishedIP"}


def _camel(key: str) -> str:
    return _IP.get(key) or _SNAKE.sub(lambda m: m[1].upper(), key.rstrip("_"))


def plain(value: Any, *, keys: bool = True) -> Any:
    """Return a friendly value as a file would hold it.

    Records become mappings, tuples lists, `timedelta` durations, object keys text; `service_time` may stand
    for `serviceTime`, and `from_` for `from`.

    >>> plain({"pre_stop": datetime.timedelta(seconds=5), "from_": "outside"})
    {'preStop': '5s', 'from': 'outside'}
    """
    if isinstance(value, Distribution):
        return value.spec()
    if isinstance(value, Client):
        return client_document(value)
    if isinstance(value, Event):
        return event_document(value)
    if isinstance(value, Cluster):
        return cluster_document(value)
    if isinstance(value, WorkloadBehaviour):
        return behaviour_document(value)
    if isinstance(value, ObjectKey):
        return f"{value.namespace}/{value.kind.lower()}/{value.name}"
    if isinstance(value, datetime.timedelta):
        return format_duration(value // datetime.timedelta(microseconds=1) * 1000)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        named = {_camel(key) if keys and isinstance(key, str) else _name(key): key for key in value}
        return {name: plain(value[key], keys=name not in _AS_THEY_ARE) for name, key in named.items()}
    if isinstance(value, list | tuple):
        return [plain(item, keys=keys) for item in value]
    return value


def _name(key: Any) -> Any:
    if isinstance(key, tuple):
        return "/".join(map(str, map(plain, key)))
    return plain(key)


def inputs_of(manifests: Manifests, base: Path | None) -> Inputs:
    """Return where manifests come from: paths, plain objects, or a set that is loaded already."""
    if isinstance(manifests, ManifestSet):
        return Inputs(given=manifests, base=base)
    listed = [manifests] if isinstance(manifests, str | Path | Mapping) else list(manifests)
    entries = [str(one) if isinstance(one, Path) else one for one in listed]
    where = Where(Source(), ("manifests",))
    for index, entry in enumerate(entries):
        if not isinstance(entry, str | Mapping):
            raise (where / index).error(entry, "must be a path, or an object as its manifest has it")
    if not entries:
        raise where.problem("manifests is empty; name at least one file")
    return Inputs.of(entries, base=base, where=where)


def _resolved(
    sections: Mapping[str, Any],
    inputs: Inputs,
    base: Path | None,
    known: ManifestSet | None,
    warnings: tuple[str, ...] = (),
) -> Scenario:
    document = {key: value for key, value in sections.items() if value is not None}
    lag = document.pop("lag", None)
    if lag is not None:
        document["cluster"] = {**document.get("cluster", {}), "lag": lag}
    if inputs.entries:
        document["manifests"] = list(inputs.entries)
    return resolve(document, source=Source(), base=base, inputs=inputs, manifests=known, warnings=warnings)


def _section(name: str, value: Any) -> Any:
    """Return a section's friendly value as a file would hold it."""
    if name == "workloads" and isinstance(value, Mapping):
        return {_name(key): plain(one) for key, one in value.items()}
    if name == "lag" and isinstance(value, Mapping):
        return {_camel(key): plain(law) for key, law in value.items() if law is not None}
    return plain(value)


def scenario(
    *,
    manifests: Manifests,
    duration: str | float | datetime.timedelta,
    clients: Sequence[Client | Mapping[str, Any]],
    name: str | None = None,
    cluster: Cluster | Mapping[str, Any] | None = None,
    lag: Mapping[str, Any] | None = None,
    workloads: Mapping[Any, WorkloadBehaviour | Mapping[str, Any]] | None = None,
    events: Sequence[Event | Mapping[str, Any]] | None = None,
    base: Path | None = None,
) -> Scenario:
    """Return a scenario from values as a file spells them, or from records, or from both.

    Args:
        manifests: paths, plain objects, or a ManifestSet.
        duration: how long the run lasts.
        clients: who connects; mappings have the keys of a file, in camelCase or snake_case.
        name: what it is called.
        cluster: the cluster.
        lag: distributions by stage.
        workloads: behaviours by KIND/NAME, NAMESPACE/KIND/NAME or these with /CONTAINER.
        events: what happens.
        base: the folder of relative paths.

    Raises:
        ScenarioError: a value breaks a rule.
        ManifestError: a manifest that the API server would refuse.

    >>> web = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
    ...        "spec": {"containers": [{"name": "web", "image": "web"}]}}
    >>> question = scenario(
    ...     manifests=web, duration="60s",
    ...     clients=[{"name": "pinned", "to": "pod/web", "via": "pod-ip", "rate": "200/s"}],
    ...     workloads={"pod/web": {"service_time": "20ms"}})
    >>> question.behaviour(question.clients[0].to, "web").service_time
    Constant(value=0.02)
    """
    given = {
        "name": name,
        "duration": duration,
        "cluster": cluster,
        "lag": lag,
        "workloads": workloads,
        "clients": clients,
        "events": events,
    }
    sections = {key: _section(key, value) for key, value in given.items() if value is not None}
    return _resolved(sections, inputs_of(manifests, base), base, None)


def written_of(question: Scenario) -> Written:
    """Return what a scenario was resolved from, or what it could have been."""
    if question.written is not None:
        return question.written
    return Written(document=scenario_document(question), inputs=Inputs(given=question.manifests))


def replaced(question: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return a scenario with whole sections changed; see `Scenario.replace`."""
    written = written_of(question)
    sections = copy.deepcopy(dict(written.document))
    sections.pop("manifests", None)
    inputs, known = written.inputs, question.manifests
    for name, value in changes.items():
        if name == "manifests":
            inputs = inputs_of(value, written.base)
            known = inputs.load()
        elif name == "duration_ns":
            sections["duration"] = format_duration(value) if isinstance(value, int) and value > 0 else value
        elif name not in SECTIONS:
            accepted = (*SECTIONS, "duration_ns")
            raise ScenarioError(
                f"{name} is no section of a scenario; "
                f"accepted: {one_of(accepted)}{did_you_mean(name, accepted)}"
            )
        elif name == "cluster" and isinstance(sections.get("cluster"), dict) and "lag" in sections["cluster"]:
            sections["cluster"] = {"lag": sections["cluster"]["lag"], **(_section(name, value) or {})}
        else:
            sections[name] = _section(name, value)
    kept = () if "manifests" in changes else written.warnings
    return _resolved(sections, inputs, written.base, known, kept)
