"""The end of a pod beyond its mean loss: spread, the last node, caches, the first address (theory 4)."""

from __future__ import annotations

import json

import numpy as np
import pytest

import svcsim
from svcsim import parse_scenario, theory
from svcsim.dataplane.contract import Outcome
from svcsim.distributions import from_spec
from tests.theory.judge import SEED, agrees
from tests.theory.worlds import SERVICE, ZERO, failures, lag_scenario, pod, requests_of

EXPONENTIAL = {"exponential": {"mean": "2s"}}


@pytest.mark.slow
def test_spread_of_the_failures_of_one_end() -> None:
    """Exponential lag of 2 s, a second served, two requests a second at the pod: mean, variance, P(none)."""
    law = from_spec(EXPONENTIAL)
    failed, _ = failures(
        lag_scenario(sync=EXPONENTIAL, serves_s=1.0, rate=20, duration_s=25), seed=SEED, replications=1500
    )
    agrees(failed, theory.stale_failures(20.0, 10, law, 1.0))
    agrees((failed - failed.mean()) ** 2, theory.failures_variance(20.0, 10, law, 1.0))
    agrees((failed == 0).astype(np.float64), theory.no_failure_probability(20.0, 10, law, 1.0))


@pytest.mark.parametrize("law", ["exponential", pytest.param("uniform", marks=pytest.mark.slow)])
def test_the_last_of_fifty_nodes(law: str) -> None:
    """H_50 means of an exponential lag, 50/51 of the longest of a uniform one."""
    lag = {"exponential": EXPONENTIAL, "uniform": {"uniform": {"low": "0s", "high": "3s"}}}[law]
    scenario = lag_scenario(sync=lag, nodes=50, rate=1, duration_s=40)
    result = svcsim.simulate(scenario, seed=SEED, replications=60, trace=range(60))
    taken = result.beliefs[result.beliefs["t_s"] > 0]
    last = taken.groupby("replication")["t_s"].max().to_numpy() - 1.0
    agrees(last, theory.expected_last(from_spec(lag), 50))


def by_name(
    *,
    ttl_s: float,
    cache_s: float,
    sources: int,
    pick: str,
    rate: float,
    until_s: float,
    removal_s: float = 0.5,
) -> svcsim.Scenario:
    """One of ten pods goes at 40 s; its record `removal_s` later; callers ask again each TTL."""
    headless = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "None"}}
    document = {
        "manifests": [*(pod(f"p{k}") for k in range(10)), headless],
        "duration": f"{until_s}s",
        "cluster": {
            "nodes": 1,
            "dns": {"ttl": f"{ttl_s}s", "cache": f"{cache_s}s"},
            "vanishedIP": {"then": "unreachable", "after": "0s"},
            "lag": {**ZERO, "load": {"constant": 1}, "watch": {"constant": f"{removal_s}s"}},
        },
        "workloads": {f"pod/p{k}": {"serviceTime": "0s"} for k in range(10)},
        "clients": [
            {
                "name": "c",
                "to": "service/web",
                "via": "headless",
                "pick": pick,
                "sources": sources,
                "rate": rate,
                "timeout": {"connect": "500ms", "request": "none"},
            }
        ],
        "events": [{"at": "40s", "delete": "pod/p3"}],
    }
    return parse_scenario(json.dumps(document))


@pytest.mark.parametrize(
    ("ttl_s", "cache_s"),
    [
        pytest.param(6.0, 0.0, marks=pytest.mark.slow),
        (6.0, 6.0),
        pytest.param(1.0, 6.0, marks=pytest.mark.slow),
    ],
)
def test_names_kept_by_caches_in_a_row(ttl_s: float, cache_s: float) -> None:
    """(rate/n) E[l + U(0, T1) + U(0, T2)], as the second cache begins the time to live anew.

    The residual is T/2, 6.0 and 3.5 s on average, and never more than the sum.
    """
    scenario = by_name(
        ttl_s=ttl_s, cache_s=cache_s, sources=20, pick="random", rate=200, until_s=41.0 + ttl_s + cache_s
    )
    failed, _ = failures(scenario, seed=SEED, replications=200)
    if cache_s:
        expected = theory.two_cache_failures(200.0, 10, 0.5, (cache_s, ttl_s), 0.0)
    else:
        expected = theory.dns_failures(200.0, 10, 0.5, ttl_s, 0.0)
    agrees(failed, expected)
    assert expected == pytest.approx(20 * (0.5 + (ttl_s + cache_s) / 2))


def test_who_uses_the_first_address_loses_all_or_nothing() -> None:
    """One caller, the first of ten addresses: with probability 1/n all of its requests, for a while."""
    struck, lost = [], []
    for k in range(200):
        scenario = by_name(
            ttl_s=4.0, cache_s=0.0, sources=1, pick="first", rate=50, until_s=45.0, removal_s=0.0
        )
        requests = requests_of(scenario, seed=SEED, replication=k)
        after = requests[requests["arrival_ns"] >= 40e9]
        bad = after["outcome"] == Outcome.UNREACHABLE
        lost.append(float(bad.sum()))
        struck.append(float(bad.any()))
        # once it has looked the name up again it is well, until the end
        assert (np.diff(bad.astype(int)) <= 0).all()
    agrees(np.array(struck), theory.first_address_outage_probability(10))
    agrees(np.array(lost), theory.dns_failures(50.0, 10, 0.0, 4.0, 0.0))


def test_pods_that_are_gone_take_their_share_of_pinned_callers() -> None:
    """k of n pods are replaced: k/n of the callers that never look again are dead, and after all, all."""
    for deleted, share in ((3, 0.3), (10, 1.0)):
        scenario = lag_scenario(
            sync={"constant": "0s"},
            deleted=deleted,
            nodes=20,
            rate=400,
            duration_s=3,
            client={"via": "pod-ip", "resolve": "once"},
            vanished={"then": "unreachable", "after": "0s"},
        )
        dead = []
        for k in range(60):
            requests = requests_of(scenario, seed=SEED, replication=k)
            late = requests[requests["arrival_ns"] > 1.5e9]
            dead.append(float((late["outcome"] != Outcome.OK).mean()))
        agrees(np.array(dead), share)
        assert theory.pinned_dead_share(deleted, 10) == pytest.approx(share)
