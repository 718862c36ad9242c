"""Rules of clients that come through an HTTPRoute, and of events that change its weights."""

from __future__ import annotations

from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import Service
from svcsim.kube.routes import Route
from svcsim.scenario.events import Weights
from svcsim.scenario.files.place import Where
from svcsim.scenario.model import Client
from svcsim.scenario.resolve.lookup import Lookup

__all__ = ["check_route", "check_weights"]


def check_route(client: Client, lookup: Lookup, where: Where, warnings: list[str]) -> None:
    """Refuse a route that is more than weights between Services; name backends that answer 500."""
    route = lookup.routes.get(client.to)
    here = where / "to"
    if route is None or client.via != "ingress":
        raise here.error(str(client.to), "is reached by via: ingress alone")
    if client.port is not None:
        raise (where / "port").error(
            client.port, f"has no meaning: {client.to} names the ports of its backends"
        )
    _check_rules(route, here)
    if client.loop is not None and len(route.rules[0]) > 1:
        raise here.error(
            str(client.to),
            "is not simulated with loop, whose users stay with one source; accepted: a rate, or a route with "
            "one backend",
        )
    for one in route.rules[0]:
        service = lookup.services.get(one.target)
        missing = _missing(one.target, one.port, service)
        if missing:
            warnings.append(f"client {client.name}: {missing}; its part of the requests is answered with 500")
            continue
        assert service is not None
        if service.type == "ExternalName":
            raise here.error(str(client.to), f"sends to {one.target}, an alias; accepted: Services with pods")
        port = service.port(one.port)
        if port is not None and port.protocol != "TCP":
            raise here.error(
                str(client.to), f"sends to a port of {one.target} that is {port.protocol}, not TCP"
            )


def _check_rules(route: Route, here: Where) -> None:
    """One rule, with backends that are Services of the route's own namespace, each named once."""
    if len(route.rules) != 1 or not route.rules[0]:
        raise here.error(
            str(route.key),
            f"has {len(route.rules)} rules: which of them a request matches is not simulated; accepted: a "
            "route of one rule with backendRefs"
            if len(route.rules) != 1
            else "has a rule without backendRefs; accepted: one that sends to Services",
        )
    names = [one.target.name for one in route.rules[0]]
    for one in route.rules[0]:
        if one.target.kind != "Service" or one.target.namespace != route.key.namespace:
            raise here.error(
                str(route.key),
                f"sends to {one.target}; accepted: Services of its own namespace (other kinds, and "
                "ReferenceGrants, are not simulated)",
            )
        if names.count(one.target.name) > 1:
            raise here.error(str(route.key), f"names {one.target} twice; accepted: each Service once")


def _missing(target: ObjectKey, port: int | None, service: Service | None) -> str:
    """Why a backendRef is invalid, "" where it is not."""
    if service is None:
        return f"there is no {target}"
    return "" if service.port(port) is not None else f"{target} has no port {port}"


def check_weights(event: Weights, lookup: Lookup, where: Where) -> None:
    """Refuse weights of what is no backend of the route."""
    route = lookup.routes.get(event.target)
    if route is None:
        known = list(map(str, lookup.routes))
        raise (where / event.kind).unknown(str(event.target), "HTTPRoute of the manifests", known)
    _check_rules(route, where / event.kind)
    names = [one.target.name for one in route.rules[0]]
    for name in event.backends:
        if name not in names:
            raise (where / "backends").unknown(name, f"backend of {event.target}", names)
