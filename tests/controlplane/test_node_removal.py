"""A node that a cluster autoscaler takes away: taint, wait, eviction, and the machine is off for good."""

from __future__ import annotations

import pytest

from svcsim.controlplane import ControlRun
from svcsim.dataplane.contract import NodeState
from svcsim.errors import ScenarioError
from svcsim.scenario import RemoveNode
from tests.controlplane.stories import Story, deployment, service
from tests.controlplane.test_downstream import ETP, TYPE, fate, flows
from tests.scenario.worlds import read, small

SECOND = 10**9


def story(*events: dict, more: tuple[dict, ...] = (), **how) -> ControlRun:
    manifests = [deployment(3), service(), *more]
    return Story(manifests, list(events), duration="200s", **how).run()


def down_at(run: ControlRun) -> list[tuple[int, int]]:
    """(second, node) of every node that lost its power."""
    h = run.histories
    off = h.node_state == NodeState.DOWN
    return list(zip((h.node_t[off] / SECOND).tolist(), h.node_id[off].tolist(), strict=True))


def removed(at: str = "20s", **wait: str) -> dict:
    return {"at": at, "removeNode": "node-1", **wait}


def test_pods_are_evicted_after_the_wait_and_the_machine_goes_when_they_are_gone() -> None:
    run = story(removed(wait="30s"))
    (pod,) = [pod for pod in run.pods if pod.node == 0]
    assert 50 * SECOND <= pod.deleted_ns < 50.1 * SECOND
    ((second, node),) = down_at(run)
    assert node == 0
    assert second == 55  # the first of the looks, every 5 s, that finds it gone
    late = [pod for pod in run.pods if pod.created_ns > 20 * SECOND]
    assert len(late) == 1 and late[0].node != 0


def test_no_pod_is_scheduled_there_from_the_taint_on() -> None:
    run = story(removed(wait="100s"), {"at": "30s", "scale": "deployment/web", "replicas": 9})
    assert all(pod.node != 0 for pod in run.pods if pod.created_ns >= 30 * SECOND)


def test_the_default_wait_is_the_autoscalers() -> None:
    (event,) = read(small(events=[{"at": "1s", "removeNode": "node-1"}])).events
    assert isinstance(event, RemoveNode)
    assert event.wait_ns == 5 * SECOND


@pytest.mark.parametrize(
    "after", [{"recover": "node-1"}, {"uncordon": "node-1"}, {"upgrade": "node-1", "for": "5s"}]
)
def test_what_is_deleted_does_not_come_back(after: dict) -> None:
    run = story(removed(), {"at": "100s", **after}, {"at": "150s", "scale": "deployment/web", "replicas": 9})
    assert len(down_at(run)) == 1
    assert (run.histories.node_state != NodeState.UP).all()
    assert all(pod.node != 0 for pod in run.pods if pod.created_ns > 20 * SECOND)


def test_a_budget_that_lets_nothing_go_saves_the_node() -> None:
    """Two minutes after the eviction was asked for the taint is taken back, and the node takes pods again."""
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": 0},
    }
    run = story(removed(), {"at": "160s", "scale": "deployment/web", "replicas": 9}, more=(budget,))
    assert down_at(run) == []
    assert any("could not be evicted for 120 s, so the node stays" in line for line in run.warnings)
    assert any(pod.node == 0 for pod in run.pods if pod.created_ns > 160 * SECOND)
    assert all(pod.deleted_ns < 0 for pod in run.pods)


@pytest.mark.parametrize(
    ("spec", "balancer", "leaves_at"),
    [
        (TYPE, {}, 12),
        (TYPE, {"check": "node-port"}, 30),
        (ETP, {}, 30),
    ],
    ids=["healthz", "node port", "Local"],
)
def test_a_balancer_hears_of_the_taint_by_kube_proxys_health_alone(
    spec: dict, balancer: dict, leaves_at: int
) -> None:
    """Two checks a second apart fail after the taint; other checks go on until the machine is off.

    Under Local the node's own pod decides, which goes 20 s after the taint.
    """
    run = flows(
        {"via": "load-balancer", "timeout": {"connect": "1s"}},
        spec=spec,
        cluster={"loadBalancer": {"interval": "1s", "unhealthyAfter": 2, "healthyAfter": 1, **balancer}},
        events=[{"at": "10s", "removeNode": "node-1", "wait": "20s"}],
    )
    entered = run.requests[run.requests["entry"] == 0]
    last = entered["arrival_ns"].max() / SECOND
    assert leaves_at - 1 <= last <= leaves_at + 7
    if leaves_at == 12:
        assert last <= 12.1
        assert fate(run.requests) == {"OK NONE"}


def test_a_deleted_node_is_no_target_even_where_nobody_is_healthy() -> None:
    """A balancer that fails open sends to all its targets, which the machine is none of any more."""
    stops = [{"at": "5s", "stopProxy": f"node-{k}"} for k in (1, 2, 3)]
    run = flows(
        {"via": "load-balancer"},
        spec=TYPE,
        cluster={"loadBalancer": {"interval": "1s", "unhealthyAfter": 1}},
        events=[*stops, {"at": "20s", "removeNode": "node-3", "wait": "0s"}],
    )
    late = run.requests[run.requests["arrival_ns"] > 40 * SECOND]
    assert set(late["entry"].tolist()) == {0, 1}


def test_an_unknown_node_and_a_key_without_meaning() -> None:
    with pytest.raises(ScenarioError, match="did you mean node-1"):
        read(small(events=[{"at": "1s", "removeNode": "node-11"}]))
    with pytest.raises(ScenarioError, match="wait does not go with drain; it goes with removeNode"):
        read(small(events=[{"at": "1s", "drain": "node-1", "wait": "5s"}]))
