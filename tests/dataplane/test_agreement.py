"""The two engines on random worlds: equal arrays, whatever the windows and the slot size."""

from __future__ import annotations

import random

import numpy as np
import pytest

from svcsim.dataplane.contract import Ask
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.dataplane.vectorised import VectorisedEngine
from tests.dataplane.worlds import World, random_world


def run(world: World, engine, cuts: list[int]):
    """Records, load, answers and job results of an engine driven window by window."""
    timeline = world.timeline()
    answers = []
    for job in world.jobs:
        engine.inject(job)
    for until in [*cuts, world.plan.duration_ns]:
        engine.advance(timeline.hand_over(until))
        answers += [engine.ask(s, what) for s in range(len(world.groups)) for what in Ask]
    jobs = [engine.job(job.job) for job in world.jobs]
    load = engine.load if isinstance(engine.load, np.ndarray) else engine.load()
    if isinstance(load, np.ndarray):
        load = {(int(s), int(t)): int(load[s, t]) for s, t in zip(*np.nonzero(load), strict=True)}
    return engine.finish(), load, answers, jobs


def first_difference(a, b) -> str:
    if len(a) != len(b):
        return f"{len(a)} and {len(b)} records"
    for name in a.dtype.names:
        differ = np.flatnonzero(a[name] != b[name])
        if len(differ):
            return f"{name} at {differ[0]}: {a[differ[0]]} and {b[differ[0]]} of {a.dtype.names}"
    return ""


FOUND = (1830, 1203)  # worlds on which the engines once differed


@pytest.mark.parametrize("seed", [*range(150), *FOUND])
def test_engines_agree(seed: int) -> None:
    world = random_world(seed)
    dice = random.Random(seed)
    grid = 100_000_000 if seed % 4 == 0 else 1
    cuts = sorted(dice.randrange(0, world.plan.duration_ns, grid) for _ in range(dice.randint(0, 6)))
    reference = run(world, ReferenceEngine(world.plan, world.draws), cuts)
    fast = run(world, VectorisedEngine(world.plan, world.draws, slot=dice.choice([1, 7, 64, 65536])), cuts)
    assert first_difference(reference[0], fast[0]) == ""
    assert reference[1:] == fast[1:]
    uncut = run(world, VectorisedEngine(world.plan, world.draws), [])
    assert first_difference(uncut[0], fast[0]) == ""
    assert uncut[1] == fast[1]
