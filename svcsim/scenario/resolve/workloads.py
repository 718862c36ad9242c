"""`workloads:` to the behaviour of every container it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from msgspec import UNSET

from svcsim.kube.keys import ObjectKey
from svcsim.scenario.files.layer import LameDuckFile, QueueFile, WarmUpFile, WorkloadFile
from svcsim.scenario.files.place import Where, did_you_mean, one_of
from svcsim.scenario.frozen import FrozenMap
from svcsim.scenario.model import MAX_SLOWDOWN_PERMILLE, MAX_WARM_UP_NS, WarmUp, WorkloadBehaviour
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.resolve.values import cores, law, positive_ns, span_ns

__all__ = ["Behaviours", "resolve_workloads"]

Brought = Mapping[ObjectKey, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviours:
    """Behaviour by workload, and by container where one is named."""

    workloads: Mapping[ObjectKey, WorkloadBehaviour]
    containers: Mapping[tuple[ObjectKey, str], WorkloadBehaviour]


@dataclass(frozen=True, slots=True)
class _Entry:
    keys: tuple[ObjectKey, ...]
    container: str | None
    qualified: bool
    changes: Mapping[str, Any]
    where: Where


def _changes(file: WorkloadFile, where: Where) -> dict[str, Any]:
    """Return the fields of WorkloadBehaviour that an entry sets."""
    found: dict[str, Any] = {}
    if file.startup is not UNSET:
        found["startup"] = law(file.startup, where / "startup")
    if file.service_time is not UNSET:
        found["service_time"] = law(file.service_time, where / "serviceTime")
    if file.concurrency is not UNSET:
        found["concurrency"] = file.concurrency
    if isinstance(file.queue, QueueFile):
        found["queue"] = file.queue.places
        if file.queue.full is not UNSET:
            found["queue_full"] = file.queue.full
    elif file.queue is not UNSET:
        found["queue"] = file.queue
    if isinstance(file.on_sigterm, LameDuckFile):
        found["on_sigterm"] = "lameDuck"
        found["lame_duck_ns"] = positive_ns(file.on_sigterm.lame_duck, where / "onSigterm" / "lameDuck")
    elif file.on_sigterm is not UNSET:
        found |= {"on_sigterm": file.on_sigterm, "lame_duck_ns": 0}
    if file.pre_stop is not UNSET:
        found["pre_stop_ns"] = span_ns(file.pre_stop, where / "preStop")
    if file.cpu is not UNSET:
        for name in ("idle", "busy", "startup"):
            amount = getattr(file.cpu, name)
            if amount is not UNSET:
                found[f"cpu_{name}"] = cores(amount, where / "cpu" / name)
    if file.age is not UNSET:
        found["age_ns"] = span_ns(file.age, where / "age")
    if file.probe is not UNSET:
        if file.probe.time is not UNSET:
            found["probe_time"] = law(file.probe.time, where / "probe" / "time")
        if file.probe.competes is not UNSET:
            found["probe_competes"] = file.probe.competes
    if file.keep_alive is not UNSET:
        found["keep_alive_ns"] = positive_ns(file.keep_alive, where / "keepAlive")
    if file.discipline is not UNSET:
        found["discipline"] = file.discipline
    if file.warm_up is not UNSET:
        found["warm_up"] = _warm_up(file.warm_up, where / "warmUp")
    if file.readiness_gate is not UNSET:
        found["readiness_gate"] = law(file.readiness_gate, where / "readinessGate")
    return found


def _warm_up(file: WarmUpFile, where: Where) -> WarmUp:
    """Return how long and by how much a new server is slow; thousandths are the finest."""
    length_ns = positive_ns(file.length, where / "length")
    if length_ns > MAX_WARM_UP_NS:
        raise (where / "length").error(file.length, "must be at most 1h")
    if not 1 <= file.slowdown <= MAX_SLOWDOWN_PERMILLE // 1000:
        raise (where / "slowdown").error(file.slowdown, "must be a number from 1 to 1000")
    permille = Fraction(str(file.slowdown)) * 1000
    if permille.denominator != 1:
        raise (where / "slowdown").error(file.slowdown, "must have at most three decimals, such as 2.5")
    found = WarmUp(length_ns=length_ns, slowdown_permille=int(permille))
    return found if file.shape is UNSET else replace(found, shape=file.shape)


def _entry(text: str, file: WorkloadFile, where: Where, lookup: Lookup, brought: Brought) -> _Entry:
    keys, container, qualified = lookup.matching(text, where)
    owned = next((key for key in keys if key in lookup.owner_of), None)
    if owned is not None:
        raise where.problem(f"{where}: {owned} is a pod of {lookup.owner_of[owned]}; name that instead")
    keys = [key for key in keys if key in lookup.owners]
    if not keys:
        known = lookup.names()
        raise where.problem(
            f"{where}: no workload or bare pod of the manifests is {text}; "
            f"there are: {one_of(known)}{did_you_mean(text, known)}"
        )
    if container is not None:
        names = {name for key in keys for name in _containers(key, lookup, brought)}
        if container not in names:
            raise where.problem(
                f"{where}: {keys[0]} has no container {container}; "
                f"there are: {one_of(sorted(names))}{did_you_mean(container, names)}"
            )
    return _Entry(tuple(keys), container, qualified, _changes(file, where), where)


def _containers(key: ObjectKey, lookup: Lookup, brought: Brought) -> frozenset[str]:
    """The names of a workload's containers, those included that a rollout brings."""
    declared = frozenset(one.name for one in lookup.owners[key].template.containers)
    return declared | brought.get(key, frozenset())


