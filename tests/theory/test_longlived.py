"""Where connections end up, simulated through the engine and held to closed forms (theory 4.1)."""

from __future__ import annotations

import json
from math import sqrt
from typing import Any

import numpy as np
import pytest

from svcsim import parse_scenario, theory
from svcsim.distributions import Gamma
from svcsim.simulation import run_replication
from tests.theory.judge import SEED, agrees
from tests.theory.worlds import SERVICE, ZERO, Topology, balanced_servers

QUIET = {**ZERO, "load": {"constant": 1}}


def deployment(
    pods: int,
    client: dict[str, Any],
    events: list,
    *,
    duration_s: float,
    surge: bool = False,
    startup_s: int = 0,
) -> Topology:
    """Pods of one Deployment that are listed at once, leave two seconds after their list, and one client."""
    container = {
        "name": "app",
        "image": "i",
        "ports": [{"containerPort": 80}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
    }
    spec = {
        "replicas": pods,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"rollingUpdate": {"maxSurge": int(surge), "maxUnavailable": int(not surge)}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
    }
    document = {
        "manifests": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
            SERVICE,
        ],
        "duration": f"{duration_s}s",
        "cluster": {
            "nodes": 1,
            "kubeProxy": {"mode": "nftables", "minSyncPeriod": "0s"},
            "endpointSlice": {"batchPeriod": "100ms"},
            "lag": QUIET,
        },
        "workloads": {
            "deployment/web": {"startup": f"{startup_s}s", "serviceTime": "0s", "onSigterm": "drain"}
        },
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", **client}],
        "events": events,
    }
    return Topology.of(parse_scenario(json.dumps(document)))


def held_at(requests: np.ndarray, sources: int, t_s: float) -> np.ndarray:
    """The server of each source's last request before an instant; every source has had one."""
    before = requests[requests["arrival_ns"] < t_s * 1e9]
    order = np.argsort(before["arrival_ns"], kind="stable")
    held = np.full(sources, -1, dtype=np.int64)
    held[before["source"][order]] = before["server"][order]
    assert (held >= 0).all()
    return held


@pytest.mark.parametrize("uses", [1, 4])
def test_old_pods_after_a_scale_out(uses: int) -> None:
    """Five to ten pods: 1 + (m/n - 1)(1 - F_e(t)), of lives of `uses` Poisson gaps, D = 1 s on average.

    With one use lives are exponential: 2, 1.7788, 1.6065, 1.3679 and 1.1353 at 0 to 2 D.
    """
    sources, at_s = 200, 20.0
    life = Gamma(1.0, float(uses))
    world = deployment(
        5,
        {"channel": {"maxRequests": uses}, "sources": sources, "rate": uses * sources},
        [{"at": f"{at_s}s", "scale": "deployment/web", "replicas": 10}],
        duration_s=at_s + 4,
    )
    times = (0.0, 0.25, 0.5, 1.0, 2.0)
    loads: dict[float, list[float]] = {t: [] for t in times}
    for k in range(20):
        run = run_replication(world, seed=SEED, replication=k, keep_requests=True)
        assert run.requests is not None
        # the first to be sent to a new pod is at most some milliseconds after the list
        new = run.requests["arrival_ns"][run.requests["server"] >= 5].min() / 1e9
        assert at_s < new < at_s + 0.2
        for t in times:
            held = held_at(run.requests, sources, new + t)
            loads[t].append(float((held < 5).mean()) * 10 / 5)
    for t in times:
        expected = theory.scale_out_imbalance(5, 10, life, t)
        if t == 0:
            assert set(loads[t]) == {2.0}
        else:
            agrees(np.array(loads[t]), expected)


@pytest.mark.parametrize("surge", [False, True])
@pytest.mark.parametrize("pods", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_loads_after_a_rolling_restart(pods: int, surge: bool) -> None:
    """r^n - r^i, or (1 + 1/n)^n - (1 + 1/n)^(i - 1), of the mean at the i-th restarted pod."""
    sources, duration_s = 200, 12.0 * (pods + 1)
    client = {"channel": True, "sources": sources, "rate": 2 * sources}
    events = [{"at": "4s", "rollout": "deployment/web"}]
    world = deployment(pods, client, events, duration_s=duration_s, surge=surge, startup_s=8)
    loads = []
    for k in range(24):
        run = run_replication(world, seed=SEED, replication=k, keep_requests=True)
        assert run.requests is not None
        held = held_at(run.requests, sources, duration_s)
        assert held.min() >= pods
        # servers are numbered in the order of creation, which is that of restarting
        loads.append(np.bincount(held - pods, minlength=pods) * pods / sources)
    for found, expected in zip(np.array(loads).T, theory.restart_loads(pods, surge=surge), strict=True):
        if expected == 0:
            assert found.max() == 0
        else:
            agrees(found, expected)


PICKED = {
    # pods, connections: mean and 99th percentile of the largest over the mean, drawn apart from this code
    (3, 30): (1.272, 1.70),
    (3, 300): (1.086, 1.22),
    (10, 100): (1.516, 2.10),
    (10, 1000): (1.156, 1.30),
}


def groups(servers: np.ndarray, pods: int, connections: int) -> np.ndarray:
    """Loads over the mean of successive groups of so many connections: (groups, pods)."""
    whole = servers[: len(servers) // connections * connections].reshape(-1, connections)
    counts = np.array([np.bincount(row, minlength=pods) for row in whole])
    return counts * pods / connections


@pytest.mark.parametrize(("pods", "connections"), list(PICKED))
def test_a_random_pick_is_as_uneven_as_bins(pods: int, connections: int) -> None:
    """CV sqrt((n - 1)/C) of the loads, and the largest of them."""
    servers = balanced_servers(pods=pods, requests=min(2000 * connections, 400_000), seed=SEED)
    loads = groups(servers, pods, connections)
    mean, tail = PICKED[pods, connections]
    agrees(((loads - 1) ** 2).mean(axis=1), (pods - 1) / connections)
    assert theory.random_pick_cv(pods, connections) == pytest.approx(sqrt((pods - 1) / connections))
    largest = loads.max(axis=1)
    # the numbers held to have three decimals
    assert largest.mean() == pytest.approx(mean, abs=0.0005 + 4 * largest.std() / sqrt(len(largest)))
    assert np.quantile(largest, 0.99) == pytest.approx(tail, abs=1.01 * pods / connections)


@pytest.mark.parametrize(("proxies", "mean"), [(1, 1.000), (10, 1.019), (100, 1.060), (1000, 1.144)])
def test_round_robin_of_many_proxies(proxies: int, mean: float) -> None:
    """Ten pods, a thousand connections, each proxy in turns from a start of its own; random: 1.156."""
    servers = balanced_servers(
        pods=10,
        requests=300_000,
        seed=SEED,
        client={"via": "ingress", "balance": "round-robin", "sources": proxies, "retry": 0},
    )
    largest = groups(servers, 10, 1000).max(axis=1)
    assert largest.mean() == pytest.approx(mean, abs=0.0015 + 4 * largest.std() / sqrt(len(largest)))


def test_every_endpoint_gets_the_same_share_of_the_rules() -> None:
    """kube-proxy's chain leaks nothing and prefers none: 1/n each, within four standard errors."""
    servers = balanced_servers(pods=7, requests=700_000, seed=SEED)
    shares = np.bincount(servers, minlength=7) / len(servers)
    assert np.abs(shares - np.array(theory.iptables_shares(7))).max() < 4 * sqrt(6 / 49 / len(servers))
