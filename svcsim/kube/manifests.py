"""The set of objects that manifests declare, and how it is looked up."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from svcsim.errors import ManifestError
from svcsim.kube.autoscalers import Autoscaler
from svcsim.kube.keys import ObjectKey, nearest, parse_key
from svcsim.kube.objects import BarePod, DisruptionBudget, Service, Workload
from svcsim.kube.routes import Route
from svcsim.kube.selectors import selects

__all__ = ["ManifestSet"]

SHOWN_KEYS = 8
Found = TypeVar("Found", bound=Service | Workload | BarePod)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSet:
    """Everything a run takes from manifests, each in input order; warnings are single lines.

    `latest_timestamp` is the newest instant that a dump mentions: the dump is at least as young.
    """

    services: tuple[Service, ...] = ()
    workloads: tuple[Workload, ...] = ()
    pods: tuple[BarePod, ...] = ()
    budgets: tuple[DisruptionBudget, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    namespaces: tuple[str, ...] = ()
    latest_timestamp: datetime.datetime | None = None
    warnings: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    _by_label: dict[tuple[str, str, str], list[Workload | BarePod]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Index the owners of pods by namespace and label, so that many Services cost no more than few."""
        index: dict[tuple[str, str, str], list[Workload | BarePod]] = {}
        owners: tuple[Workload | BarePod, ...] = (*self.workloads, *self.pods)
        for one in owners:
            for key, value in one.template.labels.items():
                index.setdefault((one.key.namespace, key, value), []).append(one)
        object.__setattr__(self, "_by_label", index)

    def find(self, key: ObjectKey | str) -> Service | Workload | BarePod:
        """Return the object with this key.

        Raises:
            ManifestError: there is none; the message names the nearest there is.
        """
        every: tuple[Service | Workload | BarePod, ...] = (*self.services, *self.workloads, *self.pods)
        return _lookup(key, every, "object")

    def service(self, key: ObjectKey | str) -> Service:
        """Return the Service with this key; a text without a kind is a Service's name.

        Raises:
            ManifestError: there is none; the message names the nearest there is.
        """
        return _lookup(_default_kind(key, "service"), self.services, "Service")

    def workload(self, key: ObjectKey | str) -> Workload:
        """Return the workload with this key; a text without a kind is a Deployment's name.

        Raises:
            ManifestError: there is none; the message names the nearest there is.
        """
        return _lookup(_default_kind(key, "deployment"), self.workloads, "workload")

    def backends(self, service: Service) -> tuple[Workload | BarePod, ...]:
        """Return the workloads and bare pods whose pods the Service selects."""
        if not service.selector:
            return ()
        key, value = next(iter(service.selector.items()))
        some = self._by_label.get((service.key.namespace, key, value), ())
        return tuple(one for one in some if selects(service.selector, one.template.labels))


def _default_kind(key: ObjectKey | str, kind: str) -> ObjectKey | str:
    return f"{kind}/{key}" if isinstance(key, str) and "/" not in key else key


def _lookup(key: ObjectKey | str, objects: Iterable[Found], what: str) -> Found:
    wanted = parse_key(key) if isinstance(key, str) else key
    by_key = {str(one.key): one for one in objects}
    found = by_key.get(str(wanted))
    if found is not None:
        return found
    near = nearest(str(wanted), by_key)
    hint = f"; did you mean {near}?" if near else ""
    some = ", ".join(sorted(by_key)[:SHOWN_KEYS]) or "none"
    more = f" and {len(by_key) - SHOWN_KEYS} more" if len(by_key) > SHOWN_KEYS else ""
    raise ManifestError(f"no {what} {wanted} in the manifests (there are: {some}{more}){hint}")
