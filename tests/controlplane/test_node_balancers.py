"""Scenarios in which nodes choose: modes ipvs and cilium, their settings, policies, and the load."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import svcsim
from svcsim import ScenarioError
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Cause, Outcome, Scheduler
from svcsim.simulation import run_replication
from tests.controlplane.stories import deployment, service


def world(
    proxy: dict, *clients: dict, replicas: int = 4, spec: dict | None = None, **more: Any
) -> svcsim.Scenario:
    document = {
        "manifests": [deployment(replicas), service(**(spec or {}))],
        "duration": "30s",
        "cluster": {"nodes": 2, "kubeProxy": proxy},
        "clients": [
            {"name": f"c{k}", "to": "service/web", "via": "cluster-ip", "rate": 100, **client}
            for k, client in enumerate(clients or ({},))
        ],
        **more,
    }
    return svcsim.parse_scenario(json.dumps(document))


def ran(scenario: svcsim.Scenario, engine: str = "vectorised"):
    return run_replication(
        Topology.of(scenario), seed=1, replication=0, engine=engine, keep_requests=True
    ).requests


IPVS = {"mode": "ipvs"}


@pytest.mark.parametrize(
    ("written", "meant", "plan"),
    [
        (None, "rr", Scheduler.ROUND_ROBIN),
        ("rr", "rr", Scheduler.ROUND_ROBIN),
        ("wrr", "rr", Scheduler.ROUND_ROBIN),
        ("lc", "lc", Scheduler.LEAST),
        ("wlc", "lc", Scheduler.LEAST),
        ("sh", "sh", Scheduler.SOURCE_HASH),
        ("mh", "mh", Scheduler.MAGLEV),
    ],
)
def test_schedulers_by_name(written: str | None, meant: str, plan: Scheduler) -> None:
    scenario = world(IPVS if written is None else {**IPVS, "ipvsScheduler": written})
    assert scenario.cluster.kube_proxy.ipvs_scheduler == meant
    assert scenario.cluster.kube_proxy.min_sync_period_ns == 0
    assert run_replication(Topology.of(scenario), seed=1, replication=0).plan.clients[0].scheduler is plan


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dh", "goes by the address called, .*; available: rr, lc, sh, mh, wrr, wlc"),
        ("lblc", "goes by the address called"),
        ("lblcr", "goes by the address called"),
        ("sed", "estimates delays"),
        ("nq", "estimates delays"),
        ("round-robin", "must be one of rr, lc, sh, mh, wrr, wlc"),
    ],
)
def test_schedulers_that_are_not_simulated(name: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=f"cluster.kubeProxy.ipvsScheduler = .{name}. {says}"):
        world({**IPVS, "ipvsScheduler": name})


def test_what_means_nothing_is_said() -> None:
    for proxy, client, says in (
        ({"ipvsScheduler": "lc"}, {}, "ipvsScheduler = lc means nothing with mode iptables"),
        ({"mode": "ipvs", "lbAlgorithm": "maglev"}, {}, "lbAlgorithm = maglev means nothing with mode ipvs"),
        ({"mode": "cilium", "lbAlgorithm": "maglev"}, {}, "maglev is for what comes from outside; no client"),
        ({**IPVS, "ipvsScheduler": "wrr"}, {}, "ipvsScheduler = wrr is run as rr"),
        (IPVS, {"retry": {"times": 1, "excludeTried": True}}, "excludeTried means nothing where the node"),
        (
            {**IPVS, "ipvsScheduler": "lc"},
            {"keepAlive": {}},
            "not the idle connections that the client keeps",
        ),
    ):
        assert any(says in warning for warning in world(proxy, client).warnings), says
    sticky = {
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
    }
    assert any("session affinity of 60 s ends" in w for w in world(IPVS, spec=sticky).warnings)
    assert not world(IPVS, spec={"sessionAffinity": "ClientIP"}).warnings


def test_a_settings_file_has_its_scheduler(tmp_path: Any) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("kind: KubeProxyConfiguration\nmode: ipvs\nipvs: {scheduler: mh, minSyncPeriod: 5s}\n")
    proxy = world(str(path)).cluster.kube_proxy  # type: ignore[arg-type]
    assert (proxy.mode, proxy.ipvs_scheduler, proxy.min_sync_period_ns) == ("ipvs", "mh", 5_000_000_000)


def test_scenarios_are_written_and_read_back() -> None:
    for proxy in ({**IPVS, "ipvsScheduler": "sh"}, {"mode": "cilium", "lbAlgorithm": "maglev"}):
        once = world(proxy)
        again = svcsim.parse_scenario(once.to_yaml(self_contained=True))
        assert again.cluster == once.cluster
        assert again.strong_id() == once.strong_id()


def test_round_robin_of_one_node_is_exactly_balanced_and_of_random_picks_is_not() -> None:
    """Of n connections every pod has n / 4, to one; of random ones some pod is off by more than ten."""
    off = {}
    for mode in ("ipvs", "iptables"):
        records = ran(world({"mode": mode}, {"from": "node:node-1", "sources": 3}, {"from": "node:node-1"}))
        counts = np.bincount(records["server"], minlength=4)
        off[mode] = counts.max() - counts.min()
    assert off["ipvs"] <= 1
    assert off["iptables"] > 10


def test_each_node_and_each_address_of_a_service_has_a_turn_of_its_own() -> None:
    """Each client alone is balanced to one connection: they don't share a turn."""
    records = ran(
        world(
            IPVS,
            {"from": "node:node-1"},
            {"from": "node:node-2"},
            {"from": "node:node-1", "via": "node-port", "entry": "own"},
            spec={"type": "NodePort"},
        )
    )
    for client in range(3):
        counts = np.bincount(records["server"][records["client"] == client], minlength=4)
        assert counts.max() - counts.min() <= 1, client


