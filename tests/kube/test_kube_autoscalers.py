"""HorizontalPodAutoscalers as they are read, and what is said of them."""

from __future__ import annotations

import pytest
import yaml

from svcsim.errors import ManifestError
from svcsim.kube import parse_manifests
from svcsim.kube.manifests import ManifestSet


def web(**spec) -> dict:
    container = {"name": "app", "image": "i", "resources": {"requests": {"cpu": "250m"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def hpa(version: str = "autoscaling/v2", name: str = "web", **spec) -> dict:
    return {
        "apiVersion": version,
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 6,
            **spec,
        },
    }


def read(*documents: dict) -> ManifestSet:
    return parse_manifests(yaml.safe_dump_all(documents))


def test_defaults() -> None:
    (one,) = read(web(), hpa()).autoscalers
    assert (one.min_replicas, one.max_replicas, one.acts) == (1, 6, True)
    assert [(m.utilization, m.average_milli) for m in one.metrics] == [(80, None)]
    assert one.scale_up is None


def test_any_behavior_brings_its_defaults() -> None:
    (one,) = read(web(), hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})).autoscalers
    assert one.scale_down.stabilization_window_seconds == 60
    assert [(p.type, p.value) for p in one.scale_up.policies] == [("Pods", 4), ("Percent", 100)]


def test_version_1() -> None:
    (one,) = read(web(), hpa("autoscaling/v1", targetCPUUtilizationPercentage=50)).autoscalers
    assert one.metrics[0].utilization == 50


def test_a_run_starts_within_the_bounds() -> None:
    manifests = read(web(), hpa(minReplicas=3))
    assert manifests.workload("web").replicas == 3
    assert manifests.warnings == ()
    manifests = read(web(replicas=2), hpa(minReplicas=3))
    assert manifests.workload("web").replicas == 3
    assert any("outside the 3 to 6" in line for line in manifests.warnings)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([web(replicas=4), hpa()], "every apply sets it back"),
        ([web(), hpa(), hpa(name="second")], "scaled by several autoscalers"),
        ([hpa()], "is not among the manifests, so nothing is scaled"),
        (
            [
                web(),
                hpa(
                    metrics=[
                        {
                            "type": "Pods",
                            "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue"}},
                        }
                    ]
                ),
            ],
            "comes from a metrics adapter, which is not simulated",
        ),
    ],
)
def test_what_is_said(documents: list[dict], said: str) -> None:
    assert any(said in line for line in read(*documents).warnings)


def test_no_request_no_utilization() -> None:
    bare = web()
    del bare["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert any("no metric, no scaling" in line for line in read(bare, hpa()).warnings)


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ({"minReplicas": 7}, "must be at least minReplicas"),
        ({"maxReplicas": 0}, "spec.maxReplicas"),
        ({"behavior": {"scaleUp": {"policies": []}}}, "must have at least one policy"),
        ({"behavior": {"scaleUp": {"selectPolicy": "Most"}}}, "selectPolicy"),
        ({"metrics": [{"type": "Resource"}]}, "type Resource needs it"),
    ],
)
def test_what_is_refused(spec: dict, rule: str) -> None:
    with pytest.raises(ManifestError, match=rule):
        read(web(), hpa(**spec))


def test_a_version_that_no_server_has() -> None:
    with pytest.raises(ManifestError, match="accepted: autoscaling/v2, autoscaling/v1"):
        read(web(), hpa("autoscaling/v2beta2"))
