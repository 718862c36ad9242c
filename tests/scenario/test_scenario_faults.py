"""Every key of the file layer times every kind of fault: one line, the field, no scenario."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcsim.errors import ScenarioError
from svcsim.kube import parse_manifests
from svcsim.scenario.files.layer import ScenarioFile
from svcsim.scenario.files.place import Source, dotted
from svcsim.scenario.resolve.document import resolve
from svcsim.scenario.resolve.inputs import Inputs
from tests.scenario.worlds import COMPLETE, MANIFESTS, complete

Path = tuple[str | int, ...]

FAULTS: dict[str, Any] = {
    "null": None,
    "truth": True,
    "list": ["x"],
    "empty list": [],
    "mapping": {"zzz": 1},
    "negative": -1,
    "negative text": "-1s",
    "zero": 0,
    "NaN text": "NaN",
    "NaN": float("nan"),
    "infinity": float("inf"),
    "huge": 10**30,
    "huge text": "9" * 60 + "s",
    "empty text": "",
    "words": "to be or not",
    "lines": "a\nb: c\n",
}

FREE_TEXT = {
    ("name",),
    ("clients", 0, "name"),
    ("clients", 2, "name"),
    ("clients", 3, "name"),
    ("clients", 4, "name"),
    ("clients", 5, "name"),
}
REFERENCED = {("cluster", "nodes", 0, "zone"), ("clients", 1, "name")}
"""Text here breaks what refers to it, and that is named instead."""
A_ZONE = {("cluster", "nodes", 1, "zone")}
ZERO_IS_FINE = {
    ("cluster", "otherServices", "count"),
    ("cluster", "otherServices", "endpoints"),
    ("cluster", "endpointSlice", "batchPeriod"),
    ("cluster", "dns", "cache"),
    ("cluster", "dns", "negative"),
    ("clients", 6, "minResolution"),
    ("events", 8, "backends", "web"),
    ("events", 18, "wait"),
    ("clients", 2, "retry"),
    ("clients", 2, "keepAlive", "ageJitter"),
    ("clients", 2, "keepAlive", "hears"),
    ("clients", 2, "retry", "times"),
    ("clients", 2, "retry", "backoff"),
    ("clients", 2, "retry", "budget", "share"),
    ("clients", 2, "retry", "budget", "burst"),
    ("cluster", "kubeProxy", "minSyncPeriod"),
    ("cluster", "vanishedIP", "after"),
    ("cluster", "vanishedIP", "reuse", "after"),
    ("workloads", "deployment/web", "queue"),
    ("workloads", "deployment/web", "queue", "places"),
    ("workloads", "shop/rs/old/old", "queue"),
    ("workloads", "deployment/web", "preStop"),
    ("workloads", "deployment/web", "cpu", "idle"),
    ("workloads", "deployment/web", "cpu", "busy"),
    ("workloads", "deployment/web", "age"),
}
ZERO_IS_FINE_IN_A_CLIENT = {
    ("rate", "start"),
    ("rate", "curve", 0, 0),
    ("rate", "curve", 0, 1),
    ("rate", "curve", 1, 1),
    ("bursts", "factor"),
    ("bursts", "first"),
    ("bursts", "rate"),
    ("arrivals", "trace", "instants", 0),
    ("loop", "think"),
}
TRUTHS_IN_A_CLIENT = {("bursts", "random"), ("arrivals", "trace", "fromFirst")}
TRUTHS = {
    ("cluster", "nodes", 0, "unschedulable"),
    ("clients", 0, "hostNetwork"),
    ("cluster", "conntrack", "cleanup"),
    ("clients", 2, "retry", "jitter"),
    ("clients", 2, "keepAlive"),
    ("clients", 3, "channel"),
    ("clients", 2, "retry", "excludeTried"),
    ("workloads", "deployment/web", "probe", "competes"),
}


@cache
def _inputs() -> tuple[Inputs, Any]:
    return Inputs(entries=("-",), stdin=MANIFESTS), parse_manifests(MANIFESTS)


def _resolve(document: dict[str, Any]) -> object:
    inputs, manifests = _inputs()
    return resolve(document, source=Source("scenario faulty.yaml"), inputs=inputs, manifests=manifests)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place of the complete document, down to where a distribution or a template field starts."""
    if path:
        yield path
    is_law = len(path) == 3 and (
        path[1] == "lag" or path[2] in ("startup", "serviceTime", "readinessGate", "time")
    )
    free = path[-1:] == ("think",) or path[:1] == ("manifests",)
    if is_law or free or (path and path[-1] in ("set", "labels")):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))


