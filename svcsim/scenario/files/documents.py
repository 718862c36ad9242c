"""Resolved records back to the plain values that a scenario file would hold."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from svcsim.clock import format_duration
from svcsim.distributions import Distribution
from svcsim.errors import ScenarioError
from svcsim.kube.keys import CLUSTER_SCOPED, ObjectKey
from svcsim.scenario.defaults import default_law
from svcsim.scenario.events import (
    Crash,
    Delete,
    Event,
    Kill,
    NodeEvent,
    Partition,
    PauseController,
    Rate,
    RemoveNode,
    Reselect,
    Rollout,
    Scale,
    Unready,
    Upgrade,
    Weights,
)
from svcsim.scenario.files.loaddocuments import load_document
from svcsim.scenario.model import (
    Client,
    Cluster,
    Conntrack,
    Dns,
    KeepAlive,
    KubeProxy,
    LoadBalancer,
    Node,
    Retry,
    VanishedIP,
    WarmUp,
    WorkloadBehaviour,
)

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = [
    "behaviour_document",
    "client_document",
    "cluster_document",
    "event_document",
    "kube_proxy_document",
    "lag_document",
    "nodes_document",
    "scenario_document",
]


def _key(key: ObjectKey) -> str:
    name = f"{key.kind.lower()}/{key.name}"
    return name if key.kind in CLUSTER_SCOPED else f"{key.namespace}/{name}"


def _limit(ns: int | None) -> str:
    return "none" if ns is None else format_duration(ns)


def _cores(cpu: Fraction) -> str:
    milli = cpu * 1000
    if milli.denominator == 1:
        return f"{milli.numerator}m"
    return f"{(cpu * 10**9).numerator}n" if (cpu * 10**9).denominator == 1 else str(float(cpu))


def _node(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"name": node.name}
    if node.zone is not None:
        found["zone"] = node.zone
    if node.cpu is not None:
        found["cpu"] = _cores(node.cpu)
    found["pods"] = node.pods_limit
    if node.unschedulable:
        found["unschedulable"] = True
    if node.proxy_slowdown != 1:
        found["proxySlowdown"] = node.proxy_slowdown
    return found


def nodes_document(nodes: tuple[Node, ...]) -> list[dict[str, Any]]:
    """Return nodes as `cluster.nodes` lists them."""
    return [_node(node) for node in nodes]


def kube_proxy_document(proxy: KubeProxy) -> dict[str, Any]:
    """Return kube-proxy's settings as `cluster.kubeProxy` has them."""
    found = {
        "mode": proxy.mode,
        "minSyncPeriod": format_duration(proxy.min_sync_period_ns),
        "syncPeriod": format_duration(proxy.sync_period_ns),
    }
    if proxy.mode == "ipvs":
        found["ipvsScheduler"] = proxy.ipvs_scheduler
    elif proxy.lb_algorithm != KubeProxy().lb_algorithm:
        found["lbAlgorithm"] = proxy.lb_algorithm
    return found


def _vanished_ip_document(vanished: VanishedIP) -> dict[str, Any]:
    after = vanished.reuse_after_ns
    reuse = "never" if after is None else {"after": format_duration(after)}
    return {"then": vanished.then, "after": format_duration(vanished.after_ns), "reuse": reuse}


def _load_balancer_document(balancer: LoadBalancer) -> dict[str, Any]:
    found: dict[str, Any] = {"preset": balancer.preset, "targets": balancer.targets}
    if balancer.check is not None:
        found["check"] = balancer.check
    if balancer.interval_ns is not None:
        found["interval"] = format_duration(balancer.interval_ns)
    if balancer.unhealthy_after is not None:
        found["unhealthyAfter"] = balancer.unhealthy_after
    if balancer.healthy_after is not None:
        found["healthyAfter"] = balancer.healthy_after
    return found


def _dns_document(dns: Dns) -> dict[str, Any]:
    found = {"ttl": format_duration(dns.ttl_ns), "cache": format_duration(dns.cache_ns)}
    if dns.negative_ns is not None:
        found["negative"] = format_duration(dns.negative_ns)
    return found


def _conntrack_document(tables: Conntrack) -> dict[str, Any]:
    found: dict[str, Any] = {
        "udp": format_duration(tables.udp_ns),
        "udpStream": format_duration(tables.udp_stream_ns),
        "cleanup": tables.cleanup,
    }
    if tables.most is not None:
        found["max"] = tables.most
    return found


