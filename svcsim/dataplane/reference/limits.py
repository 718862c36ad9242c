"""Local ports of sources and entries of connection tables: so many at once, some kept for a while (R28)."""

from __future__ import annotations

import heapq

from svcsim.dataplane.contract import TABLE_CLOSE_NS, TABLE_TIME_WAIT_NS, TIME_WAIT_NS, Outcome

__all__ = ["CLOSES_FIRST", "Limit", "entry_kept_ns", "port_kept_ns"]

CLOSES_FIRST = frozenset((Outcome.OK, Outcome.REQUEST_TIMEOUT, Outcome.REJECTED, Outcome.MISDELIVERED))
"""Ends after which the client's FIN was the first (R28a)."""


class Limit:
    """At most so many are taken at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._kept_until: list[int] = []

    def room(self, now_ns: int) -> bool:
        """Whether one can be taken now."""
        while self._kept_until and self._kept_until[0] <= now_ns:
            heapq.heappop(self._kept_until)
            self._taken -= 1
        return self._taken < self._most

    def take(self) -> None:
        """Take one."""
        self._taken += 1

    def give_back(self, until_ns: int) -> None:
        """One can be taken again from an instant on."""
        heapq.heappush(self._kept_until, until_ns)


def port_kept_ns(outcome: Outcome) -> int:
    """How long a port is kept after an attempt that ended so."""
    return TIME_WAIT_NS if outcome in CLOSES_FIRST else 0


def entry_kept_ns(outcome: Outcome) -> int:
    """How long an entry is kept after an attempt that ended so."""
    return TABLE_CLOSE_NS if outcome in (Outcome.REFUSED, Outcome.RESET) else TABLE_TIME_WAIT_NS
