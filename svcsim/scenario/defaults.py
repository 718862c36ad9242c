"""Every default of a scenario, each with its source: the only place that has them.

`measured` values come from recordings of a cluster or from Kubernetes' own sources; `assumed` ones are a
guess that a user should replace when the answer depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from svcsim.clock import parse_duration
from svcsim.distributions import Distribution, from_spec

__all__ = ["DEFAULTS", "LAG_KEYS", "Default", "default", "default_law", "default_ns", "defaults_table"]


@dataclass(frozen=True, slots=True)
class Default:
    """One default: its key, its value as a scenario writes it, the unit, and where it comes from."""

    key: str
    value: Any
    unit: str
    kind: Literal["measured", "assumed"]
    source: str


def _lognormal(median: str, p99: str) -> dict[str, dict[str, str]]:
    return {"lognormal": {"median": median, "p99": p99}}


_PROXY = "pkg/proxy/apis/config/v1alpha1/defaults.go SetDefaults_KubeProxyConfiguration"

_LAB = "recorded runs of Kubernetes 1.36 in a small cluster"

_ROWS: Final = (
    Default("duration", "60s", "duration", "assumed", "only where manifests are run without a scenario"),
    Default("cluster.kubernetes", "1.34", "version", "assumed", "kube-proxy's run loop changed in 1.34"),
    Default("cluster.nodes", 3, "nodes", "assumed", "a small cluster: spread over it, yet easy to follow"),
    Default(
        "cluster.nodes.pods", 110, "pods", "measured", "pkg/kubelet/apis/config/v1beta1/defaults.go MaxPods"
    ),
    Default(
        "cluster.kubeProxy.mode", "iptables", "mode", "measured", "the default of Linux nodes in 1.30-1.36"
    ),
    Default("cluster.kubeProxy.minSyncPeriod", "1s", "duration", "measured", f"{_PROXY}; 0s in mode ipvs"),
    Default("cluster.kubeProxy.syncPeriod", "30s", "duration", "measured", _PROXY),
    Default(
        "cluster.kubeProxy.ipvsScheduler",
        "rr",
        "name",
        "measured",
        "pkg/proxy/ipvs/proxier.go, mode ipvs only",
    ),
    Default(
        "cluster.kubeProxy.lbAlgorithm", "random", "name", "measured", "Cilium's option bpf-lb-algorithm"
    ),
    Default(
        "cluster.podNetwork",
        "overlay",
        "kind",
        "assumed",
        "what most network plugins do unless told otherwise",
    ),
    Default(
        "cluster.vanishedIP.then",
        "unreachable",
        "kind",
        "assumed",
        "the node answers for an address whose neighbour entry has failed",
    ),
    Default(
        "cluster.vanishedIP.after",
        "3s",
        "duration",
        "measured",
        "three neighbour solicitations, one second apart",
    ),
    Default(
        "cluster.vanishedIP.reuse",
        "never",
        "duration",
        "assumed",
        "plugins walk through the whole range first",
    ),
    Default(
        "cluster.nodeMonitorGracePeriod",
        None,
        "duration",
        "measured",
        "50s since 1.32, 40s before: pkg/controller/nodelifecycle/config/v1alpha1/defaults.go",
    ),
    Default("cluster.nodes.proxySlowdown", 1, "factor", "assumed", "every node's kube-proxy is as fast"),
    Default(
        "cluster.otherServices.count", 0, "Services", "assumed", "the cluster has what the manifests have"
    ),
    Default(
        "cluster.otherServices.endpoints",
        10,
        "endpoints",
        "assumed",
        "of each; the size sync costs were taken at",
    ),
    Default(
        "cluster.endpointSlice.maxEndpoints",
        100,
        "endpoints",
        "measured",
        "pkg/controller/endpointslice/config/v1alpha1/defaults.go MaxEndpointsPerSlice",
    ),
    Default(
        "cluster.endpointSlice.batchPeriod",
        "0s",
        "duration",
        "measured",
        "--endpointslice-updates-batch-period, pkg/controller/endpointslice/config",
    ),
    Default("cluster.loadBalancer.preset", "gce", "kind", "assumed", "one of four with published checks"),
    Default("cluster.loadBalancer.targets", "nodes", "kind", "assumed", "as cloud providers in tree do"),
    Default(
        "cluster.dns.ttl",
        "30s",
        "duration",
        "measured",
        "CoreDNS as kubeadm installs it: cmd/kubeadm/app/phases/addons/dns/manifests.go",
    ),
    Default("cluster.dns.cache", "0s", "duration", "assumed", "no cache that begins the TTL anew"),
    Default("cluster.dns.negative", None, "duration", "assumed", "as long as cache keeps an address"),
    Default(
        "cluster.conntrack.udp", "30s", "duration", "measured", "Linux nf_conntrack_udp_timeout, one way"
    ),
    Default(
        "cluster.conntrack.udpStream",
        "120s",
        "duration",
        "measured",
        "Linux nf_conntrack_udp_timeout_stream: answered, and older than 2 s",
    ),
    Default(
        "cluster.conntrack.cleanup",
        True,
        "truth",
        "measured",
        "kube-proxy deletes UDP entries: of removed endpoints, since 1.32 of all not serving",
    ),
    Default(
        "cluster.conntrack.max", None, "entries", "assumed", "no limit; kube-proxy's is 131072 or more a node"
    ),
    Default("cluster.kernel", "6.8", "version", "assumed", "linear SYN retransmissions exist since 6.5"),
    Default(
        "lag.controller",
        _lognormal("30ms", "200ms"),
        "distribution",
        "measured",
        f"{_LAB}, Ready to deletion",
    ),
    Default(
        "lag.api",
        _lognormal("34ms", "120ms"),
        "distribution",
        "measured",
        f"{_LAB}, between creation batches",
    ),
    Default(
        "lag.scheduler", _lognormal("35ms", "200ms"), "distribution", "measured", f"{_LAB}, created to bound"
    ),
    Default("lag.pull", {"constant": "0s"}, "distribution", "assumed", "the image is on the node already"),
    Default("lag.start", _lognormal("400ms", "1.5s"), "distribution", "assumed", "sandbox, create and start"),
    Default(
        "lag.kubelet",
        {"uniform": {"low": "0s", "high": "10ms"}},
        "distribution",
        "measured",
        f"{_LAB}, deletion to SIGTERM",
    ),
    Default(
        "lag.status", _lognormal("33ms", "220ms"), "distribution", "measured", f"{_LAB}, one status patch"
    ),
    Default(
        "lag.endpointSlice",
        _lognormal("40ms", "130ms"),
        "distribution",
        "measured",
        f"{_LAB}, one sync and write",
    ),
    Default(
        "lag.watch",
        _lognormal("6ms", "50ms"),
        "distribution",
        "measured",
        f"{_LAB}, write to an idle sync's start",
    ),
    Default(
        "lag.sync",
        None,
        "distribution",
        "measured",
        "by the proxy's mode and the cluster's size, at run time",
    ),
    Default(
        "lag.exit",
        _lognormal("1.5ms", "15ms"),
        "distribution",
        "measured",
        f"{_LAB}, a server that just exits",
    ),
    Default(
        "lag.teardown", _lognormal("30ms", "150ms"), "distribution", "assumed", "the sandbox's network goes"
    ),
    Default("lag.stop", _lognormal("60ms", "300ms"), "distribution", "assumed", "the sandbox is down"),
    Default(
        "lag.reconnect",
        {"uniform": {"low": "15s", "high": "30s"}},
        "distribution",
        "assumed",
        "half a minute from a link's return to pods Ready again was recorded",
    ),
    Default(
        "lag.loadBalancer",
        _lognormal("1s", "10s"),
        "distribution",
        "assumed",
        "a target's turn to what the balancer does; minutes where a cloud's API is slow",
    ),
    Default(
        "lag.ingress",
        _lognormal("300ms", "1.5s"),
        "distribution",
        "assumed",
        "a proxy's endpoint event to its new upstreams",
    ),
    Default(
        "lag.load",
        {"lognormal": {"median": 1.0, "p99": 2.66}},
        "factor",
        "measured",
        f"{_LAB}, how busy a cluster is",
    ),
    Default("workloads.startup", {"constant": "1s"}, "distribution", "assumed", "depends on the application"),
    Default(
        "workloads.serviceTime",
        {"exponential": {"mean": "5ms"}},
        "distribution",
        "assumed",
        "a light request",
    ),
    Default("workloads.concurrency", None, "requests", "assumed", "unlimited: overload only when asked for"),
    Default("workloads.queue", None, "places", "assumed", "unlimited: overload only when asked for"),
    Default("workloads.queue.full", "reject", "kind", "assumed", "a server that answers 503"),
    Default("workloads.onSigterm", "exit", "kind", "assumed", "SIGTERM's default action"),
    Default("workloads.preStop", None, "duration", "assumed", "what the manifest says of its hook"),
    Default("workloads.cpu.idle", "5m", "cores", "assumed", "a server that waits; read by autoscalers only"),
    Default(
        "workloads.cpu.busy", 1, "cores", "assumed", "a busy worker computes; less where it waits for others"
    ),
    Default(
        "workloads.cpu.startup", "5m", "cores", "assumed", "as when idle; a JIT or a cache may need a core"
    ),
    Default("workloads.age", None, "duration", "assumed", "what the pod's status says"),
    Default(
        "workloads.probe.time",
        {"constant": "0s"},
        "distribution",
        "assumed",
        "an answer that costs nothing: probes fail only where nothing listens",
    ),
    Default(
        "workloads.probe.competes",
        False,
        "truth",
        "assumed",
        "probes beside the requests; true where they wait for the same workers",
    ),
    Default(
        "workloads.readinessGate",
        {"constant": "0s"},
        "distribution",
        "assumed",
        "whoever sets the pod's readiness gates does so at once",
    ),
    Default("workloads.keepAlive", None, "duration", "assumed", "a server that closes no idle connection"),
    Default("workloads.discipline", "fifo", "kind", "assumed", "workers that finish what they began"),
    Default("workloads.warmUp", None, "warm-up", "assumed", "as fast at first as later"),
    Default("workloads.warmUp.shape", "step", "kind", "assumed", "slow until the end of its length"),
    Default("clients.arrivals", "poisson", "kind", "assumed", "many independent users"),
    Default("clients.protocol", "tcp", "kind", "assumed", "a connection for each request"),
    Default(
        "clients.sockets", "per-request", "kind", "assumed", "with protocol: udp; as the C library's resolver"
    ),
    Default("clients.arrivals.trace.unit", "s", "unit", "assumed", "of instants in a CSV file"),
    Default("clients.rate.interpolate", "linear", "kind", "assumed", "with a curve"),
    Default("clients.resolve", "once", "kind", "assumed", "with via: pod-ip; a headless client's is the TTL"),
    Default(
        "clients.minResolution", "0s", "duration", "assumed", "a failure looks again at once; 30s in gRPC"
    ),
    Default("clients.pick", "random", "kind", "assumed", "with via: headless; answers are shuffled"),
    Default("clients.balance", "random", "kind", "assumed", "of clients that watch endpoints"),
    Default(
        "clients.ingress.balance", "round-robin", "kind", "measured", "nginx's and ingress-nginx's default"
    ),
    Default("clients.ingress.retry.times", 2, "retries", "measured", "proxy-next-upstream-tries 3"),
    Default("clients.ingress.sources", 2, "proxies", "assumed", "an ingress of two pods, never lost"),
    Default(
        "clients.retry.backoff", "25ms", "duration", "measured", "Envoy's base interval; 0s in an ingress"
    ),
    Default(
        "clients.retry.maxBackoff", "250ms", "duration", "measured", "Envoy: ten times the base interval"
    ),
    Default("clients.retry.jitter", True, "truth", "measured", "Envoy's fully jittered back-off"),
    Default("clients.retry.excludeTried", False, "truth", "assumed", "true in an ingress: its next upstream"),
    Default("clients.retry.budget.burst", 10, "retries", "assumed", "where a budget's share is given"),
    Default(
        "clients.keepAlive.idle", "90s", "duration", "assumed", "Go's IdleConnTimeout; where it is asked for"
    ),
    Default(
        "clients.keepAlive.maxIdle", 2, "connections", "assumed", "Go's MaxIdleConnsPerHost, of a source"
    ),
    Default("clients.keepAlive.hears", "1ms", "duration", "assumed", "a one-way delay inside a cluster"),
    Default("clients.entry", "any", "kind", "assumed", "with via: node-port: every node is somebody's"),
    Default(
        "clients.timeout.connect", "1s", "duration", "assumed", "common in HTTP clients inside a cluster"
    ),
    Default(
        "clients.timeout.request", "5s", "duration", "assumed", "common in HTTP clients inside a cluster"
    ),
    Default(
        "clients.from",
        "nodes",
        "kind",
        "assumed",
        "callers are pods all over the cluster; outside with node-port and load-balancer",
    ),
    Default("clients.sources", None, "addresses", "assumed", "one for each node in scope, one outside"),
    Default("clients.ports", None, "ports", "assumed", "no limit; Linux has 28232 for each address called"),
    Default("clients.hostNetwork", False, "truth", "assumed", "callers are ordinary pods"),
    Default("events.count", 1, "pods", "assumed", "one pod at a time"),
    Default(
        "events.wait", "5s", "duration", "measured", "cluster-autoscaler's --node-delete-delay-after-taint"
    ),
)

DEFAULTS: Final = MappingProxyType({row.key: row for row in _ROWS})

LAG_KEYS: Final = tuple(key.removeprefix("lag.") for key in DEFAULTS if key.startswith("lag."))
"""The stages between a change and its effect, in their order."""


def default(key: str) -> Any:
    """Return a default as a scenario writes it.

    >>> default("clients.timeout.connect")
    '1s'
    """
    return DEFAULTS[key].value


def default_ns(key: str) -> int:
    """Return the default duration of a key in nanoseconds."""
    return parse_duration(default(key))


def default_law(key: str) -> Distribution | None:
    """Return the default distribution of a key, or None where a run decides."""
    value = default(key)
    return None if value is None else from_spec(value, path=key)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        ((name, body),) = value.items()
        inside = ", ".join(f"{k} {v}" for k, v in body.items()) if isinstance(body, dict) else str(body)
        return f"{name} {inside}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def defaults_table() -> list[dict[str, str]]:
    """Return one row per default: key, value, unit, kind, source, all text, in the order of a scenario.

    >>> defaults_table()[0]["value"]
    '60s'
    """
    return [
        {"key": row.key, "value": _shown(row.value), "unit": row.unit, "kind": row.kind, "source": row.source}
        for row in _ROWS
    ]
