"""Rollouts after which a Service's port leads elsewhere in the pods: another container, or nowhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

import svcsim
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Cause, Outcome
from svcsim.simulation import run_replication
from tests.controlplane.stories import CONSTANT, deployment, service

HTTP = {"name": "http", "containerPort": 80}
OTHER = {"name": "other", "containerPort": 8080}
ALONE = {"name": "alone", "image": "i", "ports": [HTTP]}
AWAY = {"spec.containers[0].ports": [OTHER], "spec.containers[1].ports": [HTTP]}
PORTS = [
    {"name": "named", "port": 80, "targetPort": "http"},
    {"name": "numbered", "port": 81, "targetPort": 80},
]


def after(set_: dict, port: str, *, via: str = "cluster-ip", **spec) -> tuple[set[str], set[str]]:
    """How requests end once a rollout is over, and at which container, the same in both engines."""
    web = deployment(2, container={"ports": [HTTP], "readinessProbe": {"tcpSocket": {"port": "http"}}})
    second = {"name": "second", "image": "i", "ports": [{"name": "admin", "containerPort": 90}]}
    web["spec"]["template"]["spec"]["containers"].append(second)
    document = {
        "manifests": [web, service(ports=PORTS, **spec)],
        "duration": "60s",
        "cluster": {"nodes": 2, "lag": CONSTANT},
        "clients": [
            {"name": "c", "to": "service/web", "via": via, "port": port, "rate": "20/s",
             "timeout": {"connect": "1s"}}
        ],
        "events": [{"at": "5s", "rollout": "deployment/web", "set": set_}],
    }  # fmt: skip
    top = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    run = run_replication(top, seed=1, replication=0, keep_requests=True)
    other = run_replication(top, seed=1, replication=0, engine="reference", keep_requests=True)
    assert run.requests is not None
    assert np.array_equal(run.requests, other.requests)
    late = run.requests[(run.requests["arrival_ns"] > 50 * 10**9) & (run.requests["outcome"] > 0)]
    servers = run.control.servers
    at = {
        servers[s].pod.containers[servers[s].container].spec.name if servers[s].container >= 0 else "nobody"
        for s in late["server"].tolist()
        if s >= 0
    }
    ends = {f"{Outcome(o).name} {Cause(c).name}" for o, c in late[["outcome", "cause"]].tolist()}
    return ends, at


@pytest.mark.parametrize(
    ("set_", "port", "container"),
    [
        ({"spec.containers[0].ports": [{"name": "http", "containerPort": 8080}]}, "named", "app"),
        ({"spec.containers[0].ports": [{"name": "http", "containerPort": 8080}]}, "numbered", "nobody"),
        (AWAY, "named", "second"),
        (AWAY, "numbered", "second"),
        ({"spec.containers[0].ports": [OTHER]}, "named", None),
        ({"spec.containers[0].ports": [OTHER]}, "numbered", "nobody"),
        ({"spec.containers": [ALONE]}, "named", "alone"),
    ],
)
@pytest.mark.parametrize("local", [{}, {"type": "NodePort", "externalTrafficPolicy": "Local"}])
def test_where_the_port_leads_after_a_rollout(
    set_: dict, port: str, container: str | None, local: dict
) -> None:
    ends, at = after(set_, port, via="node-port" if local else "cluster-ip", **local)
    assert at == ({container} if container else set())
    if container == "nobody":
        assert ends == {"REFUSED READY_BEFORE_LISTENING"}
    elif container is None:
        assert ends <= {"REFUSED NO_ENDPOINT", "CONNECT_TIMEOUT NO_ENDPOINT"}
    else:
        assert ends == {"OK NONE"}


def test_another_container_has_a_law_of_its_own() -> None:
    """The port moves from a container that takes 1 ms to one that takes 3 ms."""
    web = deployment(1, container={"ports": [HTTP]})
    web["spec"]["template"]["spec"]["containers"].append({"name": "second", "image": "i", "ports": [OTHER]})
    document = {
        "manifests": [web, service(ports=PORTS)],
        "duration": "60s",
        "workloads": {
            "deployment/web/app": {"serviceTime": "1ms"},
            "deployment/web/second": {"serviceTime": "3ms"},
        },
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "port": "named", "rate": "20/s"}],
        "events": [{"at": "5s", "rollout": "deployment/web", "set": AWAY}],
    }
    result = svcsim.simulate(svcsim.parse_scenario(json.dumps(document)), replications=1, keep_requests=True)
    assert result.requests is not None
    answered = result.requests[result.requests["outcome"] == "ok"]
    took = (answered["end_s"] - answered["arrival_s"]).round(6)
    assert took[answered["arrival_s"] < 5].eq(0.001).all()
    assert took[answered["arrival_s"] > 50].eq(0.003).all()


def test_it_is_said_when_a_rollout_leaves_nobody_at_the_port() -> None:
    web = deployment(1, container={"ports": [HTTP]})
    document = {
        "manifests": [web, service()],
        "duration": "60s",
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": "1/s"}],
        "events": [{"at": "5s", "rollout": "deployment/web", "set": {"spec.containers[0].ports": [OTHER]}}],
    }
    top = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    assert top.warnings == [
        "service/web: nothing listens at port 80 in the pods of deployment/web from its rollout at 5s on; "
        "connections to it are refused"
    ]
