"""How many replicas a metric asks for (pkg/controller/podautoscaler/replica_calculator.go).

Pure functions on what the controller sees at an instant: pods as the API server shows them, and CPU samples
as metrics-server serves them. Amounts are thousandths of a core, instants and spans int nanoseconds. Ratios
are floats, as there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from svcsim.kube import CpuMetric

__all__ = [
    "CPU_INITIALIZATION_NS",
    "INITIAL_READINESS_NS",
    "PodSeen",
    "Proposal",
    "Sample",
    "Tolerances",
    "Unavailable",
    "group_pods",
    "highest",
    "propose",
]

CPU_INITIALIZATION_NS = 300 * 1_000_000_000
"""--horizontal-pod-autoscaler-cpu-initialization-period."""
INITIAL_READINESS_NS = 30 * 1_000_000_000
"""--horizontal-pod-autoscaler-initial-readiness-delay."""

Group = Literal["counted", "unready", "missing", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSeen:
    """A pod of the target as the API server shows it.

    ignored: deleted or failed. start_ns: status.startTime, None before the kubelet wrote it. ready: the Ready
    condition; transition_ns: its lastTransitionTime. request_milli: of the pod, or of the metric's container;
    None where any of them has none.
    """

    name: str
    pending: bool = False
    ignored: bool = False
    ready: bool = True
    start_ns: int | None = 0
    transition_ns: int = 0
    request_milli: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """CPU that a pod used: the average over the `window_ns` before `at_ns`."""

    milli: int
    at_ns: int
    window_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far from 1 a ratio may be without any change, downwards and upwards.

    ranged: from Kubernetes 1.33 on a ratio is held against 1 - down and 1 + up; before, its distance from 1
    against the tolerance. In floating point 1.1 lies within the former and outside the latter.
    """

    down: float = 0.1
    up: float = 0.1
    ranged: bool = True

    def within(self, ratio: float) -> bool:
        """Whether a ratio is near enough to 1 (replica_calculator.go `isWithin`).

        >>> Tolerances().within(1.1), Tolerances(ranged=False).within(1.1), Tolerances().within(0.89)
        (True, False, False)
        """
        if self.ranged:
            return 1.0 - self.down <= ratio <= 1.0 + self.up
        return abs(1.0 - ratio) <= self.up


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a metric asks for. usage: percent of the request, or thousandths of a core a pod; target alike."""

    replicas: int
    usage: int
    target: int
    name: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a metric gives no number: the reason of the condition, and its message."""

    reason: str
    message: str


def group_pods(pods: Iterable[PodSeen], samples: Mapping[str, Sample], *, now_ns: int) -> dict[str, Group]:
    """How each pod counts for a CPU metric, by name (replica_calculator.go `groupPods`)."""
    return {pod.name: _group(pod, samples.get(pod.name), now_ns) for pod in pods}


def _group(pod: PodSeen, sample: Sample | None, now_ns: int) -> Group:
    if pod.ignored:
        return "ignored"
    if pod.pending:
        return "unready"
    if sample is None:
        return "missing"
    if pod.start_ns is None:
        return "unready"
    if pod.start_ns + CPU_INITIALIZATION_NS > now_ns:
        fresh = sample.at_ns < pod.transition_ns + sample.window_ns
        return "unready" if not pod.ready or fresh else "counted"
    never_ready = not pod.ready and pod.start_ns + INITIAL_READINESS_NS > pod.transition_ns
    return "unready" if never_ready else "counted"


