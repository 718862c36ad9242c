"""Sources of a client: the ICMP bucket of each (R9) and the address a pinned one holds (R12)."""

from __future__ import annotations

from simpy.events import ProcessGenerator

from svcsim.dataplane.contract import ICMP_BURST_NS, ICMP_COST_NS, ClientPlan, Rank, Resolve
from svcsim.dataplane.reference.beliefs import NO_VERSION, Beliefs, pick
from svcsim.dataplane.reference.connections import Connections
from svcsim.dataplane.reference.flows import Flow
from svcsim.dataplane.reference.limits import Limit
from svcsim.dataplane.reference.order import OrderedEnvironment
from svcsim.dataplane.reference.routers import Router
from svcsim.rng import u32_at

__all__ = ["NO_SERVER", "IcmpBucket", "Source"]

NO_SERVER = -1


class IcmpBucket:
    """What a kernel still sends to one peer (Linux net/ipv4/inetpeer.c: inet_peer_xrlim_allow)."""

    def __init__(self) -> None:
        self.tokens = ICMP_BURST_NS
        self.last_ns = 0

    def allow(self, now_ns: int) -> bool:
        """Whether the answer to a REJECT at now_ns is sent (R9)."""
        self.tokens = min(ICMP_BURST_NS, self.tokens + now_ns - self.last_ns)
        self.last_ns = now_ns
        if self.tokens < ICMP_COST_NS:
            return False
        self.tokens -= ICMP_COST_NS
        return True


class Source:
    """One source of one client.

    `held` is the server whose address it is pinned to, or NO_SERVER; `held_version` the list it was picked
    from, which is what a HELD source uses. `flow`: the entry of its one UDP socket (R27).
    `ports`: R28a.
    """

    def __init__(
        self, env: OrderedEnvironment, beliefs: Beliefs, client: int, plan: ClientPlan, number: int
    ) -> None:
        self.env = env
        self.beliefs = beliefs
        self.client = client
        self.plan = plan
        self.number = number
        self.observer = int(plan.observer_of_source[number])
        self.node = int(plan.node_of_source[number])
        self.entry = int(plan.entry_of_source[number])
        self.view = int(plan.views[number])
        self.icmp = IcmpBucket()
        self.router = Router(plan, number)
        self.connections = Connections(plan)
        self.flow: Flow | None = None
        self.ports = Limit(plan.ports) if plan.ports >= 0 else None
        self.held = NO_SERVER
        self.held_version = NO_VERSION
        self._first = 0
        self._uses = 0
        self._resolutions = 0
        self._looked_ns = 0

    def resolve(self) -> None:
        """Look the address up: resolution m of this source, m = 0, 1, ... (R12)."""
        self.held_version, servers = self.beliefs.look(self.plan.resolver, self.plan.view)
        u = u32_at(int(self.plan.resolve_key), self.number, self._resolutions)
        self._resolutions += 1
        self._looked_ns = self.env.now_ns
        self._first, self._uses = pick(u, len(servers)), 0
        self.held = servers[self._first] if servers else NO_SERVER

    def may_look_again(self) -> bool:
        """Whether a failure now leads to a look-up (R34)."""
        return self.env.now_ns >= self._looked_ns + self.plan.resolve_floor_ns

    def rotate(self, servers: tuple[int, ...]) -> int:
        """The next server of the held list (R6)."""
        server = servers[(self._first + self._uses) % len(servers)]
        self._uses += 1
        return server

    def resolver(self) -> ProcessGenerator:
        """Process: the resolutions that a clock brings."""
        # after the belief rows of instant 0, before its arrivals
        yield self.env.at(0, Rank.COMPLETION, self.client, self.number)
        self.resolve()
        if self.plan.resolve is not Resolve.EVERY:
            return
        assert self.plan.resolve_period_ns > 0
        next_ns = int(self.plan.phase_ns[self.number])
        while True:
            yield self.env.at(next_ns, Rank.PULL, self.client, self.number)
            self.resolve()
            next_ns += int(self.plan.resolve_period_ns)
