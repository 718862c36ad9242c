"""What is fixed before a run: Services, the lists clients look at (views), who observes them, and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from svcsim.clock import format_duration
from svcsim.controlplane.lags import Dice
from svcsim.controlplane.routes import backends_of, shares_of
from svcsim.controlplane.serving import remarks, serving
from svcsim.dataplane.contract import (
    NEVER,
    ON_SERVERS_NODE,
    Balance,
    Cleaning,
    ClientPlan,
    GroupPlan,
    Keeps,
    OnEmpty,
    Outcome,
    Plan,
    QueueFull,
    Reach,
    Resolve,
    Scheduler,
    Socket,
)
from svcsim.dataplane.draws import Shares
from svcsim.distributions import Constant, Distribution
from svcsim.kube import BarePod, ObjectKey, PodTemplate, Service, Workload, aliased, resolve_port, selects
from svcsim.kube.routes import RouteBackend
from svcsim.rng import Purpose
from svcsim.scenario import (
    FROM_OUTSIDE,
    Client,
    KeepAlive,
    KubeProxy,
    Reselect,
    Retry,
    Rollout,
    Scenario,
)

__all__ = ["Group", "Topology", "View", "container_name", "syn_ladder"]

_SECOND = 1_000_000_000
LINEAR_SYN_SINCE = (6, 5)
CONNTRACK_RECONCILED_SINCE_MINOR = 32
_BALANCES = {
    "random": Balance.UNIFORM,
    "round-robin": Balance.ROUND_ROBIN,
    "least-request": Balance.LEAST,
    "two-choices": Balance.TWO_CHOICES,
    "peak-ewma": Balance.PEAK_EWMA,
}

_SCHEDULERS = {
    "rr": Scheduler.ROUND_ROBIN,
    "lc": Scheduler.LEAST,
    "sh": Scheduler.SOURCE_HASH,
    "mh": Scheduler.MAGLEV,
}
_FRONT_ENDS = ("cluster-ip", "node-port", "load-balancer")
_ROUTED = ("proxy", "local", "near")


def _scheduler(proxy: KubeProxy, client: Client, view: View) -> Scheduler:
    """What chooses where the client's requests are routed; NONE where every connection is picked at random.

    Cilium's Maglev is for what comes from outside: inside, a socket picks when it connects
    (kubeproxy-free.rst).
    """
    if view.kind in _ROUTED and proxy.mode == "ipvs":
        return _SCHEDULERS[proxy.ipvs_scheduler]
    if view.kind in _ROUTED and proxy.lb_algorithm == "maglev" and client.origin == "outside":
        return Scheduler.TUPLE if client.via in FROM_OUTSIDE else Scheduler.NONE
    return Scheduler.NONE


def _virtual(client: Client) -> int:
    """Which of a Service port's virtual services a client calls: cluster IP, node port or load balancer."""
    return _FRONT_ENDS.index(client.via) if client.via in _FRONT_ENDS else 0


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


def _or_never(ns: int | None) -> int:
    return NEVER if ns is None else ns


def _kept(asked: KeepAlive | None) -> dict[str, Any]:
    """What the plan of a client says of the connections that it keeps."""
    if asked is None:
        return {}
    return {
        "keeps": Keeps.CHANNEL if asked.channel else Keeps.KEPT,
        "keep_idle_ns": _or_never(asked.idle_ns),
        "max_idle": asked.max_idle,
        "max_age_ns": _or_never(asked.max_age_ns),
        "age_jitter_permille": round(1000 * asked.age_jitter),
        "max_requests": _or_never(asked.max_requests),
        "hears_ns": asked.hears_ns,
    }


def _one_name(service: Service, port: int | str | None) -> int | str | None:
    """One name for a Service's port, however a client calls it: None for the first, its name, its number."""
    found = service.port(port)
    if found is None or found is service.ports[0]:
        return None
    return found.name or found.port


