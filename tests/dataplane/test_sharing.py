"""R31: works that share cores; schedules worked by hand, and both engines on random worlds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from svcsim.dataplane.contract import (
    NEVER,
    Ask,
    GroupPlan,
    Job,
    JobResult,
    Outcome,
    Plan,
    QueueFull,
    TruthKind,
)
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.dataplane.vectorised import VectorisedEngine
from svcsim.timeline import Timeline
from tests.dataplane.test_agreement import first_difference, run
from tests.dataplane.worlds import MS, SECOND, World, random_world

ENGINES = pytest.mark.parametrize("engine_of", [ReferenceEngine, VectorisedEngine])
ONE_CORE = GroupPlan(name="g", workers=0, queue=-1, queue_full=QueueFull.REJECT, cores_permille=1000)


class Server:
    """One server of a group in an engine, and the jobs it gets: (at, service[, timeout])."""

    def __init__(self, engine_of, group: GroupPlan, jobs: list[tuple], *, cut: int | None = None) -> None:
        plan = Plan(
            duration_ns=1_000_000,
            n_observers=1,
            n_views=1,
            n_nodes=1,
            groups=(group,),
            clients=(),
            vanished_after_ns=-1,
        )
        self.engine = engine_of(plan, [])
        self.timeline = Timeline()
        self.number = self.timeline.add_server(0, (0,))
        self.timeline.truth(0, self.number, TruthKind.ADDRESS)
        self.timeline.truth(0, self.number, TruthKind.LISTEN)
        if cut is not None:
            self.timeline.truth(cut, self.number, TruthKind.CUT)
        self.jobs = len(jobs)
        for number, (at, service, *timeout) in enumerate(jobs):
            wait = timeout[0] if timeout else 900_000
            self.engine.inject(
                Job(job=number, server=self.number, at_ns=at, service_ns=service, timeout_ns=wait)
            )

    def at(self, until: int) -> Server:
        self.engine.advance(self.timeline.hand_over(until))
        return self

    def ask(self, what: Ask) -> int:
        return self.engine.ask(self.number, what)

    def ends(self) -> list[int]:
        self.at(1_000_000)
        return [self.engine.job(number).end_ns for number in range(self.jobs)]

    def results(self) -> list[JobResult]:
        return [self.engine.job(number) for number in range(self.jobs)]


@ENGINES
@pytest.mark.parametrize(
    ("cores", "jobs", "ends"),
    [
        (1000, [(100, 50)], [150]),
        (1000, [(100, 50), (150, 50)], [150, 200]),  # one after the other
        (1000, [(100, 50), (100, 50)], [200, 200]),  # at half the rate, both
        # 20 alone, then both at half: the first has 30 left and takes 60, the second then has 20 alone
        (1000, [(100, 50), (120, 50)], [180, 200]),
        # 10 alone; the short one takes 20 at half the rate, and leaves 100 - 10 - 10 of the long one
        (1000, [(100, 100), (110, 10)], [210, 130]),
        (2000, [(100, 50), (100, 50)], [150, 150]),  # a core each
        # at 2/3 the short one takes 45; the others have 30 left then, and a core each
        (2000, [(100, 60), (100, 60), (100, 30)], [175, 175, 145]),
        (500, [(100, 50)], [200]),  # half a core
        (500, [(100, 50), (100, 50)], [300, 300]),
        (1500, [(100, 30), (100, 30)], [140, 140]),  # at 3/4
        # at a third: 10 take 30; all three end at one instant, whatever their order
        (1000, [(100, 10), (100, 10), (100, 10)], [130, 130, 130]),
        # 1 at a third takes 3: in 1024ths of a ns 3 * 1024 // 3 = 1024, exact
        (1000, [(100, 1), (100, 2), (100, 3)], [103, 105, 106]),
        (1000, [(100, 0), (100, 10)], [100, 110]),  # nothing to do: over at once
    ],
)
def test_hand_worked(engine_of, cores: int, jobs: list, ends: list) -> None:
    assert Server(engine_of, replace(ONE_CORE, cores_permille=cores), jobs).ends() == ends


@ENGINES
def test_the_clock_rounds_down_at_changes_only(engine_of) -> None:
    """Three works, 7 ns each, at a third: after 10 ns the clock stands at 3413 of 1024ths, 10 * 1024 / 3
    rounded down. A fourth work comes then; 7 * 1024 - 3413 = 3755 units are left, at a quarter 14.67 ns: 15.
    """
    jobs = [(0, 7), (0, 7), (0, 7), (10, 100)]
    asked = Server(engine_of, ONE_CORE, jobs)
    for until in range(1, 30):  # questions round nothing
        asked.at(until).ask(Ask.WORK_DONE)
    assert asked.ends() == Server(engine_of, ONE_CORE, jobs).ends()
    assert asked.ends()[:3] == [25, 25, 25]


@ENGINES
def test_questions(engine_of) -> None:
    """Two works of 50 and 30 at 100 and 120: at half the rate until 180, both."""
    server = Server(engine_of, ONE_CORE, [(100, 50), (120, 30)])
    assert [server.at(110).ask(what) for what in Ask] == [150, 1, 0, 10]
    assert server.results()[0] == JobResult(due_ns=150)
    # accepted meanwhile: due later, which nobody could know
    assert [server.at(130).ask(what) for what in Ask] == [180, 2, 0, 30]
    assert [result.due_ns for result in server.results()] == [180, 180]
    assert [server.at(180).ask(what) for what in Ask] == [180, 2, 0, 80]
    assert [server.at(181).ask(what) for what in Ask] == [181, 0, 0, 80]
    assert server.results() == [JobResult(outcome=Outcome.OK, end_ns=180, due_ns=180)] * 2


@ENGINES
def test_a_cut_takes_everything_and_what_was_performed_stays(engine_of) -> None:
    server = Server(engine_of, ONE_CORE, [(100, 50), (120, 50), (200, 10)], cut=140)
    assert server.at(141).ask(Ask.IN_FLIGHT) == 0
    assert server.ask(Ask.WORK_DONE) == 20 + 10 + 10
    first, second, third = server.results()
    assert first == second == JobResult(outcome=Outcome.EOF, end_ns=140, due_ns=140)
    assert third == JobResult()
    assert server.ends() == [140, 140, 210]


@ENGINES
def test_who_gave_up_still_takes_its_share(engine_of) -> None:
    """The first gives up at 110; its work goes on, and the second is at half the rate until 180."""
    server = Server(engine_of, ONE_CORE, [(100, 50, 10), (120, 40)])
    assert server.ends() == [110, 190]
    assert server.results()[0] == JobResult(outcome=Outcome.REQUEST_TIMEOUT, end_ns=110, due_ns=180)


@ENGINES
@pytest.mark.parametrize(
    ("cores", "queue", "accepted"), [(1000, 0, 1), (1000, 2, 3), (2500, 0, 3), (500, 1, 2), (1000, -1, 5)]
)
def test_places_beyond_the_cores(engine_of, cores: int, queue: int, accepted: int) -> None:
    group = replace(ONE_CORE, cores_permille=cores, queue=queue)
    server = Server(engine_of, group, [(100 + k, 1000) for k in range(5)]).at(200)
    outcomes = [result.outcome for result in server.results()]
    assert outcomes == [Outcome.OPEN] * accepted + [Outcome.REJECTED] * (5 - accepted)
    assert server.ask(Ask.IN_FLIGHT) == accepted


@ENGINES
def test_work_longer_than_any_run_stays_in_range(engine_of) -> None:
    group = replace(ONE_CORE, cores_permille=1)
    server = Server(engine_of, group, [(0, NEVER)] * 20).at(10)
    assert server.ask(Ask.DRAIN_END) == NEVER
    assert server.ask(Ask.WORK_DONE) == 0


def sharing_world(seed: int) -> World:
    """A random world of which most servers share their cores; some are slow at first."""
    world = random_world(seed)
    dice = random.Random(f"sharing {seed}")
    groups = tuple(
        replace(
            group,
            workers=0,
            cores_permille=dice.choice([1000, 1000, 500, 1750, 3000]),
            warm_up_ns=dice.choice([0, 0, SECOND]),
            slowdown_permille=dice.choice([1500, 5000]),
        )
        if dice.random() < 0.8
        else group
        for group in world.plan.groups
    )
    world.plan = replace(world.plan, groups=groups)
    return world


@pytest.mark.parametrize("seed", range(150))
def test_engines_agree(seed: int) -> None:
    world = sharing_world(seed)
    dice = random.Random(seed)
    grid = 100 * MS if seed % 4 == 0 else 1
    cuts = sorted(dice.randrange(0, world.plan.duration_ns, grid) for _ in range(dice.randint(0, 6)))
    reference = run(world, ReferenceEngine(world.plan, world.draws), cuts)
    fast = run(world, VectorisedEngine(world.plan, world.draws, slot=dice.choice([1, 7, 64, 65536])), cuts)
    assert first_difference(reference[0], fast[0]) == ""
    assert reference[1:] == fast[1:]
    uncut = run(world, VectorisedEngine(world.plan, world.draws), [])
    assert first_difference(uncut[0], fast[0]) == ""
