"""What simulate gives: every table as the schema says, numbers that add up, the same for the same seed."""

from __future__ import annotations

import importlib
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from svcsim.dataplane.contract import Cause, Outcome
from svcsim.errors import ResultFormatError, ScenarioError
from svcsim.results import collect
from svcsim.results.collect import Collector
from svcsim.results.frames import OUTCOMES
from svcsim.results.reading.lag import LAG_STAGES
from svcsim.results.reading.pipeline import STAGE_NAMES, Stage
from svcsim.results.result import Result
from svcsim.schema import TABLES, conform
from svcsim.simulation import run_replication, simulate
from svcsim.version import SEMANTICS_VERSION
from tests.results.worlds import EXAMPLES, question

SIMULATE = importlib.import_module("svcsim.simulation")
CLIENTS = [
    {"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": "100/s", "sources": 6},
    {
        "name": "watch",
        "to": "deployment/web",
        "via": "pod-ip",
        "resolve": "watch",
        "rate": "50/s",
        "sources": 2,
    },
    {"name": "once", "to": "service/web", "via": "pod-ip", "resolve": "once", "rate": "50/s", "sources": 6},
    {"name": "far", "to": "service/web", "via": "cluster-ip", "from": "outside", "rate": "5/s", "sources": 1},
]
REPLICATIONS = 6


@pytest.fixture(scope="module")
def result() -> Result:
    scenario = question(clients=CLIENTS)
    return simulate(scenario, seed=3, replications=REPLICATIONS, keep_requests=True, trace=(0, 2))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_the_schema_says(result: Result, name: str) -> None:
    frame = getattr(result, name)
    assert [*frame.columns] == [column.name for column in TABLES[name]]
    assert [str(dtype) for dtype in frame.dtypes] == [column.dtype for column in TABLES[name]]
    assert len(frame) > 0 or name == "scaling"  # no autoscaler in this question
    assert isinstance(frame.index, pd.RangeIndex)


def test_every_outcome_has_its_column() -> None:
    names = [column.name for column in TABLES["summary"]]
    assert set(OUTCOMES) <= set(names)
    assert len(STAGE_NAMES) == len(Stage)


def test_started_is_ok_and_failed_and_open(result: Result) -> None:
    for frame in (result.summary, result.replications):
        assert (frame["requests"] == frame["ok"] + frame["failed"] + frame["open"]).all()
        outcomes = [name for name in OUTCOMES if name not in ("open", "ok", "not_sent")]
        assert (frame["failed"] == frame[outcomes].sum(axis=1)).all()


def test_the_summary_pools_the_replications(result: Result) -> None:
    pooled = result.replications.groupby("client", sort=False).sum(numeric_only=True)
    summary = result.summary.set_index("client")
    for name in ("requests", *OUTCOMES, "failed", "expected_failures"):
        np.testing.assert_allclose(pooled[name], summary[name])
    failing = result.replications.assign(bad=result.replications["failed"] > 0)
    bad = failing.groupby("client", sort=False)["bad"].sum()
    assert bad.tolist() == summary["replications_failed"].tolist()
    seen = summary["failed"] > 0
    assert (summary["failed_fraction_low"] <= summary["failed_fraction"])[seen].all()
    assert (summary["failed_fraction_high"] >= summary["failed_fraction"])[seen].all()
    assert summary["p_replication_fails_high"].isna().tolist() == seen.tolist()


def test_causes_and_failures_count_the_same(result: Result) -> None:
    keys = ["client", "outcome", "cause", "stage"]
    rows = result.failures.groupby(keys).size().sort_index()
    counts = result.causes.set_index(keys)["count"].sort_index()
    assert rows.to_dict() == counts.to_dict()
    assert counts.sum() == result.summary["failed"].sum()
    assert "" not in set(result.failures["stage"]) | set(result.failures["rule"])


def test_requests_tell_the_same_as_the_tallies(result: Result) -> None:
    requests = result.requests
    assert requests is not None
    counts = requests.groupby(["client", "outcome"], observed=True).size()
    summary = result.summary.set_index("client")
    for (client, outcome), count in counts.items():
        assert summary.loc[client, outcome] == count
    good = requests[(requests["client"] == "vip") & (requests["outcome"] == "ok")]
    exact = (good["end_s"] - good["arrival_s"]).quantile([0.5, 0.9, 0.99]).to_numpy()
    found = summary.loc["vip", ["p50_s", "p90_s", "p99_s"]].to_numpy(dtype=np.float64)
    np.testing.assert_allclose(found, exact, rtol=0.02)
    assert result.latency["count"].sum() == summary["ok"].sum()
    accepted = requests[requests["connected_s"].notna() & requests["replication"].isin([0, 2])]
    assert result.load["accepted"].sum() == len(accepted)


