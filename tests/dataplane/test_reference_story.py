"""How the reference's stories are told, and the first of them: one pod, three connections, the whole log.

A `Story` is a plan, two histories and drawn requests written by hand. Reading its `log()` or `fates()` runs
it in one window, in windows of one nanosecond each (if it is short), with slots of one request, and with
events of equal key handled last in, first out: all must give the same records (R1, R2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from svcsim.dataplane.contract import (
    DROPPED,
    NEVER,
    RECORD_DTYPE,
    Cause,
    ClientPlan,
    DataPlane,
    GroupPlan,
    Job,
    JobResult,
    NodeState,
    OnEmpty,
    Outcome,
    Plan,
    QueueFull,
    Reach,
    Resolve,
    TruthKind,
)
from svcsim.dataplane.draws import Slot
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.rng import u32_at
from svcsim.timeline.histories import Timeline

FIRST, LAST = 0, (1 << 32) - 1
"""Route words that pick the first and the last of any list."""


@dataclass(frozen=True)
class Arrive:
    """One drawn request; `service` is the same in every group."""

    at: int
    service: int = 3
    lo: int = FIRST
    source: int = 0


@dataclass(frozen=True)
class HandDraws:
    """`ClientDraws` without dice."""

    requests: tuple[Arrive, ...]
    n_sources: int
    n_groups: int
    loop: None = None

    @property
    def services(self) -> dict[int, str]:
        return dict.fromkeys(range(self.n_groups), "by hand")

    def slots(self, size: int) -> Iterator[Slot]:
        for first in range(0, len(self.requests), size):
            part = self.requests[first : first + size]
            service = np.array([r.service for r in part], dtype=np.int64)
            hi = [-((-r.source << 32) // self.n_sources) for r in part]
            yield Slot(
                first,
                np.array([r.at for r in part], dtype=np.int64),
                np.array(
                    [(high << 32) | r.lo for high, r in zip(hi, part, strict=True)],
                    dtype=np.uint64,
                ),
                dict.fromkeys(range(self.n_groups), service),
            )


@dataclass
class Story:
    """A run written by hand; pods are servers of view 0 unless told otherwise."""

    duration: int = 60
    workers: int = 1
    queue: int = -1
    full: QueueFull = QueueFull.REJECT
    vanished_after: int = -1
    groups: list[GroupPlan] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    _servers: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    _truth: list[tuple[int, int, TruthKind]] = field(default_factory=list)
    _belief: list[tuple[int, int, int, tuple[int, ...] | None]] = field(default_factory=list)
    _clients: list[tuple[ClientPlan, tuple[Arrive, ...]]] = field(default_factory=list)
    _placed: dict[int, int] = field(default_factory=dict)
    _nodes: list[tuple[int, int, NodeState]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.groups.append(
            GroupPlan(name="web", workers=self.workers, queue=self.queue, queue_full=self.full)
        )

    def pod(
        self, *, address: int = 0, listen: int | None = 0, group: int = 0, view: int = 0, node: int = 0
    ) -> int:
        """A server that gets an address and listens; without `address` it stays UNBORN."""
        self._servers.append((group, (view,)))
        number = len(self._servers) - 1
        self._placed[number] = node
        if address >= 0:
            self.truth(address, number, TruthKind.ADDRESS)
        if listen is not None:
            self.truth(listen, number, TruthKind.LISTEN)
        return number

    def truth(self, t: int, server: int, *kinds: TruthKind) -> None:
        self._truth += [(t, server, kind) for kind in kinds]

    def node(self, t: int, node: int, state: NodeState) -> None:
        self._nodes.append((t, node, state))

    def believe(self, t: int, *servers: int, observer: int = 0, view: int = 0) -> None:
        self._belief.append((t, observer, view, servers))

    def drop(self, t: int, *, observer: int = 0, view: int = 0) -> None:
        """The observer's list is empty by policy from t on (R21)."""
        self._belief.append((t, observer, view, None))

    def client(self, *requests: Arrive, **changes: object) -> int:
        observers = changes.pop("observers", (0,))
        nodes = changes.pop("nodes", (-1,) * len(observers))
        phases = changes.pop("phases", None)
        ladder = changes.pop("ladder", (10, 30))
        plan: dict[str, object] = {
            "name": f"client-{len(self._clients)}",
            "view": 0,
            "reach": Reach.BELIEF,
            "on_empty": OnEmpty.REJECT,
            "resolve": Resolve.ONCE,
            "resolve_period_ns": 10,
            "resolver": 0,
            "phase_ns": np.array(phases or [0] * len(observers), dtype=np.int64),
            "observer_of_source": np.array(observers, dtype=np.int32),
            "node_of_source": np.array(nodes, dtype=np.int32),
            "entry_of_source": np.array(changes.pop("entries", (-1,) * len(observers)), dtype=np.int32),
            "icmp_limited": True,
            "connect_timeout_ns": 40,
            "request_timeout_ns": NEVER,
            "ladder_ns": np.array(ladder, dtype=np.int64),
            "repick_key": 1,
            "resolve_key": 2,
        }
        self._clients.append((ClientPlan(**(plan | changes)), requests))
        return len(self._clients) - 1

    def job(self, at: int, server: int, *, service: int = 1, timeout: int = 10) -> int:
        number = len(self.jobs)
        self.jobs.append(Job(job=number, server=server, at_ns=at, service_ns=service, timeout_ns=timeout))
        return number

    def plan(self) -> Plan:
        return Plan(
            duration_ns=self.duration,
            n_observers=max(3, 1 + max((o for _, o, _, _ in self._belief), default=0)),
            n_views=1 + max((v for _, _, v, _ in self._belief), default=0),
            n_nodes=3,
            groups=tuple(self.groups),
            clients=tuple(plan for plan, _ in self._clients),
            vanished_after_ns=self.vanished_after,
        )

    def draws(self) -> list[HandDraws]:
        return [HandDraws(requests, plan.n_sources, len(self.groups)) for plan, requests in self._clients]

    def drive(
        self, engine: DataPlane, cuts: Iterable[int] = (), at_cut: Callable[[int], None] | None = None
    ) -> None:
        """Advance `engine` through the whole story in windows ending at `cuts` and at the end.

        Nothing is handed over before the window that needs it, not even a server's number.
        """
        timeline = Timeline()
        n_servers = 0
        truth = sorted(self._truth, key=lambda row: row[0])
        belief = sorted(self._belief, key=lambda row: row[0])
        nodes = sorted(self._nodes, key=lambda row: row[0])
        jobs = sorted(self.jobs, key=lambda job: (job.at_ns, -job.job))
        for until in [*cuts, self.duration]:
            while nodes and nodes[0][0] < until:
                timeline.node(*nodes.pop(0))
            while truth and truth[0][0] < until:
                t, server, kind = truth.pop(0)
                n_servers = self._announce(timeline, n_servers, [server])
                timeline.truth(t, server, kind)
            while belief and belief[0][0] < until:
                t, observer, view, servers = belief.pop(0)
                n_servers = self._announce(timeline, n_servers, servers or ())
                timeline.belief(
                    t, observer, view, DROPPED if servers is None else timeline.add_version(servers)
                )
            while jobs and jobs[0].at_ns < until:
                n_servers = self._announce(timeline, n_servers, [jobs[0].server])
                engine.inject(jobs.pop(0))
            engine.advance(timeline.hand_over(until))
            if at_cut is not None:
                at_cut(until)

    def _announce(self, timeline: Timeline, known: int, servers: Iterable[int]) -> int:
        """Add servers up to the last of these; returns how many are known then."""
        for group, views in self._servers[known : max(servers, default=-1) + 1]:
            known = timeline.add_server(group, views) + 1
            timeline.place(known - 1, self._placed[known - 1])
        return known

    def engine(self, *, slot: int = 4, last_in_first_out: bool = False) -> ReferenceEngine:
        engine = ReferenceEngine(self.plan(), self.draws(), slot=slot)  # type: ignore[arg-type]
        if last_in_first_out:
            engine.env._eid = count(-1, -1)
        return engine

    def run(
        self, cuts: Iterable[int] = (), *, slot: int = 4, last_in_first_out: bool = False
    ) -> tuple[np.ndarray, list[JobResult]]:
        engine = self.engine(slot=slot, last_in_first_out=last_in_first_out)
        self.drive(engine, cuts)
        return engine.finish(), [engine.job(job.job) for job in self.jobs]

    def checked(self) -> tuple[np.ndarray, list[JobResult]]:
        """The records and the jobs' results, the same however the run is cut, slotted and inserted."""
        records, results = self.run()
        others = [self.run(slot=1), self.run(last_in_first_out=True)]
        if self.duration <= 200:
            others += [self.run(range(self.duration + 1))]
            others += [self.run(range(self.duration + 1), last_in_first_out=True)]
        for other_records, other_results in others:
            np.testing.assert_array_equal(records, other_records)
            assert results == other_results
        assert records.dtype == RECORD_DTYPE
        return records, results

    def log(self) -> list[str]:
        """Every column of every record."""
        return [line(r) for r in self.checked()[0]]

    def fates(self) -> list[str]:
        """Outcome, cause and settling instant of every record."""
        return [f"{r['client']}.{r['request']} {ending(r)}" for r in self.checked()[0]]

    def column(self, name: str) -> list[int]:
        return self.checked()[0][name].tolist()

    def job_fates(self) -> list[str]:
        return [f"{result.outcome.name} {result.end_ns}" for result in self.checked()[1]]


