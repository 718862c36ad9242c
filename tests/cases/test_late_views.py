"""Rules later than a preStop sleep allows for: slow nodes, late endpoints, proxies that stand still."""

from __future__ import annotations

import pytest

from tests.cases.worlds import causes, failed, run

WEB = "manifests.deployment/web"


def test_a24_a_sleep_of_the_mean_lag_is_not_enough_for_the_slowest_nodes() -> None:
    """kubernetes/kubernetes 73382: 26 nodes, 20 s on average until a change shows, some far worse.

    The modes of a sync are not the point (there IPVS): what is lost is lost on the nodes of the tail.
    """
    result = run("a24_slow_nodes")
    adopted = result.programming[result.programming["change"] == 0]
    lag = adopted["committed_s"] - 10
    assert lag.mean() == pytest.approx(20, rel=0.25)
    assert lag.groupby(adopted["replication"]).max().mean() > 2 * lag.mean()
    losing = result.failures.groupby("replication")["node"].nunique()
    assert len(losing) == 20
    assert losing.max() < 26 / 2 + 5
    stopped = result.pods.set_index(["replication", "pod"])["stopped_s"]
    fails = result.failures.join(stopped, on=["replication", "pod"])
    late = adopted.assign(node=adopted["observer"].str.extract(r"(node-\d+)")[0])
    late = late.set_index(["replication", "node"])["committed_s"]
    until = fails.join(late, on=["replication", "node"])["committed_s"]
    cut = fails["cause"] == "in_flight_cut"
    assert cut.mean() < 0.01
    assert (fails["arrival_s"] >= fails["stopped_s"])[~cut].all()
    assert (fails["arrival_s"] <= until)[~cut].all()


def test_a24_the_sleep_must_outlast_the_slowest() -> None:
    """The longer the sleep, the fewer replications lose; none does whose slowest node was in time."""
    chances = []
    for sleep_s in (20, 40, 60, 100):
        result = run("a24_slow_nodes", {f"{WEB}.preStop": f"{sleep_s}s"})
        loses = failed(result, "vip") > 0
        adopted = result.programming[result.programming["change"] == 0]
        slowest = adopted.groupby("replication")["committed_s"].max() - 10
        assert not loses[slowest < sleep_s].any()
        chances.append(float(loses.mean()))
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1
    assert 0 < chances[2] < 1
    assert chances[3] < 0.5


@pytest.mark.parametrize(
    ("changes", "loses"),
    [
        ({"events[0].for": "1ms"}, False),
        ({}, True),
        ({f"{WEB}.preStop": "16s"}, False),
        ({"events[0].for": "1ms", "lag.endpointSlice": "10s", "lag.load": 1}, True),
        ({"events[0].for": "1ms", "lag.endpointSlice": "10s", "lag.load": 1, f"{WEB}.preStop": "24s"}, False),
    ],
    ids=["in-time", "resync", "resync-and-sleep", "slow", "slow-and-sleep"],
)
def test_a25_a_sleep_for_the_proxies_alone_loses_with_late_endpoints(changes: dict, loses: bool) -> None:
    """kubernetes/kubernetes 47597, 108077, 50936, 9122: endpoints written 10 s to minutes late.

    Five seconds of sleep cover the proxies' second; what is late before them counts as well.
    """
    lost = failed(run("a25_late_endpoints", changes), "vip")
    assert (lost > 0).all() if loses else lost.max() == 0


def test_a25_what_is_lost_is_the_lag_less_the_sleep() -> None:
    """Two pods of six stop 5 s after 20 s; the controller goes on at 32 s, rules follow in about a second."""
    lost = failed(run("a25_late_endpoints"), "vip").mean() / (200 * 2 / 6)
    assert lost == pytest.approx(32 - 25 + 0.75, abs=0.9)


def test_b25_a_node_without_its_proxy_loses_the_share_of_what_changed() -> None:
    """charlesxu.io: endpoints change while kube-proxy is being restarted.

    One of four pods is replaced: callers of that node lose a quarter until the proxy is back, others nothing.
    """
    result = run("b25_proxy_down")
    fails = result.failures
    assert set(fails["node"]) == {"node-2"}
    assert causes(result, "vip").keys() <= {"stale_endpoint", "in_flight_cut"}
    assert fails["arrival_s"].between(24.9, 71).all()
    assert failed(result, "vip").mean() == pytest.approx(150 / 3 / 4 * (70 - 25), rel=0.1)


def test_b25_without_the_gap_nothing_is_lost() -> None:
    events = [{"at": "20s", "delete": "deployment/web"}]
    assert failed(run("b25_proxy_down", {"events": events}), "vip").max() == 0


def test_c62070_stale_until_each_proxy_is_restarted() -> None:
    """kubernetes/kubernetes 62070: a Service led to old pods until every kube-proxy had been restarted."""
    fails = run("c62070_stale_until_restarted", replications=2).failures
    for node, back in (("node-1", 60), ("node-2", 70), ("node-3", 80)):
        rows = fails[fails["node"] == node]
        assert back - 1 < rows["arrival_s"].max() < back + 1
        dark = rows[rows["arrival_s"].between(40, back)]
        assert len(dark) == pytest.approx(2 * 30 * (back - 40), rel=0.12)
