"""Rules of events that change what a Service selects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from svcsim.kube.conversion.handwritten import SERVICE_NAME
from svcsim.scenario.events import Event, Reselect
from svcsim.scenario.files.place import Where
from svcsim.scenario.model import Client
from svcsim.scenario.resolve.lookup import Lookup

__all__ = ["check_loopback", "check_reselect"]

_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def check_reselect(event: Reselect, lookup: Lookup, where: Where) -> None:
    """Refuse a Service without a selector, labels that cannot be, and a selector that would be empty."""
    service = lookup.services.get(event.target)
    here = where / event.kind
    if service is None:
        raise here.unknown(str(event.target), "Service of the manifests", list(map(str, lookup.services)))
    if not service.selector or SERVICE_NAME in service.selector:
        raise here.error(
            str(event.target),
            "has no selector: nothing but what is written by hand gives it endpoints; accepted: a Service "
            "that selects pods",
        )
    for name, value in event.labels.items():
        if not _NAME.fullmatch(name):
            raise (where / "labels").error(
                name, "must be a label's name, such as version or example.org/tier"
            )
        if value is not None and not _LABEL.fullmatch(value):
            raise (where / "labels" / name).error(
                value, "must be a label's value: letters, digits, -, _ and ., or null where the label goes"
            )
    if not event.selector:
        raise (where / "labels").problem(
            f"{where / 'labels'}: {event.target} would select by no label, and its endpoints then stay as "
            "they are; leave it one at least"
        )


def check_loopback(clients: Sequence[Client], events: Iterable[Event], where: Where) -> None:
    """Refuse callers inside the pods of a Service that comes to select others: which pods are theirs?"""
    changed = {event.target for event in events if isinstance(event, Reselect)}
    for index, client in enumerate(clients):
        if client.via == "loopback" and client.to in changed:
            raise (where / index / "to").error(
                str(client.to),
                "comes to select other pods, and callers by loopback stay in theirs; name a workload instead",
            )
