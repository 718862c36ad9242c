"""The experiments on kept connections call a wrong result wrong, and their closed forms are right by hand."""

from __future__ import annotations

from math import exp
from types import ModuleType
from typing import Any

import numpy as np
import pytest

LUCK = np.array([0.99, 1.01, 0.98, 1.02, 0.985, 1.015, 1.0, 1.0, 0.995, 1.005])


def _scaled_cell(long_lived: ModuleType, way: str, wrong: float) -> dict[str, Any]:
    """What a simulation without bias would count, times a factor for the part on old pods."""
    requests = 20_000
    old = long_lived.expected(way) * long_lived.PODS / long_lived.GROWN * wrong
    luck = LUCK if way not in (long_lived.FOREVER,) else np.ones(10)
    new = [[round(requests * (1 - share * k)) for share in old] for k in luck]
    largest = [round(k * long_lived.largest_bin()[0] * long_lived.CALLERS / long_lived.PODS) for k in LUCK]
    return {
        "all": [[requests] * long_lived.BINS] * 10,
        "new": new,
        "largest": largest,
        "herd": [24 if way == long_lived.HERD else 9] * 10,
    }


def _restarted_cell(long_lived: ModuleType, way: str) -> dict[str, Any]:
    surge = long_lived.SURGES.get(way)
    n = long_lived.PODS
    loads = [1.0] * n if surge is None else long_lived.theory.restart_loads(n, surge=surge)
    return {"restarted": [[load * k for load in loads] for k in LUCK]}


def test_old_pods_that_shed_load_too_slowly_are_not_the_expected_shape(long_lived: ModuleType) -> None:
    m = long_lived

    def failing(way: str = "", wrong: float = 1.0, **changes: Any) -> list[int]:
        cells = {one: _scaled_cell(m, one, wrong if one == way else 1.0) for one in m.CURVES}
        cells |= {one: _restarted_cell(m, one) for one in (*m.SURGES, m.CURED)}
        for key, value in changes.items():
            cells[way][key] = value
        return [i for i, claim in enumerate(m.claims_of(m.table_of(cells))) if not claim.holds]

    assert failing() == []
    assert failing(m.FOREVER, largest=[35] * 10) == [0]
    assert 1 in failing(m.FOREVER, 0.97)
    assert 1 in failing(m.FRESH, 1.1)
    assert failing("at most 20 s old", 1.1) == [2, 3]
    assert failing(m.HERD, 0.97) == [4]
    assert failing(m.HERD, herd=[12] * 10) == [5]
    even = [[k] * m.PODS for k in LUCK]
    assert failing("one pod fewer at a time", restarted=even) == [6]
    assert failing(m.CURED, restarted=[[1.2 * k, *[0.95 * k] * 4] for k in LUCK]) == [7]


def test_the_load_of_old_pods_by_hand(long_lived: ModuleType) -> None:
    """Ages from 2 to 10 s, a gap of 1 s: E[(A - 5)+] = 25 / 16, over 6 + 1."""
    assert long_lived.moved(10, 5.0) == pytest.approx(1 - 25 / 16 / 7)
    assert long_lived.moved(10, 10.0) == 1.0
    # a request at the listing meets an old connection unless it has to open one: 1 in 7
    assert long_lived.moved(10, 0.0) == pytest.approx(1 / 7)


def test_another_share_of_resets_is_not_the_expected_shape(keepalive_race: ModuleType) -> None:
    m = keepalive_race

    def failing(varied: str = "", value: float = 0.0, factor: float = 1.0, shift: int = 0) -> list[int]:
        cells = {}
        for one in m.places(False):
            here = one == (varied, value)
            asked = 2_000_000
            share = m.lost_share(*m.setting(*one)) * (factor if here else 1.0)
            found = [round(asked * share * k) + (shift if here else 0) for k in LUCK]
            lost = [0] * 10 if one[0] == m.RETRIED else found
            if here and shift and one[0] == m.RETRIED:
                lost = [shift] * 10
            cells[m.name_of(*one)] = {"asked": [asked] * 10, "lost": lost, "again": found, "failed": lost}
        claims = m.claims_of(m.table_of(cells, m.places(False)))
        return [i for i, claim in enumerate(claims) if not claim.holds]

    assert failing() == []
    assert failing(m.LONGER, 0.1, factor=1.1) == [0]
    assert failing(m.LONGER, -0.3, shift=1) == [0, 1]
    assert failing(m.LONGER, 0.4, factor=1.1) == [0, 2]
    assert failing(m.DELAY, 0.3, factor=1.2) == [0, 3]
    assert failing(m.RATE, 0.1, factor=2.0) == [0, 4]
    assert failing(m.RETRIED, 0.03, shift=1) == [5]
    assert failing(m.RETRIED, 0.03, factor=1.1) == [5]


def test_the_window_of_the_race_by_hand(keepalive_race: ModuleType) -> None:
    m = keepalive_race
    assert m.lost_share(60.0, 0.2, 0.2) == pytest.approx(exp(-0.96) - exp(-1.04))
    assert m.lost_share(5.1, 0.2, 0.2) == pytest.approx(exp(-0.96) - exp(-1.02))
    assert m.lost_share(4.8, 0.2, 0.2) == 0.0
    assert m.lost_share(4.0, 0.2, 0.2) == 0.0
