"""Scenarios that isolate one mechanism: bare pods behind a Service, every lag zero but the one asked for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from svcsim import Scenario, parse_scenario
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Outcome
from svcsim.results.reading.expected import expected_failures
from svcsim.results.reading.truth import Beliefs, Lists, Truth
from svcsim.scenario import LAG_KEYS
from svcsim.simulation import run_replication

__all__ = [
    "balanced_latencies",
    "balanced_servers",
    "failures",
    "lag_scenario",
    "queue_latencies",
    "requests_of",
    "retrying_crowd",
]

ZERO = {stage: {"constant": "0s"} for stage in LAG_KEYS if stage != "load"}


def pod(name: str, *, grace: int = 60, hook: bool = False) -> dict:
    """A bare pod; its preStop hook, if any, is one whose length only the scenario knows."""
    container: dict[str, Any] = {"name": "app", "image": "i", "ports": [{"containerPort": 80}]}
    if hook:
        container["lifecycle"] = {"preStop": {"exec": {"command": ["/wait"]}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": grace, "containers": [container]},
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}


def lag_scenario(
    *,
    sync: dict,
    pods: int = 10,
    nodes: int = 1,
    rate: float = 1000.0,
    serves_s: float = 0.0,
    deleted: int = 1,
    duration_s: float = 60.0,
    client: dict | None = None,
    lag: dict | None = None,
    service: dict | None = None,
    grace: int = 60,
    on_sigterm: str = "exit",
    at_s: float = 1.0,
    vanished: dict | None = None,
) -> Scenario:
    """One or more of some pods deleted at `at_s`, proxies that follow after `sync`."""
    names = [f"p{k}" for k in range(pods)]
    behaviour: dict[str, Any] = {"serviceTime": service or {"constant": "0s"}, "onSigterm": on_sigterm}
    if serves_s:
        behaviour["preStop"] = f"{serves_s}s"
    asked = {"name": "c", "to": "service/web", "via": "cluster-ip", "rate": rate, "sources": nodes}
    document = {
        "name": "isolated",
        "manifests": [*(pod(n, grace=grace, hook=serves_s > 0) for n in names), SERVICE],
        "duration": f"{duration_s}s",
        "cluster": {
            "kubernetes": "1.34",
            "nodes": nodes,
            "kubeProxy": {"mode": "nftables", "minSyncPeriod": "0s"},
            "vanishedIP": vanished or {"then": "blackhole"},
            "lag": {**ZERO, "load": {"constant": 1}, "sync": sync, **(lag or {})},
        },
        "workloads": {f"pod/{n}": behaviour for n in names},
        "clients": [{**asked, "timeout": {"connect": "500ms", "request": "none"}, **(client or {})}],
        "events": [{"at": f"{at_s}s", "delete": f"pod/{n}"} for n in names[:deleted]],
    }
    return parse_scenario(json.dumps(document))


def failures(scenario: Scenario, *, seed: int, replications: int) -> tuple[np.ndarray, np.ndarray]:
    """Failed requests of each replication, and what the histories alone expect: float64 (replications,)."""
    topology = Topology.of(scenario)
    failed, expected = [], []
    for replication in range(replications):
        run = run_replication(topology, seed=seed, replication=replication)
        by_outcome = run.counts[0].sum(axis=1)
        failed.append(by_outcome.sum() - by_outcome[Outcome.OK] - by_outcome[Outcome.OPEN])
        histories = run.control.histories
        truth = Truth(histories, run.plan.duration_ns)
        found = expected_failures(scenario, run.plan, truth, Beliefs(histories), Lists.of(histories))
        expected.append(found[0])
    return np.array(failed, dtype=np.float64), np.array(expected, dtype=np.float64)


def requests_of(scenario: Scenario, *, seed: int, replication: int = 0) -> np.ndarray:
    """Every request of one replication."""
    run = run_replication(Topology.of(scenario), seed=seed, replication=replication, keep_requests=True)
    assert run.requests is not None
    return run.requests


def balanced_latencies(
    *, pods: int, rate: float, duration_s: float, balance: str, proxies: int, seed: int
) -> np.ndarray:
    """Latencies (s) of requests that independent proxies spread over pods of one worker, 1 ms on average."""
    client = {"via": "ingress", "balance": balance, "sources": proxies, "retry": 0}
    return _answered(_crowd(pods, duration_s, "1ms", {**client, "rate": rate}), seed)


def balanced_servers(*, pods: int, requests: int, seed: int, client: dict | None = None) -> np.ndarray:
    """The servers that so many requests were sent to, in order; by a virtual IP unless told else."""
    way = {"via": "cluster-ip", "sources": 1, **(client or {}), "rate": 100_000}
    records = requests_of(_crowd(pods, 1.001 * requests / 1e5 + 0.1, "0s", way), seed=seed)
    order = np.argsort(records["arrival_ns"], kind="stable")[:requests]
    assert len(order) == requests
    return records["server"][order].astype(np.int64)


def _crowd(pods: int, duration_s: float, service: str, client: dict, events: list | None = None) -> Scenario:
    """Pods of one worker with exponential service, and one client of theirs."""
    names = [f"p{k}" for k in range(pods)]
    law = {"constant": service} if service == "0s" else {"exponential": {"mean": service}}
    behaviour = {"serviceTime": law, "concurrency": 1}
    document = {
        "manifests": [*map(pod, names), SERVICE],
        "duration": f"{duration_s}s",
        "cluster": {"nodes": -(-pods // 100)},
        "workloads": {f"pod/{name}": behaviour for name in names},
        "clients": [
            {
                "name": "c",
                "to": "service/web",
                "timeout": {"connect": "1s", "request": "none"},
                **client,
            }
        ],
        "events": events or [],
    }
    return parse_scenario(json.dumps(document))


def retrying_crowd(
    *,
    pods: int,
    load: float,
    timeout: int,
    times: int,
    burst: float = 0.0,
    duration: float,
    calm: float = 0.0,
) -> Scenario:
    """Pods of 100 ms, retries at once after a time-out; spans in service times, loads without retries.

    The load is `burst` until `calm`, and `load` from then on.
    """
    unit_s = 0.1
    client = {
        "via": "pod-ip",
        "resolve": "watch",
        "rate": (burst if calm else load) * pods / unit_s,
        "timeout": {"connect": f"{timeout * unit_s}s", "request": f"{timeout * unit_s}s"},
        "retry": {"times": times, "outcomes": ["request_timeout"], "backoff": "0s", "jitter": False},
    }
    events = [{"at": f"{calm * unit_s}s", "rate": "c", "value": load * pods / unit_s}] if calm else []
    return _crowd(pods, duration * unit_s, f"{unit_s}s", client, events)


def _answered(scenario: Scenario, seed: int) -> np.ndarray:
    requests = requests_of(scenario, seed=seed)
    good = requests[requests["outcome"] == Outcome.OK]
    return (good["end_ns"] - good["arrival_ns"]) / 1e9


def queue_latencies(
    *,
    service: dict,
    workers: int,
    rate: float,
    duration_s: float,
    seed: int,
    queue: int | None = None,
    discipline: str = "fifo",
) -> tuple[np.ndarray, int]:
    """Latencies (s) of the answered requests of one pod with some workers, and how many were rejected."""
    behaviour: dict[str, Any] = {
        "serviceTime": service,
        "concurrency": workers,
        "discipline": discipline,
    }
    if queue is not None:
        behaviour["queue"] = queue
    document = {
        "manifests": [pod("p0"), SERVICE],
        "duration": f"{duration_s}s",
        "cluster": {"nodes": 1},
        "workloads": {"pod/p0": behaviour},
        "clients": [
            {
                "name": "c",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": rate,
                "timeout": {"connect": "1s", "request": "none"},
            }
        ],
    }
    run = run_replication(
        Topology.of(parse_scenario(json.dumps(document))), seed=seed, replication=0, keep_requests=True
    )
    assert run.requests is not None
    good = run.requests[run.requests["outcome"] == Outcome.OK]
    rejected = int(np.count_nonzero(run.requests["outcome"] == Outcome.REJECTED))
    return (good["end_ns"] - good["arrival_ns"]) / 1e9, rejected
