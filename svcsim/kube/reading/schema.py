"""Kubernetes' field names and types, from lightkube's models: strict types, unknown fields named."""

from __future__ import annotations

import re
import types
import typing
from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import msgspec
from lightkube.models import apps_v1, autoscaling_v2, core_v1, discovery_v1, policy_v1

from svcsim.kube.keys import nearest
from svcsim.kube.place import FieldPath, Notes, Place, show_path
from svcsim.kube.reading.documents import RawObject

__all__ = ["MODELS", "typed"]

MODELS: dict[str, type[msgspec.Struct]] = {
    "DaemonSet": apps_v1.DaemonSet,
    "Deployment": apps_v1.Deployment,
    "EndpointSlice": discovery_v1.EndpointSlice,
    "Endpoints": core_v1.Endpoints,
    "HorizontalPodAutoscaler": autoscaling_v2.HorizontalPodAutoscaler,
    "Namespace": core_v1.Namespace,
    "Pod": core_v1.Pod,
    "PodDisruptionBudget": policy_v1.PodDisruptionBudget,
    "ReplicaSet": apps_v1.ReplicaSet,
    "ReplicationController": core_v1.ReplicationController,
    "Service": core_v1.Service,
    "StatefulSet": apps_v1.StatefulSet,
}

LIKELY, SURELY = 0.6, 0.85
MAPS_OF_TEXT = frozenset({"annotations", "labels", "matchLabels", "nodeSelector", "selector"})
QUANTITIES = frozenset({"limits", "requests", "overhead"})
_AT = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_SHORT_INT = re.compile(r"-?[0-9]{1,10}")
_PART = re.compile(r"\.([A-Za-z0-9_$]+)|\[(\d+|\.\.\.)\]")
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
}
Model = TypeVar("Model", bound=msgspec.Struct)


@cache
def _fields(model: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct] | None]:
    """Return a model's field names, each with the model of its value or of its value's items."""
    return {f.encode_name: _inner_model(f.type) for f in msgspec.structs.fields(model)}


def _inner_model(annotation: Any) -> type[msgspec.Struct] | None:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, list):
        return next((m for m in map(_inner_model, typing.get_args(annotation)) if m is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct) else None


@cache
def _places_of_fields(kind: str) -> dict[str, str]:
    """Return for each field name of a kind the shortest path at which it stands, lists as `name[]`."""
    shortest: dict[str, str] = {}
    queue: deque[tuple[type[msgspec.Struct], str, int]] = deque([(MODELS[kind], "", 0)])
    while queue:
        model, path, depth = queue.popleft()
        for name, inner in _fields(model).items():
            here = f"{path}.{name}" if path else name
            shortest.setdefault(name, here)
            if inner is not None and depth < 6 and name not in ("status", "managedFields"):
                queue.append((inner, here, depth + 1))
    return shortest


def _unknown(
    value: Any, model: type[msgspec.Struct], path: FieldPath
) -> Iterator[tuple[FieldPath, str, Any]]:
    """Yield (path of the parent, unknown name, its model) below a value."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, model, (*path, index))
    elif isinstance(value, dict):
        known = _fields(model)
        for name, inner_value in value.items():
            if name not in known:
                yield path, name, model
                continue
            inner = known[name]
            if inner is not None and (path or name != "status"):
                yield from _unknown(inner_value, inner, (*path, name))


def _name_unknown(raw: RawObject, model: type[msgspec.Struct], notes: Notes) -> None:
    for path, name, owner in _unknown(raw.value, model, ()):
        home = _places_of_fields(raw.key.kind).get(name)
        near = nearest(name, _fields(owner), cutoff=SURELY if home else LIKELY)
        if near is not None:
            hint = f"did you mean {near}?"
        elif home is not None:
            hint = f"it belongs at {home}"
        else:
            hint = "known here: " + ", ".join(sorted(_fields(owner))[:8])
        notes.remark(
            raw.key, show_path((*path, name)), f"is not a field Kubernetes knows and is ignored; {hint}"
        )


def _tidy(value: Any, key: str = "") -> Any:
    """Return the value as the API server's decoder would see it.

    A null in a map of text is the empty text, and a quantity written as a number is its text.
    """
    if isinstance(value, dict):
        if key in MAPS_OF_TEXT and not any(isinstance(v, (dict, list)) for v in value.values()):
            return {name: "" if inner is None else inner for name, inner in value.items()}
        if key in QUANTITIES:
            number = (int, float)
            return {
                n: str(v) if isinstance(v, number) and not isinstance(v, bool) else v
                for n, v in value.items()
            }
        return {name: _tidy(inner, name) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return value


def _path(text: str | None) -> FieldPath:
    parts: list[str | int] = []
    for name, index in _PART.findall((text or "$").removeprefix("$")):
        parts.append(name if name else int(index) if index.isdigit() else index)
    return tuple(parts)


def _at(value: Any, path: FieldPath) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _alternatives(types_text: str) -> str:
    words = [
        _WORDS.get(word.strip(), word.strip()) for word in types_text.split("|") if word.strip() != "null"
    ]
    return " or ".join(words)


def _type_error(error: msgspec.ValidationError, value: Any, place: Place) -> Exception:
    found = _AT.match(str(error))
    problem, path = (found["problem"], _path(found["path"])) if found else (str(error), ())
    if lacks := re.match(r"Object missing required field `(\w+)`", problem):
        return place.missing((*path, lacks[1]), "Kubernetes requires it")
    wrong = _at(value, path)
    if expects := re.match(r"Expected `([^`]*)`, got", problem):
        wanted = expects[1]
        rule = f"must be {_alternatives(wanted)}"
        if "str" in wanted.split(" | ") and isinstance(wrong, (int, float)):
            rule += f': write "{str(wrong).lower()}" in quotes'
        elif "int" in wanted.split(" | ") and isinstance(wrong, str) and _SHORT_INT.fullmatch(wrong):
            rule += f": write {wrong} without quotes"
        return place.error(path, wrong, rule)
    return place.error(path, wrong, f"is refused: {problem}")


def _check_text_maps(value: Any, place: Place, path: FieldPath = ()) -> None:
    """Refuse labels, annotations and selectors whose values are no text."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_text_maps(item, place, (*path, index))
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = (*path, name)
            if name in MAPS_OF_TEXT and isinstance(inner, dict):
                for key, text in inner.items():
                    if isinstance(text, (bool, int, float)):
                        shown = str(text).lower() if isinstance(text, bool) else str(text)
                        raise place.error((*here, key), text, f'must be text: write "{shown}" in quotes')
                    if isinstance(text, (dict, list)) and name != "selector":
                        raise place.error((*here, key), text, "must be text")
            _check_text_maps(inner, place, here)


def typed(raw: RawObject, model: type[Model], notes: Notes) -> Model:
    """Return the object as lightkube's model of its kind; fields no model has become warnings.

    The status is left out: it is state, not declaration.

    Raises:
        ManifestError: a field of the wrong type or a required one that is absent.
    """
    _name_unknown(raw, model, notes)
    metadata = {name: v for name, v in raw.metadata.items() if name != "managedFields"}
    value = _tidy({**{n: v for n, v in raw.value.items() if n != "status"}, "metadata": metadata})
    _check_text_maps(value, raw.place)
    try:
        return msgspec.convert(value, model)
    except msgspec.ValidationError as error:
        raise _type_error(error, value, raw.place) from None
