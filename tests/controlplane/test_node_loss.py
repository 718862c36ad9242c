"""Lost nodes: when the controllers notice, what they do, and what comes back (kubernetes.md section 4)."""

from __future__ import annotations

import pytest

from svcsim.controlplane.nodelifecycle import eviction_gap_ns
from svcsim.controlplane.objects import Pod
from svcsim.controlplane.plane import ControlRun
from tests.controlplane.stories import Story, deployment, service

S = 1_000_000_000
READY = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}


def lost(
    events: list[dict],
    *,
    duration: str,
    manifests: list[dict] | None = None,
    nodes: int | list[dict] = 3,
    lag: dict | None = None,
    **cluster: object,
) -> ControlRun:
    """Six pods on three nodes, unless said otherwise."""
    return Story(
        manifests or [deployment(6, container=READY), service()],
        events,
        workloads={"deployment/web": {"startup": "1s"}} if manifests is None else {},
        cluster={"nodes": nodes, **cluster},
        duration=duration,
        lag=lag or {},
    ).run()


def of_node(run: ControlRun, node: int) -> list[Pod]:
    return [pod for pod in run.pods if pod.node == node and pod.created_ns < 0]


@pytest.mark.parametrize(("kubernetes", "grace"), [("1.30", 40), ("1.31", 40), ("1.32", 50), ("1.36", 50)])
@pytest.mark.parametrize("how", ["fail", "partition"])
def test_pods_are_marked_not_ready_after_the_grace_period(kubernetes: str, grace: int, how: str) -> None:
    """The last renewal was up to 10 s before, and is seen up to 5 s later."""
    run = lost([{"at": "20s", how: "node-2"}], duration="100s", kubernetes=kubernetes)
    for pod in of_node(run, 1):
        assert not pod.ready
        assert 20 + grace - 10 <= pod.ready_since_ns / S <= 20 + grace + 6
        assert pod.deleted_ns == -1
    assert all(pod.ready for pod in run.pods if pod.node != 1)


def test_the_grace_period_can_be_set() -> None:
    run = lost([{"at": "20s", "fail": "node-2"}], duration="60s", nodeMonitorGracePeriod="10s")
    assert all(20 <= pod.ready_since_ns / S <= 36 for pod in of_node(run, 1))


def test_pods_go_when_they_no_longer_tolerate_it_and_others_take_their_place() -> None:
    """300 s after the taint; they stay Terminating, since nobody on the node ends them."""
    run = lost([{"at": "20s", "fail": "node-2"}], duration="420s")
    pods = of_node(run, 1)
    assert [pod.deleting for pod in pods] == [True, True]
    assert not any(pod.gone for pod in pods)
    for pod in pods:
        assert 299.9 <= (pod.deleted_ns - pod.ready_since_ns) / S <= 302
    new = [pod for pod in run.pods if pod.created_ns > 0]
    assert len(new) == 2
    assert all(pod.ready and pod.node != 1 for pod in new)


@pytest.mark.parametrize(("seconds", "deleted"), [(0, True), (30, True), (None, False)])
def test_tolerations_decide_how_long(seconds: int | None, deleted: bool) -> None:
    web = deployment(6, container=READY)
    toleration = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    if seconds is not None:
        toleration["tolerationSeconds"] = seconds  # type: ignore[assignment]
    web["spec"]["template"]["spec"]["tolerations"] = [toleration]
    run = lost([{"at": "20s", "fail": "node-2"}], duration="400s", manifests=[web, service()])
    for pod in of_node(run, 1):
        assert pod.deleting == deleted
        if seconds is not None:
            assert seconds - 0.1 <= (pod.deleted_ns - pod.ready_since_ns) / S <= seconds + 2


def test_a_pod_of_a_daemonset_stays() -> None:
    daemon = deployment(1, container=READY)
    daemon["kind"] = "DaemonSet"
    del daemon["spec"]["replicas"]
    run = lost([{"at": "20s", "fail": "node-2"}], duration="420s", manifests=[daemon, service()])
    assert [pod.deleting for pod in of_node(run, 1)] == [False]
    assert len(run.pods) == 3


