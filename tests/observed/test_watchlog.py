"""Watch logs in every shape, cut logs, and every message."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcsim.observed import Endpoint, ObservedError, parse_watchlog, read_watchlog
from tests.observed.recorded import RUNS, needs_recordings


def slice_(version: int = 7, **endpoint: Any) -> dict[str, Any]:
    """An EndpointSlice with two endpoints."""
    return {
        "addressType": "IPv4",
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-x2b9q",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"},
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-02T03:04:05Z"},
            "resourceVersion": str(version),
        },
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": "node-1",
                "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "shop"},
            },
            {"addresses": ["10.0.0.2", "10.0.0.3"]} | endpoint,
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def event(type_: str = "MODIFIED", **more: Any) -> dict[str, Any]:
    return {"type": type_, "object": slice_()} | more


def test_objects_one_after_the_other() -> None:
    text = json.dumps(slice_(7), indent=4) + "\n" + json.dumps(slice_(8), indent=4) + "\n"
    log = parse_watchlog(text)
    assert [(e.order, e.type, e.resource_version) for e in log.events] == [(0, "SEEN", "7"), (1, "SEEN", "8")]
    first = log.events[0]
    assert (first.namespace, first.name, first.service) == ("shop", "web-x2b9q", "web")
    assert first.trigger_s == 1767323045.0
    assert math.isnan(first.t_s) and not log.timed
    assert log.warnings == ()
    assert first.endpoints == (
        Endpoint(ip="10.0.0.1", pod="web-1", node="node-1", ready=True, serving=True, terminating=False),
        Endpoint(ip="10.0.0.2", pod="", node="", ready=True, serving=True, terminating=False),
    )


@pytest.mark.parametrize(
    ("conditions", "ready", "serving", "terminating"),
    [
        (None, True, True, False),
        ({"ready": None}, True, True, False),
        ({"ready": False}, False, False, False),
        ({"ready": False, "serving": True, "terminating": True}, False, True, True),
    ],
)
def test_missing_conditions(conditions: Any, ready: bool, serving: bool, terminating: bool) -> None:
    (seen,) = parse_watchlog(json.dumps(slice_(conditions=conditions))).events
    last = seen.endpoints[-1]
    assert (last.ready, last.serving, last.terminating) == (ready, serving, terminating)


def test_watch_events() -> None:
    text = "".join(json.dumps(event(name), indent=4) + "\n" for name in ("ADDED", "MODIFIED", "DELETED"))
    assert [e.type for e in parse_watchlog(text).events] == ["ADDED", "MODIFIED", "DELETED"]


def test_a_raw_watch_with_bookmark_and_error() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"kind": "EndpointSlice", "metadata": {"resourceVersion": "9"}}}
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
    log = parse_watchlog("\n".join(map(json.dumps, (event("ADDED"), bookmark, gone))), "watch.json")
    assert len(log.events) == 1
    assert log.warnings == ("watch.json line 3: the watch failed: too old resource version",)


@pytest.mark.parametrize(
    "t", [1767323045.25, "2026-01-02T03:04:05.25Z", "2026-01-02T04:04:05.250000000+01:00"]
)
def test_lines_with_a_time_of_receipt(t: object) -> None:
    log = parse_watchlog(json.dumps(event(t=t)) + "\n" + json.dumps(slice_() | {"t": t}))
    assert [e.t_s for e in log.events] == [1767323045.25] * 2
    assert log.timed


def test_compact_lines() -> None:
    row = ["10.0.0.1", 0, 1, 1, "web-1", None]
    line = {
        "t": 5.5,
        "kind": "eps",
        "type": "INIT",
        "name": "my-web-x2b9q",
        "rv": "7",
        "trig": None,
        "eps": [row],
    }
    pod = {"t": 5.6, "kind": "pod", "type": "ADDED", "name": "web-1"}
    log = parse_watchlog(json.dumps(line) + "\n" + json.dumps(pod), "watch.jsonl")
    (seen,) = log.events
    assert (seen.t_s, seen.type, seen.service) == (5.5, "ADDED", "my-web")
    assert math.isnan(seen.trigger_s)
    assert seen.endpoints == (
        Endpoint(ip="10.0.0.1", pod="web-1", node="", ready=False, serving=True, terminating=True),
    )
    assert log.warnings == ()
    assert [pod.name for pod in log.pods] == ["web-1"]


@pytest.mark.parametrize("kind", ["List", "EndpointSliceList"])
def test_lists(kind: str) -> None:
    items = [slice_(1), slice_(2)]
    if kind != "List":
        for item in items:
            del item["kind"]
    assert len(parse_watchlog(json.dumps({"kind": kind, "items": items})).events) == 2


def test_the_table_has_a_row_per_endpoint() -> None:
    empty = slice_() | {"endpoints": None}
    frame = parse_watchlog(json.dumps(slice_()) + json.dumps(empty)).to_frame()
    assert frame["ip"].isna().tolist() == [False, False, True]
    assert frame["order"].tolist() == [0, 0, 1]
    assert frame["ready"].dtype == "boolean"


@given(cut=st.integers(min_value=1, max_value=len(json.dumps(slice_(), indent=4)) - 1))
def test_a_cut_last_object_is_left_out_with_a_warning(cut: int) -> None:
    whole = json.dumps(slice_(), indent=4)
    log = parse_watchlog(whole + "\n" + whole[:cut], "watch.json")
    assert len(log.events) == 1
    line = whole.count("\n") + 2
    assert log.warnings == (f"watch.json line {line}: the last object is cut; left out",)


def test_a_cut_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl.gz"
    lines = "".join(json.dumps(event() | {"t": k * 1.7}) + "\n" for k in range(2000))
    path.write_bytes(gzip.compress(lines.encode()))
    assert len(read_watchlog(path).events) == 2000
    path.write_bytes(path.read_bytes()[:-2000])
    log = read_watchlog(path)
    assert 0 < len(log.events) < 2000
    assert "cut" in log.warnings[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the log has no EndpointSlice$"),
        (json.dumps({"kind": "Node", "metadata": {}}), r"has no EndpointSlice; there is Node \(1\)"),
        ("NAME  ADDRESSTYPE\n", "line 1: 'NAME  ADDRESSTYPE' is no JSON object; a watch log is objects"),
        ("[]", r"line 1: '\[\]' is no JSON object"),
        (json.dumps(event("CHANGED")), "line 1: type = 'CHANGED' must be one of ADDED"),
        (json.dumps(event(object=3)), "line 1: object = 3 must be an object"),
        (json.dumps({"a": 1}), "line 1: kind = None must name what the object is"),
        (json.dumps(event(t="noon")), "line 1: t = 'noon' must be seconds since 1970 or a time such as"),
        (json.dumps(event(t=True)), "line 1: t = True must be seconds"),
        (json.dumps(slice_()) + '\n{"kind": oops}\n' + json.dumps(slice_()), "line 2: expecting value"),
        (json.dumps(slice_()) + '\n{"kind": oops}\n', "line 2: expecting value"),
        (json.dumps(slice_(addresses=[])), "line 1: no EndpointSlice as Kubernetes writes it"),
        (json.dumps({"kind": "EndpointSlice"}), "line 1: no EndpointSlice as Kubernetes writes it"),
        (
            json.dumps({"t": 1, "kind": "eps", "type": "INIT", "name": "a", "eps": [[1]]}),
            r"eps has \[1\], which must",
        ),
        (json.dumps({"t": 1, "kind": "eps", "type": "?", "name": "a"}), r"type = '\?' must be one of ADDED"),
    ],
)
def test_what_is_no_watch_log(text: str, said: str) -> None:
    with pytest.raises(ObservedError, match=said):
        parse_watchlog(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ObservedError, match="cannot be read: No such file"):
        read_watchlog(tmp_path / "none.json")


@needs_recordings
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_recordings(run: Path) -> None:
    log = read_watchlog(run / "watch.jsonl.gz")
    with gzip.open(run / "watch.jsonl.gz", "rt") as lines:
        recorded = [json.loads(line) for line in lines if '"kind":"eps"' in line]
    assert len(log.events) == len(recorded) > 3
    assert log.timed
    assert [len(e.endpoints) for e in log.events] == [len(line["eps"] or ()) for line in recorded]
    assert {e.service for e in log.events} <= {"web", "web-udp", "kubernetes"} | {log.events[0].service}
    assert any(not math.isnan(e.trigger_s) for e in log.events)
    frame = log.to_frame()
    assert frame.loc[frame["ready"].fillna(False), "serving"].all()
