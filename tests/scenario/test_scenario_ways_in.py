"""Ways in that cannot be, settings that nobody uses, aliases that lead nowhere, containers of rollouts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from svcsim.errors import ScenarioError
from svcsim.kube.keys import parse_key
from svcsim.scenario import Scenario
from tests.scenario.worlds import OBJECTS, read, small

OUTSIDE = {"name": "c", "to": "service/front", "via": "load-balancer", "rate": 1}


def front(**spec: Any) -> dict[str, Any]:
    ports = spec.pop("ports", [{"name": "http", "port": 80}])
    usual = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}, "spec": {**usual, **spec}}


def asked(*objects: dict[str, Any], client: dict[str, Any] = OUTSIDE, **changes: Any) -> Scenario:
    return read(small(manifests=[*copy.deepcopy(OBJECTS), *objects], clients=[client], **changes))


@pytest.mark.parametrize("via", ["load-balancer", "node-port"])
def test_a_service_without_node_ports_has_no_way_through_one(via: str) -> None:
    none = front(allocateLoadBalancerNodePorts=False)
    with pytest.raises(ScenarioError, match="needs a node port, and service/front has none") as caught:
        asked(none, client={**OUTSIDE, "via": via})
    assert ("targets: pods" in str(caught.value)) == (via == "load-balancer")
    written = front(allocateLoadBalancerNodePorts=False, ports=[{"port": 80, "nodePort": 30080}])
    asked(written, client={**OUTSIDE, "via": via})


def test_a_balancer_of_pods_needs_no_node_port() -> None:
    cluster = {"podNetwork": "routed", "loadBalancer": {"targets": "pods"}}
    asked(front(allocateLoadBalancerNodePorts=False), cluster=cluster)


@pytest.mark.parametrize(
    ("service", "cluster", "says"),
    [
        (front(), {"loadBalancer": {"targets": "pods", "check": "healthz"}}, "no effect with targets: pods"),
        (
            front(externalTrafficPolicy="Local"),
            {"loadBalancer": {"check": "healthz"}},
            "under externalTrafficPolicy Local the check is of the healthCheckNodePort",
        ),
        (front(), {"dns": {"cache": "5s"}}, "cluster.dns has no effect: no client comes with via: headless"),
    ],
)
def test_settings_that_mean_nothing_here_are_named(service: dict, cluster: dict, says: str) -> None:
    question = asked(service, cluster={"podNetwork": "routed", **cluster})
    assert [line for line in question.warnings if says in line]
    plain = asked(service, cluster={"podNetwork": "routed"})
    assert not [line for line in plain.warnings if "no effect" in line]


def test_a_balancer_that_nobody_comes_through_is_named() -> None:
    question = read(small(cluster={"loadBalancer": {"interval": "5s"}}))
    assert any("cluster.loadBalancer has no effect" in line for line in question.warnings)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("wbe.default.svc.cluster.local",), "and there is no service/wbe in the manifests"),
        (("example.org",), "leads out of the cluster, where nothing is simulated"),
        (
            ("b.default.svc", "a.default.svc"),
            "goes round or on too long: service/a -> service/b -> service/a",
        ),
        (("a.default.svc.cluster.local.",), "goes round or on too long: service/a -> service/a"),
    ],
)
def test_an_alias_that_leads_nowhere_says_why(names: tuple[str, ...], says: str) -> None:
    aliases = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"type": "ExternalName", "externalName": leads},
        }
        for name, leads in zip("ab", names, strict=False)
    ]
    with pytest.raises(ScenarioError, match=says):
        asked(*aliases, client={**OUTSIDE, "to": "service/a", "via": "external-name"})


def test_behaviours_of_a_container_that_a_rollout_brings() -> None:
    rollout = {"at": "5s", "rollout": "deployment/web", "set": {"spec.containers.0.name": "next"}}
    question = read(small(events=[rollout], workloads={"deployment/web/next": {"concurrency": 3}}))
    assert question.behaviour(parse_key("deployment/web"), "next").concurrency == 3
    with pytest.raises(ScenarioError, match="has no container next"):
        read(small(workloads={"deployment/web/next": {"concurrency": 3}}))
