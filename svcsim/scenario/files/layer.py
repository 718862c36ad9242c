"""A scenario as its file spells it: keys, types and their words; nothing is resolved yet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from svcsim.kube.routes import MAX_WEIGHT
from svcsim.scenario.load import MAX_PIECES, MAX_TRACE, MAX_USERS
from svcsim.scenario.model import (
    EPHEMERAL_PORTS,
    MAX_NODES,
    MAX_SOURCES,
    MAX_TABLE,
    MAY_BE_RETRIED,
    PRESETS,
    VIAS,
)

__all__ = [
    "ArrivalsFile",
    "BudgetFile",
    "BurstsFile",
    "ChannelFile",
    "ClientFile",
    "ClusterFile",
    "ConntrackFile",
    "CpuFile",
    "CurveFile",
    "DnsFile",
    "EjectFile",
    "EndpointSliceFile",
    "EventFile",
    "KeepAliveFile",
    "KubeProxyFile",
    "LagFile",
    "LameDuckFile",
    "LoadBalancerFile",
    "LoopFile",
    "NodeFile",
    "OtherServicesFile",
    "ProbeFile",
    "QueueFile",
    "ResolveFile",
    "RetryFile",
    "ReuseFile",
    "ScenarioFile",
    "TimeoutFile",
    "TraceFile",
    "VanishedIPFile",
    "WorkloadFile",
]


def _meta(words: str, description: str = "", **schema: Any) -> Meta:
    """Return what an error says of a type, and what an editor shows of it."""
    extra = {"description": description or words, **schema}
    return Meta(extra={"words": words}, extra_json_schema=extra)


Duration = Annotated[
    str | int | float, _meta('a duration such as "250ms", or seconds', examples=["250ms", "5s"])
]
Rate = Annotated[str | int | float, _meta('a rate such as "200/s", or events per second', examples=["200/s"])]
Name = Annotated[str, Meta(min_length=1, max_length=253)]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Key = Annotated[
    str,
    _meta("KIND/NAME or NAMESPACE/KIND/NAME", examples=["deployment/web", "shop/service/cart"], minLength=3),
]
Version = Annotated[
    str, _meta('a version in quotes, such as "1.34" (YAML reads 1.30 as 1.3)', examples=["1.34"])
]
Kernel = Annotated[
    str,
    _meta(
        'a version in quotes, such as "6.8" (YAML reads 6.10 as 6.1)', examples=["6.8", "5.15.0-105-generic"]
    ),
]
Law = Annotated[
    str | int | float | dict[str, Any],
    _meta(
        "a duration, or a distribution such as {lognormal: {median: 50ms, p99: 300ms}}",
        examples=[
            "50ms",
            {"lognormal": {"median": "50ms", "p99": "300ms"}},
            {"exponential": {"mean": "20ms"}},
        ],
        maxProperties=1,
    ),
]
Count = Annotated[int, Meta(ge=1, le=150_000, description="a number of pods")]


class _File(Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    pass


class NodeFile(_File, kw_only=True, frozen=True):
    """One node of the cluster."""

    name: Name
    zone: Name | UnsetType = UNSET
    cpu: Annotated[str | int | float, _meta("a quantity of cores such as 4 or 3500m")] | UnsetType = UNSET
    pods: Annotated[int, Meta(ge=1, le=150_000, description="the most pods it takes")] | UnsetType = UNSET
    unschedulable: bool | UnsetType = UNSET
    proxy_slowdown: Annotated[int | float, _meta("a factor such as 4", exclusiveMinimum=0)] | UnsetType = (
        UNSET
    )


class KubeProxyFile(_File, kw_only=True, frozen=True):
    """kube-proxy's settings."""

    mode: (
        Annotated[
            str,
            _meta("iptables, nftables, ipvs or cilium", enum=["iptables", "nftables", "ipvs", "cilium"]),
        ]
        | UnsetType
    ) = UNSET
    min_sync_period: Duration | UnsetType = UNSET
    sync_period: Duration | UnsetType = UNSET
    ipvs_scheduler: (
        Annotated[str, _meta("rr, lc, sh or mh", enum=["rr", "wrr", "lc", "wlc", "sh", "mh"])] | UnsetType
    ) = UNSET
    lb_algorithm: Literal["random", "maglev"] | UnsetType = UNSET


