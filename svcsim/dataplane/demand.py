"""What a scenario's client asks for: its rate as a curve, with events and bursts, for one replication."""

from __future__ import annotations

from itertools import pairwise

from svcsim.dataplane.curves import RateCurve
from svcsim.distributions import Exponential
from svcsim.rng import Purpose, key64, unit_at
from svcsim.scenario import Rate, Scenario
from svcsim.scenario.load import Bursts, Curve
from svcsim.scenario.model import Client

__all__ = ["rate_curve"]

_SECOND = 1_000_000_000

Pieces = list[tuple[int, float, float]]


def rate_curve(scenario: Scenario, client: int, seed: int = 0, replication: int = 0) -> RateCurve:
    """Return the rate of one client over a run; the dice are those of random bursts alone."""
    own = scenario.clients[client]
    curve = RateCurve.of_pieces(_curved(own.curve, scenario) if own.curve else _stepped(own, scenario))
    if own.bursts is None:
        return curve
    key = key64(seed, replication, Purpose.BURST, own.name)
    spells = (_random_spells if own.bursts.random else _regular_spells)(own.bursts, scenario.duration_ns, key)
    return _with_bursts(curve, own.bursts, spells, scenario.duration_ns)


def _stepped(client: Client, scenario: Scenario) -> Pieces:
    """A client's rate, and what events set it to."""
    pieces = [(0, client.rate_per_s, 0.0)]
    for event in scenario.events:
        if isinstance(event, Rate) and event.client == client.name and event.at_ns < scenario.duration_ns:
            pieces.append((event.at_ns, event.rate_per_s, 0.0))
    return pieces


def _curved(curve: Curve, scenario: Scenario) -> Pieces:
    """The pieces of a curve from its start on, moved to the run's 0."""
    one = _one_period(curve)
    period = curve.period_ns
    start = curve.start_ns if period is None else curve.start_ns % period
    turns = 1 if period is None else (start + scenario.duration_ns - 1) // period + 1
    pieces = [(k * (period or 0) + at, rate, slope) for k in range(turns) for at, rate, slope in one]
    moved = [piece for piece in pieces if start <= piece[0] < start + scenario.duration_ns]
    at, rate, slope = max(piece for piece in pieces if piece[0] <= start)
    first = (start, max(rate + slope * (start - at) / _SECOND, 0.0), slope)
    return [(at - start, rate, slope) for at, rate, slope in (first, *moved)]


def _one_period(curve: Curve) -> Pieces:
    """The pieces of a curve as it is written: one to a point, its slope leading to the next."""
    points = list(curve.points)
    if curve.period_ns is not None and points[-1][0] < curve.period_ns:
        points.append((curve.period_ns, points[0][1]))
    pieces = []
    for (at, rate), (then, next_rate) in pairwise(points):
        slope = (next_rate - rate) * _SECOND / (then - at) if curve.interpolate == "linear" else 0.0
        pieces.append((at, rate, slope))
    if curve.period_ns is None:
        pieces.append((*points[-1], 0.0))
    return pieces


def _regular_spells(bursts: Bursts, until_ns: int, _: int) -> list[tuple[int, int]]:
    begins = range(bursts.first_ns, until_ns, bursts.every_ns)
    return [(at, at + bursts.length_ns) for at in begins]


def _random_spells(bursts: Bursts, until_ns: int, key: int) -> list[tuple[int, int]]:
    """Spells with exponential lengths and times between; one is under way at 0 as often as at any instant."""
    within = Exponential(bursts.length_ns / _SECOND)
    between = Exponential((bursts.every_ns - bursts.length_ns) / _SECOND)
    on = unit_at(key, 0) < bursts.length_ns / bursts.every_ns
    spells, at, k = [], 0, 1
    while at < until_ns:
        end = at + (within if on else between).quantile1_ns(unit_at(key, k))
        if on and end > at:
            spells.append((at, end))
        at, on, k = end, not on, k + 1
    return spells


def _with_bursts(curve: RateCurve, bursts: Bursts, spells: list[tuple[int, int]], until_ns: int) -> RateCurve:
    """Return the curve with another rate during spells, which are in order and apart."""
    edges = sorted({*curve.starts_ns, *(at for spell in spells for at in spell if at < until_ns)})
    pieces: Pieces = []
    k = 0
    for at in edges:
        while k < len(spells) and spells[k][1] <= at:
            k += 1
        rate, slope = curve.at(at)
        if k < len(spells) and spells[k][0] <= at:
            if bursts.factor is None:
                rate, slope = bursts.rate_per_s or 0.0, 0.0
            else:
                rate, slope = rate * bursts.factor, slope * bursts.factor
        pieces.append((at, rate, slope))
    return RateCurve.of_pieces(pieces)
