"""Rollouts and scaling, reached through the Service."""

from __future__ import annotations

import math

import numpy as np
import pytest

from svcsim import Result
from tests.cases.worlds import causes, failed, fewest_listed, outcomes, run

WEB = "manifests.deployment/web"
APP = "workloads.deployment/web"


def at_50_a_second() -> dict:
    """Fifty callers at a second each instead of a hundred, for ten thousand requests as well."""
    return {"clients.loop.rate": "50/s", "duration": "200s"}


def test_a03_most_rollouts_lose_nothing_and_some_lose_tens() -> None:
    """kubernetes/kubernetes 99340: 0, 1, 0, 0, 0 failures of 10,000 with 50 callers; 0, 0, 45 with 100.

    What is lost hangs together: one late write of the endpoints in a rollout costs tens, so the number of
    failures is spread far wider than a Poisson number of the same mean, and one run proves nothing.
    """
    for changes in ({}, at_50_a_second()):
        lost = failed(run("a03_none_or_many", changes, replications=60), "loop")
        assert 0.3 < (lost == 0).mean() < 0.95
        assert (lost == 0).mean() > 3 * math.exp(-lost.mean())
        assert lost.max() >= 20
        assert lost.var(ddof=1) > 5 * lost.mean()


def test_a03_a_sleep_longer_than_the_late_writes_makes_every_rollout_clean() -> None:
    assert failed(run("a03_none_or_many", {f"{WEB}.preStop": "24s"}, replications=60), "loop").max() == 0


def test_b01_a_light_load_loses_one_or_two() -> None:
    """kubernetes/ingress-nginx 322: 1,178 answered, 2 failed; half a second was lost. A sleep cured it."""
    result = run("b01_two_backends", replications=60)
    lost = failed(result, "siege")
    low, high = np.percentile(lost, [2.5, 97.5])
    assert low <= 2 <= high
    assert lost.mean() / 26 < 0.5
    assert failed(run("b01_two_backends", {f"{WEB}.preStop": "5s"}, replications=60), "siege").max() == 0


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("client", ["vip", "port"])
def test_b02_three_seconds_are_usually_enough(client: str, nodes: int) -> None:
    """kubernetes/kubernetes 43576, 55667: every rollout loses some; `sleep 3` usually outlasts iptables.

    By the node port as by the cluster IP, and on a single node too.
    """
    assert failed(run("b02_short_sleep", {"cluster.nodes": nodes}), client).min() > 0
    changes = {"manifests.deployment/nginx.preStop": "3s", "cluster.nodes": nodes}
    slept = run("b02_short_sleep", changes, replications=60)
    assert (failed(slept, client) == 0).mean() >= 0.9


@pytest.mark.parametrize("name", ["b02_short_sleep", "b03_max_unavailable_zero"])
def test_b02_b03_a_node_port_loses_what_the_cluster_ip_does(name: str) -> None:
    """The same rules of the same nodes choose; only the draws of the callers differ.

    A paired difference over 60 rollouts, within four of its standard errors.
    """
    result = run(name, replications=60)
    differs = failed(result, "port") - failed(result, "vip")
    assert abs(differs.mean()) < 4 * differs.std(ddof=1) / np.sqrt(len(differs))
    assert failed(result, "port").mean() == pytest.approx(failed(result, "vip").mean(), rel=0.15)


def test_b02_unless_a_node_has_lost_its_proxy() -> None:
    """No sleep helps callers on a node whose rules stand still: once both are replaced all of theirs fail."""
    events = [{"at": "5s", "stopProxy": "node-2"}, {"at": "15s", "rollout": "deployment/nginx"}]
    changes = {"manifests.deployment/nginx.preStop": "6s", "events": events}
    fails = run("b02_short_sleep", changes, replications=3).failures
    fails = fails[fails["client"] == "vip"]
    assert set(fails["node"]) == {"node-2"}
    per_s = fails.groupby(["replication", fails["arrival_s"].astype(int)]).size()
    assert per_s[per_s.index.get_level_values(1) == 50].mean() == pytest.approx(50, rel=0.3)


