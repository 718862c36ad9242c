"""Ports and connection tables that run out: closed forms of rate x time."""

from __future__ import annotations

import pytest

from tests.cases.worlds import case, causes, failed, run


@pytest.mark.parametrize(("most", "enough"), [(7800, False), (15_700, True)])
def test_a15_a_table_holds_rate_times_two_minutes(most: int, enough: bool) -> None:
    """130/s x 120 s = 15,600 entries fit, or they do not: 7,800 are full after 60 s, for 60 s.

    From 120 s on as many are free again as were taken two minutes before, so half of all pass.
    """
    result = run("a15_table_full", {"cluster.conntrack.max": most}, replications=2, keep_requests=True)
    assert failed(result, "elsewhere").max() == 0
    if enough:
        assert failed(result, "proxy").max() == 0
        return
    assert set(causes(result, "proxy")) == {"table_full"}
    assert result.requests is not None
    asked = result.requests[result.requests["client"] == "proxy"]
    lost = asked["outcome"] == "connect_timeout"
    assert not lost[asked["arrival_s"] < 7800 / 130 - 1].any()
    assert lost[asked["arrival_s"].between(61, 118)].all()
    assert lost[asked["arrival_s"] < 235].sum() / 2 == pytest.approx(60 * 130 + 55 * 130, rel=0.05)


def test_a15_the_rate_alone_names_the_limit() -> None:
    """1,300/s of one node leave 156,000 entries, more than the 131,072 of a small node."""
    limited = case("a15_table_full", {"clients.proxy.rate": "1300/s"})
    assert not [line for line in limited.warnings if "connection table" in line]
    scenario = case("n01_ports_of_one_address", {"clients.one address.from": "node-2"})
    scenario = scenario.with_value("clients.one address.rate", "1300/s")
    (line,) = [line for line in scenario.warnings if "connection table" in line]
    assert line.startswith("1,347 connections a second from node-2 leave up to 161,640 entries")


def test_one_address_has_a_ports_worth_of_connections() -> None:
    """2,823 ports for 60 s: 47.05/s of 94/s. They last 30 s, none are left until 60 s, and so on."""
    result = run("n01_ports_of_one_address", replications=2, keep_requests=True)
    assert failed(result, "two addresses").max() <= 94 * 180 * 0.03
    assert set(causes(result, "one address")) == {"ports_exhausted"}
    assert result.requests is not None
    asked = result.requests[result.requests["client"] == "one address"]
    lost = asked["outcome"] == "unreachable"
    assert not lost[asked["arrival_s"] < 29.9].any()
    assert lost[asked["arrival_s"].between(30.2, 59.9)].all()
    assert lost.mean() == pytest.approx(1 - 2823 / 60 / 94, abs=0.01)


def test_the_rate_alone_names_the_limit() -> None:
    """480/s from one address are more than 470.5; of a client that says its ports nothing need be said."""
    limited = case("n01_ports_of_one_address", {"clients.one address.rate": "480/s"})
    assert not [line for line in limited.warnings if "TIME_WAIT" in line]
    bare = case("a15_table_full", {"clients.proxy.rate": "480/s", "clients.proxy.sources": 1})
    (line,) = [line for line in bare.warnings if "TIME_WAIT" in line]
    assert line.startswith("client proxy: 480 connections a second from one address leave up to 28,800 ports")
