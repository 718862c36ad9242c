"""Traffic policies as tables of packet flows, load balancers' checks, aliases, and a cache before the DNS."""

from __future__ import annotations

import json

import numpy as np
import pytest

import svcsim
from svcsim.controlplane.downstream import Checks
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Cause, Outcome
from svcsim.scenario import LoadBalancer
from svcsim.simulation import run_replication
from tests.controlplane.stories import CONSTANT, deployment, service

PROBED = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}


def flows(client: dict, *, spec: dict, events: list | None = None, **changes) -> np.ndarray:
    """The requests of one client of a Service `web`, one pod on each of two nodes of three (by default)."""
    manifests = changes.pop("manifests", [deployment(2, container=PROBED), service(**spec)])
    cluster = {
        "nodes": 3,
        "lag": {**CONSTANT, "loadBalancer": {"constant": "0s"}},
        **changes.pop("cluster", {}),
    }
    document = {
        "manifests": manifests,
        "duration": "60s",
        "cluster": cluster,
        "workloads": {"deployment/web": {"serviceTime": "1ms"}},
        "clients": [{"name": "c", "to": "service/web", "rate": "100/s", "arrivals": "constant", **client}],
        "events": events or [],
        **changes,
    }
    top = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    run = run_replication(top, seed=1, replication=0, keep_requests=True)
    other = run_replication(top, seed=1, replication=0, engine="reference", keep_requests=True)
    assert run.requests is not None
    assert np.array_equal(run.requests, other.requests)
    return run


def fate(requests: np.ndarray) -> set[str]:
    return {
        f"{Outcome(int(o)).name} {Cause(int(c)).name}"
        for o, c in zip(requests["outcome"], requests["cause"], strict=True)
    } - {"OPEN NONE"}


def where(run) -> list[int]:
    """The node of each pod at the start."""
    return [pod.node for pod in run.control.pods if pod.created_ns < 0]


TYPE = {"type": "LoadBalancer"}
ETP = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
ITP = {"internalTrafficPolicy": "Local"}


@pytest.mark.parametrize(
    ("client", "spec", "with_pod", "without_pod"),
    [
        # way, policy: what a node with an endpoint of its own does, and what one without
        ({"via": "cluster-ip"}, {}, "any", "any"),
        ({"via": "cluster-ip"}, ITP, "own", "drop"),
        ({"via": "cluster-ip"}, ETP, "any", "any"),
        ({"via": "node-port"}, TYPE, "any", "any"),
        ({"via": "node-port"}, ETP, "own", "drop"),
        ({"via": "node-port"}, {**TYPE, **ITP}, "any", "any"),
        ({"via": "node-port", "from": "nodes", "entry": "own"}, ETP, "any", "any"),
        ({"via": "load-balancer"}, TYPE, "any", "any"),
        ({"via": "load-balancer"}, ETP, "own", "never"),
        ({"via": "load-balancer", "from": "nodes"}, ETP, "any", "any"),
        ({"via": "load-balancer", "from": "nodes"}, {**ETP, **ITP}, "any", "any"),
    ],
)
def test_packet_flows(client: dict, spec: dict, with_pod: str, without_pod: str) -> None:
    run = flows(client, spec=spec)
    requests, homes = run.requests, where(run)
    node_of_source = run.plan.clients[0].node_of_source[requests["source"]]
    routed_at = np.where(requests["entry"] >= 0, requests["entry"], node_of_source)
    (empty,) = {0, 1, 2} - set(homes)
    server_node = np.append(run.control.histories.server_node, -1)[requests["server"]]
    for node in range(3):
        own = requests[routed_at == node]
        expected = without_pod if node == empty else with_pod
        reached = set(server_node[routed_at == node].tolist())
        if expected == "never":
            assert len(own) == 0
        elif expected == "drop":
            assert fate(own) == {"CONNECT_TIMEOUT POLICY_DROP"}
        else:
            assert fate(own) == {"OK NONE"}
            assert reached == ({node} if expected == "own" else set(homes))


