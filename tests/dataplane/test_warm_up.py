"""R32: servers that are slow at first; schedules worked by hand, and both engines on random worlds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from svcsim.dataplane.contract import NEVER, GroupPlan, Job, Plan, QueueFull, TruthKind
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.dataplane.vectorised import VectorisedEngine
from svcsim.timeline import Timeline
from tests.dataplane.test_agreement import first_difference, run
from tests.dataplane.worlds import MS, SECOND, World, random_world

ENGINES = pytest.mark.parametrize("engine_of", [ReferenceEngine, VectorisedEngine])
GROUP = GroupPlan(
    name="g", workers=1, queue=-1, queue_full=QueueFull.REJECT, warm_up_ns=100, slowdown_permille=4000
)


def ends(engine_of, group: GroupPlan, jobs: list[tuple[int, int]], *, listens: int = 1000) -> list[int]:
    """End of each job (at, service) at one server of the group, in ns after its LISTEN row."""
    plan = Plan(
        duration_ns=10_000,
        n_observers=1,
        n_views=1,
        n_nodes=1,
        groups=(group,),
        clients=(),
        vanished_after_ns=-1,
    )
    engine = engine_of(plan, [])
    timeline = Timeline()
    server = timeline.add_server(0, (0,))
    timeline.truth(listens, server, TruthKind.ADDRESS)
    timeline.truth(listens, server, TruthKind.LISTEN)
    for number, (at, service) in enumerate(jobs):
        engine.inject(
            Job(job=number, server=server, at_ns=listens + at, service_ns=service, timeout_ns=8_000)
        )
    engine.advance(timeline.hand_over(plan.duration_ns))
    return [engine.job(number).end_ns - listens for number in range(len(jobs))]


@ENGINES
@pytest.mark.parametrize(
    ("changes", "jobs", "expected"),
    [
        ({}, [(0, 10), (50, 10), (100, 10)], [40, 90, 110]),
        ({}, [(99, 10), (100, 10)], [139, 149]),  # the second starts at 139, warm
        ({}, [(70, 10), (75, 10)], [110, 120]),  # accepted cold, starts warm: as the code is then
        ({"workers": 0}, [(70, 10), (75, 10)], [110, 115]),
        ({"slowdown_falls": True}, [(0, 10), (50, 10), (99, 10)], [40, 75, 109]),
        ({"slowdown_falls": True, "workers": 0}, [(10, 10), (90, 100)], [47, 220]),  # 3700, 1300 permille
        ({"slowdown_permille": 1500}, [(0, 3)], [4]),  # 4.5, rounded down
        ({"slowdown_permille": 1000}, [(0, 3)], [3]),
    ],
)
def test_work_that_starts_cold_takes_longer(engine_of, changes: dict, jobs: list, expected: list) -> None:
    assert ends(engine_of, replace(GROUP, **changes), jobs) == expected


@ENGINES
def test_what_listens_at_the_beginning_is_as_old_as_it_is_said_to_be(engine_of) -> None:
    jobs = [(0, 10), (60, 10)]
    assert ends(engine_of, GROUP, jobs, listens=0) == [10, 70]
    assert ends(engine_of, replace(GROUP, age_ns=50), jobs, listens=0) == [40, 70]


@ENGINES
def test_work_longer_than_any_run_stays_in_range(engine_of) -> None:
    group = replace(GROUP, warm_up_ns=3600 * SECOND, slowdown_permille=1_000_000, slowdown_falls=True)
    assert ends(engine_of, group, [(0, NEVER)]) == [8_000]  # its deadline


def warming_world(seed: int) -> World:
    """A random world whose servers are slow at first."""
    world = random_world(seed)
    dice = random.Random(f"warming {seed}")
    groups = tuple(
        replace(
            group,
            warm_up_ns=dice.choice([0, 300 * MS, 2 * SECOND]),
            slowdown_permille=dice.choice([1000, 1500, 20_000]),
            slowdown_falls=dice.random() < 0.5,
            age_ns=dice.choice([NEVER, 0, SECOND]),
        )
        for group in world.plan.groups
    )
    world.plan = replace(world.plan, groups=groups)
    return world


@pytest.mark.parametrize("seed", range(40))
def test_engines_agree(seed: int) -> None:
    world = warming_world(seed)
    dice = random.Random(seed)
    cuts = sorted(dice.randrange(0, world.plan.duration_ns, 100 * MS) for _ in range(dice.randint(0, 4)))
    reference = run(world, ReferenceEngine(world.plan, world.draws), cuts)
    fast = run(world, VectorisedEngine(world.plan, world.draws, slot=dice.choice([7, 65536])), cuts)
    assert first_difference(reference[0], fast[0]) == ""
    assert reference[1:] == fast[1:]
