"""HTTPRoutes of the Gateway API: backendRefs and their weights (gateway-api apis/v1/httproute_types.go)."""

from __future__ import annotations

from typing import Any

from svcsim.kube.conversion.rules import check_dns_subdomain, check_port, whole_number
from svcsim.kube.keys import ObjectKey
from svcsim.kube.place import FieldPath, Notes
from svcsim.kube.reading.documents import RawObject
from svcsim.kube.routes import MAX_WEIGHT, Route, RouteBackend

__all__ = ["route"]

_WITHOUT_EFFECT = ("filters", "timeouts", "retry", "sessionPersistence")


def route(raw: RawObject, notes: Notes) -> Route:
    """Return the record of an HTTPRoute.

    Raises:
        ManifestError: a rule or a backendRef is not what the API has, or a weight or port out of bounds.
    """
    check_dns_subdomain(raw.key.name, raw.place, ("metadata", "name"))
    spec = raw.value.get("spec") or {}
    if not isinstance(spec, dict):
        raise raw.place.error(("spec",), spec, "must be a mapping")
    rules = []
    for index, rule in enumerate(_mappings(raw, spec.get("rules"), ("spec", "rules"))):
        for field in _WITHOUT_EFFECT:
            if rule.get(field):
                notes.remark(raw.key, f"spec.rules[{index}].{field}", "is not simulated: it has no effect")
        path: FieldPath = ("spec", "rules", index, "backendRefs")
        refs = _mappings(raw, rule.get("backendRefs"), path)
        rules.append(tuple(_backend(raw, ref, (*path, k)) for k, ref in enumerate(refs)))
    return Route(key=raw.key, rules=tuple(rules))


def _mappings(raw: RawObject, value: object, path: FieldPath) -> list[dict[str, Any]]:
    """A list of mappings, empty where there is none."""
    found = value or []
    if not isinstance(found, list):
        raise raw.place.error(path, found, "must be a list")
    for index, one in enumerate(found):
        if not isinstance(one, dict):
            raise raw.place.error((*path, index), one, "must be a mapping")
    return found


def _backend(raw: RawObject, ref: dict[str, Any], path: FieldPath) -> RouteBackend:
    name = ref.get("name")
    if not isinstance(name, str) or not name:
        raise raw.place.missing((*path, "name"), "a backendRef names what it sends to")
    kind, group = ref.get("kind") or "Service", ref.get("group") or ""
    port, weight = ref.get("port"), ref.get("weight")
    for field, value in (("port", port), ("weight", weight)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise raw.place.error((*path, field), value, "must be a whole number")
    if port is not None:
        check_port(port, raw.place, (*path, "port"))
    elif kind == "Service":
        raise raw.place.missing((*path, "port"), "a backendRef of a Service names the Service's port")
    weight = whole_number(weight, 1, raw.place, (*path, "weight"), most=MAX_WEIGHT)
    target = ObjectKey(
        kind=str(kind) if not group else f"{kind}.{group}",
        namespace=str(ref.get("namespace") or raw.key.namespace),
        name=name,
    )
    return RouteBackend(target=target, port=port, weight=weight)
