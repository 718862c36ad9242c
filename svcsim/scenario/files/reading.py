"""Scenario files and texts to Scenarios."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from svcsim.errors import ManifestError, ScenarioError
from svcsim.kube.keys import nearest
from svcsim.kube.reading.files import decode
from svcsim.kube.reading.jsontext import json_documents
from svcsim.kube.reading.yamltext import yaml_documents
from svcsim.scenario.files.place import Source, Where
from svcsim.scenario.resolve.document import resolve
from svcsim.scenario.resolve.inputs import STDIN, read_stdin
from svcsim.scenario.scenario import Scenario

__all__ = ["load_scenario", "parse_scenario", "plain_document"]

MAX_BYTES = 16 * 1024 * 1024


def _text_of(path: Path, name: str) -> str:
    try:
        if path.is_dir():
            raise ScenarioError(f"{name}: a folder, not a scenario file; name the file in it")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ScenarioError(f"{name}: {size} bytes; a scenario has at most {MAX_BYTES}")
        return decode(path.read_bytes(), name)
    except FileNotFoundError:
        raise ScenarioError(f"{name}: no such file{_beside(path)}") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except ManifestError as error:
        raise ScenarioError(str(error)) from None


def _beside(path: Path) -> str:
    """Name the file of the same folder that was likely meant."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    near = nearest(path.name, names)
    return f"; did you mean {path.parent / near}?" if near is not None else ""


def plain_document(text: str, source: Source) -> dict[str, Any]:
    """Return the one document of a scenario's text.

    Raises:
        ScenarioError: no YAML, a tag, a duplicate key, several documents, none, or one that is no mapping.
    """
    name = source.label or "scenario"
    try:
        documents = [value for value in _values(text, name) if value is not None]
    except ManifestError as error:
        raise ScenarioError(str(error)) from None
    if not documents:
        raise ScenarioError(f"{name}: empty; a scenario has at least manifests, duration and clients")
    if len(documents) > 1:
        raise ScenarioError(
            f"{name}: {len(documents)} documents; a scenario is one (manifests go to `manifests:`)"
        )
    document = documents[0]
    if not isinstance(document, dict):
        raise Where(source).problem(
            f"a scenario must be a mapping such as {{manifests: ..., clients: ...}}, not a {_kind(document)}"
        )
    if "apiVersion" in document and "kind" in document:
        raise ScenarioError(
            f"{name}: a Kubernetes {document['kind']}, not a scenario; "
            "run it with -f, or name it under `manifests:` of a scenario"
        )
    return document


def _values(text: str, name: str) -> list[Any]:
    """Return the documents of a text; JSON is read as JSON, whose escapes YAML does not know all."""
    if text.lstrip()[:1] == "{":
        try:
            return [value for value, _, _ in json_documents(text, name)]
        except ManifestError:
            pass  # YAML in flow style starts with a brace too, and says better what is wrong
    return [value for value, _ in yaml_documents(text, name)]


def _kind(value: object) -> str:
    return {list: "list", str: "text", bool: "truth value"}.get(type(value), "number")


def load_scenario(path: str | Path) -> Scenario:
    """Read a scenario file; relative paths in it start from its folder, its name is the usual `name`.

    Args:
        path: the file, or "-" for standard input, whose relative paths start from the working directory.

    Raises:
        ScenarioError: what cannot be read or breaks a rule: value, rule, field, file and line.
        ManifestError: a manifest that the API server would refuse.
    """
    if str(path) == "-":
        try:
            text = read_stdin()
        except ManifestError as error:
            raise ScenarioError(str(error)) from None
        source = Source(f"scenario {STDIN}", text)
        document = plain_document(text, source)
        listed = document.get("manifests")
        if listed == "-" or (isinstance(listed, list) and "-" in listed):
            raise Where(source, ("manifests",)).problem(
                'manifests = "-" is standard input, which the scenario itself came from; name a file'
            )
        return resolve(document, source=source)
    file = Path(path)
    text = _text_of(file, str(path))
    source = Source(f"scenario {path}", text)
    document = {"name": file.stem[:200], **plain_document(text, source)}
    return resolve(document, source=source, base=file.parent)


def parse_scenario(text: str, base: Path | None = None) -> Scenario:
    """Read a scenario's text.

    Args:
        text: YAML or JSON, one document.
        base: the folder of relative paths; the working directory when None.

    Raises:
        ScenarioError: what breaks a rule: value, rule, field and line.
        ManifestError: a manifest that the API server would refuse.

    >>> question = parse_scenario('''
    ... duration: 60s
    ... manifests:
    ...   - {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: web}]}}
    ... clients:
    ...   - {name: pinned, to: pod/web, via: pod-ip, rate: 200/s}
    ... ''')
    >>> question.clients[0].rate_per_s, question.cluster.kubernetes_minor
    (200.0, 34)
    """
    source = Source("scenario text", text)
    return resolve(plain_document(text, source), source=source, base=base)
