"""Sync durations against published points, full syncs of new processes, slow nodes, and eBPF."""

from __future__ import annotations

import json

import numpy as np
import pytest

import svcsim
from svcsim.controlplane.kubeproxy import ProxyLoops
from svcsim.controlplane.sync import (
    COMMIT_SHARE,
    OTHER_POINTS,
    POINTS,
    Point,
    error_of,
    full_factor,
    sync_law,
)
from svcsim.controlplane.topology import Topology
from svcsim.simulation import run_replication
from tests.controlplane.stories import deployment, service

S = 1_000_000_000
SIZES = [(1, 10), (10, 100), (100, 1000), (1000, 10_000), (5000, 50_000), (10_000, 250_000)]


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p.mode} {p.kind} {p.endpoints}")
def test_the_model_goes_through_its_points(point: Point) -> None:
    """Recorded ones by number of Services among them: within 30% is asked for, it is none."""
    assert abs(error_of(point)) < 1e-9


def test_by_how_much_other_points_are_missed() -> None:
    """Other machines, kernels, versions: the misses as they are, so that a better model shows."""
    missed = [round(error_of(point), 1) for point in OTHER_POINTS]
    assert missed == [43.1, -0.6, -0.8, -0.8, -0.7, -1.0]


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
@pytest.mark.parametrize("kind", ["partial", "full"])
def test_durations_grow_with_the_cluster(mode: str, kind: str) -> None:
    from svcsim.controlplane.sync import sync_seconds  # noqa: PLC0415

    found = [sync_seconds(mode, kind, *size) for size in SIZES]  # type: ignore[arg-type]
    assert found == sorted(found)


def test_ipvs_has_one_kind_of_sync() -> None:
    """Every sync looks at everything; some times as long for ten thousand times the Services."""
    found = [sync_law("ipvs", *size).quantile1_ns(0.5) for size in SIZES]
    assert found == sorted(found)
    assert found[-1] < 50 * found[0]
    assert full_factor("ipvs", 1000, 10_000) == 1


def test_a_law_is_that_of_the_commit() -> None:
    law = sync_law("nftables", 1000, 10_000)
    assert law.quantile1_ns(0.5) / 1e9 == pytest.approx(0.4463 * COMMIT_SHARE)
    assert full_factor("iptables", 1000, 10_000) == pytest.approx(8.24 / 0.1824)
    assert full_factor("cilium", 1000, 10_000) == 1


def test_the_first_sync_of_a_new_process_is_full() -> None:
    """Stopped from 1 to 5 s, changes at 2 and 20 s; partial syncs of 0.1 s, full ones three times that."""
    loops = ProxyLoops(n_nodes=1, kubernetes_minor=36, min_sync_ns=S, outages=[[(S, 5 * S)]], full_factor=3.0)
    arrivals = np.array([[2 * S, 20 * S]], dtype=np.int64)
    starts, commits = loops.advance(60 * S, arrivals, np.full((1, 2), S // 10, dtype=np.int64), 0)
    assert ((commits - starts) / S).tolist() == [[0.3, 0.1]]


def run(cluster: dict, *, client: dict | None = None, events: list[dict] | None = None):
    document = {
        "manifests": [deployment(6), service()],
        "duration": "60s",
        "cluster": cluster,
        "clients": [
            {"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 200, **(client or {})},
        ],
        "events": events or [{"at": "5s", "rollout": "deployment/web"}],
    }
    topology = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    return [
        run_replication(topology, seed=1, replication=0, engine=engine, keep_requests=True)
        for engine in ("reference", "vectorised")
    ]


def programming(one) -> np.ndarray:
    """Seconds from a write to its commit, int64 (n_changes, n_proxies), of those that were committed."""
    adopted = one.control.slice_adoptions
    written = np.array([change.write_ns for change in one.control.changes])[: len(adopted.committed)]
    return np.where(adopted.committed >= 0, (adopted.committed - written[:, None]) / S, np.nan)


def test_other_services_make_syncs_longer() -> None:
    few = programming(run({"nodes": 3})[1])
    many = programming(run({"nodes": 3, "otherServices": {"count": 5000, "endpoints": 20}})[1])
    assert np.nanmedian(many) > np.nanmedian(few) + 1


def test_one_slow_node_lags_behind_the_others() -> None:
    nodes = [{"name": "a"}, {"name": "b", "proxySlowdown": 30}, {"name": "c"}]
    lag = np.nanmedian(programming(run({"nodes": nodes})[1]), axis=0)
    assert lag[1] > lag[0] + 0.3
    assert abs(lag[0] - lag[2]) < 0.3


def test_cilium_programs_at_once_and_refuses_without_a_limit() -> None:
    """No minSyncPeriod: a change is in the maps within its own lag; the program writes ICMP itself."""
    both = run({"nodes": 3, "kubeProxy": {"mode": "cilium"}})
    assert (both[0].requests == both[1].requests).all()
    slow = programming(run({"nodes": 3})[1])
    assert np.nanquantile(programming(both[1]), 0.9) < 0.4 < np.nanquantile(slow, 0.9)
    gone = [{"at": "5s", "scale": "deployment/web", "replicas": 0}]
    for mode, refused in (("iptables", False), ("cilium", True)):
        records = run({"nodes": 1, "kubeProxy": {"mode": mode}}, events=gone)[1].requests
        late = records[records["arrival_ns"] > 20 * S]
        assert (late["outcome"] == 2).all() == refused
