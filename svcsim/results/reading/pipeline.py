"""Which change took a server off a list, or filled an empty one, and how far it had come at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from svcsim.controlplane import ControlRun
from svcsim.controlplane.endpointslices import Change
from svcsim.controlplane.observers import Adoptions
from svcsim.results.reading.truth import Beliefs, Steps

__all__ = ["STAGE_NAMES", "Pipeline", "Stage", "Stream"]

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]


class Stage(IntEnum):
    """Where the blame lies: five stages from truth to belief in order, then what is not a lag of lists."""

    NONE = 0
    DETECTION = 1
    ENDPOINT_SLICE = 2
    WATCH = 3
    MIN_SYNC = 4
    SYNC = 5
    RESOLVER = 6
    CONTROLLER = 7
    READINESS = 8
    GRACE = 9
    QUEUE = 10
    SERVICE = 11
    NETWORK = 12
    NODE = 13
    POLICY = 14
    LOAD_BALANCER = 15
    CONNECTION = 16
    INGRESS = 17
    DRAINING = 18
    CONNTRACK = 19


STAGE_NAMES = (
    "",
    "detection",
    "endpointSlice",
    "watch",
    "minSync",
    "sync",
    "resolver",
    "controller",
    "readiness",
    "grace",
    "queue",
    "service",
    "network",
    "node",
    "policy",
    "loadBalancer",
    "connection",
    "ingress",
    "draining",
    "conntrack",
)
"""The stages as tables and scenario keys spell them."""


class Stream:
    """Changes of one kind with the instants of their stages; columns of arrays are observers.

    AHEAD stands for a sync that had not begun by the run's end, and for a change without a trigger time.
    """

    AHEAD = 1 << 61

    def __init__(self, changes: Sequence[Change], adoptions: Adoptions) -> None:
        n = len(adoptions.received)
        self.changes = changes[:n]
        self.visible = np.array([c.visible_ns for c in self.changes], dtype=np.int64)
        self.written = np.array([c.write_ns for c in self.changes], dtype=np.int64)
        triggers = [c.trigger_ns for c in self.changes]
        self.trigger = np.array([self.AHEAD if t is None else t for t in triggers], dtype=np.int64)
        self.received = adoptions.received
        self.sync_start = np.where(adoptions.sync_start < 0, self.AHEAD, adoptions.sync_start)
        self.committed = np.where(adoptions.committed < 0, self.AHEAD, adoptions.committed)
        self.observers = adoptions.observers
        self._order = np.argsort(self.observers)

    def columns(self, observer: Int64) -> Int64:
        """The column of each observer, -1 if it watches nothing here (the pods themselves)."""
        if not len(self.observers):
            return np.full(len(observer), -1, dtype=np.int64)
        sorted_ids = self.observers[self._order]
        place = np.minimum(np.searchsorted(sorted_ids, observer), len(sorted_ids) - 1)
        return np.where(sorted_ids[place] == observer, self._order[place], -1)


class Pipeline:
    """The changes of one replication by what they did to each view.

    removals[view][server], additions[view][server], fills[view]: ordinals of the changes, in the view's
    stream, that took the server off, put it on, or gave the empty list something to choose.
    """

    def __init__(
        self, control: ControlRun, beliefs: Beliefs, versions: Sequence[npt.NDArray[np.int32]]
    ) -> None:
        self.slices = Stream(control.changes, control.slice_adoptions)
        self.pods = Stream(control.pod_changes, control.pod_adoptions)
        self._stream: dict[int, Stream] = {}
        self.removals: dict[int, dict[int, list[int]]] = {}
        self.additions: dict[int, dict[int, list[int]]] = {}
        self.fills: dict[int, list[int]] = {}
        lists: dict[int, frozenset[int]] = {}
        now: dict[int, frozenset[int]] = {}
        for stream in (self.slices, self.pods):
            for k, change in enumerate(stream.changes):
                for view, version in change.versions:
                    if view not in now:
                        self._stream[view] = stream
                        now[view] = self._first(beliefs, view, versions)
                        self.removals[view], self.additions[view], self.fills[view] = {}, {}, []
                    before = now[view]
                    after = lists.get(version)
                    if after is None:
                        after = lists[version] = frozenset(versions[version].tolist())
                    now[view] = after
                    for server in before - after:
                        self.removals[view].setdefault(server, []).append(k)
                    for server in after - before:
                        self.additions[view].setdefault(server, []).append(k)
                    if after and not before:
                        self.fills[view].append(k)

    @staticmethod
    def _first(beliefs: Beliefs, view: int, versions: Sequence[npt.NDArray[np.int32]]) -> frozenset[int]:
        """What everybody held of the view before any change."""
        steps, version = beliefs.of(view)
        if not len(version) or steps.t[0] > 0:
            return frozenset()
        return frozenset(versions[int(version[0])].tolist())

    def moves(self, which: dict[int, dict[int, list[int]]]) -> tuple[Int64, Int64, Int64]:
        """(server, visible_ns, written_ns) of each of the removals or additions."""
        rows: list[tuple[int, int, int]] = []
        for view, by_server in which.items():
            changes = self._stream[view].changes
            for server, places in by_server.items():
                rows += [(server, changes[k].visible_ns, changes[k].write_ns) for k in places]
        table = np.array(rows, dtype=np.int64).reshape(len(rows), 3)
        return table[:, 0], table[:, 1], table[:, 2]

    def stage_of_removal(self, view: int, server: Int64, observer: Int64, t: Int64) -> Int8:
        """Where the change that takes `server` off the observer's list was at `t`, element by element."""
        removals = self.removals.get(view, {})
        distinct, own = np.unique(server, return_inverse=True)
        changes = [removals.get(one, []) for one in distinct.tolist()]
        return self._stage(view, changes, own, observer, t)

    def stage_of_fill(self, view: int, observer: Int64, t: Int64) -> Int8:
        """Where the change that fills the observer's empty list was at `t`, element by element."""
        own = np.zeros(len(t), dtype=np.int64)
        return self._stage(view, [self.fills.get(view, [])], own, observer, t)

    def _stage(self, view: int, changes: list[list[int]], own: Int64, observer: Int64, t: Int64) -> Int8:
        """The stage at `t` of the first of `changes[own]` that the observer commits after `t`.

        DETECTION where there is none: nobody at the API server knew it before the run's end.
        """
        found = np.full(len(t), Stage.DETECTION, dtype=np.int8)
        index = np.array([k for one in changes for k in one], dtype=np.int64)
        if not len(index):
            return found
        stream = self._stream[view]
        column = stream.columns(observer)
        rows = np.flatnonzero(column >= 0)
        if not len(rows):
            return found
        column, t = column[rows], t[rows]
        used, place = np.unique(column, return_inverse=True)
        owner = np.repeat(np.arange(len(changes)), [len(one) for one in changes])
        group = (owner[:, None] * len(used) + np.arange(len(used))).ravel()
        order = np.argsort(group, kind="stable")
        committed = np.minimum(stream.committed[np.ix_(index, used)].ravel(), int(t.max()) + 1)
        steps = Steps(group[order], committed[order])
        asked = own[rows] * len(used) + place
        last = steps.row_at(asked, t)
        following = np.where(last >= 0, last + 1, np.searchsorted(steps.group, asked))
        there = following < np.searchsorted(steps.group, asked, side="right")
        rows, column, t = rows[there], column[there], t[there]
        k = index[order[following[there]] // len(used)]
        stage = np.full(len(rows), Stage.SYNC, dtype=np.int8)
        stage[t < stream.sync_start[k, column]] = Stage.MIN_SYNC
        stage[t < stream.received[k, column]] = Stage.WATCH
        stage[t < stream.written[k]] = Stage.ENDPOINT_SLICE
        stage[t < stream.visible[k]] = Stage.DETECTION
        found[rows] = stage
        return found
