"""New pods: when callers can reach them, and whether they should."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import Result
from tests.cases.worlds import causes, failed, outcomes, run

WEB = "manifests.deployment/web"
READINESS = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}


def first_answers(result: Result, client: str) -> np.ndarray:
    """Seconds from the pod's Ready to the client's first answer, one to a replication."""
    assert result.requests is not None
    asked = result.requests[(result.requests["client"] == client) & (result.requests["outcome"] == "ok")]
    first = asked.groupby("replication")["end_s"].min()
    pods = result.pods[result.pods["workload"].str.endswith("deployment/app")].set_index("replication")
    return (first - pods["ready_s"]).to_numpy()


def test_a01_the_service_waits_for_the_next_sync_and_the_pod_address_does_not() -> None:
    """knative/serving 4040, 3885, 4902, 15477: a Service scaled up from nothing hangs for up to ten seconds.

    Probes of the cluster IP hung for ten seconds, or five to seven, where kube-proxy's least interval was
    10 s; sent to the pod itself they were answered as soon as it was Ready.
    """
    result = run("a01_scale_from_zero", replications=30, keep_requests=True)
    vip, direct = first_answers(result, "vip"), first_answers(result, "direct")
    assert direct.max() < 0.6
    assert 8 < vip.max() < 11
    low, high = np.percentile(vip, [25, 75])
    assert high - low > 2


def test_a01_with_the_run_loop_of_that_time_it_hangs_for_ten_seconds() -> None:
    """knative/serving 4040 saw almost exactly ten seconds; kube-proxy up to 1.33 has a token bucket.

    By hand: of two tokens the neighbour has had one, the pod's address, which changes no rule, takes the
    other, and readiness waits until ten seconds after the sync of the address.
    """
    result = run("a01_scale_from_zero", {"cluster.kubernetes": '"1.30"'}, replications=30, keep_requests=True)
    pods = result.pods[result.pods["workload"].str.endswith("deployment/app")]
    from_address = first_answers(result, "vip") + (pods["ready_s"] - pods["started_s"]).to_numpy()
    assert from_address.min() > 10
    assert from_address.max() < 11


def test_a01_with_an_interval_of_a_second_it_is_a_second() -> None:
    changes = {"cluster.kubeProxy.minSyncPeriod": "1s"}
    result = run("a01_scale_from_zero", changes, replications=30, keep_requests=True)
    assert first_answers(result, "vip").max() < 1.7
    assert first_answers(result, "direct").max() < 0.6


def test_a01_a_patient_caller_gets_through_at_one_of_its_retransmissions() -> None:
    """Before Linux 6.5 a SYN is sent again after 1, 3, 7, 15 s: the hang is longer than the rules' lag."""
    changes = {"cluster.kernel": "5.15", "clients.vip.timeout": "none"}
    result = run("a01_scale_from_zero", changes, replications=10, keep_requests=True)
    assert result.requests is not None
    asked = result.requests[(result.requests["client"] == "vip") & (result.requests["syns"] > 1)]
    asked = asked[asked["outcome"] == "ok"]
    waited = asked["connected_s"] - asked["arrival_s"]
    assert set(waited.round(3)) <= {1.0, 3.0, 7.0, 15.0, 31.0}
    assert {1.0, 3.0, 7.0} <= set(waited.round(3))


def test_a27_pods_that_are_ready_before_they_listen() -> None:
    """civitai/civitai 2193: some 95 pods rolled at once, 502 all along; a probe of readiness cures it.

    Without a readiness probe a pod counts as Ready as soon as it runs, and the rollout goes on at once.
    """
    blind = run("a27_ready_too_early", replications=3)
    by = causes(blind, "vip")
    assert by["ready_before_listening"] > 0.8 * sum(by.values())
    assert outcomes(blind, "vip")["refused"] > 0.8 * sum(by.values())
    probe = f"{WEB}.spec.template.spec.containers[0].readinessProbe"
    asked = run("a27_ready_too_early", {probe: READINESS}, replications=3)
    assert "ready_before_listening" not in causes(asked, "vip")
    assert failed(asked, "vip").mean() < 0.1 * failed(blind, "vip").mean()
    cured = run("a27_ready_too_early", {probe: READINESS, f"{WEB}.preStop": "8s"}, replications=3)
    assert failed(cured, "vip").max() == 0