@dataclass(frozen=True, kw_only=True)
class View:
    """A list of servers under one rule.

    kind: `proxy` (kube-proxy's choice of endpoints), `local` (its choice under a traffic policy Local),
    `near` (the same in mode ipvs, where a node without local endpoints uses all for its own pods),
    `serving` (every serving endpoint, whose UDP entries kube-proxy leaves alone), `ready` (ready addresses of
    a Service), `pods` (ready pods of a workload or a bare pod, without slices),
    `self` (pods that are alive, for loopback); of load balancers, `targets` (nodes, or pods, that they send
    to) and `health` (whether a node's healthCheckNodePort answers 200: no list, but whether there is one);
    `nothing`, which lists nobody ever (what a route names and is not there).
    `later`: the selectors that events give the Service.
    """

    index: int
    kind: str
    service: Service | None
    target: ObjectKey | None
    port: int | str | None
    later: tuple[Mapping[str, str], ...] = ()

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
        """Whether pods of this owner with this template belong to the view, now or at any time."""
        if self.service is not None:
            same = self.service.key.namespace == key.namespace
            return same and any(selects(one, template.labels) for one in (self.service.selector, *self.later))
        return key == self.target


@dataclass(frozen=True, kw_only=True)
class Group:
    """Servers that behave alike, and their law of service."""

    plan: GroupPlan
    service_time: Distribution


def container_name(template: PodTemplate, container: int) -> str:
    """The name of a container, empty where nobody listens (-1): a rollout may give its place to another."""
    return template.containers[container].name if container >= 0 else ""