def propose(
    metric: CpuMetric,
    *,
    current: int,
    pods: Sequence[PodSeen],
    samples: Mapping[str, Sample],
    now_ns: int,
    tolerances: Tolerances,
) -> Proposal | Unavailable:
    """Replicas that a metric asks for (`GetResourceReplicas`, `GetRawResourceReplicas`).

    Args:
        metric: the target; its container's numbers are in `pods` and `samples` already.
        current: spec.replicas of what is scaled.
        pods: all pods that its selector matches.
        samples: by name of the pod.
        now_ns: the instant.
        tolerances: when to leave it.
    """
    kind = "ContainerResource" if metric.container is not None else "Resource"
    reason = f"FailedGet{kind}Metric"
    if not samples:
        return Unavailable(reason, "no metrics returned from resource metrics API")
    if not pods:
        return Unavailable(reason, "no pods returned by selector while calculating replica count")
    groups = group_pods(pods, samples, now_ns=now_ns)
    if metric.utilization is not None and any(pod.request_milli is None for pod in pods):
        return Unavailable(reason, "missing request for cpu")
    requests = {pod.name: pod.request_milli or 0 for pod in pods}
    usage = {
        name: sample.milli
        for name, sample in samples.items()
        if groups.get(name, "counted") not in ("unready", "ignored")
    }
    if not usage:
        return Unavailable(reason, "did not receive metrics for any ready pods")
    measured = _ratio(metric, usage, requests)
    if measured is None:
        return Unavailable(reason, "no metrics returned matched known pods")
    replicas = _replicas(metric, measured[0], current, groups, usage, requests, tolerances)
    target = metric.utilization if metric.utilization is not None else metric.average_milli
    assert target is not None
    name = f"cpu {'container ' if metric.container is not None else ''}resource"
    if metric.utilization is not None:
        name += " utilization (percentage of request)"
    return Proposal(replicas=replicas, usage=measured[1], target=target, name=name)


def _ratio(
    metric: CpuMetric, usage: Mapping[str, int], requests: Mapping[str, int]
) -> tuple[float, int] | None:
    """(used / wanted, what is used), whole numbers first as there (metrics/utilization.go)."""
    if metric.utilization is not None:
        known = [name for name in usage if name in requests]
        requested = sum(requests[name] for name in known)
        if requested == 0:
            return None
        percent = sum(usage[name] for name in known) * 100 // requested
        return percent / metric.utilization, percent
    assert metric.average_milli is not None
    average = sum(usage.values()) // len(usage)
    return average / metric.average_milli, average


def _replicas(
    metric: CpuMetric,
    ratio: float,
    current: int,
    groups: Mapping[str, Group],
    usage: Mapping[str, int],
    requests: Mapping[str, int],
    tolerances: Tolerances,
) -> int:
    """Turn the ratio into replicas; pods without a number count against the change."""
    unready = [name for name, group in groups.items() if group == "unready"]
    missing = [name for name, group in groups.items() if group == "missing"]
    counted = sum(group == "counted" for group in groups.values())
    rising_with_unready = bool(unready) and ratio > 1.0
    if not rising_with_unready and not missing:
        return current if tolerances.within(ratio) else math.ceil(ratio * counted)
    filled = dict(usage)
    for name in missing:
        if ratio < 1.0:
            filled[name] = _as_much_as_wanted(metric, requests[name])
        elif ratio > 1.0:
            filled[name] = 0
    if rising_with_unready:
        filled |= dict.fromkeys(unready, 0)
    again = _ratio(metric, filled, requests)
    assert again is not None
    new = again[0]
    if tolerances.within(new) or (ratio < 1.0 < new) or (new < 1.0 < ratio):
        return current
    replicas = math.ceil(new * len(filled))
    turns_round = (new < 1.0 and replicas > current) or (new > 1.0 and replicas < current)
    return current if turns_round else replicas


def _as_much_as_wanted(metric: CpuMetric, request_milli: int) -> int:
    """What a pod without a number is taken to use where the others use too little."""
    if metric.utilization is not None:
        return request_milli * max(100, metric.utilization) // 100
    assert metric.average_milli is not None
    return metric.average_milli


def highest(found: Sequence[Proposal | Unavailable], current: int) -> Proposal | Unavailable:
    """The highest of several proposals (horizontal.go `computeReplicasForMetrics`).

    A metric without a number forbids to go below the current size, and one that is alone decides nothing.
    """
    proposals = [one for one in found if isinstance(one, Proposal)]
    failed = [one for one in found if isinstance(one, Unavailable)]
    if not proposals:
        return failed[0]
    best = max(proposals, key=lambda one: one.replicas)
    return failed[0] if failed and best.replicas < current else best