def cluster_document(cluster: Cluster) -> dict[str, Any]:
    """Return a cluster as `cluster` has it, without its lag."""
    found = {
        "kubernetes": f"1.{cluster.kubernetes_minor}",
        "nodes": nodes_document(cluster.nodes),
        "kubeProxy": kube_proxy_document(cluster.kube_proxy),
        "podNetwork": cluster.pod_network,
        "vanishedIP": _vanished_ip_document(cluster.vanished_ip),
        "kernel": ".".join(map(str, cluster.kernel)),
    }
    usual = Cluster()
    own = (cluster.max_endpoints_per_slice, cluster.slice_batch_period_ns)
    if own != (usual.max_endpoints_per_slice, usual.slice_batch_period_ns):
        found["endpointSlice"] = {"maxEndpoints": own[0], "batchPeriod": format_duration(own[1])}
    if cluster.other_services:
        found["otherServices"] = {
            "count": cluster.other_services,
            "endpoints": cluster.endpoints_per_other,
        }
    if cluster.load_balancer != usual.load_balancer:
        found["loadBalancer"] = _load_balancer_document(cluster.load_balancer)
    if cluster.dns != usual.dns:
        found["dns"] = _dns_document(cluster.dns)
    if cluster.conntrack != usual.conntrack:
        found["conntrack"] = _conntrack_document(cluster.conntrack)
    if cluster.node_monitor_grace_period_ns is not None:
        found["nodeMonitorGracePeriod"] = format_duration(cluster.node_monitor_grace_period_ns)
    return found


def lag_document(lag: Mapping[str, Distribution | None]) -> dict[str, Any]:
    """Return the stages whose distribution is not the default, as `cluster.lag` has them."""
    return {
        key: law.spec() for key, law in lag.items() if law is not None and law != default_law(f"lag.{key}")
    }


def behaviour_document(behaviour: WorkloadBehaviour) -> dict[str, Any]:
    """Return a behaviour as an entry of `workloads` has it."""
    found: dict[str, Any] = {
        "startup": behaviour.startup.spec(),
        "serviceTime": behaviour.service_time.spec(),
    }
    if behaviour.concurrency is not None:
        found["concurrency"] = behaviour.concurrency
    if behaviour.queue is not None:
        found["queue"] = {"places": behaviour.queue, "full": behaviour.queue_full}
    lame = behaviour.on_sigterm == "lameDuck"
    found["onSigterm"] = (
        {"lameDuck": format_duration(behaviour.lame_duck_ns)} if lame else behaviour.on_sigterm
    )
    if behaviour.pre_stop_ns is not None:
        found["preStop"] = format_duration(behaviour.pre_stop_ns)
    usual = WorkloadBehaviour()
    used = {name: getattr(behaviour, f"cpu_{name}") for name in ("idle", "busy", "startup")}
    if any(amount != getattr(usual, f"cpu_{name}") for name, amount in used.items()):
        found["cpu"] = {name: _cores(amount) for name, amount in used.items()}
    if behaviour.age_ns is not None:
        found["age"] = format_duration(behaviour.age_ns)
    if (behaviour.probe_time, behaviour.probe_competes) != (usual.probe_time, usual.probe_competes):
        found["probe"] = {"time": behaviour.probe_time.spec(), "competes": behaviour.probe_competes}
    if behaviour.keep_alive_ns is not None:
        found["keepAlive"] = format_duration(behaviour.keep_alive_ns)
    if behaviour.discipline != usual.discipline:
        found["discipline"] = behaviour.discipline
    if behaviour.warm_up is not None:
        found["warmUp"] = _warm_up_document(behaviour.warm_up)
    if behaviour.readiness_gate != default_law("workloads.readinessGate"):
        found["readinessGate"] = behaviour.readiness_gate.spec()
    return found


def _warm_up_document(warm_up: WarmUp) -> dict[str, Any]:
    """Return `warmUp` as an entry of `workloads` has it."""
    slowdown = warm_up.slowdown_permille
    return {
        "length": format_duration(warm_up.length_ns),
        "slowdown": slowdown // 1000 if slowdown % 1000 == 0 else slowdown / 1000,
        "shape": warm_up.shape,
    }


def _keep_alive_document(kept: KeepAlive) -> tuple[str, dict[str, Any]]:
    found: dict[str, Any] = {"hears": format_duration(kept.hears_ns)}
    if kept.max_age_ns is not None:
        found |= {"maxAge": format_duration(kept.max_age_ns), "ageJitter": kept.age_jitter}
    if kept.max_requests is not None:
        found["maxRequests"] = kept.max_requests
    if kept.channel:
        return "channel", found
    return "keepAlive", {**found, "idle": _limit(kept.idle_ns), "maxIdle": kept.max_idle}


