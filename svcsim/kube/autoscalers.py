"""HorizontalPodAutoscalers as records; the API's defaults are already in them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from svcsim.kube import defaults
from svcsim.kube.keys import ObjectKey

__all__ = ["Autoscaler", "CpuMetric", "ScalingPolicy", "ScalingRules"]

SelectPolicy = Literal["Max", "Min", "Disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPolicy:
    """How many pods, or how many percent of them, may come or go within a period."""

    type: Literal["Pods", "Percent"]
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRules:
    """`behavior.scaleUp` or `behavior.scaleDown`; `tolerance` is None for the controller's own."""

    policies: tuple[ScalingPolicy, ...]
    stabilization_window_seconds: int
    select_policy: SelectPolicy = "Max"
    tolerance: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuMetric:
    """A target for CPU: `utilization` in percent of the request, or `average_milli` in thousandths of a core.

    Exactly one of the two is set. `container` is None for the whole pod (Resource against ContainerResource).
    """

    utilization: int | None = None
    average_milli: int | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """A HorizontalPodAutoscaler.

    `metrics` are those that are simulated, all of CPU. `scale_up` and `scale_down` are both None without
    `behavior`, which is another algorithm than its defaults. `acts` is False where a cluster would find
    nothing to scale, or nothing that only this autoscaler scales.
    """

    key: ObjectKey
    target: ObjectKey
    max_replicas: int
    min_replicas: int = defaults.HPA_MIN_REPLICAS
    metrics: tuple[CpuMetric, ...] = ()
    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None
    acts: bool = True
