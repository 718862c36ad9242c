"""What is fixed before a run: Services, the lists clients look at (views), who observes them, and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from svcsim.controlplane.lags import Dice
from svcsim.dataplane.contract import (
    NEVER,
    ON_SERVERS_NODE,
    ClientPlan,
    GroupPlan,
    OnEmpty,
    Plan,
    QueueFull,
    Reach,
    Resolve,
)
from svcsim.distributions import Constant, Distribution
from svcsim.kube import BarePod, ObjectKey, PodTemplate, Service, Workload, resolve_port, selects
from svcsim.rng import Purpose
from svcsim.scenario import Client, Scenario

__all__ = ["Group", "Topology", "View", "syn_ladder"]

_SECOND = 1_000_000_000
LINEAR_SYN_SINCE = (6, 5)


def syn_ladder(kernel: tuple[int, int]) -> tuple[tuple[int, ...], int]:
    """Instants of SYN retransmissions after the first SYN, and of ETIMEDOUT, in seconds.

    tcp_syn_retries = 6: 1, 3, 7, ... before Linux 6.5; four linear ones first since (tcp_syn_linear_timeouts,
    Documentation/networking/ip-sysctl.rst).

    >>> syn_ladder((6, 8))
    ((1, 2, 3, 4, 5, 7, 11, 19, 35, 67), 131)
    """
    if kernel < LINEAR_SYN_SINCE:
        return (1, 3, 7, 15, 31, 63), 127
    return (1, 2, 3, 4, 5, 7, 11, 19, 35, 67), 131


@dataclass(frozen=True, kw_only=True)
class View:
    """A list of servers under one rule.

    kind: `proxy` (kube-proxy's choice of endpoints), `ready` (ready addresses of a Service), `pods` (ready
    pods of a workload or a bare pod, without slices), `self` (pods that are alive, for loopback).
    """

    index: int
    kind: str
    service: Service | None
    target: ObjectKey | None
    port: int | str | None

    def container_of(self, template: PodTemplate) -> tuple[bool, int, int]:
        """(listed, container index or -1 if nobody listens, port number) of a pod with this template."""
        wanted: int | str | None = self.port
        protocol = "TCP"
        if self.service is not None:
            service_port = self.service.port(self.port)
            if service_port is None:
                return False, -1, 0
            wanted = service_port.target_port
            protocol = service_port.protocol
        if wanted is None:
            for i, container in enumerate(template.containers):
                if container.ports:
                    return True, i, container.ports[0].container_port
            return True, 0, 80
        found = resolve_port(template.containers, wanted, protocol)  # type: ignore[arg-type]
        if not found.listed or found.port is None:
            return False, -1, 0
        return True, -1 if found.container_index is None else found.container_index, found.port

    def includes(self, key: ObjectKey, template: PodTemplate) -> bool:
        """Whether pods of this owner with this template belong to the view at all."""
        if self.service is not None:
            same = self.service.key.namespace == key.namespace
            return same and selects(self.service.selector, template.labels)
        return key == self.target


@dataclass(frozen=True, kw_only=True)
class Group:
    """Servers that behave alike, and their law of service."""

    plan: GroupPlan
    service_time: Distribution


@dataclass(kw_only=True)
class Topology:
    """The fixed part of a run; built once per scenario and used by all replications."""

    scenario: Scenario
    services: list[Service] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    views_of_service: dict[ObjectKey, list[View]] = field(default_factory=dict)
    view_of_client: list[int] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    group_ids: dict[tuple[ObjectKey, int], int] = field(default_factory=dict)
    proxies: dict[int, str] = field(default_factory=dict)
    slice_watchers: dict[int, str] = field(default_factory=dict)
    pod_watchers: dict[int, str] = field(default_factory=dict)
    node_of_watcher: dict[int, int] = field(default_factory=dict)
    self_observer: int = -1
    observers_of_client: list[list[int]] = field(default_factory=list)
    resolver_of_client: list[int] = field(default_factory=list)
    source_nodes: list[list[int]] = field(default_factory=list)
    n_observers: int = 0
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, scenario: Scenario) -> Topology:
        """Lay out a scenario."""
        top = cls(scenario=scenario)
        top.services = [s for s in scenario.manifests.services if s.selector]
        n_nodes = len(scenario.cluster.nodes)
        slice_resolver, pod_resolver, top.self_observer = n_nodes, n_nodes + 1, n_nodes + 2
        top.n_observers = n_nodes + 3
        for client in scenario.clients:
            view = top._view(client)
            top.view_of_client.append(view.index)
            nodes = top._nodes_of(client)
            top.source_nodes.append(nodes)
            observers: list[int] = []
            resolver = -1
            watchers = top.slice_watchers if view.service is not None else top.pod_watchers
            if client.via == "cluster-ip":
                observers = nodes
                top.proxies.update({n: scenario.cluster.nodes[n].name for n in nodes if n >= 0})
            elif client.via == "loopback":
                observers = [top.self_observer] * len(nodes)
            elif client.resolve == "watch":
                observers = list(range(top.n_observers, top.n_observers + len(nodes)))
                watchers.update({o: f"{client.name}/{k}" for k, o in enumerate(observers)})
                top.node_of_watcher.update(zip(observers, nodes, strict=True))
                top.n_observers += len(nodes)
            else:
                resolver = slice_resolver if view.service is not None else pod_resolver
                watchers[resolver] = "resolver"
                observers = [-1] * len(nodes)
            top.observers_of_client.append(observers)
            top.resolver_of_client.append(resolver)
        for view in top.views:
            if view.service is not None and view.kind != "self":
                top.views_of_service.setdefault(view.service.key, []).append(view)
        owners: tuple[Workload | BarePod, ...] = (*scenario.manifests.workloads, *scenario.manifests.pods)
        for owner in owners:
            top._add_groups(owner)
        return top

    def _view(self, client: Client) -> View:
        manifests = self.scenario.manifests
        service = None
        target: ObjectKey | None = client.to
        if client.to.kind == "Service":
            service = manifests.service(client.to)
            target = None
        if client.via == "loopback":
            kind = "self"
        elif service is None:
            kind = "pods"
        else:
            kind = "proxy" if client.via == "cluster-ip" else "ready"
        for view in self.views:
            if (view.kind, view.service, view.target, view.port) == (kind, service, target, client.port):
                return view
        view = View(index=len(self.views), kind=kind, service=service, target=target, port=client.port)
        self.views.append(view)
        return view

    def _nodes_of(self, client: Client) -> list[int]:
        """The node of each source, -1 outside."""
        nodes = self.scenario.cluster.nodes
        if client.origin == "outside":
            return [-1] * client.sources
        if client.origin == "nodes":
            scope = list(range(len(nodes)))
        else:
            what, _, name = client.origin.partition(":")
            scope = [i for i, n in enumerate(nodes) if name == (n.name if what == "node" else n.zone)]
        return [scope[k % len(scope)] for k in range(client.sources)]

    def _add_groups(self, owner: Workload | BarePod) -> None:
        template = owner.template
        for view in self.views:
            if not view.includes(owner.key, template):
                continue
            listed, container, port = view.container_of(template)
            if not listed or (owner.key, container) in self.group_ids:
                continue
            self.group_ids[(owner.key, container)] = len(self.groups)
            if container < 0:
                name = f"{owner.key}/(port {port})"
                plan = GroupPlan(name=name, workers=0, queue=-1, queue_full=QueueFull.REJECT)
                self.groups.append(Group(plan=plan, service_time=Constant(0.0)))
                self.warnings.append(
                    f"{view.service.key if view.service else view.target}: nothing listens at port {port} in "
                    f"the pods of {owner.key}; connections to it are refused"
                )
                continue
            spec = template.containers[container]
            behaviour = self.scenario.behaviour(owner.key, spec.name)
            plan = GroupPlan(
                name=f"{owner.key}/{spec.name}",
                workers=behaviour.concurrency or 0,
                queue=-1 if behaviour.queue is None or not behaviour.concurrency else behaviour.queue,
                queue_full=QueueFull.DROP if behaviour.queue_full == "drop" else QueueFull.REJECT,
            )
            self.groups.append(Group(plan=plan, service_time=behaviour.service_time))

    def groups_of_client(self, k: int) -> dict[int, Distribution]:
        """Service-time law by group id, of the groups client k may reach."""
        view = self.views[self.view_of_client[k]]
        laws: dict[int, Distribution] = {}
        owners: Sequence[Workload | BarePod] = (
            *self.scenario.manifests.workloads,
            *self.scenario.manifests.pods,
        )
        for owner in owners:
            if view.includes(owner.key, owner.template):
                listed, container, _ = view.container_of(owner.template)
                if listed:
                    group = self.group_ids[(owner.key, container)]
                    laws[group] = self.groups[group].service_time
        return laws

    def plan(self, dice: Dice) -> Plan:
        """The data plane's plan for one replication (only clock phases and keys depend on the dice)."""
        scenario = self.scenario
        cluster = scenario.cluster
        after = cluster.vanished_ip.after_ns if cluster.vanished_ip.then == "unreachable" else -1
        return Plan(
            duration_ns=scenario.duration_ns,
            n_observers=self.n_observers,
            n_views=len(self.views),
            n_nodes=len(cluster.nodes),
            groups=tuple(g.plan for g in self.groups),
            clients=tuple(self._client_plan(k, client, dice) for k, client in enumerate(scenario.clients)),
            vanished_after_ns=after,
        )

    def _client_plan(self, k: int, client: Client, dice: Dice) -> ClientPlan:
        cluster = self.scenario.cluster
        ladder, gives_up = syn_ladder(cluster.kernel)
        outside = client.origin == "outside"
        if client.via == "loopback":
            reach, on_empty = Reach.BELIEF, OnEmpty.NOT_SENT
        elif outside and (client.via == "cluster-ip" or cluster.pod_network == "overlay"):
            reach, on_empty = Reach.NONE, OnEmpty.NO_ADDRESS
        elif client.via == "cluster-ip":
            reach, on_empty = Reach.BELIEF, OnEmpty.REJECT
        else:
            reach = Reach.BELIEF if client.resolve == "watch" else Reach.PINNED
            on_empty = OnEmpty.NO_ADDRESS
        resolve = {"every": Resolve.EVERY, "on-failure": Resolve.ON_FAILURE}.get(
            client.resolve or "", Resolve.ONCE
        )
        period = client.resolve_every_ns or 0
        phases = [
            int(dice.unit(Purpose.PHASE, f"resolve/{client.name}/{s}") * period)
            for s in range(client.sources)
        ]
        connect = client.connect_timeout_ns
        return ClientPlan(
            name=client.name,
            view=self.view_of_client[k],
            reach=reach,
            on_empty=on_empty,
            resolve=resolve,
            resolve_period_ns=period,
            resolver=self.resolver_of_client[k],
            phase_ns=np.array(phases, dtype=np.int64),
            observer_of_source=np.array(self.observers_of_client[k], dtype=np.int32),
            node_of_source=np.array(
                [ON_SERVERS_NODE] * client.sources if client.via == "loopback" else self.source_nodes[k],
                dtype=np.int32,
            ),
            icmp_limited=not client.host_network and cluster.kube_proxy.mode != "cilium",
            connect_timeout_ns=min(connect if connect is not None else NEVER, gives_up * _SECOND),
            request_timeout_ns=client.request_timeout_ns if client.request_timeout_ns is not None else NEVER,
            ladder_ns=np.array(ladder, dtype=np.int64) * _SECOND,
            repick_key=dice.key(Purpose.REPICK, client.name),
            resolve_key=dice.key(Purpose.RESOLVE, client.name),
        )