def ending(r: np.void) -> str:
    return f"{Outcome(r['outcome']).name} {Cause(r['cause']).name} {r['end_ns']}"


def line(r: np.void) -> str:
    return (
        f"{r['client']}.{r['request']} source {r['source']} at {r['arrival_ns']}:"
        f" observer {r['observer']} version {r['version']} server {r['server']} syns {r['syns']},"
        f" connected {r['connected_ns']} start {r['start_ns']} end {r['end_ns']}"
        f" {Outcome(r['outcome']).name} {Cause(r['cause']).name}"
    )


def key_that_picks(indices: Sequence[int], n: int, coordinates: Sequence[tuple[int, int]]) -> int:
    """A key whose words at these coordinates pick these indices out of n (R5)."""
    return next(
        key
        for key in count()
        if all((u32_at(key, *c) * n) >> 32 == i for i, c in zip(indices, coordinates, strict=True))
    )


def test_three_connections_to_one_pod_wait_for_its_worker() -> None:
    story = Story(duration=20)
    pod = story.pod()
    story.believe(0, pod)
    story.client(Arrive(5, service=4), Arrive(6, service=2), Arrive(12, service=9))
    assert story.log() == [
        "0.0 source 0 at 5: observer 0 version 0 server 0 syns 1, connected 5 start 5 end 9 OK NONE",
        "0.1 source 0 at 6: observer 0 version 0 server 0 syns 1, connected 6 start 9 end 11 OK NONE",
        "0.2 source 0 at 12: observer 0 version 0 server 0 syns 1, connected 12 start 12 end -1 OPEN NONE",
    ]


