"""UDP sockets that go on to pods that are gone: reports, and one recorded rolling update."""

from __future__ import annotations

import numpy as np
import pytest

import svcsim
from tests.cases.worlds import case, causes, failed, outcomes, run


def test_a14_one_socket_is_held_for_good_and_a_new_one_is_not() -> None:
    """A quarter of the sockets loses all of 180 s; the entries go on as each sends once a second.

    Of thirty sockets so many had the pod: binomial, four standard errors over all replications.
    """
    result = run("a14_one_socket", replications=10)
    asked = 30 * 180
    share = failed(result, "one socket") / asked
    assert share.mean() == pytest.approx(1 / 4, abs=4 * np.sqrt(3 / 16 / 30 / len(share)))
    assert failed(result, "a socket for each").max() < 30 * 3
    assert set(causes(result, "a socket for each")) <= {"stale_endpoint", "in_flight_cut"}
    held = causes(result, "one socket")
    assert held["stale_conntrack"] > 0.95 * sum(held.values())


def test_a14_kube_proxy_releases_it() -> None:
    result = run("a14_one_socket", {"cluster.conntrack.cleanup": True}, replications=10)
    assert failed(result, "one socket").max() < 30 * 3


@pytest.mark.parametrize("kubernetes", ["1.30", "1.36"])
def test_b25_entries_stay_until_a_proxy_runs(kubernetes: str) -> None:
    """All three pods are gone within some seconds; nothing helps before 50 s, everything does soon after."""
    changes = {"cluster.kubernetes": kubernetes}
    result = run("b25_resolvers_and_proxies", changes, replications=5, keep_requests=True)
    assert result.requests is not None
    for client in ("one socket", "a socket for each"):
        own = result.requests[result.requests["client"] == client]
        lost = ~own["outcome"].isin(["ok", "open"])
        assert lost[own["arrival_s"].between(25, 49)].all()
        assert not lost[own["arrival_s"].between(55, 88)].any()


@pytest.mark.parametrize(("kubernetes", "silent"), [("1.31", False), ("1.36", True)])
def test_c139628_the_last_entries_are_left_since_1_32(kubernetes: str, silent: bool) -> None:
    """On the node itself every new socket is refused, at once; an old one is, where its entry was deleted."""
    result = run("c139628_scaled_to_none", {"cluster.kubernetes": kubernetes}, replications=5)
    new, old = (outcomes(result, client) for client in ("a socket for each", "one socket"))
    assert new["refused"] > 0.9 * sum(new.values())
    assert (old["request_timeout"] > 0.95 * sum(old.values())) is silent
    assert (old["refused"] > 0.9 * sum(old.values())) is not silent


@pytest.mark.slow
def test_the_recorded_rolling_update() -> None:
    """Recorded: 140 of one socket at 100/s and 179 of new ones at 200/s timed out, one was refused.

    Ten pods that exit at SIGTERM, a quarter more and a quarter less at a time, kube-proxy 1.36.
    """
    scenario = case("a14_one_socket")
    for field, value in {
        "manifests.deployment/dns.replicas": 10,
        "cluster.nodes": 4,
        "cluster.kubernetes": "1.36",
        "cluster.conntrack.cleanup": True,
        "duration": "30s",
        "workloads": {"deployment/dns": {"startup": "500ms", "serviceTime": "2ms"}},
        "clients.one socket.rate": "100/s",
        "clients.a socket for each.rate": "200/s",
        "clients.one socket.sources": 1,
        "clients.a socket for each.sources": 1,
        "events": [{"at": "5s", "rollout": "deployment/dns"}],
    }.items():
        scenario = scenario.with_value(field, value)
    result = svcsim.simulate(scenario, replications=200)
    for client, recorded in (("one socket", 140), ("a socket for each", 179)):
        low, high = np.quantile(failed(result, client), [0.025, 0.975])
        assert low <= recorded <= high, (client, low, high)
