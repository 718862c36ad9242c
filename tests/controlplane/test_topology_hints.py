"""Topology hints against hand-worked allocations, kube-proxy's use of them, and slices by packing."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

import svcsim
from svcsim.controlplane.slicepacking import Packing
from svcsim.controlplane.topology import Topology
from svcsim.controlplane.topologyhints import Hint, auto_hints, own_hints, served, zone_ratios
from svcsim.kube import hint_mode, parse_manifests
from svcsim.simulation import run_replication
from tests.controlplane.stories import deployment, service

THIRDS = dict.fromkeys("abc", Fraction(1, 3))


def even(n: int, zones: str = "abc") -> dict[int, str]:
    """n endpoints dealt to the zones in turn."""
    return {k: zones[k % len(zones)] for k in range(n)}


@pytest.mark.parametrize(
    ("n", "least"),
    # per zone ceil(n / 3 / 1.2); hints where three times that is at most n, and n is at least three
    [
        (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2), (8, 3), (9, 3),
        (10, 3), (11, 4), (12, 4), (13, 4), (14, 4), (15, 5),
    ],
)  # fmt: skip
def test_hints_in_three_equal_zones(n: int, least: int) -> None:
    """Set for 3, 6, 7, 9, 10, 12 and more; withdrawn for 1, 2, 4, 5, 8, 11."""
    hints = auto_hints(even(n), THIRDS)
    assert (hints is not None) == (n >= 3 and 3 * least <= n)
    assert (hints is not None) == (n in (3, 6, 7, 9, 10, 12, 13, 14, 15))
    if hints is not None:
        per_zone = [sum(hint.zone == zone for hint in hints.values()) for zone in "abc"]
        assert min(per_zone) >= least


@pytest.mark.parametrize(
    ("zones", "set_"), [("aabbb", False), ("aaabb", False), ("aaaaaabbb", True), ("aaabbbccc", True)]
)
def test_uneven_zones(zones: str, set_: bool) -> None:
    """5 of 3 equal zones: 3 x ceil(1.39) = 6 > 5; endpoints of a zone too many are given to the others."""
    ready = dict(enumerate(zones))
    assert (auto_hints(ready, THIRDS) is not None) == set_


def test_endpoints_are_given_to_zones_that_lack_them() -> None:
    """Six in zone a, three in b, none in c: everybody gets three."""
    hints = auto_hints(dict(enumerate("aaaaaabbb")), THIRDS)
    assert hints is not None
    assert sorted(hint.zone for hint in hints.values()) == list("aaabbbccc")
    assert all(hints[k].zone == "b" for k in (6, 7, 8))


@pytest.mark.parametrize(
    ("zones", "cpu", "set_"),
    # the KEP's table: endpoints per zone, zone sizes
    [
        ("aabbb", "11", False),  # 2.5 each: 2 x ceil(2.08) = 6 > 5
        ("aabb", "11", True),
        ("aaaabbb", "11", True),  # 3.5 each: 2 x ceil(2.92) = 6 <= 7
        ("abcc", "112", True),  # four in three zones, one of them twice the size: 1 + 1 + 2
        ("abcc", "111", False),  # and of equal size: 3 x 2
    ],
)
def test_tables_of_the_proposal(zones: str, cpu: str, set_: bool) -> None:
    ratios = zone_ratios([(zone, Fraction(int(cores))) for zone, cores in zip("abc", cpu, strict=False)])
    found = auto_hints(dict(enumerate(zones)), ratios) is not None
    assert found == set_


def test_bigger_zones_get_more() -> None:
    ratios = zone_ratios([("a", Fraction(2)), ("a", Fraction(2)), ("b", Fraction(4)), ("c", Fraction(8))])
    assert ratios == {"a": Fraction(1, 4), "b": Fraction(1, 4), "c": Fraction(1, 2)}
    hints = auto_hints(even(8), ratios)
    assert hints is not None
    assert sum(hint.zone == "c" for hint in hints.values()) >= 3


@pytest.mark.parametrize(
    "nodes", [[("a", Fraction(1))], [("a", None), ("b", Fraction(1))], [(None, Fraction(1))] * 2]
)
def test_zones_that_are_not_known_or_too_few(nodes: list) -> None:
    assert zone_ratios(nodes) is None
    assert auto_hints(even(9), zone_ratios(nodes)) is None


def test_an_endpoint_without_a_zone_withdraws_all() -> None:
    assert auto_hints({**even(9), 9: None}, THIRDS) is None
    assert own_hints({0: ("a", 0), 1: (None, 1)}, "zone") is None


def test_whose_list_an_endpoint_is_on() -> None:
    ready = [0, 1, 2]
    zones = {0: Hint("a"), 1: Hint("a"), 2: Hint("b")}
    assert served(ready, zones, "a", 0) == [0, 1]
    assert served(ready, zones, "b", 0) == [2]
    assert served(ready, zones, "c", 0) == ready  # nobody there: everybody
    assert served(ready, zones, None, 0) == ready
    assert served(ready, {0: Hint("a"), 1: Hint("a")}, "a", 0) == ready  # one without a hint: none is used
    assert served(ready, None, "a", 0) == ready
    nodes = {0: Hint("a", 5), 1: Hint("a", 6), 2: Hint("b", 7)}
    assert served(ready, nodes, "a", 5) == [0]
    assert served(ready, nodes, "a", 9) == [0, 1]


@pytest.mark.parametrize(
    ("field", "minor", "mode"),
    [
        ("trafficDistribution: PreferClose", 30, None),
        ("trafficDistribution: PreferClose", 31, "zone"),
        ("trafficDistribution: PreferSameZone", 33, None),
        ("trafficDistribution: PreferSameZone", 34, "zone"),
        ("trafficDistribution: PreferSameNode", 34, "node"),
        ("type: ClusterIP", 36, None),
    ],
)
def test_versions(field: str, minor: int, mode: str | None) -> None:
    text = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{{field}, ports: [{{port: 80}}]}}\n"
    )
    assert hint_mode(parse_manifests(text).service("web"), minor) == mode


@pytest.mark.parametrize(
    "name", ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"]
)
def test_the_annotation_wins(name: str) -> None:
    text = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: web, annotations: {{{name}: Auto}}}}\n"
        "spec: {trafficDistribution: PreferClose, ports: [{port: 80}]}\n"
    )
    assert hint_mode(parse_manifests(text).service("web"), 36) == "auto"


# -- whole runs


def zonal(replicas: int, spec: dict, *, events: list[dict] | None = None, annotations: dict | None = None):
    """Three zones of two nodes, a client on every node."""
    web = service(**spec)
    web["metadata"]["annotations"] = annotations or {}
    document = {
        "manifests": [deployment(replicas), web],
        "duration": "60s",
        "cluster": {"nodes": [{"name": f"{z}{k}", "zone": z, "cpu": 4} for z in "abc" for k in "12"]},
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 60}],
        "events": events or [],
    }
    topology = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    runs = [
        run_replication(topology, seed=1, replication=0, engine=engine, keep_requests=True)
        for engine in ("reference", "vectorised")
    ]
    assert (runs[0].requests == runs[1].requests).all()
    return runs[1]


def crossing(run) -> float:
    """The share of answered requests whose pod is in another zone than its caller."""
    zone = [node.zone for node in run.topology.scenario.cluster.nodes]
    records = run.requests[run.requests["connected_ns"] >= 0]
    far = [
        zone[run.topology.source_nodes[0][r["source"]]] != zone[run.control.servers[r["server"]].pod.node]
        for r in records
    ]
    return sum(far) / len(far)


def test_same_zone_keeps_traffic_at_home_and_terminating_pods_do_not_disturb() -> None:
    assert crossing(zonal(6, {})) > 0.5
    assert crossing(zonal(6, {"trafficDistribution": "PreferSameZone"})) == 0
    rolled = [{"at": "10s", "rollout": "deployment/web"}]
    assert crossing(zonal(6, {"trafficDistribution": "PreferSameZone"}, events=rolled)) < 0.05


def test_same_node_where_there_is_one() -> None:
    run = zonal(6, {"trafficDistribution": "PreferSameNode"})
    nodes = {(r["source"], run.control.servers[r["server"]].pod.node) for r in run.requests}
    assert nodes == {(k, k) for k in range(6)}


@pytest.mark.parametrize(("replicas", "held"), [(6, True), (8, False), (9, True), (11, False)])
def test_auto_is_withdrawn_at_some_sizes(replicas: int, held: bool) -> None:
    auto = {"service.kubernetes.io/topology-mode": "Auto"}
    share = crossing(zonal(replicas, {}, annotations=auto))
    assert (share < 0.05) == held


# -- packing


def test_new_slices_of_a_hundred() -> None:
    packing = Packing(most=100)
    writes = packing.reconcile(dict.fromkeys(range(250), "ready"))
    assert [len(content or ()) for _, content in writes.changed] == [100, 100, 50]
    assert len(packing.reconcile(dict.fromkeys(range(250), "ready"))) == 0


def test_an_update_writes_only_its_slice() -> None:
    packing = Packing(most=100)
    wanted = dict.fromkeys(range(250), "ready")
    packing.reconcile(wanted)
    writes = packing.reconcile({**wanted, 7: "not ready", 8: "not ready"})
    assert [number for number, _ in writes.changed] == [1]
    assert writes.seen(0)[7] == "not ready"


def test_what_is_new_goes_into_a_slice_that_is_written_anyway() -> None:
    """Endpoint 150 goes from the second slice; 250 and 251 find one place there and one in the third."""
    packing = Packing(most=100)
    wanted = dict.fromkeys(range(250), "ready")
    packing.reconcile(wanted)
    del wanted[150]
    writes = packing.reconcile({**wanted, 250: "new", 251: "new"})
    assert [number for number, _ in writes.changed] == [2, 3]
    assert 250 in packing.slices[2]
    assert 251 in packing.slices[3]


def test_additions_alone_take_the_slice_they_fill_best() -> None:
    packing = Packing(most=100)
    packing.reconcile(dict.fromkeys(range(250), "ready"))
    writes = packing.reconcile(dict.fromkeys(range(260), "ready"))
    assert [number for number, _ in writes.changed] == [3]
    writes = packing.reconcile(dict.fromkeys(range(320), "ready"))
    assert len(packing.slices) == 4


def test_one_empty_slice_is_kept() -> None:
    packing = Packing(most=2)
    packing.reconcile({1: "a", 2: "a", 3: "a"})
    writes = packing.reconcile({})
    assert len(packing.slices) == 1
    assert writes.seen(len(writes) - 1) == {}


def test_slices_of_two_are_written_one_after_the_other() -> None:
    """A rollout of five pods in slices of two: more writes, in the end the same list."""
    changes = []
    for most in (100, 2):
        document = {
            "manifests": [deployment(5), service()],
            "duration": "60s",
            "cluster": {"endpointSlice": {"maxEndpoints": most}},
            "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 1}],
            "events": [{"at": "5s", "rollout": "deployment/web"}],
        }
        run = run_replication(Topology.of(svcsim.parse_scenario(json.dumps(document))), seed=1, replication=0)
        changes.append(len(run.control.changes))
        last = run.control.histories.versions[run.control.histories.belief_version[-1]]
        assert len(last) == 5
    assert changes[1] > changes[0]


def test_a_batch_period_gathers_changes() -> None:
    changes = []
    for batch in ("0s", "2s"):
        document = {
            "manifests": [deployment(10), service()],
            "duration": "60s",
            "cluster": {"endpointSlice": {"batchPeriod": batch}},
            "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 1}],
            "events": [{"at": "5s", "rollout": "deployment/web"}],
        }
        run = run_replication(Topology.of(svcsim.parse_scenario(json.dumps(document))), seed=1, replication=0)
        changes.append(len(run.control.changes))
    assert changes[1] < changes[0] / 2


def test_the_metric_dates_by_whole_seconds_and_not_deletions() -> None:
    document = {
        "manifests": [deployment(4), service()],
        "duration": "60s",
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 1}],
        "events": [{"at": "5s", "delete": "deployment/web", "count": 1}],
    }
    scenario = svcsim.parse_scenario(json.dumps(document))
    run = run_replication(Topology.of(scenario), seed=1, replication=0)
    first = run.control.changes[0]
    assert first.trigger_ns is None  # a graceful deletion turns no Ready condition
    dated = [change for change in run.control.changes if change.trigger_ns is not None]
    assert dated
    for change in dated:
        assert 0 <= change.visible_ns - change.trigger_ns < 2_000_000_000
    lag = svcsim.simulate(scenario, replications=5).lag.set_index("stage")
    # the truncation adds half a second on average
    assert 0.1 < lag.loc["metric", "mean_s"] - lag.loc["programming", "mean_s"] < 1.0