def test_no_endpoint_anywhere_is_refused_and_not_dropped() -> None:
    run = flows(
        {"via": "node-port", "timeout": {"connect": "1s"}},
        spec=ETP,
        events=[{"at": "10s", "scale": "deployment/web", "replicas": 0}],
    )
    late = run.requests[run.requests["arrival_ns"] > 45 * 10**9]
    assert {"REFUSED NO_ENDPOINT"} <= fate(late) <= {"REFUSED NO_ENDPOINT", "CONNECT_TIMEOUT NO_ENDPOINT"}


@pytest.mark.parametrize(("sleeps", "fails"), [(60, False), (5, True)])
def test_the_last_pod_of_a_node_serves_on_while_the_balancer_finds_out(sleeps: int, fails: bool) -> None:
    """KEP-1669: 30 s of checks; a longer preStop loses nothing, a shorter one what is sent meanwhile."""
    container = {**PROBED, "lifecycle": {"preStop": {"sleep": {"seconds": sleeps}}}}
    one = deployment(2, container=container)
    one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 120
    run = flows(
        {"via": "load-balancer", "timeout": {"connect": "1s"}},
        spec=ETP,
        manifests=[one, service(**ETP)],
        cluster={"loadBalancer": {"interval": "10s", "unhealthyAfter": 3}},
        events=[{"at": "5s", "delete": "deployment/web", "count": 1}],
    )
    failed = run.requests[run.requests["outcome"] > int(Outcome.OK)]
    assert bool(len(failed)) == fails
    if fails:
        assert fate(failed) <= {
            "CONNECT_TIMEOUT POLICY_DROP", "CONNECT_TIMEOUT STALE_ENDPOINT", "REFUSED STALE_ENDPOINT",
            "EOF IN_FLIGHT_CUT",
        }  # fmt: skip
        assert failed["arrival_ns"].max() < 36 * 10**9


