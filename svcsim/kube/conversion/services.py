"""Services, and the addresses and node ports that the API server hands out."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from lightkube.models import core_v1

from svcsim.kube import defaults
from svcsim.kube.conversion.containers import PROTOCOLS
from svcsim.kube.conversion.rules import (
    check_dns_label,
    check_dns_subdomain,
    check_port,
    check_port_name,
    choice,
)
from svcsim.kube.defaults import given
from svcsim.kube.objects import Protocol, Service, ServicePort, ServiceType
from svcsim.kube.place import FieldPath, Notes, Place
from svcsim.kube.reading.documents import RawObject
from svcsim.kube.reading.schema import typed

__all__ = ["allocate", "service"]

_TYPES: tuple[ServiceType, ...] = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_POLICIES: tuple[Literal["Cluster", "Local"], ...] = ("Cluster", "Local")
_AFFINITIES: tuple[Literal["None", "ClientIP"], ...] = ("None", "ClientIP")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_TOPOLOGY = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")
_MAX_AFFINITY_SECONDS = 86400


def _port(
    model: core_v1.ServicePort,
    place: Place,
    path: FieldPath,
    *,
    kind: ServiceType,
    needs_name: bool,
) -> ServicePort:
    check_port(model.port, place, (*path, "port"))
    if model.name:
        check_dns_label(model.name, place, (*path, "name"))
    elif needs_name:
        raise place.missing((*path, "name"), "a Service with several ports names each of them")
    protocol = choice(model.protocol or defaults.PROTOCOL, PROTOCOLS, place, (*path, "protocol"))
    target = model.targetPort
    if target in (None, 0, ""):
        target = model.port
    elif isinstance(target, int):
        check_port(target, place, (*path, "targetPort"))
    else:
        check_port_name(str(target), place, (*path, "targetPort"))
    node_port = model.nodePort or None
    if node_port is not None:
        where = (*path, "nodePort")
        if kind not in ("NodePort", "LoadBalancer"):
            raise place.error(where, node_port, f"may not be used when type is {kind}")
        low, high = defaults.NODE_PORTS
        if not low <= node_port <= high:
            raise place.error(where, node_port, f"must be in the node port range, {low}-{high}")
    return ServicePort(
        name=model.name or None,
        port=model.port,
        target_port=target if target is not None else model.port,
        protocol=protocol,
        node_port=node_port,
    )


def _ports(
    spec: core_v1.ServiceSpec, place: Place, kind: ServiceType, headless: bool
) -> tuple[ServicePort, ...]:
    models = spec.ports or []
    path: FieldPath = ("spec", "ports")
    if not models and not headless and kind != "ExternalName":
        raise place.missing(
            path, "a Service needs at least one port, unless it is headless or an ExternalName"
        )
    ports: list[ServicePort] = []
    names: set[str | None] = set()
    numbers: set[tuple[int, Protocol]] = set()
    node_ports: set[tuple[int | None, Protocol]] = set()
    for index, model in enumerate(models):
        where = (*path, index)
        port = _port(model, place, where, kind=kind, needs_name=len(models) > 1)
        if port.name is not None and port.name in names:
            raise place.error(
                (*where, "name"), port.name, "is used twice in this Service; port names are unique"
            )
        if (port.port, port.protocol) in numbers:
            raise place.error(
                (*where, "port"), port.port, f"is used twice with {port.protocol} in this Service"
            )
        if port.node_port is not None and (port.node_port, port.protocol) in node_ports:
            raise place.error(
                (*where, "nodePort"), port.node_port, f"is used twice with {port.protocol} in this Service"
            )
        names.add(port.name)
        numbers.add((port.port, port.protocol))
        node_ports.add((port.node_port, port.protocol))
        ports.append(port)
    return tuple(ports)


def _cluster_ip(spec: core_v1.ServiceSpec, place: Place, kind: ServiceType) -> str | None:
    asked = spec.clusterIP or (spec.clusterIPs[0] if spec.clusterIPs else None)
    if asked is None or asked == "None":
        if asked and kind in ("NodePort", "LoadBalancer"):
            raise place.error(("spec", "clusterIP"), asked, f"may not be None when type is {kind}")
        return asked
    if kind == "ExternalName":
        raise place.error(("spec", "clusterIP"), asked, "may not be set when type is ExternalName")
    try:
        return str(ipaddress.ip_address(asked))
    except ValueError:
        raise place.error(("spec", "clusterIP"), asked, 'must be empty, "None" or an IP address') from None


def _affinity(spec: core_v1.ServiceSpec, place: Place) -> tuple[Literal["None", "ClientIP"], int]:
    affinity = choice(
        spec.sessionAffinity or defaults.SESSION_AFFINITY, _AFFINITIES, place, ("spec", "sessionAffinity")
    )
    config = spec.sessionAffinityConfig
    client_ip = config.clientIP if config else None
    if client_ip is not None and affinity == "None":
        raise place.error(
            ("spec", "sessionAffinityConfig"), "clientIP", "must be absent when sessionAffinity is None"
        )
    seconds = given(client_ip.timeoutSeconds if client_ip else None, defaults.AFFINITY_TIMEOUT_SECONDS)
    if not 1 <= seconds <= _MAX_AFFINITY_SECONDS:
        where = ("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        raise place.error(where, seconds, f"must be 1-{_MAX_AFFINITY_SECONDS} seconds")
    return affinity, seconds


def service(raw: RawObject, notes: Notes) -> Service:
    """Return the record of a Service, without the address and node ports that are still to be given.

    Raises:
        ManifestError: what core/validation/validation.go `ValidateService` would refuse.
    """
    place = raw.place
    check_dns_label(raw.key.name, place, ("metadata", "name"))
    model = typed(raw, core_v1.Service, notes)
    spec = model.spec
    if spec is None:
        raise place.missing(
            ("spec",), "a Service needs at least one port, unless it is headless or an ExternalName"
        )
    kind = choice(spec.type or defaults.SERVICE_TYPE, _TYPES, place, ("spec", "type"))
    asked_ip = _cluster_ip(spec, place, kind)
    headless = asked_ip == "None"
    affinity, affinity_seconds = _affinity(spec, place)
    external_policy = spec.externalTrafficPolicy
    reachable = kind in ("NodePort", "LoadBalancer") or bool(spec.externalIPs)
    if external_policy and not reachable:
        raise place.error(
            ("spec", "externalTrafficPolicy"),
            external_policy,
            "may only be set for NodePort and LoadBalancer Services and ones with externalIPs",
        )
    if kind == "ExternalName":
        if not spec.externalName:
            raise place.missing(
                ("spec", "externalName"), "a Service of type ExternalName needs the name it stands for"
            )
        check_dns_subdomain(spec.externalName.rstrip("."), place, ("spec", "externalName"))
    if spec.trafficDistribution:
        choice(spec.trafficDistribution, _DISTRIBUTIONS, place, ("spec", "trafficDistribution"))
    for name, value in (spec.selector or {}).items():
        if not isinstance(value, str):
            raise place.error(
                ("spec", "selector", name), value, "must be text: a Service selects by plain labels"
            )
    annotations = dict((model.metadata.annotations if model.metadata else None) or {})
    return Service(
        key=raw.key,
        type=kind,
        selector=dict(spec.selector) if spec.selector and kind != "ExternalName" else None,
        ports=_ports(spec, place, kind, headless),
        cluster_ip=None if headless else asked_ip,
        headless=headless,
        session_affinity=affinity,
        affinity_timeout_seconds=affinity_seconds,
        external_traffic_policy=choice(
            external_policy or defaults.TRAFFIC_POLICY, _POLICIES, place, ("spec", "externalTrafficPolicy")
        ),
        internal_traffic_policy=choice(
            spec.internalTrafficPolicy or defaults.TRAFFIC_POLICY,
            _POLICIES,
            place,
            ("spec", "internalTrafficPolicy"),
        ),
        health_check_node_port=spec.healthCheckNodePort or None,
        publish_not_ready_addresses=bool(spec.publishNotReadyAddresses),
        external_name=spec.externalName if kind == "ExternalName" else None,
        external_ips=tuple(spec.externalIPs or ()),
        traffic_distribution=spec.trafficDistribution or None,
        topology_mode=next((annotations[name] for name in _TOPOLOGY if annotations.get(name)), None),
        ip_families=tuple(spec.ipFamilies or ("IPv4",)),
        annotations=annotations,
        allocates_node_ports=kind != "LoadBalancer" or spec.allocateLoadBalancerNodePorts is not False,
    )


def _start(text: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % size


class _Exhausted(Exception):
    """The node port range is used up."""


class _NodePorts:
    def __init__(self) -> None:
        self.taken: dict[tuple[int, Protocol], str] = {}

    def claim(self, number: int, protocol: Protocol, owner: str, place: Place, path: FieldPath) -> None:
        other = self.taken.get((number, protocol))
        if other is not None:
            raise place.error(
                path, number, f"is already taken by {other}; a node port belongs to one Service port"
            )
        self.taken[number, protocol] = owner

    def give(self, owner: str, protocol: Protocol) -> int:
        low, high = defaults.NODE_PORTS
        size = high - low + 1
        start = _start(owner, size)
        for step in range(size):
            number = low + (start + step) % size
            if all((number, p) not in self.taken for p in PROTOCOLS):
                self.taken[number, protocol] = owner
                return number
        raise _Exhausted


def _node_ports(pairs: list[tuple[Service, Place]]) -> list[Service]:
    table = _NodePorts()
    for one, place in pairs:
        for index, port in enumerate(one.ports):
            if port.node_port is not None:
                path = ("spec", "ports", index, "nodePort")
                table.claim(port.node_port, port.protocol, str(one.key), place, path)
        if one.health_check_node_port is not None:
            table.claim(
                one.health_check_node_port,
                "TCP",
                f"{one.key} (health check)",
                place,
                ("spec", "healthCheckNodePort"),
            )
    given_ports: dict[int, Service] = {}
    for index, (one, place) in sorted(enumerate(pairs), key=lambda item: str(item[1][0].key)):
        made = one
        try:
            if one.type in ("NodePort", "LoadBalancer") and one.allocates_node_ports:
                ports = [
                    replace(p, node_port=given(p.node_port, None) or table.give(f"{one.key}:{p}", p.protocol))
                    for p in one.ports
                ]
                made = replace(one, ports=tuple(ports))
            if one.type == "LoadBalancer" and one.external_traffic_policy == "Local":
                health = one.health_check_node_port or table.give(f"{one.key}:healthCheck", "TCP")
                made = replace(made, health_check_node_port=health)
        except _Exhausted:
            rule = "gets no node port: all of {}-{} are taken".format(*defaults.NODE_PORTS)
            raise place.error(("spec", "ports"), len(one.ports), rule) from None
        given_ports[index] = made
    return [given_ports[index] for index in range(len(pairs))]


def allocate(pairs: Sequence[tuple[Service, Place]]) -> list[Service]:
    """Return the Services with the addresses and node ports that they left to the API server.

    What a Service gets depends on its name, and on others only when two names meet in one place,
    so that adding a Service does not move the rest. The first 256 addresses of the range stay free
    for the cluster's own (`kubernetes`, `kube-dns`).

    Raises:
        ManifestError: two Services ask for one address or node port, or none is left.
    """
    taken: dict[str, str] = {}
    for one, place in pairs:
        if one.cluster_ip is not None:
            other = taken.setdefault(one.cluster_ip, str(one.key))
            if other != str(one.key):
                raise place.error(("spec", "clusterIP"), one.cluster_ip, f"is already taken by {other}")
    network = ipaddress.ip_network(defaults.SERVICE_CIDR)
    size = network.num_addresses - 257
    addresses: dict[str, str] = {}
    for key in sorted(
        str(one.key)
        for one, _ in pairs
        if one.cluster_ip is None and not one.headless and one.type != "ExternalName"
    ):
        step = _start(key, size)
        while (address := str(network[256 + step])) in taken:
            step = (step + 1) % size
        taken[address] = key
        addresses[key] = address
    numbered = _node_ports(list(pairs))
    return [replace(one, cluster_ip=addresses.get(str(one.key), one.cluster_ip)) for one in numbered]
