"""The kubelet of every node: start, probes, restart, termination, teardown (pkg/kubelet).

A container's end is noticed at the node's next relist (pleg/generic.go: a second after the last one ended); a
node's relist phase is drawn once. What the kubelet decides becomes visible at the API server through one
queue to a node, a patch after the other (status_manager.go), each taking a `status` lag. A node that is cut
off keeps its patches until it has reconnected; one without power forgets everything (`nodelifecycle`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import ContainerRun, Pod
from svcsim.controlplane.prober import Prober
from svcsim.controlplane.probes import failing_from, first_tick, readiness_success, startup_of
from svcsim.dataplane.contract import NEVER, Ask, TruthKind
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Kubelet"]

RELIST_NS = SECOND + 900_000  # measured: a second, and 0.9 ms for the relist itself
REPROBE_MISSED = 0.018  # measured: share of starts whose relist brings no probe
WAITING_SHOWN = 0.73  # measured: share of starts whose waiting state is patched on its own
MIN_GRACE_NS = 2 * SECOND
STATUS_BATCH_NS = 10 * SECOND  # status_manager.go syncPeriod
BACKOFF_NS = 10 * SECOND
BACKOFF_MAX_NS = 300 * SECOND


class Kubelet:
    """All nodes' kubelets; each pod's containers are driven by callbacks guarded by the container's life."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.prober = Prober(plane)
        self._phase = [
            int(plane.dice.unit(Purpose.PHASE, f"relist/{node.name}") * RELIST_NS) for node in plane.nodes
        ]
        self._status_free = [0] * len(plane.nodes)
        self._power = [0] * len(plane.nodes)
        self._away: set[int] = set()
        self._held: dict[int, list[tuple[Callable[..., Any], Pod]]] = {}

    def relist_after(self, node: int, t_ns: int) -> int:
        """The node's first relist at or after t_ns."""
        return first_tick(self._phase[node] - 2 * RELIST_NS, RELIST_NS, t_ns)

    def _patched(self, pod: Pod) -> int:
        """The instant at which a status patch asked for now is visible."""
        plane = self._plane
        begin = max(plane.loop.now, self._status_free[pod.node])
        self._status_free[pod.node] = begin + plane.dice.lag("status", f"node/{plane.nodes[pod.node].name}")
        return plane.awake("kube-apiserver", self._status_free[pod.node])

    def _patch(self, pod: Pod, do: Callable[..., Any]) -> None:
        """do(pod) when a patch asked for now is visible, or after the node has reconnected."""
        if pod.node in self._away:
            self._held.setdefault(pod.node, []).append((do, pod))
        else:
            self._at(pod, self._patched(pod), do, pod)

    def _at(self, pod: Pod, t_ns: int, do: Callable[..., Any], *args: Any) -> None:
        """do(*args) at t_ns, unless the pod's node has lost its power by then."""
        self._plane.loop.at(t_ns, self._if_powered, pod.node, self._power[pod.node], do, args)

    def _if_powered(self, node: int, power: int, do: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self._power[node] == power:
            do(*args)

    # -- nodes that are lost, and come back

    def cut_off(self, node: int) -> None:
        """The node reaches the API server no more; its pods run on."""
        self._away.add(node)

    def cut_off_now(self, node: int) -> bool:
        """Whether nobody reaches the node's kubelet."""
        return node in self._away

    def reconnected(self, node: int) -> None:
        """Held patches go out; what happened meanwhile is seen: bindings, deletions, readiness taken away."""
        plane = self._plane
        self._away.discard(node)
        for do, pod in self._held.pop(node, []):
            self._patch(pod, do)
        for pod in plane.pods:
            if pod.node != node or pod.gone:
                continue
            if pod.admitted_ns == -1 and not pod.deleting:
                self.bound(pod)
            elif pod.deleting and not pod.terminating:
                self.deletion_seen(pod)
            elif not pod.terminal and pod.has_ip:
                phase = int(
                    plane.dice.unit(Purpose.PHASE, f"status/{plane.nodes[node].name}") * STATUS_BATCH_NS
                )
                plane.loop.at(
                    first_tick(phase, STATUS_BATCH_NS, plane.loop.now), self._patch, pod, self._patch_ready
                )

    def power_lost(self, node: int) -> None:
        """Everything that ran on the node is gone without a word, and so is what the kubelet meant to do."""
        plane = self._plane
        self._away.add(node)
        self._power[node] += 1
        self._held.pop(node, None)
        for pod in plane.pods:
            if pod.node != node or pod.gone:
                continue
            for run in pod.containers:
                if run.running and run.listening_ns >= plane.loop.now and run.listen_handle is not None:
                    plane.timeline.cancel(run.listen_handle)
                run.running = run.accepting = run.ready = False
                run.life += 1
            pod.admitted_ns = -1
            if pod.addressed:
                plane.address_released(pod, reused=False)

    def booted(self, node: int) -> None:
        """The machine is up again: pods that were deleted go, the others start anew (kubelet `syncPod`)."""
        plane = self._plane
        self._away.discard(node)
        self._status_free[node] = plane.loop.now
        self._phase[node] = int(plane.loop.now % RELIST_NS)
        for pod in plane.pods:
            if pod.node != node or pod.gone:
                continue
            if pod.deleting or pod.terminating:
                self._patch(pod, plane.pod_gone)
            elif pod.terminal:
                continue
            elif pod.template.restart_policy == "Never" and pod.started_ns != -1:
                self._patch(pod, self._show_terminal)
            else:
                if pod.ready:
                    self._patch(pod, self._patch_ready)
                pod.restarts += pod.started_ns != -1
                self.bound(pod)

    # -- start

    def bound(self, pod: Pod) -> None:
        """The pod was bound to its node."""
        plane = self._plane
        if pod.node in self._away:
            return
        self._at(pod, plane.loop.now + plane.dice.lag("kubelet", f"admit/{pod.name}"), self._admit, pod)

    def _admit(self, pod: Pod) -> None:
        plane = self._plane
        if pod.terminating or pod.gone or pod.admitted_ns != -1:
            return
        pod.admitted_ns = plane.loop.now
        delay = plane.dice.lag("pull", pod.name) + plane.dice.lag("start", pod.name)
        self._at(pod, plane.loop.now + delay, self._start, pod)

    def _start(self, pod: Pod) -> None:
        """The sandbox is up: the pod has an address, and its containers run."""
        plane = self._plane
        if pod.terminating or pod.gone:
            return
        now = plane.loop.now
        if pod.started_ns != -1:
            plane.new_servers(pod)
        pod.started_ns = now
        pod.sandboxes += 1
        pod.ip = plane.next_ip(pod.node)
        plane.address_given(pod)
        for run in pod.containers:
            run.worker_ns = now
            self._run(pod, run)
        if plane.dice.unit(Purpose.PHASE, f"waiting/{pod.name}") < WAITING_SHOWN:
            self._patched(pod)
        self._patch(pod, self._show_running)

    def _show_running(self, pod: Pod) -> None:
        if pod.gone or pod.terminal:
            return
        if not pod.has_ip or pod.sandboxes > 1:
            self._patch_ready(pod)

    def _run(self, pod: Pod, run: ContainerRun) -> None:
        """A container's process starts; everything its probes will say follows from here."""
        plane = self._plane
        now = plane.loop.now
        run.life += 1
        run.running = True
        run.started_ns = now
        name = f"{pod.name}/{run.spec.name}"
        run.listening_ns = now + plane.dice.duration(run.behaviour.startup, f"startup/{name}", run.life)
        if run.server is not None:
            run.listen_handle = plane.timeline.truth(run.listening_ns, run.server, TruthKind.LISTEN)
        plane.loop.at(run.listening_ns, self._accepts, run, run.life)
        plane.metrics.started(pod, run)
        if self.prober.takes_time(run):
            self._probe(pod, run, name)
            return
        fate = startup_of(
            run.spec.startup,
            run.spec.liveness,
            started_ns=now,
            listening_ns=run.listening_ns,
            worker_ns=run.worker_ns,
        )
        if fate.kill_ns is not None:
            plane.loop.at(fate.kill_ns, self._liveness_kill, pod, run, run.life)
            if fate.kill_ns <= run.listening_ns:
                return
        if run.spec.readiness is None:
            if fate.ready_from_ns <= now:
                run.ready = True
                return
            ready_ns = fate.ready_from_ns
        else:
            relist = self.relist_after(pod.node, now)
            if plane.dice.unit(Purpose.PHASE, f"reprobe/{name}", run.life) < REPROBE_MISSED:
                relist = NEVER
            ready_ns, run.worker_ns = readiness_success(
                run.spec.readiness,
                started_ns=max(now, fate.ready_from_ns),
                listening_ns=run.listening_ns,
                worker_ns=run.worker_ns,
                relist_ns=max(relist, fate.ready_from_ns),
            )
        plane.loop.at(ready_ns, self._probe_ready, pod, run, run.life)

    def _probe(self, pod: Pod, run: ContainerRun, name: str) -> None:
        """Probes of a starting container, one by one; the relist that sees it run asks for one more."""
        plane = self._plane
        if run.spec.readiness is None and run.spec.startup is None:
            run.ready = True
        self.prober.start(pod, run, self.probe_turned)
        if plane.dice.unit(Purpose.PHASE, f"reprobe/{name}", run.life) >= REPROBE_MISSED:
            plane.loop.at(self.relist_after(pod.node, plane.loop.now), self.prober.probe_now, run)

    def probe_turned(self, role: str, pod: Pod, run: ContainerRun, life: int, good: bool) -> None:
        """A probe's verdict turned."""
        if run.life != life or not run.running or pod.gone:
            return
        if role == "readiness" or (role == "startup" and good and run.spec.readiness is None):
            run.ready = good
            self._show_readiness(pod)
        elif not good:
            probe = run.spec.startup if role == "startup" else run.spec.liveness
            assert probe is not None
            self._liveness_kill(pod, run, life, probe.termination_grace_period_seconds)

    @staticmethod
    def _accepts(run: ContainerRun, life: int) -> None:
        if run.life == life and run.running:
            run.accepting = True

    # -- readiness

    def _probe_ready(self, pod: Pod, run: ContainerRun, life: int) -> None:
        """A readiness probe succeeded often enough (or there is none and the relist saw it run)."""
        plane = self._plane
        if run.life != life or not run.running or pod.gone:
            return
        if plane.loop.now < run.failing_until_ns and run.spec.readiness is not None:
            self._recover(pod, run)
            return
        run.ready = True
        self._show_readiness(pod)

    def _probe_not_ready(self, pod: Pod, run: ContainerRun, life: int, until_ns: int) -> None:
        if run.life != life or not run.running or run.failing_until_ns != until_ns:
            return
        run.ready = False
        self._show_readiness(pod)

    def _recover(self, pod: Pod, run: ContainerRun) -> None:
        """The probes succeed again from failing_until_ns on."""
        probe = run.spec.readiness
        assert probe is not None
        period = probe.period_seconds * SECOND
        at = first_tick(run.worker_ns, period, run.failing_until_ns) + (probe.success_threshold - 1) * period
        self._plane.loop.at(at, self._probe_ready, pod, run, run.life)

    def fail_readiness(self, pod: Pod, for_ns: int) -> None:
        """From now on and for a while the application answers its readiness probes with failure."""
        plane = self._plane
        now = plane.loop.now
        for run in pod.containers:
            if run.spec.readiness is None:
                continue
            run.failing_until_ns = now + for_ns
            if not run.running or self.prober.takes_time(run):
                continue
            at = failing_from(run.spec.readiness, base_ns=run.worker_ns, from_ns=now)
            if at < run.failing_until_ns and run.ready:
                plane.loop.at(at, self._probe_not_ready, pod, run, run.life, run.failing_until_ns)
                self._recover(pod, run)
        if all(run.spec.readiness is None for run in pod.containers):
            plane.warn_once(f"unready: {pod.workload} has no readiness probe, so it stays ready")

    def _show_readiness(self, pod: Pod) -> None:
        """PATCH the pod's Ready condition."""
        self._patch(pod, self._patch_ready)

    def _patch_ready(self, pod: Pod) -> None:
        ready = all(run.ready for run in pod.containers) and not pod.terminal
        if ready and pod.template.readiness_gates:
            ready = self._gates_true(pod)
        if pod.gone or (pod.has_ip and ready == pod.ready and pod.sandboxes == pod.sandbox_shown):
            return
        pod.has_ip = True
        pod.sandbox_shown = pod.sandboxes
        if ready != pod.ready:
            pod.ready = ready
            pod.ready_since_ns = self._plane.loop.now
        self._plane.pod_changed(pod)

    def _gates_true(self, pod: Pod) -> bool:
        """Readiness gates: whoever sets them looks once all containers are ready, and takes its time."""
        plane = self._plane
        if pod.gated_ns < 0 and not pod.gate_asked:
            pod.gate_asked = True
            law = pod.containers[0].behaviour.readiness_gate
            delay = plane.dice.duration(law, f"gate/{pod.name}", pod.sandboxes)
            self._at(pod, plane.loop.now + delay, self._gate_passed, pod)
        return pod.gated_ns >= 0

    def _gate_passed(self, pod: Pod) -> None:
        pod.gated_ns = self._plane.loop.now
        self._show_readiness(pod)

    # -- crash and restart

    def crash(self, pod: Pod) -> None:
        """Every container's process ends at once (an exit of its own or SIGKILL); its address stays."""
        for run in pod.containers:
            if run.running:
                self._ended(run)
                if not pod.terminating:
                    self._notice_exit(pod, run, killed=False)

    def _liveness_kill(self, pod: Pod, run: ContainerRun, life: int, grace_s: int | None = None) -> None:
        """A failed startup or liveness probe: SIGTERM, grace (its own, if any), then as after a crash."""
        if run.life != life or not run.running or pod.terminating:
            return
        if grace_s is None:
            grace_s = pod.template.termination_grace_period_seconds
        kill_ns = self._plane.loop.now + grace_s * SECOND
        end_ns = self._plane.loop.now
        if run.behaviour.on_sigterm == "ignore":
            end_ns = kill_ns
        self._plane.loop.at(end_ns, self._liveness_killed, pod, run, life)

    def _liveness_killed(self, pod: Pod, run: ContainerRun, life: int) -> None:
        if run.life != life or not run.running or pod.terminating:
            return
        self._ended(run)
        self._notice_exit(pod, run, killed=True)

    def _ended(self, run: ContainerRun) -> None:
        """The process is gone now: nobody listens, and what it worked on is cut."""
        plane = self._plane
        self._closed(run)
        run.running = False
        run.life += 1
        run.ended_ns = plane.loop.now
        if run.server is not None:
            plane.timeline.truth(plane.loop.now, run.server, TruthKind.CUT)

    def _closed(self, run: ContainerRun) -> None:
        """The listener closes now (or will never open)."""
        plane = self._plane
        run.accepting = False
        if run.server is not None:
            if run.listening_ns >= plane.loop.now and run.listen_handle is not None:
                plane.timeline.cancel(run.listen_handle)
            plane.timeline.truth(plane.loop.now, run.server, TruthKind.CLOSE)

    def _notice_exit(self, pod: Pod, run: ContainerRun, *, killed: bool) -> None:
        """The relist sees the exit: not ready, and a restart with back-off (kuberuntime `doBackOff`)."""
        plane = self._plane
        relist = plane.loop.now if killed else self.relist_after(pod.node, plane.loop.now)
        plane.loop.at(relist, self._exit_seen, pod, run, run.life)

    def _exit_seen(self, pod: Pod, run: ContainerRun, life: int) -> None:
        plane = self._plane
        if run.life != life or pod.terminating:
            return
        run.ready = False
        self._show_readiness(pod)
        restart = pod.template.restart_policy
        if restart == "Never":
            if all(not other.running for other in pod.containers):
                self._patch(pod, self._show_terminal)
            return
        if run.ended_ns - run.started_ns >= 2 * BACKOFF_MAX_NS:
            run.backoffs = 0
        backoff = 0 if run.backoffs == 0 else min(BACKOFF_NS << (run.backoffs - 1), BACKOFF_MAX_NS)
        run.backoffs += 1
        pod.restarts += 1
        at = max(plane.loop.now, run.ended_ns + backoff) + plane.dice.lag("start", pod.name)
        plane.loop.at(at, self._restart, pod, run, life)

    def _restart(self, pod: Pod, run: ContainerRun, life: int) -> None:
        if run.life != life or pod.terminating:
            return
        run.worker_ns = self._plane.loop.now
        self._run(pod, run)
        if run.ready:
            self._show_readiness(pod)

    def _show_terminal(self, pod: Pod) -> None:
        if not pod.gone and not pod.terminal:
            pod.terminal = True
            pod.ready = False
            self._plane.pod_changed(pod)

    # -- termination

    def deletion_seen(self, pod: Pod) -> None:
        """deletionTimestamp is visible; the kubelet acts after its lag (kuberuntime `killContainer`)."""
        plane = self._plane
        if pod.node in self._away:
            return
        self._at(pod, plane.loop.now + plane.dice.lag("kubelet", f"kill/{pod.name}"), self._terminate, pod)

    def _terminate(self, pod: Pod) -> None:
        plane = self._plane
        if pod.terminating:
            return
        pod.terminating = True
        now = plane.loop.now
        if not pod.ip:
            self._patch(pod, plane.pod_gone)
            return
        grace = pod.template.termination_grace_period_seconds * SECOND
        for run in pod.containers:
            if not run.running:
                continue
            hook = 0
            if run.spec.pre_stop is not None:
                hook = min(plane.pre_stop_ns(run), grace)
            plane.loop.at(now + hook, self._sigterm, pod, run, run.life, max(grace - hook, MIN_GRACE_NS))
        self._maybe_stopped(pod)

    def _sigterm(self, pod: Pod, run: ContainerRun, life: int, left_ns: int) -> None:
        plane = self._plane
        if run.life != life or not run.running:
            self._maybe_stopped(pod)
            return
        now = plane.loop.now
        plane.sigterm(pod)
        kill_ns = now + left_ns
        behaviour = run.behaviour
        if behaviour.on_sigterm == "exit" or not run.accepting:
            plane.loop.at(now + plane.dice.lag("exit", pod.name), self._exit, pod, run, life)
        elif behaviour.on_sigterm == "ignore":
            plane.loop.at(kill_ns, self._exit, pod, run, life)
        else:
            lame_duck = behaviour.lame_duck_ns if behaviour.on_sigterm == "lameDuck" else 0
            plane.loop.at(kill_ns, self._exit, pod, run, life)
            if lame_duck < left_ns:
                plane.loop.at(now + lame_duck, self._drain, pod, run, life, kill_ns)

    def _drain(self, pod: Pod, run: ContainerRun, life: int, kill_ns: int) -> None:
        """The listener closes; the process ends when its last request does, or at the kill."""
        plane = self._plane
        if run.life != life or not run.running:
            return
        now = plane.loop.now
        end_ns = now
        if run.server is not None:
            plane.advance(now)
            end_ns = plane.ask(run.server, Ask.DRAIN_END)
        self._closed(run)
        probe = run.spec.readiness
        if probe is not None and run.ready and not self.prober.takes_time(run):
            run.failing_until_ns = max(run.failing_until_ns, kill_ns)
            at = failing_from(probe, base_ns=run.worker_ns, from_ns=now)
            plane.loop.at(at, self._probe_not_ready, pod, run, life, run.failing_until_ns)
        if end_ns < kill_ns:
            plane.loop.at(end_ns, self._drained, pod, run, life)

    def _drained(self, pod: Pod, run: ContainerRun, life: int) -> None:
        """The last request has ended: the process exits of its own, and there is nothing left to cut."""
        if run.life != life or not run.running:
            return
        run.running = False
        run.life += 1
        run.ended_ns = self._plane.loop.now
        self._maybe_stopped(pod)

    def _exit(self, pod: Pod, run: ContainerRun, life: int) -> None:
        if run.life != life or not run.running:
            return
        self._ended(run)
        self._maybe_stopped(pod)

    def _maybe_stopped(self, pod: Pod) -> None:
        """Once every container has ended: tear the sandbox down, then the object goes."""
        if any(run.running for run in pod.containers) or pod.ended_seen:
            return
        pod.ended_seen = True
        plane = self._plane
        now = plane.loop.now
        self._at(pod, now + plane.dice.lag("teardown", pod.name), plane.address_released, pod)
        stopped = now + plane.dice.lag("stop", pod.name)
        self._at(pod, stopped, self._stopped, pod)
        self._at(pod, self.relist_after(pod.node, stopped), self._remove, pod)

    def _stopped(self, pod: Pod) -> None:
        """The sandbox is down: the pod's phase becomes Succeeded or Failed."""
        self._patch(pod, self._show_terminal)

    def _remove(self, pod: Pod) -> None:
        """The relist after it finds nothing left: the kubelet deletes the object."""
        self._patch(pod, self._plane.pod_gone)
