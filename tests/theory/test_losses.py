"""Rows of queues that are not in test_queues.py: Erlang's loss, constant service, far tails (theory 1)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import theory
from svcsim.distributions import from_spec
from tests.theory.judge import SEED, agrees
from tests.theory.test_balancing import responses
from tests.theory.test_queues import BATCHES, UNIT_S, batch_means, quantiles
from tests.theory.worlds import queue_latencies

LAWS = {
    "exponential": {"exponential": {"mean": "1ms"}},
    "constant": {"constant": "1ms"},
    # squared coefficient of variation 10: sigma^2 = ln 11
    "lognormal": {"lognormal": {"mean": "1ms", "sigma": 1.5485}},
}


@pytest.mark.parametrize(
    "law", ["lognormal", *(pytest.param(law, marks=pytest.mark.slow) for law in ("exponential", "constant"))]
)
def test_erlang_s_loss_knows_only_the_mean_service(law: str) -> None:
    """Ten workers, no waiting places, nine offered: 16.8% are rejected whatever the law of service."""
    shares = []
    for k in range(20):
        answered, rejected = queue_latencies(
            service=LAWS[law], workers=10, rate=9 / UNIT_S, duration_s=5.0, seed=SEED + 1000 * k, queue=0
        )
        shares.append(rejected / (rejected + len(answered)))
    agrees(np.array(shares), theory.erlang_b(10, 9.0))
    assert theory.erlang_b(10, 9.0) == pytest.approx(0.167963, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "load", "loss"), [(4, 0.9, 0.270685), (100, 0.9, 0.026957)])
def test_erlang_s_loss_by_workers(workers: int, load: float, loss: float) -> None:
    rate = workers * load / UNIT_S
    shares = []
    for k in range(20):
        answered, rejected = queue_latencies(
            service=LAWS["exponential"],
            workers=workers,
            rate=rate,
            duration_s=5e4 / rate,
            seed=SEED + 1000 * k,
            queue=0,
        )
        shares.append(rejected / (rejected + len(answered)))
    agrees(np.array(shares), loss)


@pytest.mark.parametrize("rho", [0.7, *(pytest.param(rho, marks=pytest.mark.slow) for rho in (0.5, 0.8))])
def test_waits_of_constant_service(rho: float) -> None:
    """M/D/1: quantiles of the wait, from its distribution function."""
    latencies, _ = queue_latencies(
        service=LAWS["constant"], workers=1, rate=rho / UNIT_S, duration_s=1500.0, seed=SEED
    )
    waits = latencies - UNIT_S
    for p in (0.9, 0.95, 0.99):
        agrees(quantiles(waits, p), theory.md1_wait_quantile(rho / UNIT_S, UNIT_S, p))
    agrees(batch_means(latencies), theory.mg1_mean_wait(rho / UNIT_S, from_spec(LAWS["constant"])) + UNIT_S)


@pytest.mark.parametrize(
    ("workers", "places", "rho"), [(1, 10, 1.0), pytest.param(4, 20, 1.1, marks=pytest.mark.slow)]
)
def test_wait_of_those_that_find_room(workers: int, places: int, rho: float) -> None:
    """M/M/c/K: mean response of accepted requests is the accepted wait and a service."""
    rate = rho * workers / UNIT_S
    latencies, _ = queue_latencies(
        service=LAWS["exponential"],
        workers=workers,
        rate=rate,
        duration_s=1e6 / rate,
        seed=SEED,
        queue=places - workers,
    )
    agrees(batch_means(latencies), theory.mmck_mean_wait(workers, places, rate, UNIT_S) + UNIT_S)


@pytest.mark.parametrize("rho", [0.5, pytest.param(0.8, marks=pytest.mark.slow)])
def test_far_tails_of_one_worker(rho: float) -> None:
    """M/M/1: the 99.9th percentile of the response."""
    latencies, _ = queue_latencies(
        service=LAWS["exponential"], workers=1, rate=rho / UNIT_S, duration_s=2e3 / rho, seed=SEED
    )
    assert len(latencies) > 1000 * BATCHES
    agrees(quantiles(latencies, 0.999), theory.mm1_response_quantile(rho / UNIT_S, UNIT_S, 0.999))


@pytest.mark.slow
@pytest.mark.parametrize(("pods", "mean"), [(5, 1.3925), (10, 1.1605), (20, 1.0499)])
def test_the_shortest_of_more_queues(pods: int, mean: float) -> None:
    """Join the shortest queue, simulated apart from this code to about 0.3%."""
    found = responses(pods, 0.7, "least-request").mean(axis=1)
    assert np.mean(found) == pytest.approx(mean, rel=0.006)


@pytest.mark.slow
@pytest.mark.parametrize("pods", [2, 5])
def test_round_robin_over_other_numbers_of_pods(pods: int) -> None:
    """E_n/M/1 at 80% of capacity."""
    found = responses(pods, 0.8, "round-robin", requests=1.5e6)
    agrees(found.mean(axis=1), theory.ekm1_mean_wait(pods, 0.8, 1.0) + 1.0)
