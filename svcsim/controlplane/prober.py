"""Probes that take time: workers of the kubelet's prober, tick by tick (pkg/kubelet/prober/worker.go).

Used where a scenario says how long a probe takes, or that probes compete for the pod's workers
(`workloads.*.probe`); elsewhere probes are arithmetic (`probes`). A probe that competes is a job at the pod's
server (contract R17), and one more at each retransmission of a SYN that nobody answered: HTTP and gRPC need a
worker and their time, TCP a place in the accept queue only. Exec probes run beside the server. A probe fails
when it is refused or not done within timeoutSeconds; what it asked for is served all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import ContainerRun, Pod
from svcsim.controlplane.probes import next_tick
from svcsim.controlplane.topology import syn_ladder
from svcsim.dataplane.contract import Job, Outcome
from svcsim.kube import Probe
from svcsim.rng import Purpose
from svcsim.scenario import WorkloadBehaviour

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Prober", "Streak"]

_NO_TIME = WorkloadBehaviour().probe_time

Role = Literal["startup", "liveness", "readiness"]


@dataclass
class Streak:
    """Equal results in a row, and what the thresholds have made of them (`resultRun`, `lastResult`).

    >>> streak = Streak(result=False)
    >>> [streak.add(good, success=2, failure=3) for good in (True, True, False, False, False, True)]
    [None, True, None, None, False, None]
    """

    result: bool
    last: bool | None = None
    run: int = 0

    def add(self, good: bool, *, success: int, failure: int) -> bool | None:
        """Add a result; the new verdict if this one turns it, else None."""
        self.run = self.run + 1 if good == self.last else 1
        self.last = good
        if self.run < (success if good else failure) or self.result == good:
            return None
        self.result = good
        return good


@dataclass(kw_only=True, eq=False)
class _Worker:
    """One probe of one life of a container. base_ns: a tick of its clock.
    asked_ns: when its last probe began; asking: it is under way."""

    pod: Pod
    run: ContainerRun
    life: int
    role: Role
    probe: Probe
    base_ns: int
    streak: Streak
    turned: Callable[[Pod, ContainerRun, int, bool], None]
    count: int = 0
    asking: bool = False
    asked_ns: int = 0

    @property
    def alive(self) -> bool:
        return self.run.life == self.life and self.run.running


class Prober:
    """Every probe worker of every node that is not arithmetic."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._jobs = 0
        self._ladder_ns = [k * SECOND for k in syn_ladder(plane.scenario.cluster.kernel)[0]]
        self._readiness: dict[int, _Worker] = {}

    @staticmethod
    def takes_time(run: ContainerRun) -> bool:
        """Whether the container's probes are simulated one by one."""
        return run.behaviour.probe_competes or run.behaviour.probe_time != _NO_TIME

    def start(
        self,
        pod: Pod,
        run: ContainerRun,
        turned: Callable[[str, Pod, ContainerRun, int, bool], None],
        *,
        running: bool = False,
    ) -> None:
        """A container runs: its startup probe, then the others; `running`: since before the run, all is well.

        turned(role, pod, run, life, good) is called when a verdict turns.
        """
        if run.spec.startup is not None and not running:
            self._begin(pod, run, "startup", run.spec.startup, turned)
        else:
            self._others(pod, run, turned, running=running)

    def _others(
        self,
        pod: Pod,
        run: ContainerRun,
        turned: Callable[[str, Pod, ContainerRun, int, bool], None],
        *,
        running: bool,
    ) -> None:
        if run.spec.liveness is not None:
            self._begin(pod, run, "liveness", run.spec.liveness, turned, running=running)
        if run.spec.readiness is not None:
            self._begin(pod, run, "readiness", run.spec.readiness, turned, running=running)

    def _begin(
        self,
        pod: Pod,
        run: ContainerRun,
        role: Role,
        probe: Probe,
        turned: Callable[[str, Pod, ContainerRun, int, bool], None],
        *,
        running: bool = False,
    ) -> None:
        """The first tick, once initialDelaySeconds have passed since the start."""
        plane = self._plane
        period = probe.period_seconds * SECOND

        def report(pod: Pod, run: ContainerRun, life: int, good: bool) -> None:
            if role == "startup" and good:
                self._others(pod, run, turned, running=False)
            turned(role, pod, run, life, good)

        first = plane.loop.now
        if running:
            name = f"probe/{role}/{pod.name}/{run.spec.name}"
            first += int(plane.dice.unit(Purpose.PHASE, name) * period)
        elif first < run.started_ns + probe.initial_delay_seconds * SECOND:
            first = next_tick(first, period, run.started_ns + probe.initial_delay_seconds * SECOND - 1)
        # a liveness probe starts out as a success, the others as failures (worker.go `newWorker`)
        worker = _Worker(
            pod=pod,
            run=run,
            life=run.life,
            role=role,
            probe=probe,
            base_ns=first,
            streak=Streak(result=running or role == "liveness"),
            turned=report,
        )
        if role == "readiness":
            self._readiness[id(run)] = worker
        plane.loop.at(first, self._tick, worker, worker.base_ns)

    def probe_now(self, run: ContainerRun) -> None:
        """A relist saw the container run: a readiness probe at once, and its clock starts anew."""
        worker = self._readiness.get(id(run))
        if worker is None or not worker.alive or worker.asking or worker.streak.result:
            return
        now = self._plane.loop.now
        if now < worker.run.started_ns + worker.probe.initial_delay_seconds * SECOND:
            return
        worker.base_ns = now
        self._tick(worker, now)

    def _tick(self, worker: _Worker, base_ns: int) -> None:
        """One probe; `base_ns`: the clock that asked for it."""
        if not worker.alive or worker.asking or base_ns != worker.base_ns:
            return
        if worker.role != "readiness" and worker.pod.terminating:
            return
        plane = self._plane
        now = plane.loop.now
        run, probe = worker.run, worker.probe
        worker.asking = True
        worker.asked_ns = now
        worker.count += 1
        timeout = probe.timeout_seconds * SECOND
        if worker.role == "readiness" and now < run.failing_until_ns:
            self._result(worker, False)
            return
        name = f"probe/{worker.role}/{worker.pod.name}/{run.spec.name}/{worker.life}"
        takes = plane.dice.duration(run.behaviour.probe_time, name, worker.count)
        competes = run.behaviour.probe_competes and run.server is not None and probe.kind != "exec"
        if not competes:
            good = (run.accepting or probe.kind == "exec") and takes <= timeout
            after = min(takes, timeout) if run.accepting or probe.kind == "exec" else 0
            plane.loop.at(now + after, self._result, worker, good)
            return
        self._send(worker, 0 if probe.kind == "tcp" else takes, now + timeout, 0)

    def _send(self, worker: _Worker, takes_ns: int, deadline_ns: int, syns: int) -> None:
        """SYN number `syns` of a probe; what it meets is known an instant later."""
        if not worker.alive:
            return
        plane = self._plane
        now = plane.loop.now
        number = self._jobs
        self._jobs += 1
        assert worker.run.server is not None
        plane.inject(
            Job(
                job=number,
                server=worker.run.server,
                at_ns=now,
                service_ns=takes_ns,
                timeout_ns=deadline_ns - now,
            )
        )
        plane.loop.at(now + 1, self._look, worker, number, takes_ns, deadline_ns, syns)

    def _look(self, worker: _Worker, job: int, takes_ns: int, deadline_ns: int, syns: int) -> None:
        """What became of a SYN so far; if nothing is settled, look again when something may be."""
        plane = self._plane
        if not worker.alive:
            return
        now = plane.loop.now
        plane.advance(now)
        result = plane.job(job)
        accepted = result.due_ns >= 0
        if worker.probe.kind == "tcp" and (accepted or result.outcome is Outcome.REJECTED):
            self._result(worker, True)
            return
        if result.outcome is not Outcome.OPEN:
            self._result(worker, result.outcome is Outcome.OK)
            return
        ladder = self._ladder_ns
        again_ns = worker.asked_ns + ladder[syns] if syns < len(ladder) else deadline_ns
        if not accepted and now <= again_ns < deadline_ns:
            plane.loop.at(again_ns, self._send, worker, takes_ns, deadline_ns, syns + 1)
            return
        settled = min(result.due_ns, deadline_ns) if accepted else deadline_ns
        plane.loop.at(max(settled, now) + 1, self._look, worker, job, takes_ns, deadline_ns, syns)

    def _result(self, worker: _Worker, good: bool) -> None:
        """Count it, tell of a turn, and wait for the next tick; one missed meanwhile comes at once."""
        plane = self._plane
        worker.asking = False
        if not worker.alive:
            return
        probe = worker.probe
        verdict = worker.streak.add(good, success=probe.success_threshold, failure=probe.failure_threshold)
        now = plane.loop.now
        if verdict is not None:
            worker.turned(worker.pod, worker.run, worker.life, verdict)
        if worker.role == "startup" and verdict:
            return
        period = probe.period_seconds * SECOND
        missed = next_tick(worker.base_ns, period, worker.asked_ns) <= now
        at = now if missed else next_tick(worker.base_ns, period, now)
        plane.loop.at(at, self._tick, worker, worker.base_ns)
