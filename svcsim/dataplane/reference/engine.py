"""The reference engine: the data plane's contract, one SimPy process per actor, written for reading.

Actors: a client (its arrivals), each request, each pinned source's resolver, each injected job, and the two
histories of each window. Servers and beliefs are state that these meet; nothing is computed ahead of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import RECORD_DTYPE, Ask, Job, JobResult, Plan, Window
from svcsim.dataplane.draws import DRAW_BLOCK, ClientDraws
from svcsim.dataplane.reference.beliefs import Beliefs
from svcsim.dataplane.reference.clients import Client, Request
from svcsim.dataplane.reference.jobs import Jobs
from svcsim.dataplane.reference.limits import Limit
from svcsim.dataplane.reference.loops import start_users
from svcsim.dataplane.reference.nodes import Nodes
from svcsim.dataplane.reference.order import OrderedEnvironment
from svcsim.dataplane.reference.servers import Servers
from svcsim.dataplane.reference.virtuals import VirtualServices

__all__ = ["ReferenceEngine"]


def _number(request: Request) -> int:
    return request.request


class ReferenceEngine:
    """`contract.DataPlane`, event by event. `draws[k]` belongs to `plan.clients[k]`."""

    def __init__(self, plan: Plan, draws: Sequence[ClientDraws], *, slot: int = DRAW_BLOCK) -> None:
        self.plan = plan
        self.env = OrderedEnvironment(int(plan.duration_ns))
        virtuals = VirtualServices(int(plan.table_key))
        for client in plan.clients:
            virtuals.used_by(client, plan.n_nodes)
        self.beliefs = Beliefs(self.env, virtuals, (c.serving for c in plan.clients if c.cleaning))
        self.servers = Servers(self.env, plan.groups)
        self.nodes = Nodes(self.env, plan.n_nodes)
        self.jobs = Jobs(self.env, self.servers, int(plan.vanished_after_ns))
        tables = {node: Limit(int(plan.table_max)) for node in range(plan.n_nodes)}
        self.clients = [
            Client(
                env=self.env,
                servers=self.servers,
                nodes=self.nodes,
                beliefs=self.beliefs,
                tables=tables,
                number=number,
                plan=client_plan,
                vanished_after_ns=int(plan.vanished_after_ns),
            )
            for number, client_plan in enumerate(plan.clients)
        ]
        for each, drawn in zip(self.clients, draws, strict=True):
            each.start(drawn, slot)
            start_users(each, drawn.loop)
        self._advanced_to_ns = 0

    def advance(self, window: Window) -> None:
        """Handle every event before window.until_ns (R2)."""
        until_ns = int(window.until_ns)
        assert self._advanced_to_ns <= until_ns <= self.plan.duration_ns
        self.servers.add(window.new_server_group.tolist(), window.new_server_views)
        self.servers.place(window.placed_server.tolist(), window.placed_node.tolist())
        self.beliefs.add(window.new_versions)
        self.env.process(self.nodes.replay(window, self.servers))
        self.env.process(self.servers.replay(window))
        self.env.process(self.beliefs.replay(window))
        self.env.run_before(until_ns)
        self._advanced_to_ns = until_ns

    def ask(self, server: int, what: Ask) -> int:
        """Answer R16 or R19 as of the instant advanced to."""
        return self.servers[server].ask(what, self._advanced_to_ns)

    def inject(self, job: Job) -> None:
        """Add a job with at_ns >= the instant advanced to; before the window that contains it (R17)."""
        assert job.at_ns >= self._advanced_to_ns
        self.jobs.add(job)

    def job(self, job: int) -> JobResult:
        """The state of an injected job as of the instant advanced to."""
        return self.jobs.result(job)

    def load(self) -> dict[tuple[int, int], int]:
        """Accepted connections of clients by (server, second of connected_ns)."""
        return dict(sum((client.accepted for client in self.clients), Counter()))

    def reused(self) -> list[int]:
        """Attempts on a connection that was there, by client."""
        return [client.reused for client in self.clients]

    def retries(self) -> list[int]:
        """Attempts beyond the first of a request, by client."""
        return [sum(r.attempts - 1 for r in client.requests) for client in self.clients]

    def finish(self) -> npt.NDArray[np.void]:
        """All requests, `RECORD_DTYPE`, sorted by (client, request); after advancing to the run's end."""
        assert self._advanced_to_ns == self.plan.duration_ns
        rows = [r.record() for client in self.clients for r in sorted(client.requests, key=_number)]
        return np.array(rows, dtype=RECORD_DTYPE)
