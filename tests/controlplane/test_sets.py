"""StatefulSet and DaemonSet: who goes, who comes, and who waits (kubernetes.md section 6)."""

from __future__ import annotations

from itertools import pairwise

import pytest

import svcsim
from svcsim.controlplane.objects import Pod
from tests.controlplane.stories import Story, deployment, service

S = 1_000_000_000
READY = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}


def pods_of(kind: str, replicas: int, *events: dict, **spec) -> list[Pod]:
    """The pods of a run of three nodes, in order of creation."""
    manifest = deployment(replicas, container=READY)
    manifest["kind"] = kind
    del manifest["spec"]["strategy"]
    if kind == "DaemonSet":
        del manifest["spec"]["replicas"]
    manifest["spec"] |= spec
    workloads = {f"{kind.lower()}/web": {"startup": "1s"}}
    return Story([manifest, service()], list(events), workloads=workloads).run().pods


def ordinal(pod: Pod) -> int:
    return int(pod.name.split("/")[2])


ROLL = {"at": "5s", "rollout": "statefulset/web"}
ROLL_DAEMON = {"at": "5s", "rollout": "daemonset/web"}


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_a_stateful_set_rolls_from_the_top_one_at_a_time(policy: str) -> None:
    pods = pods_of("StatefulSet", 3, ROLL, podManagementPolicy=policy)
    old = sorted((p for p in pods if p.revision == 1), key=lambda p: p.deleted_ns)
    new = [p for p in pods if p.revision == 2]
    assert [ordinal(p) for p in old] == [2, 1, 0]
    assert [ordinal(p) for p in new] == [2, 1, 0]
    for gone, come in zip(old, new, strict=True):
        assert gone.gone
        assert come.created_ns > gone.deleted_ns
    for before, after in pairwise(range(3)):
        assert old[after].deleted_ns > new[before].ready_since_ns


def test_ordinals_below_the_partition_keep_the_old_template() -> None:
    pods = pods_of("StatefulSet", 4, ROLL, updateStrategy={"rollingUpdate": {"partition": 2}})
    assert sorted(ordinal(p) for p in pods if p.revision == 2) == [2, 3]
    kept = pods_of(
        "StatefulSet",
        4,
        ROLL,
        {"at": "30s", "delete": "statefulset/web", "count": 4},
        updateStrategy={"rollingUpdate": {"partition": 2}},
    )
    present = {ordinal(p): p.revision for p in kept if not p.gone}
    assert present == {0: 1, 1: 1, 2: 2, 3: 2}


def test_on_delete_waits_for_somebody_to_delete() -> None:
    pods = pods_of("StatefulSet", 2, ROLL, updateStrategy={"type": "OnDelete"})
    assert len(pods) == 2
    pods = pods_of(
        "StatefulSet",
        2,
        ROLL,
        {"at": "10s", "delete": "statefulset/web"},
        updateStrategy={"type": "OnDelete"},
    )
    assert sorted(p.revision for p in pods if not p.gone) == [1, 2]


def test_ordered_scaling_waits_for_each_pod_and_parallel_does_not() -> None:
    events = [
        {"at": "5s", "scale": "statefulset/web", "replicas": 0},
        {"at": "25s", "scale": "statefulset/web", "replicas": 3},
    ]
    ordered = pods_of("StatefulSet", 3, *events)
    old, new = ordered[:3], ordered[3:]
    assert [ordinal(p) for p in sorted(old, key=lambda p: p.deleted_ns)] == [2, 1, 0]
    assert [ordinal(p) for p in new] == [0, 1, 2]
    for before, after in pairwise(new):
        assert after.created_ns > before.ready_since_ns
    parallel = pods_of("StatefulSet", 3, *events, podManagementPolicy="Parallel")
    assert len({p.deleted_ns for p in parallel[:3]}) == 1
    assert len({p.created_ns for p in parallel[3:]}) == 1


def test_a_daemon_set_has_a_pod_on_every_node_and_replaces_one_at_a_time() -> None:
    pods = pods_of("DaemonSet", 0, ROLL_DAEMON)
    old, new = pods[:3], pods[3:]
    assert sorted(p.node for p in old) == sorted(p.node for p in new) == [0, 1, 2]
    for gone, come in zip(sorted(old, key=lambda p: p.deleted_ns), new, strict=True):
        assert gone.node == come.node
        assert come.created_ns > gone.deleted_ns
    for before, after in zip(new, sorted(old, key=lambda p: p.deleted_ns)[1:], strict=False):
        assert after.deleted_ns > before.ready_since_ns


def test_max_unavailable_of_a_daemon_set() -> None:
    pods = pods_of("DaemonSet", 0, ROLL_DAEMON, updateStrategy={"rollingUpdate": {"maxUnavailable": "50%"}})
    first = sorted(p.deleted_ns for p in pods[:3])
    assert first[0] == first[1] < first[2]


def test_surge_of_a_daemon_set_brings_the_new_pod_first() -> None:
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    pods = pods_of("DaemonSet", 0, ROLL_DAEMON, updateStrategy=strategy)
    for gone, come in zip(sorted(pods[:3], key=lambda p: p.deleted_ns), pods[3:], strict=True):
        assert gone.node == come.node
        assert come.ready_since_ns < gone.deleted_ns


def test_a_deleted_pod_comes_back_where_it_was() -> None:
    pods = pods_of("DaemonSet", 0, {"at": "5s", "delete": "daemonset/web"})
    (gone,) = [p for p in pods if p.gone]
    assert pods[-1].node == gone.node
    pods = pods_of("StatefulSet", 3, {"at": "5s", "delete": "statefulset/web"})
    (gone,) = [p for p in pods if p.gone]
    assert ordinal(pods[-1]) == ordinal(gone)


def refused(kind: str, **spec) -> str:
    manifest = deployment(2)
    manifest["kind"] = kind
    del manifest["spec"]["strategy"]
    manifest["spec"] |= spec
    with pytest.raises(svcsim.SvcsimError) as caught:
        Story([manifest, service()], spec.pop("events", [])).run()
    return str(caught.value)


def test_what_the_api_server_would_refuse() -> None:
    assert "podManagementPolicy" in refused("StatefulSet", podManagementPolicy="Sometimes")
    assert "partition" in refused("StatefulSet", updateStrategy={"rollingUpdate": {"partition": -1}})
    both = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    assert "exactly one of them" in refused("DaemonSet", updateStrategy=both)


def test_a_daemon_set_cannot_be_scaled() -> None:
    with pytest.raises(svcsim.ScenarioError, match="one pod to a node and cannot be scaled"):
        pods_of("DaemonSet", 0, {"at": "5s", "scale": "daemonset/web", "replicas": 3})
