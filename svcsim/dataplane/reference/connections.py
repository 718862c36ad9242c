"""Connections that a source keeps (R25)."""

from __future__ import annotations

from dataclasses import dataclass

from svcsim.dataplane.contract import ClientPlan, Keeps, Outcome
from svcsim.dataplane.reference.servers import Server
from svcsim.rng import u32_at

__all__ = ["Connection", "Connections"]


@dataclass(slots=True, eq=False)
class Connection:
    """One connection, open at the source's side. power: losses at its node and at the entry, by then."""

    server: int
    at: Server
    entry: int
    opened_ns: int
    ends_ns: int
    used_ns: int
    power: tuple[int, int]
    attempts: int = 1

    def closed_ns(self, plan: ClientPlan) -> int | None:
        """When the server closes it, as far as has happened or is certain; None if it has not."""
        if self.at.closed_ns >= self.opened_ns:
            return self.at.closed_ns
        if plan.keeps is Keeps.KEPT:
            return self.used_ns + self.at.plan.idle_ns
        return None


class Connections:
    """The connections of one source that nobody uses, or its channel."""

    def __init__(self, plan: ClientPlan) -> None:
        self.plan = plan
        self._idle: list[Connection] = []

    def take(self, now_ns: int, power: int) -> Connection | None:
        """The connection for an attempt, None if it must open one. power: losses at the source's node."""
        self._idle = [one for one in self._idle if one.power[0] == power]
        while self._idle:
            connection = self._idle[-1]
            if self._over(connection, now_ns):
                self._idle.pop()
                continue
            if self.plan.keeps is Keeps.KEPT:
                self._idle.pop()
            connection.attempts += 1
            return connection
        return None

    def broken(self, connection: Connection, now_ns: int) -> bool:
        """Whether the server has closed it, or will have when the request arrives, unknown to the source."""
        closes_ns = connection.closed_ns(self.plan)
        return closes_ns is not None and now_ns + self.plan.hears_ns >= closes_ns

    def opened(
        self,
        server: int,
        at: Server,
        entry: int,
        request: int,
        attempt: int,
        now_ns: int,
        power: tuple[int, int],
    ) -> Connection:
        """An attempt's own connection was accepted."""
        plan = self.plan
        most = plan.max_age_ns * plan.age_jitter_permille // 1000
        age = plan.max_age_ns - ((most * u32_at(int(plan.age_key), request, attempt)) >> 32)
        connection = Connection(server, at, entry, now_ns, now_ns + age, now_ns, power)
        if plan.keeps is Keeps.CHANNEL:
            self._idle = [connection]
        return connection

    def booked(self, connection: Connection, outcome: Outcome, now_ns: int) -> None:
        """An attempt on a connection has ended."""
        connection.used_ns = now_ns
        survives = outcome in (Outcome.OK, Outcome.REJECTED)
        if self.plan.keeps is Keeps.CHANNEL:
            if not survives and self._idle == [connection]:
                self._idle = []
            return
        if not survives or self._over(connection, now_ns):
            return
        if len(self._idle) >= self.plan.max_idle:
            self._idle = [one for one in self._idle if not self._over(one, now_ns)]
        if len(self._idle) < self.plan.max_idle:
            self._idle.append(connection)

    def _over(self, connection: Connection, now_ns: int) -> bool:
        """Whether the source knows at this instant that it is over."""
        if connection.ends_ns <= now_ns or connection.attempts >= self.plan.max_requests:
            return True
        if self.plan.keeps is Keeps.KEPT and connection.used_ns + self.plan.keep_idle_ns <= now_ns:
            return True
        closed_ns = connection.closed_ns(self.plan)
        return closed_ns is not None and closed_ns + self.plan.hears_ns <= now_ns