class ReuseFile(_File, kw_only=True, frozen=True):
    """When a pod's address is given to another pod."""

    after: Duration


class VanishedIPFile(_File, kw_only=True, frozen=True):
    """What becomes of the address of a pod that is gone."""

    then: Literal["unreachable", "blackhole"] | UnsetType = UNSET
    after: Duration | UnsetType = UNSET
    reuse: Literal["never"] | ReuseFile | UnsetType = UNSET


class LagFile(_File, kw_only=True, frozen=True):
    """The stages between a change and its effect."""

    controller: Law | UnsetType = UNSET
    api: Law | UnsetType = UNSET
    scheduler: Law | UnsetType = UNSET
    pull: Law | UnsetType = UNSET
    start: Law | UnsetType = UNSET
    kubelet: Law | UnsetType = UNSET
    status: Law | UnsetType = UNSET
    endpoint_slice: Law | UnsetType = UNSET
    watch: Law | UnsetType = UNSET
    sync: Law | UnsetType = UNSET
    exit: Law | UnsetType = UNSET
    teardown: Law | UnsetType = UNSET
    stop: Law | UnsetType = UNSET
    reconnect: Law | UnsetType = UNSET
    load_balancer: Law | UnsetType = UNSET
    ingress: Law | UnsetType = UNSET
    load: Law | UnsetType = UNSET


class OtherServicesFile(_File, kw_only=True, frozen=True):
    """Services that are in the cluster and not in the manifests; they never change."""

    count: Annotated[int, Meta(ge=0, le=1_000_000)]
    endpoints: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET


class EndpointSliceFile(_File, kw_only=True, frozen=True):
    """The EndpointSlice controller's settings."""

    max_endpoints: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    batch_period: Duration | UnsetType = UNSET


class LoadBalancerFile(_File, kw_only=True, frozen=True):
    """What load balancers send to, and how they check it."""

    preset: Annotated[str, _meta("one of " + ", ".join(PRESETS), enum=list(PRESETS))] | UnsetType = UNSET
    targets: Literal["nodes", "pods"] | UnsetType = UNSET
    check: Literal["healthz", "node-port"] | UnsetType = UNSET
    interval: Duration | UnsetType = UNSET
    unhealthy_after: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    healthy_after: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET


class ConntrackFile(_File, kw_only=True, frozen=True):
    """How long UDP entries of connection tables live, and whether kube-proxy deletes any."""

    udp: Duration | UnsetType = UNSET
    udp_stream: Duration | UnsetType = UNSET
    cleanup: bool | UnsetType = UNSET
    max: Annotated[int, Meta(ge=1, le=MAX_TABLE)] | UnsetType = UNSET


class DnsFile(_File, kw_only=True, frozen=True):
    """How long answers are kept, by a client and by a cache before it."""

    ttl: Duration | UnsetType = UNSET
    cache: Duration | UnsetType = UNSET
    negative: Duration | UnsetType = UNSET


class ClusterFile(
    _File,
    kw_only=True,
    frozen=True,
    rename={
        "kube_proxy": "kubeProxy",
        "pod_network": "podNetwork",
        "vanished_ip": "vanishedIP",
        "node_monitor_grace_period": "nodeMonitorGracePeriod",
        "endpoint_slice": "endpointSlice",
        "other_services": "otherServices",
        "load_balancer": "loadBalancer",
    },
):
    """The cluster that the manifests run in."""

    kubernetes: Version | UnsetType = UNSET
    nodes: (
        Annotated[int, Meta(ge=1, le=MAX_NODES)]
        | Annotated[list[NodeFile], Meta(min_length=1, max_length=MAX_NODES)]
        | Text
        | UnsetType
    ) = UNSET
    kube_proxy: KubeProxyFile | Text | UnsetType = UNSET
    pod_network: Literal["overlay", "routed"] | UnsetType = UNSET
    vanished_ip: VanishedIPFile | UnsetType = UNSET
    kernel: Kernel | UnsetType = UNSET
    node_monitor_grace_period: Duration | UnsetType = UNSET
    endpoint_slice: EndpointSliceFile | UnsetType = UNSET
    other_services: OtherServicesFile | UnsetType = UNSET
    load_balancer: LoadBalancerFile | UnsetType = UNSET
    dns: DnsFile | UnsetType = UNSET
    conntrack: ConntrackFile | UnsetType = UNSET
    lag: LagFile | UnsetType = UNSET


