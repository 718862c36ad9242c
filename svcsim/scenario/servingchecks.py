"""Rules of how servers work: warm-up, cores that are shared, and cores from CPU limits."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from svcsim.scenario.files.place import Where
from svcsim.scenario.model import (
    MAX_SHARED_CORES,
    MAX_SLOWDOWN_PERMILLE,
    MAX_WARM_UP_NS,
    WorkloadBehaviour,
)
from svcsim.scenario.resolve.lookup import Lookup

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = ["check_behaviours", "said_of"]


def said_of(scenario: Scenario) -> Iterator[tuple[str, WorkloadBehaviour]]:
    """Every behaviour that was stated, with its place below `workloads`."""
    yield from ((str(key), one) for key, one in scenario.workloads.items())
    yield from ((f"{key}/{container}", one) for (key, container), one in scenario.containers.items())


def check_behaviours(scenario: Scenario, lookup: Lookup, where: Where) -> None:
    """Hold behaviours to their bounds, however they were built.

    Raises:
        ScenarioError: a rule is broken.
    """
    _check_cores(scenario, lookup, where)
    for place, behaviour in said_of(scenario):
        warm, here = behaviour.warm_up, where / place / "warmUp"
        if warm is not None and not 0 < warm.length_ns <= MAX_WARM_UP_NS:
            raise (here / "length").error(warm.length_ns, "ns must be > 0 and at most 1h")
        if warm is not None and not 1000 <= warm.slowdown_permille <= MAX_SLOWDOWN_PERMILLE:
            raise (here / "slowdown").error(
                warm.slowdown_permille, "thousandths must be from 1000 to 1000000"
            )


def _check_cores(scenario: Scenario, lookup: Lookup, where: Where) -> None:
    """Refuse cores that nobody states, or that are too many to share."""
    for place, behaviour in said_of(scenario):
        here, shares = where / place, behaviour.discipline == "processor-sharing"
        if shares and behaviour.concurrency is None:
            raise (here / "discipline").error(
                behaviour.discipline, "needs concurrency: a number of cores, or from-limits"
            )
        if shares and isinstance(behaviour.concurrency, int) and behaviour.concurrency > MAX_SHARED_CORES:
            raise (here / "concurrency").error(
                behaviour.concurrency, f"must be at most {MAX_SHARED_CORES} cores with processor-sharing"
            )
        if behaviour.concurrency == "from-limits":
            limits = [limit for limit in _limits(scenario, lookup, place) if limit is not None]
            if not limits:
                raise (here / "concurrency").error(
                    "from-limits", "needs resources.limits.cpu in the manifest, or take a number"
                )
            if shares and max(limits) > MAX_SHARED_CORES:
                raise (here / "concurrency").error(
                    "from-limits", f"must be at most {MAX_SHARED_CORES} cores with processor-sharing"
                )


def _limits(scenario: Scenario, lookup: Lookup, place: str) -> list[Fraction | None]:
    """CPU limits of the containers that an entry of `workloads` is about."""
    return [
        container.cpu_limit
        for key, owner in lookup.owners.items()
        for container in owner.template.containers
        if place == f"{key}/{container.name}"
        or (place == str(key) and (key, container.name) not in scenario.containers)
    ]
