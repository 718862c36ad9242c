"""How servers work, as scenarios have it: workers or cores from CPU limits, drains, probes, warnings."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

import svcsim
from svcsim.agreement import crosscheck
from svcsim.controlplane.serving import serving
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Outcome
from svcsim.kube.objects import Container
from svcsim.scenario import WorkloadBehaviour
from svcsim.simulation import run_replication
from tests.controlplane.test_prober import document, http, run

SHARED = {"concurrency": 1, "discipline": "processor-sharing"}


@pytest.mark.parametrize(
    ("concurrency", "discipline", "limit", "workers", "cores"),
    [
        (None, "fifo", None, 0, 0),
        (None, "fifo", "2", 0, 0),
        (3, "fifo", "2", 3, 0),
        ("from-limits", "fifo", "2", 2, 0),
        ("from-limits", "fifo", "2001/1000", 3, 0),
        ("from-limits", "fifo", "1/10", 1, 0),
        ("from-limits", "fifo", None, 0, 0),
        (3, "processor-sharing", "2", 0, 3000),
        ("from-limits", "processor-sharing", "3/2", 0, 1500),
        ("from-limits", "processor-sharing", "1/2000", 0, 1),  # the API server rounds up to 1m
        ("from-limits", "processor-sharing", None, 0, 0),
    ],
)
def test_workers_and_cores(
    concurrency: int | str | None, discipline: str, limit: str | None, workers: int, cores: int
) -> None:
    behaviour = WorkloadBehaviour(concurrency=concurrency, discipline=discipline, queue=5)
    container = Container(name="app", cpu_limit=None if limit is None else Fraction(limit))
    fields = serving(behaviour, container)
    assert (fields["workers"], fields["cores_permille"]) == (workers, cores)
    assert fields["queue"] == (5 if workers or cores else -1)


def limited(cpu: str | int, **behaviour) -> dict:
    return document({"resources": {"limits": {"cpu": cpu}}}, behaviour=behaviour, rate=20)


def warnings_of(doc: dict) -> str:
    return "\n".join(Topology.of(svcsim.parse_scenario(json.dumps(doc))).warnings)


def test_a_cpu_limit_that_nothing_goes_by_is_named() -> None:
    said = warnings_of(limited("1500m"))
    assert "deployment/web/app: resources.limits.cpu (1.5) limits nothing here" in said
    assert "limits.cpu" not in warnings_of(limited("1500m", concurrency=4))
    assert "limits.cpu" not in warnings_of(limited("1500m", concurrency="from-limits"))
    assert "limits.cpu" not in warnings_of(limited(0))  # no limit at all


def test_a_rollout_that_changes_the_limit_is_named() -> None:
    doc = limited(1, concurrency="from-limits")
    doc["events"] = [
        {
            "at": "10s",
            "rollout": "deployment/web",
            "set": {"spec.template.spec.containers[0].resources.limits.cpu": 2},
        }
    ]
    assert "its CPU limit is another from its rollout at 10s on" in warnings_of(doc)


def test_half_a_core_answers_at_half_the_speed() -> None:
    """10 ms of work twice a second, never two at once: 20 ms each."""
    doc = limited("500m", concurrency="from-limits", discipline="processor-sharing")
    doc["clients"][0]["rate"] = 2
    scenario = svcsim.parse_scenario(json.dumps(doc))
    crosscheck(scenario, seed=1)
    records = run_replication(Topology.of(scenario), seed=1, replication=0, keep_requests=True).requests
    assert set((records["end_ns"] - records["arrival_ns"])[records["outcome"] == Outcome.OK]) == {20_000_000}


def test_a_drain_that_shares_its_core_loses_nothing() -> None:
    """A process that exits when it has answered everything: what is due changes with what was accepted."""
    doc = document(
        {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}},
        behaviour={**SHARED, "serviceTime": {"exponential": {"mean": "600ms"}}, "onSigterm": "drain"},
        rate=1,
        replicas=2,
        events=[{"at": "20s", "rollout": "deployment/web"}],
    )
    scenario = svcsim.parse_scenario(json.dumps(doc))
    agreement = crosscheck(scenario, seed=1)
    assert set(agreement.outcomes) <= {("ok", "none"), ("open", "none")}


@pytest.mark.parametrize(("discipline", "ready"), [("fifo", False), ("processor-sharing", True)])
def test_a_probe_shares_the_core_instead_of_waiting(discipline: str, ready: bool) -> None:
    """Requests of 30 s hold the one worker for good; where they share, the probe of 1 ms has its part."""
    probes = {"readinessProbe": http(periodSeconds=2, timeoutSeconds=1, failureThreshold=2)}
    behaviour = {
        "concurrency": 1,
        "discipline": discipline,
        "probe": {"time": "1ms", "competes": True},
        "serviceTime": "30s",
    }
    (pod,) = run(document(probes, behaviour=behaviour, rate=0.5)).pods
    assert pod.ready == ready


def test_a_crowded_core_fails_its_probes() -> None:
    """Five requests a second of 30 s: after k seconds 5k share the core, and 10 ms take 50k ms, over 1 s from
    20 s on; the second failure in a row makes the pod unready, within two more periods."""
    probes = {"readinessProbe": http(periodSeconds=2, timeoutSeconds=1, failureThreshold=2)}
    behaviour = {**SHARED, "probe": {"time": "10ms", "competes": True}, "serviceTime": "30s"}
    for duration, ready in (("19s", True), ("27s", False)):
        (pod,) = run(document(probes, behaviour=behaviour, rate=5, duration=duration)).pods
        assert pod.ready == ready
