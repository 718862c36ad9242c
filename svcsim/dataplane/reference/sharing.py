"""Servers whose works share their cores (R31)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from simpy.events import Event

from svcsim.dataplane.contract import LONGEST_WORK_NS, NEVER, SHARE_UNITS, Ask, Rank
from svcsim.dataplane.reference.order import OrderedEnvironment

__all__ = ["SharedCores", "SharedWork", "gain", "wait_ns"]

_TOO_LATE_NS = 1 << 61


def gain(dt_ns: int, works: int, cores_permille: int) -> int:
    """How far the clock gets within dt_ns while there are so many works, in SHARE_UNITS.

    >>> gain(10, 1, 2000), gain(10, 4, 2000), gain(1, 3, 1000)
    (10240, 5120, 341)
    """
    return dt_ns * SHARE_UNITS * min(1000 * works, cores_permille) // (1000 * works)


def wait_ns(units: int, works: int, cores_permille: int) -> int:
    """How long until the clock has grown by so many units.

    >>> wait_ns(341, 3, 1000), wait_ns(342, 3, 1000), wait_ns(-5, 3, 1000)
    (1, 2, 0)
    """
    wait = -(-max(units, 0) * 1000 * works // (SHARE_UNITS * min(1000 * works, cores_permille)))
    return wait if wait <= _TOO_LATE_NS else NEVER


@dataclass(slots=True, eq=False)
class SharedWork:
    """One accepted work: the clock at its start and at its end; `over_ns`: when it ended, was cut or lost."""

    begun: int
    until: int
    ended: Event
    end_ns: int = NEVER
    over_ns: int = -1

    def performed_ns(self, clock: int) -> int:
        """How much of it has been performed when the server's clock stands so (R19)."""
        return (min(clock, self.until) - self.begun) // SHARE_UNITS


class SharedCores:
    """The works of one server, its clock as of the last change, and what was performed of other works."""

    def __init__(self, env: OrderedEnvironment, cores_permille: int) -> None:
        self.env = env
        self.cores_permille = cores_permille
        self.works: list[SharedWork] = []
        self._clock = 0
        self._changed_ns = 0
        self._changes = 0
        self._done_ns = 0

    def full(self, queue: int) -> bool:
        """Whether the cores and so many places are taken; -1 for no limit."""
        return 0 <= queue <= len(self.works) - -(-self.cores_permille // 1000)

    def accept(self, service_ns: int) -> SharedWork:
        """Work that starts now."""
        self._change()
        end = self._clock + SHARE_UNITS * min(service_ns, LONGEST_WORK_NS)
        work = SharedWork(self._clock, end, self.env.event())
        self.works.append(work)
        self._await_end()
        return work

    def forget(self) -> None:
        """All works are cut or lost now."""
        self._change()
        for work in self.works:
            self._over(work)
        self.works.clear()

    def ask(self, what: Ask, at_ns: int) -> int:
        """DRAIN_END, IN_FLIGHT or WORK_DONE at an instant up to which everything has been handled."""
        match what:
            case Ask.DRAIN_END:
                last = max(self.works, key=lambda work: work.until, default=None)
                return at_ns if last is None else max(at_ns, self.due_ns(last))
            case Ask.IN_FLIGHT:
                return len(self.works)
            case _:
                clock = self._clock_at(at_ns)
                return self._done_ns + sum(work.performed_ns(clock) for work in self.works)

    def due_ns(self, work: SharedWork) -> int:
        """When a work ends if nothing more is accepted; once it is over, when that was."""
        if work.over_ns >= 0:
            return work.over_ns
        t, clock, left = self._changed_ns, self._clock, len(self.works)
        for until in sorted(one.until for one in self.works):
            wait = wait_ns(until - clock, left, self.cores_permille)
            if wait == NEVER:
                return NEVER
            t += wait
            clock += gain(wait, left, self.cores_permille)
            left -= 1
            if until == work.until:
                break
        return t

    def _clock_at(self, t_ns: int) -> int:
        """The clock at an instant before which nothing changes."""
        works = len(self.works)
        return self._clock + gain(t_ns - self._changed_ns, works, self.cores_permille) if works else 0

    def _change(self) -> None:
        """The set of works changes now."""
        self._clock = self._clock_at(self.env.now_ns)
        self._changed_ns = self.env.now_ns
        self._changes += 1

    def _over(self, work: SharedWork) -> None:
        work.over_ns = self.env.now_ns
        self._done_ns += work.performed_ns(self._clock)

    def _await_end(self) -> None:
        """The next end, unless the works change before."""
        if self.works:
            first = min(self.works, key=lambda work: work.until)
            event = self.env.at(self.due_ns(first), Rank.COMPLETION, 0, 0)
            if event.callbacks is not None:
                event.callbacks.append(partial(self._end, self._changes))

    def _end(self, changes: int, _: Event) -> None:
        """Whatever has had its service by now ends, unless the works have changed since."""
        if changes != self._changes:
            return
        self._change()
        for work in [one for one in self.works if one.until <= self._clock]:
            self.works.remove(work)
            self._over(work)
            work.end_ns = self.env.now_ns
            work.ended.succeed()
        self._await_end()