def test_b03_max_unavailable_zero_and_probes_do_not_keep_connections() -> None:
    """kubernetes/kubernetes 86280, 82173, 76580: refused on upgrade though no pod is ever missing."""
    result = run("b03_max_unavailable_zero")
    assert failed(result, "vip").min() > 0
    assert outcomes(result, "vip").keys() == {"refused"}
    assert fewest_listed(result) >= 4
    assert failed(run("b03_max_unavailable_zero", {f"{WEB}.preStop": "5s"}), "vip").max() == 0


def test_b28_two_replicas_refuse_some() -> None:
    """opentelemetry-collector 10141: siege with 500 users; some are refused while a rollout goes through."""
    result = run("b28_two_collectors")
    assert failed(result, "siege").min() > 0
    assert outcomes(result, "siege").keys() == {"refused"}
    assert result.summary["failed_fraction"][0] < 0.03
    cured = run("b28_two_collectors", {"manifests.deployment/collector.preStop": "5s"})
    assert failed(cured, "siege").max() == 0


def test_b31_each_way_down_costs_and_the_way_up_does_not() -> None:
    """voyager 1389: replicas went up and down, with 503 each time; with a fixed number they stopped."""
    flapping = run("b31_flapping")
    times = flapping.failures["arrival_s"]
    assert failed(flapping, "vip").min() > 0
    assert ((times - 10) % 30).lt(4).all()
    up = [{"at": "25s", "scale": "deployment/web", "replicas": 8}]
    assert failed(run("b31_flapping", {"events": up}), "vip").max() == 0


def cut(result: Result) -> float:
    """Requests cut in flight, per replication."""
    return causes(result, "calls").get("in_flight_cut", 0) / 20


def test_b08_what_is_in_flight_is_lost_unless_the_drain_is_as_long() -> None:
    """envoyproxy/envoy 11080: 100 calls a second of 5 s, 500 in flight; a rolling replacement breaks them.

    While a surge pod serves too, each of three has 100 / 3 x 5 s in flight, and two of them go. With 3 s
    of grace those are cut that have more than 3 s to go: two of five. The caller's list is 1 to 2 s late.
    """
    each = 100 / 3 * 5
    assert cut(run("b08_long_requests")) == pytest.approx(2 * each, rel=0.1)
    drain = {f"{APP}.onSigterm": "drain"}
    short = {**drain, f"{WEB}.terminationGracePeriodSeconds": 3}
    assert cut(run("b08_long_requests", short)) == pytest.approx(2 * each * 2 / 5, rel=0.1)
    drained = run("b08_long_requests", drain)
    assert cut(drained) == 0
    assert outcomes(drained, "calls").keys() == {"refused"}
    assert failed(run("b08_long_requests", {**drain, f"{WEB}.preStop": "4s"}), "calls").max() == 0


def test_c814_what_waits_unread_is_reset() -> None:
    """cortexproject/cortex 814: 100 threads on two replicas see resets when one is replaced."""
    result = run("c814_hundred_threads")
    kinds = outcomes(result, "threads")
    assert kinds["reset"] > 0
    assert kinds["eof"] > 0
    cured = run("c814_hundred_threads", {"manifests.deployment/distributor.preStop": "8s"})
    assert failed(cured, "threads").max() == 0


def test_c40304_scaling_down_half_way_takes_healthy_pods() -> None:
    """kubernetes/kubernetes 40304: healthy pods are removed although there are broken ones to remove.

    By hand (sync.go `scale`): ten replicas stand at 8 old and 5 new, never ready. For five replicas 5 + 2
    are allowed; 8 x 7/13 = 4.3 and 5 x 7/13 = 2.7 leave 4 healthy ones of 8, though five were asked for.
    """
    result = run("c40304_scale_down_half_way", replications=5)
    for _, pods in result.pods.groupby("replication"):
        left = pods[pods["deleted_s"].isna()]
        old = left["created_s"] < 0
        assert (old.sum(), (~old).sum()) == (4, 3)
        assert left.loc[~old, "ready_s"].isna().all()
    no_rollout = [{"at": "30s", "scale": "deployment/web", "replicas": 5}]
    whole = run("c40304_scale_down_half_way", {"events": no_rollout}, replications=5)
    assert whole.pods["deleted_s"].isna().groupby(whole.pods["replication"]).sum().eq(5).all()