def test_failures_tell_what_was_believed_and_what_was_true(result: Result) -> None:
    stale = result.failures[
        (result.failures["client"] == "vip") & (result.failures["cause"] == "stale_endpoint")
    ]
    assert (stale["believed_since_s"] <= stale["arrival_s"]).all()
    assert (stale["true_since_s"] <= stale["end_s"]).all()
    assert set(stale["state"]) <= {"closed", "vanished"}
    assert stale["pod"].str.startswith("deployment/web/r1/").all()
    assert (stale["node"] == stale["observer"]).all()
    traced = stale[stale["replication"] == 0].merge(
        result.versions, on=["replication", "version", "pod"], how="left", indicator=True
    )
    assert len(traced) and (traced["_merge"] == "both").all()
    far = result.failures[result.failures["client"] == "far"]
    assert set(far["cause"]) == {"not_routed"} and set(far["node"]) == {""} and set(far["rule"]) == {"R6"}


def test_pods_live_in_order(result: Result) -> None:
    pods = result.pods
    new = pods[pods["created_s"] >= 0]
    for early, late in (("created_s", "started_s"), ("started_s", "listening_s"), ("listening_s", "ready_s")):
        assert (new[early] <= new[late]).all()
    old = pods[(pods["workload"] == "deployment/web") & (pods["created_s"] < 0)]
    assert len(old) == 10 * REPLICATIONS and old["gone"].all()
    for early, late in (("deleted_s", "stopped_s"), ("stopped_s", "ended_s"), ("ended_s", "released_s")):
        assert (old[early] <= old[late]).all()
    assert result.pod_counts["initial"] == 20 * REPLICATIONS
    assert result.pod_counts["created"] == result.pod_counts["gone"] == 10 * REPLICATIONS
    listening = result.timeline[
        (result.timeline["state"] == "listening") & (result.timeline["replication"] == 2)
    ]
    stops = pods[(pods["replication"] == 2) & pods["stopped_s"].notna()].set_index("pod")["stopped_s"]
    ends = listening.set_index("pod")["to_s"]
    assert ends[stops.index].to_dict() == stops.to_dict()


def test_programming_runs_through_its_stages(result: Result) -> None:
    rows = result.programming
    assert set(rows["service"]) == {"service/web", "deployment/web"}
    order = ["visible_s", "sync_s", "written_s", "received_s", "sync_start_s", "committed_s"]
    for early, late in pairwise(order):
        assert (rows[early] <= rows[late])[rows[late].notna()].all()
    nodes = rows[rows["observer"].str.startswith("node-")]
    lag = result.lag.set_index("stage")
    span = (nodes["committed_s"] - nodes["visible_s"]).dropna()
    assert lag.loc["programming", "count"] == len(span)
    assert lag.loc["programming", "mean_s"] == pytest.approx(span.mean())
    assert lag.loc["programming", "p50_s"] == pytest.approx(span.quantile(0.5), rel=0.05)


def test_the_stages_of_lag_add_up_to_programming(result: Result) -> None:
    assert [*result.lag["stage"]] == [*LAG_STAGES]
    nodes = result.programming[result.programming["observer"].str.startswith("node-")].dropna()
    lag = result.lag.set_index("stage")["mean_s"]
    watch = (nodes["received_s"] - nodes["written_s"]).mean() + (
        nodes["written_s"] - nodes["visible_s"]
    ).mean()
    assert lag["programming"] == pytest.approx(watch + lag["minSync"] + lag["sync"])


def test_beliefs_say_which_pods_an_observer_listed(result: Result) -> None:
    assert set(result.beliefs["replication"]) == {0, 2}
    sizes = result.versions.groupby(["replication", "version"]).size().rename("size").reset_index()
    joined = result.beliefs.merge(sizes, on=["replication", "version"], how="left")
    assert (joined["listed"] == joined["size"].fillna(0)).all()
    assert {"service/web proxy", "service/web ready", "deployment/web pods"} == set(result.beliefs["view"])


def test_the_same_seed_gives_the_same_tables(result: Result) -> None:
    again = simulate(
        question(clients=CLIENTS), seed=3, replications=REPLICATIONS, keep_requests=True, trace=(2, 0)
    )
    for name, frame in result.tables().items():
        assert_frame_equal(frame, getattr(again, name))
    assert again.provenance == result.provenance and again.warnings == result.warnings
    other = simulate(question(clients=CLIENTS), seed=4, replications=1)
    assert other.summary["ok"].tolist() != result.summary["ok"].tolist()


def test_both_engines_give_the_same_tables() -> None:
    scenario = question(clients=CLIENTS, duration="12s")
    fast = simulate(scenario, seed=5, replications=2, keep_requests=True)
    slow = simulate(scenario, seed=5, replications=2, keep_requests=True, engine="reference")
    for name, frame in fast.tables().items():
        assert_frame_equal(frame, getattr(slow, name))


def test_rows_beyond_the_cap_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Collector.__init__, "__kwdefaults__", {"trace": (0,), "failure_cap": 7})
    result = simulate(question(clients=CLIENTS), replications=2)
    keys = ["client", "outcome", "cause"]
    rows = result.failures.groupby(keys).size()
    counts = result.causes.groupby(keys)["count"].sum()
    assert (rows == counts.clip(upper=7)).all()
    cut = counts[counts > 7]
    notes = [note for note in result.warnings if note.startswith("failures: 7 of ")]
    assert len(notes) == len(cut) > 0
    assert f"failures: 7 of {cut.iloc[0]} rows shown" in " ".join(notes)


