"""Long-lived connections, the spread of a random choice, and remapping: tables and exhaustive counts."""

from __future__ import annotations

import math

import pytest

from svcsim import theory
from svcsim.distributions import Constant, Distribution, Exponential
from svcsim.errors import ScenarioError


@pytest.mark.parametrize(
    ("lifetime", "imbalance"),
    [
        (Exponential(40.0), (2, 1.7788, 1.6065, 1.3679, 1.1353)),
        (Constant(40.0), (2, 1.75, 1.5, 1, 1)),
        (None, (2, 2, 2, 2, 2)),
    ],
)
def test_scale_out_from_five_to_ten(lifetime: Distribution | None, imbalance: tuple[float, ...]) -> None:
    for lives, expected in zip((0.0, 0.25, 0.5, 1.0, 2.0), imbalance, strict=True):
        old = theory.scale_out_imbalance(5, 10, lifetime, 40.0 * lives)
        new = theory.scale_out_newcomer(lifetime, 40.0 * lives)
        assert old == pytest.approx(expected, abs=5e-5)
        assert 5 * old + 5 * new == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("pods", "surge", "loads"),
    [
        (3, False, (1.875, 1.125, 0)),
        (3, True, (1.370, 1.037, 0.593)),
        (5, False, (1.802, 1.489, 1.099, 0.610, 0)),
        (5, True, (1.488, 1.288, 1.048, 0.760, 0.415)),
    ],
)
def test_rolling_restart(pods: int, surge: bool, loads: tuple[float, ...]) -> None:
    found = theory.restart_loads(pods, surge=surge)
    assert found == pytest.approx(loads, abs=6e-4)
    assert sum(found) == pytest.approx(pods)


@pytest.mark.parametrize("surge", [False, True])
@pytest.mark.parametrize("pods", [2, 3, 10])
def test_rolling_restart_played_step_by_step(pods: int, surge: bool) -> None:
    loads = [1.0] * pods  # the mean load per pod slot; slot i is restarted i-th
    for i in range(pods):
        moved, loads[i] = loads[i], 0.0
        live = [j for j in range(pods) if surge or j != i]  # the replacement is live already, or not yet
        for j in live:
            loads[j] += moved / len(live)
    assert theory.restart_loads(pods, surge=surge) == pytest.approx(loads, abs=1e-12)


def test_rolling_restart_of_many_pods_tends_to_e_minus_one() -> None:
    for surge in (False, True):
        assert theory.restart_loads(10_000, surge=surge)[0] == pytest.approx(math.e - 1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, 0.0),
        (2, 0.56419),
        (3, 0.84628),
        (5, 1.16296),
        (10, 1.53875),
        (20, 1.86748),
        (50, 2.24907),
        (100, 2.50759),
        (1000, 3.24144),
    ],
)
def test_largest_of_n_normals(n: int, expected: float) -> None:
    assert theory.max_normal(n) == pytest.approx(expected, abs=5e-6)


def test_largest_of_two_and_three_normals_exactly() -> None:
    assert theory.max_normal(2) == pytest.approx(1.0 / math.sqrt(math.pi), rel=1e-12)
    assert theory.max_normal(3) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-12)


@pytest.mark.parametrize(
    ("pods", "connections", "simulated", "tolerance"),
    [
        (3, 30, 1.272, 0.005),
        (3, 300, 1.086, 0.002),
        (3, 3000, 1.027, 0.0005),
        (10, 100, 1.516, 0.035),
        (10, 1000, 1.156, 0.003),
        (10, 10_000, 1.049, 0.001),
        (100, 10_000, 1.260, 0.012),
        (100, 100_000, 1.080, 0.001),
    ],
)
def test_largest_share_of_a_random_choice(
    pods: int, connections: int, simulated: float, tolerance: float
) -> None:
    assert theory.max_over_mean(pods, connections) == pytest.approx(simulated, abs=tolerance)


def test_spread_of_a_random_choice() -> None:
    assert theory.random_pick_cv(10, 1000) == pytest.approx(math.sqrt(9 / 1000))
    assert theory.random_pick_cv(1, 1000) == 0.0


def test_iptables_chain_as_written() -> None:
    assert theory.iptables_chain(1) == []
    assert theory.iptables_chain(3) == ["0.3333333333", "0.5000000000"]
    assert theory.iptables_chain(7)[0] == "0.1428571429"


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 100])
def test_iptables_chain_is_fair_to_a_billionth(n: int) -> None:
    shares = theory.iptables_shares(n)
    assert len(shares) == n
    assert sum(shares) == pytest.approx(1.0, abs=1e-15)
    assert max(abs(share - 1.0 / n) for share in shares) < 1e-9


def test_naive_chain_leaks() -> None:
    assert theory.naive_chain_leak(1) == 0.0
    assert theory.naive_chain_leak(3) == pytest.approx(8 / 27)
    assert theory.naive_chain_leak(10_000) == pytest.approx(1.0 / math.e, rel=1e-4)


@pytest.mark.parametrize(("a", "b"), [(10, 11), (11, 10), (4, 8), (6, 9), (7, 7), (1, 5)])
def test_modulo_remap_by_counting(a: int, b: int) -> None:
    period = math.lcm(a, b)
    moved = sum(key % a != key % b for key in range(period))
    assert theory.modulo_remap(a, b) == pytest.approx(moved / period)


def test_consistent_remap() -> None:
    assert theory.remap_remove(4) == 0.25
    assert theory.remap_add(4) == 0.2
    assert theory.remap_add(0) == 1.0


def test_connections_broken_by_balancers_without_memory() -> None:
    assert theory.unlearned_broken(1e6 / 60.0, 500e-6, 1.0) == pytest.approx(8.33, abs=0.01)
    assert theory.stateless_broken_share(0.5, 10.0, 100) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: theory.scale_out_imbalance(5, 4, None, 0.0), r"after = 4 must be >= before = 5"),
        (lambda: theory.restart_loads(1, surge=False), r"pods = 1 must be a whole number >= 2"),
        (lambda: theory.random_pick_cv(10, 0), r"connections = 0 must be > 0"),
        (lambda: theory.residual_cdf(None, -1.0), r"t = -1.0 must be finite and >= 0"),
        (lambda: theory.unlearned_broken(1.0, 1.0, 2.0), r"remapped = 2.0 must be in \[0, 1\]"),
    ],
)
def test_refused(call: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        call()  # type: ignore[operator]


def test_every_public_form_exists() -> None:
    assert sorted(theory.__all__) == list(theory.__all__)
    assert all(callable(getattr(theory, name)) for name in theory.__all__)
