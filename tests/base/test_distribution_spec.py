"""The written form of distributions: every accepted shape, every message."""

from __future__ import annotations

import pytest

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
    from_spec,
)
from svcsim.errors import ScenarioError


@pytest.mark.parametrize(
    ("spec", "law"),
    [
        ("250ms", Constant(0.25)),
        ("0", Constant(0.0)),
        (2, Constant(2.0)),
        (0.5, Constant(0.5)),
        ({"constant": "1s"}, Constant(1.0)),
        ({"uniform": {"low": "0s", "high": "1s"}}, Uniform(0.0, 1.0)),
        ({"uniform": ["0s", "1s"]}, Uniform(0.0, 1.0)),
        ({"exponential": {"mean": "20ms"}}, Exponential(0.02)),
        ({"exponential": "20ms"}, Exponential(0.02)),
        ({"lognormal": {"median": "50ms", "p99": "300ms"}}, LogNormal(0.05, 0.3)),
        ({"lognormal": {"median": "50ms", "sigma": 0.5}}, LogNormal.from_median_sigma(0.05, 0.5)),
        ({"lognormal": {"mean": "50ms", "sigma": 0.5}}, LogNormal.from_mean_sigma(0.05, 0.5)),
        ({"gamma": {"mean": "1s", "shape": 3}}, Gamma(1.0, 3.0)),
        ({"erlang": {"k": 3, "mean": "1s"}}, Gamma(1.0, 3.0)),
        ({"empirical": ["1s", 2, "300ms"]}, Empirical([1.0, 2.0, 0.3])),
        ({"empirical": {"values": [1, 2], "weights": ["25%", 0.75]}}, Empirical([1.0, 2.0], [0.25, 0.75])),
        (
            {"mixture": [{"weight": 0.8, "of": "1s"}, {"weight": "20%", "of": {"exponential": "2s"}}]},
            Mixture([Constant(1.0), Exponential(2.0)], [0.8, 0.2]),
        ),
        (
            {"shifted": {"by": "0.5s", "of": {"exponential": {"mean": 1}}}},
            Shifted(0.5, Exponential(1.0)),
        ),
    ],
)
def test_accepted(spec: object, law: Distribution) -> None:
    assert from_spec(spec) == law
    assert from_spec(law.spec()) == law


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("-1s", r"^lag.sync = '-1s' must be >= 0"),
        ("soon", r"^lag.sync = 'soon' is not a duration.*250ms"),
        (True, r"^lag.sync = True is not a number"),
        (None, r"^lag.sync = None is not a distribution: write a duration such as 250ms, or one of constant"),
        ([1, 2], r"^lag.sync = \[1, 2\] is not a distribution"),
        ({}, r"^lag.sync = {} must have exactly one key"),
        ({"constant": 1, "uniform": 2}, r"must have exactly one key"),
        (
            {"exponentail": "1s"},
            r"^lag.sync = 'exponentail' is not a distribution \(did you mean 'exponential'\?\)",
        ),
        ({3: "1s"}, r"^lag.sync = 3 is not a distribution: write"),
        ({"exponential": {"mean": "-1s"}}, r"^lag.sync.exponential.mean = '-1s' must be >= 0"),
        (
            {"exponential": {"maen": "1s"}},
            r"^lag.sync.exponential.maen is not a known key \(did you mean 'mean'\?\): write {mean}",
        ),
        ({"exponential": {}}, r"^lag.sync.exponential has the keys \[\] but must be {mean}"),
        ({"uniform": {"low": 1}}, r"^lag.sync.uniform has the keys \['low'\] but must be {low, high}"),
        ({"uniform": [1, 2, 3]}, r"^lag.sync.uniform = \[1, 2, 3\] must be a mapping {low, high}"),
        ({"uniform": [2, "1s"]}, r"^lag.sync.uniform.high = 1.0 must be >= low = 2.0"),
        ({"uniform": [2, "x"]}, r"^lag.sync.uniform\[1\] = 'x' is not a duration"),
        (
            {"lognormal": {"median": 1}},
            r"^lag.sync.lognormal has .* must be {median, p99} or {median, sigma} or {mean, sigma}",
        ),
        (
            {"lognormal": {"median": "1s", "p99": "1s"}},
            r"^lag.sync.lognormal.p99 = 1.0 must be > median = 1.0",
        ),
        (
            {"lognormal": {"median": "1s", "sigma": "1s"}},
            r"^lag.sync.lognormal.sigma = '1s' must be a number",
        ),
        ({"gamma": {"mean": 1, "shape": 0}}, r"^lag.sync.gamma.shape = 0.0 must be a finite number > 0"),
        (
            {"erlang": {"mean": 1, "k": 1.5}},
            r"^lag.sync.erlang.k = 1.5 must be a whole number of stages >= 1",
        ),
        ({"erlang": {"mean": 1, "k": float("nan")}}, r"^lag.sync.erlang.k = nan must be a whole number"),
        ({"empirical": []}, r"^lag.sync.empirical = \[\] must be a list of durations, not empty"),
        ({"empirical": "1s"}, r"^lag.sync.empirical = '1s' must be a list of durations"),
        ({"empirical": [1, "x"]}, r"^lag.sync.empirical\[1\] = 'x' is not a duration"),
        ({"empirical": {"values": [1], "weights": [1, 2]}}, r"^lag.sync.empirical.weights has 2 entries"),
        ({"mixture": {"weight": 1}}, r"^lag.sync.mixture = {'weight': 1} must be a list of {weight, of}"),
        ({"mixture": [{"weight": 1}]}, r"^lag.sync.mixture\[0\] has the keys \['weight'\]"),
        (
            {"mixture": [{"weight": 1, "of": {"uniform": [1, -1]}}]},
            r"^lag.sync.mixture\[0\].of.uniform\[1\] = -1 must be >= 0",
        ),
        ({"mixture": [{"weight": -1, "of": 1}]}, r"^lag.sync.mixture.weights\[0\] = -1.0 must be"),
        (
            {"mixture": [{"weight": "120%", "of": 1}]},
            r"^lag.sync.mixture\[0\].weight = '120%' must be at most",
        ),
        ({"shifted": {"by": "-1s", "of": 1}}, r"^lag.sync.shifted.by = '-1s' must be >= 0"),
        ({"shifted": {"by": 1, "of": {"gama": 1}}}, r"^lag.sync.shifted.of = 'gama' is not .*'gamma'"),
    ],
)
def test_refused_with_place_value_and_rule(spec: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        from_spec(spec, path="lag.sync")


def test_without_a_path_the_message_starts_with_the_value() -> None:
    with pytest.raises(ScenarioError, match=r"^'soon' is not a duration"):
        from_spec("soon")
    with pytest.raises(ScenarioError, match=r"^gamma.shape = 0.0 must be"):
        from_spec({"gamma": {"mean": 1, "shape": 0}})
