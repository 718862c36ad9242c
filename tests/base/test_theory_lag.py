"""Failures under lag and what clients make of them: check values computed by separate programs, and
simulations where there is no table.

Simulations: opponent is the closed form, replications and seed stand in each test, limit 4.5 standard errors
(false alarm 7e-6 each).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from svcsim import theory
from svcsim.distributions import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    LogNormal,
    Mixture,
    Shifted,
    Uniform,
)
from svcsim.errors import ScenarioError

EXP = Exponential(2.0)


@pytest.mark.parametrize(
    ("lag", "failures"),
    [
        (EXP, (200, 155.7602, 121.3061, 73.5759, 16.4170)),
        (Uniform(0.0, 3.0), (150, 104.1667, 66.6667, 16.6667, 0)),
        (Gamma.erlang(k=3, mean=1.5), (150, 101.1668, 60.9009, 17.3999, 0.1657)),
        (LogNormal.from_median_sigma(1.0, 1.0), (164.8721, 119.6231, 88.7143, 53.4851, 17.8195)),
        (Shifted(0.5, Exponential(1.0)), (150, 100, 60.6531, 22.3130, 1.1109)),
        (Constant(2.0), (200, 150, 100, 0, 0)),
    ],
    ids=repr,
)
def test_one_pod_ends(lag: Distribution, failures: tuple[float, ...]) -> None:
    for serves, expected in zip((0.0, 0.5, 1.0, 2.0, 5.0), failures, strict=True):
        assert theory.stale_failures(1000.0, 10, lag, serves) == pytest.approx(expected, abs=1e-4)
        # a rollout of ten with ten listed has ten times as many
        assert theory.rollout_failures(1000.0, 10, 10, lag, serves) == pytest.approx(10 * expected, abs=1e-3)


def test_moments_for_an_exponential_lag() -> None:
    assert theory.stale_failures(20.0, 10, EXP, 1.0) == pytest.approx(2.42612, abs=1e-5)
    assert theory.failures_variance(20.0, 10, EXP, 1.0) == pytest.approx(15.94903, abs=1e-5)
    assert theory.failures_variance(20.0, 10, EXP, 1.0, nodes=50) == pytest.approx(2.69658, abs=1e-5)
    assert theory.failures_variance(20.0, 10, EXP, 1.0, nodes=50, shared=True) == pytest.approx(
        15.94903, abs=1e-5
    )
    assert theory.no_failure_probability(20.0, 10, EXP, 1.0) == pytest.approx(0.514775, abs=1e-6)


@pytest.mark.parametrize(
    "lag", [EXP, Gamma(2.0, 1.0), Constant(2.0), Uniform(0.0, 3.0), Empirical([0.5, 2.0, 4.0])], ids=repr
)
def test_probability_of_no_failure_is_the_mean_chance_over_the_lag(lag: Distribution) -> None:
    u = (np.arange(200_000) + 0.5) / 200_000
    expected = np.mean(np.exp(-2.0 * np.maximum(lag.quantile(u) - 1.0, 0.0)))
    assert theory.no_failure_probability(20.0, 10, lag, 1.0) == pytest.approx(expected, abs=2e-5)


def test_without_requests_or_lag_nothing_fails() -> None:
    assert theory.no_failure_probability(0.0, 10, EXP, 1.0) == 1.0
    assert theory.no_failure_probability(20.0, 10, Constant(0.0), 0.0) == 1.0
    assert theory.stale_failures(0.0, 10, EXP, 0.0) == 0.0


def test_last_node() -> None:
    assert theory.expected_last(EXP, 50) == pytest.approx(8.9984, abs=1e-4)
    assert theory.expected_last(Uniform(1.0, 3.0), 3) == 2.5
    assert theory.expected_last(Constant(0.7), 50) == 0.7
    assert theory.expected_last(Shifted(0.5, EXP), 50) == pytest.approx(9.4984, abs=1e-4)
    assert theory.expected_last(Empirical([1.0, 1.0, 4.0]), 2) == pytest.approx(1.0 * 4 / 9 + 4.0 * 5 / 9)


@pytest.mark.parametrize("observers", [1, 2, 50, 5000])
def test_last_node_by_quadrature(observers: int) -> None:
    exact = theory.expected_last(EXP, observers)
    assert theory.expected_last(Gamma(2.0, 1.0), observers) == pytest.approx(exact, rel=1e-6)
    assert theory.expected_last(Mixture([EXP, EXP]), observers) == pytest.approx(exact, rel=1e-6)
    atom = Mixture([Constant(1.0), Empirical([0.5, 4.0])], [0.5, 0.5])
    same = Empirical([1.0, 0.5, 4.0], [0.5, 0.25, 0.25])
    assert theory.expected_last(atom, observers) == pytest.approx(
        theory.expected_last(same, observers), rel=1e-6
    )
    heavy = LogNormal(median=0.05, p99=3.0)
    assert theory.expected_last(heavy, 1) == pytest.approx(heavy.mean(), rel=1e-6)


def test_history_counts_what_a_rollout_with_varying_size_counts() -> None:
    assert theory.history_failures(100.0, [0.0, 1.0, 3.0], [1, 2], [4, 5]) == pytest.approx(105.0)
    assert theory.history_failures(100.0, [0.0, 1.0, 3.0], [0, 0], [0, 5]) == 0.0
    one_pod = theory.history_failures(1000.0, [0.0, 2.0, 5.0], [1, 0], [10, 9])
    assert one_pod == pytest.approx(theory.stale_failures(1000.0, 10, Constant(2.0), 0.0))


@pytest.mark.parametrize(
    ("retries", "share", "excluding", "attempts"),
    [(0, 0.3, 0.3, 1.0), (1, 0.09, 0.066667, 1.3), (2, 0.027, 0.008333, 1.39), (3, 0.0081, 0.0, 1.417)],
)
def test_retries(retries: int, share: float, excluding: float, attempts: float) -> None:
    assert theory.retry_failure_share(3, 10, retries) == pytest.approx(share)
    assert theory.retry_failure_share(3, 10, retries, exclude_tried=True) == pytest.approx(
        excluding, abs=1e-6
    )
    assert theory.retry_attempts(0.3, retries) == pytest.approx(attempts)


def test_retries_at_the_ends() -> None:
    assert theory.retry_failure_share(10, 10, 3) == 1.0
    assert theory.retry_failure_share(10, 10, 3, exclude_tried=True) == 1.0
    assert theory.retry_failure_share(0, 10, 3, exclude_tried=True) == 0.0
    assert theory.retry_attempts(1.0, 3) == 4.0


@pytest.mark.parametrize(("retries", "failures"), [(0, 62.304), (1, 10.7251), (2, 1.84624)])
def test_backoff(retries: int, failures: float) -> None:
    found = theory.backoff_failures(200.0, 5, EXP, 0.5, retries=retries, backoff_s=0.3)
    assert found == pytest.approx(failures, rel=1e-5)


def test_fallback_to_terminating_endpoints() -> None:
    assert theory.fallback_failures(100.0, Constant(30.0), 25.0) == pytest.approx(500.0)
    assert theory.fallback_failures(100.0, Constant(20.0), 25.0) == 0.0


def test_sigkill_cuts_exponential() -> None:
    expected = 100.0 * 20.0 / 10 * math.exp(-(30.0 - 5.0) / 20.0)
    assert theory.sigkill_cuts(100.0, 10, Exponential(20.0), 5.0, 30.0) == pytest.approx(expected)
    # a lag beyond the grace period: everything that would be open is cut
    assert theory.sigkill_cuts(100.0, 10, Exponential(20.0), 60.0, 30.0) == pytest.approx(200.0)


@pytest.mark.parametrize("duration", [Uniform(0.0, 60.0), LogNormal(10.0, 100.0), Constant(28.0)], ids=repr)
def test_sigkill_cuts_simulated(duration: Distribution) -> None:
    # Poisson openings at 10/s, 700 s before the pod's end and 5 s after; 400 replications in one draw, seed 3
    replications, rate, lag, grace, before = 400, 10.0, 5.0, 30.0, 700.0
    rng = np.random.default_rng(3)
    n = rng.poisson(rate * (before + lag) * replications)
    opened = rng.uniform(-before, lag, n)
    cut = np.count_nonzero(opened + duration.sample_ns(rng, n) / 1e9 > grace)
    expected = theory.sigkill_cuts(10.0 * rate, 10, duration, lag, grace) * replications
    assert abs(cut - expected) <= 4.5 * math.sqrt(expected)


@pytest.mark.parametrize(
    ("ttl", "serves", "expected"),
    [(30.0, 0.0, 15.5), (30.0, 5.0, 10.8375), (30.0, 31.0, 0.0), (5.0, 2.0, 1.225)],
)
def test_dns_cache(ttl: float, serves: float, expected: float) -> None:
    assert theory.dns_failures(1.0, 1, 0.5, ttl, serves) == pytest.approx(expected, abs=1e-4)
    c = serves - 0.5
    piecewise = ttl / 2 - c if c <= 0 else max(ttl - c, 0.0) ** 2 / (2 * ttl)
    assert theory.dns_failures(1.0, 1, 0.5, ttl, serves) == pytest.approx(piecewise)


def test_two_caches() -> None:
    assert theory.two_cache_residual(30.0, 30.0, restarted=True) == (30.0, 60.0)
    assert theory.two_cache_residual(30.0, 5.0, restarted=True) == (17.5, 35.0)
    assert theory.two_cache_residual(30.0, 30.0, restarted=False) == (15.0, 30.0)
    # independent simulation gave 30.50 and 18.02 with the record removed after half a second
    assert theory.two_cache_failures(1.0, 1, 0.5, (30.0, 30.0), 0.0) == pytest.approx(30.5)
    assert theory.two_cache_failures(1.0, 1, 0.5, (30.0, 5.0), 0.0) == pytest.approx(18.02, abs=0.03)
    assert theory.two_cache_failures(1.0, 1, 0.5, (30.0, 0.0), 5.0) == theory.dns_failures(
        1.0, 1, 0.5, 30.0, 5.0
    )


@pytest.mark.parametrize("serves", [2.0, 8.0, 31.0, 35.4, 36.0])
def test_two_caches_simulated(serves: float) -> None:
    # 400,000 pairs of phases, seed 4
    rng = np.random.default_rng(4)
    left = np.maximum(0.5 + rng.uniform(0, 30, 400_000) + rng.uniform(0, 5, 400_000) - serves, 0.0)
    expected = theory.two_cache_failures(1.0, 1, 0.5, (30.0, 5.0), serves)
    assert abs(left.mean() - expected) <= 4.5 * left.std() / math.sqrt(len(left)) + 1e-9


def test_pinned_address() -> None:
    assert theory.pinned_failures(10.0, 4.0, 5.0) == 0.0
    assert theory.pinned_failures(10.0, 60.0, 5.0) == 550.0
    assert [theory.pinned_dead_share(k, 10) for k in (0, 3, 10)] == [0.0, 0.3, 1.0]
    assert theory.first_address_outage_probability(10) == 0.1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: theory.stale_failures(1.0, 0, EXP, 0.0), r"listed = 0 must be a whole number >= 1"),
        (lambda: theory.stale_failures(-1.0, 1, EXP, 0.0), r"rate_per_s = -1.0 must be finite and >= 0"),
        (lambda: theory.stale_failures(1.0, 1, EXP, -1.0), r"serves_s = -1.0 must be finite and >= 0"),
        (lambda: theory.retry_failure_share(4, 3, 0), r"stale = 4 must be <= listed = 3"),
        (lambda: theory.retry_attempts(1.5, 0), r"failure = 1.5 must be in \[0, 1\]"),
        (
            lambda: theory.history_failures(1.0, [0.0], [1], [1]),
            r"stale has 1 and listed 1 spans but must have 0",
        ),
        (lambda: theory.pinned_dead_share(4, 3), r"replaced = 4 must be <= pods = 3"),
    ],
)
def test_refused(call: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        call()  # type: ignore[operator]
