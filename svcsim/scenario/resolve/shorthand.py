"""Fields of manifests by dotted path, and short names for those that people turn most often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from svcsim.clock import parse_duration
from svcsim.errors import ScenarioError
from svcsim.scenario.frozen import FrozenMap
from svcsim.scenario.resolve.assign import NoSuchField, assign, step

__all__ = ["SHORT", "object_field", "template_field"]

_SECOND = 1_000_000_000

SHORT: Final[Mapping[str, str]] = FrozenMap(
    {
        "replicas": "spec.replicas",
        "minReadySeconds": "spec.minReadySeconds",
        "maxSurge": "spec.strategy.rollingUpdate.maxSurge",
        "maxUnavailable": "spec.strategy.rollingUpdate.maxUnavailable",
        "terminationGracePeriodSeconds": "spec.template.spec.terminationGracePeriodSeconds",
    }
)
"""Short names of a workload's fields; `preStop` is one more, a duration that every container sleeps."""

_TOP = ("apiVersion", "kind", "metadata", "spec", "status", "data")


def _hook(value: Any) -> dict[str, Any] | None:
    """Return the preStop hook that sleeps for a duration; None for no hook at all.

    >>> _hook("5s"), _hook(0), _hook("250ms")
    ({'sleep': {'seconds': 5}}, None, {'exec': {'command': ['sleep', '0.25']}})
    """
    if value in (None, "none"):
        return None
    if not isinstance(value, str | int | float):
        raise NoSuchField(f"preStop = {value!r} must be a duration such as 5s, or none")
    try:
        ns = parse_duration(value)
    except ScenarioError as error:
        raise NoSuchField(f"preStop = {error}") from None
    if ns == 0:
        return None
    if ns % _SECOND == 0:
        return {"sleep": {"seconds": ns // _SECOND}}
    return {"exec": {"command": ["sleep", f"{ns / _SECOND:.9f}".rstrip("0")]}}


def _pod_spec(document: dict[str, Any]) -> dict[str, Any]:
    spec = document.get("spec")
    if document.get("kind") != "Pod" and isinstance(spec, dict):
        template = spec.get("template")
        spec = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(spec, dict):
        raise NoSuchField(f"a {document.get('kind')} has no containers to set preStop of")
    return spec


def _set_hook(document: dict[str, Any], value: Any, container: str | None = None) -> None:
    hook = _hook(value)
    containers = [one for one in _pod_spec(document).get("containers") or () if isinstance(one, dict)]
    names = [str(one.get("name")) for one in containers]
    if container is not None and container not in names:
        raise NoSuchField(f"no container is named {container!r}; there are: {', '.join(names)}")
    for one in containers:
        if container in (None, one.get("name")):
            lifecycle = dict(one.get("lifecycle") or {})
            lifecycle.pop("preStop", None)
            if hook is not None:
                lifecycle["preStop"] = hook
            one["lifecycle"] = lifecycle
            if not lifecycle:
                del one["lifecycle"]


def object_field(document: dict[str, Any], field: str, value: Any) -> None:
    """Set a field of an object as its manifest has it, in place.

    Args:
        document: the object.
        field: a dotted path from the object's root, one of `SHORT`, `preStop` or `preStop.CONTAINER`.
        value: what it becomes.

    Raises:
        NoSuchField: the path leads nowhere.

    >>> deployment = {"kind": "Deployment", "spec": {"replicas": 3}}
    >>> object_field(deployment, "replicas", 5)
    >>> deployment["spec"]
    {'replicas': 5}
    """
    head, rest = step(field, [])
    if head == "preStop":
        _set_hook(document, value, rest or None)
        return
    if head == "terminationGracePeriodSeconds" and document.get("kind") == "Pod":
        field = "spec.terminationGracePeriodSeconds"
    elif head in SHORT and not rest:
        field = SHORT[head]
    elif head not in _TOP:
        short = ", ".join((*SHORT, "preStop"))
        raise NoSuchField(
            f"{head!r} is no field of an object; accepted: a path from its root such as spec..., {short}"
        )
    assign(document, field, value)


def template_field(document: dict[str, Any], field: str, value: Any) -> None:
    """Set a field of a workload's pod template, in place.

    Args:
        document: the workload as its manifest has it.
        field: a dotted path from `spec.template`, the same with that prefix, `preStop` or
            `terminationGracePeriodSeconds`.
        value: what it becomes.

    Raises:
        NoSuchField: the path leads nowhere, or out of the template.
    """
    field = field.removeprefix("spec.template.")
    head, _ = step(field, [])
    if head in ("preStop", "terminationGracePeriodSeconds"):
        object_field(document, field, value)
    elif head in ("spec", "metadata"):
        assign(document, f"spec.template.{field}", value)
    else:
        raise NoSuchField(
            "is no field of a pod template; "
            "accepted: spec..., metadata..., preStop, terminationGracePeriodSeconds"
        )
