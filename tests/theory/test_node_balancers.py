"""Nodes that choose by a scheduler, against queueing theory: turns, many nodes' turns, Maglev's shares."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from svcsim import Scenario, parse_scenario, theory
from svcsim.dataplane.contract import Outcome
from tests.theory.judge import SEED, agrees, relative_error
from tests.theory.worlds import requests_of

UNIT_S = 0.001  # one service time
BATCHES = 40


def crowd(pods: int, rho: float, proxy: dict, *, nodes: int = 1, requests: float = 4e5) -> Scenario:
    """Pods of one worker with exponential service, called from so many nodes; nothing else happens."""
    port = {"name": "app", "image": "i", "ports": [{"containerPort": 80}]}
    document: dict[str, Any] = {
        "manifests": [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web"},
                "spec": {
                    "replicas": pods,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [port]}},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        ],
        "duration": f"{requests * UNIT_S / (rho * pods):.3f}s",
        "cluster": {"nodes": nodes, "kubeProxy": proxy},
        "workloads": {
            "deployment/web": {"serviceTime": {"exponential": {"mean": f"{UNIT_S}s"}}, "concurrency": 1}
        },
        "clients": [
            {
                "name": "c",
                "to": "service/web",
                "via": "node-port",
                "from": "outside",
                "sources": nodes,
                "rate": rho * pods / UNIT_S,
                "timeout": {"connect": "none", "request": "none"},
            }
        ],
    }
    return parse_scenario(json.dumps(document))


def responses(scenario: Scenario) -> np.ndarray:
    """Batches of responses in order, in service times: (BATCHES, size); the first is dropped as warm-up."""
    records = requests_of(scenario, seed=SEED)
    good = records[records["outcome"] == int(Outcome.OK)]
    latencies = (good["end_ns"] - good["arrival_ns"]) / (UNIT_S * 1e9)
    size = len(latencies) // (BATCHES + 1)
    return latencies[size : size * (BATCHES + 1)].reshape(BATCHES, size)


@pytest.mark.parametrize("pods", [3, 10])
def test_the_turns_of_one_node_are_a_queue_of_erlang_gaps(pods: int) -> None:
    """E_n/M/1 at each pod; response exponential."""
    found = responses(crowd(pods, 0.7, {"mode": "ipvs"}))
    agrees(found.mean(axis=1), theory.ekm1_mean_wait(pods, 0.7, 1.0) + 1.0)
    agrees(np.quantile(found, 0.99, axis=1), theory.ekm1_response_quantile(pods, 0.7, 1.0, 0.99))
    assert relative_error(found.mean(axis=1)) <= 0.01


@pytest.mark.slow
def test_many_nodes_with_a_turn_each_are_as_good_as_chance() -> None:
    """1, 3 and 60 nodes before 10 pods: from E_10/M/1 to M/M/1, as the turns know nothing of each other."""
    one, three, many = (
        responses(crowd(10, 0.7, {"mode": "ipvs"}, nodes=nodes)).mean() for nodes in (1, 3, 60)
    )
    chance = theory.mm1_mean_response(0.7, 1.0)
    assert one < 0.65 * chance
    assert 1.05 * one < three < 0.95 * many
    assert many == pytest.approx(chance, rel=0.1)


@pytest.mark.parametrize(
    "proxy", [{"mode": "ipvs", "ipvsScheduler": "mh"}, {"mode": "cilium", "lbAlgorithm": "maglev"}]
)
def test_maglev_gives_every_pod_its_share(proxy: dict) -> None:
    """Independent hashes: M/M/1 at each pod, whose share is 1 / n to an entry of the table."""
    scenario = crowd(10, 0.6, proxy, requests=2e5)
    agrees(responses(scenario).mean(axis=1), theory.mm1_mean_response(0.6, 1.0))
    counts = np.bincount(requests_of(scenario, seed=SEED)["server"], minlength=10)
    share = counts / counts.sum()
    assert np.abs(share - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / counts.sum()) + 1 / 4093