def test_a_rollout_of_one_pod_fails_in_every_way() -> None:
    """The pod of the old revision closes at 10, is cut at 14, released at 20, given away at 40."""
    story = Story(duration=60, workers=1)
    old = story.pod()
    new = story.pod(address=8, listen=12)
    story.believe(0, old)
    story.believe(32, new)
    story.truth(10, old, TruthKind.CLOSE)
    story.truth(14, old, TruthKind.CUT)
    story.truth(20, old, TruthKind.RELEASE)
    story.truth(40, old, TruthKind.REUSE)
    story.client(
        Arrive(1, service=5),  # served
        Arrive(7, service=20),  # in service when the process ends
        Arrive(9, service=1),  # still waiting then
        Arrive(11),  # refused by the closed port
        Arrive(15),  # refused again
        Arrive(25),  # silence at 25 and 35; at 55 the address is somebody else's
        Arrive(33),  # the new pod
    )
    old_belief = "source 0 at {}: observer 0 version 0 server 0 syns"
    assert story.log() == [
        f"0.0 {old_belief.format(1)} 1, connected 1 start 1 end 6 OK NONE",
        f"0.1 {old_belief.format(7)} 1, connected 7 start 7 end 14 EOF IN_FLIGHT_CUT",
        f"0.2 {old_belief.format(9)} 1, connected 9 start 27 end 14 RESET IN_FLIGHT_CUT",
        f"0.3 {old_belief.format(11)} 1, connected -1 start -1 end 11 REFUSED STALE_ENDPOINT",
        f"0.4 {old_belief.format(15)} 1, connected -1 start -1 end 15 REFUSED STALE_ENDPOINT",
        f"0.5 {old_belief.format(25)} 3, connected -1 start -1 end 55 MISDELIVERED IP_REUSED",
        "0.6 source 0 at 33: observer 0 version 1 server 1 syns 1, connected 33 start 33 end 36 OK NONE",
    ]
