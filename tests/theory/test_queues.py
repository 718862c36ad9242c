"""One pod's queue against queueing theory (tables of M/M/1, M/M/c, M/M/c/K and M/G/1)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import theory
from svcsim.distributions import Distribution, from_spec
from tests.theory.judge import SEED, agrees
from tests.theory.worlds import queue_latencies

UNIT_S = 0.001  # one service time
BATCHES = 40


def batch_means(latencies: np.ndarray) -> np.ndarray:
    """Means of long batches, nearly independent; the first of them is dropped as warm-up."""
    size = len(latencies) // (BATCHES + 1)
    return latencies[size : size * (BATCHES + 1)].reshape(BATCHES, size).mean(axis=1)


def quantiles(latencies: np.ndarray, p: float) -> np.ndarray:
    """The p-quantile of each batch."""
    size = len(latencies) // (BATCHES + 1)
    return np.quantile(latencies[size : size * (BATCHES + 1)].reshape(BATCHES, size), p, axis=1)


@pytest.mark.parametrize("rho", [0.7, 0.9])
@pytest.mark.parametrize("workers", [1, 2, 10])
def test_mmc(workers: int, rho: float) -> None:
    """Mean response and its quantiles over millions of requests; standard error under 1% at rho .7."""
    rate = rho * workers / UNIT_S
    n = 2.0e6 if rho == 0.7 else 6.0e6
    latencies, _ = queue_latencies(
        service={"exponential": {"mean": f"{UNIT_S * 1000}ms"}},
        workers=workers,
        rate=rate,
        duration_s=n / rate,
        seed=SEED,
    )
    mean = theory.mmc_mean_wait(workers, rate, UNIT_S) + UNIT_S
    batches = batch_means(latencies)
    agrees(batches, mean)
    if rho == 0.7:
        assert np.std(batches, ddof=1) / BATCHES**0.5 <= 0.01 * mean
    for p in (0.5, 0.95, 0.99):
        agrees(quantiles(latencies, p), theory.mmc_response_quantile(workers, rate, UNIT_S, p))


@pytest.mark.parametrize(
    "service",
    [
        {"constant": "1ms"},
        {"gamma": {"mean": "1ms", "shape": 2}},
        {"lognormal": {"mean": "1ms", "sigma": 1.0}},
    ],
)
def test_mg1(service: dict) -> None:
    """Pollaczek and Khinchine's mean wait at rho .7."""
    law: Distribution = from_spec(service)
    latencies, _ = queue_latencies(service=service, workers=1, rate=700.0, duration_s=4000.0, seed=SEED)
    agrees(batch_means(latencies), theory.mg1_mean_wait(700.0, law) + UNIT_S)


@pytest.mark.parametrize(
    ("workers", "places", "rho"), [(1, 10, 0.9), (1, 10, 1.2), (4, 8, 0.9), (10, 20, 0.9)]
)
def test_mmck(workers: int, places: int, rho: float) -> None:
    """Loss of a queue with room for `places` in all: the share rejected."""
    rate = rho * workers / UNIT_S
    shares = []
    for k in range(20):
        latencies, rejected = queue_latencies(
            service={"exponential": {"mean": "1ms"}},
            workers=workers,
            rate=rate,
            duration_s=1.0e5 / rate,
            seed=SEED + 1000 * k,
            queue=places - workers,
        )
        shares.append(rejected / (rejected + len(latencies)))
    agrees(np.array(shares), theory.mmck_loss(workers, places, rate, UNIT_S))
