"""The control plane's clock: SimPy in int nanoseconds, with plain callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import NORMAL, Event

__all__ = ["SECOND", "Loop"]

SECOND = 1_000_000_000


class _Call(Event):
    """What a `simpy.Timeout` is, with the callback that it is there for."""

    def __init__(self, env: simpy.Environment, delay: int, do: Callable[..., Any], args: tuple[Any, ...]):
        self.env = env
        self.callbacks = [self._call]
        self._ok = True
        self._value = None
        self._do = do
        self._args = args
        env.schedule(self, NORMAL, delay)

    def _call(self, _: Event) -> None:
        self._do(*self._args)


class Loop:
    """Runs callbacks at instants; equal instants keep the order in which they were asked for.

    now: the present instant, int ns.
    """

    def __init__(self) -> None:
        self._env = simpy.Environment(initial_time=0)
        self.now = 0

    def at(self, t_ns: int, do: Callable[..., Any], *args: Any) -> None:
        """Call do(*args) at t_ns, or now if that has passed."""
        _Call(self._env, max(t_ns - self.now, 0), do, args)

    def run_before(self, until_ns: int) -> None:
        """Handle everything before until_ns."""
        peek, step = self._env.peek, self._env.step
        while (t_ns := peek()) < until_ns:
            self.now = int(t_ns)
            step()
