"""Closed loops: users that send, await the end, think, and send again (R29)."""

from __future__ import annotations

import numpy as np
from simpy.events import ProcessGenerator

from svcsim.dataplane.contract import LOOP_FLOOR_NS, Rank
from svcsim.dataplane.loops import LoopDraws
from svcsim.dataplane.reference.clients import Client, Request

__all__ = ["start_users"]


def start_users(client: Client, draws: LoopDraws | None) -> None:
    """Start a process per user of a client that has some."""
    for user in range(client.plan.users):
        assert draws is not None
        client.env.process(_user(client, draws, user))


def _user(client: Client, draws: LoopDraws, user: int) -> ProcessGenerator:
    """Process: one user, request after request."""
    users = client.plan.users
    source = client.sources[user % client.plan.n_sources]
    number = user
    arrival_ns = _think_ns(draws, number)
    while True:
        yield client.env.at(arrival_ns, Rank.ARRIVAL, client.number, number)
        drawn = draws.requests(np.array([number], dtype=np.int64))
        request = Request(
            client=client.number,
            request=number,
            source=source,
            arrival_ns=arrival_ns,
            route_lo=int(drawn.route[0]) & 0xFFFFFFFF,
            service_ns={group: int(column[0]) for group, column in drawn.service_ns.items()},
        )
        client.requests.append(request)
        yield from client.life(request)
        number += users
        arrival_ns = max(request.end_ns + _think_ns(draws, number), arrival_ns + LOOP_FLOOR_NS)


def _think_ns(draws: LoopDraws, number: int) -> int:
    return int(draws.think_ns(np.array([number], dtype=np.int64))[0])
