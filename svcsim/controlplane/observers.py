"""Who believes what, and since when: turns writes of versions into beliefs of every observer.

Three kinds of observer: node proxies (watch, then kube-proxy's run loop), direct watchers (the resolver, and
each source of a client that watches: watch lag only) and the pods themselves (loopback: no lag).
A watch delivers in order: an arrival is never before the arrival of an earlier write. What watches on a node
that is cut off has what is written meanwhile when it has reconnected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.controlplane.downstream import Downstream
from svcsim.controlplane.kubeproxy import ProxyLoops
from svcsim.controlplane.lags import Dice, units_at
from svcsim.dataplane.contract import NEVER
from svcsim.distributions import Distribution
from svcsim.rng import Purpose

__all__ = ["Adoptions", "Observers"]

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Adoptions:
    """When each watching observer had each change: int64 (n_changes, n_observers), -1 where it had not.

    received: the watch event; sync_start and committed: of the sync that applied it (direct watchers start at
    once, and all but ingress proxies are done at once).
    """

    observers: Int64
    received: Int64
    sync_start: Int64
    committed: Int64


class Observers:
    """The observers of one replication.

    proxies: observer ids of node proxies. outages: by observer id of a proxy, when it is stopped. watchers:
    of direct watchers. node_of_watcher: the node of a direct watcher that is on one (a proxy's is its
    observer id). `versions` of a change apply to all. full_factor:
    how much longer a full sync takes. slowdown: by node, how much longer its kube-proxy takes. maximum_ns,
    full_every_ns: after how long a proxy syncs by itself, and fully.
    """

    def __init__(
        self,
        *,
        timeline: Downstream,
        dice: Dice,
        proxies: dict[int, str],
        watchers: dict[int, str],
        outages: dict[int, list[tuple[int, int]]],
        kubernetes_minor: int,
        min_sync_ns: int,
        watch: Distribution,
        sync: Distribution,
        node_of_watcher: dict[int, int],
        full_factor: float = 1.0,
        slowdown: Sequence[float] = (),
        maximum_ns: int = NEVER,
        full_every_ns: int = NEVER,
    ) -> None:
        self._timeline = timeline
        self._watch = watch
        self._sync = sync
        self._sync_factor = dice.load_factor("sync")
        self._slowdown = np.array([slowdown[node] if slowdown else 1.0 for node in proxies])[:, None]
        self._ids = np.array([*proxies, *watchers], dtype=np.int64)
        names = [*proxies.values(), *watchers.values()]
        self._n_proxies = len(proxies)
        self._node = np.array([*proxies, *(node_of_watcher.get(o, -1) for o in watchers)], dtype=np.int64)
        self._blind = np.zeros(len(names), dtype=bool)
        self._watch_keys = np.array([dice.key(Purpose.LAG, f"watch/{n}") for n in names], dtype=np.uint64)
        self._sync_keys = np.array(
            [dice.key(Purpose.LAG, f"sync/{n}") for n in proxies.values()], dtype=np.uint64
        )
        self._loops = ProxyLoops(
            n_nodes=len(proxies),
            kubernetes_minor=kubernetes_minor,
            min_sync_ns=min_sync_ns,
            outages=[outages.get(node, []) for node in proxies],
            full_factor=full_factor,
            maximum_ns=maximum_ns,
            full_every_ns=full_every_ns,
            last_ns=[-round(dice.unit(Purpose.PHASE, f"synced/{n}") * maximum_ns) for n in proxies.values()]
            if maximum_ns < NEVER
            else [],
        )
        self._new: list[tuple[int, list[tuple[int, int | Int64]], npt.NDArray[np.bool_] | None]] = []
        self._changes: list[tuple[int, list[tuple[int, int | Int64]]]] = []
        self._last_arrival = np.zeros(len(names), dtype=np.int64)
        self._received: list[Int64] = []
        self._starts = np.empty((0, len(names)), dtype=np.int64)
        self._commits = np.empty((0, len(names)), dtype=np.int64)

    def believe_from_start(self, view: int, version: int | Int64) -> None:
        """At t = 0 everything declared is programmed everywhere; a version for all, or one for each node."""
        scoped = not isinstance(version, int)
        for observer in self._ids[: self._n_proxies if scoped else None].tolist():
            own = version if isinstance(version, int) else int(version[observer])
            self._timeline.belief(0, observer, view, own)

    def written(self, t_ns: int, versions: Sequence[tuple[int, int | Int64]]) -> None:
        """A Service's slices were written at t_ns: (view, version) of each list that it changed, if any.

        A version is one for all, or int64 by node, -1 where a node's list did not change.
        """
        self._new.append((t_ns, list(versions), self._blind.copy() if self._blind.any() else None))

    def cut(self, node: int) -> None:
        """What is on the node hears nothing of what is written from now on."""
        self._blind |= self._node == node

    def reconnect(self, node: int, t_ns: int, *, booted: bool = False) -> None:
        """It lists what there is, and has it all at t_ns; after a boot with new processes."""
        self.advance(t_ns)  # what began before is not a new process's first sync
        if booted:
            self._loops.anew[self._node[: self._n_proxies] == node] = 1
        back = np.flatnonzero(self._blind & (self._node == node))
        self._blind[back] = False
        for k, received in enumerate(self._received):
            for i in back[received[back] == NEVER].tolist():
                received[i] = max(t_ns, int(self._last_arrival[i]))
                if i >= self._n_proxies:
                    self._believe_direct(k, i, int(received[i]))
        self._last_arrival[back] = np.maximum(self._last_arrival[back], t_ns)

    def _believe_direct(self, k: int, i: int, t_ns: int) -> None:
        """A direct watcher takes what change k says."""
        observer = int(self._ids[i])
        applied_ns = self._timeline.applies(observer, t_ns)
        self._starts[k, i], self._commits[k, i] = t_ns, applied_ns
        for view, version in self._changes[k][1]:
            if isinstance(version, int):
                self._timeline.belief(applied_ns, observer, view, version)

    def advance(self, until_ns: int) -> None:
        """Write the beliefs that begin before until_ns, and any later ones already certain."""
        self._arrive()
        n = len(self._changes)
        if not n or not len(self._ids):
            return
        proxies = self._n_proxies
        if not proxies:
            return
        first = int(self._loops.done.min())
        if first >= n:
            return
        arrivals = np.ascontiguousarray(np.stack(self._received[first:])[:, :proxies].T)
        units = units_at(self._sync_keys, self._loops.syncs, n - first)
        drawn = self._sync.quantile_ns(units.ravel()).reshape(units.shape)
        durations = np.rint(drawn * self._sync_factor * self._slowdown).astype(np.int64)
        starts, commits = self._loops.advance(until_ns, arrivals, durations, first)
        decided = commits >= 0
        self._starts[first:, :proxies][decided.T] = starts.T[decided.T]
        self._commits[first:, :proxies][decided.T] = commits.T[decided.T]
        for k in range(n - first):
            for view, version in self._changes[first + k][1]:
                for node in np.flatnonzero(decided[:, k]).tolist():
                    observer = int(self._ids[node])
                    own = version if isinstance(version, int) else int(version[observer])
                    if own != -1:
                        self._timeline.belief(int(commits[node, k]), observer, view, own)

    def _arrive(self) -> None:
        """Draw when the watchers receive the new writes; direct watchers believe at once."""
        new, self._new = self._new, []
        if not new or not len(self._ids):
            return
        done = len(self._changes)
        units = units_at(self._watch_keys, np.full(len(self._ids), done, dtype=np.int64), len(new))
        lags = self._watch.quantile_ns(units.ravel()).reshape(units.shape).T
        self._grow(len(new))
        for (t_ns, versions, blind), lag in zip(new, lags, strict=True):
            arrival = np.maximum(t_ns + lag, self._last_arrival)
            if blind is None:
                self._last_arrival = arrival.copy()
            else:
                self._last_arrival = np.where(blind, self._last_arrival, arrival)
                arrival = np.where(blind, NEVER, arrival)
            self._received.append(arrival)
            k = len(self._changes)
            self._changes.append((t_ns, versions))
            for i in range(self._n_proxies, len(arrival)):
                if arrival[i] < NEVER:
                    self._believe_direct(k, i, int(arrival[i]))

    def _grow(self, k: int) -> None:
        more = np.full((k, len(self._ids)), -1, dtype=np.int64)
        self._starts = np.concatenate((self._starts, more))
        self._commits = np.concatenate((self._commits, more))

    def adoptions(self) -> Adoptions:
        """All adoptions so far, one row to a change in the order written."""
        n = len(self._changes)
        received = np.stack(self._received) if n else np.empty((0, len(self._ids)), dtype=np.int64)
        received = np.where(received == NEVER, -1, received)
        return Adoptions(
            observers=self._ids, received=received, sync_start=self._starts, committed=self._commits
        )
