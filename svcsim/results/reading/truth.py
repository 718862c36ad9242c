"""The two histories as step functions of time that can be asked at many instants at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import ServerState, TruthKind
from svcsim.timeline import Histories

__all__ = ["Beliefs", "Lists", "Steps", "Truth"]

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]

_KEY_LIMIT = 1 << 62
_STATE_OF_KIND = np.array(
    [
        ServerState.STARTING,
        ServerState.LISTENING,
        ServerState.CLOSED,
        ServerState.UNBORN,
        ServerState.VANISHED,
        ServerState.FOREIGN,
    ],
    dtype=np.int8,
)
_ERA_OF_STATE = np.array([0, 0, 1, 2, 2, 3], dtype=np.int8)


class Steps:
    """Step functions, one to a group: int64 rows sorted by (group, t), of equal ones the last holds."""

    def __init__(self, group: Int64, t: Int64) -> None:
        self.group = group
        self.t = t

    def row_at(self, group: Int64, t: Int64) -> Int64:
        """The row that holds in each `group` at `t` (a row holds from its instant on), -1 if none yet."""
        if not len(self.t):
            return np.full(len(t), -1, dtype=np.int64)
        own, asked = self.t, np.minimum(t, self.t.max())
        scale = int(self.t.max()) + 1
        if (int(max(self.group[-1], group.max(initial=0))) + 1) * scale >= _KEY_LIMIT:
            instants = np.unique(self.t)
            own = np.searchsorted(instants, self.t)
            asked = np.searchsorted(instants, asked, side="right") - 1
            scale = len(instants)
        row = np.searchsorted(self.group * scale + own, group * scale + asked, side="right") - 1
        holds = (row >= 0) & (self.group[row] == group) & (asked >= 0)
        return np.where(holds, row, -1)


@dataclass(frozen=True, kw_only=True)
class Lists:
    """Versions laid end to end: servers of v are servers[at[v] : at[v] + size[v]].

    The last two places of `at` and `size` are empty lists: -1 is no version, -2 DROPPED (R21).
    """

    servers: Int64
    at: Int64
    size: Int64

    @classmethod
    def of(cls, histories: Histories) -> Lists:
        """The versions of a run."""
        size = np.array([len(v) for v in histories.versions], dtype=np.int64)
        servers = np.concatenate([*histories.versions, np.empty(0, dtype=np.int32)]).astype(np.int64)
        size = np.append(size, (0, 0))
        return cls(servers=servers, at=np.cumsum(size) - size, size=size)


class Truth:
    """The state of every server over time (R11).

    steps: rows by (server, t). state: int8, after each row. era_ns: int64, instant since which the server has
    accepted or not accepted; CLOSED and VANISHED are one era.
    """

    def __init__(self, histories: Histories, duration_ns: int) -> None:
        order = np.argsort(histories.truth_server, kind="stable")
        server = histories.truth_server[order].astype(np.int64)
        t, kind = histories.truth_t[order], histories.truth_kind[order]
        self.duration_ns = duration_ns
        self.n_servers = len(histories.server_group)
        self.steps = Steps(server, t)
        n = len(t)
        place = np.arange(n)
        first = np.ones(n, dtype=bool)
        first[1:] = server[1:] != server[:-1]
        begins = np.maximum.accumulate(np.where(first, place, 0)) if n else place
        closes, cuts = kind == TruthKind.CLOSE, kind == TruthKind.CUT
        last = np.maximum.accumulate(np.where(closes | cuts, -1, place)) if n else place
        known = last >= begins
        state = np.where(known, _STATE_OF_KIND[kind[np.maximum(last, 0)]], np.int8(ServerState.UNBORN))
        last_close = np.maximum.accumulate(np.where(closes, place, -1)) if n else place
        closed = (state == ServerState.LISTENING) & (last_close > last) & (last_close >= begins)
        state = np.where(closed, np.int8(ServerState.CLOSED), state)
        self.state: Int8 = state.astype(np.int8)
        self.era_ns = t[self._run_starts(_ERA_OF_STATE[self.state], first)] if n else t
        self._first = first

    @staticmethod
    def _run_starts(value: Int8, first: Bool) -> Int64:
        """For each row, the row at which its run of equal values begins."""
        new = first.copy()
        new[1:] |= value[1:] != value[:-1]
        starts: Int64 = np.maximum.accumulate(np.where(new, np.arange(len(value)), 0))
        return starts

    def at(self, server: Int64, t: Int64) -> tuple[Int8, Int64]:
        """(state, era_ns) of each server at t, rows of that instant included; UNBORN has era -1."""
        row = self.steps.row_at(server, t)
        if not len(self.state):
            return np.zeros(len(t), dtype=np.int8), np.full(len(t), -1, dtype=np.int64)
        born = row >= 0
        state = np.where(born, self.state[row], np.int8(ServerState.UNBORN))
        return state.astype(np.int8), np.where(born, self.era_ns[row], -1)

    def spells(self) -> tuple[Int64, Int8, Int64, Int64]:
        """(server, state, from_ns, to_ns): every spell of one state, UNBORN left out, sorted by server."""
        n = len(self.state)
        if not n:
            none = np.empty(0, dtype=np.int64)
            return none, self.state, none, none
        new = self._run_starts(self.state, self._first) == np.arange(n)
        new &= self.state != ServerState.UNBORN
        rows = np.flatnonzero(new)
        server = self.steps.group[rows]
        begin = self.steps.t[rows]
        end = np.full(len(rows), self.duration_ns, dtype=np.int64)
        same = server[1:] == server[:-1]
        end[:-1][same] = begin[1:][same]
        lasts = end > begin
        return server[lasts], self.state[rows][lasts], begin[lasts], end[lasts]

    def listening(self) -> tuple[Int64, Int64, Int64]:
        """(server, from_ns, to_ns) of every spell in which a server accepts, sorted by server."""
        server, state, begin, end = self.spells()
        accepts = state == ServerState.LISTENING
        return server[accepts], begin[accepts], end[accepts]


class Beliefs:
    """What each observer held of each view over time.

    of(view): its rows by (observer, t), and the version of each.
    """

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._views: dict[int, tuple[Steps, Int64]] = {}

    def of(self, view: int) -> tuple[Steps, Int64]:
        """The rows of one view as (steps by observer, version of each row)."""
        known = self._views.get(view)
        if known is None:
            h = self._histories
            rows = np.flatnonzero(h.belief_view == view)
            rows = rows[np.argsort(h.belief_observer[rows], kind="stable")]
            steps = Steps(h.belief_observer[rows].astype(np.int64), h.belief_t[rows])
            known = steps, h.belief_version[rows].astype(np.int64)
            self._views[view] = known
        return known

    def held(self, view: int, observer: Int64, t: Int64) -> tuple[Int64, Int64]:
        """(version, since_ns) of each observer at t, rows of that instant included; (-1, 0) before any."""
        steps, version = self.of(view)
        row = steps.row_at(observer, t)
        if not len(version):
            return row, np.zeros(len(t), dtype=np.int64)
        has = row >= 0
        return np.where(has, version[row], -1), np.where(has, steps.t[row], 0)
