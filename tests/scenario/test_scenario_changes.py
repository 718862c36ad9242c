"""Changing a scenario: one field by its dotted path, whole sections, and building one in Python."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from svcsim.distributions import Constant, Exponential
from svcsim.errors import ManifestError, ScenarioError, SvcsimError
from svcsim.kube import parse_key, parse_manifests
from svcsim.scenario import (
    DEFAULTS,
    LAG_KEYS,
    REGISTRY,
    Client,
    Cluster,
    Rollout,
    Scale,
    Scenario,
    WorkloadBehaviour,
    defaults_table,
    json_schema,
    scenario,
    scenario_from_manifests,
)
from svcsim.scenario.defaults import default_law, default_ns
from svcsim.scenario.files.layer import LagFile
from svcsim.scenario.files.writing import yaml_text
from svcsim.scenario.resolve.events import COMPANIONS
from tests.scenario.worlds import MANIFESTS, OBJECTS, SMALL, complete, read, small

SECOND = 1_000_000_000
WEB = parse_key("deployment/web")


def _behaviour(question: Scenario) -> WorkloadBehaviour:
    return question.behaviour(WEB, "web")


@pytest.mark.parametrize(
    ("path", "value", "look", "expected"),
    [
        ("clients.vip.rate", "5/s", lambda s: s.clients[0].rate_per_s, 5.0),
        ("clients[0].rate", 7, lambda s: s.clients[0].rate_per_s, 7.0),
        ("clients.0.rate", "7", lambda s: s.clients[0].rate_per_s, 7.0),
        ("clients.vip.timeout.connect", "3s", lambda s: s.clients[0].connect_timeout_ns, 3 * SECOND),
        ("clients.vip.timeout", "none", lambda s: s.clients[0].request_timeout_ns, None),
        ("duration", "90s", lambda s: s.duration_ns, 90 * SECOND),
        ("name", "1.5", lambda s: s.name, "1.5"),
        ("cluster.nodes", "5", lambda s: (len(s.cluster.nodes), s.clients[0].sources), (5, 5)),
        (
            "cluster.kubeProxy.minSyncPeriod",
            "5s",
            lambda s: s.cluster.kube_proxy.min_sync_period_ns,
            5 * SECOND,
        ),
        ("cluster.kernel", "6.10", lambda s: s.cluster.kernel, (6, 10)),
        ("cluster.kubernetes", "1.30", lambda s: s.cluster.kubernetes_minor, 30),
        ("lag.endpointSlice", "1s", lambda s: s.lag["endpointSlice"], Constant(1.0)),
        ("cluster.lag.sync", "{exponential: 2s}", lambda s: s.lag["sync"], Exponential(2.0)),
        ("workloads.deployment/web.onSigterm", "drain", lambda s: _behaviour(s).on_sigterm, "drain"),
        (
            "workloads.deploy/web.onSigterm",
            "{lameDuck: 3s}",
            lambda s: _behaviour(s).lame_duck_ns,
            3 * SECOND,
        ),
        (
            "workloads.deployment/web.onSigterm.lameDuck",
            "3s",
            lambda s: _behaviour(s).lame_duck_ns,
            3 * SECOND,
        ),
        ("workloads.deployment/web/web.concurrency", 4, lambda s: _behaviour(s).concurrency, 4),
        ("workloads.deployment/web", {"concurrency": 4}, lambda s: _behaviour(s).concurrency, 4),
        ("manifests.deployment/web.replicas", "4", lambda s: s.manifests.workload("web").replicas, 4),
        ("manifests.deploy/web.spec.replicas", 4, lambda s: s.manifests.workload("web").replicas, 4),
        ("manifests.shop/rs/old.replicas", 4, lambda s: s.manifests.workload("shop/rs/old").replicas, 4),
        ("manifests.rs/old.replicas", 4, lambda s: s.manifests.workload("shop/rs/old").replicas, 4),
        (
            "manifests.deployment/web.spec.template.spec.terminationGracePeriodSeconds",
            45,
            lambda s: s.manifests.workload("web").template.termination_grace_period_seconds,
            45,
        ),
        (
            "manifests.pod/solo.terminationGracePeriodSeconds",
            45,
            lambda s: s.manifests.pods[0].template.termination_grace_period_seconds,
            45,
        ),
        (
            "manifests.deployment/web.preStop",
            "5s",
            lambda s: [c.pre_stop.seconds for c in s.manifests.workload("web").template.containers],
            [5.0, 5.0],
        ),
        (
            "manifests.deployment/web.preStop.web",
            "none",
            lambda s: [c.pre_stop for c in s.manifests.workload("web").template.containers],
            [None, None],
        ),
        (
            "manifests.deployment/web.preStop.logs",
            0.25,
            lambda s: s.manifests.workload("web").template.containers[1].pre_stop.seconds,
            0.25,
        ),
        (
            "manifests.deployment/web.spec.template.metadata.labels.app.kubernetes.io/rev",
            "2e3",
            lambda s: s.manifests.workload("web").template.labels["app.kubernetes.io/rev"],
            "2e3",
        ),
        (
            "manifests.svc/web.spec.ports.logs.port",
            91,
            lambda s: s.manifests.service("web").ports[1].port,
            91,
        ),
        (
            "manifests.service/web.spec.ports[1].port",
            91,
            lambda s: s.manifests.service("web").ports[1].port,
            91,
        ),
    ],
)
def test_one_field_by_its_path(path: str, value: Any, look: Any, expected: Any) -> None:
    before = read(small())
    after = before.with_value(path, value)
    assert look(after) == expected
    assert before == read(small())


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("", 1, "is not a dotted path"),
        ("..", 1, "is not a dotted path"),
        ("clints.vip.rate", 1, "clints is no section; accepted: .* did you mean clients"),
        ("clients.vpi.rate", 1, "'vpi' is not an index from 0 to 0 or a name: vip; did you mean vip"),
        ("clients.vip.rtae", 1, r"clients\[0\].rtae is not a known key; .* did you mean rate"),
        ("clients.vip.rate", "fast", r"clients\[0\].rate = 'fast' is not a rate"),
        ("clients.vip.name.x", 1, "name is 'vip', which has no field x"),
        ("clients", 5, "clients = 5 must be a list"),
        ("events.0.at", "1s", "events has no entries that could be changed"),
        ("lag.foo", 1, "cluster.lag.foo is not a known key"),
        ("cluster.kernel", 6.1, "must be a version in quotes"),
        ("cluster.nodes.0.zone", "a", "nodes has no entries that could be changed"),
        (
            "workloads.deployment/wbe.onSigterm",
            "exit",
            "no workload or bare pod .* did you mean deployment/web",
        ),
        ("workloads.deployment/web.onSigterm", "exti", "must be one of drain, exit, ignore"),
        ("manifests", 1, "name an object and its field"),
        ("manifests.deployment/web", 1, "name a field of deployment/web"),
        (
            "manifests.deployment/wbe.replicas",
            1,
            "no object of the manifests is named there; .* did you mean",
        ),
        ("manifests.deployment/web.foo", 1, "'foo' is no field of an object; accepted: .* replicas, "),
        ("manifests.deployment/web.spec.repl", 1, "has no effect: .*not a field Kubernetes knows"),
        ("manifests.deployment/web.preStop", "soon", "preStop = 'soon' is not a duration"),
        ("manifests.deployment/web.preStop", [1], "preStop = .1. must be a duration"),
        ("manifests.deployment/web.preStop.wbe", "1s", "no container is named 'wbe'; there are: web, logs"),
        ("manifests.service/web.preStop", "1s", "a Service has no containers"),
    ],
)
def test_paths_and_values_that_lead_nowhere(path: str, value: Any, says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        read(small()).with_value(path, value)
    assert "\n" not in str(caught.value)


def test_what_the_api_server_refuses_is_a_manifest_error() -> None:
    with pytest.raises(ManifestError, match=r"^deployment/web: spec\.replicas = -4"):
        read(small()).with_value("manifests.deployment/web.replicas", -4)


def test_a_file_of_proxy_settings_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "kp.yaml"
    path.write_text("kind: KubeProxyConfiguration\nmode: nftables\nnftables: {minSyncPeriod: 4s}\n")
    before = read(small(cluster={"kubeProxy": str(path)}))
    after = before.with_value("cluster.kubeProxy.syncPeriod", "60s").cluster.kube_proxy
    assert (after.mode, after.min_sync_period_ns, after.sync_period_ns) == (
        "nftables",
        4 * SECOND,
        60 * SECOND,
    )


def test_short_forms_open_up() -> None:
    document = small(workloads={"deployment/web": {"queue": 5, "concurrency": 1}})
    document["clients"][0]["timeout"] = "9s"
    changed = read(document).with_value("clients.vip.timeout.connect", "2s")
    assert (changed.clients[0].connect_timeout_ns, changed.clients[0].request_timeout_ns) == (
        2 * SECOND,
        9 * SECOND,
    )
    full = read(document).with_value("workloads.deployment/web.queue.full", "drop")
    assert (_behaviour(full).queue, _behaviour(full).queue_full) == (5, "drop")


def test_changes_of_different_fields_commute() -> None:
    one, other = ("clients.vip.rate", "9/s"), ("manifests.deployment/web.replicas", 4)
    usual = read(small())
    assert usual.with_value(*one).with_value(*other) == usual.with_value(*other).with_value(*one)


paths = st.lists(
    st.sampled_from(
        [
            "clients",
            "vip",
            "events",
            "0",
            "manifests",
            "deployment/web",
            "spec",
            "template",
            "cluster",
            "[0]",
            "preStop",
        ]
    )
    | st.text("ab0.[]/-", max_size=5),
    max_size=5,
).map(".".join)


@settings(max_examples=200, deadline=None)
@given(paths, st.sampled_from(["1", "x", "{a: b}", "[", None, [], {"a": 1}, True, -1, "", float("nan")]))
def test_any_path_and_value_is_a_scenario_or_one_line(path: str, value: Any) -> None:
    try:
        read(complete()).with_value(path, value)
    except SvcsimError as error:
        assert "\n" not in str(error)


# -- whole sections


def test_sections_are_replaced_and_the_rest_is_resolved_anew() -> None:
    before = read(complete())
    after = before.replace(
        duration=datetime.timedelta(minutes=5),
        cluster=Cluster(),
        clients=[{"name": "a", "to": "service/web", "via": "cluster-ip", "rate": 1}],
        events=[Scale(at_ns=SECOND, target=WEB, replicas=4)],
    )
    assert after.duration_ns == 300 * SECOND
    assert after.cluster == Cluster()
    assert after.lag == before.lag
    assert after.clients[0].sources == 3
    assert after.events == (Scale(at_ns=SECOND, target=WEB, replicas=4),)
    assert before.replace(duration_ns=7 * SECOND).duration_ns == 7 * SECOND
    assert before.replace(lag={"watch": "1s"}).lag["watch"] == Constant(1.0)
    assert (
        before.replace(workloads={WEB: WorkloadBehaviour(concurrency=3)}).behaviour(WEB, "x").concurrency == 3
    )
    assert before.replace(name="n").name == "n"
    fewer = before.replace(manifests=OBJECTS[:3], events=[], workloads={}, clients=SMALL["clients"])
    assert fewer.manifests.pods == ()
    with pytest.raises(ScenarioError, match=r"durtion is no section of a scenario; .* did you mean duration"):
        before.replace(durtion=1)
    with pytest.raises(ScenarioError, match="duration = 0 must be > 0"):
        before.replace(duration_ns=0)


# -- from Python


def test_friendly_values_and_records_give_the_same() -> None:
    by_words = scenario(
        manifests=OBJECTS,
        duration=datetime.timedelta(seconds=60),
        clients=[
            {
                "name": "vip",
                "to": WEB.__class__(kind="Service", namespace="default", name="web"),
                "via": "cluster-ip",
                "rate": "200/s",
                "host_network": True,
                "from_": "nodes",
                "timeout": datetime.timedelta(seconds=2),
            },
        ],
        cluster={"kube_proxy": {"min_sync_period": "2s"}, "vanished_ip": {"then": "blackhole"}},
        lag={"endpoint_slice": Constant(0.1)},
        workloads={(WEB, "web"): {"service_time": "20ms", "on_sigterm": {"lame_duck": "3s"}}},
        events=({"at": "1s", "unready": "deployment/web", "for_": "2s"}, Rollout(at_ns=SECOND, target=WEB)),
    )
    assert by_words.clients[0].host_network
    assert by_words.clients[0].request_timeout_ns == 2 * SECOND
    assert by_words.cluster.kube_proxy.min_sync_period_ns == 2 * SECOND
    assert by_words.cluster.vanished_ip.then == "blackhole"
    assert by_words.lag["endpointSlice"] == Constant(0.1)
    assert by_words.behaviour(WEB, "web").lame_duck_ns == 3 * SECOND
    by_records = scenario(
        manifests=parse_manifests(yaml_text({"apiVersion": "v1", "kind": "List", "items": OBJECTS})),
        duration="60s",
        clients=by_words.clients,
        cluster=by_words.cluster,
        lag=by_words.lag,
        workloads={(WEB, "web"): by_words.behaviour(WEB, "web")},
        events=by_words.events,
    )
    assert by_records.strong_id() == by_words.strong_id()


def test_manifests_given_as_objects_cannot_be_written(tmp_path: Path) -> None:
    typed = scenario(manifests=parse_manifests(MANIFESTS), duration=1, clients=small()["clients"])
    assert typed.with_value("clients.vip.rate", 3).clients[0].rate_per_s == 3.0
    for attempt in (typed.to_yaml, lambda: typed.with_value("manifests.deployment/web.replicas", 3)):
        with pytest.raises(ScenarioError, match="were given as typed objects"):
            attempt()
    with pytest.raises(ScenarioError, match=r"events\[0\].set: the manifests were given as typed objects"):
        typed.replace(events=[{"at": 0, "rollout": "deployment/web", "set": {"preStop": 1}}])
    template = typed.manifests.workload("web").template
    with pytest.raises(ScenarioError, match="has a template but no fields it is made of"):
        typed.replace(events=[Rollout(at_ns=0, target=WEB, template=template)])
    (tmp_path / "m.yaml").write_text(MANIFESTS)
    assert scenario(manifests=tmp_path / "m.yaml", duration=1, clients=small()["clients"]).to_yaml()
    with pytest.raises(ScenarioError, match="manifests is empty"):
        scenario(manifests=[], duration=1, clients=small()["clients"])
    with pytest.raises(ScenarioError, match=r"manifests\[0\] = 5 must be a path"):
        scenario(manifests=[5], duration=1, clients=small()["clients"])  # type: ignore[list-item]


# -- from manifests alone


def test_manifests_alone_make_a_question() -> None:
    question = scenario_from_manifests(OBJECTS, "200/s", rollout="deployment/web")
    found = [(c.name, c.via, c.resolve, c.port, c.rate_per_s) for c in question.clients]
    assert found == [
        ("web-vip", "cluster-ip", None, None, 200.0),
        ("web-pinned", "pod-ip", "once", None, 200.0),
        ("web-headless-pinned", "pod-ip", "once", None, 200.0),
        ("names-vip", "cluster-ip", None, "tcp", 200.0),
        ("names-pinned", "pod-ip", "once", "tcp", 200.0),
    ]
    assert question.duration_ns == 60 * SECOND
    assert question.events == (Rollout(at_ns=20 * SECOND, target=WEB),)
    assert any("service/elsewhere is an ExternalName" in warning for warning in question.warnings)
    assert any("service/bare has no selector" in warning for warning in question.warnings)
    changed = question.with_value("clients.web-vip.rate", 5)
    assert set(question.warnings) <= set(changed.warnings)
    assert read(yaml.safe_load(question.to_yaml())).strong_id() == question.strong_id()


def test_manifests_alone_that_make_no_question(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no Service that selects pods: service/bare has no selector"):
        scenario_from_manifests([OBJECTS[5]], 1)
    with pytest.raises(ScenarioError, match=r"clients\[0\].rate = 0 must be > 0"):
        scenario_from_manifests(OBJECTS, 0)
    with pytest.raises(ScenarioError, match=r"duration = .0s. must be > 0"):
        scenario_from_manifests(OBJECTS, 1, duration="0s")
    with pytest.raises(ScenarioError, match=r"events\[0\].rollout = .deployment/wbe. is no workload"):
        scenario_from_manifests(OBJECTS, 1, rollout="deployment/wbe")
    with pytest.raises(ScenarioError, match=r"manifests\[0\] = .* does not exist"):
        scenario_from_manifests([tmp_path / "gone.yaml"], 1)


def test_pods_without_a_service_are_reached_by_their_addresses() -> None:
    question = scenario_from_manifests([OBJECTS[0], OBJECTS[5]], 1)
    assert [(c.name, c.via, c.resolve) for c in question.clients] == [("web-pinned", "pod-ip", "once")]
    assert any("no Service selects its pods" in warning for warning in question.warnings)


def test_services_of_one_name_get_clients_of_two() -> None:
    objects = small()["manifests"][:3]
    for namespace in ("a", "b"):
        pod = {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        pod = {"apiVersion": "v1", "kind": "Pod", **pod}
        pod["metadata"] |= {"name": "p", "namespace": namespace}  # type: ignore[operator]
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "twin", "namespace": namespace},
        }
        objects += [pod, {**service, "spec": {"selector": {"x": "y"}, "ports": [{"port": 80}]}}]
    names = [client.name for client in scenario_from_manifests(objects, 1, duration=9).clients]
    assert names == ["web-vip", "web-pinned", "a-twin-vip", "a-twin-pinned", "b-twin-vip", "b-twin-pinned"]


# -- schema and tables


def test_the_json_schema_is_valid_and_accepts_what_is_accepted() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for document in (
        small(),
        complete(),
        small(manifests="web.yaml", cluster={"nodes": 3, "kubeProxy": "kp.yaml"}),
    ):
        validator.validate(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"durations": 1},
        {"clients": []},
        {"clients": [{"name": "x"}]},
        {"cluster": {"nodes": 0}},
        {"cluster": {"kubernetes": 1.34}},
        {"workloads": {"deployment/web": {"onSigterm": "explode"}}},
        {"events": [{"at": "1s", "explode": "node-1"}]},
    ],
)
def test_the_json_schema_refuses_what_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(small(**changes), json_schema())


def test_every_default_is_a_row_and_every_stage_a_key() -> None:
    rows = defaults_table()
    assert [row["key"] for row in rows] == list(DEFAULTS)
    assert all(row["source"] and row["kind"] in ("measured", "assumed") and row["unit"] for row in rows)
    assert set(LagFile.__struct_encode_fields__) == set(LAG_KEYS)
    for row in DEFAULTS.values():
        if row.unit in ("distribution", "factor") and row.value is not None:
            assert default_law(row.key) is not None
        elif row.unit == "duration" and row.value not in (None, "never"):
            assert default_ns(row.key) > 0 or row.key in (
                "cluster.endpointSlice.batchPeriod",
                "cluster.dns.cache",
                "clients.minResolution",
            )


def test_every_kind_of_event_has_its_companions() -> None:
    assert set(COMPANIONS) == set(REGISTRY)
    assert all(cls.kind == kind for kind, cls in REGISTRY.items())


def test_client_records_go_back_and_forth() -> None:
    question = read(complete())
    assert scenario(
        manifests=OBJECTS, duration=1, clients=question.clients, cluster=question.cluster
    ).clients == (question.clients)
    assert isinstance(question.clients[0], Client)
