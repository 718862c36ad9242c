"""Controllers that act on load or on numbers: probes, autoscalers, topology hints."""

from __future__ import annotations

import pytest

from tests.cases.worlds import failed, run


@pytest.mark.parametrize(("replicas", "held"), [(10, True), (11, False), (12, True)])
def test_a18_hints_go_and_come_with_the_number_of_pods(replicas: int, held: bool) -> None:
    """kubernetes/kubernetes 122437: at eleven pods ceil(11 / 3 / 1.2) = 4 for each zone is too many.

    So an autoscaler that goes from 10 to 12 flips the routing twice.
    """
    field = {"manifests.deployment/web.spec.replicas": replicas}
    result = run("a18_hints_at_eleven_pods", field, replications=3)
    sizes = result.beliefs[result.beliefs["t_s"] == 0]["listed"]
    assert (sizes == replicas).all() == (not held)
    assert (sizes < replicas / 2).all() == held


def test_a26_a_tight_probe_takes_the_service_down_by_itself() -> None:
    """datacommonsorg/website PR 6624, kubernetes/kubernetes 115917: each pod taken out burdens the rest."""
    fewest = run("a26_tight_probes", replications=8).beliefs["listed"].min()
    assert fewest <= 1
    assert failed(run("a26_tight_probes", replications=8), "vip").mean() > 1000


@pytest.mark.parametrize(
    "cure",
    [
        {
            "manifests.deployment/web.spec.template.spec.containers.web.readinessProbe.timeoutSeconds": 5,
            "manifests.deployment/web.spec.template.spec.containers.web.readinessProbe.failureThreshold": 3,
        },
        {"workloads.deployment/web.probe.competes": False},
        {"clients.vip.rate": "150/s"},
    ],
    ids=["5 s and three failures", "beside the workers", "less load"],
)
def test_a26_cures(cure: dict) -> None:
    assert failed(run("a26_tight_probes", cure, replications=8), "vip").sum() == 0


def test_a26_a_health_check_a_hair_slower_than_its_timeout() -> None:
    """modelplane 206: 1.0009 to 1.0016 s against 1 s; flapping without any load."""
    slow = {
        "workloads.deployment/web.probe": {"time": {"uniform": {"low": "1.0009s", "high": "1.0016s"}}},
        "clients.vip.rate": "5/s",
    }
    assert run("a26_tight_probes", slow, replications=3).beliefs["listed"].min() == 0


def test_b31_every_wave_of_an_autoscaler_costs_connections() -> None:
    """voyager 1389, and maximhq/bifrost PR 1923 for the cure: shrink late, or let pods go on accepting."""
    name = "b31_flapping_autoscaler"
    flapping = run(name, replications=6)
    ups = flapping.scaling[flapping.scaling["size"] > flapping.scaling["replicas"]]
    assert ups.groupby("replication").size().min() >= 3
    lost = failed(flapping, "vip").mean()
    assert lost > 5
    late = {
        "manifests.horizontalpodautoscaler/web.spec.behavior.scaleDown.stabilizationWindowSeconds": 300,
        "events": [
            {"at": "20s", "rate": "vip", "value": "80/s", "every": "200s", "times": 3},
            {"at": "120s", "rate": "vip", "value": "20/s", "every": "200s", "times": 3},
        ],
    }
    assert failed(run(name, late, replications=6), "vip").mean() < lost / 3
    assert failed(run(name, {"manifests.deployment/web.preStop": "5s"}, replications=6), "vip").sum() == 0
