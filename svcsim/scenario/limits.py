"""Limits of a kernel that a scenario's rates can come near, and that nothing in it applies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from svcsim.scenario.events import Rate
from svcsim.scenario.files.place import one_of
from svcsim.scenario.model import EPHEMERAL_PORTS, MIN_TABLE, PORT_VIAS, Client

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = ["limits_in_reach"]

NEAR = 0.9
"""From this share of a limit on it is named."""
TIME_WAIT_S = 60
TABLE_TIME_WAIT_S = 120


def limits_in_reach(scenario: Scenario) -> Iterator[str]:
    """Name clients that could run out of local ports, and tables that could run full, one line each.

    A port is kept for 60 s by who closed first, an entry for 120 s (Linux TCP_TIMEWAIT_LEN,
    nf_conntrack_tcp_timeout_time_wait); a run that is shorter makes fewer.
    """
    seconds = scenario.duration_ns / 1e9
    fresh = [one for one in scenario.clients if one.keep_alive is None and one.protocol == "tcp"]
    for client in fresh:
        each = _fastest(scenario, client) / client.sources
        kept = each * min(TIME_WAIT_S, seconds)
        if client.ports is None and client.via in PORT_VIAS and kept > NEAR * EPHEMERAL_PORTS:
            yield (
                f"client {client.name}: {each:,.0f} connections a second from one address leave up to "
                f"{kept:,.0f} ports in TIME_WAIT, of {EPHEMERAL_PORTS:,} that Linux has; "
                f"ports: {EPHEMERAL_PORTS} simulates that"
            )
    if scenario.cluster.conntrack.most is not None:
        others = [one.name for one in scenario.clients if one not in fresh]
        if others:
            yield f"{one_of(others)}: kept connections and UDP take no place in cluster.conntrack.max"
        return
    rates: dict[str, float] = {}
    for client in fresh:
        nodes = _nodes_of(scenario, client)[: client.sources]
        for node in nodes:
            rates[node] = rates.get(node, 0.0) + _fastest(scenario, client) / len(nodes)
    node, most = max(rates.items(), key=lambda item: item[1], default=("", 0.0))
    kept = most * min(TABLE_TIME_WAIT_S, seconds)
    if kept > NEAR * MIN_TABLE:
        yield (
            f"{most:,.0f} connections a second from {node} leave up to {kept:,.0f} entries in its connection "
            f"table, of {MIN_TABLE:,} that a small node has; cluster.conntrack.max simulates that"
        )


def _nodes_of(scenario: Scenario, client: Client) -> list[str]:
    """The nodes that a client's sources are spread over, none outside."""
    what, _, name = client.origin.partition(":")
    return [
        node.name
        for node in scenario.cluster.nodes
        if what == "nodes" or name == (node.name if what == "node" else node.zone)
    ]


def _fastest(scenario: Scenario, client: Client) -> float:
    """The highest rate of a client, requests per second."""
    later = [one.rate_per_s for one in scenario.events if isinstance(one, Rate) and one.client == client.name]
    return max([client.rate_per_s, *later])
