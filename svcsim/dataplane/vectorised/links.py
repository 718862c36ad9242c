"""Lost nodes in the vectorised engine (R18): windows are cut where a node changes, and what such a change
does to requests under way is done between two of them.

Within a window every node has one state, so the compiled loop only looks it up. Requests that were accepted
and lost their link wait here, the *unanswered*, until their deadline, their answer, or a whole link.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import (
    ON_SERVERS_NODE,
    RESPONSE_RTO_NS,
    Cause,
    NodeState,
    Outcome,
    ServerState,
    Window,
)
from svcsim.dataplane.vectorised import kernel, state

__all__ = ["Unanswered", "heap_without", "parts", "same_attempt", "settle_of"]

Int64 = npt.NDArray[np.int64]


@dataclass
class Unanswered:
    """An accepted request whose link was lost. row: int64, as in the open table; answer_lost: R18c, R14.

    shared: its row of the table of shared work while that is not over (R31), -1 else.
    """

    row: Int64
    answer_lost: bool = False
    shared: int = -1


def parts(window: Window) -> Iterator[tuple[Window, list[tuple[int, int]]]]:
    """The window cut at its node rows: (part, (node, state) of each row at its end), the last without any."""
    until = window.until_ns
    instants = np.unique(window.node_t).tolist()
    begin_truth = begin_belief = 0
    for at in [*instants, until]:
        end_truth = int(np.searchsorted(window.truth_t, at))
        end_belief = int(np.searchsorted(window.belief_t, at))
        truth, belief = slice(begin_truth, end_truth), slice(begin_belief, end_belief)
        begin_truth, begin_belief = end_truth, end_belief
        part = replace(
            window,
            until_ns=at,
            truth_t=window.truth_t[truth],
            truth_server=window.truth_server[truth],
            truth_kind=window.truth_kind[truth],
            belief_t=window.belief_t[belief],
            belief_observer=window.belief_observer[belief],
            belief_view=window.belief_view[belief],
            belief_version=window.belief_version[belief],
        )
        here = window.node_t == at
        rows = zip(window.node_id[here].tolist(), window.node_state[here].tolist(), strict=True)
        yield part, list(rows) if at < until else []
        window = replace(
            window,
            new_server_group=window.new_server_group[:0],
            new_server_views=(),
            placed_server=window.placed_server[:0],
            placed_node=window.placed_node[:0],
            new_versions=(),
        )


def heap_without(scalars: Int64, events: state.Events, waiting: set[int]) -> None:
    """Take what lies ahead for these rows of the wait table off the heap."""
    n = int(scalars[state.HEAP_SIZE])
    keys, whats = events.key[:n].copy(), events.what[:n].copy()
    scalars[state.HEAP_SIZE] = 0
    for key, what in zip(keys.tolist(), whats.tolist(), strict=True):
        of_row = what[0] in (kernel.K_WAIT, kernel.K_RETRY, kernel.K_UNHEARD)
        if not of_row or what[1] not in waiting:
            kernel.push(scalars, events, *key, *what)


def same_attempt(opened: Int64, row: Int64) -> npt.NDArray[np.bool_]:
    """Which rows of the open table are of the same attempt as this one."""
    columns = [kernel.O_CLIENT, kernel.O_REQUEST, kernel.O_ATTEMPTS]
    same: npt.NDArray[np.bool_] = (opened[:, columns] == row[columns]).all(axis=1)
    return same


def settle_of(
    one: Unanswered, *, link_lost: bool, sent_again: bool, from_ns: int, until_ns: int
) -> tuple[int, int, int] | None:
    """(end, outcome, cause) of an unanswered request if from_ns <= end < until_ns decides it (R18d).

    sent_again: whether the server's kernel does so with an answer (R27e).
    """
    deadline = int(one.row[kernel.O_DEADLINE])
    if sent_again and not link_lost and not one.answer_lost:
        sent = int(one.row[kernel.O_END])
        again = next((sent + rto for rto in RESPONSE_RTO_NS if sent + rto >= from_ns), None)
        if again is not None and again < until_ns and again <= deadline:
            return again, int(Outcome.OK), int(Cause.NONE)
    if deadline < until_ns:
        return deadline, int(Outcome.REQUEST_TIMEOUT), int(Cause.NODE_LOST)
    return None


def servers_with_power_lost(servers: state.Servers, n_servers: int, node: int) -> Int64:
    """Servers that lose their work when a node goes DOWN (R18c)."""
    here = servers.node[:n_servers] == node
    found: Int64 = np.flatnonzero(here & (servers.state[:n_servers] != int(ServerState.UNBORN)))
    return found


def leaves_from(node: int, source_node: Int64, server_node: Int64) -> npt.NDArray[np.bool_]:
    """Which requests leave from a node, given their sources' and their servers' nodes (R18b)."""
    local = source_node == ON_SERVERS_NODE
    gone: npt.NDArray[np.bool_] = (source_node == node) | (local & (server_node == node))
    return gone


def away(nodes: npt.NDArray[np.int8]) -> int:
    """How many nodes are not UP."""
    return int(np.count_nonzero(nodes != int(NodeState.UP)))
