"""Knowledge of an address that outlives the pod it belonged to."""

from __future__ import annotations

import pytest

from tests.cases.worlds import case, failed, outcomes, run


@pytest.mark.parametrize(
    ("changes", "reaches_a_stranger"),
    [
        ({}, True),
        ({"cluster.vanishedIP.reuse": {"after": "60s"}}, True),  # the SYN of 67 s is still to come
        ({"cluster.vanishedIP.reuse": {"after": "130s"}}, False),
        ({"cluster.vanishedIP.reuse": "never"}, False),
        ({"clients.patient.timeout": {"connect": "20s", "request": "none"}}, False),
        ({"lag.sync": "10ms", "manifests.deployment/web.preStop": "5s"}, False),
    ],
    ids=["30s", "60s", "130s", "never", "20s-of-patience", "pre-stop"],
)
def test_a22_an_attempt_reaches_a_stranger_only_if_it_outlives_the_cooldown(
    changes: dict, reaches_a_stranger: bool
) -> None:
    """amazon-vpc-cni-k8s 3634: cooldown 30 s, the kernel's memory of a SYN 120 s; fixes: 130 s, or 20 s."""
    result = run("a22_address_reuse", changes, replications=10)
    assert ("misdelivered" in outcomes(result, "patient")) == reaches_a_stranger


def test_a22_only_attempts_of_the_first_two_seconds_and_at_a_retransmission() -> None:
    """Rules are right after two seconds; what was sent before goes on at 35 s (the first after the reuse)."""
    fails = run("a22_address_reuse", replications=10).failures
    fails = fails[(fails["client"] == "patient") & (fails["outcome"] == "misdelivered")]
    assert fails["arrival_s"].between(10, 13.5).all()
    assert (fails["end_s"] - fails["arrival_s"]).round(3).isin([35.0]).all()


def test_a22_a_caller_that_never_looks_again_outlives_every_cooldown() -> None:
    """No cooldown is longer than knowledge that is never renewed; looking again ends it."""
    later = {"cluster.vanishedIP.reuse": {"after": "130s"}}
    assert outcomes(run("a22_address_reuse", later, replications=10), "pinned")["misdelivered"] > 0
    again = {**later, "clients.pinned.resolve": {"every": "30s"}}
    assert "misdelivered" not in outcomes(run("a22_address_reuse", again, replications=10), "pinned")


def test_b07_a_watcher_that_is_stuck_loses_everything_after_a_full_turnover() -> None:
    """linkerd2 1595, 10491, 11480, 6842, 8956: clients on addresses of old pods until they were restarted."""
    result = run("b07_never_looks_again", replications=10, keep_requests=True)
    assert result.requests is not None
    old = result.pods[result.pods["created_s"] < 0]
    assert old["released_s"].notna().all()
    turned = old["released_s"].max() + 3
    late = result.requests[result.requests["arrival_s"].between(turned, 115)]
    answered = (late["outcome"] == "ok").groupby(late["client"], observed=True).mean()
    assert answered["stuck"] == 0
    assert answered["watching"] == answered["vip"] == 1


def test_b07_one_look_after_a_failure_is_the_cure() -> None:
    stuck = failed(run("b07_never_looks_again", replications=10), "stuck")
    looking = failed(
        run("b07_never_looks_again", {"clients.stuck.resolve": "on-failure"}, replications=10), "stuck"
    )
    assert stuck.min() > 0.8 * 50 * 90
    assert looking.max() < 200


def test_b07_is_about_the_caller_not_the_cluster() -> None:
    """A sleep in the pods does not help a caller that will never know."""
    assert case("b07_never_looks_again").clients[0].resolve == "once"
    slept = run("b07_never_looks_again", {"manifests.deployment/web.preStop": "10s"}, replications=5)
    assert failed(slept, "stuck").min() > 0.8 * 50 * 80
    assert failed(slept, "vip").max() == failed(slept, "watching").max() == 0


def test_b07_scaled_in_the_stuck_callers_are_those_of_the_pods_that_left() -> None:
    """linkerd2 6842: from ten pods to two; of many callers with an address each, four of five are lost."""
    changes = {
        "clients.stuck.sources": 400,
        "events": [{"at": "10s", "scale": "deployment/web", "replicas": 2}],
    }
    result = run("b07_never_looks_again", changes, replications=3, keep_requests=True)
    assert result.requests is not None
    late = result.requests[
        (result.requests["client"] == "stuck") & (result.requests["arrival_s"].between(20, 115))
    ]
    assert (late["outcome"] != "ok").mean() == pytest.approx(0.8, abs=0.03)
