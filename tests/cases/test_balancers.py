"""Who learns of pods later than the cluster does: balancers outside, ingresses."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import ManifestError, Result
from tests.cases.worlds import causes, failed, outcomes, run

WEB = "manifests.deployment/web"
APP = "workloads.deployment/web"
SLEEP = "manifests.deployment/single.preStop"


def longest_silence(result: Result, client: str) -> float:
    """The longest time without a request that was answered, in seconds; the least over replications."""
    assert result.requests is not None
    asked = result.requests[result.requests["client"] == client]
    answered = asked[asked["outcome"] == "ok"]
    gaps = answered.groupby("replication")["arrival_s"].diff()
    return float(gaps.groupby(answered["replication"]).max().min())


def test_a02_what_is_lost_is_the_rate_times_the_window() -> None:
    """kubernetes/ingress-gce 769: eleven pods, 100 requests a second, 96 answered with 502 in one rollout.

    Every pod is replaced once and has an eleventh of the requests, so the number of pods cancels out: the
    loss is 100 a second times the second or so by which the balancer is late.
    """
    result = run("a02_balancer_to_pods", replications=40)
    lost = failed(result, "balancer")
    low, high = np.percentile(lost, [2.5, 97.5])
    assert low <= 96 <= high
    assert 70 <= lost.mean() <= 130
    assert lost.sum() == pytest.approx(result.summary["expected_failures"][0], rel=0.1)


def test_a02_grace_and_min_ready_cure_nothing_by_themselves() -> None:
    """The reporter had given both 180 seconds; a pod that exits on SIGTERM uses no grace.

    Without minReadySeconds it is worse: new pods are Ready but no targets yet when old ones go, so that the
    last of the old ones have more than an eleventh of the requests each.
    """
    as_reported = failed(run("a02_balancer_to_pods"), "balancer").mean()
    longer = {f"{WEB}.terminationGracePeriodSeconds": 900}
    assert failed(run("a02_balancer_to_pods", longer), "balancer").mean() == as_reported
    at_once = failed(run("a02_balancer_to_pods", {f"{WEB}.minReadySeconds": 0}), "balancer").mean()
    assert 1.2 * as_reported < at_once


@pytest.mark.parametrize(
    "cure", [{f"{APP}.onSigterm": {"lameDuck": "8s"}}, {f"{WEB}.preStop": "8s"}], ids=["accept", "sleep"]
)
def test_a02_pods_that_go_on_accepting_lose_nothing(cure: dict) -> None:
    """The maintainer's answer: accept after SIGTERM until the balancer has stopped sending."""
    result = run("a02_balancer_to_pods", cure)
    assert failed(result, "balancer").max() == 0


def test_a02_half_a_cure_halves_the_loss() -> None:
    """A sleep shorter than the balancer's lag takes its own length off the window."""
    without = failed(run("a02_balancer_to_pods"), "balancer").mean()
    half = failed(run("a02_balancer_to_pods", {f"{APP}.onSigterm": {"lameDuck": "500ms"}}), "balancer").mean()
    assert 0.25 * without < half < 0.75 * without


def test_a06_the_sleep_for_the_balancer_and_the_grace_for_the_requests() -> None:
    """aws-load-balancer-controller 1064: time-outs with 5 s of sleep; none with 25 s and 60 s of grace.

    The balancer needs up to 10 s of checks and 10 s of its own, to leave old nodes and to find new ones.
    Requests last up to 30 s, and the sleep counts inside the grace period.
    """
    cured = run("a06_sleep_and_grace")
    assert failed(cured, "siege").max() == 0
    short_sleep = run("a06_sleep_and_grace", {f"{WEB}.preStop": "5s"})
    assert causes(short_sleep, "siege").keys() == {"stale_endpoint", "policy_drop"}
    kinds = outcomes(short_sleep, "siege")
    assert kinds["connect_timeout"] > kinds["refused"]  # a balancer's 504, and its 502
    assert failed(short_sleep, "siege").min() > 0
    short_grace = run("a06_sleep_and_grace", {f"{WEB}.terminationGracePeriodSeconds": 30})
    assert causes(short_grace, "siege").keys() == {"in_flight_cut"}
    assert failed(short_grace, "siege").min() > 0


