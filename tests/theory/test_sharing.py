"""One pod that shares its cores against the theory of processor sharing (M/M/1-PS, M/G/1-PS, M/M/c-PS)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import theory
from tests.theory.judge import SEED, agrees
from tests.theory.test_queues import UNIT_S, batch_means, quantiles
from tests.theory.worlds import queue_latencies

EXPONENTIAL = {"exponential": {"mean": "1ms"}}
# quantiles of the response of M/M/1-PS over a service time, by load: the equations of a tagged customer
# (Coffman, Muntz and Trotter, JACM 17(1), 1970), solved numerically
QUANTILES = {
    0.5: {0.5: 1.1320, 0.95: 6.8637, 0.99: 12.4455},
    0.7: {0.5: 1.6815, 0.95: 12.1264, 0.99: 23.2487},
}


def shared(service: dict, load: float, n: float, *, cores: int = 1) -> np.ndarray:
    """Latencies (s) of about n requests at a pod whose cores are shared."""
    rate = load * cores / UNIT_S
    latencies, rejected = queue_latencies(
        service=service,
        workers=cores,
        rate=rate,
        duration_s=n / rate,
        seed=SEED,
        discipline="processor-sharing",
    )
    assert rejected == 0
    return latencies


@pytest.mark.parametrize("load", [0.5, 0.7])
def test_mm1_ps_quantiles(load: float) -> None:
    """Mean 1 / (1 - rho) as with FIFO; half the answers are sooner than with it, the slowest far later."""
    latencies = shared(EXPONENTIAL, load, 4.0e5)
    agrees(batch_means(latencies), theory.ps_mean_response(load / UNIT_S, UNIT_S))
    for p, expected in QUANTILES[load].items():
        agrees(quantiles(latencies, p), expected * UNIT_S)
    fifo = theory.mmc_response_quantile(1, load / UNIT_S, UNIT_S, 0.99)
    assert np.quantile(latencies, 0.5) < theory.mmc_response_quantile(1, load / UNIT_S, UNIT_S, 0.5)
    assert np.quantile(latencies, 0.99) > 1.2 * fifo


@pytest.mark.parametrize(
    "service",
    [
        {"constant": "1ms"},
        {"gamma": {"mean": "1ms", "shape": 2}},
        {"lognormal": {"mean": "1ms", "sigma": 1.0}},
    ],
)
def test_the_mean_does_not_depend_on_the_service_law(service: dict) -> None:
    """M/G/1-PS is insensitive (Kleinrock 1976, section 4.4); FIFO would range from 2.17 to 4.17 times."""
    latencies = shared(service, 0.7, 4.0e5)
    agrees(batch_means(latencies), theory.ps_mean_response(0.7 / UNIT_S, UNIT_S))


def test_as_many_as_wait_for_workers_share_cores() -> None:
    """M/M/c-PS has the number in the system of M/M/c, so its mean response too (Little)."""
    latencies = shared(EXPONENTIAL, 0.7, 4.0e5, cores=3)
    expected = theory.mmc_mean_wait(3, 0.7 * 3 / UNIT_S, UNIT_S) + UNIT_S
    agrees(batch_means(latencies), expected)
