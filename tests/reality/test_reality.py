"""Predictions against measured runs: one lag block for all of them, nothing taken from a run's own outcome.

Every run is simulated 200 times; the measured failures should lie in the central 95% of what is predicted for
at least 18 of the 21 runs and 14 of the 17 that failed at all. With a perfect model fewer than 18 of 21 would
happen with probability 2% (binomial, independent runs).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from tests.reality.measured import RUNS, Run
from tests.reality.predict import predict

SEED = 20261125


class Prediction(NamedTuple):
    run: Run
    samples: np.ndarray

    def inside(self, column: int, value: int) -> bool:
        low, high = np.quantile(self.samples[:, column], [0.025, 0.975])
        return bool(low <= value <= high)


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> list[Prediction]:
    return [Prediction(run, predict(run, tmp_path_factory.mktemp("run"), seed=SEED)) for run in RUNS]


def interval_score(low: float, high: float, value: float, alpha: float = 0.05) -> float:
    """Gneiting and Raftery 2007, eq. 43: width plus 2/alpha times how far the value lies outside."""
    return (high - low) + 2 / alpha * (max(low - value, 0.0) + max(value - high, 0.0))


def naive_interval(run: Run) -> tuple[float, float]:
    """The opponent: every dead pod is listed for half a minSyncPeriod and 0.15 s, failures are Poisson."""
    period = (
        float(run.min_sync.removesuffix("ms")) / 1000 if "ms" in run.min_sync else float(run.min_sync[:-1])
    )
    lag = 0.5 * period + 0.15
    serves = run.pre_stop_s if run.on_sigterm != "ignore" else run.grace_s
    pods = 7 if run.actions[0][1] is not None else 10
    mean = 300 / 10 * pods * max(lag - serves, 0.0)
    half = 1.96 * mean**0.5
    return max(mean - half, 0.0), mean + half


@pytest.mark.slow
def test_measured_failures_lie_in_what_is_predicted(predictions: list[Prediction]) -> None:
    inside = [p.run.name for p in predictions if p.inside(0, p.run.failed)]
    failing = [p.run.name for p in predictions if p.run.failed]
    missed = sorted(set(failing) - set(inside))
    assert len(inside) >= 18, missed
    assert len(set(failing) & set(inside)) >= 14, missed


@pytest.mark.slow
def test_the_kind_of_failure_is_predicted_too(predictions: list[Prediction]) -> None:
    """Refused, reset or closed on one side, timed out on the other: both inside, for at least 17 of 21 runs.

    The misses are known: with Recreate ten pods go at once, and the recorded runtime then closes a little
    later than the pooled lag says, and a few accepted requests are reset in the instant before the exit.
    """
    right = 0
    for p in predictions:
        closed = p.run.refused + p.run.reset + p.run.eof
        right += p.inside(1, closed) and p.inside(2, p.run.timeout)
    assert right >= 17


@pytest.mark.slow
def test_better_than_a_constant_lag(predictions: list[Prediction]) -> None:
    """Mean interval score against a model with a constant lag and Poisson failures."""
    ours, naive = [], []
    for p in predictions:
        low, high = np.quantile(p.samples[:, 0], [0.025, 0.975])
        ours.append(interval_score(float(low), float(high), p.run.failed))
        naive.append(interval_score(*naive_interval(p.run), p.run.failed))
    assert np.mean(ours) < 0.5 * np.mean(naive)


def test_no_failure_where_none_was_measured(tmp_path) -> None:
    """A preStop longer than the lag, and a grace during which SIGTERM is ignored, lose nothing at all."""
    for run in RUNS:
        if run.failed == 0:
            assert predict(run, tmp_path, seed=SEED, replications=10)[:, 0].max() == 0, run.name
