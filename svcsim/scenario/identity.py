"""The strong id of a scenario, in steps that can be looked at: content, canonical JSON, hash."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from svcsim.distributions import Distribution
from svcsim.kube.keys import ObjectKey
from svcsim.scenario.events import Event

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = ["canonical", "canonical_json", "content", "strong_id"]

_BESIDE_THE_POINT = frozenset({"name", "warnings", "written"})


def content(value: Any) -> Any:
    """Return a resolved value as plain JSON values: records by field, distributions by their written form.

    >>> content(Fraction(1, 4)), content((1, None))
    ('1/4', [1, None])
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, ObjectKey):
        return f"{value.namespace}/{value.kind}/{value.name}"
    if isinstance(value, Distribution):
        return content(value.spec())
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): content(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [content(item) for item in value]
    assert dataclasses.is_dataclass(value), f"{type(value).__name__} has no canonical form"
    plain = {
        field.name: content(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if field.compare
    }
    return {"kind": value.kind, **plain} if isinstance(value, Event) else plain


def _key(key: Any) -> str:
    if isinstance(key, tuple):
        return "/".join(map(_key, key))
    return key if isinstance(key, str) else str(content(key))


def canonical(scenario: Scenario) -> dict[str, Any]:
    """Return everything of a scenario that can change the answer, as plain values.

    Left out: its name, every warning, and how it was written.
    """
    parts = {
        field.name: content(getattr(scenario, field.name))
        for field in dataclasses.fields(scenario)
        if field.name not in _BESIDE_THE_POINT
    }
    del parts["manifests"]["warnings"]
    return parts


def canonical_json(scenario: Scenario, *, semantics_version: int) -> str:
    """Return `canonical` and the semantics version as JSON: sorted keys, no white space."""
    whole = {"scenario": canonical(scenario), "semantics_version": semantics_version}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)


def strong_id(scenario: Scenario, *, semantics_version: int) -> str:
    """Return the SHA-256 of `canonical_json`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(scenario, semantics_version=semantics_version).encode()).hexdigest()
