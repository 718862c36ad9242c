"""Texts to Kubernetes objects: documents, lists, and what every object must have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from svcsim.errors import ManifestError
from svcsim.kube.keys import CLUSTER_SCOPED, ObjectKey
from svcsim.kube.place import FieldPath, Notes, Place, show_value
from svcsim.kube.reading.files import Text
from svcsim.kube.reading.jsontext import json_documents
from svcsim.kube.reading.yamltext import line_in_yaml, yaml_documents

__all__ = ["RawObject", "raw_objects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawObject:
    """One object as the input has it, with its place."""

    api_version: str
    key: ObjectKey
    value: dict[str, Any]
    place: Place

    @property
    def metadata(self) -> dict[str, Any]:
        """The object's metadata, which is a mapping."""
        found: dict[str, Any] = self.value["metadata"]
        return found


_LineOf = Callable[[FieldPath], int | None]
_Document = tuple[Any, int, _LineOf]


def _json_line(text: str, first_line: int, path: FieldPath) -> int | None:
    return line_in_yaml(text, 0, path, first_line)


def _documents(text: Text) -> Iterator[_Document]:
    """Yield the documents of a text, which may be JSON whatever its name, with a finder of lines."""
    start = text.text.lstrip()[:1]
    if text.name.lower().endswith(".json"):
        yield from _json(text)
        return
    if start != "{":
        yield from _yaml(text)
        return
    try:
        found = _json(text)
    except ManifestError:
        # Flow-style YAML starts with a brace too. A quoted first key is meant as JSON, unless
        # YAML's separator says otherwise.
        quoted = text.text.lstrip()[1:].lstrip()[:1] == '"'
        if quoted and "\n---" not in text.text:
            raise
        found = list(_yaml(text))
    yield from found


def _json(text: Text) -> list[_Document]:
    read = json_documents(text.text, text.name)
    return [(value, line, partial(_json_line, own, line)) for value, line, own in read]


def _yaml(text: Text) -> Iterator[_Document]:
    for index, (value, line) in enumerate(yaml_documents(text.text, text.name)):
        yield value, line, partial(line_in_yaml, text.text, index)


def _is_list(value: dict[str, Any]) -> bool:
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and (kind == "List" or "items" in value)


def _text_field(value: dict[str, Any], name: str, place: Place) -> str:
    found = value.get(name)
    if found is None or found == "":
        raise place.missing((name,), "every Kubernetes object has apiVersion, kind and metadata.name")
    if not isinstance(found, str):
        raise place.error((name,), found, "must be text")
    return found


class _Reader:
    def __init__(self, text: Text, notes: Notes) -> None:
        self.text = text
        self.notes = notes

    def objects(self) -> Iterator[RawObject]:
        """Yield the objects of this text, lists taken apart."""
        for value, line, line_of in _documents(self.text):
            if value is not None:
                yield from self.unpack(value, Place(file=self.text.name, line=line, line_of=line_of))

    def unpack(
        self, value: Any, place: Place, defaults: tuple[str | None, str | None] = (None, None)
    ) -> Iterator[RawObject]:
        if not isinstance(value, dict):
            self.stray(place, f"a {_named(value)}, not a Kubernetes object: {show_value(value)}")
            return
        if defaults[1] and "kind" not in value:
            value = {"apiVersion": defaults[0], "kind": defaults[1], **value}
        if self.foreign(value, place):
            return
        if _is_list(value):
            items = value.get("items")
            if items is None:
                items = []
            if not isinstance(items, list):
                raise place.error(("items",), items, "must be a list of objects")
            of = value["kind"].removesuffix("List") or None
            for index, item in enumerate(items):
                if not isinstance(item, dict):
                    raise place.error(("items", index), item, "must be a Kubernetes object")
                yield from self.unpack(item, _within(place, ("items", index)), (value.get("apiVersion"), of))
            return
        yield self.raw(value, place)

    def foreign(self, value: dict[str, Any], place: Place) -> bool:
        """Tell whether this is no Kubernetes object; one that was named by the user is an error."""
        group = str(value.get("apiVersion", ""))
        if group.startswith("kustomize.config.k8s.io/") or (
            self.text.is_kustomization and "kind" not in value
        ):
            if self.text.named:
                raise ManifestError(
                    f"{place}: a kustomization, not a manifest; "
                    "name its folder, or pipe `kubectl kustomize FOLDER` into -"
                )
            self.notes.say(
                f"{self.text.name}: kustomization skipped: its patches, prefixes and generators do not apply "
                "(pipe `kubectl kustomize` into - instead)"
            )
            return True
        if "kind" in value or "apiVersion" in value:
            return False
        keys = ", ".join(list(map(str, value))[:4]) or "none"
        self.stray(place, f"not a Kubernetes object: no apiVersion and no kind (its keys: {keys})")
        return True

    def stray(self, place: Place, what: str) -> None:
        """Refuse what is no object when the file was named, else skip it with a warning."""
        if self.text.named:
            raise ManifestError(f"{place}: {what}; accepted: YAML or JSON objects with apiVersion and kind")
        self.notes.say(f"{place}: {what}; skipped")

    def raw(self, value: dict[str, Any], place: Place) -> RawObject:
        kind = _text_field(value, "kind", place)
        api_version = _text_field(value, "apiVersion", _called(place, kind.lower()))
        place = _called(place, kind.lower())
        metadata = value.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            raise place.error(("metadata",), metadata, "must be a mapping with a name")
        name = (metadata or {}).get("name")
        if name is None or name == "":
            rule = "every Kubernetes object has a name"
            if (metadata or {}).get("generateName"):
                rule += "; generateName asks the API server for one, so give a name instead"
            raise place.missing(("metadata", "name"), rule)
        namespace = (metadata or {}).get("namespace") or "default"
        for field_name, found in (("name", name), ("namespace", namespace)):
            if not isinstance(found, str):
                raise place.error(("metadata", field_name), found, f'must be text: write "{found}"')
        scope = "" if kind in CLUSTER_SCOPED else namespace
        key = ObjectKey(kind=kind, namespace=scope, name=name)
        return RawObject(api_version=api_version, key=key, value=value, place=_called(place, str(key)))


def _named(value: object) -> str:
    return {"list": "list", "str": "text", "bool": "truth value"}.get(type(value).__name__, "number")


def _called(place: Place, label: str) -> Place:
    return Place(file=place.file, line=place.line, label=label, line_of=place.line_of)


def _within(place: Place, prefix: FieldPath) -> Place:
    """Return the place of an item, whose fields are found below `prefix` of the document."""
    outer = place.line_of

    def line_of(path: FieldPath) -> int | None:
        return outer((*prefix, *path))

    # The item's own line is looked up only when a message needs it: it costs a pass over the text.
    return Place(file=place.file, line=None, line_of=line_of)


def raw_objects(texts: Iterable[Text], notes: Notes) -> list[RawObject]:
    """Return the objects of all texts in input order, Lists taken apart.

    Raises:
        ManifestError: a text that cannot be parsed, an object without apiVersion, kind or name, or
            no object at all.
    """
    names: list[str] = []
    found: list[RawObject] = []
    empty: list[str] = []
    for text in texts:
        names.append(text.name)
        before = len(found)
        found += _Reader(text, notes).objects()
        if len(found) == before and text.named:
            empty.append(text.name)
    if not found:
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        raise ManifestError(f"no Kubernetes object in {shown or 'no input at all'}")
    for name in empty:
        notes.say(f"{name}: no Kubernetes object in it")
    return found
