"""Plain values against the file layer's types: the first field that does not fit, by its full path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from svcsim.scenario.files.place import Where, did_you_mean, one_of

__all__ = ["HOMES", "typed"]

Record = TypeVar("Record", bound=msgspec.Struct)

HOMES = {
    "ScenarioFile.lag": "cluster.lag",
    "ScenarioFile.nodes": "cluster.nodes",
    "ScenarioFile.kubeProxy": "cluster.kubeProxy",
    "ScenarioFile.kubernetes": "cluster.kubernetes",
    "KubeProxyFile.conntrack": "a kube-proxy configuration file",
}
"""Keys that people look for in another place than their own."""


def typed(value: object, record: type[Record], where: Where) -> Record:
    """Return a plain value as a record of the file layer.

    Raises:
        ScenarioError: the first unknown key, missing key or value of another type or out of bounds.
    """
    _check(value, _type_of(record), where)
    return msgspec.convert(value, record)


@cache
def _type_of(record: type[msgspec.Struct]) -> inspect.StructType:
    found = inspect.type_info(record)
    assert isinstance(found, inspect.StructType)
    return found


def _check(value: object, kind: inspect.Type, where: Where, words: str | None = None) -> None:
    """Descend into a value until something does not fit its type."""
    if isinstance(kind, inspect.Metadata):
        words = (kind.extra or {}).get("words", words)
        _check(value, kind.type, where, words)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        _check_record(value, kind, where)
    elif isinstance(kind, inspect.ListType) and isinstance(value, list):
        _check_bounds(value, kind, where)
        for index, item in enumerate(value):
            _check(item, kind.item_type, where / index)
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise where.error(key, "must be text to be a key")
            _check(item, kind.value_type, where / key)
    elif isinstance(kind, inspect.UnionType):
        fitting = [one for one in _members(kind) if _same_shape(value, one)]
        if not fitting or not (isinstance(value, list) or _within(value, fitting[0])):
            raise where.error(value, f"must be {words or _words(kind)}")
        _check(value, fitting[0], where, words)
    elif not _same_shape(value, kind) or not _within(value, kind):
        raise where.error(value, f"must be {words or _words(kind)}")


def _check_record(value: dict[Any, Any], kind: inspect.StructType, where: Where) -> None:
    fields = {field.encode_name: field for field in kind.fields}
    for key in value:
        if key not in fields:
            home = HOMES.get(f"{kind.cls.__name__}.{key}")
            hint = f"; it belongs to {home}" if home else did_you_mean(str(key), fields)
            raise (where / str(key)).problem(
                f"{where / str(key)} is not a known key; accepted: {_listed(fields)}{hint}"
            )
    for key, field in fields.items():
        if key in value:
            _check(value[key], field.type, where / key)
        elif field.required:
            raise where.problem(f"{where / key} is missing: it must be {_words(field.type)}")


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known) if len(known) <= 20 else one_of(known)


def _members(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types of a union, those of unions inside it included."""
    if isinstance(kind, inspect.Metadata):
        yield from _members(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _members(one)
    else:
        yield kind


def _same_shape(value: object, kind: inspect.Type) -> bool:
    """Tell whether a value is of the type's outer shape; truth values are no numbers."""
    if isinstance(kind, inspect.LiteralType):
        return isinstance(value, str)
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(kind, inspect.FloatType):
        return isinstance(value, float)
    if isinstance(kind, inspect.StrType):
        return isinstance(value, str)
    if isinstance(kind, inspect.ListType):
        return isinstance(value, list)
    if isinstance(kind, inspect.DictType | inspect.StructType):
        return isinstance(value, dict)
    return isinstance(kind, inspect.AnyType)


def _within(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.LiteralType):
        return value in kind.values
    if isinstance(kind, inspect.IntType):
        assert isinstance(value, int)
        return (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)
    if isinstance(kind, inspect.StrType):
        assert isinstance(value, str)
        least, most = kind.min_length or 0, kind.max_length
        return len(value) >= least and (most is None or len(value) <= most)
    return True


def _check_bounds(value: list[Any], kind: inspect.ListType, where: Where) -> None:
    if len(value) < (kind.min_length or 0) or (kind.max_length is not None and len(value) > kind.max_length):
        raise where.error(value, f"must be {_words(kind)}")


def _words(kind: inspect.Type) -> str:
    """Say what a type accepts."""
    if isinstance(kind, inspect.Metadata):
        return (kind.extra or {}).get("words") or _words(kind.type)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(dict.fromkeys(map(_words, kind.types)))
    if isinstance(kind, inspect.LiteralType):
        return ("one of " if len(kind.values) > 1 else "") + ", ".join(map(str, kind.values))
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, inspect.IntType):
        bounds = f" from {kind.ge} to {kind.le}" if kind.ge is not None and kind.le is not None else ""
        return f"a whole number{bounds}"
    if isinstance(kind, inspect.StrType):
        return (
            f"text of {kind.min_length or 0} to {kind.max_length} characters" if kind.max_length else "text"
        )
    if isinstance(kind, inspect.ListType):
        least = "with at least one entry" if kind.min_length else ""
        most = f"with at most {kind.max_length} entries" if kind.max_length else ""
        return " ".join(part for part in ("a list", " and ".join(filter(None, (least, most)))) if part)
    if isinstance(kind, inspect.StructType):
        return "a mapping {" + ", ".join(field.encode_name for field in kind.fields) + "}"
    return "a mapping" if isinstance(kind, inspect.DictType) else "a value"
