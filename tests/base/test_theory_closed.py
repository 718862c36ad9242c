"""Closed forms of closed loops, against each other and by hand."""

from __future__ import annotations

import pytest

from svcsim import theory
from svcsim.errors import ScenarioError


@pytest.mark.parametrize(
    ("servers", "users", "think", "service", "throughput"),
    [
        (1, 1, 3.0, 1.0, 0.25),
        (1, 2, 1.0, 1.0, 0.8),  # weights 1, 2, 2
        (2, 2, 1.0, 1.0, 1.0),  # no one waits: N / (Z + S)
        (7, 5, 0.3, 0.1, 5 / 0.4),
        (1, 400, 0.1, 0.05, 20.0),  # saturated: the server's own rate
        (3, 900, 0.01, 0.5, 6.0),
    ],
)
def test_throughput_by_hand(
    servers: int, users: int, think: float, service: float, throughput: float
) -> None:
    found = theory.finite_source_throughput(servers, users, think, service)
    assert found == pytest.approx(throughput, rel=1e-12)
    response = theory.finite_source_response(servers, users, think, service)
    assert response == pytest.approx(users / throughput - think, rel=1e-9)


def test_many_users_who_think_long_are_an_open_queue() -> None:
    """N and Z to infinity at a fixed N / Z: M/M/1."""
    closed = theory.finite_source_response(1, 200_000, 20_000.0, 0.06)
    assert closed == pytest.approx(theory.mm1_mean_response(10.0, 0.06), rel=1e-3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: theory.finite_source_throughput(0, 1, 1.0, 1.0), "servers = 0 must be a whole number >= 1"),
        (lambda: theory.finite_source_throughput(1, 1, 0.0, 1.0), "think_s = 0.0 must be > 0"),
        (lambda: theory.finite_source_response(1, 1, 1.0, 0.0), "service_s = 0.0 must be > 0"),
        (lambda: theory.interactive_response(1, 0.0, 1.0), "throughput_per_s = 0.0 must be > 0"),
    ],
)
def test_arguments_without_meaning(call, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        call()