def test_c4221_a_restart_during_a_rollout_drops_below_the_two_asked_for() -> None:
    """argo-rollouts 4221: each alone keeps its bound, both at once leave one of two pods."""
    both = run("c4221_restart_and_rollout")
    assert fewest_listed(both) == 1
    alone = run("c4221_restart_and_rollout", {"events": [{"at": "10s", "rollout": "deployment/web"}]})
    assert fewest_listed(alone) == 2


def test_a09_a_terminating_pod_is_better_than_none_for_a_service() -> None:
    """kubernetes/kubernetes 73362 and KEP-1669: with no ready endpoint, those that still serve are used.

    The only pod serves for 20 s after its deletion, its successor comes after 15: nothing is lost through the
    Service. Whoever watches ready addresses has none meanwhile. With a sleep of 5 s nobody is left to fall
    back to, and the node refuses.
    """
    result = run("a09_only_pod_is_terminating")
    assert failed(result, "vip").max() == 0
    assert outcomes(result, "watching").keys() == {"dns_failure"}
    assert failed(result, "watching").mean() == pytest.approx(50 * 15.5, rel=0.1)
    short = run("a09_only_pod_is_terminating", {f"{WEB}.preStop": "5s", "clients.vip.hostNetwork": True})
    by = causes(short, "vip")
    assert by["no_endpoint"] > 0.8 * sum(by.values())
    assert outcomes(short, "vip")["refused"] > 0.8 * sum(by.values())
    assert failed(short, "vip").mean() == pytest.approx(50 * 10.5, rel=0.1)


def test_b08_streams_outlast_a_short_grace() -> None:
    """maximhq/bifrost 1923: scaling in cuts event streams; a sleep of 15 s and a minute of grace were set.

    Streams last up to 40 s. The sleep keeps new ones from pods that go, the grace lets the old ones end.
    """
    assert failed(run("b08_streams_scaled_in"), "streams").max() == 0
    gateway = "manifests.deployment/gateway"
    for change in (
        {f"{gateway}.terminationGracePeriodSeconds": 30},
        {"workloads.deployment/gateway.onSigterm": "exit"},
    ):
        result = run("b08_streams_scaled_in", change)
        assert causes(result, "streams").keys() == {"in_flight_cut"}
        assert failed(result, "streams").mean() > 1


def test_blue_green_blue_must_outlive_the_latest_node() -> None:
    """A second is less than a fifth of the nodes needs here, eleven is more than any does.

    The service that testers use lists green all the time and notices nothing.
    """
    early = run("blue_green")
    assert (failed(early, "fresh") > 0).mean() > 0.7
    assert causes(early, "fresh")["stale_endpoint"] > 0.9 * failed(early, "fresh").sum()
    assert failed(early, "tester").max() == 0
    later = {
        "events": [
            {"at": "20s", "selector": "service/web", "labels": {"version": "green"}},
            {"at": "31s", "scale": "deployment/blue", "replicas": 0},
        ]
    }
    assert failed(run("blue_green", later), "fresh").max() == 0


def test_blue_green_no_wait_moves_a_kept_connection() -> None:
    """Who keeps connections is still on blue when it goes, however late: what is in flight then is cut."""
    later = {
        "events": [
            {"at": "20s", "selector": "service/web", "labels": {"version": "green"}},
            {"at": "50s", "scale": "deployment/blue", "replicas": 0},
        ]
    }
    result = run("blue_green", later)
    assert failed(result, "kept").mean() > 1
    assert set(causes(result, "kept")) <= {"in_flight_cut", "kept_closed"}


def test_canary_before_it_is_ready_costs_its_share_of_the_time_until_it_is() -> None:
    """Three pods are there at 10 s, ready from 30 s on: a tenth of 200 a second in the 15 to 17 s between."""
    result = run("canary")
    assert set(outcomes(result, "users")) == {"rejected"}
    assert 0.1 * 200 * 15 - 70 < failed(result, "users").mean() < 0.1 * 200 * 18 + 70


def test_canary_that_is_waited_for_costs_nothing() -> None:
    steps = [
        {"at": "10s", "scale": "deployment/canary", "replicas": 3},
        {"at": "40s", "weights": "httproute/web", "backends": {"stable": 90, "canary": 10}},
        {"at": "60s", "weights": "httproute/web", "backends": {"stable": 0, "canary": 100}},
        {"at": "90s", "scale": "deployment/stable", "replicas": 0},
    ]
    assert failed(run("canary", {"events": steps}), "users").max() == 0