class QueueFile(_File, kw_only=True, frozen=True):
    """Waiting places, and what happens when they are taken."""

    places: Annotated[int, Meta(ge=0, le=10**9)]
    full: Literal["reject", "drop"] | UnsetType = UNSET


class LameDuckFile(_File, kw_only=True, frozen=True):
    """After SIGTERM the application goes on serving for a while, then exits."""

    lame_duck: Duration


Cores = Annotated[str | int | float, _meta("a quantity of cores such as 1 or 250m", examples=["250m", 1])]


class CpuFile(_File, kw_only=True, frozen=True):
    """How much CPU a container uses, which is what autoscalers read."""

    idle: Cores | UnsetType = UNSET
    busy: Cores | UnsetType = UNSET
    startup: Cores | UnsetType = UNSET


class ProbeFile(_File, kw_only=True, frozen=True):
    """What its probes cost the application."""

    time: Law | UnsetType = UNSET
    competes: bool | UnsetType = UNSET


class WarmUpFile(_File, kw_only=True, frozen=True):
    """How long a new server is slow, and by how much."""

    length: Duration
    slowdown: Annotated[int | float, _meta("a number from 1 to 1000 such as 2.5", examples=[2.5])]
    shape: Literal["step", "linear"] | UnsetType = UNSET


class WorkloadFile(_File, kw_only=True, frozen=True):
    """What no manifest says about an application."""

    startup: Law | UnsetType = UNSET
    service_time: Law | UnsetType = UNSET
    concurrency: Annotated[int, Meta(ge=1, le=10**6)] | Literal["from-limits"] | UnsetType = UNSET
    queue: Annotated[int, Meta(ge=0, le=10**9)] | QueueFile | UnsetType = UNSET
    on_sigterm: Literal["exit", "drain", "ignore"] | LameDuckFile | UnsetType = UNSET
    pre_stop: Duration | UnsetType = UNSET
    cpu: CpuFile | UnsetType = UNSET
    probe: ProbeFile | UnsetType = UNSET
    age: Duration | UnsetType = UNSET
    readiness_gate: Law | UnsetType = UNSET
    keep_alive: Duration | UnsetType = UNSET
    warm_up: WarmUpFile | UnsetType = UNSET
    discipline: Literal["fifo", "processor-sharing"] | UnsetType = UNSET


class ResolveFile(_File, kw_only=True, frozen=True):
    """A client that looks the addresses up again and again."""

    every: Duration


class TimeoutFile(_File, kw_only=True, frozen=True):
    """How long a client waits; `none` for no limit."""

    connect: Duration | UnsetType = UNSET
    request: Duration | UnsetType = UNSET


class BudgetFile(_File, kw_only=True, frozen=True):
    """How many retries a source may add to its requests, in the long run and at once."""

    share: Annotated[str | int | float, _meta("a share of requests such as 20%", examples=["20%"])]
    burst: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET


class RetryFile(_File, kw_only=True, frozen=True):
    """How a client tries again."""

    times: Annotated[int, Meta(ge=0, le=20)]
    outcomes: (
        Annotated[
            list[Annotated[str, _meta("an outcome", enum=list(MAY_BE_RETRIED))]],
            Meta(min_length=1, max_length=len(MAY_BE_RETRIED)),
        ]
        | UnsetType
    ) = UNSET
    backoff: Duration | UnsetType = UNSET
    max_backoff: Duration | UnsetType = UNSET
    jitter: bool | UnsetType = UNSET
    exclude_tried: bool | UnsetType = UNSET
    budget: BudgetFile | UnsetType = UNSET


