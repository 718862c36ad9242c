"""Load balancers before nodes: what is lost until their checks have failed, and what outlasts them."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import Result
from tests.cases.worlds import causes, failed, outcomes, run

WEB = "manifests.deployment/web"
PODS = "manifests.daemonset/web.preStop"
CHECKS = "cluster.loadBalancer"
NO_FAILURE = ("ok", "open")


def checked(interval_s: int, after: int) -> dict:
    """A balancer that looks every interval_s, and gives up after so many failures."""
    return {
        f"{CHECKS}.interval": f"{interval_s}s",
        f"{CHECKS}.unhealthyAfter": after,
        f"{CHECKS}.healthyAfter": 2,
    }


def last_failure(result: Result, client: str) -> np.ndarray:
    """When the last request of a client that failed had begun, in each replication that has one, seconds."""
    assert result.requests is not None
    fails = result.requests[
        (result.requests["client"] == client) & ~result.requests["outcome"].isin(NO_FAILURE)
    ]
    return fails.groupby("replication")["arrival_s"].max().to_numpy()


def test_a05_the_longer_the_sleep_the_rarer_a_rollout_with_a_failure() -> None:
    """aws-load-balancer-controller 2106: some 502 without, very rare with 40 s, none with 70 s.

    Four nodes lose their pods. Each is left 20 to 30 s of checks and the balancer's own time later, which is
    beyond 40 s for 3 in 100 (lognormal): 1 - 0.97^4, a ninth or so of the rollouts, need a longer sleep.
    """
    clean = []
    lost = []
    for sleep_s in (0, 15, 30, 40, 70):
        fails = failed(
            run("a05_how_long_to_sleep", {f"{WEB}.preStop": f"{sleep_s}s"}, replications=40), "balancer"
        )
        clean.append((fails == 0).mean())
        lost.append(fails.mean())
    assert clean == sorted(clean)
    assert lost == sorted(lost, reverse=True)
    assert clean[0] == clean[1] == 0
    assert 0.7 < clean[3] < 1
    assert lost[3] < lost[0] / 100
    assert clean[4] == 1


def test_a05_the_sleep_counts_inside_the_grace_period() -> None:
    """The reporter raised both: thirty seconds of grace cut a hook of seventy short."""
    hook = f"{WEB}.spec.template.spec.containers[0].lifecycle"
    changes = {
        hook: {"preStop": {"exec": {"command": ["sleep", "70"]}}},
        f"{WEB}.terminationGracePeriodSeconds": 10,
    }
    assert failed(run("a05_how_long_to_sleep", changes, replications=5), "balancer").min() > 0


@pytest.mark.parametrize(("interval_s", "after"), [(30, 3), (10, 10), (8, 3)])
@pytest.mark.parametrize("nodes", [2, 5])
def test_a09_one_nodes_share_is_dropped_until_its_checks_have_failed(
    interval_s: int, after: int, nodes: int
) -> None:
    """kubernetes/kubernetes 73362: 3 * 30 s; ingress-gce 17: 10 * 10 s; 24 s is in-tree GCE.

    From 5 s of sleep on, one in `nodes` requests goes nowhere, until the `after`-th check in a row and the
    balancer's one second more. The first check comes within an interval; the rules are a second or so
    behind at either end, and a share of constant arrivals is binomial (four standard errors).
    """
    changes = {**checked(interval_s, after), "cluster.nodes": nodes}
    result = run("a09_only_pod_of_its_node", changes, keep_requests=True)
    outage_s = failed(result, "balancer") * nodes / 50
    noise_s = 4 * np.sqrt(after * interval_s * (nodes - 1) / 50)
    assert outage_s.min() > (after - 1) * interval_s - 5 - noise_s
    assert outage_s.max() < after * interval_s + 1 - 5 + noise_s
    expected_s = (after - 0.5) * interval_s + 1 - 5
    spread_s = np.sqrt(interval_s**2 / 12 + expected_s * (nodes - 1) / 50)
    assert outage_s.mean() == pytest.approx(expected_s, abs=4 * spread_s / np.sqrt(len(outage_s)) + 1)
    kinds = outcomes(result, "balancer")
    assert kinds["connect_timeout"] > 0.95 * sum(kinds.values())
    last_s = last_failure(result, "balancer") - 10
    assert last_s.min() > (after - 1) * interval_s
    assert last_s.max() < after * interval_s + 2


@pytest.mark.parametrize(("interval_s", "after"), [(30, 3), (10, 10), (8, 3)])
def test_a09_a_terminating_pod_serves_on_while_its_nodes_checks_fail(interval_s: int, after: int) -> None:
    """KEP-1669: nothing is lost once the pod stays for as long as the balancer looks; grace must allow it."""
    enough = {**checked(interval_s, after), PODS: f"{interval_s * after + 3}s"}
    assert failed(run("a09_only_pod_of_its_node", enough), "balancer").max() == 0
    less = {**checked(interval_s, after), PODS: f"{interval_s * (after - 1) - 3}s"}
    assert failed(run("a09_only_pod_of_its_node", less), "balancer").min() > 0


def test_a09_a_disruption_budget_is_no_help() -> None:
    """kubernetes/kubernetes 50977: minAvailable 1 and a sleep, and still time-outs: others are available."""
    result = run("a09_only_pod_of_its_node")
    assert failed(result, "balancer").min() > 0
    assert (result.pods.groupby("replication").size() >= 5).all()


@pytest.mark.parametrize(("replicas", "clean"), [(5, False), (10, True)])
def test_a09_two_pods_on_each_node_are_the_cure(replicas: int, clean: bool) -> None:
    """The other pod of the node goes on; the sleep covers the rules."""
    result = run("a09_two_pods_of_a_node", {"manifests.deployment/web.replicas": replicas})
    assert (failed(result, "balancer").max() == 0) == clean


def test_a11_a_balancers_checks_find_the_hop_and_not_the_pods_behind_others() -> None:
    """kubernetes/kubernetes 97112, 77660: until the node is out of the balancer 7 in 16 fail, then 1 in 4.

    A quarter of the requests enters at the lost node, and a quarter of the others is sent on to its pods,
    until the lease has run out, 50 s after it was renewed last. Two checks and a part make 10 to 15 s.
    """
    result = run("a11_node_loss_balancer", replications=5)
    assert causes(result, "balancer").keys() == {"node_lost"}
    fails = result.failures[result.failures["client"] == "balancer"]
    at = fails["arrival_s"] - 10
    n = len(result.replications) * 100

    def share(from_s: float, until_s: float) -> float:
        return float(((at >= from_s) & (at < until_s)).sum() / (n * (until_s - from_s)))

    # four standard errors of a binomial share
    assert share(0, 10) == pytest.approx(7 / 16, abs=4 * np.sqrt(7 / 16 * 9 / 16 / (10 * n)))
    assert share(16, 38) == pytest.approx(1 / 4, abs=4 * np.sqrt(1 / 4 * 3 / 4 / (22 * n)))
    assert share(60, 80) == 0


@pytest.mark.parametrize(("interval_s", "after"), [(1, 2), (5, 3)])
def test_a11_a_balancer_that_checks_pods_does_not_wait_for_the_lease(interval_s: int, after: int) -> None:
    """kubernetes/kubernetes 101101: a failover in less than 3 s takes checks of the pods, not of the nodes.

    The share is that of the pods, one quarter, for as long as the checks take.
    """
    result = run(
        "a11_node_loss_balancer",
        {f"{CHECKS}.targets": "pods", **checked(interval_s, after)},
        keep_requests=True,
    )
    last_s = last_failure(result, "balancer") - 10
    assert (after - 1) * interval_s - 0.5 < last_s.min()
    assert last_s.max() < after * interval_s
    outage_s = failed(result, "balancer") * 4 / 100
    assert outage_s.mean() == pytest.approx((after - 0.5) * interval_s, rel=0.1)


@pytest.mark.parametrize(("ttl_s", "cache_s", "every_s"), [(5, 30, 5), (5, 30, 30), (5, 0, 5), (30, 0, 30)])
def test_a21_staleness_is_the_sum_of_cache_and_period(ttl_s: int, cache_s: int, every_s: int) -> None:
    """coredns 7091: 30 to 60 s with a TTL of 5 s, by a cache of 30 s and callers that look every 30 s.

    The endpoint leaves the slice within a second. A cache begins the record's life anew up to cache_s later,
    and of twenty callers the last asks a twenty-first of its period before that is over.
    """
    changes = {
        "cluster.dns.ttl": f"{ttl_s}s",
        "cluster.dns.cache": f"{cache_s}s",
        "clients.cached.resolve": {"every": f"{every_s}s"},
    }
    result = run("a21_headless_cache", changes, replications=40)
    stale = result.failures[result.failures["cause"] == "stale_resolver"]
    last_s = stale.groupby("replication")["arrival_s"].max() - 10
    assert len(last_s) == 40
    assert last_s.max() < cache_s + every_s + 1
    expected_s = cache_s / 2 + every_s * 20 / 21
    spread_s = np.sqrt(cache_s**2 / 12 + (every_s / 21) ** 2)
    assert last_s.mean() == pytest.approx(expected_s, abs=4 * spread_s / np.sqrt(40) + 1)


def test_a21_a_sleep_as_long_as_the_sum_is_the_cure() -> None:
    """The old pod answers for as long as it may be asked; the new one is found meanwhile."""
    changes = {
        "manifests.statefulset/redis.terminationGracePeriodSeconds": 60,
        "manifests.statefulset/redis.preStop": "40s",
    }
    result = run("a21_headless_cache", changes)
    assert "stale_resolver" not in causes(result, "cached")


def test_b01_the_ingress_itself_times_out_where_its_backends_do_not() -> None:
    """kubernetes/ingress-nginx 322: the sleep that is enough for backends is not for the ingress's Service.

    Two nodes of two are left without a pod, for 16 to 24 s of checks and the balancer's 1 to 5 s.
    """
    result = run("b01_ingress_itself")
    kinds = outcomes(result, "siege")
    assert failed(result, "siege").min() > 0
    assert kinds["connect_timeout"] > 0.95 * sum(kinds.values())
    assert max(causes(result, "siege"), key=causes(result, "siege").__getitem__) == "policy_drop"


@pytest.mark.parametrize(
    "cure",
    [
        {"manifests.deployment/ingress.preStop": "32s"},
        {"manifests.service/ingress.spec.externalTrafficPolicy": "Cluster"},
    ],
    ids=["sleep", "Cluster"],
)
def test_b01_a_sleep_beyond_the_balancers_checks_or_no_policy(cure: dict) -> None:
    assert failed(run("b01_ingress_itself", cure), "siege").max() == 0


def test_b19_what_goes_through_a_hop_is_lost_with_it() -> None:
    """kubernetes/autoscaler 1907: connections of 10 to 20 s are cut, though no pod was on the node.

    By Little's law a third of 30 a second lasts 15 s each: 150 are on their way. A third of those that come
    until the checks have failed, 5 to 10 s, meets nobody.
    """
    result = run("b19_only_a_hop")
    assert causes(result, "calls").keys() == {"node_lost"}
    kinds = outcomes(result, "calls")
    n = len(result.replications)
    # binomial shares of constant arrivals, four standard errors; the checks' phase adds 5 s / sqrt(12)
    assert kinds["request_timeout"] / n == pytest.approx(150, abs=4 * np.sqrt(150 / n))
    assert kinds["connect_timeout"] / n == pytest.approx(75, abs=4 * np.sqrt((75 + (10 * 5) ** 2 / 12) / n))


@pytest.mark.parametrize(
    "cure",
    [{f"{CHECKS}.targets": "pods"}, {"manifests.service/web.spec.externalTrafficPolicy": "Local"}],
    ids=["to pods", "Local"],
)
def test_b19_without_a_second_hop_nothing_is_lost(cure: dict) -> None:
    assert failed(run("b19_only_a_hop", cure), "calls").max() == 0


def test_b19_a_tainted_node_is_left_before_it_goes_if_there_is_time_for_it() -> None:
    """KEP-3836: kube-proxy's health fails with the taint, the checks take 5 to 10 s, a connection up to 20.

    The autoscaler's own five seconds are less than the checks need; a check of the node port sees nothing.
    """

    def lost(wait: str, **changes: str) -> np.ndarray:
        events = [{"at": "40s", "removeNode": "hop", "wait": wait}]
        return failed(run("b19_only_a_hop", {"events": events, **changes}), "calls")

    assert lost("31s").max() == 0
    assert lost("5s").mean() == pytest.approx(150, abs=4 * np.sqrt(150 / 20))
    assert 0 < lost("20s").mean() < 75
    assert lost("31s", **{f"{CHECKS}.check": "node-port"}).min() > 75


def test_b20_every_rollout_leaves_nodes_without_a_pod() -> None:
    """kubernetes/kubernetes 99299: 502 from the node that has no pod any more, at each of the rollouts."""
    result = run("b20_rolled_every_half_minute", keep_requests=True)
    fails = result.failures
    rollout = ((fails["arrival_s"] - 10) // 30).astype(int)
    per = fails.groupby(["replication", rollout]).size().unstack(fill_value=0)
    assert list(per.columns) == [0, 1, 2, 3]
    assert (per > 0).all().all()
    assert {"policy_drop", "stale_endpoint"} <= causes(result, "haproxy").keys()


@pytest.mark.parametrize(
    "cure",
    [{f"{WEB}.preStop": "8s"}, {"manifests.service/web.spec.externalTrafficPolicy": "Cluster"}],
    ids=["sleep", "Cluster"],
)
def test_b20_cures(cure: dict) -> None:
    """Three checks every 2 s are over in 6 s; under policy Cluster every node knows every pod."""
    assert failed(run("b20_rolled_every_half_minute", cure), "haproxy").max() == 0
