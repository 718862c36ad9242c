"""The resolved records of a scenario's cluster, applications and clients; nanoseconds and counts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from svcsim.distributions import Distribution
from svcsim.kube.keys import ObjectKey
from svcsim.scenario.defaults import default, default_law, default_ns

__all__ = [
    "ARRIVALS",
    "MAX_NODES",
    "MAX_RATE_PER_S",
    "MAX_SOURCES",
    "NOT_YET_VIA",
    "ON_SIGTERM",
    "RESOLVES",
    "VIAS",
    "Client",
    "Cluster",
    "KubeProxy",
    "Node",
    "VanishedIP",
    "WorkloadBehaviour",
    "named_nodes",
]

Via = Literal["loopback", "pod-ip", "cluster-ip"]
Resolve = Literal["once", "on-failure", "watch", "every"]
Arrivals = Literal["poisson", "constant"]
OnSigterm = Literal["exit", "drain", "ignore", "lameDuck"]
QueueFull = Literal["reject", "drop"]

VIAS: Final[tuple[Via, ...]] = ("loopback", "pod-ip", "cluster-ip")
NOT_YET_VIA: Final = ("headless", "node-port", "load-balancer", "external-name", "ingress")
RESOLVES: Final[tuple[Resolve, ...]] = ("once", "on-failure", "watch", "every")
ARRIVALS: Final[tuple[Arrivals, ...]] = ("poisson", "constant")
ON_SIGTERM: Final[tuple[OnSigterm, ...]] = ("exit", "drain", "ignore", "lameDuck")

MAX_NODES: Final = 15_000
MAX_SOURCES: Final = 100_000
MAX_RATE_PER_S: Final = 1e8


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node; `cpu` in cores, None when nothing says."""

    name: str
    zone: str | None = None
    pods_limit: int = default("cluster.nodes.pods")
    unschedulable: bool = False
    cpu: Fraction | None = None


def named_nodes(count: int) -> tuple[Node, ...]:
    """Return nodes node-1 to node-N.

    >>> [node.name for node in named_nodes(2)]
    ['node-1', 'node-2']
    """
    return tuple(Node(name=f"node-{i}") for i in range(1, count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeProxy:
    """kube-proxy's settings, the same on every node."""

    mode: Literal["iptables", "nftables"] = default("cluster.kubeProxy.mode")
    min_sync_period_ns: int = default_ns("cluster.kubeProxy.minSyncPeriod")
    sync_period_ns: int = default_ns("cluster.kubeProxy.syncPeriod")


@dataclass(frozen=True, slots=True, kw_only=True)
class VanishedIP:
    """What becomes of a pod's address once the pod is gone; `reuse_after_ns` is None for never."""

    then: Literal["unreachable", "blackhole"] = default("cluster.vanishedIP.then")
    after_ns: int = default_ns("cluster.vanishedIP.after")
    reuse_after_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that the manifests run in."""

    kubernetes_minor: int = int(default("cluster.kubernetes").split(".")[1])
    nodes: tuple[Node, ...] = named_nodes(default("cluster.nodes"))
    kube_proxy: KubeProxy = KubeProxy()
    pod_network: Literal["overlay", "routed"] = default("cluster.podNetwork")
    vanished_ip: VanishedIP = VanishedIP()
    kernel: tuple[int, int] = (6, 8)


def _law(key: str) -> Distribution:
    law = default_law(key)
    assert law is not None
    return law


_STARTUP = _law("workloads.startup")
_SERVICE_TIME = _law("workloads.serviceTime")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadBehaviour:
    """What no manifest says about a container.

    `concurrency` and `queue` are None for unlimited; `lame_duck_ns` means something only for `lameDuck`;
    `pre_stop_ns` is how long a hook runs whose length the manifest does not tell; `age_ns` is the age of
    its pods at t = 0, None for what their status says.
    """

    startup: Distribution = _STARTUP
    service_time: Distribution = _SERVICE_TIME
    concurrency: int | None = default("workloads.concurrency")
    queue: int | None = default("workloads.queue")
    queue_full: QueueFull = default("workloads.queue.full")
    on_sigterm: OnSigterm = default("workloads.onSigterm")
    lame_duck_ns: int = 0
    pre_stop_ns: int | None = default("workloads.preStop")
    age_ns: int | None = default("workloads.age")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who connects, to what, by which way.

    `resolve` is None unless `via` is pod-ip; timeouts are None for no limit; `origin` is nodes, outside,
    node:NAME or zone:NAME.
    """

    name: str
    to: ObjectKey
    via: Via
    rate_per_s: float
    port: str | int | None = None
    resolve: Resolve | None = None
    resolve_every_ns: int | None = None
    arrivals: Arrivals = default("clients.arrivals")
    connect_timeout_ns: int | None = default_ns("clients.timeout.connect")
    request_timeout_ns: int | None = default_ns("clients.timeout.request")
    origin: str = default("clients.from")
    sources: int = 1
    host_network: bool = default("clients.hostNetwork")
