"""R29: users that await answers; by hand, against closed forms, and whatever the cuts."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from svcsim import theory
from svcsim.agreement import crosscheck
from svcsim.controlplane.lags import Dice
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import LOOP_FLOOR_NS, Outcome
from svcsim.dataplane.loops import LoopDraws
from svcsim.distributions import Constant, Exponential, LogNormal, Mixture
from svcsim.rng import Purpose, key64, u64_at, unit_at
from svcsim.scenario import Scenario, parse_scenario
from svcsim.simulation import client_draws, run_replication
from tests.scenario.worlds import small

S = 1_000_000_000


def scenario(
    loop: dict[str, Any],
    *,
    duration: str = "60s",
    service: Any = "50ms",
    workers: int = 0,
    **sections: Any,
) -> Scenario:
    """A Service of two pods called by users; sections: of the document, and `client` keys."""
    client = sections.pop("client", {})
    document = small(duration=duration, **sections)
    document["workloads"] = {"deployment/web": {"serviceTime": service}}
    if workers:
        document["workloads"]["deployment/web"]["concurrency"] = workers
    document["clients"] = [{"name": "c", "to": "service/web", "via": "cluster-ip", "loop": loop, **client}]
    return parse_scenario(json.dumps(document))


def records(one: Scenario, seed: int = 1, **options: Any) -> np.ndarray:
    run = run_replication(Topology.of(one), seed=seed, replication=0, keep_requests=True, **options)
    assert run.requests is not None
    return run.requests


def users_of(rows: np.ndarray, users: int) -> list[np.ndarray]:
    return [rows[rows["request"] % users == user] for user in range(users)]


def test_draws_are_named_by_request() -> None:
    """The same whatever is asked together, from the words that the contract's generator has."""
    laws = {
        0: Exponential(0.1),
        1: LogNormal(0.1, 1.0),
        2: Mixture(components=(Constant(0.1), Exponential(1.0)), weights=(1.0, 3.0)),
    }
    draws = LoopDraws(name="c", seed=3, replication=2, users=7, think=Exponential(2.0), services=laws)
    numbers = np.array([0, 5, 12, 1 << 33], dtype=np.int64)
    together = draws.requests(numbers)
    for k, number in enumerate(numbers.tolist()):
        alone = draws.requests(numbers[k : k + 1])
        assert alone.route[0] == together.route[k] == u64_at(key64(3, 2, Purpose.ROUTE, "c"), number)
        for group in laws:
            assert alone.service_ns[group][0] == together.service_ns[group][k]
        unit = unit_at(key64(3, 2, Purpose.THINK, "c"), number)
        assert draws.think_ns(numbers)[k] == Exponential(2.0).quantile1_ns(unit)


def test_each_request_follows_the_one_before_by_the_think_time() -> None:
    """The response time law request by request: arrivals of a user are R + Z apart, to the nanosecond."""
    one = scenario({"users": 7, "think": {"exponential": {"mean": "200ms"}}}, workers=1, duration="30s")
    rows = records(one)
    topology = Topology.of(one)
    run = run_replication(topology, seed=1, replication=0)
    dice = Dice(one.lag, 1, 0)
    loop = client_draws(topology, run.plan, dice, 1, 0)[0].loop
    assert loop is not None
    for user, own in enumerate(users_of(rows, 7)):
        assert own["request"].tolist() == [user + 7 * k for k in range(len(own))]
        assert set(own["source"].tolist()) == {user % run.plan.clients[0].n_sources}
        think = loop.think_ns(own["request"])
        assert own["arrival_ns"][0] == think[0]
        ended = own["end_ns"][:-1]
        soonest = own["arrival_ns"][:-1] + LOOP_FLOOR_NS
        assert (own["arrival_ns"][1:] == np.maximum(ended + think[1:], soonest)).all()


