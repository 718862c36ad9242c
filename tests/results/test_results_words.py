"""Explaining a result, and comparing results."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.comparison import METRICS, compare
from svcsim.dataplane.contract import Cause
from svcsim.errors import ScenarioError
from svcsim.results.explain import help_for
from svcsim.results.reading.pipeline import STAGE_NAMES
from svcsim.results.result import Result
from svcsim.simulation import simulate
from tests.results.worlds import question

VIP = {"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": "100/s", "sources": 6}
CLIENTS = [
    VIP,
    {"name": "once", "to": "service/web", "via": "pod-ip", "resolve": "once", "rate": "50/s", "sources": 6},
    {**VIP, "name": "idle", "rate": 1e-6},
    {**VIP, "name": "safe", "to": "service/web-prestop"},
]


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(question(clients=CLIENTS), replications=6)


def test_causes_come_biggest_first_with_stage_and_help(result: Result) -> None:
    text = result.explain("vip")
    lines = text.splitlines()
    row = result.summary.set_index("client").loc["vip"]
    assert lines[0].startswith(
        f"vip (cluster-ip): {row['failed']:,} of {row['requests']:,} requests failed ("
    )
    assert lines[0].endswith("in 6 of 6 replications.")
    assert lines[1].startswith("- stale_endpoint ")
    assert lines[2].startswith("    minSync ") and "waited to start a sync" in lines[2]
    help_ = [line for line in lines if line.startswith("    would help: ")]
    assert "longer after deletion: lifecycle.preStop.sleep" in help_[0]
    assert "in_flight_cut" in text and "onSigterm: drain" in text


def test_each_client_has_a_paragraph(result: Result) -> None:
    paragraphs = result.explain().split("\n\n")
    assert [p.partition(" ")[0] for p in paragraphs] == ["vip", "once", "idle", "safe"]
    assert "re-resolve" in paragraphs[1]
    assert paragraphs[2] == "idle (cluster-ip): no request was started in 6 replications."
    assert paragraphs[3].endswith("in 6 replications; a replication fails with probability below 0.39 (95%).")


def test_a_client_that_is_not_there(result: Result) -> None:
    with pytest.raises(ScenarioError, match=r"client 'vpi' is not in this result \(there are: vip, once"):
        result.explain("vpi")


def test_every_cause_has_a_help(result: Result) -> None:
    stages = {name: 1 for name in STAGE_NAMES if name}
    for cause in set(Cause) - {Cause.NONE}:
        assert len(help_for(cause.name.lower(), stages, late_s=0.5)) > 20
    assert "unannounced" in help_for("stale_endpoint", {"detection": 3}, late_s=0.5)
    assert "0.50 s longer" in help_for("stale_endpoint", {"watch": 3}, late_s=0.5)
    assert "longer" not in help_for("stale_endpoint", {"watch": 3}, late_s=float("nan"))
    assert "preStop" in help_for("stale_endpoint", {"detection": 3}, late_s=0.5, announced=True)
    assert "crash" in help_for("stale_endpoint", {"loadBalancer": 3}, late_s=0.5, announced=False)
    assert "health checks" in help_for("node_lost", {"node": 3}, late_s=0.5, via="load-balancer")
    assert "looked up" in help_for("not_yet_programmed", {"resolver": 3}, late_s=0.5)


def test_variants_are_compared_in_pairs() -> None:
    """A preStop sleep long enough removes the stale failures; common draws keep the interval narrow."""
    before = simulate(question(), seed=3, replications=8)
    after = simulate(question(clients=[{**VIP, "to": "service/web-prestop"}]), seed=3, replications=8)
    frame = compare({"plain": before, "sleep": after})
    assert frame["metric"].tolist() == list(METRICS)
    assert set(frame["variant"]) == {"sleep"} and set(frame["baseline"]) == {"plain"}
    row = frame.set_index("metric").loc["failed"]
    pairs = after.replications["failed"].to_numpy() - before.replications["failed"].to_numpy()
    assert (
        row["difference"]
        == pytest.approx(pairs.mean())
        == pytest.approx(row["value"] - row["baseline_value"])
    )
    assert row["low"] < row["difference"] < row["high"] < 0
    assert row["replications"] == 8


def test_the_same_run_differs_by_nothing(result: Result) -> None:
    frame = compare({"one": result, "two": result}).dropna()
    assert len(frame) > 0
    assert np.array_equal(frame[["difference", "low", "high"]].to_numpy(), np.zeros((len(frame), 3)))


def test_what_cannot_be_paired(result: Result) -> None:
    with pytest.raises(ScenarioError, match="2 or more results, got 1"):
        compare({"one": result})
    with pytest.raises(ScenarioError, match="one has seed 1 and two 2: only runs with one seed"):
        compare({"one": result, "two": simulate(question(), seed=2, replications=1)})
    stranger = simulate(question(clients=[{**VIP, "name": "other"}]), replications=1)
    with pytest.raises(ScenarioError, match="no client in common"):
        compare({"one": result, "two": stranger})
