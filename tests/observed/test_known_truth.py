"""Histograms drawn from known laws: the fits find them again.

20,000 draws with a fixed seed each; limits are several standard errors wide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from svcsim.controlplane.kubeproxy import ProxyLoops
from svcsim.controlplane.sync import COMMIT_SHARE
from svcsim.distributions import Distribution, Exponential, Gamma, LogNormal, Mixture, Shifted
from svcsim.observed.calibrate import Calibration, calibrate_scrapes
from svcsim.observed.histograms import parse_scrape
from svcsim.scenario.defaults import default_law
from tests.observed.made import draws, proxy_metrics

N = 20_000
SYNC = LogNormal(median=0.05, p99=0.15)
Floats = npt.NDArray[np.float64]


def uniform(n: int, seed: int) -> Floats:
    return np.random.Generator(np.random.SFC64(seed)).random(n)


def usual(stage: str, n: int, seed: int) -> Floats:
    law = default_law(f"lag.{stage}")
    assert law is not None
    return draws(law, n, seed)


def calibrated(programming: Floats, syncs: Floats, **settings: object) -> Calibration:
    text = proxy_metrics(programming, syncs)
    return calibrate_scrapes([parse_scrape(text, "made")], **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("law", "family"),
    [
        (LogNormal(median=0.4, p99=3.0), "lognormal"),
        (Gamma(mean=1.2, shape=1.5), "gamma"),
        (Shifted(1.5, Exponential(1.0)), "shifted exponential"),
        (Shifted(2.0, LogNormal(median=0.8, p99=6.0)), "shifted lognormal"),
        (
            Mixture([LogNormal(median=0.1, p99=0.3), LogNormal(median=6.0, p99=14.0)], [0.7, 0.3]),
            "two lognormals",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lag_behind_the_truncation(law: Distribution, family: str) -> None:
    found = calibrated(draws(law, N, 1) + uniform(N, 2), draws(SYNC, 500, 3))
    best = found.lag_fits[0]
    assert best.name == family
    assert found.corrected_mean_s == pytest.approx(law.mean(), rel=0.03)
    assert best.law.mean() == pytest.approx(law.mean(), rel=0.03)
    for u in (0.5, 0.9, 0.99):
        assert best.law.quantile1(u) == pytest.approx(law.quantile1(u), rel=0.12)
    assert found.to_dict()["programming"]["largest_gap"] < 0.01


def test_sync_is_what_lies_before_the_commit() -> None:
    found = calibrated(draws(Exponential(0.5), N, 1) + uniform(N, 2), draws(SYNC, N, 3))
    sync = found.lag["sync"]
    assert isinstance(sync, Distribution)
    assert sync.mean() == pytest.approx(COMMIT_SHARE * SYNC.mean(), rel=0.02)
    assert sync.quantile1(0.99) == pytest.approx(COMMIT_SHARE * SYNC.p99, rel=0.05)


def latencies(endpoint_slice: Distribution, busy: float, period_s: float) -> tuple[Floats, Floats]:
    """Return what the metric would have observed, and durations of syncs."""
    syncs = draws(SYNC, N, 14)
    waits = np.where(uniform(N, 15) < busy, uniform(N, 16) * (period_s + SYNC.mean()), 0.0)
    before = usual("status", N, 11) + draws(endpoint_slice, N, 12) + usual("watch", N, 13)
    return uniform(N, 10) + before + waits + syncs, syncs


@pytest.mark.parametrize("period_s", [1.0, 5.0])
@pytest.mark.parametrize("busy", [0.0, 0.6, 1.0])
def test_stages_with_the_share_given(busy: float, period_s: float) -> None:
    law = LogNormal(median=0.3, p99=1.5)
    found = calibrated(*latencies(law, busy, period_s), busy=busy, min_sync_period_ns=int(period_s * 1e9))
    assert found.stages.endpoint_slice.mean() == pytest.approx(law.mean(), rel=0.1)
    assert found.stages.endpoint_slice.quantile1(0.99) == pytest.approx(law.p99, rel=0.2)


@pytest.mark.parametrize("busy", [0.27, 0.84])
def test_stages_with_the_share_estimated(busy: float) -> None:
    law = LogNormal(median=0.15, p99=0.6)
    found = calibrated(*latencies(law, busy, 5.0), min_sync_period_ns=5 * 10**9)
    assert found.stages.busy_low - 0.02 <= busy <= found.stages.busy_high + 0.02
    assert found.stages.busy == pytest.approx(busy, abs=0.03)
    assert found.stages.endpoint_slice.mean() == pytest.approx(law.mean(), rel=0.15)


@pytest.mark.parametrize("minor", [33, 36])
def test_stages_behind_the_run_loop_itself(minor: int) -> None:
    # Poisson changes, one in three seconds on average, through the simulator's own run loop
    law = LogNormal(median=0.2, p99=0.8)
    n, second = 4000, 10**9
    changes = np.cumsum(draws(Exponential(3.0), n, 20))
    seen = np.sort(changes + draws(law, n, 21) + usual("watch", n, 22))
    commits_after = draws(SYNC, n, 23) * COMMIT_SHARE
    loop = ProxyLoops(n_nodes=1, kubernetes_minor=minor, min_sync_ns=2 * second)
    arrivals = (seen * second).astype(np.int64)[None, :]
    starts, commits = loop.advance(1 << 62, arrivals, (commits_after * second).astype(np.int64)[None, :], 0)
    ends = (starts + (commits - starts) * 3 // 2)[0] / second
    lags = usual("status", n, 24) + np.sort(ends - changes)
    first = np.unique(starts[0], return_index=True)[1]
    syncs = ((commits - starts)[0] * 1.5 / second)[first]
    found = calibrated(lags + uniform(n, 25), syncs, kubernetes_minor=minor, min_sync_period_ns=2 * second)
    assert found.corrected_mean_s == pytest.approx(lags.mean(), rel=0.05)
    assert found.stages.endpoint_slice.mean() == pytest.approx(law.mean(), abs=0.2)
    assert 1.0 - len(syncs) / n <= found.stages.busy <= 1.0


def test_no_observation_is_lost_in_the_open_bucket() -> None:
    found = calibrated(np.concatenate((draws(Exponential(1.0), 2000, 1), [400.0, 500.0])), draws(SYNC, 99, 3))
    assert any("2 latencies are above the last bucket" in line for line in found.warnings)
    assert found.lag_fits[0].law.mean() < 3.0


def test_one_bucket_is_doubtful() -> None:
    found = calibrated(np.full(50, 1.5), np.full(50, 0.05))
    assert any("all latencies are in one bucket, 1 to 2 s" in line for line in found.warnings)
    assert found.lag_fits[0].law.mean() == pytest.approx(1.0, abs=0.1)


def test_a_mean_below_the_truncation_is_doubtful() -> None:
    found = calibrated(np.full(200, 0.2), np.full(50, 0.05))
    assert any("the trigger times seem not to be truncated" in line for line in found.warnings)
    assert any("nothing is left for endpointSlice" in line for line in found.warnings)
