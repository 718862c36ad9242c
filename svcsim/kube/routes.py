"""What an HTTPRoute of the Gateway API says: rules, and the Services that each splits its requests over."""

from __future__ import annotations

from dataclasses import dataclass

from svcsim.kube.keys import ObjectKey

__all__ = ["MAX_WEIGHT", "Route", "RouteBackend"]

MAX_WEIGHT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteBackend:
    """A backendRef: `target` is what it names, a Service as a rule; `weight` its part of the requests."""

    target: ObjectKey
    port: int | None
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An HTTPRoute: the backends of each of its rules, in order."""

    key: ObjectKey
    rules: tuple[tuple[RouteBackend, ...], ...] = ()
