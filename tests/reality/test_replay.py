"""Replays of recorded runs: the churn as recorded, failures as predicted; and what manifests alone give.

Failures of each run should lie in the central 95% of its replays for at least 19 of 21 runs of the first
campaign, and for at least 5 of 6 of the second; nothing is taken from a run but its watch log.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Outcome
from svcsim.observed.recording import read_recording
from svcsim.simulation import run_replication
from svcsim.timeline import Recording
from tests.reality.measured import RUNS, Run
from tests.reality.predict import scenario_of

ROOT = Path(__file__).parents[3] / "shared" / "groundtruth"
SEED = 20261125
OTHERS = {
    "K30-rr-exit-ipt-1": 217,
    "KM5-rr-minready5-ipt-1": 145,
    "KS3-rr-surge1-un0-startup3-ipt-1": 275,
    "CR-kill9-3of10-ipt-1": 81,
    "DEL3-delpods-ipt-1": 66,
    "UR-unready6-3of10-ipt-1": 0,
}
needs_recordings = pytest.mark.skipif(
    not ROOT.exists(), reason="the recordings are not part of the repository"
)


@cache
def recording(campaign: str, name: str) -> Recording:
    return read_recording([ROOT / campaign / name / "watch.jsonl.gz"], "web")


def replayed(campaign: str, name: str, run: Run, folder: Path, replications: int) -> np.ndarray:
    """Failures of each replication."""
    played = recording(campaign, name)
    scenario = replace(scenario_of(run, folder), events=(), duration_ns=played.end_ns + 5_000_000_000)
    topology = Topology.of(scenario)
    found = []
    for k in range(replications):
        counts = run_replication(topology, seed=SEED, replication=k, recording=played).counts[0].sum(axis=1)
        lost = counts.sum() - counts[[Outcome.OK, Outcome.OPEN, Outcome.NOT_SENT]].sum()
        found.append(lost)
    return np.array(found)


def inside(samples: np.ndarray, value: int) -> bool:
    low, high = np.quantile(samples, [0.025, 0.975])
    return bool(low <= value <= high)


@needs_recordings
@pytest.mark.slow
def test_measured_failures_lie_in_what_replays_give(tmp_path: Path) -> None:
    outside = [
        run.name for run in RUNS if not inside(replayed("runs", run.name, run, tmp_path, 100), run.failed)
    ]
    assert len(outside) <= 2, outside


@needs_recordings
@pytest.mark.slow
def test_runs_of_other_kinds_too(tmp_path: Path) -> None:
    outside = [
        name
        for name, failed in OTHERS.items()
        if not inside(replayed("runs2", name, RUNS[0], tmp_path, 100), failed)
    ]
    assert len(outside) <= 1, outside


@needs_recordings
def test_one_replay_quickly(tmp_path: Path) -> None:
    assert inside(replayed("runs", RUNS[0].name, RUNS[0], tmp_path, 30), RUNS[0].failed)


@needs_recordings
@pytest.mark.slow
def test_slices_are_written_about_as_often_as_recorded(tmp_path: Path) -> None:
    """From manifests alone: the number of slice writes of a run lies within the range of its replications."""
    outside = []
    for run in RUNS:
        topology = Topology.of(scenario_of(run, tmp_path))
        numbers = [
            len(run_replication(topology, seed=SEED, replication=k).control.changes) for k in range(40)
        ]
        written = len(recording("runs", run.name).writes) - 1
        if not min(numbers) - 1 <= written <= max(numbers) + 1:
            outside.append((run.name, written, min(numbers), max(numbers)))
    assert len(outside) <= 2, outside
