"""Virtual services as the kernel of a node has them: destinations, and a scheduler that chooses (R26)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import LEAVING_CHECK_NS, REMEMBERED_NS, ClientPlan, Scheduler
from svcsim.dataplane.hashing import fill_table
from svcsim.rng import u32_at

__all__ = ["NO_DESTINATION", "SOURCE_BUCKETS", "VirtualService", "VirtualServices"]

NO_DESTINATION = -1
SOURCE_BUCKETS = 256


class VirtualService:
    """One virtual service at one node.

    `leaving`: since when a destination that is still there has not been listed. `_last`: the destination
    after which ROUND_ROBIN goes on, NO_DESTINATION for the head of the list. `_last_end_ns`: until when
    something is remembered of a server whose attempts are all booked. `_over`: (until, server) of what is
    remembered beyond its end.
    """

    def __init__(self, scheduler: Scheduler, table_key: int) -> None:
        self.scheduler = scheduler
        self.destinations: list[int] = []
        self.leaving: dict[int, int] = {}
        self._table_key = table_key
        self._table: npt.NDArray[np.int32] | None = None
        self._last = NO_DESTINATION
        self._open: Counter[int] = Counter()
        self._over: deque[tuple[int, int]] = deque()
        self._remembered: Counter[int] = Counter()
        self._last_end_ns: dict[int, int] = {}

    def take(self, listed: Sequence[int], now_ns: int) -> None:
        """kube-proxy programs a list: first what is new, then what is no more (proxier.go syncEndpoint)."""
        self._table = None
        self._drop_drained(now_ns)
        if self.scheduler is Scheduler.TUPLE:
            self.destinations = list(listed)
            return
        for server in listed:
            if server in self.leaving:
                self._drop(server)
            if server not in self.destinations:
                self.destinations.insert(0, server)
        stays = {*listed, *self.leaving}
        for server in [one for one in self.destinations if one not in stays]:
            if self._is_remembered(server, now_ns):
                self.leaving[server] = now_ns
            else:
                self._drop(server)

    def choose(self, source_hash: int, tuple_hash: int, now_ns: int) -> int:
        """The destination of a new connection; NO_DESTINATION where its hash names one that is leaving."""
        self._drop_drained(now_ns)
        match self.scheduler:
            case Scheduler.ROUND_ROBIN:
                after = -1 if self._last == NO_DESTINATION else self.destinations.index(self._last)
                self._last = self.destinations[(after + 1) % len(self.destinations)]
                return self._last
            case Scheduler.LEAST:
                return min(self.destinations, key=self._overhead)
            case Scheduler.SOURCE_HASH:
                server = self.destinations[source_hash % SOURCE_BUCKETS % len(self.destinations)]
            case _:
                server = self.destinations[self._entry(tuple_hash)]
        return NO_DESTINATION if server in self.leaving else server

    def opened(self, server: int) -> None:
        """An attempt has begun at a server."""
        self._open[server] += 1

    def ended(self, server: int, *, accepted: bool, now_ns: int) -> None:
        """An attempt at a server is booked."""
        self._open[server] -= 1
        if accepted:
            self._last_end_ns[server] = now_ns + REMEMBERED_NS
            self._remembered[server] += 1
            self._over.append((now_ns + REMEMBERED_NS, server))
        self._forget(now_ns)

    def _overhead(self, server: int) -> int:
        """What LEAST compares (include/net/ip_vs.h ip_vs_dest_conn_overhead)."""
        return 256 * self._open[server] + self._remembered[server]

    def _forget(self, now_ns: int) -> None:
        """Connections that were remembered long enough are not any more."""
        while self._over and self._over[0][0] <= now_ns:
            self._remembered[self._over.popleft()[1]] -= 1

    def _is_remembered(self, server: int, now_ns: int) -> bool:
        if self.scheduler not in (Scheduler.SOURCE_HASH, Scheduler.MAGLEV):
            return False
        return self._open[server] > 0 or self._last_end_ns.get(server, 0) > now_ns

    def _drop_drained(self, now_ns: int) -> None:
        """What is leaving goes at the first check at which nothing is remembered of it."""
        self._forget(now_ns)
        for server, since_ns in list(self.leaving.items()):
            forgotten_ns = max(self._last_end_ns.get(server, 0), since_ns + 1)
            checks = -((since_ns - forgotten_ns) // LEAVING_CHECK_NS)
            if self._open[server] == 0 and since_ns + checks * LEAVING_CHECK_NS <= now_ns:
                self._drop(server)

    def _drop(self, server: int) -> None:
        """A destination is no more (ip_vs_rr.c ip_vs_rr_del_dest: the one before it stands for it)."""
        at = self.destinations.index(server)
        if self._last == server:
            self._last = self.destinations[at - 1] if at > 0 else NO_DESTINATION
        del self.destinations[at]
        self.leaving.pop(server, None)
        self._table = None

    def _entry(self, word: int) -> int:
        """The place among the destinations that Maglev's table has for a hash."""
        size = self.scheduler.entries
        if self._table is None:
            sharing = self.destinations[:size]
            offsets = [u32_at(self._table_key, server) % size for server in sharing]
            skips = [u32_at(self._table_key, server, 1) % (size - 1) + 1 for server in sharing]
            self._table = fill_table(offsets, skips, size)
        return int(self._table[word % size])


class VirtualServices:
    """All virtual services that some client uses, by the observer that routes, the view and their number."""

    def __init__(self, table_key: int) -> None:
        self._table_key = table_key
        self._of_belief: dict[tuple[int, int], dict[int, VirtualService]] = {}

    def used_by(self, plan: ClientPlan, n_nodes: int) -> None:
        """Set up what a client may use, before any list is taken."""
        if plan.scheduler is Scheduler.NONE:
            return
        for source, view in enumerate(plan.views.tolist()):
            entry = int(plan.entry_of_source[source])
            routed_by: Iterable[int] = range(n_nodes)
            if plan.targets < 0:
                routed_by = (entry if entry >= 0 else int(plan.observer_of_source[source]),)
            for observer in routed_by:
                services = self._of_belief.setdefault((observer, view), {})
                services.setdefault(plan.virtual, VirtualService(plan.scheduler, self._table_key))

    def at(self, plan: ClientPlan, observer: int, view: int) -> VirtualService | None:
        """What chooses for a client's source at a node; None where nothing but the client does."""
        return self._of_belief[observer, view][plan.virtual] if plan.scheduler else None

    def take(self, observer: int, view: int, listed: Sequence[int], now_ns: int) -> None:
        """An observer holds another list of a view now."""
        for service in self._of_belief.get((observer, view), {}).values():
            service.take(listed, now_ns)
