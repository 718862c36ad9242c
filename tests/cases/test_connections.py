"""Connections that live long, and what is reused of them: which pods they stay on, and when they break."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from svcsim import Result
from svcsim.distributions import Uniform
from tests.cases.worlds import causes, failed, outcomes, run

JITTER = 0.8


def shares_on_new(result: Result, after_s: float, until_s: float) -> np.ndarray:
    """Of the requests of a span, the share on pods created in the run; one number a replication."""
    assert result.requests is not None
    within = result.requests[result.requests["arrival_s"].between(after_s, until_s)]
    new = set(result.pods.loc[result.pods["created_s"] > 0, "pod"])
    on_new = within["pod"].astype(str).isin(new)
    return on_new.groupby(within["replication"]).mean().to_numpy()


def near(samples: np.ndarray, value: float) -> None:
    """The mean within four standard errors."""
    assert abs(samples.mean() - value) <= 4 * samples.std(ddof=1) / np.sqrt(len(samples))


def moved(age_s: float, t_s: float, gap_s: float = 1.0) -> float:
    """The share of requests on connections that were opened in the last t_s, of ages up to age_s.

    The first request after the age opens the next: 1 - E[(A - t)+] / (E[A] + gap).
    """
    law = Uniform((1 - JITTER) * age_s, age_s)
    return 1 - law.mean_excess(t_s) / (law.mean() + gap_s)


def test_b05_three_tries_are_not_enough_where_most_is_dead() -> None:
    """kubernetes/ingress-nginx 3639: 502 at scale-down although the next upstream is tried, three in all.

    Eight of the ten listed are gone for some eight seconds: 8/10 * 7/9 * 6/8 of the requests meet three of
    them. With a retry for each dead pod nothing would be lost.
    """
    result = run("b05_next_upstream", keep_requests=True)
    assert result.requests is not None
    stale = result.requests[result.requests["arrival_s"].between(17, 22)]
    lost = (stale["outcome"] != "ok").groupby(stale["replication"]).mean().to_numpy()
    near(lost, 8 / 10 * 7 / 9 * 6 / 8)
    assert set(causes(result, "upstreams")) == {"stale_endpoint"}
    patient = {"times": 8, "backoff": "0s", "excludeTried": True}
    assert failed(run("b05_next_upstream", {"clients.upstreams.retry": patient}), "upstreams").max() == 0


def test_b06_a_second_behind_is_a_percent_of_a_rollout() -> None:
    """istio/istio 34236: about 1% of the requests of a rollout answered with 503; 18369: 32 of 4,992.

    Every pod goes once and has its share of the rate, so the loss is the rate times the second or so by
    which the proxies are late, of the rate times the length of the test.
    """
    result = run("b06_mesh_rollout", replications=20)
    share = failed(result, "sidecars").sum() / result.summary["requests"].sum()
    assert 0.005 < share < 0.015
    assert failed(result, "sidecars").sum() == pytest.approx(result.summary["expected_failures"][0], rel=0.1)
    tried = {"times": 2, "backoff": "25ms", "excludeTried": True}
    retried = failed(run("b06_mesh_rollout", {"clients.sidecars.retry": tried}), "sidecars")
    assert retried.sum() < failed(result, "sidecars").sum() / 50


def test_b09_one_connection_uses_one_pod_and_the_mean_hides_it() -> None:
    """cilium/cilium 12551: one pod at 100% CPU, one at 0, mean 50%, and the autoscaler never scales.

    1.8 cores are asked for and one pod has one core: 25 of 45 requests a second are answered, for ever.
    """
    result = run("b09_one_channel", replications=3, keep_requests=True)
    assert result.requests is not None
    assert (result.requests.groupby("replication")["pod"].nunique() == 1).all()
    assert result.scaling["size"].max() == 2
    late = result.scaling[result.scaling["t_s"] > 100]
    assert late["usage"].between(48, 53).all()
    answered = result.summary["ok"][0] / result.summary["requests"][0]
    assert answered == pytest.approx(25 / 45, rel=0.02)


def test_b09_a_connection_for_each_request_shows_the_load() -> None:
    """Both pods at 90%, above the target of 60%: three of them."""
    result = run("b09_one_channel", {"clients.grpc.channel": False}, replications=3, keep_requests=True)
    assert result.requests is not None
    assert (result.scaling.groupby("replication")["size"].max() >= 3).all()
    late = result.requests[result.requests["arrival_s"] > 200]
    assert (late["outcome"] == "ok").mean() > 0.99


def test_b10_who_came_first_stays_with_the_first_pod() -> None:
    """kubernetes/ingress-nginx 4054: one of five pods held some 80% of the connections for two hours.

    64 of 80 connected while there was one pod, and a fifth of the other 16 picks it: 84%.
    """
    result = run("b10_first_come", keep_requests=True)
    near(1 - shares_on_new(result, 120, 180), (64 + 16 / 5) / 80)


def test_b10_a_maximum_age_spreads_them() -> None:
    aged = {"maxAge": "60s", "ageJitter": "50%"}
    changes = {"clients.early.channel": aged, "clients.late.channel": aged}
    near(shares_on_new(run("b10_first_come", changes, keep_requests=True), 120, 180), 4 / 5)


@pytest.mark.parametrize("age_s", [30, 60])
def test_b11_the_time_to_rebalance_is_the_maximum_age(age_s: int) -> None:
    """open-match 878, 3scale 101: a minute of connection age mostly cures it.

    All connections of before are gone one maximum age after the scale-out, and some half of them in half of
    the mean age; new pods, half of all, have as large a part of half of the requests.
    """
    changes = {"clients.grpc.channel": {"maxAge": f"{age_s}s", "ageJitter": "80%"}}
    result = run("b11_maximum_age", changes, keep_requests=True)
    listed = float(result.beliefs.loc[result.beliefs["t_s"] > 190, "t_s"].mean())
    assert listed < 204
    middle = listed + age_s / 4
    near(shares_on_new(result, middle - 1, middle + 1), moved(age_s, age_s / 4) / 2)
    near(shares_on_new(result, listed + age_s + 2, 289), 1 / 2)


def test_b11_without_an_age_nothing_moves() -> None:
    result = run("b11_maximum_age", {"clients.grpc.channel": True}, replications=5, keep_requests=True)
    assert shares_on_new(result, 210, 290).max() == 0


@pytest.mark.slow
def test_b16_new_pods_of_sixty_get_less() -> None:
    """kubernetes/kubernetes 66970: pods that an autoscaler adds get fewer requests than old ones.

    Twelve of seventy-two, a sixth of what has been opened since; even when that is everything.
    """
    result = run("b16_sixty_pods", replications=6, keep_requests=True)
    listed = float(result.beliefs.loc[result.beliefs["t_s"] > 190, "t_s"].mean())
    for after_s in (10.0, 30.0):
        middle = listed + after_s
        near(shares_on_new(result, middle - 2, middle + 2), moved(100, after_s) / 6)
    fresh = run("b16_sixty_pods", {"clients.callers.keepAlive": False}, replications=6, keep_requests=True)
    near(shares_on_new(fresh, 210, 230), 1 / 6)


def of_the_leaving(result: Result, client: str, after_s: float, until_s: float) -> np.ndarray:
    """Of the requests of a span, the share on the pod that was deleted; one number a replication."""
    assert result.requests is not None
    asked = result.requests[result.requests["client"] == client]
    within = asked[asked["arrival_s"].between(after_s, until_s)]
    gone = result.pods.loc[result.pods["deleted_s"].notna(), ["replication", "pod"]]
    on_it = within.assign(pod=within["pod"].astype(str)).merge(gone, on=["replication", "pod"])
    return (on_it.groupby("replication").size() / within.groupby("replication").size()).fillna(0).to_numpy()


def test_b18_iptables_leaves_connections_where_they_are() -> None:
    """kubernetes/kubernetes 57841: cut at endpoint removal by IPVS of then, kept by iptables.

    Half of the connections are the leaving pod's, until it stops; new ones go elsewhere. None breaks.
    """
    result = run("b18_kept_until_the_end", keep_requests=True)
    near(of_the_leaving(result, "kept", 24, 29), 1 / 2)
    assert of_the_leaving(result, "fresh", 24, 29).max() == 0
    assert of_the_leaving(result, "kept", 34, 60).max() == 0
    assert failed(result, "kept").max() == 0
    assert failed(result, "fresh").max() == 0


def test_b18_unless_the_caller_hears_of_the_end_too_late() -> None:
    """For 50 ms a caller does not know that the process has ended; it loses one request, its channel with it.

    Thirty of sixty have a connection there, and each calls twenty times a second.
    """
    late = {"clients.kept.channel": {"hears": "50ms"}, "clients.kept.rate": "1200/s"}
    lost = failed(run("b18_kept_until_the_end", late), "kept")
    near(lost, 30 * (1 - exp(-20 * 0.05)))


def test_b02_a_sleep_does_not_help_what_is_kept() -> None:
    """kubernetes/kubernetes 43576: with keep-alive the answers need `Connection: close` besides the sleep.

    A connection to a leaving pod is used until the process ends, however long it slept.
    """
    kept = {"clients.vip.keepAlive": {"idle": "60s", "hears": "50ms"}, "clients.vip.sources": 20}
    slept = {"manifests.deployment/nginx.preStop": "6s", **kept}
    result = run("b02_short_sleep", slept)
    assert failed(result, "vip").min() > 0
    assert set(causes(result, "vip")) <= {"kept_closed", "in_flight_cut"}
    closing = {**slept, "clients.vip.keepAlive": {"maxRequests": 1}}
    assert failed(run("b02_short_sleep", closing), "vip").sum() < failed(result, "vip").sum() / 10


def reset_share(rate_per_s: float, server_s: float = 5.0, delay_s: float = 0.004) -> float:
    """The chance that a Poisson gap ends from a delay before the server closes to one after."""
    return exp(-rate_per_s * (server_s - delay_s)) - exp(-rate_per_s * (server_s + delay_s))


def test_b22_one_in_twenty_thousand_meets_a_closing_connection() -> None:
    """medplum 2253: 0.005% of the requests end in 502, for no reason to be seen.

    A connection that is asked once a second on average is idle for five, give or take the way, in
    exp(-5) * 8 ms of the cases: 0.0054%.
    """
    result = run("b22_idle_race", replications=10)
    lost, asked = failed(result, "balancers").sum(), result.summary["requests"].sum()
    assert reset_share(1.0) == pytest.approx(5.4e-5, rel=0.01)
    assert abs(lost - asked * reset_share(1.0)) < 4 * np.sqrt(asked * reset_share(1.0))
    assert outcomes(result, "balancers").keys() == {"reset"}
    assert causes(result, "balancers").keys() == {"kept_closed"}


@pytest.mark.slow
def test_b22_fewer_in_a_minute_as_traffic_rises() -> None:
    """growthbook-proxy 134: fifteen to twenty a minute, and fewer when there is more to do."""
    found = {}
    for rate in (100, 200, 400):
        result = run("b22_idle_race", {"clients.balancers.rate": f"{rate}/s"}, replications=5)
        found[rate] = failed(result, "balancers").sum()
        expected = 5 * 600 * rate * reset_share(rate / 200)
        assert abs(found[rate] - expected) < 4 * np.sqrt(expected) + 1
    assert found[100] > found[200] > found[400]


@pytest.mark.parametrize(
    "cure",
    [
        {"workloads.deployment/web.keepAlive": "65s"},
        {"clients.balancers.keepAlive": {"idle": "4s", "maxIdle": 1, "hears": "4ms"}},
        {"clients.balancers.retry": {"times": 1, "outcomes": ["reset"], "backoff": "0s"}},
    ],
    ids=["server longer", "client shorter", "retried"],
)
def test_b22_a_server_that_keeps_longer_than_its_callers_resets_none(cure: dict) -> None:
    busy = {"clients.balancers.rate": "100/s", **cure}
    assert failed(run("b22_idle_race", busy, replications=5), "balancers").max() == 0
