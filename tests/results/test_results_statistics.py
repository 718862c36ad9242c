"""Quantiles from the additive histogram, and intervals over replications."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcsim.results.statistics import (
    HIST_BINS,
    bin_of,
    edges_s,
    mean_interval,
    no_failure_bound,
    quantiles_s,
    ratio_interval,
)
from svcsim.rng import Purpose, stream

TRIALS = 4000


def histogram(spans: list[int]) -> np.ndarray:
    return np.bincount(bin_of(np.array(spans, dtype=np.int64)), minlength=HIST_BINS)[None, :]


def test_ten_latencies_by_hand() -> None:
    spans = [1_000_000 * k for k in range(1, 11)]
    found = quantiles_s(histogram(spans), (0.1, 0.5, 0.9, 1.0))[0]
    assert found == pytest.approx([0.001, 0.005, 0.009, 0.010], rel=0.01)


@given(st.lists(st.integers(2, 10**13), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_a_quantile_is_within_one_percent_of_the_order_statistic(spans: list[int], level: float) -> None:
    exact = sorted(spans)[max(math.ceil(level * len(spans) - 1e-9), 1) - 1]
    assert quantiles_s(histogram(spans), (level,))[0, 0] == pytest.approx(exact * 1e-9, rel=0.01)


@given(st.integers(2, 2**62))
def test_a_span_lies_between_the_edges_of_its_bin(span: int) -> None:
    place = int(bin_of(np.array([span]))[0])
    low, high = edges_s()[place : place + 2] * 1e9
    assert low * (1 - 1e-12) <= float(span) <= high * (1 + 1e-12)


def test_nothing_answered_has_no_quantile_and_instant_answers_take_no_time() -> None:
    assert np.isnan(quantiles_s(np.zeros((2, HIST_BINS), dtype=np.int64), (0.5, 0.9))).all()
    assert quantiles_s(histogram([0, 0, 1]), (0.999,))[0, 0] == 0.0


def test_under_five_replications_there_is_no_interval() -> None:
    four = np.array([1.0, 2.0, 3.0, 4.0])
    assert np.isnan(mean_interval(four)).all()
    assert np.isnan(ratio_interval(four, 10 * four)).all()
    assert np.isnan(mean_interval(np.array([1.0, 2.0, 3.0, 4.0, np.nan]))).all()


def test_a_ratio_without_part_is_bounded_by_the_count_of_replications_instead() -> None:
    low, high = ratio_interval(np.zeros(20), np.full(20, 1e6))
    assert low == 0.0 and math.isnan(high)
    assert no_failure_bound(1000) == pytest.approx(3 / 1000, rel=0.01)


def test_a_constant_ratio_has_an_interval_of_no_width() -> None:
    whole = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
    assert ratio_interval(whole / 10, whole) == pytest.approx((0.1, 0.1))


def test_intervals_cover_as_often_as_they_say() -> None:
    """Opponent: replications whose failures are Poisson with a gamma mean (clustered by rollout), 20 each.

    4,000 trials: the coverage of a 95% interval has standard error 0.35%, so 93.5% to 96.5% (four of them)
    alarms falsely once in 16,000. The gamma's skew costs less than a percent of coverage.
    """
    rng = stream(7, 0, Purpose.CHECK, "interval coverage", 0)
    means = rng.gamma(8.0, 10.0, size=(TRIALS, 20))
    failed = rng.poisson(means).astype(np.float64)
    started = rng.poisson(1000.0, size=(TRIALS, 20)).astype(np.float64)
    mean = [low <= 80.0 <= high for low, high in map(mean_interval, failed)]
    ratio = [low <= 0.08 <= high for low, high in map(ratio_interval, failed, started)]
    assert 0.935 < np.mean(mean) < 0.965
    assert 0.935 < np.mean(ratio) < 0.965
