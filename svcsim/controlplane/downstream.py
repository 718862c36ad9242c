"""Observers that follow others: load balancers, by checks of their own, caches before the DNS, ingresses.

A load balancer sends to nodes, which it checks, or to pods, which it is told of and checks too. Checks are
arithmetic of phase and interval: a target whose last checks all said what is believed of it is not looked at
until its answer turns. A check's answer takes no time.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from svcsim.controlplane.dnscache import DnsCache
from svcsim.controlplane.topology import View
from svcsim.dataplane.contract import NodeState, TruthKind
from svcsim.rng import Purpose

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Checks", "Downstream"]


@dataclass(kw_only=True)
class Checks:
    """The health checks of one target, one every interval_ns from phase_ns on.

    >>> target = Checks(phase_ns=0, interval_ns=10, unhealthy_after=2, healthy_after=1)
    >>> target.turns(12, False); target.turns(35, True)
    >>> target.until(100)
    [30, 40]
    """

    phase_ns: int
    interval_ns: int
    unhealthy_after: int
    healthy_after: int
    healthy: bool = True
    answers: bool = True
    _streak: int = 0
    _next_ns: int = 0
    _turns: deque[tuple[int, bool]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._next_ns = self.phase_ns

    def turns(self, t_ns: int, answers: bool) -> None:
        """From t_ns on checks find this; instants do not go back."""
        self._turns.append((t_ns, answers))

    def until(self, until_ns: int) -> list[int]:
        """Make every check before until_ns; the instants at which `healthy` turned."""
        flips = []
        while True:
            due = self._turns[0][0] if self._turns else until_ns
            if self.answers == self.healthy:
                if due >= until_ns:
                    break
                if self._next_ns < due:  # some check said so meanwhile
                    self._streak = 0
                    self._next_ns += -(-(due - self._next_ns) // self.interval_ns) * self.interval_ns
            elif self._next_ns < min(due, until_ns):
                self._streak += 1
                if self._streak >= (self.healthy_after if self.answers else self.unhealthy_after):
                    self.healthy = self.answers
                    self._streak = 0
                    flips.append(self._next_ns)
                self._next_ns += self.interval_ns
                continue
            elif due >= until_ns:
                break
            self.answers = self._turns.popleft()[1]
        return flips


class Balancer:
    """One Service's load balancer: its targets by number (nodes, or servers), what it believes of them."""

    def __init__(self, plane: ControlPlane, observer: int, view: View) -> None:
        assert view.service is not None
        cluster = plane.scenario.cluster
        self._plane = plane
        self.observer = observer
        self.view = view
        self.local = view.service.external_traffic_policy == "Local"
        self.of_pods = plane.topology.lists_pods(view)
        self._check, *self._timing = cluster.load_balancer.checks(self.local)
        port = "" if view.port is None else f":{view.port}"
        self._name = f"balancer/{view.service.key}{port}"
        self._checks: dict[int, Checks] = {}
        self._registered: tuple[int, ...] = ()
        self._facts: list[tuple[int, int, int, str, bool]] = []
        self._registrations: deque[tuple[int, tuple[int, ...]]] = deque()
        self._reasons: dict[int, dict[str, bool]] = {}
        self._count = 0
        self._last_ns = 0
        self._version = -1

    @property
    def asks(self) -> str:
        """The kind of view whose beliefs decide what a node answers; "" for none."""
        if self.of_pods:
            return ""
        if self.local:
            return "health"
        return "proxy" if self._check == "node-port" else ""

    @property
    def needs_proxy(self) -> bool:
        """Whether a stopped kube-proxy fails the check: it answers for the node itself."""
        return not self.of_pods and (self.local or self._check == "healthz")

    def begin(self, targets: tuple[int, ...]) -> None:
        """At t = 0 every target is in, and what does not pass a check is out already."""
        self._apply_facts(0)
        self._registered = targets
        for target in targets:
            self._checks[target] = self._new(target, 0, healthy=self._answers(target))
        self._publish(0, {target: self._checks[target].healthy for target in targets})

    def fact(self, t_ns: int, target: int, reason: str, good: bool) -> None:
        """One of the conditions for a target's good answer turns at t_ns, now or ahead."""
        self._count += 1
        heapq.heappush(self._facts, (t_ns, self._count, target, reason, good))

    def register(self, t_ns: int, targets: tuple[int, ...]) -> None:
        """The Service's ready pods turn at t_ns."""
        self._registrations.append((t_ns, targets))

    def deregister(self, t_ns: int, target: int) -> None:
        """A node is gone at t_ns, and no target any more."""
        known = self._registrations[-1][1] if self._registrations else self._registered
        self.register(t_ns, tuple(one for one in known if one != target))

    def advance(self, until_ns: int) -> None:
        """Everything that the balancer comes to believe before until_ns."""
        while self._registrations and self._registrations[0][0] < until_ns:
            t_ns, targets = self._registrations.popleft()
            self._apply_facts(t_ns)
            self._check_until(t_ns)
            for target in targets:
                if target not in self._registered:
                    # a new target is out until it has passed its checks
                    self._checks[target] = self._new(target, t_ns, healthy=False)
            self._registered = targets
            self._publish(t_ns, {target: self._checks[target].healthy for target in targets})
        self._apply_facts(until_ns - 1)
        self._check_until(until_ns)

    def _apply_facts(self, upto_ns: int) -> None:
        while self._facts and self._facts[0][0] <= upto_ns:
            t_ns, _, target, reason, good = heapq.heappop(self._facts)
            before = self._answers(target)
            self._reasons.setdefault(target, {})[reason] = good
            checks = self._checks.get(target)
            if checks is not None and self._answers(target) != before:
                checks.turns(t_ns, not before)

    @property
    def asks_healthz(self) -> bool:
        """Whether it asks kube-proxy's own health of a node, whatever the Service (policy Cluster)."""
        return not self.of_pods and not self.local and self._check == "healthz"

    def _answers(self, target: int) -> bool:
        """Whether a check of the target passes, by what is known of it."""
        known = self._reasons.get(target, {})
        return all(known.values()) and (not self.of_pods or "listening" in known)

    def _check_until(self, until_ns: int) -> None:
        flips = [(t, target) for target in self._registered for t in self._checks[target].until(until_ns)]
        if not flips:
            return
        healthy = {target: self._checks[target].healthy for target in self._registered}
        for _, target in flips:  # back to how it was before the first of them
            healthy[target] = not healthy[target]
        for t, target in sorted(flips):
            healthy[target] = not healthy[target]
            self._publish(t, healthy)

    def _new(self, target: int, since_ns: int, *, healthy: bool) -> Checks:
        interval, bad, good = self._timing
        plane = self._plane
        name = plane.servers[target].pod.name if self.of_pods else plane.nodes[target].name
        return Checks(
            phase_ns=since_ns + int(plane.dice.unit(Purpose.PHASE, f"{self._name}/{name}") * interval),
            interval_ns=interval,
            unhealthy_after=bad,
            healthy_after=good,
            healthy=healthy,
            answers=self._answers(target),
        )

    def _publish(self, t_ns: int, healthy: dict[int, bool]) -> None:
        """The list to send to turns: the healthy, or everybody where nobody is (it fails open)."""
        chosen = tuple(t for t in self._registered if healthy[t]) or self._registered
        version = self._plane.timeline.add_version(chosen)
        if version == self._version:
            return
        self._version = version
        if t_ns > 0:
            t_ns = max(t_ns + self._plane.dice.lag("loadBalancer", self._name), self._last_ns)
        self._last_ns = t_ns
        self._plane.timeline.belief(t_ns, self.observer, self.view.index, version)


