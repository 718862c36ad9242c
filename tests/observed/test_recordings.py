"""kube-proxy's metrics of recorded runs, where the lags that really were are known too."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from svcsim.distributions import Distribution
from svcsim.observed import Calibration, calibrate
from tests.observed.recorded import RUNS, needs_recordings, true_lags, write_metrics

pytestmark = needs_recordings


@cache
def calibrated(run: Path) -> tuple[Calibration, float, int]:
    """Return the calibration, the true mean lag in seconds, and how many observations the metric made."""
    with TemporaryDirectory() as folder:
        files = write_metrics(run, Path(folder))
        found = calibrate(
            files.after, files.before, min_sync_period_ns=files.min_sync_ns, kubernetes_minor=files.minor
        )
    lags, observations = true_lags(run)
    return found, float(np.mean(lags)), observations


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_corrected_mean_is_nearer_the_truth_in_every_run(run: Path) -> None:
    found, truth, observations = calibrated(run)
    assert found.family == ("" if found.kubernetes_minor == 30 else "IPv4")
    assert found.programming.count == observations  # the reconstruction sees what the metric saw
    measured_error = found.programming.mean_s - truth
    assert measured_error > 0.3  # it overstates, by half a second and the status stage
    assert abs(found.corrected_mean_s - truth) < measured_error
    assert abs(found.lag_fits[0].law.mean() - truth) < measured_error


def test_over_all_runs_three_quarters_of_the_error_are_gone() -> None:
    errors = []
    for run in RUNS:
        found, truth, _ = calibrated(run)
        errors.append((found.programming.mean_s - truth, found.corrected_mean_s - truth))
        sync = found.lag["sync"]
        assert isinstance(sync, Distribution)
        if "bg1000" not in run.name and not run.name.startswith("U-"):
            assert 0.025 < sync.mean() < 0.042  # a sync commits 30 to 40 ms after its start
    measured, corrected = np.abs(errors).mean(axis=0)
    assert measured == pytest.approx(0.63, abs=0.02)
    assert corrected == pytest.approx(0.15, abs=0.02)