def test_a_statefulset_waits_for_the_lost_pod() -> None:
    """At most one of each name: no replacement while the object of a lost pod is there."""
    stateful = deployment(3, container=READY)
    stateful["kind"] = "StatefulSet"
    stateful["spec"]["serviceName"] = "web"
    run = lost([{"at": "20s", "fail": "node-2"}], duration="420s", manifests=[stateful, service()])
    assert [pod.deleting for pod in of_node(run, 1)] == [True]
    assert len(run.pods) == 3
    back = lost(
        [{"at": "20s", "fail": "node-2"}, {"at": "400s", "recover": "node-2"}],
        duration="430s",
        manifests=[stateful, service()],
    )
    assert [pod.gone for pod in of_node(back, 1)] == [True]
    assert len(back.pods) == 4


def test_a_short_partition_goes_unnoticed() -> None:
    run = lost([{"at": "20s", "partition": "node-2", "for": "8s"}], duration="120s")
    assert all(pod.ready and pod.ready_since_ns < 0 for pod in run.pods)
    assert len(run.pods) == 6


def test_after_a_partition_the_same_pods_are_ready_again_in_about_half_a_minute() -> None:
    reconnect = {"uniform": {"low": "15s", "high": "30s"}}
    cut = {"at": "20s", "partition": "node-2", "for": "80s"}
    run = lost([cut], duration="200s", lag={"reconnect": reconnect})
    for pod in of_node(run, 1):
        assert pod.ready
        assert pod.sandboxes == 1
        assert 100 + 15 <= pod.ready_since_ns / S <= 100 + 42
    assert len(run.pods) == 6


def test_after_a_reboot_pods_have_new_addresses() -> None:
    run = lost([{"at": "20s", "fail": "node-2"}, {"at": "100s", "recover": "node-2"}], duration="200s")
    for pod in of_node(run, 1):
        assert (pod.sandboxes, pod.ready, pod.restarts) == (2, True, 1)
        assert 101 <= pod.ready_since_ns / S <= 108
    assert len(run.servers) == 8
    ips = {pod.ip for pod in run.pods}
    assert len(ips) == 6


def test_a_reboot_within_the_grace_period_is_seen_by_the_kubelet_alone() -> None:
    run = lost([{"at": "20s", "fail": "node-2"}, {"at": "30s", "recover": "node-2"}], duration="90s")
    for pod in of_node(run, 1):
        assert (pod.sandboxes, pod.ready) == (2, True)
        assert 31 <= pod.ready_since_ns / S <= 38


def test_a_pod_deleted_on_a_lost_node_goes_when_the_node_is_back() -> None:
    events = [
        {"at": "20s", "partition": "node-2"},
        {"at": "30s", "drain": "node-2"},
        {"at": "100s", "recover": "node-2"},
    ]
    pods = of_node(lost(events, duration="200s"), 1)
    assert all(pod.gone and 30 <= pod.deleted_ns / S <= 31 for pod in pods)
    assert not any(pod.gone for pod in of_node(lost(events[:2], duration="200s"), 1))


def test_a_lost_node_takes_no_new_pods() -> None:
    run = lost(
        [{"at": "20s", "fail": "node-2"}, {"at": "90s", "scale": "deployment/web", "replicas": 12}],
        duration="120s",
    )
    assert {pod.node for pod in run.pods if pod.created_ns > 0} == {0, 2}


@pytest.mark.parametrize(
    ("lost_nodes", "size", "gap_s"),
    [
        (1, 1, 10),  # a zone lost as a whole keeps the usual rate
        (1, 10, 10),
        (2, 3, 10),  # two are never an unhealthy zone
        (5, 10, 10),
        (6, 10, None),  # 60%, a small zone: nobody is evicted
        (27, 50, 10),  # 54%
        (28, 50, None),
        (28, 51, 10),  # 54.9%
        (29, 51, 100),  # a large zone goes on at a tenth of the rate
        (51, 51, 10),
    ],
)
def test_eviction_rates(lost_nodes: int, size: int, gap_s: int | None) -> None:
    assert eviction_gap_ns(lost_nodes, size) == (None if gap_s is None else gap_s * S)


def deletions(run: ControlRun) -> list[float]:
    return sorted(pod.deleted_ns / S for pod in run.pods if pod.deleted_ns > 0)


def test_lost_nodes_are_tainted_one_every_ten_seconds() -> None:
    web = deployment(6, container=READY)
    web["spec"]["template"]["spec"]["tolerations"] = [
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 0}
    ]
    events = [{"at": "20s", "fail": f"node-{k}"} for k in (1, 2)]
    run = lost(events, duration="120s", manifests=[web, service()], nodes=6)
    first, second = deletions(run)
    assert 9.9 <= second - first <= 16  # ten seconds, or later by their leases


