"""Strong ids, round trips and copies: what a scenario is equal to, and what makes it another one."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svcsim.scenario import Scenario, load_scenario, parse_scenario
from svcsim.scenario.files.writing import yaml_text
from svcsim.scenario.identity import canonical, canonical_json
from svcsim.version import SEMANTICS_VERSION
from tests.scenario.test_scenario_faults import PLACES, _at
from tests.scenario.worlds import MANIFESTS, complete, read, small

# -- the id


def test_the_id_is_made_in_steps_that_can_be_looked_at() -> None:
    scenario = read(complete())
    plain = canonical(scenario)
    assert plain["duration_ns"] == 180_000_000_000
    assert plain["clients"][0]["to"] == "default/Service/web"
    assert plain["events"][0]["kind"] == "rollout"
    assert plain["lag"]["watch"] == {"constant": 0.001}
    text = canonical_json(scenario, semantics_version=3)
    assert json.loads(text) == {"scenario": plain, "semantics_version": 3}
    assert len(scenario.strong_id()) == 64
    assert scenario.strong_id() == scenario.strong_id(semantics_version=SEMANTICS_VERSION)
    assert scenario.strong_id() != scenario.strong_id(semantics_version=SEMANTICS_VERSION + 1)


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def test_spelling_does_not_matter(tmp_path: Path) -> None:
    usual = read(complete()).strong_id()
    document = complete(name="another name", duration="3m")
    document["clients"][0] |= {
        "to": "default/svc/web",
        "rate": "12k/m",
        "timeout": {"connect": 2, "request": "none"},
    }
    document["cluster"]["vanishedIP"]["after"] = "2000ms"
    document["cluster"]["nodes"][0]["cpu"] = 3.5
    document["workloads"]["deploy/web"] = document["workloads"].pop("deployment/web")
    assert read(_reversed(document)).strong_id() == usual

    (tmp_path / "m.yml").write_text("# a comment\n" + MANIFESTS)
    document["manifests"] = ["m.yml"]
    (tmp_path / "other.yaml").write_text("# a comment\n" + yaml_text(document) + "# and another\n")
    assert load_scenario(tmp_path / "other.yaml").strong_id() == usual


def test_writing_a_default_out_does_not_matter() -> None:
    usual = read(small())
    document = small(cluster={"kubernetes": "1.34", "nodes": 3, "kernel": "6.8", "podNetwork": "overlay"})
    document["clients"][0] |= {
        "timeout": {"connect": "1s"},
        "from": "nodes",
        "sources": 3,
        "arrivals": "poisson",
    }
    document["workloads"] = {"deployment/web": {"onSigterm": "exit"}}
    written = read(document)
    assert written.clients == usual.clients
    assert written.cluster == usual.cluster


OTHER: dict[Any, Any] = {
    "duration": "170s",
    "kubernetes": "1.33",
    "kernel": "6.8",
    "mode": "iptables",
    "podNetwork": "overlay",
    "then": "unreachable",
    "via": "loopback",
    "arrivals": "poisson",
    "onSigterm": "ignore",
    "full": "reject",
    "from": "n2",
    "to": "service/web-headless",
    "hostNetwork": False,
    "unschedulable": True,
    "zone": "c",
    "port": 90,
    "rollout": None,
    "cpu": 2,
    "preset": "gce",
    "targets": "nodes",
    "check": "node-port",
    "pick": "first",
    "balance": "random",
    "share": "30%",
    "ageJitter": "30%",
    "maxBackoff": "9s",
    "entry": "n2",
    "sockets": "per-request",
    "interpolate": "step",
    "period": "25h",
    "every": "7s",
    "repeat": "2h",
}
"""Another value for keys whose values are words."""


def _changed(path: tuple[str | int, ...], value: Any) -> Any:
    key = path[-1]
    if key in ("via", "to", "port") and path[1] not in (0, 1):
        return None  # these bind each other
    if key in OTHER:
        return OTHER[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if path[-3:] == ("curve", 0, 0):
        return None  # a curve begins at 0
    if (key in ("rate", "value") or "curve" in path) and isinstance(value, str) and "/" in value:
        return "77/s"
    if path[-2] == "cpu":
        return "7m"
    if isinstance(value, str) and value[:1].isdigit():
        return "7s" if key in ("minSyncPeriod", "syncPeriod") else "7ms"
    return None


LEAVES = [p for p in PLACES if not isinstance(_at(complete(), p), dict | list) and p != ("name",)]


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_every_value_matters(path: tuple[str | int, ...]) -> None:
    document = complete()
    if path[-1] == "zone":
        document["clients"][0]["from"] = "nodes"
        document["events"] = [event for event in document["events"] if "upgrade" not in event]
    if path[-1] in ("via", "to"):
        for key in ("resolve", "from", "port"):
            document["clients"][0].pop(key, None)
        document["clients"][0]["resolve"] = "once"
        if path[-1] == "via":
            del document["clients"][0]["resolve"]
            document["clients"][0] |= {"via": "pod-ip"}
            document["clients"][1].pop("port")
            document["events"] = [event for event in document["events"] if "selector" not in event]
        document["clients"][1]["via"] = "pod-ip"
    before = read(document).strong_id()
    value = _changed(path, _at(document, path))
    if value is None:
        pytest.skip("a name; other tests change it")
    _at(document, path[:-1])[path[-1]] = value
    assert read(document).strong_id() != before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", 11),
        ("spec.template.spec.terminationGracePeriodSeconds", 31),
        ("preStop", "1s"),
        ("maxSurge", "50%"),
        ("minReadySeconds", 1),
        ("spec.template.spec.containers.web.readinessProbe.periodSeconds", 2),
        ("spec.paused", True),
    ],
)
def test_every_field_of_a_manifest_matters(field: str, value: Any) -> None:
    scenario = read(small())
    assert scenario.with_value(f"manifests.deployment/web.{field}", value).strong_id() != scenario.strong_id()


def test_names_of_clients_matter_and_the_scenarios_name_does_not() -> None:
    one, other = small(), small(name="x")
    assert read(one).strong_id() == read(other).strong_id()
    other["clients"][0]["name"] = "piv"
    assert read(one).strong_id() != read(other).strong_id()


# -- round trips


def assert_round_trip(scenario: Scenario, base: Path | None = None) -> None:
    again = parse_scenario(scenario.to_yaml(), base=base)
    assert again == scenario
    assert again.strong_id() == scenario.strong_id()
    assert again.to_yaml() == scenario.to_yaml()
    alone = parse_scenario(scenario.to_yaml(self_contained=True))
    assert alone.strong_id() == scenario.strong_id()


def test_the_complete_document_round_trips() -> None:
    assert_round_trip(read(complete()))


def test_files_round_trip_by_path_and_by_content(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(MANIFESTS)
    scenario = parse_scenario(json.dumps(complete(manifests=["web.yaml"])), base=tmp_path)
    assert "- web.yaml" in scenario.to_yaml()
    assert "web.yaml" not in scenario.to_yaml(self_contained=True)
    assert_round_trip(scenario, tmp_path)


def test_a_scenario_is_a_value() -> None:
    scenario = read(complete())
    assert pickle.loads(pickle.dumps(scenario)) == scenario == copy.deepcopy(scenario)
    assert pickle.loads(pickle.dumps(scenario)).strong_id() == scenario.strong_id()
    with pytest.raises(AttributeError):
        scenario.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        scenario.lag["watch"] = None  # type: ignore[index]


durations = st.one_of(
    st.integers(1, 10**12).map(lambda ns: f"{ns}ns"),
    st.integers(1, 10**5).map(lambda ms: f"{ms}ms"),
    st.floats(0.001, 1e5).map(lambda s: s),
    st.sampled_from(["1h30m", "1.5s", "7m"]),
)
laws = st.one_of(
    durations,
    st.builds(lambda m: {"exponential": {"mean": m}}, durations),
    st.builds(lambda m, s: {"lognormal": {"median": m, "sigma": s}}, st.floats(0.001, 10), st.floats(0.1, 2)),
)
texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
rates = st.one_of(st.integers(1, 10**6), st.floats(0.01, 1e6), st.sampled_from(["3k/s", "60/m"]))
timeouts = st.one_of(
    durations, st.just("none"), st.fixed_dictionaries({"connect": durations, "request": st.just("none")})
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    clients = []
    for name in names:
        one: dict[str, Any] = {
            "name": name,
            "rate": draw(rates),
            "via": draw(st.sampled_from(["pod-ip", "loopback"])),
        }
        one["to"] = draw(st.sampled_from(["service/web", "deployment/web", "pod/solo", "rs/old"]))
        if one["via"] == "pod-ip":
            one["resolve"] = draw(
                st.one_of(
                    st.sampled_from(["once", "on-failure", "watch"]), durations.map(lambda d: {"every": d})
                )
            )
        one["timeout"] = draw(timeouts)
        clients.append(one)
    events: list[dict[str, Any]] = []
    for at in draw(st.lists(st.integers(0, 60), max_size=4)):
        kind = draw(st.sampled_from(["scale", "crash", "unready", "rate", "rollout"]))
        event: dict[str, Any] = {"at": at, kind: names[0] if kind == "rate" else "deployment/web"}
        if kind == "scale":
            event["replicas"] = draw(st.integers(0, 50))
        elif kind == "unready":
            event["for"] = draw(durations)
        elif kind == "rate":
            event["value"] = draw(rates)
        elif kind == "rollout":
            label = draw(st.text("e0123456789", min_size=1, max_size=6))
            event["set"] = {
                "metadata.labels.rev": label,
                "preStop": draw(st.sampled_from(["1s", "none", 2, "20ms"])),
            }
        events.append(event)
    stages = st.sampled_from(["watch", "start", "sync", "endpointSlice"])
    lag = draw(st.dictionaries(stages, laws, max_size=3))
    behaviour = {"startup": draw(laws), "serviceTime": draw(laws), "concurrency": draw(st.integers(1, 99))}
    return small(
        name=draw(texts),
        duration=draw(durations),
        clients=clients,
        events=events,
        cluster={"lag": lag, "nodes": draw(st.integers(1, 20))},
        workloads={"deployment/web": behaviour},
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_document_round_trips(document: dict[str, Any]) -> None:
    scenario = read(document)
    assert_round_trip(scenario)
    resolved = Scenario(
        name=scenario.name,
        manifests=scenario.manifests,
        duration_ns=scenario.duration_ns,
        clients=scenario.clients,
        cluster=scenario.cluster,
        workloads=scenario.workloads,
        events=scenario.events,
        lag=scenario.lag,
    )
    assert resolved == scenario
    assert resolved.strong_id() == scenario.strong_id()


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        words | st.integers() | st.booleans() | st.none(), lambda x: st.lists(x) | st.dictionaries(words, x)
    )
)
def test_written_yaml_reads_back_with_any_reader(value: Any) -> None:
    assert yaml.safe_load(yaml_text({"x": value})) == {"x": value}


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text("0123456789.eE+-_xob~nyofasletru", max_size=8), words.filter(str.isprintable)))
def test_written_text_stays_text_for_kubernetes_reader(text: str) -> None:
    document = small()
    document["manifests"][0]["metadata"]["annotations"] = {"note": text}
    again = parse_scenario(yaml_text(document))
    assert again.written is not None
    assert again.written.document["manifests"][0]["metadata"]["annotations"]["note"] == text