def _retry_document(retry: Retry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "times": retry.times,
        "outcomes": list(retry.outcomes),
        "backoff": format_duration(retry.backoff_ns),
        "maxBackoff": format_duration(retry.backoff_max_ns),
        "jitter": retry.jitter,
        "excludeTried": retry.exclude_tried,
    }
    if retry.budget_share is not None:
        found["budget"] = {"share": retry.budget_share, "burst": retry.budget_burst}
    return found


def client_document(client: Client) -> dict[str, Any]:
    """Return a client as an entry of `clients` has it."""
    found: dict[str, Any] = {
        "name": client.name,
        "to": _key(client.to),
        "via": client.via,
        **load_document(client),
    }
    if client.port is not None:
        found["port"] = client.port
    if client.resolve == "every":
        found["resolve"] = {"every": format_duration(client.resolve_every_ns or 0)}
    elif client.resolve is not None:
        found["resolve"] = client.resolve
    if client.min_resolution_ns:
        found["minResolution"] = format_duration(client.min_resolution_ns)
    if client.pick is not None:
        found["pick"] = client.pick
    if client.entry is not None:
        found["entry"] = client.entry
    if client.balance is not None:
        found["balance"] = client.balance
    if client.retry is not None:
        found["retry"] = _retry_document(client.retry)
    elif client.via == "ingress":
        found["retry"] = 0
    if client.keep_alive is not None:
        key, value = _keep_alive_document(client.keep_alive)
        found[key] = value
    if client.eject is not None:
        found["eject"] = {"after": client.eject.after, "for": format_duration(client.eject.for_ns)}
    if client.protocol == "udp":
        found |= {"protocol": "udp", "sockets": client.sockets}
        found["timeout"] = _limit(client.request_timeout_ns)
    else:
        found["timeout"] = {
            "connect": _limit(client.connect_timeout_ns),
            "request": _limit(client.request_timeout_ns),
        }
    if client.ports is not None:
        found["ports"] = client.ports
    found["from"] = client.origin
    found["sources"] = client.sources
    found["hostNetwork"] = client.host_network
    return found


def event_document(event: Event) -> dict[str, Any]:
    """Return an event as an entry of `events` has it."""
    found: dict[str, Any] = {"at": format_duration(event.at_ns)}
    if isinstance(event, Rate):
        return found | {"rate": event.client, "value": event.rate_per_s}
    if isinstance(event, NodeEvent):
        found[event.kind] = event.node
        if isinstance(event, Partition) and event.for_ns is not None:
            found["for"] = format_duration(event.for_ns)
        if isinstance(event, RemoveNode):
            found["wait"] = format_duration(event.wait_ns)
        return found
    if isinstance(event, Reselect):
        return found | {"selector": _key(event.target), "labels": dict(event.labels)}
    if isinstance(event, Weights):
        return found | {"weights": _key(event.target), "backends": dict(event.backends)}
    if isinstance(event, Upgrade):
        return found | {
            "upgrade": event.scope,
            "count": event.count,
            "for": format_duration(event.for_ns),
        }
    if isinstance(event, PauseController):
        return found | {"pauseController": event.controller, "for": format_duration(event.for_ns)}
    assert isinstance(event, Rollout | Scale | Delete | Crash | Kill | Unready)
    found[event.kind] = _key(event.target)
    if isinstance(event, Rollout):
        if event.template is not None and not event.set:
            raise ScenarioError(
                f"the rollout of {event.target} has a template but no fields it is made of, so it cannot be "
                "written; say what changes with set"
            )
        return found | ({"set": dict(event.set)} if event.set else {})
    if isinstance(event, Scale):
        return found | {"replicas": event.replicas}
    found["count"] = event.count
    return found | ({"for": format_duration(event.for_ns)} if isinstance(event, Unready) else {})


def scenario_document(scenario: Scenario) -> dict[str, Any]:
    """Return a whole scenario as a file has it, but for its manifests."""
    found: dict[str, Any] = {"name": scenario.name, "duration": format_duration(scenario.duration_ns)}
    found["cluster"] = cluster_document(scenario.cluster)
    lag = lag_document(scenario.lag)
    if lag:
        found["cluster"]["lag"] = lag
    behaviours = {_key(key): behaviour_document(one) for key, one in scenario.workloads.items()}
    for (key, container), one in scenario.containers.items():
        behaviours[f"{_key(key)}/{container}"] = behaviour_document(one)
    if behaviours:
        found["workloads"] = behaviours
    found["clients"] = [client_document(client) for client in scenario.clients]
    if scenario.events:
        found["events"] = [event_document(event) for event in scenario.events]
    return found
