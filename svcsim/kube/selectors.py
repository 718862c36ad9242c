"""Which pods a controller or a Service selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Operator", "Requirement", "Selector", "selects"]

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One clause of a label selector (apimachinery labels/selector.go `Requirement.Matches`).

    A pod without the label satisfies NotIn and DoesNotExist.

    >>> Requirement(key="tier", operator="NotIn", values=("db",)).matches({})
    True
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        needs_values = self.operator in ("In", "NotIn")
        if needs_values != bool(self.values):
            raise ValueError(
                f"operator {self.operator} takes {'at least one value' if needs_values else 'none'}"
            )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels satisfy this clause."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A label selector: every clause holds; without clauses it matches every pod.

    >>> web = Selector.equal({"app": "web"})
    >>> web.matches({"app": "web", "tier": "front"}), web.matches({"app": "db"})
    (True, False)
    >>> Selector().matches({})
    True
    """

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def equal(cls, labels: Mapping[str, str]) -> Selector:
        """Return the selector that asks for each of these labels with this value."""
        return cls(
            requirements=tuple(
                Requirement(key=k, operator="In", values=(v,)) for k, v in sorted(labels.items())
            )
        )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels satisfy every clause."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        words = []
        for r in self.requirements:
            if r.operator == "In" and len(r.values) == 1:
                words.append(f"{r.key}={r.values[0]}")
            elif r.operator == "Exists":
                words.append(r.key)
            elif r.operator == "DoesNotExist":
                words.append(f"!{r.key}")
            else:
                words.append(f"{r.key} {r.operator.lower()} ({','.join(r.values)})")
        return ",".join(words)


def selects(service_selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a Service's selector selects a pod with these labels.

    A Service without a selector, or with an empty one, selects nothing: its endpoints are written
    by hand (endpointslice_controller.go `syncService` returns early for a nil selector; an empty map
    does not survive serialisation, so the API server stores it as absent).

    >>> selects(None, {"app": "web"}), selects({"app": "web"}, {"app": "web"})
    (False, True)
    """
    if not service_selector:
        return False
    return all(labels.get(name) == value for name, value in service_selector.items())
