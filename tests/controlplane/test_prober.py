"""Probes that take time: thresholds, clocks, queues, restarts, by hand and in a whole run."""

from __future__ import annotations

import json

import pytest

import svcsim
from svcsim.agreement import crosscheck
from svcsim.controlplane.prober import Streak
from svcsim.controlplane.topology import Topology
from svcsim.simulation import run_replication
from tests.controlplane.stories import CONSTANT, deployment, service

S = 1_000_000_000


@pytest.mark.parametrize(
    ("first", "success", "failure", "results", "verdicts"),
    [
        (False, 1, 3, "GG", [True, None]),
        (False, 3, 1, "GGFGGG", [None, None, None, None, None, True]),
        (True, 1, 3, "FFGFFF", [None, None, None, None, None, False]),
        (True, 1, 1, "FGF", [False, True, False]),
        (True, 1, 3, "FFFFFFG", [None, None, False, None, None, None, True]),
    ],
)
def test_thresholds_count_equal_results_in_a_row(
    first: bool, success: int, failure: int, results: str, verdicts: list[bool | None]
) -> None:
    streak = Streak(result=first)
    assert [streak.add(c == "G", success=success, failure=failure) for c in results] == verdicts


def document(probes: dict, *, behaviour: dict, rate: float = 1, duration: str = "60s", **changes) -> dict:
    """One pod with these probes; every lag constant."""
    return {
        "manifests": [deployment(changes.pop("replicas", 1), container=probes), service()],
        "duration": duration,
        "cluster": {"nodes": 1, "lag": {**CONSTANT, "load": {"constant": 1}}},
        "workloads": {"deployment/web": {"startup": "0s", "serviceTime": "10ms", **behaviour}},
        "clients": [
            {"name": "c", "to": "service/web", "via": "cluster-ip", "rate": rate, "arrivals": "constant"}
        ],
        "events": [],
        **changes,
    }


def run(doc: dict):
    scenario = svcsim.parse_scenario(json.dumps(doc))
    crosscheck(scenario, seed=1)
    return run_replication(Topology.of(scenario), seed=1, replication=0).control


def http(**fields) -> dict:
    return {"httpGet": {"path": "/", "port": 80}, **fields}


def test_a_probe_slower_than_its_timeout_fails_without_any_load() -> None:
    """1.0009 to 1.0016 s against a timeout of 1 s, as once reported: never ready again; with 2 s always."""
    slow = {"probe": {"time": {"uniform": {"low": "1.0009s", "high": "1.0016s"}}}}
    for timeout, ready in ((1, False), (2, True)):
        probes = {"readinessProbe": http(periodSeconds=5, timeoutSeconds=timeout, failureThreshold=3)}
        (pod,) = run(document(probes, behaviour=slow)).pods
        assert pod.ready == ready
    probes = {"readinessProbe": http(periodSeconds=5, timeoutSeconds=1, failureThreshold=3)}
    (pod,) = run(document(probes, behaviour=slow)).pods
    # the third failure: two periods after the first, whose phase is drawn, and the second that it took
    assert 11 <= pod.ready_since_ns / S <= 16.1


def test_an_exec_probe_runs_beside_the_server() -> None:
    probes = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 1}}
    busy = {"concurrency": 1, "probe": {"time": "10ms", "competes": True}, "serviceTime": "30s"}
    (pod,) = run(document(probes, behaviour=busy)).pods
    assert pod.ready and pod.ready_since_ns < 0


@pytest.mark.parametrize(("kind", "ready"), [("httpGet", False), ("grpc", False), ("tcpSocket", True)])
def test_a_busy_worker_fails_http_and_grpc_but_not_tcp(kind: str, ready: bool) -> None:
    """The one worker is held for the whole run; the kernel shakes hands with a TCP probe all the same."""
    check = {"path": "/", "port": 80} if kind == "httpGet" else {"port": 80}
    probes = {"readinessProbe": {kind: check, "periodSeconds": 1, "failureThreshold": 2}}
    busy = {"concurrency": 1, "probe": {"time": "10ms", "competes": True}, "serviceTime": "300s"}
    (pod,) = run(document(probes, behaviour=busy, rate=5)).pods
    assert pod.ready == ready


@pytest.mark.parametrize(("full", "ready"), [("reject", True), ("drop", False)])
def test_a_tcp_probe_at_a_full_queue(full: str, ready: bool) -> None:
    """A server that answers 503 has taken the connection; a SYN that is dropped has not been answered."""
    probes = {"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1, "failureThreshold": 2}}
    busy = {
        "concurrency": 1,
        "queue": {"places": 0, "full": full},
        "probe": {"competes": True},
        "serviceTime": "300s",
    }
    (pod,) = run(document(probes, behaviour=busy, rate=5)).pods
    assert pod.ready == ready


def test_a_dropped_syn_is_sent_again_within_the_timeout() -> None:
    """The worker is free for 0.4 s of each 2 s; probes of 3 s try at 0, 1 and 2 s and find it."""
    probes = {"readinessProbe": http(periodSeconds=5, timeoutSeconds=3, failureThreshold=1)}
    busy = {
        "concurrency": 1,
        "queue": {"places": 0, "full": "drop"},
        "probe": {"time": "1ms", "competes": True},
        "serviceTime": "1.6s",
    }
    (pod,) = run(document(probes, behaviour=busy, rate=0.5)).pods
    assert pod.ready


def test_liveness_restarts_with_back_off() -> None:
    """It hangs for ever, each life 3 s: up again at once, then after 10, 20, 40 s; the next waits 80 s."""
    probes = {"livenessProbe": http(periodSeconds=1, timeoutSeconds=1, failureThreshold=3)}
    hung = {"concurrency": 1, "probe": {"time": "100s", "competes": True}}
    (pod,) = run(document(probes, behaviour=hung, duration="100s")).pods
    assert pod.restarts == 5
    assert 4 * 3 + 10 + 20 + 40 <= pod.containers[0].started_ns / S <= 4 * 3 + 10 + 20 + 40 + 4


def test_startup_gates_liveness_and_readiness() -> None:
    """An application of 10 s: liveness alone would kill it after 3 s; its startup probe gives it 30."""
    liveness = {"livenessProbe": http(periodSeconds=1, failureThreshold=3)}
    gated = {**liveness, "startupProbe": http(periodSeconds=1, failureThreshold=30)}
    slow = {"startup": "10s", "probe": {"time": "1ms", "competes": True}}
    for probes, restarts in ((liveness, True), (gated, False)):
        doc = document(probes, behaviour=slow, duration="40s")
        doc["events"] = [{"at": "1s", "scale": "deployment/web", "replicas": 2}]
        pods = run(doc).pods
        assert (pods[1].restarts > 0) == restarts
        assert pods[1].ready or restarts


def test_an_application_that_says_unready_is_believed() -> None:
    probes = {"readinessProbe": http(periodSeconds=1, failureThreshold=1)}
    doc = document(probes, behaviour={"probe": {"time": "1ms", "competes": True}})
    doc["events"] = [{"at": "10s", "unready": "deployment/web", "count": 1, "for": "5s"}]
    (pod,) = run(doc).pods
    assert pod.ready
    assert 15 <= pod.ready_since_ns / S <= 16.1


def test_without_the_key_probes_are_arithmetic() -> None:
    probes = {"readinessProbe": http(periodSeconds=1, failureThreshold=1)}
    busy = {"concurrency": 1, "serviceTime": "300s"}
    (pod,) = run(document(probes, behaviour=busy, rate=5)).pods
    assert pod.ready and pod.ready_since_ns < 0