def test_a06_a_hook_ends_with_the_grace_period() -> None:
    """The API server refuses a sleep longer than the grace; a command is let pass, and cut short."""
    hook = f"{WEB}.spec.template.spec.containers[0].lifecycle"
    changes = {
        hook: {"preStop": {"exec": {"command": ["sleep", "25"]}}},
        f"{WEB}.terminationGracePeriodSeconds": 10,
    }
    result = run("a06_sleep_and_grace", changes)
    assert causes(result, "siege").keys() == {"stale_endpoint", "policy_drop", "in_flight_cut"}
    with pytest.raises(ManifestError, match="sleep"):
        run("a06_sleep_and_grace", {f"{WEB}.terminationGracePeriodSeconds": 10})


@pytest.mark.parametrize("sleep_s", [0, 60, 110])
def test_a07_two_minutes_whatever_else_is_set(sleep_s: int) -> None:
    """aws-load-balancer-controller 2366, 3270: new connections for two minutes; sleep must be longer."""
    late = run("a07_two_minutes_late", {f"{WEB}.preStop": f"{sleep_s}s"}, replications=10)
    lost = failed(late, "balancer")
    # half of the requests, twice, for 120 to 150 s less the sleep
    assert (20 * (120 - sleep_s) * 0.8 <= lost).all()
    assert (lost <= 20 * (152 - sleep_s) * 1.2).all()


def test_a07_a_sleep_beyond_two_minutes_and_a_half_loses_nothing() -> None:
    assert failed(run("a07_two_minutes_late", replications=10), "balancer").max() == 0


def test_a07_without_a_readiness_gate_the_old_pods_go_before_the_new_are_known() -> None:
    """A pod that is Ready before it is a target lets the rollout go on, until nobody whom it knows serves."""
    short = {f"{WEB}.preStop": "30s"}
    ungated = {**short, f"{APP}.readinessGate": "0s"}

    def silence(changes: dict) -> float:
        result = run("a07_two_minutes_late", changes, replications=5, keep_requests=True)
        return longest_silence(result, "balancer")

    assert silence(short) < 5
    assert silence(ungated) > 120 - 30 - 10


def test_a19_a_window_of_up_to_three_seconds_after_each_stop() -> None:
    """zalando/skipper 652: the pod is gone at :45, the route at :48; errors at each stop, SIGTERM handled."""
    result = run("a19_late_ingress")
    assert "in_flight_cut" not in causes(result, "ingress")
    fails = result.failures.merge(
        result.pods[["replication", "pod", "stopped_s"]], on=["replication", "pod"], validate="many_to_one"
    )
    late = fails["arrival_s"] - fails["stopped_s"]
    assert late.min() >= 0
    assert 2.0 < late.max() < 3.8
    assert failed(result, "ingress").min() > 0


@pytest.mark.parametrize("times", [1, 2])
def test_a19_another_route_tried_hides_it(times: int) -> None:
    """One of three routes is dead: a retry elsewhere, as other ingresses do, gets through."""
    retried = failed(run("a19_late_ingress", {"clients.ingress.retry": times}), "ingress").sum()
    assert retried < failed(run("a19_late_ingress"), "ingress").sum() / 10


def test_a19_a_sleep_that_covers_the_poll_is_the_cure() -> None:
    assert failed(run("a19_late_ingress", {f"{WEB}.preStop": "5s"}), "ingress").max() == 0


def test_b05_direct_upstreams_are_refused_at_scale_down() -> None:
    """kubernetes/ingress-nginx 3639: 502, connection refused, while the old list is in use."""
    result = run("b05_direct_upstreams")
    assert failed(result, "upstreams").min() > 0
    kinds = outcomes(result, "upstreams")
    assert kinds["refused"] > sum(kinds.values()) / 2
    assert causes(result, "upstreams").keys() == {"stale_endpoint"}


def test_b05_one_replica_with_surge_still_blinks() -> None:
    """kubernetes/ingress-nginx 4375: the sleep of the only pod is shorter than the reload.

    Nobody is reachable until the list with the new pod is loaded, and then every second request until the
    old one is off it, however early the new pod was ready.
    """
    result = run("b05_direct_upstreams", {SLEEP: "0s"}, keep_requests=True)
    assert failed(result, "single").min() > 0
    assert longest_silence(result, "single") > 1.5
    slept = run("b05_direct_upstreams", keep_requests=True)
    assert failed(slept, "single").min() > 0
    assert longest_silence(slept, "single") < longest_silence(result, "single")


def test_b05_a_sleep_longer_than_the_reload_cures_both() -> None:
    changes = {f"{WEB}.preStop": "8s", SLEEP: "8s"}
    result = run("b05_direct_upstreams", changes)
    assert failed(result, "upstreams").max() == 0
    assert failed(result, "single").max() == 0
