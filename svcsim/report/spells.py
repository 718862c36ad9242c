"""Out of the two histories of one replication: what each pod was when, and who listed it when."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from svcsim.report.palette import ACCEPTING

__all__ = ["Listed", "Spell", "is_of", "listed_spells", "natural", "pod_spells", "stale_spells", "window"]

Span = tuple[float, float]


@dataclass(frozen=True)
class Spell:
    """`state` (a key of `palette.STATES`) from `start` until `stop`, seconds."""

    state: str
    start: float
    stop: float


@dataclass(frozen=True)
class Listed:
    """Listed by node proxies from `start` until `stop`, seconds; `everywhere` if by every one."""

    start: float
    stop: float
    everywhere: bool


_TURNS = (
    "created_s",
    "started_s",
    "listening_s",
    "ready_s",
    "deleted_s",
    "stopped_s",
    "ended_s",
    "released_s",
)
_OF_TRUTH = {
    "starting": "starting",
    "listening": "listening",
    "closed": "closed",
    "foreign": "foreign",
    "cut_off": "cut off",
}
_LEADING = ("cut_off", "starting", "listening", "foreign", "closed", "vanished")


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts r1/2 before r1/10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))


def pod_spells(
    pods: pd.DataFrame, timeline: pd.DataFrame, listed: Mapping[str, Sequence[Listed]], end_s: float
) -> dict[str, list[Spell]]:
    """The states of each pod of one replication, in order, none empty; tables as in `svcsim.schema`.

    A pod with several containers is starting while one starts, else listening while one listens. Table pods
    has the last instant at which a pod became Ready; of one that was Ready before, lists tell when.
    """
    truth: dict[str, list[Spell]] = {}
    for pod, state, start, stop in zip(
        timeline["pod"], timeline["state"], timeline["from_s"], timeline["to_s"], strict=True
    ):
        truth.setdefault(pod, []).append(Spell(state, float(start), min(float(stop), end_s)))
    lives = {}
    for row in pods.to_dict("records"):
        at = {name: float(row[name]) for name in _TURNS}
        own = _of_containers(truth[row["pod"]]) if row["pod"] in truth else _of_instants(at, end_s)
        first = own[0].start if own else end_s
        parts = [Spell("pending", max(at["created_s"], 0.0), first)]
        ready_before = _ready_before(at, listed.get(row["pod"], ()))
        for spell in own:
            if spell.state == "listening":
                parts += _accepting(spell, at, ready_before)
            elif spell.state in _OF_TRUTH:
                parts.append(Spell(_OF_TRUTH[spell.state], spell.start, spell.stop))
        lives[row["pod"]] = _merged(part for part in parts if part.stop > part.start)
    return lives


def _of_containers(spells: list[Spell]) -> list[Spell]:
    """One story out of those of a pod's containers."""
    cuts = sorted({t for spell in spells for t in (spell.start, spell.stop)})
    found = []
    for start, stop in pairwise(cuts):
        states = {spell.state for spell in spells if spell.start <= start and spell.stop >= stop}
        leading = [state for state in _LEADING if state in states]
        if leading:
            found.append(Spell(leading[0], start, stop))
    return _merged(found)


def _of_instants(at: dict[str, float], end_s: float) -> list[Spell]:
    """The story of a pod that no client addresses, from table pods alone."""

    def instant(name: str, otherwise: float) -> float:
        return max(at[name], 0.0) if math.isfinite(at[name]) else otherwise

    started = instant("started_s", end_s)
    listening = instant("listening_s", end_s)
    stopped = instant("stopped_s", instant("ended_s", end_s))
    listening = min(listening, stopped)
    released = instant("released_s", instant("ended_s", stopped))
    story = (
        Spell("starting", started, listening),
        Spell("listening", listening, stopped),
        Spell("closed", stopped, released),
    )
    return [spell for spell in story if spell.stop > spell.start]


def _ready_before(at: dict[str, float], listed: Sequence[Listed]) -> list[Span]:
    """When a pod that was Ready more than once was so before the last time: while it was listed."""
    spans = _joined((one.start, one.stop) for one in listed)
    was_ready = at["created_s"] <= 0 or len(spans) > 1
    return spans if was_ready else []


def _accepting(spell: Spell, at: dict[str, float], ready_before: list[Span]) -> list[Spell]:
    """A spell of listening, by what the API server says of the pod."""
    deleted = at["deleted_s"] if math.isfinite(at["deleted_s"]) else math.inf
    ready = at["ready_s"] if math.isfinite(at["ready_s"]) else math.inf
    alive = min(spell.stop, deleted)
    parts = []
    reached = spell.start
    for start, stop in ready_before:
        begin, finish = max(start, reached), min(stop, ready, alive)
        if finish > begin:
            parts += [Spell("listening", reached, begin), Spell("ready", begin, finish)]
            reached = finish
    parts.append(Spell("listening", reached, min(alive, ready)))
    parts.append(Spell("ready", max(reached, ready), alive))
    parts.append(Spell("terminating", max(spell.start, deleted), spell.stop))
    return [part for part in parts if part.stop > part.start]


