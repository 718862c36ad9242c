"""What one source remembers of the servers it chose: turns, open attempts, affinity, ejections (R23, R24)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from svcsim.dataplane.contract import (
    EWMA_DECAY_NS,
    EWMA_FIRST_NS,
    EWMA_MOST_NS,
    EWMA_WEIGHTS,
    Balance,
    ClientPlan,
    Outcome,
)
from svcsim.dataplane.reference.beliefs import pick
from svcsim.dataplane.reference.virtuals import NO_DESTINATION
from svcsim.rng import u32_at

__all__ = ["COUNTS_AGAINST", "Router"]

COUNTS_AGAINST = frozenset(
    (Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.CONNECT_TIMEOUT, Outcome.RESET, Outcome.EOF)
)


@dataclass(frozen=True)
class Estimate:
    """How long a source thinks that a server takes, and when it last learned of it, None if never (R23)."""

    ns: int
    learned_ns: int | None

    def at(self, now_ns: int) -> int:
        """The estimate as time has worn it down."""
        return self.ns if self.learned_ns is None else (self.ns * self._left(now_ns)) >> 16

    def after(self, took_ns: int, now_ns: int) -> Estimate:
        """The estimate once an attempt has taken so long."""
        worn = self.at(now_ns)
        if took_ns < worn:
            took_ns = worn + ((took_ns * (65536 - self._left(now_ns))) >> 16)
        return Estimate(took_ns, now_ns)

    def _left(self, now_ns: int) -> int:
        """65536ths of an estimate that are left."""
        if self.learned_ns is None:
            return 0
        step = 16 * (now_ns - self.learned_ns) // EWMA_DECAY_NS
        return EWMA_WEIGHTS[step] if step < len(EWMA_WEIGHTS) else 0


_UNKNOWN = Estimate(EWMA_FIRST_NS, None)


class Router:
    """The choices of one source."""

    def __init__(self, plan: ClientPlan, source: int) -> None:
        self.plan = plan
        self.open: Counter[int] = Counter()
        self._turn = u32_at(int(plan.router_key), source, 0)
        self._stuck: dict[int, tuple[int, int]] = {}
        self._failures: dict[int, tuple[int, int]] = {}
        self._ejected_until: dict[int, int] = {}
        self._tokens = 1000 * plan.budget_burst
        self._estimates: dict[int, Estimate] = {}

    def choose(
        self,
        servers: Sequence[int],
        tried: Sequence[int],
        asked: int,
        u: int,
        v: int,
        now_ns: int,
        scheduled: Callable[[], int] | None = None,
    ) -> int:
        """A server of a list that is not empty. asked: the entry or observer whose list it is.

        scheduled: the choice of R26 where `asked` makes it, NO_DESTINATION if it has none.
        """
        if self.plan.affinity_ns >= 0:
            server, since_ns = self._stuck.get(asked, (-1, 0))
            if server in servers and now_ns - since_ns <= self.plan.affinity_ns:
                self._stuck[asked] = (server, now_ns)
                return server
        server = self._choose(servers, tried, u, v, now_ns) if scheduled is None else scheduled()
        if self.plan.affinity_ns >= 0 and server != NO_DESTINATION:
            self._stuck[asked] = (server, now_ns)
        return server

    def _choose(self, servers: Sequence[int], tried: Sequence[int], u: int, v: int, now_ns: int) -> int:
        untried = [s for s in servers if s not in tried]
        usable = [s for s in untried if self._ejected_until.get(s, 0) <= now_ns]
        candidates = usable or untried or servers
        match self.plan.balance:
            case Balance.UNIFORM:
                return candidates[pick(u, len(candidates))]
            case Balance.ROUND_ROBIN:
                self._turn += 1
                return candidates[(self._turn - 1) % len(candidates)]
            case Balance.LEAST:
                fewest = min(self.open[server] for server in candidates)
                equals = [server for server in candidates if self.open[server] == fewest]
                return equals[pick(u, len(equals))]
            case Balance.TWO_CHOICES | Balance.PEAK_EWMA:
                a = pick(u, len(candidates))
                b = pick(v, len(candidates) - 1)
                b += b >= a
                if len(candidates) == 1 or self._load(candidates[a], now_ns) <= self._load(
                    candidates[b], now_ns
                ):
                    return candidates[a]
                return candidates[b]

    def _load(self, server: int, now_ns: int) -> int:
        if self.plan.balance is Balance.TWO_CHOICES:
            return self.open[server]
        return (self.open[server] + 1) * self._estimates.get(server, _UNKNOWN).at(now_ns)

    def ended(self, server: int, outcome: Outcome, began_ns: int, now_ns: int) -> None:
        """An attempt at a server has ended (R23, R24)."""
        self.open[server] -= 1
        if self.plan.balance is Balance.PEAK_EWMA:
            before = self._estimates.get(server, _UNKNOWN)
            self._estimates[server] = before.after(min(now_ns - began_ns, EWMA_MOST_NS), now_ns)
        if self.plan.eject_after <= 0:
            return
        if outcome is Outcome.OK:
            self._failures.pop(server, None)
        elif outcome in COUNTS_AGAINST:
            count, last_ns = self._failures.get(server, (0, now_ns))
            count = 1 if now_ns - last_ns > self.plan.eject_ns else count + 1
            if count >= self.plan.eject_after:
                self._ejected_until[server] = now_ns + self.plan.eject_ns
                count = 0
            self._failures[server] = (count, now_ns)

    def first_attempt(self) -> None:
        """The budget grows with every request (R22)."""
        most = 1000 * self.plan.budget_burst
        self._tokens = min(most, self._tokens + max(self.plan.budget_permille, 0))

    def may_retry(self) -> bool:
        """Whether the budget lasts for one more attempt, which it then pays (R22)."""
        if self.plan.budget_permille < 0:
            return True
        if self._tokens < 1000:
            return False
        self._tokens -= 1000
        return True
