"""From what metrics ask for to what is done: stabilisation and limits (podautoscaler/horizontal.go).

Two algorithms: without `behavior`, and with it, whatever it says. Instants are int nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from svcsim.kube import Autoscaler, ScalingRules

__all__ = [
    "Memory",
    "Normalised",
    "normalise",
    "scale_down_limit",
    "scale_up_limit",
    "scale_up_limit_without_behavior",
]

SECOND = 1_000_000_000
DOWNSCALE_STABILIZATION_NS = 300 * SECOND
"""--horizontal-pod-autoscaler-downscale-stabilization."""
SCALE_UP_FACTOR = 2
SCALE_UP_MINIMUM = 4

Change = tuple[int, int]  # (instant, by how many replicas, or a recommendation)


@dataclass(slots=True)
class Memory:
    """What the controller remembers of an autoscaler: recommendations, and changes it made."""

    recommendations: list[Change] = field(default_factory=list)
    added: list[Change] = field(default_factory=list)
    removed: list[Change] = field(default_factory=list)

    def scaled(self, now_ns: int, before: int, after: int) -> None:
        """The size was changed (`storeScaleEvent`)."""
        if after > before:
            self.added.append((now_ns, after - before))
        else:
            self.removed.append((now_ns, before - after))


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The size after stabilisation and limits, with the reasons of AbleToScale and ScalingLimited."""

    replicas: int
    able: str
    limited: str


def normalise(scaler: Autoscaler, memory: Memory, *, current: int, wanted: int, now_ns: int) -> Normalised:
    """Hold a recommendation to the past and to the limits; it is remembered.

    Source: horizontal.go `normalizeDesiredReplicas`, `normalizeDesiredReplicasWithBehaviors`.
    """
    if scaler.scale_up is None or scaler.scale_down is None:
        stable = _stabilised_without_behavior(memory, wanted, now_ns)
        able = "ReadyForNewScale" if stable == wanted else "ScaleDownStabilized"
        size, limited = _limited_without_behavior(scaler, current, stable)
    else:
        stable = _stabilised(memory, scaler.scale_up, scaler.scale_down, current, wanted, now_ns)
        direction = "ScaleUpStabilized" if wanted >= current else "ScaleDownStabilized"
        able = "ReadyForNewScale" if stable == wanted else direction
        size, limited = _limited(scaler, memory, current, stable, now_ns)
    return Normalised(replicas=size, able=able, limited=limited)


def _stabilised_without_behavior(memory: Memory, wanted: int, now_ns: int) -> int:
    """The highest recommendation of the last five minutes, this one included (`stabilizeRecommendation`)."""
    from_ns = now_ns - DOWNSCALE_STABILIZATION_NS
    memory.recommendations = [one for one in memory.recommendations if one[0] >= from_ns]
    memory.recommendations.append((now_ns, wanted))
    return max(n for _, n in memory.recommendations)


def _stabilised(
    memory: Memory, up: ScalingRules, down: ScalingRules, current: int, wanted: int, now_ns: int
) -> int:
    """Between the lowest of the window upwards and the highest of that downwards.

    Source: horizontal.go `stabilizeRecommendationWithBehaviors`.
    """
    after_up = now_ns - up.stabilization_window_seconds * SECOND
    after_down = now_ns - down.stabilization_window_seconds * SECOND
    least = min([wanted, *(n for t, n in memory.recommendations if t > after_up)])
    most = max([wanted, *(n for t, n in memory.recommendations if t > after_down)])
    keep = min(after_up, after_down)
    memory.recommendations = [one for one in memory.recommendations if one[0] >= keep]
    memory.recommendations.append((now_ns, wanted))
    return min(max(current, least), most)


def scale_up_limit_without_behavior(current: int) -> int:
    """The most replicas one step may reach (`calculateScaleUpLimit`).

    >>> [scale_up_limit_without_behavior(n) for n in (1, 2, 3)]
    [4, 4, 6]
    """
    return max(SCALE_UP_FACTOR * current, SCALE_UP_MINIMUM)


def _limited_without_behavior(scaler: Autoscaler, current: int, wanted: int) -> tuple[int, str]:
    """`convertDesiredReplicasWithRules`."""
    limit = scale_up_limit_without_behavior(current)
    if wanted < scaler.min_replicas:
        return scaler.min_replicas, "TooFewReplicas"
    if wanted > min(limit, scaler.max_replicas):
        slowed = scaler.max_replicas > limit
        return min(limit, scaler.max_replicas), "ScaleUpLimit" if slowed else "TooManyReplicas"
    return wanted, "DesiredWithinRange"


def _limited(scaler: Autoscaler, memory: Memory, current: int, wanted: int, now_ns: int) -> tuple[int, str]:
    """`convertDesiredReplicasWithBehaviorRate`."""
    assert scaler.scale_up is not None and scaler.scale_down is not None
    if wanted > current:
        limit = max(scale_up_limit(scaler.scale_up, memory, current, now_ns), current)
        if wanted > min(limit, scaler.max_replicas):
            slowed = scaler.max_replicas > limit
            return min(limit, scaler.max_replicas), "ScaleUpLimit" if slowed else "TooManyReplicas"
    elif wanted < current:
        limit = min(scale_down_limit(scaler.scale_down, memory, current, now_ns), current)
        if wanted < max(limit, scaler.min_replicas):
            slowed = scaler.min_replicas < limit
            return max(limit, scaler.min_replicas), "ScaleDownLimit" if slowed else "TooFewReplicas"
    return wanted, "DesiredWithinRange"


def _changed(changes: Iterable[Change], period_seconds: int, now_ns: int) -> int:
    """Replicas that came or went within the period (`getReplicasChangePerPeriod`)."""
    after = now_ns - period_seconds * SECOND
    return sum(n for t, n in changes if t > after)


def _at_start(memory: Memory, current: int, period_seconds: int, now_ns: int) -> int:
    """The size at the start of a policy's period."""
    added = _changed(memory.added, period_seconds, now_ns)
    return current - added + _changed(memory.removed, period_seconds, now_ns)


def scale_up_limit(rules: ScalingRules, memory: Memory, current: int, now_ns: int) -> int:
    """The most replicas that the policies allow now (`calculateScaleUpLimitWithScalingRules`)."""
    if rules.select_policy == "Disabled":
        return current
    limits = []
    for policy in rules.policies:
        start = _at_start(memory, current, policy.period_seconds, now_ns)
        if policy.type == "Pods":
            limits.append(start + policy.value)
        else:
            limits.append(math.ceil(start * (1 + policy.value / 100)))
    return min(limits) if rules.select_policy == "Min" else max(limits)


def scale_down_limit(rules: ScalingRules, memory: Memory, current: int, now_ns: int) -> int:
    """The fewest replicas that the policies allow now (`calculateScaleDownLimitWithBehaviors`)."""
    if rules.select_policy == "Disabled":
        return current
    limits = []
    for policy in rules.policies:
        start = _at_start(memory, current, policy.period_seconds, now_ns)
        if policy.type == "Pods":
            limits.append(start - policy.value)
        else:
            limits.append(int(start * (1 - policy.value / 100)))
    return max(limits) if rules.select_policy == "Min" else min(limits)
