"""`events:` to Events: kinds told apart, repetitions written out, templates of rollouts made."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from msgspec import UNSET

from svcsim.errors import ManifestError, ScenarioError
from svcsim.kube.keys import ObjectKey
from svcsim.kube.load import parse_manifests
from svcsim.kube.objects import PodTemplate
from svcsim.scenario.defaults import default
from svcsim.scenario.events import (
    NODE_EVENTS,
    REGISTRY,
    Crash,
    Delete,
    Event,
    Kill,
    Partition,
    PauseController,
    Rate,
    RemoveNode,
    Reselect,
    Rollout,
    Scale,
    Unready,
    Upgrade,
    Weights,
)
from svcsim.scenario.files.layer import EventFile
from svcsim.scenario.files.place import Where
from svcsim.scenario.frozen import FrozenMap
from svcsim.scenario.resolve.assign import NoSuchField
from svcsim.scenario.resolve.inputs import Inputs
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.resolve.shorthand import template_field
from svcsim.scenario.resolve.values import positive_ns, rate_per_s, span_ns

__all__ = ["brought_containers", "resolve_events"]

MAX_EVENTS: Final = 100_000
COMPANIONS: Final[Mapping[str, tuple[str, ...]]] = FrozenMap(
    {
        "rollout": ("set",),
        "scale": ("replicas",),
        "delete": ("count",),
        "crash": ("count",),
        "kill": ("count",),
        "unready": ("count", "for"),
        "rate": ("value",),
        "selector": ("labels",),
        "weights": ("backends",),
        **dict.fromkeys(NODE_EVENTS, ()),
        "partition": ("for",),
        "removeNode": ("wait",),
        "upgrade": ("count", "for"),
        "pauseController": ("for",),
    }
)
"""The keys that go with each kind, beside at, every and times."""

REQUIRED: Final = frozenset(
    {
        ("scale", "replicas"),
        ("unready", "for"),
        ("rate", "value"),
        ("selector", "labels"),
        ("weights", "backends"),
        ("upgrade", "for"),
        ("pauseController", "for"),
    }
)


@dataclass(slots=True, kw_only=True)
class _Reader:
    duration_ns: int
    clients: Sequence[str]
    lookup: Lookup

    def read(self, file: EventFile, position: int, where: Where) -> Event:
        """Return an event at its first instant."""
        written = {name: value for name, value in _written(file).items() if value is not UNSET}
        kinds = [kind for kind in REGISTRY if kind in written]
        if len(kinds) != 1:
            have = f"has {' and '.join(kinds)}" if kinds else "says nothing to do"
            raise where.problem(f"{where} {have}; accepted: at and exactly one of {', '.join(REGISTRY)}")
        kind = kinds[0]
        for names in COMPANIONS.values():
            for name in names:
                if name in written and name not in COMPANIONS[kind]:
                    goes = ", ".join(k for k, companions in COMPANIONS.items() if name in companions)
                    raise (where / name).problem(
                        f"{where / name} does not go with {kind}; it goes with {goes}"
                    )
        for name in COMPANIONS[kind]:
            if name not in written and (kind, name) in REQUIRED:
                raise where.problem(f"{where / name} is missing: {kind} needs it")
        at_ns = span_ns(file.at, where / "at")
        return self.event(kind, written, at_ns, position, where)

    def event(self, kind: str, written: Mapping[str, Any], at_ns: int, position: int, where: Where) -> Event:
        count = written.get("count", default("events.count"))
        if kind == "rate":
            name = written["rate"]
            if name not in self.clients:
                raise (where / "rate").unknown(name, "client", self.clients)
            rate = rate_per_s(written["value"], where / "value", zero=True)
            return Rate(at_ns=at_ns, position=position, client=name, rate_per_s=rate)
        for_ns = positive_ns(written["for"], where / "for") if "for" in written else None
        if kind == "partition":
            return Partition(at_ns=at_ns, position=position, node=written[kind], for_ns=for_ns)
        if kind == "removeNode":
            found = RemoveNode(at_ns=at_ns, position=position, node=written[kind])
            if "wait" not in written:
                return found
            return replace(found, wait_ns=span_ns(written["wait"], where / "wait"))
        if kind == "upgrade":
            assert for_ns is not None
            return Upgrade(at_ns=at_ns, position=position, scope=written[kind], count=count, for_ns=for_ns)
        if kind == "pauseController":
            assert for_ns is not None
            return PauseController(at_ns=at_ns, position=position, controller=written[kind], for_ns=for_ns)
        if kind in NODE_EVENTS:
            return NODE_EVENTS[kind](at_ns=at_ns, position=position, node=written[kind])
        if kind == "selector":
            service = self.lookup.one(written[kind], where / kind, services=True, owners=False)
            labels = FrozenMap(_labels(written["labels"], where / "labels"))
            return Reselect(at_ns=at_ns, position=position, target=service, labels=labels)
        if kind == "weights":
            route = self.lookup.one(written[kind], where / kind, owners=False, routes=True)
            return Weights(
                at_ns=at_ns, position=position, target=route, backends=FrozenMap(written["backends"])
            )
        target = self.lookup.one(written[kind], where / kind)
        if kind == "rollout":
            changes = FrozenMap(_flat(written.get("set", {})))
            return Rollout(at_ns=at_ns, position=position, target=target, set=changes)
        if kind == "scale":
            return Scale(at_ns=at_ns, position=position, target=target, replicas=written["replicas"])
        if kind == "unready":
            assert for_ns is not None
            return Unready(at_ns=at_ns, position=position, target=target, count=count, for_ns=for_ns)
        some: Mapping[str, type[Delete | Crash | Kill]] = {"delete": Delete, "crash": Crash, "kill": Kill}
        return some[kind](at_ns=at_ns, position=position, target=target, count=count)

    def repeated(self, event: Event, file: EventFile, where: Where, room: int) -> list[Event]:
        """Return an event at each of its instants."""
        if file.every is UNSET:
            if file.times is not UNSET:
                raise (where / "times").problem(
                    f"{where / 'times'} needs {where / 'every'}: the time between two"
                )
            return [event]
        every = positive_ns(file.every, where / "every")
        if file.times is not UNSET:
            times = file.times
        else:
            times = max(1, -(-(self.duration_ns - event.at_ns) // every))
        if times > room:
            raise (where / "every").error(file.every, f"makes {times} events; at most {MAX_EVENTS} in all")
        return [replace(event, at_ns=event.at_ns + i * every) for i in range(times)]


def _written(file: EventFile) -> dict[str, Any]:
    return {field.encode_name: getattr(file, field.name) for field in msgspec.structs.fields(file)}


def _labels(written: Mapping[str, Any], where: Where) -> Mapping[str, str | None]:
    """Refuse values that are no text: YAML reads `version: 2` as a number, which no label is."""
    for name, value in written.items():
        if value is not None and not isinstance(value, str):
            raise (where / name).error(value, "must be text in quotes, or null for a label that goes")
    return written


def _flat(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Write nested mappings as dotted fields, so that a rollout changes only what it names."""
    flat: dict[str, Any] = {}
    for key, value in changes.items():
        if isinstance(value, Mapping) and value:
            flat |= {f"{key}.{inner}": one for inner, one in _flat(value).items()}
        else:
            flat[key] = value
    return flat


