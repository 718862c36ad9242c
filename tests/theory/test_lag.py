"""Failures under endpoint lag against closed forms (theory of a pod's end, `svcsim.theory.lag`)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import theory
from svcsim.distributions import from_spec
from tests.theory.judge import SEED, agrees, relative_error
from tests.theory.worlds import failures, lag_scenario

LAWS = {
    "constant": {"constant": "2s"},
    "exponential": {"exponential": {"mean": "2s"}},
    "uniform": {"uniform": {"low": "0s", "high": "3s"}},
    "erlang": {"gamma": {"mean": "1.5s", "shape": 3}},
    "lognormal": {"lognormal": {"median": "1s", "p99": "10.24s"}},
    "shifted": {"shifted": {"by": "500ms", "of": {"exponential": {"mean": "1s"}}}},
}


def check(scenario, value: float, *, replications: int, precision: float) -> None:
    """Both the counts and the variance-free expectation have the closed form's mean."""
    failed, expected = failures(scenario, seed=SEED, replications=replications)
    agrees(failed, value)
    agrees(expected, value)
    assert relative_error(expected) <= precision


@pytest.mark.parametrize("serves_s", [0.0, 0.5, 2.5])
@pytest.mark.parametrize("law", ["constant", "uniform"])
def test_one_pod(law: str, serves_s: float) -> None:
    """(rate/n) E[(L - s)+]; constant and bounded laws, a few hundred replications."""
    value = theory.stale_failures(1000.0, 10, from_spec(LAWS[law]), serves_s)
    scenario = lag_scenario(sync=LAWS[law], serves_s=serves_s, duration_s=8)
    if value == 0:
        failed, expected = failures(scenario, seed=SEED, replications=20)
        assert failed.sum() == 0
        assert expected.sum() == 0
        return
    check(scenario, value, replications=300, precision=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("serves_s", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("law", list(LAWS))
def test_one_pod_to_a_few_percent(law: str, serves_s: float) -> None:
    value = theory.stale_failures(1000.0, 10, from_spec(LAWS[law]), serves_s)
    scenario = lag_scenario(sync=LAWS[law], serves_s=serves_s, duration_s=60, rate=1000)
    if value == 0:
        return
    check(scenario, value, replications=800, precision=0.15)


@pytest.mark.slow
def test_many_nodes_have_the_same_mean_and_less_variance() -> None:
    """N proxies with lags of their own: the same mean; the variance of the histories' part falls as 1/N."""
    law = from_spec(LAWS["exponential"])
    value = theory.stale_failures(1000.0, 10, law, 1.0)
    one = failures(lag_scenario(sync=LAWS["exponential"], serves_s=1.0), seed=SEED, replications=600)[1]
    many = failures(
        lag_scenario(sync=LAWS["exponential"], serves_s=1.0, nodes=20), seed=SEED, replications=600
    )[1]
    agrees(one, value)
    agrees(many, value)
    assert np.var(one) / np.var(many) == pytest.approx(20, rel=0.5)


@pytest.mark.slow
def test_a_pod_looked_up_every_period() -> None:
    """A client that looks up one address every T holds a dead one for U(0, T) after its removal."""
    period = 4.0
    scenario = lag_scenario(
        sync={"constant": "0s"},
        duration_s=12,
        rate=300,
        nodes=20,
        lag={"watch": {"constant": "500ms"}},
        client={"via": "pod-ip", "resolve": {"every": f"{period}s"}},
    )
    failed, expected = failures(scenario, seed=SEED, replications=400)
    value = theory.dns_failures(300.0, 10, 0.5, period, 0.0)
    agrees(failed, value)
    agrees(expected, value)


def test_a_pinned_address_fails_for_ever() -> None:
    """Of twenty sources pinned to one of ten pods, those of the deleted one fail from then on."""
    scenario = lag_scenario(
        sync={"constant": "0s"},
        duration_s=11,
        rate=200,
        nodes=20,
        client={"via": "pod-ip", "resolve": "once", "timeout": {"connect": "500ms", "request": "none"}},
    )
    failed, _ = failures(scenario, seed=SEED, replications=200)
    # what was sent in the last 500 ms is still open at the end
    agrees(failed, theory.pinned_failures(200.0, 10.0 - 0.5, 0.0) / 10)


@pytest.mark.slow
def test_a_rollout_costs_the_same_whatever_the_overlap() -> None:
    """Three of ten pods deleted together, listed until one sync: the sum of rate / listed."""
    scenario = lag_scenario(sync={"uniform": {"low": "0s", "high": "2s"}}, deleted=3, duration_s=6)
    failed, expected = failures(scenario, seed=SEED, replications=600)
    law = from_spec({"uniform": {"low": "0s", "high": "2s"}})
    agrees(expected, 3 * theory.stale_failures(1000.0, 10, law, 0.0))
    agrees(failed, 3 * theory.stale_failures(1000.0, 10, law, 0.0))


def test_terminating_pods_serve_when_nothing_else_is_left() -> None:
    """No ready endpoint: nothing fails until the pods really stop, although none is ready any more."""
    scenario = lag_scenario(
        sync={"constant": "100ms"}, pods=2, deleted=2, serves_s=3.0, duration_s=3.9, rate=500
    )
    failed, _ = failures(scenario, seed=SEED, replications=20)
    assert failed.sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("law", ["exponential", "uniform"])
def test_what_sigkill_cuts(law: str) -> None:
    """(rate/n) E[(D - (G - min(L, G)))+] connections are open when the grace of an ignored SIGTERM ends."""
    laws = {
        "exponential": {"exponential": {"mean": "1s"}},
        "uniform": {"uniform": {"low": "0s", "high": "4s"}},
    }
    duration = laws[law]
    scenario = lag_scenario(
        sync={"constant": "1s"},
        service=duration,
        grace=3,
        on_sigterm="ignore",
        at_s=10,
        duration_s=18,
        rate=1000,
    )
    failed, _ = failures(scenario, seed=SEED, replications=400)
    agrees(failed, theory.sigkill_cuts(1000.0, 10, from_spec(duration), 1.0, 3.0))