def test_the_document_of_json(result: Result) -> None:
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [*document] == [
        "summary",
        "causes",
        "replications",
        "pods",
        "lag",
        "warnings",
        "timing",
        "provenance",
    ]
    needed = "client via requests attempts connections_opened ok failed failed_fraction failed_fraction_low "
    needed += "failed_fraction_high expected_failures p50_s p90_s p99_s p999_s"
    outcomes = {o.name.lower() for o in Outcome}
    assert set(needed.split()) | outcomes <= document["summary"][0].keys()
    assert set(needed.split()) | outcomes | {"replication"} <= document["replications"][0].keys()
    assert {"client", "cause", "stage", "count"} <= document["causes"][0].keys()
    assert {"stage", "mean_s", "p50_s", "p90_s", "p99_s"} <= document["lag"][0].keys()
    assert document["timing"].keys() == {
        "control_plane_s",
        "data_plane_s",
        "requests_per_s",
        "peak_memory_bytes",
    }
    assert document["summary"][0]["p_replication_fails_high"] is None
    assert document["provenance"]["semantics_version"] == SEMANTICS_VERSION
    assert document["provenance"]["seed"] == 3
    assert len(document["replications"]) == REPLICATIONS * len(CLIENTS)


def test_without_failures_the_bound_is_on_replications() -> None:
    result = simulate(question(events=[]), replications=10)
    row = result.summary.iloc[0]
    assert row["failed"] == 0 and row["failed_fraction"] == 0.0 and row["expected_failures"] == 0.0
    assert row["p_replication_fails_high"] == pytest.approx(1 - 0.05**0.1)
    assert len(result.failures) == len(result.causes) == 0
    assert result.to_dict()["summary"][0]["failed_fraction_high"] is None


def test_a_run_that_is_interrupted_keeps_the_replications_that_were_complete() -> None:
    def stop(done: int, total: int) -> None:
        assert total == 9
        if done == 3:
            raise KeyboardInterrupt

    cut = simulate(question(), seed=3, replications=9, progress=stop)
    whole = simulate(question(), seed=3, replications=3)
    assert "interrupted: 3 of 9 replications ran" in cut.warnings
    for name, frame in whole.tables().items():
        assert_frame_equal(frame, getattr(cut, name))


def test_a_run_that_is_interrupted_at_once_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SIMULATE, "run_replication", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(question(), replications=2)


def test_an_interrupt_within_a_replication_leaves_no_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = collect.delays, []

    def stop(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(collect, "delays", stop)
    cut = simulate(question(), seed=3, replications=9)
    monkeypatch.setattr(collect, "delays", real)
    whole = simulate(question(), seed=3, replications=2)
    for name, frame in whole.tables().items():
        assert_frame_equal(frame, getattr(cut, name))


def test_a_path_is_a_scenario_too() -> None:
    result = simulate(EXAMPLES / "demo.yaml", replications=1)
    assert result.provenance["scenario"] == "rolling update of ten pods"
    assert simulate(str(EXAMPLES / "demo.yaml"), replications=1).summary.equals(result.summary)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replications": 0}, r"replications = 0 must be a whole number >= 1"),
        ({"replications": True}, r"replications = True must be"),
        ({"engine": "fast"}, r"engine = 'fast' must be one of vectorised, reference"),
        ({"replications": 3, "trace": (0, 3)}, r"trace = 3 must be a replication: 0 .. 2"),
    ],
)
def test_arguments_that_break_a_rule(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        simulate(question(), **arguments)


def test_tallies_that_contradict_the_records_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(*args: Any, **kwargs: Any) -> Any:
        run = run_replication(*args, **kwargs)
        run.counts[0, Outcome.REFUSED, Cause.STALE_ENDPOINT] += 1
        return run

    monkeypatch.setattr(SIMULATE, "run_replication", lie)
    with pytest.raises(AssertionError, match=r"started = ok \+ failures \+ open"):
        simulate(question(), replications=1)


def test_frames_that_do_not_conform() -> None:
    rows = pd.DataFrame({"client": ["a"], "outcome": ["eof"], "cause": ["x"], "stage": ["y"], "count": [1]})
    assert conform(rows[rows.columns[::-1]], "causes").columns.tolist() == rows.columns.tolist()
    with pytest.raises(ResultFormatError, match="table causes lacks stage"):
        conform(rows.drop(columns="stage"), "causes")
    with pytest.raises(ResultFormatError, match="table causes has unknown extra"):
        conform(rows.assign(extra=1), "causes")
    with pytest.raises(ResultFormatError, match="column count must be int64"):
        conform(rows.assign(count="many"), "causes")
    with pytest.raises(ResultFormatError, match="'cause' is not a table of a result"):
        conform(rows, "cause")


def test_a_notebook_shows_the_summary(result: Result) -> None:
    html = result._repr_html_()
    assert "<table" in html and "vip" in html