def _templates(events: list[Event], inputs: Inputs, where: Where) -> list[Event]:
    """Give every rollout that sets fields the template it leads to, on top of the rollouts before it."""
    documents: dict[ObjectKey, dict[str, Any]] = {}
    latest: dict[ObjectKey, PodTemplate | None] = {}
    done: list[Event] = []
    for event in events:
        if not isinstance(event, Rollout) or not event.set:
            done.append(event)
            continue
        here = where / event.position / "set"
        key = event.target
        if key not in documents:
            try:
                documents[key] = inputs.object(key)
            except (ScenarioError, ManifestError) as error:
                raise here.problem(f"{here}: {error}") from None
        before = copy.deepcopy(documents[key])
        for name, value in event.set.items():
            try:
                template_field(documents[key], name, value)
            except NoSuchField as error:
                raise here.problem(f"{here}.{name}: {error}") from None
        if key not in latest or documents[key] != before:
            latest[key] = _template(documents[key], here)
        done.append(replace(event, template=latest[key]))
    return done


def _template(document: Mapping[str, Any], where: Where) -> PodTemplate:
    try:
        found = parse_manifests(json.dumps(document, default=str), "set")
    except ManifestError as error:
        raise where.problem(f"{where}: {str(error).removeprefix('set:1: ')}") from None
    return found.workloads[0].template


def brought_containers(events: Iterable[Event]) -> Mapping[ObjectKey, frozenset[str]]:
    """The names of the containers that rollouts give each workload, whether they are new or not."""
    found: dict[ObjectKey, frozenset[str]] = {}
    for event in events:
        if isinstance(event, Rollout) and event.template is not None:
            names = frozenset(one.name for one in event.template.containers)
            found[event.target] = found.get(event.target, frozenset()) | names
    return found


def _selectors(events: list[Event], lookup: Lookup) -> list[Event]:
    """Give every event of a Service's selector the whole selector that it leads to."""
    latest: dict[ObjectKey, dict[str, str]] = {}
    done: list[Event] = []
    for event in events:
        if not isinstance(event, Reselect):
            done.append(event)
            continue
        own = latest.setdefault(event.target, dict(lookup.services[event.target].selector or {}))
        own |= {name: value for name, value in event.labels.items() if value is not None}
        for name in [name for name, value in event.labels.items() if value is None]:
            own.pop(name, None)
        done.append(replace(event, selector=FrozenMap(own)))
    return done


def _weights(events: list[Event], lookup: Lookup) -> list[Event]:
    """Give every event of a route's weights those of the whole rule."""
    latest: dict[ObjectKey, dict[str, int]] = {}
    done: list[Event] = []
    for event in events:
        if not isinstance(event, Weights):
            done.append(event)
            continue
        rules = lookup.routes[event.target].rules
        backends = rules[0] if rules else ()
        own = latest.setdefault(event.target, {one.target.name: one.weight for one in backends})
        own |= event.backends
        done.append(replace(event, weights=tuple(own[one.target.name] for one in backends)))
    return done


def resolve_events(
    files: Sequence[EventFile],
    *,
    duration_ns: int,
    clients: Sequence[str],
    lookup: Lookup,
    inputs: Inputs,
    where: Where,
) -> tuple[Event, ...]:
    """Return every event at every instant, by instant and then as written."""
    reader = _Reader(duration_ns=duration_ns, clients=clients, lookup=lookup)
    events: list[Event] = []
    for position, file in enumerate(files):
        here = where / position
        first = reader.read(file, position, here)
        events += reader.repeated(first, file, here, MAX_EVENTS - len(events))
    events.sort(key=lambda event: (event.at_ns, event.position))
    return tuple(_weights(_selectors(_templates(events, inputs, where), lookup), lookup))
