"""The typed records that manifests become; the API's defaults are already in them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from svcsim.kube import defaults
from svcsim.kube.keys import ObjectKey
from svcsim.kube.selectors import Selector

__all__ = [
    "AdoptedPod",
    "BarePod",
    "Container",
    "ContainerPort",
    "DisruptionBudget",
    "IntOrPercent",
    "PodTemplate",
    "PreStop",
    "Probe",
    "Protocol",
    "RestartPolicy",
    "Service",
    "ServicePort",
    "ServiceType",
    "Strategy",
    "Update",
    "Workload",
    "resolve_rolling",
]

Protocol = Literal["TCP", "UDP", "SCTP"]
RestartPolicy = Literal["Always", "OnFailure", "Never"]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
TrafficPolicy = Literal["Cluster", "Local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A port that a container declares; a declaration informs, it opens nothing."""

    container_port: int
    protocol: Protocol = defaults.PROTOCOL
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A health check; `port` is None for exec probes and for a name that no port has."""

    kind: Literal["http", "tcp", "exec", "grpc"]
    port: int | None = None
    initial_delay_seconds: int = defaults.PROBE_INITIAL_DELAY_SECONDS
    period_seconds: int = defaults.PROBE_PERIOD_SECONDS
    timeout_seconds: int = defaults.PROBE_TIMEOUT_SECONDS
    success_threshold: int = defaults.PROBE_SUCCESS_THRESHOLD
    failure_threshold: int = defaults.PROBE_FAILURE_THRESHOLD
    termination_grace_period_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreStop:
    """What runs before SIGTERM; `seconds` is None when the manifest does not say how long it takes."""

    kind: Literal["sleep", "exec", "http", "tcp"]
    seconds: float | None

    @property
    def known(self) -> bool:
        """Whether the manifest says how long it takes."""
        return self.seconds is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container; `sidecar` marks an init container with restartPolicy Always; `cpu_limit` in cores."""

    name: str
    ports: tuple[ContainerPort, ...] = ()
    readiness: Probe | None = None
    liveness: Probe | None = None
    startup: Probe | None = None
    pre_stop: PreStop | None = None
    sidecar: bool = False
    requests: Mapping[str, Fraction] = field(default_factory=dict)
    cpu_limit: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplate:
    """What every pod of a workload is made from: its containers first, then its native sidecars.

    `unreachable_toleration_seconds`: how long a pod stays bound to a lost node, None for ever.
    """

    labels: Mapping[str, str]
    containers: tuple[Container, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    termination_grace_period_seconds: int = defaults.GRACE_PERIOD_SECONDS
    restart_policy: RestartPolicy = defaults.RESTART_POLICY
    node_selector: Mapping[str, str] = field(default_factory=dict)
    node_name: str | None = None
    readiness_gates: tuple[str, ...] = ()
    host_network: bool = False
    pod_deletion_cost: int = defaults.POD_DELETION_COST
    init_containers: tuple[str, ...] = ()
    unreachable_toleration_seconds: int | None = defaults.UNREACHABLE_TOLERATION_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class IntOrPercent:
    """A number of pods, or a percentage of the replicas (apimachinery util/intstr/intstr.go).

    >>> IntOrPercent(value=25, percent=True).resolve(10, round_up=True)
    3
    """

    value: int
    percent: bool = False

    def resolve(self, total: int, *, round_up: bool) -> int:
        """Return the number of pods out of `total` (`GetScaledValueFromIntOrPercent`)."""
        if not self.percent:
            return self.value
        return -(-self.value * total // 100) if round_up else self.value * total // 100

    def __str__(self) -> str:
        return f"{self.value}%" if self.percent else str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a Deployment replaces its pods; surge and unavailable mean nothing under Recreate."""

    type: Literal["RollingUpdate", "Recreate"] = defaults.STRATEGY
    max_surge: IntOrPercent = IntOrPercent(value=defaults.MAX_SURGE_PERCENT, percent=True)
    max_unavailable: IntOrPercent = IntOrPercent(value=defaults.MAX_UNAVAILABLE_PERCENT, percent=True)


def resolve_rolling(replicas: int, strategy: Strategy) -> tuple[int, int]:
    """Return (surge, unavailable) in pods for a Deployment of this size.

    Surge rounds up, unavailable down; if both come to 0, one pod may be unavailable, so that the
    rollout can move; unavailable never exceeds the replicas. Under Recreate both are 0.

    Source: deployment_util.go `ResolveFenceposts`, `MaxUnavailable`, `MaxSurge`.

    >>> resolve_rolling(10, Strategy())
    (3, 2)
    >>> resolve_rolling(1, Strategy(max_surge=IntOrPercent(value=0)))
    (0, 1)
    """
    if strategy.type == "Recreate":
        return 0, 0
    surge = strategy.max_surge.resolve(replicas, round_up=True)
    unavailable = strategy.max_unavailable.resolve(replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How a StatefulSet or DaemonSet replaces its pods.

    `partition` is a StatefulSet's: ordinals below it keep the old template. `max_unavailable` and
    `max_surge` are a DaemonSet's.
    """

    type: Literal["RollingUpdate", "OnDelete"] = "RollingUpdate"
    partition: int = 0
    max_unavailable: IntOrPercent = IntOrPercent(value=1)
    max_surge: IntOrPercent = IntOrPercent(value=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedPod:
    """A pod as a dump recorded it: state of its controller, never one pod more."""

    name: str
    labels: Mapping[str, str]
    node_name: str | None = None
    ip: str | None = None
    phase: str = "Unknown"
    ready: bool = False
    deleting: bool = False
    start_time: datetime.datetime | None = None
    ready_since: datetime.datetime | None = None
    restarts: int = 0
    pod_deletion_cost: int = defaults.POD_DELETION_COST

    @property
    def revision(self) -> str | None:
        """The `pod-template-hash` label: equal for pods of one ReplicaSet."""
        return self.labels.get("pod-template-hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment, ReplicaSet, StatefulSet ... that nothing in the input controls.

    `strategy` is a Deployment's, `update` a StatefulSet's or DaemonSet's; `parallel` is a StatefulSet's
    podManagementPolicy. A DaemonSet has `replicas` = 0: it has a pod on every node that takes one.
    """

    key: ObjectKey
    replicas: int
    selector: Selector
    template: PodTemplate
    strategy: Strategy | None = None
    update: Update | None = None
    parallel: bool = False
    min_ready_seconds: int = defaults.MIN_READY_SECONDS
    paused: bool = False
    progress_deadline_seconds: int | None = None
    revision_history_limit: int | None = None
    owner: ObjectKey | None = None
    pods: tuple[AdoptedPod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BarePod:
    """A pod that no controller in the input replaces; `state` is what a dump says of it.

    `address` is that of an endpoint outside the cluster, which stands for itself; None for a pod.
    """

    key: ObjectKey
    template: PodTemplate
    owner: ObjectKey | None = None
    state: AdoptedPod | None = None
    address: str | None = None

    @property
    def node_name(self) -> str | None:
        """The node it is bound to, by its spec."""
        return self.template.node_name

    @property
    def restart_policy(self) -> RestartPolicy:
        """When its containers restart."""
        return self.template.restart_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionBudget:
    """A PodDisruptionBudget: one of `min_available` and `max_unavailable`, or neither, which forbids nothing.

    `always_allow` is unhealthyPodEvictionPolicy AlwaysAllow; IfHealthyBudget is the default.
    """

    key: ObjectKey
    selector: Selector
    min_available: IntOrPercent | None = None
    max_unavailable: IntOrPercent | None = None
    always_allow: bool = False

    def desired_healthy(self, expected: int) -> int:
        """How many of `expected` pods must stay healthy; percentages round up (`getExpectedPodCount`).

        >>> from svcsim.kube import Selector, parse_key
        >>> third = IntOrPercent(value=30, percent=True)
        >>> key = parse_key("pdb/web")
        >>> DisruptionBudget(key=key, selector=Selector(), max_unavailable=third).desired_healthy(7)
        4
        """
        if self.min_available is not None:
            return self.min_available.resolve(expected, round_up=True)
        if self.max_unavailable is not None:
            return max(expected - self.max_unavailable.resolve(expected, round_up=True), 0)
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of a Service; `target_port` is a number, or the name of a container's port."""

    port: int
    target_port: int | str
    protocol: Protocol = defaults.PROTOCOL
    name: str | None = None
    node_port: int | None = None

    def __str__(self) -> str:
        return self.name or f"{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service; `cluster_ip` is None for headless and ExternalName ones.

    `selector` is None when the Service selects no pods; `affinity_timeout_seconds` means something
    only under ClientIP affinity.
    """

    key: ObjectKey
    type: ServiceType = defaults.SERVICE_TYPE
    selector: Mapping[str, str] | None = None
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str | None = None
    headless: bool = False
    session_affinity: Literal["None", "ClientIP"] = defaults.SESSION_AFFINITY
    affinity_timeout_seconds: int = defaults.AFFINITY_TIMEOUT_SECONDS
    external_traffic_policy: TrafficPolicy = defaults.TRAFFIC_POLICY
    internal_traffic_policy: TrafficPolicy = defaults.TRAFFIC_POLICY
    health_check_node_port: int | None = None
    publish_not_ready_addresses: bool = False
    external_name: str | None = None
    external_ips: tuple[str, ...] = ()
    traffic_distribution: str | None = None
    topology_mode: str | None = None
    ip_families: tuple[str, ...] = ("IPv4",)
    annotations: Mapping[str, str] = field(default_factory=dict)
    allocates_node_ports: bool = True

    def port(self, which: int | str | None = None) -> ServicePort | None:
        """Return the port of this number or name, the first when None is asked, or None."""
        for port in self.ports:
            if which is None or which in (port.port, port.name):
                return port
        return None
