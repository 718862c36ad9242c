"""Nodes that are cut off or without power, and the links they take with them (R18)."""

from __future__ import annotations

from simpy.events import Event, ProcessGenerator

from svcsim.dataplane.contract import ON_SERVERS_NODE, RESPONSE_RTO_NS, NodeState, Rank, Window
from svcsim.dataplane.reference.order import OrderedEnvironment
from svcsim.dataplane.reference.servers import Servers

__all__ = ["Nodes", "arrives_again"]


def arrives_again(sent_ns: int, from_ns: int) -> int | None:
    """When an answer first sent at sent_ns arrives over a link that is back at from_ns; None for never.

    >>> arrives_again(0, 1_000_000_000)
    1400000000
    """
    return next((sent_ns + rto for rto in RESPONSE_RTO_NS if sent_ns + rto >= from_ns), None)


class Nodes:
    """The state of every node. `change`: the next node row; `changed`: the node of the last one."""

    def __init__(self, env: OrderedEnvironment, n_nodes: int) -> None:
        self.env = env
        self.change: Event = env.event()
        self.changed = -1
        self._states = [NodeState.UP] * n_nodes
        self._power = [0] * n_nodes
        self._rows = 0

    def _state(self, node: int) -> NodeState:
        return self._states[node] if node >= 0 else NodeState.UP

    def down(self, node: int) -> bool:
        """Whether the node has no power."""
        return self._state(node) is NodeState.DOWN

    def power(self, node: int) -> int:
        """How often the node has lost its power (R20)."""
        return self._power[node] if node >= 0 else 0

    def link_lost(self, source_node: int, server_node: int) -> bool:
        """Whether nothing gets from one node to the other."""
        if source_node in (server_node, ON_SERVERS_NODE):
            return False
        return self._state(source_node) is not NodeState.UP or self._state(server_node) is not NodeState.UP

    def replay(self, window: Window, servers: Servers) -> ProcessGenerator:
        """Process: the window's node rows take effect in the order given."""
        rows = zip(window.node_t.tolist(), window.node_id.tolist(), window.node_state.tolist(), strict=True)
        for t_ns, node, state in rows:
            self._rows += 1
            yield self.env.at(t_ns, Rank.NODE, 0, self._rows)
            self._states[node] = NodeState(state)
            if self.down(node):
                servers.lose_power(node)
                self._power[node] += 1
            self.changed = node
            happened, self.change = self.change, self.env.event()
            happened.succeed()
