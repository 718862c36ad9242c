"""The clock of the reference engine: a SimPy environment in which insertion order decides nothing.

SimPy handles events by (time, priority, insertion). Here time is a Python int of nanoseconds and the
priority of every timed event is R1's (rank, client, request), packed into one integer. SimPy's own
priorities, URGENT = 0 and NORMAL = 1, are smaller than any of these: what an event sets off (a process that
starts, a condition that is met) is handled at once, before the next event of the same instant.
"""

from __future__ import annotations

import simpy
from simpy.events import Event, EventPriority

from svcsim.dataplane.contract import Rank

__all__ = ["JOBS", "OrderedEnvironment", "priority"]

JOBS = 1 << 31
"""Stands for the client of injected jobs: sorts after all clients (R1)."""


def priority(rank: Rank, client: int, request: int) -> EventPriority:
    """R1's order within one instant as an integer; client < 2^32, request < 2^64.

    >>> priority(Rank.DEADLINE, 0, 0) > priority(Rank.COMPLETION, 7, 9) > priority(Rank.COMPLETION, 7, 8) > 1
    True
    """
    return EventPriority(((rank + 1) << 96) + (client << 64) + request)


class OrderedEnvironment(simpy.Environment):
    """Runs half-open windows (R2) and makes events that know their place at an instant."""

    def __init__(self, horizon_ns: int) -> None:
        super().__init__(0)
        self.horizon_ns = horizon_ns

    @property
    def now_ns(self) -> int:
        """The instant of the event being handled."""
        assert isinstance(self._now, int)
        return self._now

    def at(self, t_ns: int, rank: Rank, client: int, request: int) -> Event:
        """An event at instant t_ns >= now, placed by R1; one past the end of the run never happens (R3)."""
        event = Event(self)
        if t_ns < self.horizon_ns:
            assert t_ns >= self.now_ns
            event._ok = True
            event._value = None
            self.schedule(event, priority(rank, client, request), t_ns - self.now_ns)
        return event

    def run_before(self, until_ns: int) -> None:
        """Handle every event before until_ns and no other; `now` stays at the last of them."""
        while self.peek() < until_ns:
            self.step()