def _merged(spells: Iterable[Spell]) -> list[Spell]:
    """Neighbours of one state made one."""
    found: list[Spell] = []
    for spell in spells:
        if found and found[-1].state == spell.state and found[-1].stop == spell.start:
            found[-1] = Spell(spell.state, found[-1].start, spell.stop)
        else:
            found.append(spell)
    return found


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch made one."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


def _is_proxy(observer: str) -> bool:
    """Whether an observer is a node's kube-proxy: nodes have DNS names, others are words or paths."""
    return observer != "resolver" and not {"/", " "} & set(observer)


def is_of(view: str, target: str) -> bool:
    """Whether a view lists what `target` (`service/web`) stands for.

    >>> is_of("service/web:80 proxy", "service/web"), is_of("service/web-2 proxy", "service/web")
    (True, False)
    """
    return view.startswith((f"{target} ", f"{target}:"))


def listed_spells(beliefs: pd.DataFrame, versions: pd.DataFrame, end_s: float) -> dict[str, list[Listed]]:
    """When node proxies list each pod, in one replication: by some of them, by every one.

    A pod's proxies are those that hold a list in which it ever is. Costs O(changes of lists x pods changed).
    """
    rows = beliefs[beliefs["view"].str.endswith(" proxy") & beliefs["observer"].map(_is_proxy).astype(bool)]
    rows = rows.sort_values("t_s", kind="stable")
    members: dict[int, set[str]] = {}
    for version, pod in zip(versions["version"].tolist(), versions["pod"].tolist(), strict=True):
        members.setdefault(version, set()).add(pod)
    lists = {version: frozenset(pods) for version, pods in members.items()}
    nothing: frozenset[str] = frozenset()
    turns: dict[str, list[tuple[float, int]]] = {}
    views: dict[str, set[str]] = {}
    holders: dict[str, int] = {}
    held: dict[tuple[str, str], frozenset[str]] = {}
    for observer, view, version, t in zip(
        rows["observer"].tolist(),
        rows["view"].tolist(),
        rows["version"].tolist(),
        rows["t_s"].tolist(),
        strict=True,
    ):
        before = held.get((observer, view))
        if before is None:
            holders[view] = holders.get(view, 0) + 1
            before = nothing
        after = held[observer, view] = lists.get(version, nothing)
        for sign, changed in ((1, after - before), (-1, before - after)) if after is not before else ():
            for pod in changed:
                turns.setdefault(pod, []).append((t, sign))
                views.setdefault(pod, set()).add(view)
    return {
        pod: _counted(steps, sum(holders[view] for view in views[pod]), end_s) for pod, steps in turns.items()
    }


def _counted(steps: list[tuple[float, int]], all_of_them: int, end_s: float) -> list[Listed]:
    """Spans out of +1 and -1."""
    found: list[Listed] = []
    count, since = 0, 0.0
    for t, sign in [*sorted(steps), (end_s, 0)]:
        stop = min(t, end_s)
        if count > 0 and stop > since:
            everywhere = count == all_of_them
            if found and found[-1].stop == since and found[-1].everywhere == everywhere:
                found[-1] = Listed(found[-1].start, stop, everywhere)
            else:
                found.append(Listed(since, stop, everywhere))
        count += sign
        since = stop
    return found


def stale_spells(life: Sequence[Spell], listed: Sequence[Listed]) -> list[Span]:
    """When a pod is listed by somebody and accepts no connection."""
    accepting = _joined((s.start, s.stop) for s in life if s.state in ACCEPTING)
    left = []
    for start, stop in _joined((one.start, one.stop) for one in listed):
        reached = start
        for begin, finish in accepting:
            if finish <= reached or begin >= stop:
                continue
            if begin > reached:
                left.append((reached, begin))
            reached = finish
        if stop > reached:
            left.append((reached, stop))
    return left


def window(
    lives: Mapping[str, Sequence[Spell]],
    listed: Mapping[str, Sequence[Listed]],
    events: Iterable[float],
    end_s: float,
) -> Span:
    """The span in which pods or lists change, with a margin; the whole run if nothing does.

    Failures do not stretch it: to an address that is kept for ever they go on for ever.
    """
    turns = [t for life in lives.values() for spell in life for t in (spell.start, spell.stop)]
    turns += [t for own in listed.values() for one in own for t in (one.start, one.stop)]
    turns += events
    inside = [t for t in turns if 0 < t < end_s]
    if not inside:
        return 0.0, end_s
    margin = max(0.06 * (max(inside) - min(inside)), 0.01 * end_s, 0.5)
    return max(min(inside) - margin, 0.0), min(max(inside) + margin, end_s)
