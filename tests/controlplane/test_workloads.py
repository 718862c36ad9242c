"""Deployment and ReplicaSet algorithms against traces worked by hand (kubernetes.md section 6)."""

from __future__ import annotations

import pytest

from svcsim.controlplane.objects import Pod
from svcsim.controlplane.replicaset import deletion_rank, slow_start_batches
from svcsim.kube import parse_manifests
from tests.controlplane.stories import Story, deployment, service

READY = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}
SLOW = {"deployment/web": {"startup": "1s"}}
ROLLOUT = {"at": "5s", "rollout": "deployment/web"}


def sizes(replicas: int, *events: dict, strategy: dict | None = None, **spec) -> list[tuple[int, int]]:
    """(revision, replicas) as the Deployment controller wrote them."""
    story = Story(
        [deployment(replicas, strategy=strategy, container=READY, **spec), service()],
        list(events or [ROLLOUT]),
        workloads=SLOW,
    )
    story.run()
    return story.sizes


def rolling(surge: int | str, unavailable: int | str) -> dict:
    return {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


@pytest.mark.parametrize(
    ("replicas", "strategy", "written"),
    [
        # surge 1, unavailable 0: one at a time, the old one only after the new one is available
        (1, None, [(2, 1), (1, 0)]),
        (3, None, [(2, 1), (1, 2), (2, 2), (1, 1), (2, 3), (1, 0)]),
        # surge 1, unavailable 1: the first old pod goes at once
        (4, None, [(2, 1), (1, 3), (2, 2)]),
        # surge 3, unavailable 2: +3, -2, +2 before anything is ready
        (10, None, [(2, 3), (1, 8), (2, 5)]),
        # surge rounds up, unavailable down: 33% of 5 is 2 and 1
        (5, rolling("33%", "33%"), [(2, 2), (1, 4), (2, 3)]),
        (4, rolling(0, 1), [(2, 0), (1, 3), (2, 1), (1, 2), (2, 2), (1, 1), (2, 3), (1, 0), (2, 4)]),
        (4, rolling("100%", 0), [(2, 4)]),
        # surge 25, unavailable 25
        (100, None, [(2, 25), (1, 75), (2, 50)]),
        # 15% of 10 rounds up to 2, 5% down to 0
        (10, rolling("15%", "5%"), [(2, 2)]),
        # 10% of 7: 1 and 0, as for one replica
        (7, rolling("10%", "10%"), [(2, 1), (1, 6), (2, 2), (1, 5)]),
        # 0 and 10% of 5, which is 0, too: one may be unavailable, or nothing would move
        (5, rolling(0, "10%"), [(2, 0), (1, 4), (2, 1), (1, 3)]),
        (3, rolling("200%", "34%"), [(2, 3), (1, 2)]),
    ],
)
def test_waves(replicas: int, strategy: dict | None, written: list[tuple[int, int]]) -> None:
    found = sizes(replicas, strategy=strategy)
    assert found[: len(written)] == written
    assert dict(found) == {1: 0, 2: replicas}


@pytest.mark.parametrize("replicas", [1, 3, 4, 7, 10, 33])
@pytest.mark.parametrize(
    ("strategy", "surge"),
    [(None, 25), (rolling(1, 0), None), (rolling(0, 1), 0), (rolling("50%", "50%"), 50)],
)
def test_a_rollout_keeps_within_its_surge(replicas: int, strategy: dict | None, surge: int | None) -> None:
    """Never more than n + surge in spec, surge rounded up, and in the end all new and none old."""
    extra = 1 if surge is None else -(-surge * replicas // 100)
    have = {1: replicas}
    for revision, size in sizes(replicas, strategy=strategy):
        have[revision] = size
        assert sum(have.values()) <= replicas + extra
    assert have == {1: 0, 2: replicas}


def test_rollover_cleans_up_what_never_became_ready() -> None:
    """A third template while the second is starting: its five unready pods go first."""
    found = sizes(10, ROLLOUT, {"at": "5.5s", "rollout": "deployment/web"})
    assert found[:6] == [(2, 3), (1, 8), (2, 5), (3, 0), (2, 0), (3, 5)]


def test_scaling_in_the_middle_is_proportional() -> None:
    """From 10 to 20 with 3 old and 9 new: 25 to share, 6 and 17 by size, the leftover of 2 to the largest."""
    found = sizes(10, ROLLOUT, {"at": "6.9s", "scale": "deployment/web", "replicas": 20})
    at = found.index((2, 19))
    assert found[at + 1] == (1, 6)
    assert dict(found[:at]) == {1: 3, 2: 9}


def test_a_rollback_grows_the_older_replica_set_again() -> None:
    """Back to the first grace while the second is starting: its pods, still there, count at once."""
    grace = {"terminationGracePeriodSeconds": 7}
    events = [
        {"at": "5s", "rollout": "deployment/web", "set": grace},
        {"at": "5.5s", "rollout": "deployment/web", "set": {"terminationGracePeriodSeconds": 30}},
    ]
    story = Story([deployment(10, container=READY), service()], events, workloads=SLOW)
    run = story.run()
    assert story.sizes[:3] == [(2, 3), (1, 8), (2, 5)]
    assert {name.split("/")[2] for name in (p.name for p in run.pods)} == {"r1", "r2"}
    present = [p.name.split("/")[2] for p in run.pods if not p.gone]
    assert present == ["r1"] * 10


def test_recreate_waits_for_the_last_old_pod() -> None:
    story = Story(
        [deployment(3, strategy={"type": "Recreate"}, container=READY), service()],
        [ROLLOUT],
        workloads={"deployment/web": {"startup": "1s", "onSigterm": "ignore"}},
    )
    run = story.run()
    assert story.sizes == [(1, 0), (2, 3)]
    old = [p for p in run.pods if "/r1/" in p.name]
    new = [p for p in run.pods if "/r2/" in p.name]
    ended = max(c.ended_ns for p in old for c in p.containers)
    assert ended > 35_000_000_000  # the grace of 30 s was used up
    assert min(p.created_ns for p in new) > ended


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    assert sizes(3, ROLLOUT, {"at": "9s", "scale": "deployment/web", "replicas": 5}, paused=True) == [(1, 5)]


def test_min_ready_seconds_count_from_whole_seconds() -> None:
    """Pods become available `minReadySeconds` after the second in which they became Ready."""
    story = Story(
        [deployment(2, strategy=rolling(1, 0), container=READY, minReadySeconds=5), service()],
        [ROLLOUT],
        workloads=SLOW,
    )
    run = story.run()
    first = min(p.ready_since_ns for p in run.pods if p.ready_since_ns > 0)
    deleted = min(p.deleted_ns for p in run.pods if p.deleted_ns > 0)
    assert 4_000_000_000 < deleted - first < 5_200_000_000


def test_slow_start() -> None:
    assert slow_start_batches(1) == [1]
    assert slow_start_batches(7) == [1, 2, 4]
    assert slow_start_batches(500) == [1, 2, 4, 8, 16, 32, 64, 128, 245]


def pod(**fields) -> Pod:
    text = """
        {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}
    """
    template = parse_manifests(text).pods[0].template
    key = parse_manifests(text).pods[0].key
    usual = {"name": "p", "uid": 0, "owner": None, "workload": key, "template": template, "containers": []}
    usual |= {"created_ns": 0, "node": 0, "admitted_ns": 0, "ready": True}
    return Pod(**{**usual, **fields})


def rank(one: Pod, *, on_node: int = 1, tie: float = 0.5, now_s: float = 1000.0) -> tuple[float, ...]:
    return deletion_rank(one, now_ns=int(now_s * 1e9), on_node=on_node, tie=tie)


def test_scale_down_order() -> None:
    """Unassigned, not running, not ready, crowded node, ready more recently, more restarts, newer."""
    s = 1_000_000_000
    order = [
        rank(pod(node=-1, ready=False)),
        rank(pod(ready=False, admitted_ns=-1)),
        rank(pod(), on_node=3),
        rank(pod(ready_since_ns=990 * s), on_node=2),
        rank(pod(ready_since_ns=100 * s), on_node=2),
        rank(pod(restarts=2), on_node=1),
        rank(pod(created_ns=900 * s), on_node=1),
        rank(pod(), on_node=1),
    ]
    assert order == sorted(order)


def test_ages_are_compared_by_powers_of_two() -> None:
    """Ready 600 s and 800 s ago fall into one bucket, so the tie decides; 500 s and 600 s do not."""
    s = 1_000_000_000
    assert rank(pod(ready_since_ns=400 * s))[:-1] == rank(pod(ready_since_ns=200 * s))[:-1]
    assert rank(pod(ready_since_ns=500 * s)) < rank(pod(ready_since_ns=400 * s))


def test_the_progress_deadline_is_a_condition_and_stops_nothing() -> None:
    """Pods of the new template are ready after 40 s; with a deadline of 20 s that is late, and goes on."""
    for deadline, late in ((20, True), (60, False)):
        story = Story(
            [deployment(2, container=READY, progressDeadlineSeconds=deadline), service()],
            [ROLLOUT],
            duration="300s",
            workloads={"deployment/web": {"startup": "40s"}},
        )
        run = story.run()
        assert any("ProgressDeadlineExceeded" in line for line in run.warnings) == late
        assert dict(story.sizes) == {1: 0, 2: 2}
        assert sum(pod.ready for pod in run.pods if not pod.gone) == 2


def test_a_rollout_that_cannot_move_exceeds_its_deadline() -> None:
    """No node has room for one more pod, and none may be unavailable."""
    story = Story(
        [deployment(2, container=READY, strategy=rolling(1, 0), progressDeadlineSeconds=30), service()],
        [ROLLOUT],
        duration="100s",
        cluster={"nodes": [{"name": "only", "pods": 2}]},
    )
    assert any("ProgressDeadlineExceeded" in line for line in story.run().warnings)
