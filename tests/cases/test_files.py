"""All cases: they run as they are, both engines agree on them, and each has a test of its result."""

from __future__ import annotations

from pathlib import Path

import pytest

from svcsim import Scenario, crosscheck
from svcsim.scenario import Client
from tests.cases.worlds import FILES, case

NO_PODS = "the ingress's own pods are taken to be there all the time"
"""Said of every ingress; the reports in question are not about those pods."""

REQUESTS = 4_000
"""About as many for each case in both engines."""


def thinned(scenario: Scenario) -> Scenario:
    """The same with lower rates, so that the reference engine has little to do."""
    expected = sum(client.rate_per_s or asked_by_users(client) for client in scenario.clients)
    share = min(1.0, REQUESTS / (expected * scenario.duration_ns / 1e9))
    for client in scenario.clients:
        if client.loop is None:
            scenario = scenario.with_value(f"clients.{client.name}.rate", client.rate_per_s * share)
        else:
            users = max(int(client.loop.users * share), 1)
            scenario = scenario.with_value(f"clients.{client.name}.loop.users", users)
    return scenario


def asked_by_users(client: Client) -> float:
    """Requests per second of a closed loop whose requests take no time."""
    assert client.loop is not None
    return client.loop.users / client.loop.think.mean()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_engines_agree(path: Path) -> None:
    agreement = crosscheck(thinned(case(path.stem)))
    assert agreement.requests > REQUESTS / 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_says_whose_report_it_is_and_has_no_oddity(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# ")
    odd = [line for line in case(path.stem).warnings if NO_PODS not in line]
    assert odd == []


def test_every_file_has_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.stem for path in FILES if f'"{path.stem}"' not in tests] == []