class EjectFile(_File, kw_only=True, frozen=True, rename={"for_": "for"}):
    """After how many failures in a row a server is left out, and for how long."""

    after: Annotated[int, Meta(ge=1, le=1000)]
    for_: Duration


class KeepAliveFile(_File, kw_only=True, frozen=True):
    """How many idle connections are kept, and how long."""

    idle: Duration | UnsetType = UNSET
    max_idle: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    max_age: Duration | UnsetType = UNSET
    age_jitter: Annotated[str | int | float, _meta("a share such as 10%", examples=["10%"])] | UnsetType = (
        UNSET
    )
    max_requests: Annotated[int, Meta(ge=1, le=10**9)] | UnsetType = UNSET
    hears: Duration | UnsetType = UNSET


class ChannelFile(_File, kw_only=True, frozen=True):
    """How long the one connection of a channel lives."""

    max_age: Duration | UnsetType = UNSET
    age_jitter: Annotated[str | int | float, _meta("a share such as 10%", examples=["10%"])] | UnsetType = (
        UNSET
    )
    max_requests: Annotated[int, Meta(ge=1, le=10**9)] | UnsetType = UNSET
    hears: Duration | UnsetType = UNSET


class TraceFile(_File, kw_only=True, frozen=True):
    """Recorded arrivals: a CSV file, relative to the scenario's, or a list."""

    file: Text | UnsetType = UNSET
    column: Name | UnsetType = UNSET
    count: Name | UnsetType = UNSET
    unit: Literal["ns", "us", "ms", "s", "m", "h"] | UnsetType = UNSET
    from_first: bool | UnsetType = UNSET
    instants: Annotated[list[Duration], Meta(min_length=1, max_length=MAX_TRACE)] | UnsetType = UNSET
    repeat: Duration | UnsetType = UNSET


class ArrivalsFile(_File, kw_only=True, frozen=True):
    """Arrivals that were recorded."""

    trace: TraceFile


class CurveFile(_File, kw_only=True, frozen=True):
    """A rate that changes with time: points [time, rate]."""

    curve: Annotated[list[list[str | int | float]], Meta(min_length=1, max_length=MAX_PIECES)]
    interpolate: Literal["linear", "step"] | UnsetType = UNSET
    period: Duration | UnsetType = UNSET
    start: Duration | UnsetType = UNSET


class BurstsFile(_File, kw_only=True, frozen=True):
    """Spells of another rate."""

    every: Duration
    length: Duration
    first: Duration | UnsetType = UNSET
    factor: int | float | UnsetType = UNSET
    rate: Rate | UnsetType = UNSET
    random: bool | UnsetType = UNSET


class LoopFile(_File, kw_only=True, frozen=True):
    """Users that await an answer and think before they send again."""

    users: Annotated[int, Meta(ge=1, le=MAX_USERS)]
    think: Law


