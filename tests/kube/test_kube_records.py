"""One Deployment and one Service, field by field."""

from __future__ import annotations

import pickle

import pytest

from svcsim.errors import ManifestError
from svcsim.kube import (
    DEFAULTS,
    Container,
    ContainerPort,
    IntOrPercent,
    ObjectKey,
    PodTemplate,
    PreStop,
    Probe,
    Service,
    ServicePort,
    Strategy,
    Workload,
    parse_manifests,
    resolve_rolling,
)
from svcsim.kube.conversion.containers import sleep_seconds
from svcsim.kube.selectors import Selector


def test_a_deployment_becomes_a_record_with_every_default(deployment: str) -> None:
    manifests = parse_manifests(deployment)
    assert manifests.warnings == ()
    assert manifests.workloads == (
        Workload(
            key=ObjectKey(kind="Deployment", namespace="default", name="web"),
            replicas=3,
            selector=Selector.equal({"app": "web"}),
            template=PodTemplate(
                labels={"app": "web"},
                containers=(
                    Container(name="nginx", ports=(ContainerPort(name="http", container_port=8080),)),
                ),
                termination_grace_period_seconds=30,
                restart_policy="Always",
            ),
            strategy=Strategy(
                type="RollingUpdate",
                max_surge=IntOrPercent(value=25, percent=True),
                max_unavailable=IntOrPercent(value=25, percent=True),
            ),
            min_ready_seconds=0,
            progress_deadline_seconds=600,
            revision_history_limit=10,
        ),
    )


def test_a_service_becomes_a_record_with_an_address(deployment: str, service: str) -> None:
    (made,) = parse_manifests(f"{deployment}---\n{service}").services
    assert made == Service(
        key=ObjectKey(kind="Service", namespace="default", name="web"),
        type="ClusterIP",
        selector={"app": "web"},
        ports=(ServicePort(port=80, target_port="http", protocol="TCP"),),
        cluster_ip=made.cluster_ip,
        session_affinity="None",
        affinity_timeout_seconds=10800,
    )
    assert made.cluster_ip is not None


def test_records_travel_between_processes(deployment: str, service: str) -> None:
    manifests = parse_manifests(f"{deployment}---\n{service}")
    assert pickle.loads(pickle.dumps(manifests)) == manifests


def test_probes_take_zero_for_absent(deployment: str) -> None:
    text = deployment.replace(
        "name: nginx\n",
        "name: nginx\n        readinessProbe: {httpGet: {port: http}, periodSeconds: 0, "
        "failureThreshold: 5}\n"
        "        livenessProbe: {grpc: {port: 9000}, initialDelaySeconds: 7}\n"
        "        startupProbe: {exec: {command: [check]}}\n",
    )
    container = parse_manifests(text).workloads[0].template.containers[0]
    assert container.readiness == Probe(kind="http", port=8080, period_seconds=10, failure_threshold=5)
    assert container.liveness == Probe(kind="grpc", port=9000, initial_delay_seconds=7)
    assert container.startup == Probe(kind="exec", port=None)


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("{sleep: {seconds: 5}}", PreStop(kind="sleep", seconds=5.0)),
        ("{exec: {command: [sleep, '5']}}", PreStop(kind="exec", seconds=5.0)),
        ("{exec: {command: [/wait-shutdown]}}", PreStop(kind="exec", seconds=None)),
        ("{httpGet: {port: 80, path: /drain}}", PreStop(kind="http", seconds=None)),
    ],
)
def test_pre_stop(deployment: str, hook: str, expected: PreStop) -> None:
    text = deployment.replace("name: nginx\n", f"name: nginx\n        lifecycle: {{preStop: {hook}}}\n")
    manifests = parse_manifests(text)
    found = manifests.workloads[0].template.containers[0].pre_stop
    assert found == expected
    assert expected.known == (expected.seconds is not None)
    assert any("takes a time" in line for line in manifests.warnings) != expected.known


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        (["sleep", "5"], 5.0),
        (["/bin/sleep", "5"], 5.0),
        (["sh", "-c", "sleep 5"], 5.0),
        (["/bin/sh", "-c", "sleep 15 && nginx -s quit"], 15.0),
        (["sh", "-c", "sleep 2; kill -TERM 1; sleep 0.5"], 2.5),
        (["sh", "-c", "sleep 1m 30s"], 90.0),
        (["python", "-c", "import time; time.sleep(5)"], 5.0),
        (["bash", "-c", "while curl localhost; do sleep 1; done"], None),
        (["sh", "-c", "sleep $DELAY"], None),
        (["sh", "-c", "sleep infinity"], None),
        (["oversleep", "5"], None),
        (["nginx", "-s", "quit"], None),
        ([], None),
    ],
)
def test_sleep_seconds(command: list[str], seconds: float | None) -> None:
    assert sleep_seconds(command) == seconds


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (4, "25%", "25%", (1, 1)),
        (3, "25%", "25%", (1, 0)),
        (1, "25%", "25%", (1, 0)),
        (0, "25%", "25%", (0, 0)),
        (10, "0", "1%", (0, 1)),
        (2, "1", "5", (1, 2)),
        (7, "100%", "0", (7, 0)),
    ],
)
def test_resolve_rolling(replicas: int, surge: str, unavailable: str, expected: tuple[int, int]) -> None:
    def read(text: str) -> IntOrPercent:
        return IntOrPercent(value=int(text.rstrip("%")), percent=text.endswith("%"))

    strategy = Strategy(max_surge=read(surge), max_unavailable=read(unavailable))
    assert resolve_rolling(replicas, strategy) == expected


