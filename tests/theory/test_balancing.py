"""Choosing among pods and trying again, against queueing theory and independent simulations.

Rows of other people's choice are only those that were computed exactly or simulated apart from this code: the
shortest of two queues and the join of the shortest (Markov chains), choices of independent proxies (a
simulation of its own, whose error is of the order of 1%).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from svcsim import Scenario, theory
from svcsim.dataplane.contract import Outcome
from svcsim.distributions import from_spec
from tests.theory.judge import SEED, agrees, relative_error
from tests.theory.worlds import balanced_latencies, failures, lag_scenario, requests_of, retrying_crowd

UNIT_S = 0.001  # one service time
BATCHES = 40


def batches_of(latencies: np.ndarray) -> np.ndarray:
    """Batches of requests in order, in service times: (BATCHES, size); the first is dropped as warm-up."""
    size = len(latencies) // (BATCHES + 1)
    return latencies[size : size * (BATCHES + 1)].reshape(BATCHES, size) / UNIT_S


def responses(pods: int, rho: float, balance: str, *, proxies: int = 1, requests: float = 1e6) -> np.ndarray:
    """Batches of responses of single-worker pods behind so many independent proxies."""
    return batches_of(
        balanced_latencies(
            pods=pods,
            rate=rho * pods / UNIT_S,
            duration_s=requests * UNIT_S / (rho * pods),
            balance=balance,
            proxies=proxies,
            seed=SEED,
        )
    )


def near(samples: np.ndarray, value: float, tolerance: float) -> None:
    """Within a tolerance that is several times the standard error."""
    assert relative_error(samples) <= tolerance / 3.5
    assert np.mean(samples) == pytest.approx(value, rel=tolerance)


@pytest.mark.parametrize(
    ("pods", "rho"),
    [
        (3, 0.7),
        (10, 0.7),
        pytest.param(3, 0.9, marks=pytest.mark.slow),
        pytest.param(10, 0.9, marks=pytest.mark.slow),
    ],
)
def test_round_robin_is_a_queue_of_erlang_gaps(pods: int, rho: float) -> None:
    """One proxy that takes n pods in turn: E_n/M/1 at each; response exponential."""
    found = responses(pods, rho, "round-robin", requests=1e6 if rho == 0.7 else 3e6)
    agrees(found.mean(axis=1), theory.ekm1_mean_wait(pods, rho, 1.0) + 1.0)
    for p in (0.5, 0.99):
        agrees(np.quantile(found, p, axis=1), theory.ekm1_response_quantile(pods, rho, 1.0, p))
    assert relative_error(found.mean(axis=1)) <= (0.005 if rho == 0.7 else 0.02)


def test_a_random_choice_is_a_queue_each() -> None:
    """However many proxies: thinned Poisson arrivals at every pod."""
    found = responses(10, 0.7, "random", proxies=5)
    agrees(found.mean(axis=1), theory.mm1_mean_response(0.7, 1.0))
    agrees(np.quantile(found, 0.99, axis=1), theory.mm1_response_quantile(0.7, 1.0, 0.99))


@pytest.mark.parametrize("rho", [0.7, pytest.param(0.9, marks=pytest.mark.slow)])
def test_two_choices_are_near_the_fixed_point(rho: float) -> None:
    """A hundred pods, one proxy: mean and p99 within 2.5% above the limit of many pods, never below it."""
    found = responses(100, rho, "two-choices", requests=1e6 if rho == 0.7 else 2e6)
    means, tails = found.mean(axis=1), np.quantile(found, 0.99, axis=1)
    near(means, theory.choices_mean_response(2, rho, 1.0), 0.025)
    near(tails, theory.choices_response_quantile(2, rho, 1.0, 0.99), 0.025)


@pytest.mark.parametrize(("pods", "mean"), [(3, 1.8843), (5, 1.7529), (10, 1.6737), (20, 1.6426)])
def test_two_choices_of_few_pods(pods: int, mean: float) -> None:
    """Simulated elsewhere, two different pods compared (with replacement three pods would have 1.5% more)."""
    near(responses(pods, 0.7, "two-choices").mean(axis=1), mean, 0.015)


JOINED = {
    (2, 0.7): (2.108197, (1.5037, 9.3402)),
    (3, 0.7): (1.708876, None),
    (2, 0.9): (5.474913, (3.8944, 24.5077)),
    (3, 0.9): (3.981924, None),
}
"""Join the shortest queue, from a truncated Markov chain: mean response, its p50 and p99."""


@pytest.mark.parametrize(
    ("pods", "rho"),
    [(2, 0.7), (3, 0.7), *(pytest.param(n, 0.9, marks=pytest.mark.slow) for n in (2, 3))],
)
def test_least_request_of_one_proxy_joins_the_shortest_queue(pods: int, rho: float) -> None:
    mean, quantiles = JOINED[pods, rho]
    found = responses(pods, rho, "least-request", requests=1e6 if rho == 0.7 else 3e6)
    agrees(found.mean(axis=1), mean)
    for p, value in zip((0.5, 0.99), quantiles or (), strict=False):
        agrees(np.quantile(found, p, axis=1), value)


APART = {
    "round-robin": {1: 2.014, 2: 2.124, 5: 2.318, 10: 2.503, 50: 2.964, 200: 3.210},
    "least-request": {1: 1.161, 2: 1.463, 5: 1.971, 10: 2.347, 50: 2.978, 200: 3.226},
    "two-choices": {1: 1.677, 10: 2.449, 50: 2.988},
}
"""Mean response of ten pods at load 0.7 by number of proxies that know only of their own requests."""
APART_AT_90 = {"least-request": {1: 1.926, 10: 3.804, 50: 6.095}, "two-choices": {1: 2.984, 10: 4.422}}


@pytest.mark.slow
@pytest.mark.parametrize("balance", list(APART))
def test_proxies_that_know_only_their_own_requests_wash_out_to_random(balance: str) -> None:
    """Every row within 2%, rising towards M/M/1 and never over it."""
    means = []
    for proxies, mean in APART[balance].items():
        found = responses(10, 0.7, balance, proxies=proxies, requests=1.5e6).mean(axis=1)
        near(found, mean, 0.02)
        means.append(float(found.mean()))
    assert means == sorted(means)
    assert means[-1] < theory.mm1_mean_response(0.7, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("balance", "proxies"), [(balance, n) for balance, rows in APART_AT_90.items() for n in rows]
)
def test_proxies_that_know_only_their_own_requests_at_high_load(balance: str, proxies: int) -> None:
    found = responses(10, 0.9, balance, proxies=proxies, requests=1.5e6).mean(axis=1)
    near(found, APART_AT_90[balance][proxies], 0.05)


def retrying(times: int, **keys: Any) -> dict[str, Any]:
    """A client that watches endpoints and tries again at once."""
    return {
        "via": "pod-ip",
        "resolve": "watch",
        "retry": {"times": times, "backoff": "0s", "jitter": False, **keys},
    }


def stale(
    client: dict[str, Any], *, lag: Any = "1s", pods: int = 10, deleted: int = 3, **keys: Any
) -> Scenario:
    """Pods whose addresses fail at once when they are deleted, and stay listed for a lag."""
    return lag_scenario(
        sync={"constant": "0s"},
        lag={"watch": lag},
        pods=pods,
        deleted=deleted,
        client=client,
        vanished={"then": "unreachable", "after": "0s"},
        **keys,
    )


@pytest.mark.parametrize("excluding", [False, True])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_retries_at_once_among_stale_pods(times: int, excluding: bool) -> None:
    """Three of ten are stale: lam w (k/m)^(r+1), or the product of (k - i)/(m - i) without those tried."""
    share = theory.retry_failure_share(3, 10, times, exclude_tried=excluding)
    scenario = stale(retrying(times, excludeTried=excluding), rate=2000, duration_s=2.5)
    failed, _ = failures(scenario, seed=SEED, replications=60)
    agrees(failed, 2000.0 * 1.0 * share)


def test_more_retries_than_stale_pods_lose_nothing_if_those_tried_are_left_out() -> None:
    failed, _ = failures(
        stale(retrying(3, excludeTried=True), rate=2000, duration_s=2.5), seed=SEED, replications=20
    )
    assert failed.sum() == 0


@pytest.mark.parametrize("times", [1, 3])
def test_attempts_of_retries_at_once(times: int) -> None:
    """(1 - p^(r+1)) / (1 - p) attempts a request while three of ten are stale."""
    shares = []
    for k in range(30):
        requests = requests_of(
            stale(retrying(times), rate=2000, lag="9s", duration_s=6), seed=SEED, replication=k
        )
        within = requests["arrival_ns"] > 1.001e9
        shares.append(requests["attempts"][within].mean())
    agrees(np.array(shares), theory.retry_attempts(0.3, times))


@pytest.mark.slow
@pytest.mark.parametrize("times", [0, 1, 2])
def test_back_off(times: int) -> None:
    """One of five pods dies; lag exponential, 2 s on average; it serves on for 0.5 s; waits of 0.3 s."""
    law = {"exponential": {"mean": "2s"}}
    scenario = stale(
        retrying(times, backoff="300ms", maxBackoff="300ms"),
        pods=5,
        deleted=1,
        rate=200,
        serves_s=0.5,
        duration_s=30,
        lag=law,
    )
    failed, _ = failures(scenario, seed=SEED, replications=600)
    agrees(
        failed,
        theory.backoff_failures(200.0, 5, from_spec(law), 0.5, retries=times, backoff_s=0.3),
    )


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_budget_caps_the_attempts(share: float) -> None:
    """Every attempt fails: each source has its burst and then so many retries a request, and uses them."""
    client = retrying(3, budget={"share": share, "burst": 10})
    scenario = stale(client, pods=2, deleted=2, rate=2000, lag="9s", duration_s=6, nodes=4)
    requests = requests_of(scenario, seed=SEED, replication=0)
    requests = requests[requests["arrival_ns"] > 1.001e9]
    assert (requests["outcome"] != Outcome.OK).all()
    for source in range(4):
        own = requests[requests["source"] == source]
        spent = int((own["attempts"] - 1).sum())
        assert share * len(own) - 1 <= spent <= share * len(own) + 10


@pytest.mark.parametrize(("load", "timeout", "times"), [(0.5, 10, 3), (0.7, 20, 3)])
def test_the_good_state_of_retries_after_a_time_out(load: float, timeout: int, times: int) -> None:
    """From empty: attempts at a pod in a service time are the lower root of x = lam sum P(late)^i.

    Time-outs are long against service times: a slow request is slow at every attempt here, and draws its
    service anew in the closed form.
    """
    found = []
    for k in range(20):
        scenario = retrying_crowd(pods=100, load=load, timeout=timeout, times=times, duration=550)
        requests = requests_of(scenario, seed=SEED, replication=k)
        late = requests[(requests["arrival_ns"] > 20e9) & (requests["arrival_ns"] < 45e9)]
        found.append(load * late["attempts"].mean())
    near(np.array(found), theory.retry_load(load, timeout, times, 1.0), 0.01)


def test_the_bad_state_of_retries_after_a_time_out() -> None:
    """The same load after a burst that left a backlog: every attempt is late, for ever, and all are made."""
    scenario = retrying_crowd(pods=300, load=0.5, timeout=10, times=3, burst=2.0, calm=60, duration=600)
    requests = requests_of(scenario, seed=SEED)
    late = requests[(requests["arrival_ns"] > 20e9) & (requests["arrival_ns"] < 55e9)]
    assert (late["outcome"] == Outcome.REQUEST_TIMEOUT).all()
    assert (late["attempts"] == 4).all()
