"""Entries of connection tables that UDP datagrams make and follow (R27)."""

from __future__ import annotations

from dataclasses import dataclass

from svcsim.dataplane.contract import UDP_STREAM_AFTER_NS, Cleaning, ClientPlan
from svcsim.dataplane.reference.beliefs import Beliefs
from svcsim.dataplane.reference.nodes import Nodes

__all__ = ["Flow", "Flows"]


@dataclass(eq=False)
class Flow:
    """One entry: a 5-tuple's server, since `since_ns`, gone at `until_ns` unless it is used before.

    `node`: whose table has it, -1 for none in the cluster; `power`: how often that had lost its power then.
    """

    observer: int
    node: int
    power: int
    server: int
    since_ns: int
    until_ns: int
    answered: bool = False


class Flows:
    """How long the entries of one client's datagrams live."""

    def __init__(self, plan: ClientPlan, beliefs: Beliefs, nodes: Nodes) -> None:
        self.plan = plan
        self.beliefs = beliefs
        self.nodes = nodes

    def begin(self, observer: int, node: int, server: int, now_ns: int) -> Flow:
        """The rules have chosen a server for the first datagram of a 5-tuple."""
        until_ns = now_ns + int(self.plan.udp_ns)
        return Flow(observer, node, self.nodes.power(node), server, now_ns, until_ns)

    def extend(self, flow: Flow, now_ns: int) -> None:
        """A packet of either direction passes (Linux nf_conntrack_proto_udp.c, nf_conntrack_udp_packet)."""
        stream = flow.answered and now_ns > flow.since_ns + UDP_STREAM_AFTER_NS
        flow.until_ns = now_ns + int(self.plan.udp_stream_ns if stream else self.plan.udp_ns)

    def alive(self, flow: Flow, now_ns: int) -> bool:
        """Whether the entry is there: not timed out, not cleaned, its node not without power since."""
        same_table = flow.power == self.nodes.power(flow.node)
        return same_table and now_ns < flow.until_ns and not self._cleaned(flow)

    def answer_passes(self, flow: Flow | None, latest: Flow | None, now_ns: int) -> bool:
        """Whether an answer gets back to the client; `flow` is the datagram's, `latest` its socket's now."""
        if flow is None:
            return True
        if latest is not None and latest.server == flow.server:
            flow = latest
        if not self.alive(flow, now_ns):
            return False
        self.extend(flow, now_ns)
        flow.answered = True
        return True

    def _cleaned(self, flow: Flow) -> bool:
        """Whether kube-proxy has deleted the entry after one of its syncs."""
        if self.plan.cleaning is Cleaning.NONE:
            return False
        turns = self.beliefs.turns.get((flow.observer, self.plan.serving), [])
        return any(self._deletes(flow.server, *turn) for t_ns, *turn in turns if t_ns > flow.since_ns)

    def _deletes(self, server: int, before: int, now: int) -> bool:
        """Whether a sync that turned the serving endpoints from one version to another deletes it."""
        was, are = self.beliefs.listed(before), self.beliefs.listed(now)
        if self.plan.cleaning is Cleaning.SERVING:
            return bool(are) and server not in are
        return (server in was and server not in are) or (bool(are) and not was)
