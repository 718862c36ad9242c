"""The control plane of one replication: objects, their controllers, and the two histories they write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from svcsim.controlplane.autoscaling.controller import AutoscalerController, Decision
from svcsim.controlplane.autoscaling.metrics import MetricsServer
from svcsim.controlplane.daemonset import DaemonSetController
from svcsim.controlplane.deployment import DeploymentController
from svcsim.controlplane.disruption import Disruption
from svcsim.controlplane.downstream import Downstream
from svcsim.controlplane.endpointslices import Change, EndpointSliceController, ServiceState
from svcsim.controlplane.events import Events, proxy_outages
from svcsim.controlplane.initial import Initial
from svcsim.controlplane.kubelet import Kubelet
from svcsim.controlplane.kubeproxy import full_interval_ns, maximum_interval_ns
from svcsim.controlplane.lags import Dice
from svcsim.controlplane.loop import SECOND, Loop
from svcsim.controlplane.nodelifecycle import NodeLifecycle
from svcsim.controlplane.objects import ContainerRun, DaemonSet, Deployment, Pod, ReplicaSet, StatefulSet
from svcsim.controlplane.observers import Adoptions, Observers
from svcsim.controlplane.pauses import Pauses
from svcsim.controlplane.replicaset import ReplicaSetController
from svcsim.controlplane.scheduler import Scheduler
from svcsim.controlplane.statefulset import StatefulSetController
from svcsim.controlplane.sync import full_factor, sync_law
from svcsim.controlplane.topology import Topology, View, container_name
from svcsim.controlplane.topologyhints import Hint, served
from svcsim.dataplane.contract import DROPPED, Ask, DataPlane, Job, JobResult, TruthKind
from svcsim.kube import ObjectKey, PodTemplate, selects
from svcsim.rng import Purpose
from svcsim.scenario import Reselect
from svcsim.timeline import Histories, Timeline

__all__ = ["ControlPlane", "ControlRun", "ServerInfo"]

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """What a server id stands for."""

    pod: Pod
    container: int
    group: int


@dataclass(frozen=True, kw_only=True)
class ControlRun:
    """What one replication's control plane did."""

    histories: Histories
    pods: list[Pod]
    servers: list[ServerInfo]
    changes: list[Change]
    slice_adoptions: Adoptions
    pod_changes: list[Change]
    pod_adoptions: Adoptions
    warnings: list[str]
    scalings: list[Decision]


