"""Arrivals that are more than one rate: curves, bursts, traces; against closed forms and by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svcsim.dataplane.curves import GAP_UNIT, RateCurve
from svcsim.dataplane.demand import rate_curve
from svcsim.dataplane.draws import ClientDraws
from svcsim.distributions import Constant
from svcsim.errors import ScenarioError
from svcsim.results.reading.expected import Rates
from svcsim.scenario import Scenario, parse_scenario
from tests.scenario.worlds import small

S = 1_000_000_000


def scenario(
    client: dict[str, Any], duration: str = "10s", base: Path | None = None, **sections: Any
) -> Scenario:
    document = small(duration=duration, **sections)
    document["clients"] = [{"name": "c", "to": "service/web", "via": "cluster-ip", **client}]
    return parse_scenario(json.dumps(document), base=base)


def draws(one: Scenario, seed: int = 1) -> ClientDraws:
    client = one.clients[0]
    return ClientDraws(
        name=client.name,
        seed=seed,
        replication=0,
        duration_ns=one.duration_ns,
        curve=rate_curve(one, 0, seed, 0),
        poisson=client.arrivals == "poisson",
        services={0: Constant(0.001)},
        trace=client.trace,
    )


def arrivals(one: Scenario, seed: int = 1, size: int = 1 << 16) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *(s.arrival_ns for s in draws(one, seed).slots(size))])


def curve(points: list[list[Any]], **more: Any) -> dict[str, Any]:
    return {"rate": {"curve": points, **more}}


@pytest.mark.parametrize(
    ("written", "duration", "counts"),
    [
        # expected requests by the second: areas under the written line
        (curve([["0s", 0], ["10s", 10]]), "10s", [(k + 0.5) for k in range(10)]),
        (curve([["0s", 10], ["10s", 0]]), "10s", [9.5 - k for k in range(10)]),
        (curve([["0s", 4], ["2s", 8]], interpolate="step"), "4s", [4, 4, 8, 8]),
        (curve([["0s", 4], ["2s", 8]]), "4s", [5, 7, 8, 8]),
        (curve([["0s", 4], ["2s", 8]], period="4s"), "8s", [5, 7, 7, 5, 5, 7, 7, 5]),
        (curve([["0s", 4], ["2s", 8]], period="4s", start="3s"), "4s", [5, 5, 7, 7]),
        (curve([["0s", 4], ["2s", 8]], period="4s", start="3500ms"), "1s", [4.5]),
        (curve([["0s", 4], ["2s", 8], ["4s", 4]], period="4s"), "8s", [5, 7, 7, 5, 5, 7, 7, 5]),
        (curve([["0s", 4], ["2s", 8]], start="1h"), "2s", [8, 8]),
        (
            {"rate": 2, "bursts": {"every": "3s", "length": "1s", "factor": 5}},
            "8s",
            [2, 2, 2, 10, 2, 2, 10, 2],
        ),
        (
            {"rate": 2, "bursts": {"every": "3s", "length": "1s", "rate": 9, "first": "1s"}},
            "5s",
            [2, 9, 2, 2, 9],
        ),
        ({"rate": 2, "bursts": {"every": "3s", "length": "1s", "factor": 0, "first": 0}}, "4s", [0, 2, 2, 0]),
        (
            curve([["0s", 0], ["4s", 8]])
            | {"bursts": {"every": "2s", "length": "1s", "factor": 2, "first": 0}},
            "4s",
            [2, 3, 10, 7],
        ),
        ({"arrivals": {"trace": {"instants": ["0s", "500ms", "500ms", "2s"]}}}, "4s", [3, 0, 1, 0]),
        ({"arrivals": {"trace": {"instants": ["0s", "1s"], "repeat": "1500ms"}}}, "4s", [1, 2, 1, 1]),
    ],
)
def test_requests_expected_by_the_second(written: dict[str, Any], duration: str, counts: list[float]) -> None:
    rates = Rates(scenario(written, duration), 0)
    edges = np.arange(len(counts) + 1, dtype=np.int64) * S
    assert np.diff(rates.until(edges)) == pytest.approx(counts)
    assert rates.total == pytest.approx(sum(counts))


def test_constant_spacing_inverts_a_line_exactly() -> None:
    """With rate 2 t per second the k-th request is due at the square root of k."""
    one = scenario(curve([["0s", 0], ["10s", 20]]) | {"arrivals": "constant"})
    found = arrivals(one)
    exact = np.sqrt(np.arange(1, len(found) + 1)) * S
    assert len(found) == 99  # the hundredth is due at the end
    assert np.abs(found - exact).max() <= 1.0


def test_constant_spacing_on_a_falling_line_and_through_silence() -> None:
    """From 8/s to 0 in 2 s: 8 requests, k due where 8 t - 2 t^2 = k; nothing while the rate is 0."""
    points = [["0s", 8], ["2s", 0], ["4s", 0], ["4001ms", 1]]
    found = arrivals(scenario(curve(points) | {"arrivals": "constant"}, "6s")) / S
    exact = [2 - math.sqrt(4 - k / 2) for k in range(1, 8)]
    assert found[:7] == pytest.approx(exact, abs=1e-8)
    assert found[7] >= 2.0 - 1e-8 and found[8] == pytest.approx(5.0005, abs=1e-3)


def test_a_poisson_stream_of_a_daily_curve_has_its_counts() -> None:
    """Counts of each hour of a day: normal scores within 4, and variances as of Poisson counts."""
    one = scenario(curve([["0h", 1], ["6h", 5], ["18h", 2]], period="24h"), "240h")
    found = arrivals(one)
    edges = np.arange(241, dtype=np.int64) * 3600 * S
    mean = np.diff(Rates(one, 0).until(edges))
    score = (np.histogram(found, edges)[0] - mean) / np.sqrt(mean)
    assert np.abs(score).max() < 4.5
    assert 0.75 < np.var(score) < 1.3
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize(
    "written",
    [
        curve([["0s", 50], ["3s", 90]], period="5s"),
        curve([["0s", 0], ["5s", 1000], ["10s", 0]], interpolate="step"),
        {"rate": 90, "bursts": {"every": "1s", "length": "100ms", "factor": 9, "random": True}},
        {"rate": 90, "bursts": {"every": "1s", "length": "100ms", "factor": 9}},
        {"arrivals": {"trace": {"instants": ["0s", "1ms", "2ms", "2ms", "9ms"], "repeat": "15ms"}}},
        {"arrivals": {"trace": {"instants": ["0s", "1ms", "2ms", "2ms", "9ms"]}}},
    ],
)
def test_the_size_of_a_slot_changes_nothing(written: dict[str, Any]) -> None:
    one = scenario(written)
    whole = list(draws(one).slots())
    parts = list(draws(one).slots(17))
    for name in ("arrival_ns", "route"):
        joined = [np.concatenate([getattr(s, name) for s in some]) for some in (whole, parts)]
        assert (joined[0] == joined[1]).all()
        assert (np.diff(joined[0]) >= 0).all() or name == "route"
    assert [s.first for s in parts] == [17 * k for k in range(len(parts))]


def test_random_bursts_are_a_stationary_two_state_process() -> None:
    """Share of time in bursts, mean spell, and the index of dispersion of counts of a Markov-modulated
    Poisson process: 1 + 2 s (1 - s) (a - b)^2 tau / m (1 - (1 - e^(-T/tau)) tau / T), in the usual terms
    (Fischer and Meier-Hellstern 1993)."""
    bursts = {"every": "2s", "length": "500ms", "rate": 90, "random": True}
    one = scenario({"rate": 10, "bursts": bursts}, "5h")
    long = rate_curve(one, 0, 5, 0)
    starts = np.array([*long.starts_ns, one.duration_ns], dtype=np.float64)
    starts = np.minimum(starts, one.duration_ns)
    on = np.array(long.rates_per_s) == 90.0
    share = (np.diff(starts) * on).sum() / one.duration_ns
    assert share == pytest.approx(0.25, abs=0.01)
    assert (np.diff(starts)[on]).mean() / S == pytest.approx(0.5, rel=0.05)
    first = [rate_curve(one, 0, 5, k).rates_per_s[0] == 90.0 for k in range(60)]
    assert 5 <= sum(first) <= 27  # stationary from 0 on: a quarter, within four standard errors
    found = arrivals(one, seed=5)
    counts = np.histogram(found, np.arange(0, 18_001) * S)[0]
    s, tau, mean = 0.25, 1.0 / (1 / 0.5 + 1 / 1.5), 30.0
    dispersion = 1 + 2 * s * (1 - s) * 80**2 * tau / mean * (1 - tau * (1 - math.exp(-1 / tau)))
    assert counts.mean() == pytest.approx(mean, rel=0.03)
    assert counts.var() / counts.mean() == pytest.approx(dispersion, rel=0.06)


def test_a_rate_that_an_event_sets_to_zero_stops_arrivals() -> None:
    events = [{"at": "2s", "rate": "c", "value": 0}, {"at": "5s", "rate": "c", "value": 100}]
    found = arrivals(scenario({"rate": 100}, events=events))
    assert not ((found >= 2 * S) & (found < 5 * S)).any()
    assert 130 < (found < 2 * S).sum() < 270 and 400 < (found > 5 * S).sum() < 600


def test_events_set_what_bursts_multiply() -> None:
    events = [{"at": "2s", "rate": "c", "value": 6}]
    one = scenario({"rate": 2, "bursts": {"every": "3s", "length": "1s", "factor": 5}}, "5s", events=events)
    assert np.diff(Rates(one, 0).until(np.arange(6) * S)) == pytest.approx([2, 2, 6, 30, 6])


def test_one_piece_is_what_it_was() -> None:
    """A curve with a single rate gives the same instants as the rate."""
    units = np.cumsum(np.arange(1, 1000)) * GAP_UNIT // 7
    plain = RateCurve((0,), (5.0,))
    pieces = RateCurve((0, 1), (5.0, 5.0))
    assert np.abs(plain.invert(units) - pieces.invert(units)).max() <= 2


def trace(tmp_path: Path, text: str, **keys: Any) -> Scenario:
    (tmp_path / "x.csv").write_text(text)
    return scenario({"arrivals": {"trace": {"file": "x.csv", **keys}}}, "1h", base=tmp_path)


@pytest.mark.parametrize(
    ("text", "keys", "found"),
    [
        ("0.5\n1\n1\n2.25\n", {}, [0.5, 1, 1, 2.25]),
        ("t,n\n1,2\n3,0\n4,1\n", {"column": "t", "count": "n"}, [1, 1, 4]),
        ("id;x,t\na,100\nb,2500\n", {"column": "t", "unit": "ms"}, [0.1, 2.5]),
        ("1700000000.000000001\n1700000000.25\n", {"fromFirst": True}, [0, 0.249999999]),
        ("\ufefft\n1\n\n2\n", {"unit": "m"}, [60, 120]),
    ],
)
def test_traces_are_read(tmp_path: Path, text: str, keys: dict[str, Any], found: list[float]) -> None:
    assert arrivals(trace(tmp_path, text, **keys)).tolist() == [round(t * S) for t in found]


@pytest.mark.parametrize(
    ("text", "keys", "says"),
    [
        ("2\n1\n", {}, r"trace.file = .x.csv, line 2. is at 1, before the line above \(2\)"),
        ("1\n-1\n", {}, "line 2. is at -1; instants must be >= 0"),
        ("t\n1\nx\n", {}, "line 3. has no number where its instant should be"),
        ("t,n\n1\n", {"count": "n"}, "line 2. has no whole number >= 0 where its count"),
        ("t,n\n1,1.5\n", {"count": "n"}, "has no whole number >= 0"),
        ("1\n", {"column": "t"}, "names a column, but x.csv has no line of names"),
        ("time\n1\n", {"column": "tine"}, "must be one of time; did you mean time"),
        ("", {}, "is empty; accepted: a CSV file"),
        ("t\n", {}, "has no arrivals"),
        ("1\n5\n", {"repeat": "5s"}, "trace.repeat = .5s. must be longer than the last instant, 5s"),
        ("17000000000\n", {}, "has instants beyond ten years; fromFirst: true counts"),
        ("1\n", {"file": "y.csv"}, "trace.file = .y.csv. cannot be read: No such file"),
        ("1\n", {"instants": [1]}, "needs one of file and instants"),
    ],
)
def test_traces_that_cannot_be(tmp_path: Path, text: str, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        trace(tmp_path, text, **keys)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ({}, r"clients\[0\].rate is missing: a client has a rate, or arrivals"),
        ({"rate": 1, "loop": {"users": 1, "think": "1s"}}, r"rate and clients\[0\].loop each say when"),
        ({"loop": {"users": 1, "think": "1s"}, "arrivals": "poisson"}, "has no meaning with a loop"),
        ({"loop": {"users": 1, "think": "1s"}, "sources": 2}, "sources = 2 must be at most the users"),
        (curve([]), "must be a list with at least one entry"),
        (curve([["1s", 1]]), r"curve\[0\]\[0\] = .1s. must be 0"),
        (curve([["0s", 1], ["0s", 2]]), r"curve\[1\]\[0\] = .0s. must be later than the point before"),
        (curve([["0s", 1, 2]]), r"curve\[0\] must be \[time, rate\]"),
        (curve([["0s", "-1/s"]]), r"curve\[0\]\[1\]"),
        (curve([["0s", 0]]), "every rate is 0"),
        (curve([["0s", 1], ["5s", 2]], period="4s"), "period = .4s. must be later than the last point"),
        (curve([["0s", 1], ["1us", 2]], period="2us"), "pieces of the run"),
        ({"rate": 1, "bursts": {"every": "1s", "length": "1s", "factor": 2}}, "must be shorter than every"),
        ({"rate": 1, "bursts": {"every": "2s", "length": "1s"}}, "needs one of factor and rate"),
        ({"rate": 1, "bursts": {"every": "2us", "length": "1us", "rate": 2}}, "bursts in the run"),
        (
            {"rate": 1, "bursts": {"every": "2s", "length": "1s", "rate": 2, "random": True, "first": 0}},
            "has no meaning with random: true",
        ),
        (
            {"loop": {"users": 1, "think": "1s"}, "bursts": {"every": "2s", "length": "1s", "rate": 2}},
            r"clients\[0\].bursts goes with a rate, not with loop",
        ),
    ],
)
def test_arrivals_that_cannot_be(client: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        scenario(client)
    assert "\n" not in str(caught.value)


def test_an_event_cannot_set_the_rate_of_a_curve() -> None:
    with pytest.raises(ScenarioError, match=r"events\[0\].rate = .c. has a curve, which says its rate"):
        scenario(curve([["0s", 1]]), events=[{"at": "1s", "rate": "c", "value": 3}])