def test_recreate_has_neither_surge_nor_unavailable() -> None:
    assert resolve_rolling(10, Strategy(type="Recreate")) == (0, 0)


def test_sidecars_are_containers_and_init_containers_a_warning(deployment: str) -> None:
    text = deployment + (
        "      initContainers:\n      - {name: migrate}\n      - {name: proxy, restartPolicy: Always, ports: "
        "[{containerPort: 15001}]}\n"
    )
    manifests = parse_manifests(text)
    template = manifests.workloads[0].template
    assert [(c.name, c.sidecar) for c in template.containers] == [("nginx", False), ("proxy", True)]
    assert template.init_containers == ("migrate",)
    assert manifests.warnings == (
        "deployment/web: spec.template.spec.initContainers are not simulated: "
        "add their time to workloads.startup",
    )


def test_requests_fall_back_on_limits(deployment: str) -> None:
    text = deployment.replace(
        "name: nginx\n",
        "name: nginx\n        resources: {requests: {cpu: 250m}, limits: {cpu: 1, memory: 1Ki}}\n",
    )
    requests = parse_manifests(text).workloads[0].template.containers[0].requests
    assert {name: float(amount) for name, amount in requests.items()} == {"cpu": 0.25, "memory": 1024.0}


def test_replication_controllers_select_their_template_by_default() -> None:
    text = """
    {apiVersion: v1, kind: ReplicationController, metadata: {name: old}, spec: {template: {
      metadata: {labels: {app: old}}, spec: {containers: [{name: c}]}}}}
    """
    (made,) = parse_manifests(text).workloads
    assert (made.replicas, made.strategy, made.selector) == (1, None, Selector.equal({"app": "old"}))


def test_lookups_name_the_nearest(deployment: str, service: str) -> None:
    manifests = parse_manifests(f"{deployment}---\n{service}")
    assert manifests.workload("web") is manifests.workloads[0]
    assert manifests.find("deploy/web") is manifests.workloads[0]
    assert manifests.service("svc/web") is manifests.services[0]
    assert manifests.backends(manifests.services[0]) == manifests.workloads
    with pytest.raises(
        ManifestError, match=r"^no Service service/wbe in the manifests .*did you mean service/web"
    ):
        manifests.service("wbe")
    with pytest.raises(ManifestError, match=r"^no object pod/web in the manifests \(there are: "):
        manifests.find("pod/web")
    with pytest.raises(
        ManifestError, match=r"^no workload service/web in the manifests \(there are: deployment/web\)"
    ):
        manifests.workload("service/web")


def test_every_default_has_a_source() -> None:
    assert len({default.field for default in DEFAULTS}) == len(DEFAULTS)
    for default in DEFAULTS:
        file, name = default.source.split(" ")
        assert file.endswith(".go")
        assert name.isidentifier()