class Downstream:
    """Stands before the timeline where beliefs are written, and lets those who follow hear of them."""

    def __init__(self, plane: ControlPlane, outages: dict[int, list[tuple[int, int]]]) -> None:
        top = plane.topology
        self._plane = plane
        self.balancers = [Balancer(plane, observer, view) for observer, view in top.balancers.items()]
        self._asked: dict[int, list[Balancer]] = {}
        self._registrars: dict[tuple[int, int], Balancer] = {}
        self._applied: dict[int, int] = {}
        self._caches: dict[int, list[tuple[int, DnsCache]]] = {}
        for one in self.balancers:
            for view in top.views:
                same = (view.service, view.port) == (one.view.service, one.view.port)
                if same and one.asks == view.kind:
                    self._asked.setdefault(view.index, []).append(one)
                if same and one.of_pods and view.kind == "ready":
                    self._registrars[one.observer, view.index] = one
            if one.needs_proxy:
                for node, spells in outages.items():
                    for begin, end in spells:
                        one.fact(begin, node, "kube-proxy", False)
                        one.fact(end, node, "kube-proxy", True)
        dns = plane.scenario.cluster.dns
        for k, observer in enumerate(top.resolver_of_client):
            if observer in top.caches:
                phase = int(plane.dice.unit(Purpose.PHASE, top.caches[observer]) * dns.cache_ns)
                negative = dns.cache_ns if dns.negative_ns is None else dns.negative_ns
                cache = DnsCache(phase_ns=phase, period_ns=dns.cache_ns, negative_ns=negative, empty=False)
                self._caches.setdefault(top.view_of_client[k], []).append((observer, cache))

    def begin(self) -> None:
        """What load balancers send to at t = 0."""
        for one in self.balancers:
            if not one.of_pods:
                one.begin(tuple(range(len(self._plane.nodes))))

    def belief(self, t_ns: int, observer: int, view: int, version: int) -> None:
        """`observer` takes `version` of `view` at t_ns, now or ahead."""
        timeline = self._plane.timeline
        timeline.belief(t_ns, observer, view, version)
        for one in self._asked.get(view, ()):
            one.fact(
                t_ns, observer, "endpoints", version >= 0 and bool(timeline.listed(version) or one.local)
            )
        registrar = self._registrars.get((observer, view))
        if registrar is not None:
            if t_ns == 0:
                for server in timeline.listed(version):
                    registrar.fact(0, server, "listening", True)
                registrar.begin(timeline.listed(version))
            else:
                registrar.register(t_ns, timeline.listed(version))
        if self._caches and self._plane.topology.slice_watchers.get(observer) == "resolver":
            empty = not timeline.listed(version)
            for follower, cache in self._caches.get(view, ()):
                if t_ns <= 0:
                    cache.empty = empty
                at = t_ns if t_ns <= 0 else cache.turns(t_ns, empty)
                timeline.belief(at, follower, view, version)

    def applies(self, observer: int, t_ns: int) -> int:
        """When a watcher that was told at t_ns acts on it: at once, or as an ingress proxy does, in order."""
        name = self._plane.topology.ingresses.get(observer)
        if name is None:
            return t_ns
        at = max(t_ns + self._plane.dice.lag("ingress", name), self._applied.get(observer, 0))
        self._applied[observer] = at
        return at

    def node(self, t_ns: int, node: int, state: int) -> None:
        """A node takes a state."""
        for one in self.balancers:
            targets: Iterable[int] = (node,)
            if one.of_pods:
                targets = [s for s, info in enumerate(self._plane.servers) if info.pod.node == node]
            for target in targets:
                one.fact(t_ns, target, "node", state == NodeState.UP)

    def eligible(self, t_ns: int, node: int, eligible: bool) -> None:
        """A node's kube-proxy sees from t_ns on that the node is to be deleted, or is not."""
        for one in self.balancers:
            if one.asks_healthz:
                one.fact(t_ns, node, "eligible", eligible)

    def deregister(self, t_ns: int, node: int) -> None:
        """The cloud takes a machine that it has deleted out of its load balancers."""
        for one in self.balancers:
            if not one.of_pods:
                one.deregister(t_ns, node)

    def advance(self, until_ns: int) -> None:
        """Everything that those who follow come to believe before until_ns."""
        if not self.balancers:
            return
        pods = [one for one in self.balancers if one.of_pods]
        if pods:
            for t_ns, server, kind in self._plane.timeline.truth_before(until_ns):
                if kind not in (TruthKind.ADDRESS, TruthKind.CUT):
                    for one in pods:
                        one.fact(t_ns, server, "listening", kind in (TruthKind.LISTEN, TruthKind.REUSE))
        for one in self.balancers:
            one.advance(until_ns)
