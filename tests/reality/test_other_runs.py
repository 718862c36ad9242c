"""Measured runs of other kinds, none of which any lag was fitted to the outcome of.

Same testbed and client as `measured.py`, recorded 2026-11-25: (name, what differs, duration, failed, closed:
refused, reset or eof). Each should lie in the central 95% of 200 replications; one of six may miss.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import svcsim
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Outcome
from svcsim.simulation import run_replication
from tests.reality.measured import RUNS
from tests.reality.predict import scenario_of

SEED = 20261125
ROLLOUT = [{"at": "5s", "rollout": "deployment/web"}]
OTHERS: list[tuple[str, dict[str, Any], dict[str, Any], list[dict], int, int, int]] = [
    ("thirty replicas", {"replicas": 30}, {}, ROLLOUT, 40, 217, 0),
    ("minReadySeconds 5", {"minReadySeconds": 5}, {}, ROLLOUT, 45, 145, 8),
    (
        "surge 1, unavailable 0, start-up 3 s",
        {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
        {"startup": {"constant": "3.002s"}},
        ROLLOUT,
        65,
        275,
        3,
    ),
    ("SIGKILL of 3", {}, {}, [{"at": "5s", "kill": "deployment/web", "count": 3}], 25, 81, 81),
    ("deletion of 3", {}, {}, [{"at": "5s", "delete": "deployment/web", "count": 3}], 22, 66, 0),
    (
        "3 unready for 6 s",
        {},
        {},
        [{"at": "5s", "unready": "deployment/web", "count": 3, "for": "6s"}],
        28,
        0,
        0,
    ),
]


def samples(spec: dict, behaviour: dict, events: list[dict], duration: int, folder: Path) -> np.ndarray:
    """All failures, and those that were closed: int64 (200, 2)."""
    document = yaml.safe_load(scenario_of(RUNS[0], folder).to_yaml(self_contained=True))
    deployment = next(m for m in document["manifests"] if m["kind"] == "Deployment")
    deployment["spec"] |= spec
    document["workloads"]["deployment/web"] |= behaviour
    document |= {"events": events, "duration": f"{duration}s"}
    topology = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    rows = []
    for replication in range(200):
        counts = run_replication(topology, seed=SEED, replication=replication).counts[0].sum(axis=1)
        failed = counts.sum() - counts[Outcome.OK] - counts[Outcome.OPEN]
        rows.append((failed, counts[Outcome.REFUSED] + counts[Outcome.RESET] + counts[Outcome.EOF]))
    return np.array(rows)


@pytest.mark.slow
def test_runs_of_other_kinds(tmp_path: Path) -> None:
    outside = []
    for name, spec, behaviour, events, duration, failed, _ in OTHERS:
        low, high = np.quantile(samples(spec, behaviour, events, duration, tmp_path)[:, 0], [0.025, 0.975])
        if not low <= failed <= high:
            outside.append((name, failed, low, high))
    assert len(outside) <= 1, outside


def test_losing_readiness_alone_costs_nothing(tmp_path: Path) -> None:
    _, spec, behaviour, events, duration, failed, _ = OTHERS[-1]
    assert failed == 0
    assert samples(spec, behaviour, events, duration, tmp_path)[:, 0].max() == 0


@pytest.mark.slow
def test_a_killed_process_is_refused_not_silent(tmp_path: Path) -> None:
    """Its address stays, so that every failure is a refusal or a cut, as measured (81 of 81)."""
    _, spec, behaviour, events, duration, failed, closed = OTHERS[3]
    found = samples(spec, behaviour, events, duration, tmp_path)
    assert failed == closed
    assert (found[:, 0] == found[:, 1]).all()
