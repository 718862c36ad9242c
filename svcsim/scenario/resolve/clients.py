"""`clients:` to Clients."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from svcsim.scenario.defaults import default
from svcsim.scenario.files.layer import ClientFile, ResolveFile, TimeoutFile
from svcsim.scenario.files.place import Where, did_you_mean, one_of
from svcsim.scenario.model import NOT_YET_VIA, VIAS, Client, Cluster, Resolve, Via
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.resolve.values import limit_ns, positive_ns, rate_per_s

__all__ = ["resolve_clients"]


def _via(text: str, where: Where) -> Via:
    for via in VIAS:
        if text == via:
            return via
    if text in NOT_YET_VIA:
        raise where.error(text, f"is not simulated yet; available: {', '.join(VIAS)}")
    raise where.error(text, f"must be one of {', '.join(VIAS)}{did_you_mean(text, VIAS)}")


def _timeouts(file: ClientFile, where: Where) -> tuple[int | None, int | None]:
    """Return how long a connect and a request may take; one duration is the request's."""
    usual = {key: limit_ns(default(f"clients.timeout.{key}"), where) for key in ("connect", "request")}
    written = file.timeout
    if isinstance(written, TimeoutFile):
        for key, value in (("connect", written.connect), ("request", written.request)):
            if value is not UNSET:
                usual[key] = limit_ns(value, where / key)
    elif written == "none":
        return None, None
    elif written is not UNSET:
        usual["request"] = limit_ns(written, where)
    return usual["connect"], usual["request"]


def _origin(text: str, cluster: Cluster, where: Where) -> str:
    if text in ("nodes", "outside"):
        return text
    nodes = [node.name for node in cluster.nodes]
    zones = list(dict.fromkeys(node.zone for node in cluster.nodes if node.zone is not None))
    kind, colon, name = text.partition(":")
    if colon and kind == "node":
        if name not in nodes:
            raise where.unknown(name, "node of the cluster", nodes)
        return text
    if colon and kind == "zone":
        if name not in zones:
            raise where.unknown(name, "zone of the cluster", zones)
        return text
    if text in nodes and text in zones:
        raise where.error(text, f"is a node and a zone; write node:{text} or zone:{text}")
    if text in nodes:
        return f"node:{text}"
    if text in zones:
        return f"zone:{text}"
    known = ["nodes", "outside", *nodes, *zones]
    raise where.error(
        text, f"must be nodes, outside, a node or a zone: {one_of(known[2:])}{did_you_mean(text, known)}"
    )


def _scope(origin: str, cluster: Cluster) -> int:
    """Return how many nodes a client's sources are spread over; one outside."""
    if origin == "nodes":
        return len(cluster.nodes)
    if origin.startswith("zone:"):
        return sum(node.zone == origin.removeprefix("zone:") for node in cluster.nodes)
    return 1


def _client(file: ClientFile, cluster: Cluster, lookup: Lookup, where: Where) -> Client:
    via = _via(file.via, where / "via")
    resolve: Resolve | None = default("clients.resolve") if via == "pod-ip" else None
    every_ns = None
    if file.resolve is not UNSET:
        if via != "pod-ip":
            here = where / "resolve"
            raise here.problem(f"{here} has no meaning with via: {via}; it goes with via: pod-ip")
        if isinstance(file.resolve, ResolveFile):
            resolve, every_ns = "every", positive_ns(file.resolve.every, where / "resolve" / "every")
        else:
            resolve = file.resolve
    connect_ns, request_ns = _timeouts(file, where / "timeout")
    origin = _origin(
        default("clients.from") if file.origin is UNSET else file.origin, cluster, where / "from"
    )
    return Client(
        name=file.name,
        to=lookup.one(file.to, where / "to", services=True, owners=via != "cluster-ip"),
        via=via,
        rate_per_s=rate_per_s(file.rate, where / "rate"),
        port=None if file.port is UNSET else file.port,
        resolve=resolve,
        resolve_every_ns=every_ns,
        arrivals=default("clients.arrivals") if file.arrivals is UNSET else file.arrivals,
        connect_timeout_ns=connect_ns,
        request_timeout_ns=request_ns,
        origin=origin,
        sources=_scope(origin, cluster) if file.sources is UNSET else file.sources,
        host_network=default("clients.hostNetwork") if file.host_network is UNSET else file.host_network,
    )


def resolve_clients(
    files: Sequence[ClientFile], *, cluster: Cluster, lookup: Lookup, where: Where
) -> tuple[Client, ...]:
    """Return the clients in the order they are written."""
    return tuple(_client(file, cluster, lookup, where / index) for index, file in enumerate(files))
