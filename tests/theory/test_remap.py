"""Connections that balancers without memory break when backends change, played out (theory 2.1)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim import theory
from svcsim.dataplane.hashing import maglev_table, rendezvous
from tests.theory.judge import SEED, agrees

KEYS = 1 << 62


def names(n: int) -> list[str]:
    return [f"10.0.0.{k}:80" for k in range(n)]


def broken_share(dice: np.random.Generator, *, backends: int, every_s: float, mean_s: float) -> float:
    """The share of connections that one backend after the other, away for long and then back, breaks.

    A connection breaks at a return if the key was the returning backend's and it was opened elsewhere. Those
    of the backend that leaves end with it: that is not the balancer's doing, and none of them is counted.
    """
    rate, away_s, returns = 400.0, 12 * mean_s, 12
    end_s = away_s + every_s * (returns + 1)
    opened = np.sort(dice.uniform(0, end_s, dice.poisson(rate * end_s)))
    closed = opened + dice.exponential(mean_s, len(opened))
    owner = rendezvous(names(backends), dice.integers(0, KEYS, len(opened)))
    broken = np.zeros(len(opened), dtype=bool)
    for k in range(returns):
        back = away_s + every_s * (k + 1)
        alive = (opened < back) & (opened >= back - away_s) & (closed > back)
        broken |= alive & (owner == k % backends)
    counted = (opened >= away_s) & (opened < away_s + every_s * returns)
    return float(broken[counted].mean())


@pytest.mark.parametrize(("backends", "every_s"), [(20, 6.0), (50, 3.0)])
def test_a_stateless_hash_breaks_one_in_n_of_those_alive_at_each_return(
    backends: int, every_s: float
) -> None:
    """Updates times E[D] over n of all connections, E[D] = 1 s."""
    dice = np.random.default_rng(SEED)
    shares = [broken_share(dice, backends=backends, every_s=every_s, mean_s=1.0) for _ in range(40)]
    agrees(np.array(shares), theory.stateless_broken_share(1 / every_s, 1.0, backends))


@pytest.mark.parametrize("scheme", ["hash mod n", "rendezvous"])
def test_a_balancer_that_learns_late_breaks_what_it_has_not_learnt(scheme: str) -> None:
    """Connections opened within the learning delay before an update, times the share it moves: nine of ten by
    hash mod n from nine to ten backends, one of ten by rendezvous.
    """
    dice = np.random.default_rng(SEED)
    rate, learning_s = 1e6 / 60, 500e-6
    broken = []
    for _ in range(400):
        keys = dice.integers(0, KEYS, dice.poisson(rate * learning_s))
        if scheme == "hash mod n":
            moved = keys % 9 != keys % 10
        else:
            moved = rendezvous(names(9), keys) != rendezvous(names(10), keys)
        broken.append(float(moved.sum()))
    share = theory.modulo_remap(9, 10) if scheme == "hash mod n" else theory.remap_add(9)
    agrees(np.array(broken), theory.unlearned_broken(rate, learning_s, share))


@pytest.mark.parametrize(("before", "after"), [(10, 9), (9, 10), (10, 5), (5, 10), (6, 4)])
def test_what_each_scheme_moves_of_live_connections(before: int, after: int) -> None:
    """Random keys: mod n moves 1 - gcd/max; rendezvous what it must; Maglev that and little more."""
    dice = np.random.default_rng(SEED)
    old, new = names(before), names(after)
    must = 1 - min(before, after) / max(before, after)
    tables = maglev_table(old), maglev_table(new)
    found: dict[str, list[float]] = {"mod": [], "rendezvous": [], "maglev": []}
    for _ in range(30):
        keys = dice.integers(0, KEYS, 4000)
        entries = keys % len(tables[0])
        found["mod"].append(float((keys % before != keys % after).mean()))
        found["rendezvous"].append(float((rendezvous(old, keys) != rendezvous(new, keys)).mean()))
        found["maglev"].append(float((tables[0][entries] != tables[1][entries]).mean()))
    agrees(np.array(found["mod"]), theory.modulo_remap(before, after))
    agrees(np.array(found["rendezvous"]), must)
    assert must - 0.01 < np.mean(found["maglev"]) < must + 0.03