def test_a27_min_ready_seconds_bounds_how_many_are_missing_at_once() -> None:
    """Waves of new pods, each given 30 s: the worst time loses a wave's share, not nearly everything.

    A wave is a surge of 24 and the 23 that may be missing, of 119 pods, or of 95 and what is left of the
    surge in the last one.
    """

    def worst(changes: dict) -> float:
        """Share of requests that met a pod too early, in the worst four seconds; two replications."""
        result = run("a27_ready_too_early", changes, replications=2)
        early = result.failures[result.failures["cause"] == "ready_before_listening"]
        return float(early.groupby(early["arrival_s"] // 4).size().max() / (2 * 4 * 200))

    assert worst({}) > 0.6
    assert 0.9 * 47 / 119 < worst({f"{WEB}.minReadySeconds": 30, "duration": "90s"}) < 1.1 * 47 / 95


def test_a27_a_new_pod_has_its_full_share_at_once() -> None:
    """kubernetes/kubernetes 120841: from three pods to four, the new one has a quarter at once."""
    result = run("a27_share_of_a_new_pod", replications=10)
    shares = []
    for _, load in result.load.groupby("replication"):
        first = load.loc[load["pod"].str.endswith("/4"), "second"].min() + 1
        window = load[load["second"].between(first, first + 2)]
        shares.append(
            window.loc[window["pod"].str.endswith("/4"), "accepted"].sum() / window["accepted"].sum()
        )
    assert np.mean(shares) == pytest.approx(0.25, abs=0.015)
    assert failed(result, "vip").max() == 0


def slowest(result: Result, client: str) -> tuple[float, float]:
    """95% of the answers within this time, ms: in the minute after the rollout began, and in the last."""
    assert result.requests is not None
    asked = result.requests[(result.requests["client"] == client) & (result.requests["outcome"] == "ok")]
    took = 1000 * (asked["end_s"] - asked["arrival_s"])
    during = asked["arrival_s"].between(20, 80)
    return float(took[during].quantile(0.95)), float(took[asked["arrival_s"] > 90].quantile(0.95))


def test_a27_cold_pods_are_seen_as_latency_and_not_as_failures() -> None:
    """istio/istio 21228: a rollout replaces every warm pod before the first new one is warm.

    By hand: 55 requests a second to a pod of four workers, 20 ms each, is 28% busy; at 80 ms it is 110%, so
    with four cold pods the queue grows. The warm rest answers as before: the 95% point of 20 ms is 60 ms.
    """
    cold = run("a27_warm_up", replications=4, keep_requests=True)
    during, after = slowest(cold, "vip")
    assert during > 1500
    assert after < 65
    assert failed(cold, "vip").max() == 0
    changes = {"workloads.deployment/web.warmUp.slowdown": 1}
    same = run("a27_warm_up", changes, replications=4, keep_requests=True)
    assert slowest(same, "vip")[0] < 65


def test_a27_min_ready_seconds_as_long_as_the_warm_up_leaves_one_pod_cold_at_a_time() -> None:
    """istio/istio 21228: a warm-up is defeated unless minReadySeconds is at least as long."""
    changes = {f"{WEB}.minReadySeconds": 30}
    assert slowest(run("a27_warm_up", changes, replications=4, keep_requests=True), "vip")[0] < 700


def test_a27_a_slow_start_that_falls_is_milder_than_a_step() -> None:
    changes = {"workloads.deployment/web.warmUp.shape": "linear"}
    assert 65 < slowest(run("a27_warm_up", changes, replications=4, keep_requests=True), "vip")[0] < 700


def test_a27_the_fewest_requests_avoid_the_cold_pods() -> None:
    """Callers that choose the pod with the fewest requests open leave a cold pod alone while warm ones are
    there; with one cold pod of five the slowest are far from what random choice gives.
    """
    least = {
        "name": "vip",
        "to": "service/web",
        "via": "pod-ip",
        "resolve": "watch",
        "balance": "least-request",
        "rate": "220/s",
        "timeout": {"request": "10s"},
    }
    changes = {f"{WEB}.minReadySeconds": 30}
    blind = slowest(run("a27_warm_up", changes, replications=4, keep_requests=True), "vip")[0]
    aware = run("a27_warm_up", {**changes, "clients.vip": least}, replications=4, keep_requests=True)
    assert slowest(aware, "vip")[0] < 0.6 * blind
