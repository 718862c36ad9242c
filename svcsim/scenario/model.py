"""The resolved records of a scenario's cluster, applications and clients; nanoseconds and counts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from svcsim.distributions import Distribution
from svcsim.kube.keys import ObjectKey
from svcsim.kube.quantities import parse_quantity
from svcsim.scenario.defaults import default, default_law, default_ns
from svcsim.scenario.load import Bursts, Curve, Loop, Trace

__all__ = [
    "ARRIVALS",
    "BALANCES",
    "EPHEMERAL_PORTS",
    "FROM_OUTSIDE",
    "MAX_CORES",
    "MAX_NODES",
    "MAX_RATE_PER_S",
    "MAX_SHARED_CORES",
    "MAX_SLOWDOWN_PERMILLE",
    "MAX_SOURCES",
    "MAX_TABLE",
    "MAX_WARM_UP_NS",
    "MAY_BE_RETRIED",
    "MIN_TABLE",
    "ON_SIGTERM",
    "PICKS",
    "PORT_VIAS",
    "PRESETS",
    "RESOLVES",
    "RETRIED",
    "RETRIED_UDP",
    "SOCKETS",
    "UDP_VIAS",
    "VIAS",
    "Client",
    "Cluster",
    "Conntrack",
    "Dns",
    "Eject",
    "IpvsScheduler",
    "KeepAlive",
    "KubeProxy",
    "LbAlgorithm",
    "LoadBalancer",
    "Node",
    "Retry",
    "VanishedIP",
    "WarmUp",
    "WorkloadBehaviour",
    "named_nodes",
]

Via = Literal[
    "loopback",
    "pod-ip",
    "headless",
    "cluster-ip",
    "node-port",
    "load-balancer",
    "external-name",
    "ingress",
]
Balance = Literal["random", "round-robin", "least-request", "two-choices", "peak-ewma"]
Pick = Literal["first", "random", "rotate"]
Targets = Literal["nodes", "pods"]
ProxyMode = Literal["iptables", "nftables", "ipvs", "cilium"]
IpvsScheduler = Literal["rr", "lc", "sh", "mh"]
LbAlgorithm = Literal["random", "maglev"]
Check = Literal["healthz", "node-port"]
Resolve = Literal["once", "on-failure", "watch", "every"]
Arrivals = Literal["poisson", "constant"]
Protocol = Literal["tcp", "udp"]
Sockets = Literal["one", "per-request"]
OnSigterm = Literal["exit", "drain", "ignore", "lameDuck"]
QueueFull = Literal["reject", "drop"]
WarmUpShape = Literal["step", "linear"]
Discipline = Literal["fifo", "processor-sharing"]
Concurrency = int | Literal["from-limits"] | None

VIAS: Final[tuple[Via, ...]] = (
    "loopback",
    "pod-ip",
    "headless",
    "cluster-ip",
    "node-port",
    "load-balancer",
    "external-name",
    "ingress",
)
FROM_OUTSIDE: Final[tuple[Via, ...]] = ("node-port", "load-balancer", "ingress")
"""The ways that callers outside the cluster use."""
BALANCES: Final[tuple[Balance, ...]] = ("random", "round-robin", "least-request", "two-choices", "peak-ewma")
RETRIED: Final = ("refused", "unreachable", "connect_timeout", "dns_failure")
"""What is tried again by default: nothing was sent that a pod could have acted on."""
RETRIED_UDP: Final = ("refused", "unreachable", "dns_failure", "request_timeout")
"""The same of a UDP client, which does not learn more than that no answer came."""
MAY_BE_RETRIED: Final = (*RETRIED, "reset", "eof", "request_timeout", "rejected", "misdelivered")
PICKS: Final[tuple[Pick, ...]] = ("first", "random", "rotate")
RESOLVES: Final[tuple[Resolve, ...]] = ("once", "on-failure", "watch", "every")
UDP_VIAS: Final[tuple[Via, ...]] = ("pod-ip", "headless", "cluster-ip", "node-port", "external-name")
"""The ways that UDP clients may take."""
PORT_VIAS: Final[tuple[Via, ...]] = ("cluster-ip", "node-port", "load-balancer", "external-name")
"""The ways to one address and port, for which a source's ports are counted."""
SOCKETS: Final[tuple[Sockets, ...]] = ("one", "per-request")
ARRIVALS: Final[tuple[Arrivals, ...]] = ("poisson", "constant")
ON_SIGTERM: Final[tuple[OnSigterm, ...]] = ("exit", "drain", "ignore", "lameDuck")