def _check_hook(entry: _Entry, lookup: Lookup) -> None:
    """Refuse a hook's length where no container has a hook of unknown length."""
    if "pre_stop_ns" not in entry.changes:
        return
    containers = [
        one
        for key in entry.keys
        for one in lookup.owners[key].template.containers
        if entry.container in (None, one.name)
    ]
    if any(one.pre_stop is not None and not one.pre_stop.known for one in containers):
        return
    known = [one.pre_stop for one in containers if one.pre_stop is not None]
    why = f"the manifest says {known[0].seconds:g}s" if known else "no container has a preStop hook"
    here = entry.where / "preStop"
    raise here.problem(
        f"{here} has no effect: {why}; set the hook itself with manifests.{entry.keys[0]}.preStop"
    )


def resolve_workloads(
    files: Mapping[str, WorkloadFile], *, lookup: Lookup, brought: Brought, where: Where
) -> Behaviours:
    """Return every behaviour that differs from the default; the most specific entry wins field by field.

    brought: names of containers that rollouts give each workload.
    """
    entries: list[_Entry] = []
    seen: dict[tuple[tuple[ObjectKey, ...], str | None, bool], str] = {}
    for text, file in files.items():
        entry = _entry(text, file, where / text, lookup, brought)
        _check_hook(entry, lookup)
        same = (entry.keys, entry.container, entry.qualified)
        if same in seen:
            raise entry.where.problem(
                f"{entry.where} names the same thing as {where / seen[same]}; keep one of them"
            )
        seen[same] = text
        entries.append(entry)
    entries.sort(key=lambda entry: (entry.container is not None, entry.qualified))
    workloads: dict[ObjectKey, WorkloadBehaviour] = {}
    containers: dict[tuple[ObjectKey, str], WorkloadBehaviour] = {}
    for entry in entries:
        for key in entry.keys:
            usual = workloads.get(key, WorkloadBehaviour())
            if entry.container is None:
                workloads[key] = replace(usual, **entry.changes)
            elif entry.container in _containers(key, lookup, brought):
                of = (key, entry.container)
                containers[of] = replace(containers.get(of, usual), **entry.changes)
    return Behaviours(workloads=FrozenMap(workloads), containers=FrozenMap(containers))
