"""Nodes that go away without a word."""

from __future__ import annotations

import pytest

from tests.cases.worlds import causes, failed, fewest_listed, outcomes, run


@pytest.mark.parametrize(
    ("changes", "grace_s"),
    [
        ({"cluster.kubernetes": '"1.31"'}, 40),
        ({}, 50),
        ({"cluster.nodeMonitorGracePeriod": "10s"}, 10),
    ],
    ids=["1.31", "1.34", "10s"],
)
def test_a11_requests_to_a_lost_node_time_out_until_its_lease_runs_out(changes: dict, grace_s: int) -> None:
    """kubernetes/kubernetes 97112, 77660, 101101: endpoints leave 40 s after power-off, 10 s where so set.

    The share that fails is that of the pods on the node; what callers see of it is their connect time-out.
    A lease was renewed up to 10 s before, and is looked at every 5 s.
    """
    result = run("a11_node_loss", {"clients.vip.rate": "24/s", **changes})
    assert causes(result, "vip").keys() == {"node_lost"}
    kinds = outcomes(result, "vip")
    assert kinds["connect_timeout"] > 0.99 * sum(kinds.values())
    fails = result.failures
    last = fails.groupby("replication")["arrival_s"].max() - 10
    assert last.min() > grace_s - 12
    assert last.max() < grace_s + 8
    on_node = result.pods[result.pods["created_s"] < 0].groupby("replication")["node"].value_counts()
    share = on_node.xs("node-3", level="node").mean() / 12
    assert share == pytest.approx(1 / 4)
    assert len(fails) / (24 * last.sum()) == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize("timeout_s", [1, 3])
def test_a11_the_callers_time_out_is_the_latency(timeout_s: int) -> None:
    """The longer the connect time-out, the longer callers wait to hear nothing."""
    changes = {"clients.vip.rate": "24/s", "clients.vip.timeout": {"connect": f"{timeout_s}s"}}
    fails = run("a11_node_loss", changes, replications=5).failures
    fails = fails[fails["outcome"] == "connect_timeout"]
    assert (fails["end_s"] - fails["arrival_s"]).round(6).eq(timeout_s).all()


def test_a11_looking_again_after_a_failure_does_not_wait_for_the_lease() -> None:
    """Active checks were asked for: a caller that turns away from what failed is soon elsewhere."""
    checking = {
        "name": "vip",
        "to": "service/web",
        "via": "pod-ip",
        "resolve": "on-failure",
        "rate": "100/s",
        "from": "node:node-1",
        "sources": 20,
    }
    told = failed(run("a11_node_loss"), "vip").mean()
    assert failed(run("a11_node_loss", {"clients": [checking]}), "vip").mean() < told / 4


def test_c109998_a_node_switched_off_keeps_its_endpoints_unless_it_was_drained() -> None:
    """kubernetes/kubernetes 109998: after a graceful shutdown of a node its pods' endpoints are still there.

    Nobody tells the API server; a drain before the shutdown does, and the budget keeps the others serving.
    """
    result = run("c109998_shutdown_without_drain")
    assert failed(result, "vip").min() > 80 * 0.25 * 35
    drained = [{"at": "10s", "drain": "node-3"}, {"at": "50s", "fail": "node-3"}]
    result = run("c109998_shutdown_without_drain", {"events": drained})
    assert failed(result, "vip").max() == 0
    assert fewest_listed(result) == 8 - 1
    loose = {"events": drained, "manifests.poddisruptionbudget/web.spec.maxUnavailable": 2}
    assert fewest_listed(run("c109998_shutdown_without_drain", loose)) == 8 - 2
