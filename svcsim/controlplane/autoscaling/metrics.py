"""CPU as autoscalers see it, late: cAdvisor samples containers, metrics-server scrapes kubelets.

A sample is the CPU time that a container has used since it started. cAdvisor takes one when it finds the
container and again after 10 to 20 s each time (manager/container.go `nextHousekeepingInterval`: 10 s and a
jitter of up to as much). Every 15 s metrics-server takes the newest sample of each container from its
kubelet, and answers with the rate between the two newest that it has (pkg/storage/pod.go `Store`,
`GetMetrics`). So a change of load shows half a minute late on average, and a new pod has no metric for its
first 10 to 40 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from svcsim.controlplane.autoscaling.replicas import Sample
from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import ContainerRun, Pod
from svcsim.dataplane.contract import Ask
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["METRIC_RESOLUTION_NS", "MetricsServer", "Point", "rate", "stored"]

HOUSEKEEPING_NS = 10 * SECOND
"""--housekeeping-interval of the kubelet's cAdvisor, before its jitter."""
METRIC_RESOLUTION_NS = 15 * SECOND
"""--metric-resolution of metrics-server, as its manifests set it."""
FRESH_CONTAINER_NS = 10 * SECOND
NANO = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """CPU nanoseconds that a container has used at an instant, and when it was started."""

    at_ns: int
    used_ns: int
    started_ns: int


Points = dict[str, Point]  # by container


def stored(new: Points, last: Points | None, previous: Points | None) -> Points:
    """The points that new ones of a pod are compared with (metrics-server pkg/storage/pod.go `Store`).

    A container younger than the resolution, but not younger than 10 s, is compared with its start; a point
    that has been seen before keeps its predecessor; after a restart there is none.
    """
    before: Points = {}
    for name, point in new.items():
        age = point.at_ns - point.started_ns
        if FRESH_CONTAINER_NS <= age < METRIC_RESOLUTION_NS:
            before[name] = Point(at_ns=point.started_ns, used_ns=0, started_ns=point.started_ns)
            continue
        old = last.get(name) if last is not None else None
        if old is None or point.started_ns >= old.at_ns:
            continue
        if point.at_ns > old.at_ns:
            before[name] = old
        elif previous is not None and name in previous and previous[name].at_ns < point.at_ns:
            before[name] = previous[name]
    return before


def rate(point: Point, before: Point) -> Sample:
    """The use between two points in thousandths of a core, rounded as nanocores and then up."""
    window_ns = point.at_ns - before.at_ns
    nanocores = (point.used_ns - before.used_ns) * NANO // window_ns
    return Sample(milli=-(-nanocores // 10**6), at_ns=point.at_ns, window_ns=window_ns)


@dataclass(kw_only=True, eq=False)
class _Watched:
    """A container in one of its lives. work_ns: what its server had done when that began."""

    pod: Pod
    run: ContainerRun
    life: int
    started_ns: int
    work_ns: int
    newest: Point | None = None
    samples: int = 0

    @property
    def alive(self) -> bool:
        return self.run.running and self.run.life == self.life


class MetricsServer:
    """Samples of the containers that some autoscaler wants to know of."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        scalers = plane.scenario.manifests.autoscalers
        self._wanted = {one.target for one in scalers if one.acts and one.metrics}
        self._watched: list[_Watched] = []
        self._last: dict[int, Points] = {}
        self._previous: dict[int, Points] = {}
        if self._wanted:
            phase = plane.dice.unit(Purpose.PHASE, "metrics-server") * METRIC_RESOLUTION_NS
            plane.loop.at(int(phase), self._scrape)

    # -- cAdvisor

    def started(self, pod: Pod, run: ContainerRun) -> None:
        """A container of the pod runs from run.started_ns on."""
        if pod.workload not in self._wanted:
            return
        plane = self._plane
        one = _Watched(
            pod=pod,
            run=run,
            life=run.life,
            started_ns=run.started_ns,
            work_ns=self._work_done(run) if run.life > 1 else 0,
        )
        self._watched.append(one)
        if run.started_ns < 0:
            first = plane.dice.unit(Purpose.PHASE, f"cadvisor/{pod.name}/{run.spec.name}")
            plane.loop.at(int(first * 1.5 * HOUSEKEEPING_NS), self._sample, one)
        else:
            plane.loop.at(run.started_ns, self._sample, one)

    def _work_done(self, run: ContainerRun) -> int:
        """Service nanoseconds of the container's server so far, over all its lives."""
        if run.server is None:
            return 0
        self._plane.advance(self._plane.loop.now)
        return self._plane.ask(run.server, Ask.WORK_DONE)

    def _sample(self, one: _Watched) -> None:
        if not one.alive:
            return
        plane = self._plane
        now = plane.loop.now
        behaviour = one.run.behaviour
        listening = min(max(one.run.listening_ns, one.started_ns), now)
        used = (
            behaviour.cpu_startup * (listening - one.started_ns)
            + behaviour.cpu_idle * (now - listening)
            + behaviour.cpu_busy * (self._work_done(one.run) - one.work_ns)
        )
        one.newest = Point(at_ns=now, used_ns=int(used), started_ns=one.started_ns)
        name = f"housekeeping/{one.pod.name}/{one.run.spec.name}/{one.life}"
        jitter = plane.dice.unit(Purpose.PHASE, name, one.samples)
        one.samples += 1
        plane.loop.at(now + int((1 + jitter) * HOUSEKEEPING_NS), self._sample, one)

    # -- metrics-server

    def _scrape(self) -> None:
        """Take the newest samples; they can be read once every kubelet has answered."""
        plane = self._plane
        self._watched = [one for one in self._watched if one.alive]
        batch: dict[int, Points] = {}
        for one in self._watched:
            reached = not plane.kubelet.cut_off_now(one.pod.node)
            if one.newest is not None and not one.pod.gone and reached:
                batch.setdefault(one.pod.uid, {})[one.run.spec.name] = one.newest
        answered = plane.loop.now + plane.dice.lag("api", "metrics-server")
        plane.loop.at(answered, self._store, batch)
        plane.loop.at(plane.loop.now + METRIC_RESOLUTION_NS, self._scrape)

    def _store(self, batch: dict[int, Points]) -> None:
        before = {
            uid: stored(points, self._last.get(uid), self._previous.get(uid)) for uid, points in batch.items()
        }
        self._last = batch
        self._previous = {uid: points for uid, points in before.items() if points}

    def read(self, pods: Iterable[Pod], container: str | None) -> dict[str, Sample]:
        """Samples by name of the pod, of all its containers or of one (pod.go `GetMetrics`).

        A pod has none before every container of it that was scraped has two points.

        Raises:
            KeyError: a pod that has metrics has none of this container.
        """
        found: dict[str, Sample] = {}
        for pod in pods:
            last, before = self._last.get(pod.uid), self._previous.get(pod.uid)
            if last is None or before is None or any(name not in before for name in last):
                continue
            rates = {name: rate(point, before[name]) for name, point in last.items()}
            earliest = min(rates.values(), key=lambda one: one.at_ns)
            used = sum(one.milli for one in rates.values()) if container is None else rates[container].milli
            found[pod.name] = Sample(milli=used, at_ns=earliest.at_ns, window_ns=earliest.window_ns)
        return found
