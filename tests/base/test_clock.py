"""Text and numbers to nanoseconds and back, and every way in which they are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcsim import clock
from svcsim.clock import format_duration, ns_to_s, parse_duration, parse_rate, parse_share, seconds_to_ns
from svcsim.errors import ScenarioError


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("2m", 120_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1h0m0.5s", 3_600_500_000_000),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("10μs", 10_000),
        ("7ns", 7),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("+1s", 1_000_000_000),
        (" 1s ", 1_000_000_000),
        ("0", 0),
        ("0s", 0),
        ("30", 30_000_000_000),
        ("0.1", 100_000_000),
        (5, 5_000_000_000),
        (2.5, 2_500_000_000),
        (np.int64(3), 3_000_000_000),
        (np.float64(0.1), 100_000_000),
        ("87600h", clock.MAX_NS),
        (315_360_000, clock.MAX_NS),
        ("0.5ns", 0),
        ("1.5ns", 2),
        ("2.5ns", 2),
        ("1.5ns1.0ns", 2),
    ],
)
def test_durations_that_are_accepted(value: str | float, ns: int) -> None:
    assert parse_duration(value) == ns
    assert type(parse_duration(value)) is int


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", r"'' is not a duration.*250ms"),
        ("fast", r"'fast' is not a duration.*units h, m, s, ms, us, ns"),
        ("1d", r"'1d' is not a duration"),
        ("1 s", r"'1 s' is not a duration"),
        ("1e3s", r"'1e3s' is not a duration"),
        ("1s,", r"'1s,' is not a duration"),
        ("\u0661s", r"is not a duration"),
        ("-1s", r"'-1s' must be >= 0"),
        (-1, r"-1 must be >= 0"),
        (-1e-9, r"-1e-09 must be >= 0"),
        (math.nan, r"nan must be finite"),
        (math.inf, r"inf must be finite"),
        (True, r"True is not a number or text"),
        (None, r"None is not a number or text"),
        ([1], r"\[1\] is not a number or text"),
        ("87600h1ns", r"'87600h1ns' must be at most 10 years"),
        (10**30, r"at most 10 years"),
        (1e300, r"at most 10 years"),
        ("9" * 81 + "s", r"9\.\.\.' is longer than 80 characters"),
    ],
)
def test_durations_that_are_refused(value: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_duration(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        ("200/s", 200.0),
        ("12k/s", 12_000.0),
        ("1.5M/s", 1.5e6),
        ("1G/s", 1e9),
        ("60/m", 1.0),
        ("60/min", 1.0),
        ("3/h", 3.0 / 3600.0),
        ("2/ms", 2000.0),
        ("200", 200.0),
        ("200 / s", 200.0),
        (200, 200.0),
        (0.5, 0.5),
        (0, 0.0),
    ],
)
def test_rates_that_are_accepted(value: str | float, rate: float) -> None:
    assert parse_rate(value) == rate
    assert type(parse_rate(value)) is float


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("200/d", r"'200/d' is not a rate.*200/s"),
        ("200rps", r"'200rps' is not a rate"),
        ("/s", r"'/s' is not a rate"),
        ("-1/s", r"'-1/s' must be >= 0"),
        (-1, r"-1 must be >= 0"),
        (math.nan, r"nan must be finite"),
        ("2G/s", r"'2G/s' must be at most 1G/s"),
        (False, r"False is not a number"),
    ],
)
def test_rates_that_are_refused(value: str | float, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_rate(value)


@pytest.mark.parametrize(
    ("value", "share"),
    [("25%", 0.25), ("0%", 0.0), ("100%", 1.0), ("12.5 %", 0.125), ("0.25", 0.25), (0.25, 0.25), (1, 1.0)],
)
def test_shares_that_are_accepted(value: str | float, share: float) -> None:
    assert parse_share(value) == share


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("101%", r"'101%' must be at most 100%"),
        (1.01, r"1.01 must be at most 100%"),
        ("-1%", r"'-1%' must be >= 0"),
        ("some", r"'some' is not a share.*25%"),
        (math.inf, r"inf must be finite"),
    ],
)
def test_shares_that_are_refused(value: str | float, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_share(value)


@given(st.integers(0, clock.MAX_NS))
@settings(deadline=None)
def test_formatted_durations_read_back_exactly(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_000, "1us"),
        (999_999_999, "999.999999ms"),
        (60_000_000_000, "1m"),
        (90_500_000_000, "1m30.5s"),
        (3_600_000_000_000, "1h"),
        (3_600_000_000_001, "1h0.000000001s"),
        (-250_000_000, "-250ms"),
        (np.int64(5), "5ns"),
    ],
)
def test_format(ns: int, text: str) -> None:
    assert format_duration(ns) == text


@given(st.floats(0.0, 400_000_000.0))
@settings(deadline=None)
def test_scalar_and_array_round_alike(x: float) -> None:
    assert clock.float_to_ns(x) == clock.array_to_ns(np.array([x]))[0]
    if x <= 315_360_000.0:
        assert seconds_to_ns(x) == clock.float_to_ns(x)


def test_halves_go_to_the_even_nanosecond() -> None:
    halves = np.array([0.5e-9, 1.5e-9, 2.5e-9])
    assert clock.array_to_ns(halves).tolist() == [0, 2, 2]
    assert [seconds_to_ns(float(x)) for x in halves] == [0, 2, 2]


def test_array_to_ns_fills_out_and_keeps_its_input() -> None:
    x, out = np.array([1.0, math.inf]), np.zeros(2, dtype=np.int64)
    assert clock.array_to_ns(x, out) is out
    assert out.tolist() == [1_000_000_000, clock.MAX_NS]
    assert x.tolist() == [1.0, math.inf]


@given(st.integers(-(2**62), 2**62))
@settings(deadline=None)
def test_seconds_of_scalars_and_arrays_are_the_same(ns: int) -> None:
    assert ns_to_s(ns) == ns_to_s(np.array([ns], dtype=np.int64))[0]
    assert type(ns_to_s(ns)) is float
