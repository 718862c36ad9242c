"""t = 0: everything declared is Running, Ready and programmed; clock phases and ages are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import DaemonSet, Deployment, Pod, ReplicaSet, StatefulSet
from svcsim.dataplane.contract import TruthKind
from svcsim.kube import AdoptedPod, BarePod, Workload
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Initial"]

AGE_MIN_NS = 3600 * SECOND
AGE_MAX_NS = 24 * 3600 * SECOND


class Initial:
    """Creates the objects of a scenario's manifests as they are before anything happens."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def create(self) -> None:
        """Create every workload and bare pod."""
        manifests = self._plane.scenario.manifests
        for workload in manifests.workloads:
            self._workload(workload)
        for bare in manifests.pods:
            self._bare(bare)

    def _workload(self, workload: Workload) -> None:
        plane = self._plane
        key = workload.key
        if key.kind == "StatefulSet":
            self._stateful(workload)
            return
        if key.kind == "DaemonSet":
            self._daemon(workload)
            return
        deployment: Deployment | None = None
        if key.kind == "Deployment":
            deployment = Deployment(workload=workload, replicas=workload.replicas, template=workload.template)
            plane.workload_deployments[key] = deployment
        rs = ReplicaSet(
            name=f"{key}/r1",
            workload=key,
            template=workload.template,
            replicas=workload.replicas,
            min_ready_ns=workload.min_ready_seconds * SECOND,
            revision=1,
            deployment=deployment,
            desired=workload.replicas,
        )
        if deployment is not None:
            plane.deployments.annotate(deployment, rs)
            deployment.sets.append(rs)
        else:
            plane.workload_sets[key] = rs
        adopted = _present(workload)
        for i in range(workload.replicas):
            rs.created += 1
            pod = plane.make_pod(f"{rs.name}/{rs.created}", key, workload.template, rs)
            rs.pods.append(pod)
            self._start(pod, adopted[i] if i < len(adopted) else None)
        n = sum(1 for pod in rs.pods if pod.ready)
        rs.status = (len(rs.pods), n, n)

    def _stateful(self, workload: Workload) -> None:
        plane = self._plane
        stateful = StatefulSet(
            workload=workload,
            replicas=workload.replicas,
            template=workload.template,
            current=(1, workload.template),
            min_ready_ns=workload.min_ready_seconds * SECOND,
        )
        plane.workload_stateful[workload.key] = stateful
        by_name = {pod.name: pod for pod in _present(workload)}
        for ordinal in range(workload.replicas):
            pod = plane.stateful_sets.create(stateful, ordinal, scheduled=False)
            self._start(pod, by_name.get(f"{workload.key.name}-{ordinal}"))

    def _daemon(self, workload: Workload) -> None:
        plane = self._plane
        daemon = DaemonSet(
            workload=workload,
            template=workload.template,
            min_ready_ns=workload.min_ready_seconds * SECOND,
        )
        plane.workload_daemons[workload.key] = daemon
        for node in range(len(plane.nodes)):
            self._start(plane.daemon_sets.create(daemon, node, scheduled=False), None)

    def _bare(self, bare: BarePod) -> None:
        plane = self._plane
        pod = plane.make_pod(f"{bare.key}", bare.key, bare.template, None)
        if bare.address is None:
            self._start(pod, bare.state)
        else:
            self._lives(pod, bare.address, AGE_MAX_NS)

    def _lives(self, pod: Pod, ip: str, age_ns: int) -> None:
        """The pod, or an endpoint outside the cluster, is Ready, and has been so for its age."""
        plane = self._plane
        pod.created_ns = pod.admitted_ns = pod.started_ns = pod.ready_since_ns = -age_ns
        pod.ip = ip
        pod.has_ip = True
        pod.sandboxes = pod.sandbox_shown = 1
        pod.gated_ns = 0
        pod.ready = True
        plane.address_given(pod)
        for run in pod.containers:
            run.life = 1
            run.running = run.accepting = run.ready = True
            run.started_ns = run.listening_ns = -age_ns
            plane.metrics.started(pod, run)
            if run.server is not None:
                plane.timeline.truth(0, run.server, TruthKind.LISTEN)
            if pod.node >= 0 and plane.kubelet.prober.takes_time(run):
                plane.kubelet.prober.start(pod, run, plane.kubelet.probe_turned, running=True)
        for state in plane.services_of(pod):
            state.pods[pod.uid] = pod

    def _start(self, pod: Pod, adopted: AdoptedPod | None) -> None:
        """The pod runs, is ready and has been so for its age; without room it stays pending."""
        plane = self._plane
        node = -1
        if adopted is not None and adopted.node_name is not None:
            node = plane.node_index.get(adopted.node_name, -1)
        if node < 0:
            node = plane.scheduler.choose(pod)
        if node < 0:
            plane.warn_once(
                f"{pod.workload}: no node has room for some of its pods; they stay Pending (add nodes, or "
                "raise their pods limit)"
            )
            plane.unschedulable.append(pod)
            return
        plane.scheduler.assume(pod, node)
        behaviour = pod.containers[0].behaviour
        age = behaviour.age_ns
        if age is None:
            spread = plane.dice.unit(Purpose.AGE, pod.name)
            age = AGE_MIN_NS + int(spread * (AGE_MAX_NS - AGE_MIN_NS))
        if adopted is not None:
            latest = plane.scenario.manifests.latest_timestamp
            if adopted.start_time is not None and latest is not None:
                age = max(round((latest - adopted.start_time).total_seconds()), 1) * SECOND
            pod.restarts = adopted.restarts
        ip = (adopted.ip if adopted is not None and adopted.ip else None) or plane.next_ip(node)
        for run in pod.containers:
            if run.spec.readiness is not None:
                period = run.spec.readiness.period_seconds * SECOND
                run.worker_ns = int(
                    plane.dice.unit(Purpose.PHASE, f"probe/{pod.name}/{run.spec.name}") * period
                )
        self._lives(pod, ip, age)


def _present(workload: Workload) -> list[AdoptedPod]:
    """The pods of a dump that are there to stay."""
    return [p for p in workload.pods if not p.deleting and p.phase in ("Running", "Pending", "Unknown")]
