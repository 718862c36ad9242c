"""R19: how much service a server has performed; the two engines, whatever is kept and however time is cut."""

from __future__ import annotations

import random

import numpy as np
import pytest

from svcsim.dataplane.contract import (
    NEVER,
    Ask,
    GroupPlan,
    Job,
    Plan,
    QueueFull,
    TruthKind,
)
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.dataplane.vectorised import VectorisedEngine
from svcsim.dataplane.vectorised.engine import Keep
from svcsim.timeline import Timeline
from tests.dataplane.worlds import random_world

MS = 1_000_000


def worked(engine_of, instants: list[int], *, jobs: list[tuple[int, int]], cut_ns: int, timeout_ns: int):
    """WORK_DONE at instants of one server with one worker that gets jobs (at, service) and is cut once."""
    group = GroupPlan(name="g", workers=1, queue=-1, queue_full=QueueFull.REJECT)
    plan = Plan(
        duration_ns=1000 * MS,
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
    timeline.truth(0, server, TruthKind.ADDRESS)
    timeline.truth(0, server, TruthKind.LISTEN)
    if cut_ns < NEVER:
        timeline.truth(cut_ns, server, TruthKind.CUT)
    for number, (at, service) in enumerate(jobs):
        engine.inject(Job(job=number, server=server, at_ns=at, service_ns=service, timeout_ns=timeout_ns))
    found = []
    for until in instants:
        engine.advance(timeline.hand_over(until))
        found.append(engine.ask(server, Ask.WORK_DONE) // MS)
    return found


@pytest.mark.parametrize("engine", [ReferenceEngine, VectorisedEngine])
def test_a_worker_busy_from_100_to_200_and_from_200_to_350(engine) -> None:
    jobs = [(100 * MS, 100 * MS), (150 * MS, 150 * MS)]
    at = [k * MS for k in (50, 100, 130, 200, 300, 350, 500)]
    whole = worked(engine, at, jobs=jobs, cut_ns=NEVER, timeout_ns=NEVER)
    assert whole == [0, 0, 30, 100, 200, 250, 250]
    assert worked(engine, at[-1:], jobs=jobs, cut_ns=NEVER, timeout_ns=NEVER) == [250]


@pytest.mark.parametrize("engine", [ReferenceEngine, VectorisedEngine])
def test_of_work_that_is_cut_only_the_part_before_counts(engine) -> None:
    jobs = [(100 * MS, 100 * MS), (150 * MS, 150 * MS)]
    at = [k * MS for k in (180, 181, 400)]
    assert worked(engine, at, jobs=jobs, cut_ns=180 * MS, timeout_ns=NEVER) == [80, 80, 80]
    assert worked(engine, at, jobs=jobs, cut_ns=200 * MS, timeout_ns=NEVER) == [80, 81, 100]
    assert worked(engine, at[2:], jobs=jobs, cut_ns=230 * MS, timeout_ns=NEVER) == [130]
    assert worked(engine, at, jobs=jobs, cut_ns=350 * MS, timeout_ns=NEVER) == [80, 81, 250]


@pytest.mark.parametrize("engine", [ReferenceEngine, VectorisedEngine])
def test_a_request_that_timed_out_goes_on_being_work(engine) -> None:
    jobs = [(100 * MS, 100 * MS), (150 * MS, 150 * MS)]
    at = [k * MS for k in (170, 350)]
    assert worked(engine, at, jobs=jobs, cut_ns=NEVER, timeout_ns=10 * MS) == [70, 250]


@pytest.mark.parametrize("seed", range(80))
def test_engines_agree_when_only_failures_are_kept(seed: int) -> None:
    """With fewer records kept the kernel settles most requests on a shorter path."""
    world = random_world(seed)
    dice = random.Random(seed)
    grid = 100 * MS if seed % 4 == 0 else 1
    cuts = sorted(dice.randrange(0, world.plan.duration_ns, grid) for _ in range(6))

    def answers(engine, instants: list[int]) -> list[list[int]]:
        timeline = world.timeline()
        for job in world.jobs:
            engine.inject(job)
        found = []
        for until in instants:
            engine.advance(timeline.hand_over(until))
            found.append([engine.ask(s, Ask.WORK_DONE) for s in range(len(world.groups))])
        return found

    ends = [*cuts, world.plan.duration_ns]
    slow = answers(ReferenceEngine(world.plan, world.draws), ends)
    fast = answers(VectorisedEngine(world.plan, world.draws, keep=Keep.FAILURES), ends)
    assert slow == fast
    assert np.all(np.diff(np.array(slow), axis=0) >= 0)
    once = answers(VectorisedEngine(world.plan, world.draws, keep=Keep.TALLIES), ends[-1:])
    assert once[-1] == slow[-1]
