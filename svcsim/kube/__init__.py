"""Kubernetes' words: typed manifests in, API defaults, endpoint categories, quantities."""

from svcsim.kube.aliases import aliased
from svcsim.kube.autoscalers import Autoscaler, CpuMetric, ScalingPolicy, ScalingRules
from svcsim.kube.defaults import DEFAULTS, Default
from svcsim.kube.endpoints import Conditions, Endpoint, categorize, conditions
from svcsim.kube.hinting import HintMode, hint_mode
from svcsim.kube.keys import ObjectKey, parse_key, parse_target
from svcsim.kube.load import load_manifests, parse_manifests
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import (
    AdoptedPod,
    BarePod,
    Container,
    ContainerPort,
    DisruptionBudget,
    IntOrPercent,
    PodTemplate,
    PreStop,
    Probe,
    Service,
    ServicePort,
    Strategy,
    Update,
    Workload,
    resolve_rolling,
)
from svcsim.kube.ports import PortResolution, resolve_port
from svcsim.kube.quantities import parse_quantity
from svcsim.kube.selectors import Requirement, Selector, selects

__all__ = [
    "DEFAULTS",
    "AdoptedPod",
    "Autoscaler",
    "BarePod",
    "Conditions",
    "Container",
    "ContainerPort",
    "CpuMetric",
    "Default",
    "DisruptionBudget",
    "Endpoint",
    "HintMode",
    "IntOrPercent",
    "ManifestSet",
    "ObjectKey",
    "PodTemplate",
    "PortResolution",
    "PreStop",
    "Probe",
    "Requirement",
    "ScalingPolicy",
    "ScalingRules",
    "Selector",
    "Service",
    "ServicePort",
    "Strategy",
    "Update",
    "Workload",
    "aliased",
    "categorize",
    "conditions",
    "hint_mode",
    "load_manifests",
    "parse_key",
    "parse_manifests",
    "parse_quantity",
    "parse_target",
    "resolve_port",
    "resolve_rolling",
    "selects",
]
