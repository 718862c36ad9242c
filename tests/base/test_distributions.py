"""Every distribution against its own definition: what enters the registry is tested here or the suite fails.

Statistical tests: opponent is the closed-form mean or the quantile function, 200,000 draws from a fixed seed,
limit 4.5 standard errors; the false alarm of one comparison is 7e-6, of the whole file below 1e-3.
"""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcsim.clock import MAX_NS
from svcsim.distributions import (
    REGISTRY,
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

FAST_SLOW = Mixture([Exponential(0.02), LogNormal(median=0.2, p99=1.0)], [0.8, 0.2])
EXAMPLES: list[Distribution] = [
    Constant(0.25),
    Constant(0.0),
    Uniform(0.1, 3.0),
    Uniform(2.0, 2.0),
    Exponential(0.02),
    Exponential(0.0),
    LogNormal(median=0.05, p99=0.3),
    Gamma(mean=1.0, shape=0.7),
    Gamma.erlang(k=3, mean=1.5),
    Empirical([0.3, 0.1, 0.1, 2.0]),
    Empirical([0.3, 0.1, 2.0], [0.5, 0.5, 0.0]),
    FAST_SLOW,
    Mixture([Constant(1.0), Uniform(0.0, 3.0)], [1.0, 3.0]),
    Mixture([Constant(0.0), FAST_SLOW, Constant(9.0)], [1.0, 1.0, 0.0]),
    Shifted(0.5, Exponential(1.0)),
    Shifted(0.0, Empirical([0.0, 1.0])),
]
# bits of the unit interval where inverse functions change method or meet an edge
EDGES = [0.0, 5e-324, 2.0**-53, 1e-9, 0.25, 0.5, 0.75, 0.8, 0.99, 1.0 - 2.0**-53, 1.0]
every = pytest.mark.parametrize("law", EXAMPLES, ids=repr)


def steps(law: Distribution) -> int:
    return 2_000 if "Mixture" in repr(law) else 20_000


def test_every_member_of_the_registry_is_among_the_examples() -> None:
    assert {type(law) for law in EXAMPLES} == set(REGISTRY.values())
    assert all(cls.name == name for name, cls in REGISTRY.items())


@every
def test_scalars_and_arrays_agree_to_the_last_bit(law: Distribution) -> None:
    u = np.concatenate((EDGES, np.random.default_rng(7).random(steps(law))))
    vector, vector_ns = law.quantile(u), law.quantile_ns(u)
    assert vector.tolist() == [law.quantile1(x) for x in u.tolist()]
    assert vector_ns.tolist() == [law.quantile1_ns(x) for x in u.tolist()]
    x = np.concatenate(([-1.0, 0.0], vector, vector * 1.001))
    assert law.cdf(x).tolist() == [law.cdf1(y) for y in x.tolist()]


@every
def test_neither_position_nor_stride_changes_a_quantile(law: Distribution) -> None:
    u = np.random.default_rng(8).random(1001)
    whole = law.quantile(u)
    for part in (slice(1, None), slice(None, None, 2), slice(None, None, -1), slice(500, 503)):
        assert np.array_equal(law.quantile(u[part]), whole[part])
    assert law.quantile(u[:1000].reshape(10, 100)).shape == (10, 100)
    assert np.array_equal(law.quantile(u[:1000].reshape(10, 100).T), whole[:1000].reshape(10, 100).T)


@every
def test_quantile_inverts_the_cdf(law: Distribution) -> None:
    u = np.linspace(0.001, 0.999, 333)
    x = law.quantile(u)
    assert np.all(np.diff(x) >= 0.0)
    assert np.all(law.cdf(x + 1e-9) >= u)
    below = x - 1e-9 * (1.0 + x)
    assert np.all(law.cdf(below) <= u + 1e-12)


@every
def test_types_and_ranges(law: Distribution) -> None:
    u = np.array(EDGES)
    ns = law.quantile_ns(u)
    assert ns.dtype == np.int64
    assert ns.min() >= 0
    assert ns.max() <= MAX_NS
    assert type(law.quantile1_ns(0.3)) is int
    assert type(law.quantile1(0.3)) is float
    assert type(law.cdf1(0.3)) is float
    assert all(type(value) is float for value in (law.mean(), law.variance(), law.mean_excess(0.1)))
    assert law.quantile_ns(np.empty(0)).tolist() == []
    assert law.cdf1(1e9) == pytest.approx(1.0)
    assert law.cdf1(-1.0) == 0.0


@every
def test_u_outside_the_unit_interval_is_refused(law: Distribution) -> None:
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            law.quantile1_ns(wrong)
        with pytest.raises(ValueError, match="from 0 to 1"):
            law.quantile_ns(np.array([0.5, wrong]))


def by_integration(law: Distribution, s: float, power: int) -> float:
    """Integrate power (x - s)^(power - 1) P(X > x) from s on, the midpoint rule on a fine grid."""
    start, stop = min(s, 0.0), max(float(law.quantile1(1.0 - 1e-13)), s) + 1e-6
    edges = np.linspace(max(s, start), stop, 400_001)
    x = 0.5 * (edges[1:] + edges[:-1])
    return float(np.sum(power * (x - s) ** (power - 1) * (1.0 - law.cdf(x))) * (edges[1] - edges[0]))


@every
@pytest.mark.parametrize("s", [-0.5, 0.0, 0.05, 0.3, 1.0, 2.5])
def test_excess_moments_match_the_integral_of_the_cdf(law: Distribution, s: float) -> None:
    assert law.mean_excess(s) == pytest.approx(by_integration(law, s, 1), rel=1e-4, abs=1e-5)
    assert law.square_excess(s) == pytest.approx(by_integration(law, s, 2), rel=1e-4, abs=1e-5)


@every
def test_moments_are_the_excess_over_nothing(law: Distribution) -> None:
    assert law.mean() == pytest.approx(law.mean_excess(0.0), rel=1e-12)
    assert law.variance() == pytest.approx(law.square_excess(0.0) - law.mean() ** 2, rel=1e-9, abs=1e-12)
    assert law.mean_excess(-2.0) == pytest.approx(law.mean() + 2.0)
    assert 0.0 <= law.mean_excess(1e6) < 1e-9


@every
def test_draws_have_the_mean_and_the_quantiles(law: Distribution) -> None:
    n = 200_000
    draws = law.sample_ns(np.random.default_rng(11), n)
    assert draws.dtype == np.int64
    assert draws.shape == (n,)
    assert draws.min() >= 0
    error = math.sqrt(law.variance() / n)
    assert abs(draws.mean() / 1e9 - law.mean()) <= 4.5 * error + 1e-9
    for x in law.quantile(np.array([0.01, 0.3, 0.5, 0.9, 0.999])):
        p = law.cdf1(x + 1e-9)
        share = np.mean(draws <= round((x + 1e-9) * 1e9))
        assert abs(share - p) <= 4.5 * math.sqrt(p * (1.0 - p) / n) + 1e-9


@every
def test_draws_in_two_parts_are_the_draws_in_one(law: Distribution) -> None:
    whole = law.sample_ns(np.random.default_rng(5), 1000)
    rng, out = np.random.default_rng(5), np.empty(1000, dtype=np.int64)
    assert law.sample_ns(rng, 300, out[:300]).base is out
    law.sample_ns(rng, 700, out[300:])
    assert np.array_equal(whole, out)


@every
def test_values_are_frozen_equal_hashable_and_picklable(law: Distribution) -> None:
    twin = pickle.loads(pickle.dumps(law))
    assert twin == law
    assert hash(twin) == hash(law)
    assert twin.quantile1_ns(0.3) == law.quantile1_ns(0.3)
    assert eval(repr(law)) == law
    with pytest.raises(FrozenInstanceError):
        setattr(law, fields(law)[0].name, 1.0)  # type: ignore[arg-type]


@every
def test_written_form_reads_back_to_an_equal_value(law: Distribution) -> None:
    assert from_spec(law.spec()) == law
    assert from_spec(law.spec()).spec() == law.spec()
    assert from_spec(law) is law


@given(st.floats(1e-6, 1e4), st.floats(1.01, 1e3))
@settings(deadline=None)
def test_any_lognormal_meets_its_median_and_p99_and_its_text(median: float, ratio: float) -> None:
    law = LogNormal(median=median, p99=median * ratio)
    assert law.quantile1(0.5) == pytest.approx(median, rel=1e-12)
    assert law.quantile1(0.99) == pytest.approx(median * ratio, rel=1e-12)
    assert from_spec(law.spec()) == law


def test_lognormal_by_sigma() -> None:
    law = LogNormal.from_median_sigma(1.0, 1.0)
    assert law.mu == 0.0
    assert law.sigma == pytest.approx(1.0)
    assert law.variance() == pytest.approx((math.e - 1.0) * math.e)
    assert LogNormal.from_mean_sigma(2.0, 0.5).mean() == pytest.approx(2.0)


def test_erlang_is_a_gamma_with_stages() -> None:
    law = Gamma.erlang(k=4, mean=2.0)
    assert law == Gamma(mean=2.0, shape=4.0)
    assert law.variance() == pytest.approx(1.0)


def test_quantiles_beyond_ten_years_are_capped() -> None:
    law = Exponential(3e8)
    assert law.quantile1_ns(0.999) == MAX_NS
    assert law.quantile1_ns(1.0) == MAX_NS
    assert law.quantile_ns(np.array([1.0])).tolist() == [MAX_NS]
    assert law.sample_ns(np.random.default_rng(1), 1000).max() == MAX_NS


def test_mixture_finds_its_atoms_to_the_nanosecond() -> None:
    law = Mixture([Constant(0.05), Exponential(0.1)], [1.0, 1.0])
    inside = law.cdf1(0.05) - 0.25
    assert law.quantile1_ns(inside) == 50_000_000
    assert Mixture([Constant(0.05), Constant(0.05)]).quantile1_ns(0.9) == 50_000_000


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Constant(-1.0), r"value = -1.0 must be >= 0"),
        (lambda: Constant(math.nan), r"value = nan must be finite"),
        (lambda: Uniform(2.0, 1.0), r"high = 1.0 must be >= low = 2.0"),
        (lambda: Exponential(math.inf), r"mean = inf must be finite"),
        (lambda: LogNormal(0.0, 1.0), r"median = 0.0 must be at least 1ns"),
        (lambda: LogNormal(1.0, 1.0), r"p99 = 1.0 must be > median = 1.0"),
        (lambda: LogNormal.from_mean_sigma(1.0, 0.0), r"sigma = 0.0 must be a finite number > 0"),
        (lambda: LogNormal.from_median_sigma(1.0, 50.0), r"p99 = .* at most 10 years"),
        (lambda: Gamma(mean=0.0, shape=1.0), r"mean = 0.0 must be a finite number > 0"),
        (lambda: Gamma(mean=1.0, shape=-1.0), r"shape = -1.0 must be a finite number > 0"),
        (lambda: Gamma.erlang(k=1.5, mean=1.0), r"k = 1.5 must be a whole number of stages >= 1"),
        (lambda: Gamma.erlang(k=math.inf, mean=1.0), r"k = inf must be a whole number"),
        (lambda: Empirical([]), r"values = \[\] must have at least one"),
        (lambda: Empirical([1.0, -1.0]), r"values\[1\] = -1.0 must be >= 0"),
        (lambda: Empirical([1.0], [1.0, 2.0]), r"weights has 2 entries but must have 1"),
        (lambda: Empirical([1.0], [-1.0]), r"weights\[0\] = -1.0 must be a finite number >= 0"),
        (lambda: Empirical([1.0], [0.0]), r"weights = \[0.0\] must have a sum > 0"),
        (lambda: Mixture([]), r"components = \[\] must have at least one"),
        (lambda: Mixture([Constant(1.0)], [1.0, 1.0]), r"weights has 2 entries but must have 1"),
        (lambda: Shifted(-1.0, Constant(1.0)), r"by = -1.0 must be >= 0"),
    ],
)
def test_parameters_that_are_refused(make: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        make()  # type: ignore[operator]
