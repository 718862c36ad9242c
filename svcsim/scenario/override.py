"""One written field of a scenario changed: what `--set PATH=VALUE` does."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from svcsim.errors import ManifestError, ScenarioError
from svcsim.kube.keys import ObjectKey, parse_target
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.reading.yamltext import yaml_documents
from svcsim.scenario.build import written_of
from svcsim.scenario.files.documents import kube_proxy_document
from svcsim.scenario.files.place import Source, Where, did_you_mean, one_of
from svcsim.scenario.resolve.assign import NoSuchField, assign, step
from svcsim.scenario.resolve.document import resolve
from svcsim.scenario.resolve.inputs import Inputs
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.resolve.shorthand import object_field
from svcsim.scenario.scenario import Scenario, Written

__all__ = ["with_value"]

SECTIONS = ("name", "manifests", "duration", "cluster", "lag", "workloads", "clients", "events")
_SCALAR_MEANS = {"timeout": "request", "queue": "places"}
_KEY_PARTS = (2, 3, 4)


def _readings(value: Any) -> list[Any]:
    """Return what a value may mean: text as YAML first, then as it is."""
    if not isinstance(value, str):
        return [value]
    try:
        documents = [document for document, _ in yaml_documents(value, "value")]
    except ManifestError:
        return [value]
    return [documents[0], value] if len(documents) == 1 and documents[0] != value else [value]


def with_value(question: Scenario, path: str, value: Any) -> Scenario:
    """Return a scenario with one field changed; see `Scenario.with_value`."""
    written = written_of(question)
    first: ScenarioError | ManifestError | None = None
    for reading in _readings(value):
        try:
            return _changed(question, written, path, reading)
        except NoSuchField as error:
            raise ScenarioError(f"{path}: {error}{Source(written.source.label).place(())}") from None
        except (ScenarioError, ManifestError) as error:
            first = first or error
    assert first is not None
    raise first


def _changed(question: Scenario, written: Written, path: str, value: Any) -> Scenario:
    document = copy.deepcopy(dict(written.document))
    inputs, manifests = written.inputs, question.manifests
    head, rest = step(path, [])
    if head not in SECTIONS:
        raise NoSuchField(
            f"{head} is no section; accepted: {', '.join(SECTIONS)}{did_you_mean(head, SECTIONS)}"
        )
    if head == "manifests":
        if not rest:
            raise NoSuchField("name an object and its field, such as manifests.deployment/web.spec.replicas")
        objects = inputs.objects()
        key, field = _object(rest, [raw.key for raw in objects])
        changed = inputs.object(key)
        object_field(changed, field, value)
        inputs = inputs.with_object(key, changed)
        document["manifests"] = list(inputs.entries)
        manifests = _loaded(inputs, question.manifests, path)
    elif head == "workloads" and rest:
        entry, field = _workload(rest, document.get("workloads") or {}, Lookup(manifests))
        behaviours = document.setdefault("workloads", {})
        if not field:
            behaviours[entry] = value
        else:
            _assign(behaviours.setdefault(entry, {}), field, value)
    else:
        if head == "lag":
            path = f"cluster.{path}"
        if path.startswith("cluster.kubeProxy.") and isinstance(
            document.get("cluster", {}).get("kubeProxy"), str
        ):
            document["cluster"]["kubeProxy"] = kube_proxy_document(question.cluster.kube_proxy)
        _assign(document, path, value)
    return resolve(
        document,
        source=Source(written.source.label),
        base=written.base,
        inputs=inputs,
        manifests=manifests,
        warnings=written.warnings,
    )


def _loaded(inputs: Inputs, before: ManifestSet, path: str) -> ManifestSet:
    """Load changed manifests; a field that Kubernetes does not know, or svcsim ignores, is no change."""
    after = inputs.load()
    remarks = [warning for warning in after.warnings if warning not in before.warnings]
    if remarks and replace(after, warnings=()) == replace(before, warnings=()):
        raise NoSuchField(f"has no effect: {remarks[0]}")
    return after


def _assign(node: Any, path: str, value: Any) -> None:
    """Assign, after what is short for a mapping on the way has been written out."""
    _open(node, path)
    assign(node, path, value)


def _open(node: Any, path: str) -> None:
    """Turn `timeout: 5s` into `timeout: {request: 5s}` where the path goes on, and the like."""
    while path:
        if isinstance(node, list):
            names = {str(item["name"]): item for item in node if isinstance(item, dict) and "name" in item}
            head, path = step(path, list(names))
            if head.isdigit() and head not in names and int(head) < len(node):
                node = node[int(head)]
            else:
                node = names.get(head)
        elif isinstance(node, dict):
            head, path = step(path, list(node))
            inside = node.get(head)
            if path and inside is not None and not isinstance(inside, dict | list):
                if head in _SCALAR_MEANS:
                    node[head] = {_SCALAR_MEANS[head]: inside}
                elif head in ("onSigterm", "resolve", "reuse"):
                    node[head] = {}
            node = node.get(head)
        else:
            return


def _prefixes(text: str) -> Iterable[tuple[str, str]]:
    """Yield every split of a text into an object's name and a field, the longest name first."""
    ends = [i for i, letter in enumerate(text) if letter in ".["]
    for end in (len(text), *reversed(ends)):
        name = text[:end]
        if len(name.split("/")) in _KEY_PARTS:
            yield name, text[end:].removeprefix(".")


def _object(text: str, keys: list[ObjectKey]) -> tuple[ObjectKey, str]:
    for name, field in _prefixes(text):
        try:
            own, container = parse_target(name, namespace="a")
            other, _ = parse_target(name, namespace="b")
        except ManifestError:
            continue
        found = [k for k in keys if k == own or (own != other and (k.kind, k.name) == (own.kind, own.name))]
        found = list(dict.fromkeys(found))
        if len(found) > 1:
            found = [key for key in found if key.namespace == "default"] or found
        if len(found) > 1:
            raise NoSuchField(f"{name} is in several namespaces; write one of: {', '.join(map(str, found))}")
        if found and container is None:
            if not field:
                raise NoSuchField(f"name a field of {found[0]}, such as manifests.{found[0]}.spec.replicas")
            return found[0], field
    known = [str(key) for key in keys]
    raise NoSuchField(
        f"no object of the manifests is named there; there are: {one_of(known)}{did_you_mean(text, known)}"
    )


def _has_container(meaning: tuple[list[ObjectKey], str | None, bool], lookup: Lookup) -> bool:
    """Tell whether the container that a name has, if it has one, is there; else its end is a field."""
    keys, container, _ = meaning
    owners = [lookup.owners[key] for key in keys if key in lookup.owners]
    return container is None or any(
        one.name == container for own in owners for one in own.template.containers
    )


def _workload(text: str, behaviours: Mapping[str, Any], lookup: Lookup) -> tuple[str, str]:
    """Return the entry of `workloads` that a path starts with, as it is written if it is, and the field."""
    where = Where()
    meanings = {}
    for key in behaviours:
        meanings[key] = lookup.matching(key, where)
    for name, field in _prefixes(text):
        if name in behaviours:
            return name, field
        try:
            meaning = lookup.matching(name, where)
        except ScenarioError:
            continue
        if meaning[0] and _has_container(meaning, lookup):
            same = next((key for key, one in meanings.items() if one == meaning), None)
            return same or name, field
    known = lookup.names()
    raise NoSuchField(
        f"no workload or bare pod of the manifests is named there; "
        f"there are: {one_of(known)}{did_you_mean(text, known)}"
    )