def test_constant_times_give_the_throughput_to_the_request() -> None:
    """Z = 150 ms, S = 50 ms, no queue: a request every 200 ms of each user from 150 ms on."""
    rows = records(scenario({"users": 3, "think": "150ms"}, duration="10s"))
    assert len(rows) == 3 * 50
    assert set((rows["arrival_ns"] % (S // 5)).tolist()) == {150_000_000}
    assert (rows["outcome"] == Outcome.OK).sum() == 3 * 49  # the last end at 10 s, after the run


@cache
def long_run(workers: int, users: int) -> tuple[float, float, float]:
    """Throughput, mean response and think time of a long run at one pod."""
    one = scenario(
        {"users": users, "think": {"exponential": {"mean": "1s"}}},
        duration="4000s",
        service={"exponential": {"mean": "100ms"}},
        workers=workers,
        client={"timeout": "none"},
    ).with_value("manifests.deployment/web.replicas", 1)
    rows = records(one)
    good = rows[rows["outcome"] == Outcome.OK]
    response = (good["end_ns"] - good["arrival_ns"]).mean() / S
    return len(good) / 4000.0, response, 1.0


@pytest.mark.parametrize(("workers", "users"), [(1, 4), (1, 12), (3, 30)])
def test_a_closed_queue_is_the_machine_repairman(workers: int, users: int) -> None:
    """M/M/c//N within 3 percent; and N = X (R + Z) within the requests under way at the ends."""
    throughput, response, think = long_run(workers, users)
    assert throughput == pytest.approx(theory.finite_source_throughput(workers, users, 1.0, 0.1), rel=0.03)
    assert response == pytest.approx(theory.finite_source_response(workers, users, 1.0, 0.1), rel=0.06)
    assert response == pytest.approx(theory.interactive_response(users, throughput, think), abs=0.03)


def test_what_fails_at_once_does_not_fill_an_instant() -> None:
    """Nothing listens at all and nobody thinks: a request a millisecond of each user."""
    one = scenario(
        {"users": 2, "think": "0s"}, duration="1s", client={"via": "headless", "to": "service/web-headless"}
    )
    one = one.with_value("manifests.deployment/web.replicas", 0)
    rows = records(one)
    assert len(rows) == 2 * 1000
    assert (np.diff(users_of(rows, 2)[0]["arrival_ns"]) == LOOP_FLOOR_NS).all()
    assert set(rows["outcome"].tolist()) == {int(Outcome.DNS_FAILURE)}
    assert len(crosscheck(one, seed=1).outcomes) == 1


def test_who_waits_for_ever_sends_no_more() -> None:
    """Service takes longer than the run."""
    rows = records(scenario({"users": 9, "think": "1ms"}, service="90s", client={"timeout": "none"}))
    assert rows["request"].tolist() == list(range(9))
    assert set(rows["outcome"].tolist()) == {int(Outcome.OPEN)}


def churning() -> Scenario:
    return scenario(
        {"users": 40, "think": {"exponential": {"mean": "80ms"}}},
        duration="25s",
        workers=1,
        events=[{"at": "5s", "rollout": "deployment/web"}, {"at": "8s", "crash": "deployment/web"}],
        client={"retry": 2, "keepAlive": True},
    )


def test_cuts_and_engines_change_nothing() -> None:
    whole = records(churning())
    assert (whole == records(churning(), cuts=range(0, 25 * S, 77_777_777), slot=11)).all()
    assert (whole == records(churning(), engine="reference")).all()
    assert (whole["outcome"] != Outcome.OK).sum() > 5


def test_a_hundred_thousand_users_take_their_turns() -> None:
    """Few draws are held ahead of each, and refilled."""
    rows = records(scenario({"users": 100_000, "think": "500ms"}, duration="7s", service="10ms"))
    assert len(rows) == 100_000 * 13
    assert (rows["request"] == np.arange(len(rows))).all()


@pytest.mark.parametrize(
    ("think", "warned"),
    [
        ("0s", True),
        ("900us", True),
        ("1ms", False),
        ({"exponential": {"mean": "50ms"}}, True),
        ({"exponential": {"mean": "1s"}}, False),
    ],
)
def test_short_thinking_is_warned_of(think: Any, warned: bool) -> None:
    said = scenario({"users": 2, "think": think}).warnings
    assert any("thinking often takes less than 1ms" in line for line in said) == warned