def _at(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


def _acceptable(path: Path, fault: str) -> bool:
    """Whether a value of the table is no fault at this place."""
    if fault == "zero":
        in_lag = path[:2] == ("cluster", "lag") and len(path) == 3
        law = in_lag or path[-1] in ("startup", "serviceTime", "readinessGate", "time")
        in_client = path[0] == "clients" and path[2:] in ZERO_IS_FINE_IN_A_CLIENT
        return path in ZERO_IS_FINE or law or in_client or path[-1] in ("at", "replicas", "value")
    later_client = path[0] == "clients" and path[2:] == ("name",) and path[1] > 4
    if path in FREE_TEXT or later_client:
        return fault in ("NaN text", "negative text", "huge text", "words")
    if path in REFERENCED:
        return fault in ("NaN text", "negative text", "huge text", "words", "lines")
    if path[:2] == ("cluster", "nodes") and fault in ("NaN text", "huge text"):
        return path in A_ZONE or (path[-1] == "name" and fault == "huge text")
    if fault == "truth":
        return path in TRUTHS or (path[0] == "clients" and path[2:] in TRUTHS_IN_A_CLIENT)
    if fault == "empty list":
        return path == ("events",)
    return False


PLACES = [path for path in _paths(COMPLETE) if path[0] != "manifests"]
CASES = [
    pytest.param(path, fault, id=f"{dotted(path)}: {fault}")
    for path in PLACES
    for fault in FAULTS
    if not _acceptable(path, fault) and not (path == ("events", 0, "set") and fault == "mapping")
]


@pytest.mark.parametrize(("path", "fault"), CASES)
def test_a_fault_is_one_line_that_names_the_field(path: Path, fault: str) -> None:
    document = complete()
    _at(document, path[:-1])[path[-1]] = FAULTS[fault]
    with pytest.raises(ScenarioError) as caught:
        _resolve(document)
    text = str(caught.value)
    assert "\n" not in text
    assert dotted(path) in text
    assert text.endswith("(scenario faulty.yaml)")


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "empty list"])
@pytest.mark.parametrize("stage", COMPLETE["cluster"]["lag"])
def test_a_faulty_distribution_names_its_field(stage: str, fault: str) -> None:
    document = complete()
    document["cluster"]["lag"][stage] = {"lognormal": {"median": FAULTS[fault], "p99": "1s"}}
    with pytest.raises(ScenarioError, match=rf"^cluster\.lag\.{stage}\.lognormal") as caught:
        _resolve(document)
    assert "\n" not in str(caught.value)


def _records() -> list[Path]:
    keyed = ("workloads",), ("events", 0, "set"), ("events", 7, "labels"), ("events", 8, "backends")
    return [
        (),
        *(p for p in PLACES if p not in keyed and isinstance(_at(COMPLETE, p), dict) and not _is_law(p)),
    ]


def _is_law(path: Path) -> bool:
    return (path[:2] == ("cluster", "lag") and len(path) == 3) or path[-1] in (
        "startup",
        "serviceTime",
        "readinessGate",
        "think",
    )


@pytest.mark.parametrize("path", _records(), ids=lambda path: dotted(path) or "scenario")
def test_an_unknown_key_is_named_with_what_is_accepted(path: Path) -> None:
    document = complete()
    record = _at(document, path)
    known = next(iter(record))
    record[known + "x"] = 1
    with pytest.raises(ScenarioError) as caught:
        _resolve(document)
    text = str(caught.value)
    assert text.startswith(f"{dotted((*path, known + 'x'))} is not a known key; accepted: ")
    assert f"did you mean {known}?" in text or len(known) < 3


@pytest.mark.parametrize("path", PLACES, ids=dotted)
def test_a_missing_key_is_fine_or_named(path: Path) -> None:
    document = complete()
    del _at(document, path[:-1])[path[-1]]
    try:
        _resolve(document)
    except ScenarioError as error:
        assert "\n" not in str(error)
        referring = ("clients[0].from", "events[6].rate")
        assert dotted(path[:-1]) in str(error) or str(error).startswith(referring)


def test_the_complete_document_has_every_key_of_the_file_layer() -> None:
    _resolve(complete())
    wanted = set(_keys(ScenarioFile))
    present = {(path[0] if len(path) == 1 else None, path[-1]) for path in _paths(COMPLETE)}
    assert wanted - {key for _, key in present} == set()


def _keys(record: type[msgspec.Struct]) -> Iterator[str]:
    found = msgspec.json.schema(record)
    for definition in found["$defs"].values():
        yield from definition.get("properties", {})


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["deployment/web"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([*PLACES, ("manifests",)]), junk)
def test_junk_anywhere_is_a_scenario_or_one_line(path: Path, value: Any) -> None:
    document = complete()
    _at(document, path[:-1])[path[-1]] = value
    try:
        _resolve(document)
    except ScenarioError as error:
        assert "\n" not in str(error)
