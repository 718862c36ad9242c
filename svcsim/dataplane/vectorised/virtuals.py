"""Arrays of the virtual services of R26: one row to each observer, view and number that some client uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import ClientPlan, Plan, Scheduler
from svcsim.dataplane.vectorised.state import Virtuals

__all__ = ["laid_out", "more_room", "with_servers"]

_PER_SERVER = ("destinations", "there", "leaving", "open", "over", "last_end", "mark", "at", "skip")


def _places(plan: Plan, client: ClientPlan) -> Iterator[list[tuple[int, int, int]]]:
    """For each source the (observer, view, virtual) that may choose for it: by entry, or the one there is."""
    for source, view in enumerate(client.views.tolist()):
        if client.targets >= 0:
            yield [(node, client.view, client.virtual) for node in range(plan.n_nodes)]
        else:
            entry = int(client.entry_of_source[source])
            routed_by = entry if entry >= 0 else int(client.observer_of_source[source])
            yield [(routed_by, view, client.virtual)]


def laid_out(plan: Plan, pairs: npt.NDArray[np.int64]) -> Virtuals:
    """The arrays of a plan, without servers. pairs: sorted keys observer * n_views + view of beliefs."""
    rows: dict[tuple[int, int, int], tuple[int, Scheduler]] = {}
    of_source, of_entry = [], []
    for client in plan.clients:
        if client.scheduler is Scheduler.NONE:
            of_source += [-1] * client.n_sources
            of_entry += [-1] * (plan.n_nodes if client.targets >= 0 else 0)
            continue
        own = [
            [rows.setdefault(place, (len(rows), client.scheduler))[0] for place in places]
            for places in _places(plan, client)
        ]
        balanced = client.targets >= 0
        of_source += [-1] * client.n_sources if balanced else [one[0] for one in own]
        of_entry += own[0] if balanced else []
    schedulers = [scheduler for _, scheduler in rows.values()]
    pair = np.searchsorted(pairs, [o * plan.n_views + view for o, view, _ in rows])
    n = len(rows)
    return Virtuals(
        row_of_source=np.array(of_source, dtype=np.int32),
        row_of_entry=np.array(of_entry, dtype=np.int32),
        scheduler=np.array([int(one) for one in schedulers], dtype=np.int8),
        of_pair_at=np.searchsorted(np.sort(pair), np.arange(len(pairs) + 1)).astype(np.int64),
        of_pair=np.argsort(pair, kind="stable").astype(np.int32),
        hash_key=np.array([c.hash_key for c in plan.clients], dtype=np.uint64),
        table_key=np.array([plan.table_key], dtype=np.uint64),
        size=np.zeros(n, dtype=np.int64),
        last=np.full(n, -1, dtype=np.int64),
        n_leaving=np.zeros(n, dtype=np.int64),
        entries=np.array([one.entries for one in schedulers], dtype=np.int64),
        dirty=np.ones(n, dtype=np.int8),
        table=np.full((n, max([one.entries for one in schedulers], default=0)), -1, dtype=np.int32),
        destinations=np.zeros((n, 0), dtype=np.int32),
        there=np.zeros((n, 0), dtype=np.int8),
        leaving=np.zeros((n, 0), dtype=np.int64),
        open=np.zeros((n, 0), dtype=np.int32),
        over=np.zeros((n, 0), dtype=np.int32),
        last_end=np.zeros((n, 0), dtype=np.int64),
        mark=np.zeros((1, 0), dtype=np.int64),
        at=np.zeros((1, 0), dtype=np.int64),
        skip=np.zeros((1, 0), dtype=np.int64),
        ring=np.zeros((64, 3), dtype=np.int64),
        counts=np.zeros(3, dtype=np.int64),
    )


def with_servers(virtuals: Virtuals, n: int) -> Virtuals:
    """The arrays with room for n servers."""
    wider: dict[str, Any] = {}
    for name in _PER_SERVER:
        old = getattr(virtuals, name)
        new = np.full((len(old), n), -1 if name == "leaving" else 0, dtype=old.dtype)
        new[:, : old.shape[1]] = old
        wider[name] = new
    return virtuals._replace(**wider)


def more_room(virtuals: Virtuals) -> Virtuals:
    """The arrays with twice the room for connections that are remembered, the oldest first."""
    ring, head = virtuals.ring, int(virtuals.counts[0])
    longer = np.zeros((2 * len(ring), 3), dtype=np.int64)
    longer[: len(ring)] = np.roll(ring, -head, axis=0)
    virtuals.counts[0] = 0
    return virtuals._replace(ring=longer)
