"""Properties of the reference on any story: windows, slots, insertion change nothing; records add up."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svcsim.dataplane.contract import (
    NEVER,
    Cause,
    GroupPlan,
    OnEmpty,
    Outcome,
    QueueFull,
    Reach,
    Resolve,
    TruthKind,
)
from svcsim.dataplane.draws import ClientDraws, RateCurve
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.distributions import Exponential
from tests.dataplane.test_reference_story import LAST, Arrive, Story

DURATION = 40
SECOND = 1_000_000_000
instants = st.integers(0, DURATION - 1)
timeouts = st.sampled_from([0, 3, 8, 15, NEVER])
NOT_ACCEPTED = {
    Outcome.REFUSED,
    Outcome.UNREACHABLE,
    Outcome.CONNECT_TIMEOUT,
    Outcome.REJECTED,
    Outcome.MISDELIVERED,
    Outcome.DNS_FAILURE,
    Outcome.NOT_SENT,
}


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Small and dense: many things happen at the same nanosecond."""
    story = Story(
        duration=DURATION,
        workers=draw(st.integers(0, 2)),
        queue=draw(st.integers(-1, 2)),
        full=draw(st.sampled_from(QueueFull)),
        vanished_after=draw(st.sampled_from([-1, 0, 4, 12])),
    )
    story.groups.append(GroupPlan(name="api", workers=1, queue=1, queue_full=QueueFull.DROP))
    n_pods = draw(st.integers(1, 3))
    for _ in range(n_pods):
        story.pod(group=draw(st.integers(0, 1)), listen=draw(st.sampled_from([None, 0, 5])))
    pods = st.integers(0, n_pods - 1)
    for _ in range(draw(st.integers(0, 8))):
        story.truth(draw(instants), draw(pods), draw(st.sampled_from(TruthKind)))
    for _ in range(draw(st.integers(0, 5))):
        listed = draw(st.lists(pods, unique=True, max_size=3))
        story.believe(draw(st.sampled_from([0, 0, 7, 20, 21])), *listed, observer=draw(st.integers(0, 1)))
    for _ in range(draw(st.integers(1, 3))):
        n_sources = draw(st.integers(1, 2))
        arrive = st.builds(
            Arrive,
            at=instants,
            service=st.integers(0, 12),
            lo=st.integers(0, LAST),
            source=st.integers(0, n_sources - 1),
        )
        requests = sorted(draw(st.lists(arrive, max_size=14)), key=lambda request: request.at)
        story.client(
            *requests,
            reach=draw(st.sampled_from([Reach.BELIEF, Reach.BELIEF, Reach.PINNED, Reach.PINNED, Reach.NONE])),
            on_empty=draw(st.sampled_from(OnEmpty)),
            resolve=draw(st.sampled_from(Resolve)),
            resolve_period_ns=draw(st.integers(1, 9)),
            resolver=draw(st.integers(0, 1)),
            phases=draw(st.lists(st.integers(0, 9), min_size=n_sources, max_size=n_sources)),
            observers=tuple(draw(st.lists(st.integers(0, 1), min_size=n_sources, max_size=n_sources))),
            icmp_limited=draw(st.booleans()),
            connect_timeout_ns=draw(timeouts),
            request_timeout_ns=draw(timeouts),
            ladder=tuple(sorted(draw(st.sets(st.integers(1, 14), max_size=3)))),
            repick_key=draw(st.integers(0, (1 << 64) - 1)),
            resolve_key=draw(st.integers(0, (1 << 64) - 1)),
        )
    for _ in range(draw(st.integers(0, 3))):
        story.job(
            draw(instants), draw(pods), service=draw(st.integers(0, 9)), timeout=draw(st.integers(0, 9))
        )
    return story


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(story=stories(), cuts=st.sets(instants, max_size=4))
def test_windows_slots_and_insertion_change_nothing(story: Story, cuts: set[int]) -> None:
    records, results = story.checked()
    cut_records, cut_results = story.run(sorted(cuts), slot=3)
    np.testing.assert_array_equal(records, cut_records)
    assert results == cut_results


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(story=stories())
def test_records_are_consistent(story: Story) -> None:
    records, results = story.run()
    expected = [(k, r) for k, (_, requests) in enumerate(story._clients) for r in range(len(requests))]
    assert list(zip(records["client"].tolist(), records["request"].tolist(), strict=True)) == expected
    for r in records:
        outcome, cause = Outcome(r["outcome"]), Cause(r["cause"])
        accepted = r["connected_ns"] >= 0
        assert accepted == (r["start_ns"] >= 0)
        assert (outcome is Outcome.OPEN) == (r["end_ns"] == -1)
        assert (cause is Cause.NONE) == (outcome in (Outcome.OPEN, Outcome.OK))
        assert r["end_ns"] < DURATION
        if outcome is not Outcome.OPEN:
            assert r["end_ns"] >= max(r["arrival_ns"], r["connected_ns"])
            assert accepted == (outcome not in NOT_ACCEPTED)
        if accepted:
            assert r["server"] >= 0 and r["arrival_ns"] <= r["connected_ns"] <= r["start_ns"]
        answered_by_proxy = outcome is Outcome.REJECTED and r["server"] == -1
        if outcome in (Outcome.DNS_FAILURE, Outcome.NOT_SENT) or answered_by_proxy:
            assert r["syns"] == 0 and r["server"] == -1
        else:
            assert r["syns"] >= 1
    for job, result in zip(story.jobs, results, strict=True):
        assert (result.outcome is Outcome.OPEN) == (result.end_ns == -1)
        assert result.end_ns <= job.at_ns + job.timeout_ns


def drawn_engine(cuts: list[int], slot: int) -> tuple[np.ndarray, dict[tuple[int, int], int]]:
    """Two Poisson clients at a pod with one worker, 2 s; the pod is never cut."""
    story = Story(duration=2 * SECOND)
    story.believe(0, story.pod())
    for _ in range(2):
        story.client(connect_timeout_ns=SECOND)
    draws = [
        ClientDraws(
            name=name,
            seed=1,
            replication=0,
            duration_ns=story.duration,
            curve=RateCurve((0,), (400.0,)),
            poisson=True,
            services={0: Exponential(0.001)},
        )
        for name in ("a", "b")
    ]
    engine = ReferenceEngine(story.plan(), draws, slot=slot)
    story.drive(engine, cuts)
    return engine.finish(), engine.load()


def test_a_drawn_queue_follows_lindleys_recurrence() -> None:
    """end_k = max(arrival_k, end_{k-1}) + service_k, in order of arrival (Lindley 1952)."""
    records, load = drawn_engine([], 1 << 16)
    assert len(records) > 1000
    order = np.lexsort((records["request"], records["client"], records["connected_ns"]))
    accepted = records[order]
    assert (accepted["connected_ns"] == accepted["arrival_ns"]).all()
    settled = accepted[accepted["outcome"] == Outcome.OK]
    assert (settled["start_ns"][1:] == np.maximum(settled["connected_ns"][1:], settled["end_ns"][:-1])).all()
    assert sum(load.values()) == len(records)
    assert set(load) == {(0, 0), (0, 1)}


def test_a_drawn_run_is_the_same_in_any_windows_and_slots() -> None:
    records, load = drawn_engine([], 1 << 16)
    other, other_load = drawn_engine([1, 700_000_001, 700_000_002, 1_999_999_999], 37)
    np.testing.assert_array_equal(records, other)
    assert load == other_load
