"""How the servers of a container work, for the data plane's plan (R13, R31, R32)."""

from __future__ import annotations

from math import ceil
from typing import Any

from svcsim.dataplane.contract import NEVER
from svcsim.kube.objects import Container
from svcsim.scenario import WorkloadBehaviour

__all__ = ["remarks", "serving"]


def serving(behaviour: WorkloadBehaviour, container: Container) -> dict[str, Any]:
    """Fields of `GroupPlan`: workers or cores, waiting places, and how slow new servers are.

    A CPU limit gives ceil(cores) workers, or with processor sharing its millicores, rounded up as the API
    server does (apimachinery resource.Quantity.MilliValue).
    """
    limit = container.cpu_limit if behaviour.concurrency == "from-limits" else None
    number = behaviour.concurrency if isinstance(behaviour.concurrency, int) else 0
    workers = number if limit is None else max(ceil(limit), 1)
    cores = 1000 * number if limit is None else ceil(1000 * limit)
    shares = behaviour.discipline == "processor-sharing"
    fields: dict[str, Any] = {
        "workers": 0 if shares else workers,
        "cores_permille": cores if shares else 0,
        "queue": -1 if behaviour.queue is None or not workers else behaviour.queue,
    }
    if behaviour.warm_up is not None:
        fields |= {
            "warm_up_ns": behaviour.warm_up.length_ns,
            "slowdown_permille": behaviour.warm_up.slowdown_permille,
            "slowdown_falls": behaviour.warm_up.shape == "linear",
            "age_ns": NEVER if behaviour.age_ns is None else behaviour.age_ns,
        }
    return fields


def remarks(behaviour: WorkloadBehaviour, container: Container, name: str) -> list[str]:
    """What a user should know of the CPU limit of a container that requests reach."""
    limit = container.cpu_limit
    if behaviour.concurrency == "from-limits" and limit is None:
        return [f"{name} has no CPU limit: it takes any number of requests at once"]
    if behaviour.concurrency is None and limit is not None:
        return [
            f"{name}: resources.limits.cpu ({float(limit):g}) limits nothing here: it takes any number of "
            "requests at once; state its workers with concurrency, or concurrency: from-limits"
        ]
    return []
