"""Users of closed loops (R29): what is drawn for them, some requests ahead, for the compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from svcsim.dataplane.contract import ClientPlan
from svcsim.dataplane.draws import ClientDraws
from svcsim.dataplane.loops import LoopDraws
from svcsim.dataplane.vectorised import kernel, state

__all__ = ["Users", "columns"]

DRAWN_AHEAD = 1 << 20  # requests held drawn at a time, over all users
MOST, LEAST = 256, 8


def columns(plans: Sequence[ClientPlan], draws: Sequence[ClientDraws]) -> dict[str, Any]:
    """Return the columns of `state.Clients` that are about users, with nothing drawn yet."""
    users = np.array([c.users for c in plans], dtype=np.int64)
    n = int(users.sum())
    ahead = max(min(DRAWN_AHEAD // max(n, 1), MOST), LEAST)
    laws = max((len(set(d.services.values())) for d in draws), default=1)
    return {
        "users": users,
        "user_at": np.concatenate(([0], np.cumsum(users))).astype(np.int64),
        "loop_place": np.full(n, ahead, dtype=np.int64),
        "loop_route": np.zeros((n, ahead), dtype=np.uint64),
        "loop_think": np.zeros((n, ahead), dtype=np.int64),
        "loop_service": np.zeros((n, max(laws, 1), ahead), dtype=np.int64),
    }


class Users:
    """The users of all clients, and how far each has been drawn."""

    def __init__(self, draws: Sequence[ClientDraws]) -> None:
        self._loops: list[tuple[int, LoopDraws]] = [(k, d.loop) for k, d in enumerate(draws) if d.loop]
        self.n = sum(loop.users for _, loop in self._loops)
        self._drawn = np.zeros(self.n, dtype=np.int64)

    def start(self, scalars: Any, cl: state.Clients, ev: state.Events) -> None:
        """Put the first request of every user on the heap, which has room."""
        if not self.n:
            return
        first = np.empty(self.n, dtype=np.int64)
        for client, loop in self._loops:
            at = int(cl.user_at[client])
            first[at : at + loop.users] = loop.think_ns(np.arange(loop.users, dtype=np.int64))
        kernel.start_users(scalars, cl, ev, first)
        self.refill(cl)

    def refill(self, cl: state.Clients) -> None:
        """Draw more requests for every user that has used up its own."""
        ahead = cl.loop_route.shape[1]
        for client, loop in self._loops:
            at = int(cl.user_at[client])
            users = np.flatnonzero(cl.loop_place[at : at + loop.users] == ahead)
            flat = at + users
            turns = self._drawn[flat][:, None] + np.arange(ahead, dtype=np.int64)
            numbers = turns * loop.users + users[:, None]
            drawn = loop.requests(numbers.ravel())
            cl.loop_route[flat] = drawn.route.reshape(numbers.shape)
            cl.loop_think[flat] = loop.think_ns((numbers + loop.users).ravel()).reshape(numbers.shape)
            for group, column in drawn.service_ns.items():
                cl.loop_service[flat, cl.law[client, group]] = column.reshape(numbers.shape)
            self._drawn[flat] += ahead
            cl.loop_place[flat] = 0