def test_with_every_node_lost_nobody_is_evicted() -> None:
    events = [{"at": "20s", "fail": f"node-{k}"} for k in (1, 2, 3)]
    run = lost(events, duration="450s")
    assert deletions(run) == []
    assert not any(pod.ready for pod in run.pods)


def test_a_zone_mostly_lost_is_left_alone_until_it_is_better() -> None:
    """Three of four nodes of a small zone: no evictions; two of four: evictions again."""
    nodes = [{"name": f"{zone}{k}", "zone": zone} for zone in "ab" for k in range(4)]
    web = deployment(8, container=READY)
    web["spec"]["template"]["spec"]["tolerations"] = [
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 0}
    ]
    three = [{"at": "20s", "fail": f"a{k}"} for k in range(3)]
    run = lost(three, duration="200s", manifests=[web, service()], nodes=nodes)
    early = len(deletions(run))
    assert early <= 2  # tainted before the third was known to be lost
    better = [*three, {"at": "200s", "recover": "a2"}]
    run = lost(better, duration="300s", manifests=[web, service()], nodes=nodes)
    assert len(deletions(run)) == 2


def test_a_paused_controller_does_later_what_it_would_have_done() -> None:
    """Endpoints of deleted pods stay until the EndpointSlice controller goes on."""
    events = [
        {"at": "5s", "pauseController": "endpointslice", "for": "20s"},
        {"at": "10s", "delete": "deployment/web", "count": 1},
    ]
    run = lost(events, duration="60s")
    assert min(change.write_ns for change in run.changes) / S >= 25
    events[0] = {"at": "5s", "pauseController": "kube-controller-manager", "for": "20s"}
    run = lost(events, duration="60s")
    assert min(pod.created_ns for pod in run.pods if pod.created_ns > 0) / S >= 25


def test_without_the_api_server_nothing_is_seen() -> None:
    events = [
        {"at": "5s", "pauseController": "kube-apiserver", "for": "20s"},
        {"at": "10s", "kill": "deployment/web", "count": 1},
        {"at": "12s", "scale": "deployment/web", "replicas": 8},
    ]
    run = lost(events, duration="60s")
    assert min(change.write_ns for change in run.changes) / S >= 25
    assert min(pod.created_ns for pod in run.pods if pod.created_ns > 0) / S >= 25


def test_an_upgrade_takes_the_nodes_one_after_the_other() -> None:
    run = lost([{"at": "10s", "upgrade": "all", "for": "20s"}], duration="200s")
    down = [
        int(node)
        for node, state in zip(run.histories.node_id, run.histories.node_state, strict=True)
        if state
    ]
    up = run.histories.node_t[run.histories.node_state == 0] / S
    began = run.histories.node_t[run.histories.node_state != 0] / S
    assert down == [0, 1, 2]
    assert (up - began == 20).all()
    assert (began[1:] > up[:-1]).all()
    assert sum(pod.ready for pod in run.pods if not pod.gone) == 6


def test_an_upgrade_of_a_zone_two_at_a_time() -> None:
    nodes = [{"name": f"{zone}{k}", "zone": zone} for zone in "ab" for k in range(3)]
    run = lost([{"at": "10s", "upgrade": "zone:a", "count": 2, "for": "20s"}], duration="200s", nodes=nodes)
    assert sorted(run.histories.node_id[run.histories.node_state != 0].tolist()) == [0, 1, 2]
    began = sorted(run.histories.node_t[run.histories.node_state != 0] / S)
    assert began[1] - began[0] < 3
    assert began[2] - began[0] >= 20


def test_readiness_gates_hold_a_pod_back() -> None:
    web = deployment(2, container=READY)
    web["spec"]["template"]["spec"]["readinessGates"] = [{"conditionType": "target-health"}]
    run = Story(
        [web, service()],
        [{"at": "5s", "scale": "deployment/web", "replicas": 3}],
        workloads={"deployment/web": {"startup": "1s", "readinessGate": "7s"}},
        duration="60s",
    ).run()
    (new,) = [pod for pod in run.pods if pod.created_ns > 0]
    assert new.ready
    assert 13 <= new.ready_since_ns / S <= 17