@dataclass(kw_only=True)
class Topology:
    """The fixed part of a run; built once per scenario and used by all replications.

    group_ids: by owner and name of a container, empty where nobody listens.
    """

    scenario: Scenario
    services: list[Service] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    views_of_service: dict[ObjectKey, list[View]] = field(default_factory=dict)
    view_of_client: list[int] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    group_ids: dict[tuple[ObjectKey, str], int] = field(default_factory=dict)
    proxies: dict[int, str] = field(default_factory=dict)
    slice_watchers: dict[int, str] = field(default_factory=dict)
    pod_watchers: dict[int, str] = field(default_factory=dict)
    node_of_watcher: dict[int, int] = field(default_factory=dict)
    self_observer: int = -1
    observers_of_client: list[list[int]] = field(default_factory=list)
    resolver_of_client: list[int] = field(default_factory=list)
    views_of_client: list[list[int]] = field(default_factory=list)
    entries_of_client: list[list[int]] = field(default_factory=list)
    balancer_of_client: list[int] = field(default_factory=list)
    targets_of_client: list[int] = field(default_factory=list)
    balancers: dict[int, View] = field(default_factory=dict)
    caches: dict[int, str] = field(default_factory=dict)
    serving_of_client: list[int] = field(default_factory=list)
    ingresses: dict[int, str] = field(default_factory=dict)
    _services: dict[ObjectKey, Service] = field(default_factory=dict)
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
            top._lay_out(client, slice_resolver, pod_resolver)
        for view in top.views:
            if view.service is not None and view.kind != "self":
                top.views_of_service.setdefault(view.service.key, []).append(view)
        for key, template, when in top._templates():
            top._add_groups(key, template, when)
        return top

    def _lay_out(self, client: Client, slice_resolver: int, pod_resolver: int) -> None:
        """Which lists a client's sources are routed by, whose, and where they enter."""
        if client.to.kind == "HTTPRoute":
            self._lay_out_route(client)
            return
        nodes = self._nodes_of(client)
        entries = self._entries_of(client, nodes)
        views = [self._view(client, kind) for kind in self._kinds_of(client, nodes, entries)]
        view = views[0]
        none = [-1] * len(nodes)
        observers, resolver, balancer, targets = none, -1, -1, -1
        watchers = self.slice_watchers if view.service is not None else self.pod_watchers
        if view.kind in _ROUTED:
            where = [*nodes, *entries]
            if client.via == "load-balancer" and client.origin == "outside":
                found = self._view(client, "targets")
                balancer, targets = self._balancer(found), found.index
                where = list(range(len(self.scenario.cluster.nodes)))
            self.proxies.update({n: self.scenario.cluster.nodes[n].name for n in where if n >= 0})
            observers = nodes
        elif view.kind == "targets":
            balancer = self._balancer(view)
            observers = [balancer] * len(nodes)
        elif client.via == "loopback":
            observers = [self.self_observer] * len(nodes)
        elif client.resolve == "watch" or client.via == "ingress":
            observers = list(range(self.n_observers, self.n_observers + len(nodes)))
            watchers.update({o: f"{client.name}/{k}" for k, o in enumerate(observers)})
            self.node_of_watcher.update(zip(observers, nodes, strict=True))
            self.n_observers += len(nodes)
            if client.via == "ingress":
                self.ingresses.update({o: watchers[o] for o in observers})
        else:
            resolver = slice_resolver if view.service is not None else pod_resolver
            watchers[resolver] = "resolver"
            dns = self.scenario.cluster.dns
            if client.via == "headless" and (dns.cache_ns or dns.negative_ns):
                resolver = self.n_observers
                self.caches[resolver] = f"{client.name}/dns cache"
                self.n_observers += 1
        tracked = client.protocol == "udp" and view.kind in ("proxy", "local")
        self.serving_of_client.append(self._view(client, "serving").index if tracked else -1)
        self.view_of_client.append(view.index)
        self.views_of_client.append([v.index for v in views])
        self.source_nodes.append(nodes)
        self.entries_of_client.append(entries)
        self.observers_of_client.append(observers)
        self.resolver_of_client.append(resolver)
        self.balancer_of_client.append(balancer)
        self.targets_of_client.append(targets)

    def _lay_out_route(self, client: Client) -> None:
        """Each proxy is as many sources as its route has backends, which share its watch (R33)."""
        views = [self._backend_view(one) for one in backends_of(self.scenario, client.to)]
        proxies = range(self.n_observers, self.n_observers + client.sources)
        self.n_observers += client.sources
        for number, observer in enumerate(proxies):
            self.slice_watchers[observer] = self.ingresses[observer] = f"{client.name}/{number}"
            self.node_of_watcher[observer] = -1
        nowhere = [-1] * (client.sources * len(views))
        self.serving_of_client.append(-1)
        self.view_of_client.append(views[0].index)
        self.views_of_client.append([view.index for view in views] * client.sources)
        self.source_nodes.append(nowhere)
        self.entries_of_client.append(nowhere)
        self.observers_of_client.append([observer for observer in proxies for _ in views])
        self.resolver_of_client.append(-1)
        self.balancer_of_client.append(-1)
        self.targets_of_client.append(-1)

    def _backend_view(self, backend: RouteBackend) -> View:
        """The ready pods of a backend; `nothing` where the route names what is not there."""
        known = {one.key: one for one in self.scenario.manifests.services}
        service = known.get(backend.target)
        if service is None or service.port(backend.port) is None:
            return self._add_view("nothing", None, backend.target, backend.port)
        return self._add_view("ready", service, None, _one_name(service, backend.port))

    def shares_of_client(self, k: int, dice: Dice) -> Shares | None:
        """How a client's proxies split its requests, None where they do not."""
        client = self.scenario.clients[k]
        return shares_of(self.scenario, client, dice) if client.to.kind == "HTTPRoute" else None

    def _kinds_of(self, client: Client, nodes: list[int], entries: list[int]) -> list[str]:
        """The kind of view that each source of a client is routed by."""
        service = self._service_of(client)
        near = "near" if self.scenario.cluster.kube_proxy.mode == "ipvs" else None
        if client.via == "loopback":
            return ["self"] * len(nodes)
        if service is None:
            return ["pods"] * len(nodes)
        if client.via in ("cluster-ip", "external-name"):
            local = service.internal_traffic_policy == "Local"
            return [(near or "local") if local else "proxy"] * len(nodes)
        local = service.external_traffic_policy == "Local"
        if client.via == "load-balancer":
            if client.origin != "outside":
                return [near if near and local else "proxy"] * len(nodes)
            if self.scenario.cluster.load_balancer.targets == "pods":
                return ["targets"] * len(nodes)
            return ["local" if local else "proxy"] * len(nodes)
        if client.via == "node-port":
            # what comes from a node's own pods is not bound by the policy (proxier.go, the XLB chain)
            return [
                "local" if local and node != entry else near if near and local else "proxy"
                for node, entry in zip(nodes, entries, strict=True)
            ]
        return ["ready"] * len(nodes)

    def _balancer(self, view: View) -> int:
        """The observer that keeps a load balancer's list of targets."""
        for observer, known in self.balancers.items():
            if known is view:
                return observer
        observer = self.n_observers
        self.n_observers += 1
        self.balancers[observer] = view
        assert view.service is not None
        if self.lists_pods(view):
            self.slice_watchers[observer] = f"{view.service.key} load balancer"
        if view.service.external_traffic_policy == "Local" and not self.lists_pods(view):
            self._add_view("health", view.service, None, view.port)
        elif self.lists_pods(view):
            self._add_view("ready", view.service, None, view.port)
        return observer

    def lists_pods(self, view: View) -> bool:
        """Whether a `targets` view lists pods, not nodes."""
        return view.kind == "targets" and self.scenario.cluster.load_balancer.targets == "pods"

    def _service_of(self, client: Client) -> Service | None:
        """The Service that a client reaches, behind its alias if it is one."""
        if client.to.kind != "Service":
            return None
        if not self._services:
            self._services = {one.key: one for one in self.scenario.manifests.services}
        return aliased(self._services[client.to], self._services)

    def _view(self, client: Client, kind: str) -> View:
        service = self._service_of(client)
        if service is None:
            return self._add_view(kind, None, client.to, client.port)
        return self._add_view(kind, service, None, _one_name(service, client.port))

    def _add_view(
        self, kind: str, service: Service | None, target: ObjectKey | None, port: int | str | None
    ) -> View:
        """The view of these, new or known."""
        for view in self.views:
            if (view.kind, view.service, view.target, view.port) == (kind, service, target, port):
                return view
        later = tuple(
            event.selector
            for event in self.scenario.events
            if isinstance(event, Reselect) and service is not None and event.target == service.key
        )
        view = View(index=len(self.views), kind=kind, service=service, target=target, port=port, later=later)
        self.views.append(view)
        return view

    def _entries_of(self, client: Client, nodes: list[int]) -> list[int]:
        """The node that each source enters at, -1 where it enters at none; spread over those in scope."""
        if client.entry is None:
            return [-1] * len(nodes)
        if client.entry == "own":
            return nodes
        scope = self._scope("nodes" if client.entry == "any" else client.entry)
        # the next node after one's own, so that callers in the cluster take the second hop
        return [scope[(k + (node >= 0)) % len(scope)] for k, node in enumerate(nodes)]

    def _nodes_of(self, client: Client) -> list[int]:
        """The node of each source, -1 outside."""
        if client.origin == "outside":
            return [-1] * client.sources
        scope = self._scope(client.origin)
        return [scope[k % len(scope)] for k in range(client.sources)]

    def _scope(self, origin: str) -> list[int]:
        """The nodes that `nodes`, node:NAME or zone:NAME stand for."""
        nodes = self.scenario.cluster.nodes
        if origin == "nodes":
            return list(range(len(nodes)))
        what, _, name = origin.partition(":")
        return [i for i, n in enumerate(nodes) if name == (n.name if what == "node" else n.zone)]

    def _templates(self) -> list[tuple[ObjectKey, PodTemplate, str]]:
        """(owner, template, when) of every pod there may be: as declared, then as rollouts make them."""
        manifests = self.scenario.manifests
        owners: tuple[Workload | BarePod, ...] = (*manifests.workloads, *manifests.pods)
        return [(owner.key, owner.template, "") for owner in owners] + [
            (event.target, event.template, f" from its rollout at {format_duration(event.at_ns)} on")
            for event in self.scenario.events
            if isinstance(event, Rollout) and event.template is not None
        ]

    def _add_groups(self, key: ObjectKey, template: PodTemplate, when: str) -> None:
        for view in self.views:
            if not view.includes(key, template):
                continue
            listed, container, port = view.container_of(template)
            place = (key, container_name(template, container))
            if not listed:
                continue
            if place in self.group_ids:
                self._check_limits(key, template, container, when, self.groups[self.group_ids[place]].plan)
                continue
            self.group_ids[place] = len(self.groups)
            if container < 0:
                name = f"{key}/(port {port})"
                plan = GroupPlan(name=name, workers=0, queue=-1, queue_full=QueueFull.REJECT)
                self.groups.append(Group(plan=plan, service_time=Constant(0.0)))
                self.warnings.append(
                    f"{view.service.key if view.service else view.target}: nothing listens at port {port} in "
                    f"the pods of {key}{when}; connections to it are refused"
                )
                continue
            spec = template.containers[container]
            behaviour = self.scenario.behaviour(key, spec.name)
            plan = GroupPlan(
                name=f"{key}/{spec.name}",
                queue_full=QueueFull.DROP if behaviour.queue_full == "drop" else QueueFull.REJECT,
                idle_ns=_or_never(behaviour.keep_alive_ns),
                **serving(behaviour, spec),
            )
            self.groups.append(Group(plan=plan, service_time=behaviour.service_time))
            self.warnings += remarks(behaviour, spec, plan.name)

    def _check_limits(
        self, key: ObjectKey, template: PodTemplate, container: int, when: str, plan: GroupPlan
    ) -> None:
        """Name a rollout that changes a CPU limit which the pods go by (all have the first)."""
        if container < 0:
            return
        spec = template.containers[container]
        behaviour = self.scenario.behaviour(key, spec.name)
        now = serving(behaviour, spec)
        if (now["workers"], now["cores_permille"]) != (plan.workers, plan.cores_permille):
            self.warnings.append(
                f"{plan.name}: its CPU limit is another{when}, which is not simulated: all keep the first"
            )

    def groups_of_client(self, k: int) -> dict[int, Distribution]:
        """Service-time law by group id, of the groups client k may reach."""
        laws: dict[int, Distribution] = {}
        for view in [self.views[index] for index in dict.fromkeys(self.views_of_client[k])]:
            for key, template, _ in self._templates():
                if view.includes(key, template):
                    listed, container, _ = view.container_of(template)
                    if listed:
                        group = self.group_ids[(key, container_name(template, container))]
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
            table_key=dice.key(Purpose.ROUTER, "table/"),
            table_max=-1 if cluster.conntrack.most is None else cluster.conntrack.most,
        )

    def _datagrams(self, k: int, client: Client) -> dict[str, Any]:
        """What the plan of a UDP client says of its sockets and of the entries they make."""
        if client.protocol != "udp":
            return {}
        cluster = self.scenario.cluster
        cleaning = Cleaning.NONE
        if self.serving_of_client[k] >= 0 and cluster.conntrack.cleanup:
            reconciled = cluster.kubernetes_minor >= CONNTRACK_RECONCILED_SINCE_MINOR
            cleaning = Cleaning.SERVING if reconciled else Cleaning.REMOVED
        return {
            "socket": Socket.ONE if client.sockets == "one" else Socket.EACH,
            "serving": self.serving_of_client[k],
            "cleaning": cleaning,
            "udp_ns": cluster.conntrack.udp_ns,
            "udp_stream_ns": cluster.conntrack.udp_stream_ns,
        }

    def _client_plan(self, k: int, client: Client, dice: Dice) -> ClientPlan:
        cluster = self.scenario.cluster
        ladder, gives_up = syn_ladder(cluster.kernel)
        outside = client.origin == "outside"
        on_node = client.via in ("cluster-ip", "external-name")
        if client.via == "loopback":
            reach, on_empty = Reach.BELIEF, OnEmpty.NOT_SENT
        elif client.via == "ingress":
            reach, on_empty = Reach.BELIEF, OnEmpty.UNAVAILABLE
        elif client.via in FROM_OUTSIDE:
            behind = outside and client.via == "load-balancer"
            reach, on_empty = Reach.BELIEF, OnEmpty.SILENT if behind else OnEmpty.REJECT
        elif outside and (on_node or cluster.pod_network == "overlay"):
            reach, on_empty = Reach.NONE, OnEmpty.NO_ADDRESS
        elif on_node:
            reach, on_empty = Reach.BELIEF, OnEmpty.REJECT
        else:
            reach = Reach.BELIEF if client.resolve == "watch" else Reach.PINNED
            if client.via == "headless" and client.pick != "first":
                reach = Reach.HELD
            on_empty = OnEmpty.NO_ADDRESS
        resolve = {"every": Resolve.EVERY, "on-failure": Resolve.ON_FAILURE}.get(
            client.resolve or "", Resolve.ONCE
        )
        period = client.resolve_every_ns or 0
        phases = [
            int(dice.unit(Purpose.PHASE, f"resolve/{client.name}/{s}") * period)
            for s in range(len(self.source_nodes[k]))
        ]
        connect = client.connect_timeout_ns
        view = self.views[self.view_of_client[k]]
        service = view.service if view.kind in _ROUTED else None
        sticks = service is not None and service.session_affinity == "ClientIP"
        retry = client.retry or Retry(times=0)
        share = retry.budget_share
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
            entry_of_source=np.array(self.entries_of_client[k], dtype=np.int32),
            balancer=self.balancer_of_client[k],
            targets=self.targets_of_client[k],
            entry_key=dice.key(Purpose.ENTRY, client.name),
            rotates=client.pick == "rotate",
            view_of_source=np.array(self.views_of_client[k], dtype=np.int32),
            icmp_limited=not client.host_network and cluster.kube_proxy.mode != "cilium",
            connect_timeout_ns=min(connect if connect is not None else NEVER, gives_up * _SECOND),
            request_timeout_ns=client.request_timeout_ns if client.request_timeout_ns is not None else NEVER,
            ladder_ns=np.array(ladder, dtype=np.int64) * _SECOND,
            balance=_BALANCES[client.balance or "random"],
            router_key=dice.key(Purpose.ROUTER, client.name),
            choice_key=dice.key(Purpose.CHOICE, client.name),
            affinity_ns=service.affinity_timeout_seconds * _SECOND if service is not None and sticks else -1,
            retries=retry.times,
            retry_on=frozenset(Outcome[name.upper()] for name in retry.outcomes),
            backoff_ns=retry.backoff_ns,
            backoff_max_ns=retry.backoff_max_ns,
            jitter=retry.jitter,
            retry_key=dice.key(Purpose.RETRY, client.name),
            excludes_tried=retry.exclude_tried,
            budget_permille=-1 if share is None else round(1000 * share),
            budget_burst=retry.budget_burst,
            eject_after=0 if client.eject is None else client.eject.after,
            eject_ns=0 if client.eject is None else client.eject.for_ns,
            **_kept(client.keep_alive),
            **self._datagrams(k, client),
            ports=-1 if client.ports is None else client.ports,
            tracked=cluster.conntrack.most is not None
            and client.keep_alive is None
            and client.protocol == "tcp",
            age_key=dice.key(Purpose.LIFETIME, client.name),
            repick_key=dice.key(Purpose.REPICK, client.name),
            resolve_key=dice.key(Purpose.RESOLVE, client.name),
            scheduler=_scheduler(cluster.kube_proxy, client, view)
            if reach is Reach.BELIEF
            else Scheduler.NONE,
            virtual=_virtual(client),
            hash_key=dice.key(Purpose.ROUTER, f"hash/{client.name}"),
            backends=len(self.source_nodes[k]) // client.sources,
            resolve_floor_ns=client.min_resolution_ns,
            users=0 if client.loop is None else client.loop.users,
        )
