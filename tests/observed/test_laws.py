"""Arrays of excesses against the distributions' own scalars; slices; written forms."""

from __future__ import annotations

import numpy as np
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
from svcsim.observed.fitting import CANDIDATES
from svcsim.observed.laws import excess, scaled, slices, spec_text

LAWS = [
    LogNormal(median=0.4, p99=2.0),
    Gamma(mean=0.8, shape=2.5),
    Exponential(0.7),
    Shifted(0.5, LogNormal(median=0.2, p99=0.9)),
    Mixture([LogNormal(median=0.05, p99=0.1), Gamma(mean=3.0, shape=4.0)], [3.0, 1.0]),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_excesses_are_those_of_the_scalars(law: Distribution) -> None:
    s = np.array([-2.0, 0.0, 0.03, 0.5, 1.0, 4.0])
    assert excess(law, s, 0) == pytest.approx([1.0 - law.cdf1(x) for x in s], abs=1e-12)
    assert excess(law, s, 1) == pytest.approx([law.mean_excess(x) for x in s], abs=1e-12)
    assert excess(law, s, 2) == pytest.approx([law.square_excess(x) for x in s], abs=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_scaling(law: Distribution) -> None:
    assert scaled(law, 2 / 3).mean() == pytest.approx(law.mean() * 2 / 3)
    assert scaled(law, 2 / 3).quantile1(0.9) == pytest.approx(law.quantile1(0.9) * 2 / 3)


@pytest.mark.parametrize(
    "law", [*LAWS, Constant(0.2), Uniform(0.0, 1.0), Empirical([1.0, 2.0, 5.0])], ids=repr
)
def test_slices_keep_the_mean(law: Distribution) -> None:
    parts = slices(law, 16)
    assert parts.mean() == pytest.approx(law.mean())
    assert (np.diff(parts) >= -1e-9).all()


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_written_forms_are_read_back(law: Distribution) -> None:
    again = from_spec(spec_text(law.spec()))
    assert again.mean() == pytest.approx(law.mean(), rel=2e-3)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda one: one.name)
def test_every_candidate_starts_within_its_bounds_near_the_mean(candidate: object) -> None:
    assert candidate in CANDIDATES
    for start in candidate.starts(0.3):  # type: ignore[attr-defined]
        low, high = np.array(candidate.bounds).T  # type: ignore[attr-defined]
        assert ((low <= start) & (start <= high)).all()
        law = candidate.law(np.array(start))  # type: ignore[attr-defined]
        assert 0.1 < law.mean() < 1.0
        assert from_spec(spec_text(law.spec())).mean() == pytest.approx(law.mean(), rel=2e-3)
