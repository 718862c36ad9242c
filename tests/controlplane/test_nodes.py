"""Cordons, drains under disruption budgets, and a kube-proxy that stands still."""

from __future__ import annotations

import numpy as np
import pytest

import svcsim
from svcsim.controlplane.kubeproxy import ProxyLoops
from svcsim.controlplane.objects import Pod
from tests.controlplane.stories import Story, deployment, service

S = 1_000_000_000
READY = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}


def budget(**spec) -> dict:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


def drained(replicas: int, *extra: dict, nodes: int = 3, events: list[dict] | None = None) -> list[Pod]:
    """The pods of a Deployment whose first node is drained at 5 s."""
    return (
        Story(
            [deployment(replicas, container=READY), service(), *extra],
            [{"at": "5s", "drain": "node-1"}, *(events or [])],
            workloads={"deployment/web": {"startup": "1s"}},
            cluster={"nodes": nodes},
            duration="120s",
        )
        .run()
        .pods
    )


def evicted(pods: list[Pod]) -> list[float]:
    """Instants of the evictions, rounded to 0.1 s."""
    return sorted(round(p.deleted_ns / S, 1) for p in pods if p.deleted_ns > 0)


def test_a_drain_evicts_all_pods_of_the_node_at_once() -> None:
    pods = drained(6)
    assert evicted(pods) == [5.0, 5.0]
    assert all(p.node != 0 for p in pods if not p.gone)
    assert sum(p.ready for p in pods if not p.gone) == 6


def test_a_budget_lets_go_one_after_the_other() -> None:
    """Six pods, at least five healthy: the second eviction is refused and tried again every 5 s."""
    assert evicted(drained(6, budget(minAvailable=5))) == [5.0, 10.0]


@pytest.mark.parametrize(
    ("bound", "together"),
    [
        ({"maxUnavailable": "34%"}, 2),  # 34% of 4 rounds up to 2
        ({"maxUnavailable": 1}, 1),
        ({"minAvailable": "51%"}, 1),  # 51% of 4 rounds up to 3
        ({"minAvailable": "50%"}, 2),
    ],
)
def test_percentages_of_a_budget_round_up(bound: dict, together: int) -> None:
    """Two of four pods are on the drained node."""
    at = evicted(drained(4, budget(**bound), nodes=2))
    assert at[0] == 5.0
    assert (at[1] == 5.0) == (together == 2)


def test_a_budget_may_block_a_drain_for_ever() -> None:
    pods = drained(3, budget(maxUnavailable=0))
    assert evicted(pods) == []


def test_two_budgets_block_each_other() -> None:
    second = budget(maxUnavailable=3)
    second["metadata"]["name"] = "again"
    story = Story(
        [deployment(3), service(), budget(maxUnavailable=3), second], [{"at": "5s", "drain": "node-1"}]
    )
    run = story.run()
    assert evicted(run.pods) == []
    assert any("2 disruption budgets" in warning for warning in run.warnings)


def test_a_daemon_set_stays_and_a_bare_pod_is_not_replaced() -> None:
    daemon = deployment(0)
    daemon["kind"] = "DaemonSet"
    daemon["metadata"]["name"] = "agent"
    del daemon["spec"]["replicas"], daemon["spec"]["strategy"]
    bare = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "solo", "labels": {"app": "web"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]},
    }
    run = Story([daemon, bare, service()], [{"at": "5s", "drain": "node-1"}]).run()
    gone = [p.workload.kind for p in run.pods if p.gone]
    assert gone == ["Pod"]
    assert any("nothing replaces it" in warning for warning in run.warnings)


def test_a_cordoned_node_takes_no_pod_until_it_is_uncordoned() -> None:
    scale = {"at": "6s", "scale": "deployment/web", "replicas": 9}
    cordon = {"at": "5s", "cordon": "node-2"}
    kept = Story([deployment(3), service()], [cordon, scale]).run().pods
    assert sum(p.node == 1 for p in kept) == 1
    back = [cordon, {"at": "8s", "uncordon": "node-2"}, {**scale, "at": "10s"}]
    assert sum(p.node == 1 for p in Story([deployment(3), service()], back).run().pods) == 3


def test_uncordon_wakes_pods_that_found_no_node() -> None:
    events = [
        {"at": "5s", "cordon": "node-1"},
        {"at": "6s", "scale": "deployment/web", "replicas": 2},
        {"at": "20s", "uncordon": "node-1"},
    ]
    pods = Story([deployment(1), service()], events, cluster={"nodes": 1}).run().pods
    assert 20 < pods[1].started_ns / S < 21


def test_a_stopped_proxy_keeps_its_rules_and_catches_up_when_it_starts() -> None:
    """Changes at 2 and 4 s; stopped from 1 to 10 s, then both at once."""
    loops = ProxyLoops(n_nodes=2, kubernetes_minor=36, min_sync_ns=S, outages=[[(S, 10 * S)], []])
    arrivals = np.array([[2, 4], [2, 4]], dtype=np.int64) * S
    durations = np.full((2, 2), 30_000_000, dtype=np.int64)
    starts, commits = loops.advance(1 << 60, arrivals, durations, 0)
    assert (starts[0] == 10 * S).all()
    assert (commits[0] == 10 * S + 30_000_000).all()
    assert starts[1].tolist() == [2 * S, 4 * S]


def test_a_stopped_proxy_sends_to_pods_that_are_gone() -> None:
    def failed(*events: dict) -> float:
        story = Story([deployment(3, container=READY), service()], [])
        document = {
            "manifests": story.manifests,
            "duration": "40s",
            "cluster": {"nodes": 2},
            "clients": [
                {"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 100, "from": "node-1"}
            ],
            "events": [{"at": "10s", "rollout": "deployment/web"}, *events],
        }
        result = svcsim.simulate(svcsim.build_scenario(**document), replications=5)
        return float(result.summary["failed_fraction"][0])

    usual = failed()
    stuck = failed({"at": "5s", "stopProxy": "node-1"})
    back = failed({"at": "5s", "stopProxy": "node-1"}, {"at": "25s", "startProxy": "node-1"})
    assert usual < 0.1
    assert stuck > 0.5
    assert usual < back < stuck


def test_unknown_nodes_are_refused() -> None:
    with pytest.raises(svcsim.ScenarioError, match=r"events\[0\].drain = .node-9. is no node of the cluster"):
        Story([deployment(1), service()], [{"at": "5s", "drain": "node-9"}]).run()


def test_a_budget_with_both_bounds_is_refused() -> None:
    with pytest.raises(svcsim.ManifestError, match="minAvailable exclude each other"):
        drained(2, budget(minAvailable=1, maxUnavailable=1))