def test_a_lost_node_is_out_after_its_checks_and_in_again() -> None:
    run = flows(
        {"via": "load-balancer", "timeout": {"connect": "1s"}},
        spec=TYPE,
        cluster={"loadBalancer": {"interval": "2s", "unhealthyAfter": 3, "healthyAfter": 2}},
        events=[{"at": "10s", "partition": "node-3", "for": "20s"}],
    )
    entered = run.requests[run.requests["entry"] == 2]
    seconds = set((entered["arrival_ns"] // 10**9).tolist())
    assert {8, 9, 10, 11, 12} <= seconds
    assert not seconds & set(range(17, 31))
    assert {36, 40, 50} <= seconds
    assert fate(entered[(entered["arrival_ns"] > 10 * 10**9) & (entered["arrival_ns"] < 16 * 10**9)]) == {
        "CONNECT_TIMEOUT NODE_LOST"
    }


def test_a_balancer_with_nobody_healthy_sends_to_everybody() -> None:
    run = flows(
        {"via": "load-balancer"},
        spec=TYPE,
        cluster={"loadBalancer": {"interval": "1s", "unhealthyAfter": 1}},
        events=[{"at": "5s", "stopProxy": f"node-{k}"} for k in (1, 2, 3)],
    )
    late = run.requests[run.requests["arrival_ns"] > 20 * 10**9]
    assert set(late["entry"].tolist()) == {0, 1, 2}
    assert fate(late) == {"OK NONE"}


def test_pods_as_targets_are_told_late_and_checked_first() -> None:
    """A new pod is Ready, registered after the lag, and sent to after two good checks."""
    run = flows(
        {"via": "load-balancer"},
        spec=TYPE,
        cluster={
            "podNetwork": "routed",
            "lag": {**CONSTANT, "loadBalancer": {"constant": "3s"}},
            "loadBalancer": {"targets": "pods", "interval": "2s", "healthyAfter": 2},
        },
        events=[{"at": "10s", "scale": "deployment/web", "replicas": 3}],
    )
    new = max(run.control.pods, key=lambda pod: pod.created_ns)
    (server,) = {i for i, info in enumerate(run.control.servers) if info.pod is new}
    first = run.requests["arrival_ns"][run.requests["server"] == server].min()
    assert (run.requests["entry"] == -1).all()
    assert new.ready_since_ns + 5 * 10**9 < first < new.ready_since_ns + 8 * 10**9


def test_checks_count_in_a_row() -> None:
    target = Checks(phase_ns=1, interval_ns=10, unhealthy_after=3, healthy_after=2)
    for t, good in ((15, False), (38, True), (45, False), (80, True)):
        target.turns(t, good)
    # bad at 21 and 31, good at 41: not three in a row; bad at 51, 61, 71; good at 81 and 91
    assert target.until(1000) == [71, 91]


def test_checks_do_not_depend_on_how_often_they_are_asked() -> None:
    turns = [(15, False), (38, True), (39, False), (80, True), (81, False), (82, True), (300, False)]
    asked = Checks(phase_ns=1, interval_ns=10, unhealthy_after=3, healthy_after=2)
    whole = Checks(phase_ns=1, interval_ns=10, unhealthy_after=3, healthy_after=2)
    for turn in turns:
        whole.turns(*turn)
    found = []
    for t in range(0, 500, 7):
        for turn in turns:
            if t <= turn[0] < t + 7:
                asked.turns(*turn)
        found += asked.until(t + 7)
    assert found == whole.until(504) == [41, 101, 321]


@pytest.mark.parametrize(
    ("preset", "local", "seconds"), [("aws-clb", False, 60), ("aws-nlb", False, 90), ("aws-nlb", True, 20),
                                     ("gce", True, 24), ("azure", False, 10)],
)  # fmt: skip
def test_presets_take_as_long_as_their_sources_say(preset: str, local: bool, seconds: int) -> None:
    _, interval_ns, unhealthy_after, _ = LoadBalancer(preset=preset).checks(local)
    assert interval_ns * unhealthy_after == seconds * 10**9


def test_an_alias_is_the_service_it_stands_for() -> None:
    alias = service(type="ExternalName", externalName="web.default.svc.cluster.local")
    alias["metadata"] = {"name": "front"}
    del alias["spec"]["selector"]
    manifests = [deployment(2), service(), alias]
    changes = {"spec": {}, "manifests": manifests, "events": [{"at": "10s", "rollout": "deployment/web"}]}
    named = flows({"via": "external-name", "to": "service/front"}, **changes)
    itself = flows({"via": "cluster-ip"}, **changes)
    assert np.array_equal(named.requests, itself.requests)


@pytest.mark.parametrize(("cache", "least", "most"), [("0s", 3.5, 5.1), ("20s", 5.1, 25.1)])
def test_a_name_is_as_old_as_the_caches_let_it(cache: str, least: float, most: float) -> None:
    """A TTL of 5 s, and a cache before it that begins the TTL anew."""
    run = flows(
        {"via": "headless", "sources": 50, "rate": "2000/s"},
        spec={"clusterIP": "None"},
        cluster={"dns": {"ttl": "5s", "cache": cache}},
        events=[{"at": "10s", "delete": "deployment/web", "count": 1}],
    )
    gone = next(s for s, info in enumerate(run.control.servers) if info.pod.deleted_ns >= 0)
    asked = run.requests["arrival_ns"][run.requests["server"] == gone].max() / 1e9
    assert 10 + least < asked < 10 + most


@pytest.mark.parametrize(("negative", "until"), [("2s", 17), ("40s", 45)])
def test_that_there_is_no_address_is_kept_for_its_own_time(negative: str, until: int) -> None:
    """A cache and its clients keep an address for a second; a Service is empty from 2 s to about 13 s.

    The cache sees that within a second or two, and then looks every `negative`.
    """
    run = flows(
        {"via": "headless", "sources": 20, "rate": "200/s"},
        spec={"clusterIP": "None"},
        cluster={"dns": {"ttl": "1s", "cache": "1s", "negative": negative}},
        events=[
            {"at": "2s", "scale": "deployment/web", "replicas": 0},
            {"at": "12s", "scale": "deployment/web", "replicas": 1},
        ],
    )
    nobody = run.requests[run.requests["outcome"] == Outcome.DNS_FAILURE]
    assert until - 4 < nobody["arrival_ns"].max() / 1e9 < until + 1


@pytest.mark.parametrize(("floor", "looks"), [("0s", True), ("30s", False)])
def test_a_failure_too_soon_after_a_look_up_leads_to_none(floor: str, looks: bool) -> None:
    """A pod is gone at 10 s: who holds it asks again at once, or 30 s after the first look-up, at 30 s."""
    run = flows(
        {
            "via": "headless",
            "sources": 50,
            "rate": "1000/s",
            "timeout": {"connect": "100ms"},
            "resolve": "on-failure",
            "minResolution": floor,
        },
        spec={"clusterIP": "None"},
        events=[{"at": "10s", "kill": "deployment/web"}],
        workloads={"deployment/web": {"serviceTime": "1ms", "startup": "600s"}},
    )
    failed = run.requests[run.requests["outcome"] != Outcome.OK]
    failed = failed[failed["outcome"] != Outcome.OPEN]
    seconds = failed["arrival_ns"] / 1e9
    assert seconds.min() > 9.99
    assert (seconds.max() < 25) == looks
    assert looks or 29.9 < seconds.max() < 31


TWO_PORTS = [{"name": "http", "port": 80}, {"name": "admin", "port": 81, "targetPort": 80}]


@pytest.mark.parametrize("targets", ["nodes", "pods"])
def test_two_ports_of_a_balancer_have_their_own_luck(targets: str) -> None:
    """One stream for both would be drawn from in an order that windows decide."""
    clients = [
        {"name": port, "to": "service/web", "via": "load-balancer", "port": port, "rate": "50/s"}
        for port in ("http", "admin")
    ]
    document = {
        "manifests": [deployment(3, container=PROBED), service(**ETP, ports=TWO_PORTS)],
        "duration": "60s",
        "cluster": {
            "podNetwork": "routed",
            "loadBalancer": {"targets": targets, "interval": "2s"},
        },
        "clients": clients,
        "events": [{"at": "5s", "delete": "deployment/web", "count": 2}],
    }
    top = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    assert len(top.balancers) == 2
    whole = run_replication(top, seed=1, replication=0, keep_requests=True)
    cuts = [k * 10**9 for k in range(1, 60)]
    cut = run_replication(top, seed=1, replication=0, keep_requests=True, cuts=cuts)
    assert np.array_equal(whole.requests, cut.requests)


def test_a_port_has_one_view_however_it_is_called() -> None:
    clients = [
        {"name": f"c{k}", "to": "service/web", "via": "load-balancer", "rate": "1/s", **port}
        for k, port in enumerate(({}, {"port": "http"}, {"port": 80}, {"port": "admin"}, {"port": 81}))
    ]
    document = {
        "manifests": [deployment(1), service(**TYPE, ports=TWO_PORTS)],
        "duration": "1s",
        "clients": clients,
    }
    top = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    first, *others = top.view_of_client
    assert others == [first, first, others[-1], others[-1]]
    assert others[-1] != first


@pytest.mark.parametrize(
    ("client", "spec"),
    [
        ({"via": "cluster-ip"}, ITP),
        ({"via": "node-port"}, ETP),
        ({"via": "load-balancer"}, ETP),
    ],
)
def test_an_endpoint_written_by_hand_is_local_to_the_node_it_names(client: dict, spec: dict) -> None:
    """proxy/endpoint.go: isLocal is whether the slice's nodeName is the node's own."""
    db = service(**spec)
    del db["spec"]["selector"]
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 80}],
        "endpoints": [{"addresses": ["192.0.2.1"], "nodeName": "node-2"}, {"addresses": ["192.0.2.2"]}],
    }
    run = flows(client, spec={}, manifests=[db, endpoints], workloads={})
    requests = run.requests
    at = np.where(
        requests["entry"] >= 0, requests["entry"], run.plan.clients[0].node_of_source[requests["source"]]
    )
    assert fate(requests[at == 1]) == {"OK NONE"}
    assert fate(requests[at != 1]) <= {"CONNECT_TIMEOUT POLICY_DROP"}
    named = [s for s, info in enumerate(run.control.servers) if info.pod.ip == "192.0.2.1"]
    assert set(requests["server"][at == 1].tolist()) == set(named)
