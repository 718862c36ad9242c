"""kubectl dumps: what has a controller is state of it."""

from __future__ import annotations

import datetime

from svcsim.kube import AdoptedPod, parse_manifests

REPLICA_SET = """\
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-5d8f
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, controller: true, uid: u1}]
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: nginx}]}}
status: {replicas: 2, observedGeneration: 1}
"""

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-5d8f-NAME
  labels: {app: web, pod-template-hash: 5d8f}
  managedFields: [{manager: kubelet, fieldsV1: {"f:status": {}}}]
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d8f, controller: true, uid: u2}]
spec:
  nodeName: node-1
  containers: [{name: nginx}]
status:
  phase: Running
  podIP: 10.244.1.7
  startTime: "2024-05-01T10:00:00Z"
  conditions: [{type: Ready, status: "True", lastTransitionTime: "2024-05-01T10:00:03Z"}]
  containerStatuses: [{restartCount: 2}]
"""


def at(second: int) -> datetime.datetime:
    return datetime.datetime(2024, 5, 1, 10, 0, second, tzinfo=datetime.UTC)


def dump(*texts: str) -> str:
    return "---\n".join(texts)


def test_pods_of_a_deployment_are_adopted(deployment: str) -> None:
    manifests = parse_manifests(
        dump(deployment, REPLICA_SET, POD.replace("NAME", "a"), POD.replace("NAME", "b"))
    )
    (web,) = manifests.workloads
    assert manifests.pods == ()
    assert web.replicas == 3
    assert web.pods[0] == AdoptedPod(
        name="web-5d8f-a",
        labels={"app": "web", "pod-template-hash": "5d8f"},
        node_name="node-1",
        ip="10.244.1.7",
        phase="Running",
        ready=True,
        start_time=at(0),
        ready_since=at(3),
        restarts=2,
    )
    assert [pod.revision for pod in web.pods] == ["5d8f", "5d8f"]
    assert manifests.latest_timestamp == at(3)
    assert manifests.warnings == (
        "deployment/web: spec.replicas = 3, but the input shows 2 of its pods; "
        "the run starts with the former",
    )


def test_a_dump_without_replica_sets(deployment: str) -> None:
    manifests = parse_manifests(dump(deployment, POD.replace("NAME", "a")))
    assert [pod.name for pod in manifests.workloads[0].pods] == ["web-5d8f-a"]
    assert manifests.pods == ()


def test_a_pod_whose_owner_is_missing_stands_alone(service: str) -> None:
    manifests = parse_manifests(dump(service, POD.replace("NAME", "a"), POD.replace("NAME", "b")))
    assert [str(pod.key) for pod in manifests.pods] == ["pod/web-5d8f-a", "pod/web-5d8f-b"]
    first = manifests.pods[0]
    assert str(first.owner) == "replicaset/web-5d8f"
    assert first.node_name == "node-1"
    assert first.state is not None
    assert first.state.ip == "10.244.1.7"
    assert manifests.warnings[0] == (
        "replicaset/web-5d8f: the owner of 2 pods is not in the input; "
        "each act as a bare pod that nothing replaces"
    )


def test_a_replica_set_whose_deployment_is_missing_is_a_workload() -> None:
    manifests = parse_manifests(dump(REPLICA_SET, POD.replace("NAME", "a")))
    (web,) = manifests.workloads
    assert (web.key.kind, web.replicas, str(web.owner), len(web.pods)) == (
        "ReplicaSet",
        2,
        "deployment/web",
        1,
    )
    assert manifests.warnings[0] == (
        "deployment/web: the owner of 1 ReplicaSet is not in the input; acts as a ReplicaSet of its own"
    )


def test_pods_of_kinds_that_are_not_simulated_stand_alone() -> None:
    pod = POD.replace("kind: ReplicaSet, name: web-5d8f", "kind: Job, name: db").replace("NAME", "0")
    owner = "{apiVersion: batch/v1, kind: Job, metadata: {name: db}}\n"
    manifests = parse_manifests(dump(owner, pod))
    assert len(manifests.pods) == 1
    assert manifests.warnings == (
        'Job "db" is not simulated yet: its pods do not exist in this run, unless listed as Pods',
        "job/db: the owner of 1 pod is not simulated; acts as a bare pod that nothing replaces",
    )


def test_ended_pods_are_gone_and_deleted_ones_are_marked(deployment: str) -> None:
    ended = POD.replace("NAME", "a").replace("phase: Running", "phase: Failed")
    deleted = POD.replace("NAME", "b").replace(
        "metadata:\n", 'metadata:\n  deletionTimestamp: "2024-05-01T10:00:30Z"\n'
    )
    alone = ended.replace("kind: ReplicaSet", "kind: Job")
    manifests = parse_manifests(dump(deployment, REPLICA_SET, ended, deleted, alone.replace("-a\n", "-c\n")))
    assert [(pod.name, pod.deleting) for pod in manifests.workloads[0].pods] == [("web-5d8f-b", True)]
    assert manifests.pods == ()


def test_a_declared_pod_has_no_state() -> None:
    (pod,) = parse_manifests(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}"
    ).pods
    assert (pod.state, pod.owner, pod.restart_policy) == (None, None, "Always")
