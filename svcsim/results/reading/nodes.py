"""Spans in which nodes are cut off or without power (R18)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import ON_SERVERS_NODE, NodeState
from svcsim.timeline import Histories

__all__ = ["Away", "away_spans"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Away:
    """A span [from_ns, to_ns) in which no node changes and some are not UP. states: int8 (n_nodes + 2,), the
    last two, for sources without a node, always UP."""

    from_ns: int
    to_ns: int
    states: npt.NDArray[np.int8]

    def down(self, node: Int64) -> Bool:
        """Which of these nodes have no power."""
        without: Bool = self.states[node] == int(NodeState.DOWN)
        return without

    def link_lost(self, source: Int64, server: Int64) -> Bool:
        """Which of these pairs of nodes cannot reach each other."""
        apart = (source != server) & (source != ON_SERVERS_NODE)
        lost: Bool = apart & ((self.states[source] != 0) | (self.states[server] != 0))
        return lost


def away_spans(histories: Histories, n_nodes: int, duration_ns: int) -> Iterator[Away]:
    """The spans of a run, in order."""
    states = np.zeros(n_nodes + 2, dtype=np.int8)
    t = [*histories.node_t.tolist(), duration_ns]
    for k, (node, state) in enumerate(
        zip(histories.node_id.tolist(), histories.node_state.tolist(), strict=True)
    ):
        states[node] = state
        if t[k + 1] > t[k] and states.any():
            yield Away(from_ns=t[k], to_ns=t[k + 1], states=states.copy())