LOCAL = {"type": "NodePort", "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
ON_TWO = [{"name": "node-1"}, {"name": "node-2", "unschedulable": True}]


def by_way(mode: str) -> list[set[tuple[str, str]]]:
    """(outcome, cause) of each way to pods that are all on node-1, by way of node-2."""
    records = ran(
        world(
            {"mode": mode},
            {"from": "node:node-2"},
            {"from": "outside", "via": "node-port", "entry": "node:node-2"},
            {"from": "node:node-2", "via": "node-port", "entry": "own"},
            {"from": "outside", "via": "node-port", "entry": "node:node-1"},
            spec=LOCAL,
            cluster={"nodes": ON_TWO, "kubeProxy": {"mode": mode}},
        )
    )
    settled = records[records["arrival_ns"] < 10_000_000_000]
    return [
        {
            (Outcome(int(r["outcome"])).name, Cause(int(r["cause"])).name)
            for r in settled[settled["client"] == client]
        }
        for client in range(4)
    ]


def test_a_node_without_local_endpoints_uses_all_for_its_own_pods_in_ipvs() -> None:
    """From outside it does too, but the answers don't get back: silence, as where they are dropped."""
    good, dropped = {("OK", "NONE")}, {("CONNECT_TIMEOUT", "POLICY_DROP")}
    assert by_way("ipvs") == [good, dropped, good, good]
    assert by_way("iptables") == [dropped, dropped, good, good]


def test_no_endpoint_is_refused_by_the_node() -> None:
    records = ran(world(IPVS, {"hostNetwork": True}, replicas=0))
    assert set(records["outcome"]) == {int(Outcome.REFUSED)}


def test_cilium_goes_by_maglev_for_what_comes_from_outside() -> None:
    """Inside a socket picks when it connects; two nodes entered at give the same client the same shares."""
    scenario = world(
        {"mode": "cilium", "lbAlgorithm": "maglev"},
        {"from": "outside", "via": "node-port", "entry": "any", "sources": 2},
        {"from": "node:node-1", "via": "node-port", "entry": "own"},
        spec={"type": "NodePort"},
    )
    plan = run_replication(Topology.of(scenario), seed=1, replication=0).plan
    assert [client.scheduler for client in plan.clients] == [Scheduler.TUPLE, Scheduler.NONE]


def test_expected_failures_are_right_or_none() -> None:
    for proxy, known in ((IPVS, False), ({"mode": "cilium"}, True), ({**IPVS, "ipvsScheduler": "mh"}, False)):
        row = svcsim.simulate(world(proxy), replications=2).summary.iloc[0]
        assert np.isfinite(row["expected_failures"]) == known


def mean_latency_ms(mode: str, scheduler: str | None) -> float:
    """Of ok requests to eight pods of one worker each, 85% busy, by way of one node."""
    proxy = {"mode": mode, **({} if scheduler is None else {"ipvsScheduler": scheduler})}
    scenario = world(
        proxy,
        {"from": "node:node-1", "rate": 340, "timeout": {"connect": "none", "request": "none"}},
        replicas=8,
        workloads={"deployment/web": {"serviceTime": {"exponential": {"mean": "20ms"}}, "concurrency": 1}},
        duration="120s",
    )
    records = ran(scenario)
    good = records[records["outcome"] == int(Outcome.OK)]
    return float((good["end_ns"] - good["arrival_ns"]).mean() / 1e6)


def test_at_high_load_least_connections_beat_turns_and_turns_beat_chance() -> None:
    """M/M/1 at 85% has 20 / 0.15 = 133 ms; turns smooth arrivals, the fewest open wait least of all."""
    chance, turns, fewest = (
        mean_latency_ms(*one) for one in (("iptables", None), ("ipvs", "rr"), ("ipvs", "lc"))
    )
    assert 100 < chance < 170
    assert fewest < 0.6 * turns < 0.6 * 0.9 * chance


@pytest.mark.parametrize("scheduler", ["rr", "lc", "sh", "mh"])
def test_engines_agree_on_a_rolling_update_behind_a_load_balancer(scheduler: str) -> None:
    scenario = world(
        {**IPVS, "ipvsScheduler": scheduler},
        {"via": "load-balancer", "from": "outside", "rate": 40, "sources": 4, "retry": 1},
        {"rate": 40, "sources": 4, "keepAlive": {"maxRequests": 5}},
        spec={"type": "LoadBalancer", "sessionAffinity": "ClientIP"},
        events=[{"at": "5s", "rollout": "deployment/web"}],
    )
    assert svcsim.crosscheck(scenario, seed=2).requests > 2000
