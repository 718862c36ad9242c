"""Turns a measured run into a scenario and says whether the measurement lies in what is predicted."""

from __future__ import annotations

import numpy as np

from svcsim import Scenario, parse_scenario
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Outcome
from svcsim.simulation import run_replication
from tests.reality.measured import Run

__all__ = ["REPLICATIONS", "predict", "scenario_of"]

REPLICATIONS = 200

# What the testbed is, not what any run saw: sandboxes start within tens of milliseconds, and their address
# dies a few milliseconds after the process (both pooled over all runs).
TESTBED_LAG = {
    "start": {"lognormal": {"median": "30ms", "p99": "150ms"}},
    "stop": {"lognormal": {"median": "32ms", "p99": "100ms"}},
    "teardown": {
        "mixture": [
            {"weight": 0.85, "of": {"exponential": {"mean": "4ms"}}},
            {"weight": 0.15, "of": {"uniform": {"low": "0s", "high": "45ms"}}},
        ]
    },
}


def manifest_of(run: Run) -> dict:
    """The Deployment and Service of a run."""
    container: dict = {
        "name": "app",
        "image": "example/server:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": 8080},
            "periodSeconds": run.readiness_period_s,
            "timeoutSeconds": 1,
        },
    }
    if run.pre_stop_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": run.pre_stop_s}}}
    strategy: dict = {"type": "Recreate"}
    if run.surge is not None:
        strategy = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": run.surge, "maxUnavailable": run.unavailable},
        }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 10,
            "strategy": strategy,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": run.grace_s, "containers": [container]},
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [deployment, service]}


def scenario_of(run: Run, tmp_path) -> Scenario:
    """The run as a scenario; the same lag block for all of them."""
    import json  # noqa: PLC0415

    (tmp_path / "web.json").write_text(json.dumps(manifest_of(run)))
    service: dict = {"constant": "2ms"}
    if run.long_share:
        service = {
            "mixture": [
                {"weight": 1 - run.long_share, "of": {"constant": "2ms"}},
                {"weight": run.long_share, "of": {"constant": "3s"}},
            ]
        }
    events = [
        {"at": f"{at}s", "rollout": "deployment/web"}
        if replicas is None
        else {"at": f"{at}s", "scale": "deployment/web", "replicas": replicas}
        for at, replicas in run.actions
    ]
    text = {
        "name": run.name,
        "manifests": ["web.json"],
        "duration": f"{run.duration_s}s",
        "cluster": {
            "kubernetes": run.kubernetes,
            "nodes": [{"name": "n1"}, {"name": "n2"}, {"name": "n3"}, {"name": "n4", "unschedulable": True}],
            "kubeProxy": {"mode": run.proxy, "minSyncPeriod": run.min_sync},
            "vanishedIP": {"then": "unreachable", "after": "3s"},
            "kernel": "6.18",
            "lag": TESTBED_LAG,
        },
        "workloads": {
            "deployment/web": {
                "startup": {"constant": "502ms"},
                "serviceTime": service,
                "onSigterm": run.on_sigterm,
            }
        },
        "clients": [
            {
                "name": "conns",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": "300/s",
                "from": "n4",
                "sources": 1,
                "timeout": {"connect": "1s", "request": f"{run.total_timeout_s}s"},
            }
        ],
        "events": events,
    }
    return parse_scenario(json.dumps(text), base=tmp_path)


def predict(run: Run, tmp_path, *, seed: int, replications: int = REPLICATIONS) -> np.ndarray:
    """Failures of each replication: int64 (replications, 3): all, closed (refused, reset, eof), timed out."""
    topology = Topology.of(scenario_of(run, tmp_path))
    rows = []
    for replication in range(replications):
        by_outcome = run_replication(topology, seed=seed, replication=replication).counts[0].sum(axis=1)
        closed = by_outcome[Outcome.REFUSED] + by_outcome[Outcome.RESET] + by_outcome[Outcome.EOF]
        timed = by_outcome[Outcome.CONNECT_TIMEOUT] + by_outcome[Outcome.REQUEST_TIMEOUT]
        rows.append((closed + timed, closed, timed))
    return np.array(rows, dtype=np.int64)
