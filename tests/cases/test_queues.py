"""More requests than workers: what waits, what is refused, and what that does to the rest."""

from __future__ import annotations

from typing import Any

import pytest

from svcsim import Result
from tests.cases.worlds import causes, failed, outcomes, run

WEB = "workloads.deployment/web"
N = 4


def crowded(**changes: Any) -> Result:
    fields = {f"{WEB}.{name}": value for name, value in changes.items()}
    return run("a26_full_queues", fields, replications=N, keep_requests=True)


def longest_answer(result: Result) -> float:
    """Seconds of the slowest request that was answered."""
    assert result.requests is not None
    good = result.requests[result.requests["outcome"] == "ok"]
    return float((good["end_s"] - good["arrival_s"]).max())


def test_a26_without_a_limit_everybody_waits_and_most_give_up() -> None:
    """kubernetes/kubernetes 115917: twice the load for 20 s, and the pods do not come back by themselves.

    By hand: 40 too many a second for 20 s are 800 that wait for 160 a second, 5 s; who waits longer than 1 s
    has gone when it is served. 60 a second are to spare afterwards, which takes 13 s to catch up, had
    nobody given up; those who gave up are served all the same.
    """
    result = crowded()
    assert set(causes(result, "vip")) == {"overload"}
    assert set(outcomes(result, "vip")) == {"request_timeout"}
    late = result.failures[result.failures["arrival_s"] > 41]
    assert len(late) > 100
    assert failed(result, "vip").min() > 0.5 * 200 * 20


@pytest.mark.parametrize(("full", "outcome"), [("reject", "rejected"), ("drop", "connect_timeout")])
def test_a26_a_short_queue_loses_what_does_not_fit_and_nothing_else(full: str, outcome: str) -> None:
    """A fifth is too much: 40 of 200 for 20 s, 800 requests; the others wait for one service time at most.

    A SYN that is dropped comes again after a second, which is when its caller gives up.
    """
    result = crowded(queue={"places": 8, "full": full})
    assert outcomes(result, "vip").keys() == {outcome}
    assert failed(result, "vip").mean() == pytest.approx(800, rel=0.08)
    assert longest_answer(result) < 0.2001
    assert (result.failures["arrival_s"] > 41).sum() < 0.01 * len(result.failures)


def test_a26_shared_cores_are_slow_for_all_instead() -> None:
    """7.5 cores where workers are rounded up to 8: 150 a second. Sixteen at once take 16 / 7.5 times as long,
    and those who come first are slowed down by those who come after."""
    result = crowded(discipline="processor-sharing", queue={"places": 8, "full": "reject"})
    assert outcomes(result, "vip").keys() == {"rejected"}
    assert failed(result, "vip").mean() == pytest.approx(1000, rel=0.1)
    assert 0.2 < longest_answer(result) < 0.1 * 16 / 7.5 + 0.001