class ControlPlane:
    """Runs the controllers of one replication against a data plane."""

    def __init__(self, topology: Topology, dice: Dice, dataplane: DataPlane) -> None:
        scenario = topology.scenario
        self.topology = topology
        self.scenario = scenario
        self.dice = dice
        self.loop = Loop()
        self.timeline = Timeline()
        self.nodes = scenario.cluster.nodes
        self.node_index = {node.name: i for i, node in enumerate(self.nodes)}
        self.unschedulable: list[Pod] = []
        self.cordoned = {i for i, node in enumerate(self.nodes) if node.unschedulable}
        self.pods: list[Pod] = []
        self.servers: list[ServerInfo] = []
        self.warnings: list[str] = []
        self.pauses = Pauses(scenario)
        self._dataplane = dataplane
        self._handed_ns = -1
        self._epoch_ns = int(dice.unit(Purpose.PHASE, "epoch") * SECOND)
        self._next_host: list[int] = [1] * len(self.nodes)
        self._placements: dict[tuple[ObjectKey, int], list[tuple[View, int, int]]] = {}
        self._selected: dict[tuple[ObjectKey, int], list[ServiceState]] = {}
        self._server_of: dict[tuple[int, int, int], int] = {}
        self._version: dict[int, int] = {}
        self._alive: dict[int, Pod] = {}
        self.changes: list[Change] = []
        self.pod_changes: list[Change] = []
        self.deployments = DeploymentController(self)
        self.replica_sets = ReplicaSetController(self)
        self.scheduler = Scheduler(self, len(self.nodes))
        self.stateful_sets = StatefulSetController(self)
        self.daemon_sets = DaemonSetController(self)
        self.disruption = Disruption(self)
        self.node_lifecycle = NodeLifecycle(self)
        self.kubelet = Kubelet(self)
        self.slices = EndpointSliceController(self, topology.services)
        self.services = self.slices.services
        self._state_of = {state.service.key: state for state in self.services}
        self._state_of_view = {
            view.index: self._state_of[view.service.key]
            for view in topology.views
            if view.service is not None and view.service.key in self._state_of
        }
        self._entries: dict[tuple[int, int, int], tuple[str, int]] = {}
        self._node_versions: dict[int, Int64] = {}
        lag = scenario.lag
        watch = lag["watch"]
        assert watch is not None
        of_workload = (
            len(self.nodes) if w.key.kind == "DaemonSet" else w.replicas for w in scenario.manifests.workloads
        )
        endpoints = sum(of_workload) + len(scenario.manifests.pods)
        proxy = scenario.cluster.kube_proxy
        size = (
            len(self.services) + scenario.cluster.other_services,
            endpoints + scenario.cluster.other_services * scenario.cluster.endpoints_per_other,
        )
        sync = lag.get("sync") or sync_law(proxy.mode, *size)
        outages = proxy_outages(scenario)
        self.downstream = Downstream(self, outages)
        common = {
            "timeline": self.downstream,
            "dice": dice,
            "kubernetes_minor": scenario.cluster.kubernetes_minor,
            "min_sync_ns": 0 if proxy.mode == "cilium" else proxy.min_sync_period_ns,
            "watch": watch,
            "sync": sync,
            "node_of_watcher": topology.node_of_watcher,
        }
        self.slice_observers = Observers(
            proxies=topology.proxies,
            watchers=topology.slice_watchers,
            outages=outages,
            full_factor=1.0 if lag.get("sync") else full_factor(proxy.mode, *size),
            slowdown=[node.proxy_slowdown for node in self.nodes],
            maximum_ns=maximum_interval_ns(
                proxy.mode, scenario.cluster.kubernetes_minor, proxy.sync_period_ns
            ),
            full_every_ns=full_interval_ns(proxy.mode, scenario.cluster.kubernetes_minor, size[1]),
            **common,  # type: ignore[arg-type]
        )
        self.pod_observers = Observers(proxies={}, watchers=topology.pod_watchers, outages={}, **common)  # type: ignore[arg-type]
        self.workload_sets: dict[ObjectKey, ReplicaSet] = {}
        self.workload_deployments: dict[ObjectKey, Deployment] = {}
        self.workload_stateful: dict[ObjectKey, StatefulSet] = {}
        self.workload_daemons: dict[ObjectKey, DaemonSet] = {}
        self.metrics = MetricsServer(self)
        self.autoscalers = AutoscalerController(self)
        self.begin()

    def begin(self) -> None:
        """Everything declared runs, and the scenario's events are to come."""
        Initial(self).create()
        self._believe_from_start()
        Events(self).arrange()

    # -- running

    def run(self, cuts: Iterable[int] = ()) -> ControlRun:
        """Run to the end; `cuts` are further instants at which the data plane is advanced."""
        end = self.scenario.duration_ns
        for until in [*sorted(c for c in cuts if 0 <= c < end), end]:
            self.loop.run_before(until)
            self.advance(until)
        for change in (*self.changes, *self.pod_changes):
            change.versions = [(view, self.timeline.number(version)) for view, version in change.versions]
        return ControlRun(
            histories=self.timeline.histories(),
            pods=self.pods,
            servers=self.servers,
            changes=self.changes,
            slice_adoptions=self.slice_observers.adoptions(),
            pod_changes=self.pod_changes,
            pod_adoptions=self.pod_observers.adoptions(),
            warnings=self.warnings,
            scalings=self.autoscalers.decisions,
        )

    def advance(self, until_ns: int) -> None:
        """Push the data plane to until_ns."""
        if until_ns < self._handed_ns:
            return
        self._handed_ns = until_ns
        self.slice_observers.advance(until_ns)
        self.pod_observers.advance(until_ns)
        self.downstream.advance(until_ns)
        self._dataplane.advance(self.timeline.hand_over(until_ns))

    def ask(self, server: int, what: Ask) -> int:
        """Ask the data plane about a server, as of the instant advanced to."""
        return self._dataplane.ask(server, what)

    def awake(self, controller: str, t_ns: int) -> int:
        """The first instant at or after t_ns at which a controller works (`pauses`)."""
        return self.pauses.awake(controller, t_ns)

    def cut_observers(self, node: int) -> None:
        """What watches on this node hears of no write from now on."""
        self.slice_observers.cut(node)
        self.pod_observers.cut(node)

    def reconnect_observers(self, node: int, *, booted: bool = False) -> None:
        """What watches on this node lists anew now."""
        self.slice_observers.reconnect(node, self.loop.now, booted=booted)
        self.pod_observers.reconnect(node, self.loop.now, booted=booted)

    def inject(self, job: Job) -> None:
        """Add a request of the control plane's own to the data plane, now."""
        self._dataplane.inject(job)

    def job(self, job: int) -> JobResult:
        """What became of it, as of the instant advanced to."""
        return self._dataplane.job(job)

    def warn_once(self, text: str) -> None:
        """Note something the user should know."""
        if text not in self.warnings:
            self.warnings.append(text)

    def whole_second(self, t_ns: int) -> int:
        """An instant as the API server writes it: cut to whole seconds of the wall clock."""
        return (t_ns + self._epoch_ns) // SECOND * SECOND - self._epoch_ns

    def wanted_replicas(self, key: ObjectKey) -> int:
        """How many pods a workload is asked for now."""
        for owners in (self.workload_deployments, self.workload_stateful, self.workload_sets):
            owner = owners.get(key)
            if owner is not None:
                return int(owner.replicas)
        return len(self.nodes)

    def scale(self, key: ObjectKey, replicas: int) -> None:
        """Write the scale of a workload: its controller does the rest."""
        deployment = self.workload_deployments.get(key)
        if deployment is not None:
            deployment.replicas = replicas
            self.deployments.enqueue(deployment)
            return
        stateful = self.workload_stateful.get(key)
        if stateful is not None:
            stateful.replicas = replicas
            self.stateful_sets.enqueue(stateful)
            return
        rs = self.workload_sets[key]
        rs.replicas = replicas
        self.replica_sets.enqueue(rs)

    # -- pods

    def new_replica_set(self, deployment: Deployment, replicas: int) -> ReplicaSet:
        """The Deployment's ReplicaSet for its present template, created at this size."""
        key = deployment.workload.key
        rs = ReplicaSet(
            name=f"{key}/r{deployment.revision}",
            workload=key,
            template=deployment.template,
            replicas=replicas,
            min_ready_ns=deployment.workload.min_ready_seconds * SECOND,
            revision=deployment.revision,
            deployment=deployment,
        )
        self.deployments.annotate(deployment, rs)
        deployment.sets.append(rs)
        self.replica_sets.enqueue(rs)
        return rs

    def create_pod(self, rs: ReplicaSet) -> Pod:
        """A controller creates a pod; the scheduler takes it from there."""
        rs.created += 1
        pod = self.make_pod(f"{rs.name}/{rs.created}", rs.workload, rs.template, rs)
        rs.pods.append(pod)
        self.scheduler.enqueue(pod)
        return pod

    def make_pod(self, name: str, workload: ObjectKey, template: PodTemplate, rs: ReplicaSet | None) -> Pod:
        """A pod object with its containers and servers; nothing runs yet."""
        pod = Pod(
            name=name,
            uid=len(self.pods),
            owner=rs,
            workload=workload,
            template=template,
            created_ns=self.loop.now,
            containers=[
                ContainerRun(spec=spec, behaviour=self.scenario.behaviour(workload, spec.name))
                for spec in template.containers
            ],
        )
        self.pods.append(pod)
        self.new_servers(pod)
        return pod

    def new_servers(self, pod: Pod) -> None:
        """Servers for a sandbox that will be: what clients may address in it."""
        pod.ports_unlistened.clear()
        by_container: dict[int, list[int]] = {}
        for view, container, _ in self.placements(pod):
            by_container.setdefault(container, []).append(view.index)
        for container, views in by_container.items():
            group = self.topology.group_ids[(pod.workload, container_name(pod.template, container))]
            server = self.timeline.add_server(group, tuple(views))
            self.servers.append(ServerInfo(pod=pod, container=container, group=group))
            self._server_of[(pod.uid, pod.sandboxes + 1, container)] = server
            if container >= 0:
                pod.containers[container].server = server
            else:
                pod.ports_unlistened.append(server)

    def placements(self, pod: Pod) -> list[tuple[View, int, int]]:
        """(view, container, port) of each view that may list this pod."""
        place = (pod.workload, id(pod.template))
        known = self._placements.get(place)
        if known is None:
            known = []
            for view in self.topology.views:
                if view.includes(pod.workload, pod.template):
                    listed, container, port = view.container_of(pod.template)
                    if listed:
                        known.append((view, container, port))
            self._placements[place] = known
        return known

    def services_of(self, pod: Pod) -> list[ServiceState]:
        """The Services that select this pod."""
        place = (pod.workload, id(pod.template))
        known = self._selected.get(place)
        if known is None:
            known = [
                s
                for s in self.services
                if s.service.key.namespace == pod.workload.namespace
                and selects(s.service.selector, pod.template.labels)
            ]
            self._selected[place] = known
        return known

    def reselect(self, event: Reselect) -> None:
        """A Service gets another selector: the EndpointSlice controller does the rest."""
        state = self._state_of[event.target]
        state.service = replace(state.service, selector=event.selector)
        self._selected.clear()
        pods = [pod for pod in self.pods if not pod.gone and state in self.services_of(pod)]
        if not pods:
            asked = ",".join(f"{name}={value}" for name, value in event.selector.items())
            self.warn_once(f"{event.target}: an event's selector ({asked}) selects no pod when it comes")
        self.slices.reselected(state, pods)

    def delete_pod(self, pod: Pod) -> None:
        """deletionTimestamp is set; for a pod without a node the object goes at once."""
        if pod.deleting or pod.gone:
            return
        pod.deleting = True
        pod.deleted_ns = self.loop.now
        if pod.node < 0:
            self.pod_gone(pod)
            return
        self.scheduler.deleting(pod)
        self.kubelet.deletion_seen(pod)
        self.pod_changed(pod)

    def pod_gone(self, pod: Pod) -> None:
        """The object is removed from the API server."""
        if pod.gone:
            return
        pod.gone = True
        pod.gone_ns = self.loop.now
        self.scheduler.release(pod)
        self.pod_changed(pod)
        rs = pod.owner
        if rs is not None:
            rs.pods = [p for p in rs.pods if p is not pod]

    def pod_changed(self, pod: Pod) -> None:
        """Something about a pod that controllers watch became visible."""
        self.slices.pod_changed(pod)
        if pod.keeper is not None:
            pod.keeper()
        rs = pod.owner
        if rs is not None:
            self.replica_sets.enqueue(rs)
            deployment = rs.deployment
            if deployment is not None and (pod.terminal or pod.gone):
                strategy = deployment.workload.strategy
                if strategy is not None and strategy.type == "Recreate":
                    self.deployments.enqueue(deployment)
        if self.topology.pod_watchers:
            self._pod_views_changed(pod)

    # -- addresses

    def next_ip(self, node: int) -> str:
        """The next address of a node's range (host-local: round robin from the last reserved)."""
        self._next_host[node] += 1
        host = self._next_host[node]
        return f"10.{244 + (node >> 8) % 12}.{(node + (host >> 8)) % 256}.{host % 256}"

    def _servers_of(self, pod: Pod) -> list[int]:
        return [run.server for run in pod.containers if run.server is not None] + pod.ports_unlistened

    def address_given(self, pod: Pod) -> None:
        """The sandbox has an address, and a caller inside the pod may begin."""
        pod.addressed = True
        for server in self._servers_of(pod):
            self.timeline.place(server, pod.node)
            self.timeline.truth(self.loop.now, server, TruthKind.ADDRESS)
        self._alive[pod.uid] = pod
        self._self_views_changed(pod)

    def sigterm(self, pod: Pod) -> None:
        """The pod's containers are told to stop: a caller inside it calls no more."""
        if self._alive.pop(pod.uid, None) is not None:
            self._self_views_changed(pod)

    def address_released(self, pod: Pod, *, reused: bool = True) -> None:
        """The sandbox is gone, its address answers no more, and may be given to somebody else later."""
        if not pod.addressed:
            return
        pod.addressed = False
        self.sigterm(pod)
        reuse = self.scenario.cluster.vanished_ip.reuse_after_ns if reused else None
        for server in self._servers_of(pod):
            self.timeline.truth(self.loop.now, server, TruthKind.RELEASE)
            if reuse is not None:
                self.timeline.truth(self.loop.now + reuse, server, TruthKind.REUSE)

    def pre_stop_ns(self, run: ContainerRun) -> int:
        """How long a container's preStop hook runs."""
        hook = run.spec.pre_stop
        assert hook is not None
        if hook.seconds is not None:
            return round(hook.seconds * SECOND)
        if run.behaviour.pre_stop_ns is None:
            self.warn_once(
                f"container {run.spec.name}: how long its preStop {hook.kind} hook runs is not in the "
                "manifest; taken as 0 s (say it with workloads.<KIND/NAME>.preStop)"
            )
        return run.behaviour.pre_stop_ns or 0

    # -- lists

    def _believe_from_start(self) -> None:
        """Everything declared is programmed everywhere at t = 0."""
        for state in self.services:
            if state.pods:
                self.slices.begin(state)
        for view in self.topology.views:
            if view.kind in ("targets", "nothing"):
                continue
            version = self.timeline.add_version(self._list(view))
            self._version[view.index] = version
            if view.kind == "self":
                self.timeline.belief(0, self.topology.self_observer, view.index, version)
            elif view.kind == "pods":
                self.pod_observers.believe_from_start(view.index, version)
            else:
                scoped = self._scoped(view)
                self.slice_observers.believe_from_start(view.index, version if scoped is None else scoped)
        self.downstream.begin()

    def _list(self, view: View) -> tuple[int, ...]:
        """The servers a view lists now, in rule order (the text `ip:port`)."""
        ready: list[tuple[str, int]] = []
        fallback: list[tuple[str, int]] = []
        if view.kind in ("proxy", "local", "near", "health", "ready", "serving"):
            for uid, one in self._state(view).listed.items():
                entry = self._entry(view, uid, one.sandbox)
                if entry is None:
                    continue
                if one.said.serving if view.kind == "serving" else one.said.ready:
                    ready.append(entry)
                elif one.said.serving and one.said.terminating and view.kind in ("proxy", "local", "near"):
                    fallback.append(entry)
        else:
            pods = self._alive.values() if view.kind == "self" else self.pods
            for pod in pods:
                listed = pod.ready and pod.active and pod.has_ip
                if view.kind == "self" or listed:
                    for other, container, port in self.placements(pod):
                        if other is view:
                            sandbox = pod.sandboxes if view.kind == "self" else pod.sandbox_shown
                            ready.append((f"{pod.ip}:{port}", self._server_of[(pod.uid, sandbox, container)]))
        return tuple(server for _, server in sorted(ready or fallback))

    def _new_version(self, view: View) -> int | None:
        """The view's version now, or None if it has not changed."""
        version = self.timeline.add_version(self._list(view))
        if version == self._version.get(view.index):
            return None
        self._version[view.index] = version
        return version

    def _state(self, view: View) -> ServiceState:
        return self._state_of_view[view.index]

    def _entry(self, view: View, uid: int, sandbox: int) -> tuple[str, int] | None:
        """(text in rule order, server) of a pod in a view, None if the view's port does not list it."""
        place = (view.index, uid, sandbox)
        known = self._entries.get(place)
        if known is None:
            pod = self.pods[uid]
            for other, container, port in self.placements(pod):
                if other is view:
                    known = (f"{pod.ip}:{port}", self._server_of[(uid, sandbox, container)])
                    self._entries[place] = known
        return known

    def _scoped(self, view: View) -> Int64 | None:
        """The version of each node's proxy, int64 (n_nodes,), where nodes may differ; None where not."""
        if view.kind in ("local", "near", "health"):
            return self._of_each_node(view)
        if view.kind != "proxy":
            return None
        state = self._state(view)
        if not state.hinted:
            return None
        ready: list[tuple[str, int]] = []
        hints: dict[tuple[str, int], Hint] = {}
        for uid, one in state.listed.items():
            entry = self._entry(view, uid, one.sandbox)
            if entry is not None and one.said.ready:
                ready.append(entry)
                if one.hint is not None:
                    hints[entry] = one.hint
        ready.sort()
        if not ready:
            everywhere = self.timeline.add_version(self._list(view))
            return np.full(len(self.nodes), everywhere, dtype=np.int64)
        by_scope: dict[tuple[str | None, int], int] = {}
        versions = np.empty(len(self.nodes), dtype=np.int64)
        by_node = any(hint.node is not None for hint in hints.values())
        for i, node in enumerate(self.nodes):
            scope = (node.zone, i if by_node else -1)
            if scope not in by_scope:
                own = served(ready, hints, node.zone, i)
                by_scope[scope] = self.timeline.add_version(tuple(server for _, server in own))
            versions[i] = by_scope[scope]
        return versions

    def _home(self, uid: int) -> int:
        """The node that a slice says a pod is on, -1 for none; one written by hand is outside the cluster."""
        pod = self.pods[uid]
        return pod.node if pod.node >= 0 else self.node_index.get(pod.template.node_name or "", -1)

    def _of_each_node(self, view: View) -> Int64:
        """By node, its own ready endpoints, else its own serving ones that terminate (CategorizeEndpoints).

        A node without any holds the empty list where there is none anywhere, else DROPPED; of `near` it holds
        all there are (pkg/proxy/ipvs/proxier.go syncEndpoint); of `health` it is DROPPED wherever no own
        endpoint is ready (pkg/proxy/healthcheck/service_health.go).
        """
        ready: dict[int, list[tuple[str, int]]] = {}
        fallback: dict[int, list[tuple[str, int]]] = {}
        for uid, one in self._state(view).listed.items():
            entry = self._entry(view, uid, one.sandbox)
            if entry is not None and one.said.ready:
                ready.setdefault(self._home(uid), []).append(entry)
            elif entry is not None and one.said.serving and one.said.terminating:
                fallback.setdefault(self._home(uid), []).append(entry)
        empty = self.timeline.add_version(())
        health = view.kind == "health"
        nowhere = not ready and not fallback and not health
        none = self.timeline.add_version(self._list(view)) if view.kind == "near" else DROPPED
        versions = np.full(len(self.nodes), empty if nowhere else none, dtype=np.int64)
        for node, own in (ready if health else {**fallback, **ready}).items():
            if node >= 0:
                servers = () if health else tuple(server for _, server in sorted(own))
                versions[node] = self.timeline.add_version(servers)
        return versions

    def slices_written(self, state: ServiceState, change: Change) -> None:
        """One of a Service's slices changed: all observers will hear of it, whether a list changed or not."""
        told: list[tuple[int, int | Int64]] = []
        for view in self.topology.views_of_service.get(state.service.key, ()):
            if view.kind == "targets":
                continue
            version = self._new_version(view)
            if version is not None:
                change.versions.append((view.index, version))
            scoped = self._scoped(view)
            if scoped is None:
                if version is not None:
                    told.append((view.index, version))
                continue
            before = self._node_versions.get(view.index)
            self._node_versions[view.index] = scoped
            turned = scoped if before is None else np.where(scoped == before, -1, scoped)
            if (turned != -1).any():
                told.append((view.index, turned))
        self.slice_observers.written(self.loop.now, told)
        self.changes.append(change)

    def _pod_views_changed(self, pod: Pod) -> None:
        now = self.loop.now
        for view, _, _ in self.placements(pod):
            if view.kind == "pods":
                version = self._new_version(view)
                if version is not None:
                    versions = [(view.index, version)]
                    self.pod_observers.written(now, versions)
                    self.pod_changes.append(
                        Change(service=-1, visible_ns=now, sync_ns=now, write_ns=now, versions=versions)
                    )

    def _self_views_changed(self, pod: Pod) -> None:
        for view, _, _ in self.placements(pod):
            if view.kind == "self":
                version = self._new_version(view)
                if version is not None:
                    observer = self.topology.self_observer
                    self.timeline.belief(self.loop.now, observer, view.index, version)
