"""The control plane's clock: SimPy in int nanoseconds, with plain callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import Timeout

__all__ = ["SECOND", "Loop"]

SECOND = 1_000_000_000


class Loop:
    """Runs callbacks at instants; equal instants keep the order in which they were asked for."""

    def __init__(self) -> None:
        self._env = simpy.Environment(initial_time=0)

    @property
    def now(self) -> int:
        """The present instant, int ns."""
        return int(self._env.now)

    def at(self, t_ns: int, do: Callable[..., Any], *args: Any) -> None:
        """Call do(*args) at t_ns, or now if that has passed."""
        timeout = Timeout(self._env, max(t_ns - int(self._env.now), 0))
        assert timeout.callbacks is not None
        timeout.callbacks.append(lambda _: do(*args))

    def run_before(self, until_ns: int) -> None:
        """Handle everything before until_ns."""
        env = self._env
        while env.peek() < until_ns:
            env.step()