MAX_CORES: Final = 100_000
EPHEMERAL_PORTS: Final = 28_232
"""32768 to 60999, Linux net.ipv4.ip_local_port_range."""
MIN_TABLE: Final = 131_072
MAX_TABLE: Final = 1_048_576
"""Entries that kube-proxy and the kernel make room for: 32768 a core, within these bounds."""
MAX_NODES: Final = 15_000
MAX_SHARED_CORES: Final = 1024
MAX_WARM_UP_NS: Final = 3600 * 10**9
MAX_SLOWDOWN_PERMILLE: Final = 1_000_000
MAX_SOURCES: Final = 100_000
MAX_RATE_PER_S: Final = 1e8

_NODES_PODS: Final[int] = default("cluster.nodes.pods")
_KUBE_PROXY_MODE: Final[ProxyMode] = default("cluster.kubeProxy.mode")
_IPVS_SCHEDULER: Final[IpvsScheduler] = default("cluster.kubeProxy.ipvsScheduler")
_LB_ALGORITHM: Final[LbAlgorithm] = default("cluster.kubeProxy.lbAlgorithm")
_KUBE_PROXY_MIN_SYNC_PERIOD: Final[int] = default_ns("cluster.kubeProxy.minSyncPeriod")
_KUBE_PROXY_SYNC_PERIOD: Final[int] = default_ns("cluster.kubeProxy.syncPeriod")
_VANISHED_IP_THEN: Final[Literal["unreachable", "blackhole"]] = default("cluster.vanishedIP.then")
_VANISHED_IP_AFTER: Final[int] = default_ns("cluster.vanishedIP.after")
_POD_NETWORK: Final[Literal["overlay", "routed"]] = default("cluster.podNetwork")
_CONCURRENCY: Final[Concurrency] = default("workloads.concurrency")
_QUEUE: Final[int | None] = default("workloads.queue")
_QUEUE_FULL: Final[QueueFull] = default("workloads.queue.full")
_ON_SIGTERM: Final[OnSigterm] = default("workloads.onSigterm")
_PRE_STOP: Final[int | None] = default("workloads.preStop")
_CPU_IDLE: Final = parse_quantity(default("workloads.cpu.idle"))
_CPU_BUSY: Final = parse_quantity(default("workloads.cpu.busy"))
_CPU_STARTUP: Final = parse_quantity(default("workloads.cpu.startup"))
_AGE: Final[int | None] = default("workloads.age")
_ARRIVALS: Final[Arrivals] = default("clients.arrivals")
_TIMEOUT_CONNECT: Final[int | None] = default_ns("clients.timeout.connect")
_TIMEOUT_REQUEST: Final[int | None] = default_ns("clients.timeout.request")
_PROTOCOL: Final[Protocol] = default("clients.protocol")
_ORIGIN: Final[str] = default("clients.from")
_MAJOR, _MINOR = map(int, default("cluster.kernel").split("."))
_KERNEL: Final[tuple[int, int]] = (_MAJOR, _MINOR)
GRACE_SINCE_MINOR: Final = 32
_BACKOFF: Final[int] = default_ns("clients.retry.backoff")
_BACKOFF_MAX: Final[int] = default_ns("clients.retry.maxBackoff")
_JITTER: Final[bool] = default("clients.retry.jitter")
_EXCLUDE_TRIED: Final[bool] = default("clients.retry.excludeTried")
_BUDGET_BURST: Final[int] = default("clients.retry.budget.burst")
_KEEP_IDLE: Final[int] = default_ns("clients.keepAlive.idle")
_MAX_IDLE: Final[int] = default("clients.keepAlive.maxIdle")
_HEARS: Final[int] = default_ns("clients.keepAlive.hears")
_PRESET: Final[str] = default("cluster.loadBalancer.preset")
_TARGETS: Final[Targets] = default("cluster.loadBalancer.targets")
_HOST_NETWORK: Final[bool] = default("clients.hostNetwork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node; `cpu` in cores, None when nothing says; its kube-proxy takes `proxy_slowdown` times as long."""

    name: str
    zone: str | None = None
    pods_limit: int = _NODES_PODS
    unschedulable: bool = False
    proxy_slowdown: float = float(default("cluster.nodes.proxySlowdown"))
    cpu: Fraction | None = None


def named_nodes(count: int) -> tuple[Node, ...]:
    """Return nodes node-1 to node-N.

    >>> [node.name for node in named_nodes(2)]
    ['node-1', 'node-2']
    """
    return tuple(Node(name=f"node-{i}") for i in range(1, count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeProxy:
    """kube-proxy's settings, the same on every node; `ipvs_scheduler` means something in mode ipvs alone.

    `lb_algorithm` is Cilium's for what comes from outside the cluster, and means something there alone.
    """

    mode: ProxyMode = _KUBE_PROXY_MODE
    min_sync_period_ns: int = _KUBE_PROXY_MIN_SYNC_PERIOD
    sync_period_ns: int = _KUBE_PROXY_SYNC_PERIOD
    ipvs_scheduler: IpvsScheduler = _IPVS_SCHEDULER
    lb_algorithm: LbAlgorithm = _LB_ALGORITHM


@dataclass(frozen=True, slots=True, kw_only=True)
class VanishedIP:
    """What becomes of a pod's address once the pod is gone; `reuse_after_ns` is None for never."""

    then: Literal["unreachable", "blackhole"] = _VANISHED_IP_THEN
    after_ns: int = _VANISHED_IP_AFTER
    reuse_after_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """The cluster's load balancers: what they send to, and how they check it.

    A target is out after `unhealthy_after` failed checks in a row and in again after `healthy_after` good
    ones; `None` stands for what the preset has for the Service's externalTrafficPolicy. `check`: what a
    node answers under policy Cluster, kube-proxy's health or the node port itself; under Local it is
    the Service's healthCheckNodePort.
    """

    preset: str = _PRESET
    targets: Targets = _TARGETS
    check: Check | None = None
    interval_ns: int | None = None
    unhealthy_after: int | None = None
    healthy_after: int | None = None

    def checks(self, local: bool) -> tuple[Check, int, int, int]:
        """(check, interval ns, unhealthy after, healthy after) for a policy.

        >>> LoadBalancer(preset="gce").checks(local=False)
        ('healthz', 8000000000, 3, 1)
        """
        check, cluster, of_local = PRESETS[self.preset]
        seconds, bad, good = of_local if local else cluster
        return (
            self.check or check,
            self.interval_ns or seconds * 10**9,
            self.unhealthy_after or bad,
            self.healthy_after or good,
        )


PRESETS: Final[dict[str, tuple[Check, tuple[int, int, int], tuple[int, int, int]]]] = {
    "aws-clb": ("node-port", (10, 6, 2), (10, 6, 2)),
    "aws-nlb": ("node-port", (30, 3, 3), (10, 2, 2)),
    "azure": ("node-port", (5, 2, 1), (5, 2, 1)),
    "gce": ("healthz", (8, 3, 1), (8, 3, 1)),
}
"""By preset: the check, then (interval s, unhealthy after, healthy after) for policy Cluster and for Local.

cloud-provider-aws aws_loadbalancer.go and aws.go buildNLBHealthCheckConfiguration; cloud-provider-gcp gce.go;
cloud-provider-azure consts.go (healthy after: assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """The cluster's DNS: how long a client may keep an answer, and how long a cache before it does.

    `negative_ns`: how long the cache keeps the answer that there is no address, None for as long as others.
    """

    ttl_ns: int = default_ns("cluster.dns.ttl")
    cache_ns: int = default_ns("cluster.dns.cache")
    negative_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conntrack:
    """Connection tables of nodes: how long a UDP entry lives after a packet, before and after it has become a
    stream, whether kube-proxy deletes entries (its version says which), and how many TCP entries a node has
    room for, None for no limit."""

    udp_ns: int = default_ns("cluster.conntrack.udp")
    udp_stream_ns: int = default_ns("cluster.conntrack.udpStream")
    cleanup: bool = default("cluster.conntrack.cleanup")
    most: int | None = default("cluster.conntrack.max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that the manifests run in; `node_monitor_grace_period_ns` is None for the version's own."""

    kubernetes_minor: int = int(default("cluster.kubernetes").split(".")[1])
    nodes: tuple[Node, ...] = named_nodes(default("cluster.nodes"))
    kube_proxy: KubeProxy = KubeProxy()
    pod_network: Literal["overlay", "routed"] = _POD_NETWORK
    vanished_ip: VanishedIP = VanishedIP()
    kernel: tuple[int, int] = _KERNEL
    node_monitor_grace_period_ns: int | None = None
    max_endpoints_per_slice: int = default("cluster.endpointSlice.maxEndpoints")
    slice_batch_period_ns: int = default_ns("cluster.endpointSlice.batchPeriod")
    other_services: int = default("cluster.otherServices.count")
    endpoints_per_other: int = default("cluster.otherServices.endpoints")
    load_balancer: LoadBalancer = LoadBalancer()
    dns: Dns = Dns()
    conntrack: Conntrack = Conntrack()

    @property
    def node_monitor_grace_ns(self) -> int:
        """How long no lease may be renewed before a node is taken for lost."""
        if self.node_monitor_grace_period_ns is not None:
            return self.node_monitor_grace_period_ns
        return (50 if self.kubernetes_minor >= GRACE_SINCE_MINOR else 40) * 10**9


def _law(key: str) -> Distribution:
    law = default_law(key)
    assert law is not None
    return law


_STARTUP = _law("workloads.startup")
_SERVICE_TIME = _law("workloads.serviceTime")
_PROBE_TIME = _law("workloads.probe.time")
_PROBE_COMPETES: Final[bool] = default("workloads.probe.competes")
_READINESS_GATE = _law("workloads.readinessGate")
_DISCIPLINE: Final[Discipline] = default("workloads.discipline")
_WARM_UP_SHAPE: Final[WarmUpShape] = default("workloads.warmUp.shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """A server that is slow for length_ns after it began to listen: `slowdown` times, in thousandths.

    shape: `step` until then, or `linear`, falling to 1.
    """

    length_ns: int
    slowdown_permille: int
    shape: WarmUpShape = _WARM_UP_SHAPE


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadBehaviour:
    """What no manifest says about a container.

    `concurrency` and `queue` are None for unlimited, `from-limits` is the container's CPU limit;
    `discipline`: requests wait for one of so many workers, or all share so many cores; `lame_duck_ns` means
    something only for `lameDuck`; `pre_stop_ns` is how long a hook runs whose length the manifest does not
    tell; `cpu_idle` is the cores it uses while nothing is served, `cpu_busy` what each busy worker adds to
    that, `cpu_startup` what it uses instead before it listens; `age_ns` is the age of its pods at t = 0, None
    for what their status says;
    `readiness_gate` is how long it takes until their readiness gates are true once their containers are
    ready; `probe_time` is how long a probe takes, `probe_competes` whether it waits for the same workers;
    `keep_alive_ns` is how long it leaves an idle connection open, None for ever; `warm_up` None for a server
    that is as fast at first as ever.
    """

    startup: Distribution = _STARTUP
    service_time: Distribution = _SERVICE_TIME
    concurrency: Concurrency = _CONCURRENCY
    queue: int | None = _QUEUE
    queue_full: QueueFull = _QUEUE_FULL
    on_sigterm: OnSigterm = _ON_SIGTERM
    lame_duck_ns: int = 0
    pre_stop_ns: int | None = _PRE_STOP
    cpu_idle: Fraction = _CPU_IDLE
    cpu_busy: Fraction = _CPU_BUSY
    cpu_startup: Fraction = _CPU_STARTUP
    age_ns: int | None = _AGE
    readiness_gate: Distribution = _READINESS_GATE
    probe_time: Distribution = _PROBE_TIME
    probe_competes: bool = _PROBE_COMPETES
    keep_alive_ns: int | None = None
    warm_up: WarmUp | None = None
    discipline: Discipline = _DISCIPLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How a client tries again: up to `times` more, after one of `outcomes`.

    The wait before retry k is backoff_ns * 2^(k-1), at most backoff_max_ns, with jitter a uniform part of it.
    budget_share: retries allowed per request in the long run, budget_burst at once; share None for no
    budget. exclude_tried: servers tried before are chosen only where no other is left.
    """

    times: int
    outcomes: tuple[str, ...] = RETRIED
    backoff_ns: int = _BACKOFF
    backoff_max_ns: int = _BACKOFF_MAX
    jitter: bool = _JITTER
    exclude_tried: bool = _EXCLUDE_TRIED
    budget_share: float | None = None
    budget_burst: int = _BUDGET_BURST


@dataclass(frozen=True, slots=True, kw_only=True)
class Eject:
    """Passive health: after so many failures in a row a server is left out for a while."""

    after: int
    for_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """Connections that a source keeps: idle ones of HTTP/1.1, or with `channel` the one of HTTP/2 and gRPC.

    idle_ns, max_age_ns: how long one may be idle, or live at all, None for no limit; `age_jitter` a share by
    which ages are shorter, at random; max_requests on one, None for no limit; max_idle kept by a source.
    hears_ns: how long until a source knows that the server has closed one. A channel has no idle limits.
    """

    channel: bool = False
    idle_ns: int | None = _KEEP_IDLE
    max_idle: int = _MAX_IDLE
    max_age_ns: int | None = None
    age_jitter: float = 0.0
    max_requests: int | None = None
    hears_ns: int = _HEARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who connects, to what, by which way.

    `min_resolution_ns` means something with resolve on-failure only: the least time between two look-ups.
    `resolve` is None unless `via` is pod-ip or headless, `pick` unless it is headless; `entry` is any, own,
    node:NAME or zone:NAME where `via` is node-port and None otherwise; `balance` is how a source that watches
    endpoints, or an ingress proxy, chooses, None for others; timeouts, of an attempt, are None for no limit;
    `origin` is nodes, outside, node:NAME or zone:NAME; `sockets` is how many UDP sockets a source has, None
    with protocol tcp; `ports` is how many local ports a source has, None for no limit. Requests arrive by
    `rate_per_s`, or where that is 0 by one of `curve`, `trace` and `loop`.
    """

    name: str
    to: ObjectKey
    via: Via
    rate_per_s: float = 0.0
    port: str | int | None = None
    resolve: Resolve | None = None
    resolve_every_ns: int | None = None
    arrivals: Arrivals = _ARRIVALS
    connect_timeout_ns: int | None = _TIMEOUT_CONNECT
    request_timeout_ns: int | None = _TIMEOUT_REQUEST
    origin: str = _ORIGIN
    sources: int = 1
    host_network: bool = _HOST_NETWORK
    pick: Pick | None = None
    entry: str | None = None
    balance: Balance | None = None
    retry: Retry | None = None
    eject: Eject | None = None
    keep_alive: KeepAlive | None = None
    protocol: Protocol = _PROTOCOL
    sockets: Sockets | None = None
    min_resolution_ns: int = default_ns("clients.minResolution")
    ports: int | None = default("clients.ports")
    curve: Curve | None = None
    bursts: Bursts | None = None
    trace: Trace | None = None
    loop: Loop | None = None
