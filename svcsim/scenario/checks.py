"""Rules between the parts of a scenario, however it was built; each breach names its field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from svcsim.clock import format_duration
from svcsim.kube.aliases import aliased, leads_nowhere
from svcsim.kube.hinting import hint_mode
from svcsim.kube.keys import ObjectKey
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import BarePod, Service, Workload
from svcsim.kube.ports import resolve_port
from svcsim.scenario.events import (
    CONTROLLERS,
    Crash,
    Delete,
    Event,
    Kill,
    NodeEvent,
    PauseController,
    Rate,
    Reselect,
    Rollout,
    Scale,
    Unready,
    Upgrade,
    Weights,
)
from svcsim.scenario.files.place import Where, did_you_mean, one_of
from svcsim.scenario.limits import limits_in_reach
from svcsim.scenario.loadchecks import check_load, check_rate_events
from svcsim.scenario.model import (
    ARRIVALS,
    BALANCES,
    FROM_OUTSIDE,
    MAX_NODES,
    MAX_RATE_PER_S,
    MAX_SOURCES,
    PICKS,
    PORT_VIAS,
    RESOLVES,
    SOCKETS,
    UDP_VIAS,
    VIAS,
    Client,
    Cluster,
    WorkloadBehaviour,
)
from svcsim.scenario.resolve.clients import OF_OWNERS
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.rules.balancers import check_node_port, unused
from svcsim.scenario.rules.routes import check_route, check_weights
from svcsim.scenario.rules.selectors import check_loopback, check_reselect
from svcsim.scenario.schedulers import scheduler_warnings
from svcsim.scenario.servingchecks import check_behaviours, said_of

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = ["check"]

MAX_REPLICAS = 150_000
_RESOLVES_OF = {"pod-ip": RESOLVES, "headless": ("once", "on-failure", "every")}
_NEEDS_TYPE = {"node-port": ("NodePort", "LoadBalancer"), "load-balancer": ("LoadBalancer",)}
ROLLS_OUT = ("Deployment", "StatefulSet", "DaemonSet")
SHOWN_DOTS = 3
_NODE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ZONE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def check(scenario: Scenario, where: Where) -> tuple[str, ...]:
    """Return what is odd about a scenario, one line each.

    Raises:
        ScenarioError: a rule is broken.
    """
    if scenario.duration_ns <= 0:
        raise (where / "duration").error(scenario.duration_ns, "ns must be > 0")
    if not scenario.name.isprintable():
        raise (where / "name").error(scenario.name, "must be one line of text")
    if not scenario.clients:
        raise (where / "clients").problem(
            "clients is empty: without one there is nothing to ask; add at least one"
        )
    lookup = Lookup(scenario.manifests)
    warnings: list[str] = []
    _check_cluster(scenario.cluster, where / "cluster")
    _check_names([client.name for client in scenario.clients], where / "clients")
    for index, client in enumerate(scenario.clients):
        here = where / "clients" / index
        _check_client(client, here)
        check_load(client, scenario.duration_ns, here, warnings)
        _check_reach(client, scenario.cluster, here, warnings)
        _check_target(client, scenario.cluster, scenario.manifests, lookup, here, warnings)
        _check_datagrams(client, scenario.cluster, here)
        _check_ports(client, here)
    warnings += unused(scenario, lookup)
    check_loopback(scenario.clients, scenario.events, where / "clients")
    names = {client.name: None for client in scenario.clients}
    nodes = {node.name: node.zone for node in scenario.cluster.nodes}
    for event in scenario.events:
        _check_event(event, names, nodes, lookup, where / "events" / event.position)
    check_rate_events(scenario.events, scenario.clients, where / "events")
    warnings += _never(scenario.events, scenario.duration_ns)
    check_behaviours(scenario, lookup, where / "workloads")
    warnings += _behaviours(scenario, lookup)
    warnings += _hints(scenario)
    warnings += scheduler_warnings(scenario, lookup.services)
    warnings += limits_in_reach(scenario)
    return tuple(warnings)


def _check_names(names: list[str], where: Where) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            raise (where / index / "name").error(
                name, f"is taken by {where / first[name]}; client names are unique"
            )
        first[name] = index


def _check_cluster(cluster: Cluster, where: Where) -> None:
    if not 1 <= len(cluster.nodes) <= MAX_NODES:
        raise (where / "nodes").error(len(cluster.nodes), f"must be 1 to {MAX_NODES} nodes")
    first: dict[str, int] = {}
    for index, node in enumerate(cluster.nodes):
        here = where / "nodes" / index
        if not _NODE.fullmatch(node.name):
            raise (here / "name").error(node.name, "must be a DNS name: lower-case letters, digits, - and .")
        if node.zone is not None and not _ZONE.fullmatch(node.zone):
            raise (here / "zone").error(node.zone, "must be a label's value: letters, digits, -, _ and .")
        if node.name in first:
            raise (here / "name").error(
                node.name, f"is taken by {where / 'nodes' / first[node.name]}; node names are unique"
            )
        first[node.name] = index
    if all(node.unschedulable for node in cluster.nodes):
        raise (where / "nodes").problem(f"{where / 'nodes'}: every node is unschedulable; no pod could run")


def _check_client(client: Client, where: Where) -> None:
    """Hold a client to its own bounds."""
    bounds = (
        (
            "name",
            client.name,
            client.name.isprintable() and client.name == client.name.strip() != "",
            "must be one line of text, no blanks around it",
        ),
        ("via", client.via, client.via in VIAS, f"must be one of {', '.join(VIAS)}"),
        ("arrivals", client.arrivals, client.arrivals in ARRIVALS, f"must be one of {', '.join(ARRIVALS)}"),
        ("sources", client.sources, 1 <= client.sources <= MAX_SOURCES, f"must be from 1 to {MAX_SOURCES}"),
        ("timeout.connect", client.connect_timeout_ns, client.connect_timeout_ns != 0, "must be > 0"),
        ("timeout.request", client.request_timeout_ns, client.request_timeout_ns != 0, "must be > 0"),
        (
            "resolve",
            client.resolve,
            client.resolve in _RESOLVES_OF.get(client.via, (None,)),
            "must be "
            + " or ".join(f"one of {', '.join(known)} with via: {via}" for via, known in _RESOLVES_OF.items())
            + ", and absent otherwise",
        ),
        (
            "pick",
            client.pick,
            client.pick in (PICKS if client.via == "headless" else (None,)),
            f"must be one of {', '.join(PICKS)} with via: headless, and absent otherwise",
        ),
        (
            "entry",
            client.entry,
            (client.entry is not None) == (client.via == "node-port"),
            "must be any, own, node:NAME or zone:NAME with via: node-port, and absent otherwise",
        ),
        (
            "balance",
            client.balance,
            client.balance in (BALANCES if client.via == "ingress" or client.resolve == "watch" else (None,)),
            f"must be one of {', '.join(BALANCES)} with via: ingress or resolve: watch, and absent otherwise",
        ),
        (
            "resolve.every",
            client.resolve_every_ns,
            (client.resolve_every_ns or 0) > 0
            if client.resolve == "every"
            else client.resolve_every_ns is None,
            "must be > 0 with resolve: every, and absent otherwise",
        ),
    )
    for name, value, holds, rule in bounds:
        if not holds:
            raise (where / name).error(value, rule)


def _check_datagrams(client: Client, cluster: Cluster, where: Where) -> None:
    """A UDP client has a deadline, a Service, and a kube-proxy of whose entries something is known."""
    udp = client.protocol == "udp"
    if client.sockets not in (SOCKETS if udp else (None,)):
        rule = f"must be one of {', '.join(SOCKETS)} with protocol: udp, and absent otherwise"
        raise (where / "sockets").error(client.sockets, rule)
    if not udp:
        return
    if client.via not in UDP_VIAS or client.resolve == "watch":
        raise (where / "protocol").error("udp", f"is simulated with via: {', '.join(UDP_VIAS)}")
    if client.keep_alive is not None:
        raise (where / "keepAlive").problem(f"{where / 'keepAlive'} has no meaning with protocol: udp")
    if client.request_timeout_ns is None:
        raise (where / "timeout").error(
            "none", "must be limited with protocol: udp, or a lost datagram is waited for without end"
        )
    if client.to.kind != "Service":
        raise (where / "to").error(
            str(client.to), "is no Service; with protocol: udp a Service's port says who listens"
        )
    if client.via in ("cluster-ip", "node-port", "external-name") and cluster.kube_proxy.mode not in (
        "iptables",
        "nftables",
    ):
        raise (where / "protocol").error(
            "udp",
            f"is not simulated with cluster.kubeProxy.mode {cluster.kube_proxy.mode} and via: {client.via}, "
            "which keeps other tables; accepted: mode iptables, nftables",
        )


def _check_ports(client: Client, where: Where) -> None:
    """Ports are counted where every request opens a connection to one address."""
    simple = client.keep_alive is None and client.protocol == "tcp" and client.via in PORT_VIAS
    if client.ports is not None and not simple:
        raise (where / "ports").error(
            client.ports,
            f"is simulated with via: {', '.join(PORT_VIAS)}, without keepAlive, channel and protocol: udp",
        )


def _check_reach(client: Client, cluster: Cluster, where: Where, warnings: list[str]) -> None:
    """Look at whether a client can get there at all."""
    if client.origin not in ("nodes", "outside"):
        kind, _, name = client.origin.partition(":")
        known = {node.name if kind == "node" else node.zone for node in cluster.nodes} - {None}
        if kind not in ("node", "zone") or name not in known:
            raise (where / "from").error(
                client.origin, f"must be nodes, outside, node:NAME or zone:NAME ({one_of(map(str, known))})"
            )
    if client.via == "load-balancer" and client.origin != "outside":
        warnings.append(
            f"client {client.name}: from inside the cluster a load balancer's address is handled by the "
            "caller's own node, as a cluster IP is; the load balancer sees nothing of it"
        )
    if client.entry == "own" and client.origin == "outside":
        raise (where / "entry").error(
            client.entry,
            "has no meaning from outside, where the caller is on no node; it goes with from: nodes",
        )
    if client.via == "loopback" and client.origin != "nodes":
        raise (where / "from").error(
            client.origin, "has no meaning with via: loopback, which stays inside a pod"
        )
    if client.origin != "outside":
        return
    if client.host_network:
        raise (where / "hostNetwork").error(True, "has no meaning from outside the cluster")
    if client.via in FROM_OUTSIDE:
        if client.via == "ingress":
            warnings.append(
                f"client {client.name}: the ingress's own pods are taken to be there all the time, on no node"
            )
        to_pods = client.via == "load-balancer" and cluster.load_balancer.targets == "pods"
        if to_pods and cluster.pod_network == "overlay":
            raise (where / "via").problem(
                f"{where / 'via'}: a load balancer with targets: pods reaches pods only where "
                "cluster.podNetwork is routed"
            )
        return
    if client.via in ("cluster-ip", "external-name"):
        warnings.append(
            f"client {client.name}: cluster IPs are not reachable from outside; every connection fails"
        )
    elif cluster.pod_network == "overlay":
        warnings.append(
            f"client {client.name}: pod IPs of an overlay are not reachable from outside; "
            "every connection fails (cluster.podNetwork: routed makes them so)"
        )


def _check_target(
    client: Client,
    cluster: Cluster,
    manifests: ManifestSet,
    lookup: Lookup,
    where: Where,
    warnings: list[str],
) -> None:
    if client.to.kind == "HTTPRoute":
        check_route(client, lookup, where, warnings)
        return
    service = lookup.services.get(client.to)
    if service is not None:
        _check_service(client, service, cluster, manifests, lookup.services, where, warnings)
        return
    if client.via not in OF_OWNERS or client.to not in lookup.owners:
        what = "Service, workload or bare pod" if client.via in OF_OWNERS else "Service"
        known = lookup.names(services=True, owners=client.via in OF_OWNERS)
        raise (where / "to").unknown(str(client.to), f"{what} of the manifests", known)
    if client.port is None:
        return
    containers = lookup.owners[client.to].template.containers
    found = resolve_port(containers, client.port)
    if not found.listed:
        raise (where / "port").error(client.port, f"leads nowhere: {found.reason}")
    if not found.listening:
        warnings.append(f"client {client.name}: {found.reason}; every connection is refused")


def _check_service(
    client: Client,
    service: Service,
    cluster: Cluster,
    manifests: ManifestSet,
    services: Mapping[ObjectKey, Service],
    where: Where,
    warnings: list[str],
) -> None:
    service = _behind(client, service, services, where)
    wanted = _NEEDS_TYPE.get(client.via)
    if wanted is not None and service.type not in wanted:
        raise (where / "via").error(
            client.via, f"does not reach {client.to}: its type is {service.type}, not {' or '.join(wanted)}"
        )
    if service.headless and client.via == "cluster-ip":
        raise (where / "via").error(
            client.via, f"does not reach {client.to}, which is headless; use via: headless"
        )
    if client.via == "headless" and not service.headless:
        raise (where / "via").error(
            client.via, f"does not reach {client.to}: its name stands for a cluster IP; use via: cluster-ip"
        )
    if not service.ports:
        raise (where / "to").error(str(client.to), "has no port; give its Service spec.ports")
    check_node_port(client, service, cluster, where)
    port = service.port(client.port)
    known = [str(one.name or one.port) for one in service.ports]
    if port is None:
        hint = did_you_mean(str(client.port), known)
        raise (where / "port").error(
            client.port, f"is no port of {client.to}; there are: {one_of(known)}{hint}"
        )
    if port.protocol != client.protocol.upper():
        same = [str(one.name or one.port) for one in service.ports if one.protocol == client.protocol.upper()]
        advice = "not simulated yet" if port.protocol == "SCTP" else f"say protocol: {port.protocol.lower()}"
        raise (where / "port").error(
            client.port or port.port,
            f"is {port.protocol} in {client.to}; {advice}, or take one of its {client.protocol.upper()} "
            f"ports: {one_of(same)}",
        )
    if not service.selector:
        warnings.append(
            f"client {client.name}: {client.to} selects no pods (it has no selector); every connection fails"
        )
    elif not manifests.backends(service):
        warnings.append(f"client {client.name}: no pod of the manifests is selected by {client.to}")


def _behind(client: Client, service: Service, services: Mapping[ObjectKey, Service], where: Where) -> Service:
    """The Service that a client reaches in the end: an alias stands for another."""
    if (client.via == "external-name") != (service.type == "ExternalName"):
        alias = service.type == "ExternalName"
        rule = "is an ExternalName Service, a DNS alias; use via: external-name"
        raise (where / "to").error(
            str(client.to),
            rule if alias else f"is a {service.type} Service; via: external-name needs an alias",
        )
    found = aliased(service, services)
    if found is None:
        raise (where / "to").error(
            str(client.to),
            f"{leads_nowhere(service, services)}; accepted: the name of a Service in the manifests, "
            "such as NAME.NAMESPACE.svc.cluster.local",
        )
    if found.headless and client.via == "external-name":
        raise (where / "to").error(
            str(client.to), f"stands for {found.key}, which is headless; name that with via: headless"
        )
    return found


def _check_event(
    event: Event, names: Mapping[str, None], nodes: Mapping[str, str | None], lookup: Lookup, where: Where
) -> None:
    if event.at_ns < 0:
        raise (where / "at").error(event.at_ns, "ns must be >= 0")
    if isinstance(event, Rate):
        if event.client not in names:
            raise (where / "rate").unknown(event.client, "client", names)
        if not 0 <= event.rate_per_s <= MAX_RATE_PER_S:
            raise (where / "value").error(event.rate_per_s, "must be >= 0 and at most 100M/s")
        return
    if isinstance(event, Reselect):
        check_reselect(event, lookup, where)
        return
    if isinstance(event, Weights):
        check_weights(event, lookup, where)
        return
    if isinstance(event, NodeEvent):
        if event.node not in nodes:
            raise (where / event.kind).unknown(event.node, "node of the cluster", nodes)
        return
    if isinstance(event, Upgrade):
        scopes = ["all", *nodes, *(f"zone:{zone}" for zone in dict.fromkeys(nodes.values()) if zone)]
        if event.scope not in scopes:
            raise (where / event.kind).unknown(event.scope, "node of the cluster, zone:NAME or all", scopes)
        if event.count < 1:
            raise (where / "count").error(event.count, "must be at least 1")
        return
    if isinstance(event, PauseController):
        if event.controller not in CONTROLLERS:
            raise (where / event.kind).unknown(event.controller, "controller that can be paused", CONTROLLERS)
        return
    assert isinstance(event, Rollout | Scale | Delete | Crash | Kill | Unready)
    target = lookup.owners.get(event.target)
    here = where / event.kind
    if target is None:
        raise here.unknown(str(event.target), "workload or bare pod of the manifests", lookup.names())
    if isinstance(target, BarePod) and target.address is not None:
        raise here.error(str(event.target), "is an endpoint outside the cluster: nothing happens to it here")
    if isinstance(event, Rollout):
        if target.key.kind not in ROLLS_OUT:
            raise here.error(str(event.target), f"does not roll out; accepted: a {', a '.join(ROLLS_OUT)}")
    elif isinstance(event, Scale):
        if not isinstance(target, Workload):
            raise here.error(str(event.target), "is one pod and cannot be scaled; accepted: a workload")
        if target.key.kind == "DaemonSet":
            raise here.error(str(event.target), "has one pod to a node and cannot be scaled")
        if not 0 <= event.replicas <= MAX_REPLICAS:
            raise (where / "replicas").error(event.replicas, f"must be from 0 to {MAX_REPLICAS}")
    elif event.count < 1 or (not isinstance(target, Workload) and event.count != 1):
        rule = (
            "must be at least 1" if isinstance(target, Workload) else f"must be 1: {event.target} is one pod"
        )
        raise (where / "count").error(event.count, rule)
    if isinstance(event, Unready) and event.for_ns <= 0:
        raise (where / "for").error(event.for_ns, "ns must be > 0")


def _never(events: Iterable[Event], duration_ns: int) -> Iterator[str]:
    """Name the events that come too late, one line for each entry of the list."""
    late: dict[int, list[Event]] = {}
    for event in events:
        if event.at_ns >= duration_ns:
            late.setdefault(event.position, []).append(event)
    for position, some in late.items():
        at = ", ".join(format_duration(event.at_ns) for event in some[:SHOWN_DOTS])
        more = ", ..." if len(some) > SHOWN_DOTS else ""
        yield (
            f"events[{position}] ({some[0].kind}) at {at}{more} never happens: "
            f"the run ends at {format_duration(duration_ns)}"
        )


def _hints(scenario: Scenario) -> Iterator[str]:
    """Name Services whose topology hints have no effect here."""
    minor = scenario.cluster.kubernetes_minor
    zones = {node.zone for node in scenario.cluster.nodes}
    for service in scenario.manifests.services:
        mode = hint_mode(service, minor)
        if mode is None and service.traffic_distribution is not None:
            yield (
                f"{service.key}: trafficDistribution {service.traffic_distribution} is not on by default in "
                f"Kubernetes 1.{minor}; traffic goes everywhere"
            )
        elif mode in ("auto", "zone") and (None in zones or (mode == "auto" and len(zones) < 2)):
            yield (
                f"{service.key}: its topology hints are never set, as the nodes have no zones, or one; give "
                "them with cluster.nodes"
            )


def _behaviours(scenario: Scenario, lookup: Lookup) -> Iterator[str]:
    """Name settings without effect, hooks of unknown length, and rollouts of paused Deployments."""
    for place, behaviour in said_of(scenario):
        if behaviour.queue is not None and behaviour.concurrency is None:
            yield f"workloads.{place}.queue has no effect without concurrency: nothing ever waits"
    unknown = [
        f"{owner.key}/{container.name}"
        for owner in lookup.owners.values()
        for container in owner.template.containers
        if container.pre_stop is not None
        and not container.pre_stop.known
        and scenario.behaviour(owner.key, container.name).pre_stop_ns is None
    ]
    if unknown:
        yield (
            f"{one_of(unknown)}: the manifest does not say how long the preStop hook runs; taken as 0s "
            f"(say it with workloads.{unknown[0].rpartition('/')[0]}.preStop)"
        )
    gated = [
        str(owner.key)
        for owner in lookup.owners.values()
        if owner.template.readiness_gates
        and scenario.behaviour(owner.key, owner.template.containers[0].name).readiness_gate
        == WorkloadBehaviour().readiness_gate
    ]
    if gated:
        yield (
            f"{one_of(gated)}: readiness gates are taken as true at once; say how long whoever sets them "
            f"takes with workloads.{gated[0]}.readinessGate"
        )
    paused = {
        str(event.target)
        for event in scenario.events
        if isinstance(event, Rollout) and getattr(lookup.owners.get(event.target), "paused", False)
    }
    for name in sorted(paused):
        yield f"{name} is paused in its manifest: its rollout does not start"
