"""When probes succeed and fail: arithmetic of phase and period (pkg/kubelet/prober/worker.go).

A steady container costs no events: a probe's instants are known from when its clock started, and are only
asked for when the answer can change. A *clock* here is a list of tick instants: base, base + period, ...
"""

from __future__ import annotations

from dataclasses import dataclass

from svcsim.controlplane.loop import SECOND
from svcsim.kube import Probe

__all__ = ["Startup", "failing_from", "first_tick", "next_tick", "readiness_success", "startup_of"]


def first_tick(base_ns: int, period_ns: int, from_ns: int) -> int:
    """The first base + k * period (k >= 0) that is >= from_ns.

    >>> first_tick(3, 10, 14)
    23
    """
    if from_ns <= base_ns:
        return base_ns
    return base_ns - (base_ns - from_ns) // period_ns * period_ns


def next_tick(base_ns: int, period_ns: int, after_ns: int) -> int:
    """The first base + k * period that is > after_ns, also for k < 0.

    >>> next_tick(3, 10, 13)
    23
    """
    return base_ns + ((after_ns - base_ns) // period_ns + 1) * period_ns


def readiness_success(
    probe: Probe, *, started_ns: int, listening_ns: int, worker_ns: int, relist_ns: int
) -> tuple[int, int]:
    """The instant of the probe that makes a starting container ready, and the clock's base from then on.

    started_ns: the process runs. listening_ns: it answers from then on. worker_ns: the worker's own first
    probe (its ticks follow). relist_ns: the first relist that saw the container run, upon which the kubelet
    probes at once and restarts the worker's clock (prober_manager.go `UpdatePodStatus`).
    """
    period = probe.period_seconds * SECOND
    from_ns = max(listening_ns, started_ns + probe.initial_delay_seconds * SECOND)
    need = probe.success_threshold - 1
    before = first_tick(worker_ns, period, max(from_ns, started_ns))
    if before + need * period < relist_ns:
        return before + need * period, worker_ns
    successes_before = max(0, (relist_ns - before - 1) // period + 1) if before < relist_ns else 0
    at = first_tick(relist_ns, period, from_ns)
    return at + max(0, need - successes_before) * period, relist_ns


def failing_from(probe: Probe, *, base_ns: int, from_ns: int) -> int:
    """The instant of the probe that turns a container not ready, if it fails every probe from from_ns on."""
    period = probe.period_seconds * SECOND
    return first_tick(base_ns, period, from_ns) + (probe.failure_threshold - 1) * period


@dataclass(frozen=True, kw_only=True)
class Startup:
    """What startup and liveness probes make of a start: when the readiness worker may begin, or the kill."""

    ready_from_ns: int
    kill_ns: int | None


def startup_of(
    startup: Probe | None, liveness: Probe | None, *, started_ns: int, listening_ns: int, worker_ns: int
) -> Startup:
    """Startup and liveness probes of a container that answers from listening_ns on.

    The startup probe gates the others; whichever fails `failureThreshold` times in a row kills the container
    (prober/worker.go `doProbe`).
    """
    gate = started_ns
    if startup is not None:
        period = startup.period_seconds * SECOND
        from_ns = started_ns + startup.initial_delay_seconds * SECOND
        first = first_tick(worker_ns, period, from_ns)
        good = first_tick(worker_ns, period, max(from_ns, listening_ns))
        last = first + (startup.failure_threshold - 1) * period
        if good > last:
            return Startup(ready_from_ns=good, kill_ns=last)
        gate = good
    if liveness is not None:
        period = liveness.period_seconds * SECOND
        from_ns = max(gate, started_ns + liveness.initial_delay_seconds * SECOND)
        first = first_tick(worker_ns, period, from_ns)
        last = first + (liveness.failure_threshold - 1) * period
        if last < listening_ns:
            return Startup(ready_from_ns=gate, kill_ns=last)
    return Startup(ready_from_ns=gate, kill_ns=None)
