"""The API server's defaults, each with its source: the only place that has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

__all__ = ["DEFAULTS", "Default", "given", "positive"]

REPLICAS: Final = 1
MAX_SURGE_PERCENT: Final = 25
MAX_UNAVAILABLE_PERCENT: Final = 25
MIN_READY_SECONDS: Final = 0
PROGRESS_DEADLINE_SECONDS: Final = 600
REVISION_HISTORY_LIMIT: Final = 10
STRATEGY: Final = "RollingUpdate"

RESTART_POLICY: Final = "Always"
GRACE_PERIOD_SECONDS: Final = 30
POD_DELETION_COST: Final = 0
UNREACHABLE_TOLERATION_SECONDS: Final = 300
PROTOCOL: Final = "TCP"

PROBE_INITIAL_DELAY_SECONDS: Final = 0
PROBE_PERIOD_SECONDS: Final = 10
PROBE_TIMEOUT_SECONDS: Final = 1
PROBE_SUCCESS_THRESHOLD: Final = 1
PROBE_FAILURE_THRESHOLD: Final = 3

HPA_MIN_REPLICAS: Final = 1
HPA_CPU_UTILIZATION: Final = 80
HPA_UP_STABILIZATION_SECONDS: Final = 0
HPA_DOWN_STABILIZATION_SECONDS: Final = 300
HPA_TOLERANCE: Final = "0.1"

SERVICE_TYPE: Final = "ClusterIP"
SESSION_AFFINITY: Final = "None"
AFFINITY_TIMEOUT_SECONDS: Final = 10800
TRAFFIC_POLICY: Final = "Cluster"
SERVICE_CIDR: Final = "10.96.0.0/12"
NODE_PORTS: Final = (30000, 32767)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Default:
    """One default: its field, its value as a manifest writes it, and the file and function that sets it."""

    field: str
    value: int | str
    source: str


_APPS = "pkg/apis/apps/v1/defaults.go"
_CORE = "pkg/apis/core/v1/defaults.go"
_HPA = "pkg/apis/autoscaling/v2/defaults.go"

DEFAULTS: Final[tuple[Default, ...]] = (
    Default("Deployment.spec.replicas", REPLICAS, f"{_APPS} SetDefaults_Deployment"),
    Default("Deployment.spec.strategy.type", STRATEGY, f"{_APPS} SetDefaults_Deployment"),
    Default(
        "Deployment.spec.strategy.rollingUpdate.maxSurge",
        f"{MAX_SURGE_PERCENT}%",
        f"{_APPS} SetDefaults_Deployment",
    ),
    Default(
        "Deployment.spec.strategy.rollingUpdate.maxUnavailable",
        f"{MAX_UNAVAILABLE_PERCENT}%",
        f"{_APPS} SetDefaults_Deployment",
    ),
    Default(
        "Deployment.spec.minReadySeconds",
        MIN_READY_SECONDS,
        "staging/src/k8s.io/api/apps/v1/types.go DeploymentSpec",
    ),
    Default(
        "Deployment.spec.progressDeadlineSeconds",
        PROGRESS_DEADLINE_SECONDS,
        f"{_APPS} SetDefaults_Deployment",
    ),
    Default(
        "Deployment.spec.revisionHistoryLimit", REVISION_HISTORY_LIMIT, f"{_APPS} SetDefaults_Deployment"
    ),
    Default("ReplicaSet.spec.replicas", REPLICAS, f"{_APPS} SetDefaults_ReplicaSet"),
    Default("ReplicationController.spec.replicas", REPLICAS, f"{_CORE} SetDefaults_ReplicationController"),
    Default("Pod.spec.restartPolicy", RESTART_POLICY, f"{_CORE} SetDefaults_PodSpec"),
    Default("Pod.spec.terminationGracePeriodSeconds", GRACE_PERIOD_SECONDS, f"{_CORE} SetDefaults_PodSpec"),
    Default(
        "Pod.spec.tolerations[node.kubernetes.io/unreachable].tolerationSeconds",
        UNREACHABLE_TOLERATION_SECONDS,
        "plugin/pkg/admission/defaulttolerationseconds/admission.go Admit",
    ),
    Default(
        "Pod.metadata.annotations[controller.kubernetes.io/pod-deletion-cost]",
        POD_DELETION_COST,
        "pkg/apis/core/helper/helpers.go GetDeletionCostFromPodAnnotations",
    ),
    Default("Container.ports.protocol", PROTOCOL, "staging/src/k8s.io/api/core/v1/types.go ContainerPort"),
    Default(
        "Probe.initialDelaySeconds",
        PROBE_INITIAL_DELAY_SECONDS,
        "staging/src/k8s.io/api/core/v1/types.go Probe",
    ),
    Default("Probe.periodSeconds", PROBE_PERIOD_SECONDS, f"{_CORE} SetDefaults_Probe"),
    Default("Probe.timeoutSeconds", PROBE_TIMEOUT_SECONDS, f"{_CORE} SetDefaults_Probe"),
    Default("Probe.successThreshold", PROBE_SUCCESS_THRESHOLD, f"{_CORE} SetDefaults_Probe"),
    Default("Probe.failureThreshold", PROBE_FAILURE_THRESHOLD, f"{_CORE} SetDefaults_Probe"),
    Default(
        "HorizontalPodAutoscaler.spec.minReplicas",
        HPA_MIN_REPLICAS,
        f"{_HPA} SetDefaults_HorizontalPodAutoscaler",
    ),
    Default(
        "HorizontalPodAutoscaler.spec.metrics",
        f"cpu {HPA_CPU_UTILIZATION}%",
        f"{_HPA} SetDefaults_HorizontalPodAutoscaler",
    ),
    Default(
        "HorizontalPodAutoscaler.spec.behavior.scaleUp.stabilizationWindowSeconds",
        HPA_UP_STABILIZATION_SECONDS,
        f"{_HPA} GenerateHPAScaleUpRules",
    ),
    Default(
        "HorizontalPodAutoscaler.spec.behavior.scaleUp.policies",
        "4 Pods, 100 Percent in 15 s",
        f"{_HPA} GenerateHPAScaleUpRules",
    ),
    Default(
        "HorizontalPodAutoscaler.spec.behavior.scaleDown.stabilizationWindowSeconds",
        HPA_DOWN_STABILIZATION_SECONDS,
        "pkg/controller/podautoscaler/config/v1alpha1/defaults.go "
        "RecommendedDefaultHPAControllerConfiguration",
    ),
    Default(
        "HorizontalPodAutoscaler.spec.behavior.scaleDown.policies",
        "100 Percent in 15 s",
        f"{_HPA} GenerateHPAScaleDownRules",
    ),
    Default(
        "HorizontalPodAutoscaler.spec.behavior.scaleUp.tolerance",
        HPA_TOLERANCE,
        "pkg/controller/podautoscaler/config/v1alpha1/defaults.go "
        "RecommendedDefaultHPAControllerConfiguration",
    ),
    Default("Service.spec.type", SERVICE_TYPE, f"{_CORE} SetDefaults_Service"),
    Default("Service.spec.ports.protocol", PROTOCOL, f"{_CORE} SetDefaults_Service"),
    Default("Service.spec.ports.targetPort", "port", f"{_CORE} SetDefaults_Service"),
    Default("Service.spec.sessionAffinity", SESSION_AFFINITY, f"{_CORE} SetDefaults_Service"),
    Default(
        "Service.spec.sessionAffinityConfig.clientIP.timeoutSeconds",
        AFFINITY_TIMEOUT_SECONDS,
        f"{_CORE} SetDefaults_Service",
    ),
    Default("Service.spec.internalTrafficPolicy", TRAFFIC_POLICY, f"{_CORE} SetDefaults_Service"),
    Default("Service.spec.externalTrafficPolicy", TRAFFIC_POLICY, f"{_CORE} SetDefaults_Service"),
    Default(
        "ClusterIP range",
        SERVICE_CIDR,
        "cmd/kubeadm/app/apis/kubeadm/v1beta4/defaults.go DefaultServicesSubnet",
    ),
    Default(
        "NodePort range",
        "{}-{}".format(*NODE_PORTS),
        "pkg/kubeapiserver/options/options.go DefaultServiceNodePortRange",
    ),
)
"""Every default that a manifest may leave out, for tables of defaults."""


def given(value: Value | None, default: Value) -> Value:
    """Return the value, or the default when a manifest leaves it out."""
    return default if value is None else value


def positive(value: int | None, default: int) -> int:
    """Return the value, or the default when it is absent or 0: probes take 0 for absent."""
    return value or default