class ClientFile(
    _File,
    kw_only=True,
    frozen=True,
    rename={
        "origin": "from",
        "host_network": "hostNetwork",
        "keep_alive": "keepAlive",
        "min_resolution": "minResolution",
    },
):
    """Who connects, to what, by which way."""

    name: Name
    to: Key
    via: Annotated[str, _meta("one of " + ", ".join(VIAS), enum=list(VIAS))]
    rate: Rate | CurveFile | UnsetType = UNSET
    port: (
        Annotated[int, Meta(ge=1, le=65535)] | Annotated[str, Meta(min_length=1, max_length=63)] | UnsetType
    ) = UNSET
    resolve: Literal["once", "on-failure", "watch"] | ResolveFile | UnsetType = UNSET
    min_resolution: Duration | UnsetType = UNSET
    arrivals: Literal["poisson", "constant"] | ArrivalsFile | UnsetType = UNSET
    timeout: Duration | TimeoutFile | UnsetType = UNSET
    origin: Annotated[str, _meta("nodes, outside, node:NAME or zone:NAME", minLength=1)] | UnsetType = UNSET
    sources: Annotated[int, Meta(ge=1, le=MAX_SOURCES)] | UnsetType = UNSET
    host_network: bool | UnsetType = UNSET
    pick: Literal["first", "random", "rotate"] | UnsetType = UNSET
    entry: Annotated[str, _meta("any, own, node:NAME or zone:NAME", minLength=1)] | UnsetType = UNSET
    balance: Literal["random", "round-robin", "least-request", "two-choices", "peak-ewma"] | UnsetType = UNSET
    retry: Annotated[int, Meta(ge=0, le=20)] | RetryFile | UnsetType = UNSET
    eject: EjectFile | UnsetType = UNSET
    keep_alive: bool | KeepAliveFile | UnsetType = UNSET
    channel: bool | ChannelFile | UnsetType = UNSET
    protocol: Literal["tcp", "udp"] | UnsetType = UNSET
    sockets: Literal["one", "per-request"] | UnsetType = UNSET
    ports: Annotated[int, Meta(ge=1, le=EPHEMERAL_PORTS)] | UnsetType = UNSET
    bursts: BurstsFile | UnsetType = UNSET
    loop: LoopFile | UnsetType = UNSET


class EventFile(
    _File,
    kw_only=True,
    frozen=True,
    rename={
        "for_": "for",
        "stop_proxy": "stopProxy",
        "start_proxy": "startProxy",
        "remove_node": "removeNode",
        "pause_controller": "pauseController",
    },
):
    """Something that happens: `at` and exactly one kind."""

    at: Duration
    every: Duration | UnsetType = UNSET
    times: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    rollout: Key | UnsetType = UNSET
    scale: Key | UnsetType = UNSET
    delete: Key | UnsetType = UNSET
    crash: Key | UnsetType = UNSET
    kill: Key | UnsetType = UNSET
    unready: Key | UnsetType = UNSET
    cordon: Name | UnsetType = UNSET
    uncordon: Name | UnsetType = UNSET
    drain: Name | UnsetType = UNSET
    stop_proxy: Name | UnsetType = UNSET
    start_proxy: Name | UnsetType = UNSET
    fail: Name | UnsetType = UNSET
    partition: Name | UnsetType = UNSET
    recover: Name | UnsetType = UNSET
    remove_node: Name | UnsetType = UNSET
    upgrade: Annotated[str, _meta("all, zone:NAME or a node", minLength=1)] | UnsetType = UNSET
    pause_controller: Name | UnsetType = UNSET
    rate: Name | UnsetType = UNSET
    selector: Key | UnsetType = UNSET
    labels: dict[str, Any] | UnsetType = UNSET
    weights: Key | UnsetType = UNSET
    backends: dict[str, Annotated[int, Meta(ge=0, le=MAX_WEIGHT)]] | UnsetType = UNSET
    set: dict[str, Any] | UnsetType = UNSET
    replicas: Annotated[int, Meta(ge=0, le=150_000)] | UnsetType = UNSET
    count: Count | UnsetType = UNSET
    for_: Duration | UnsetType = UNSET
    wait: Duration | UnsetType = UNSET
    value: Rate | UnsetType = UNSET


class ScenarioFile(_File, kw_only=True, frozen=True):
    """A question about Services under churn."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    manifests: Annotated[
        Text | Annotated[list[Text | dict[str, Any]], Meta(min_length=1, max_length=200_000)],
        _meta(
            'a list of files, folders, patterns, "-" for standard input, or objects', examples=[["web.yaml"]]
        ),
    ]
    duration: Duration
    cluster: ClusterFile | UnsetType = UNSET
    workloads: dict[str, WorkloadFile] | UnsetType = UNSET
    clients: Annotated[list[ClientFile], Meta(min_length=1, max_length=10_000)]
    events: Annotated[list[EventFile], Meta(max_length=100_000)] | UnsetType = UNSET
