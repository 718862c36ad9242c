"""Jobs: requests that the control plane makes itself, such as probes (R17)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from simpy.events import Event, ProcessGenerator

from svcsim.dataplane.contract import Cause, Job, JobResult, Outcome, Rank
from svcsim.dataplane.reference.order import JOBS, OrderedEnvironment
from svcsim.dataplane.reference.servers import Accepted, Ended, Servers, Silent

__all__ = ["Jobs"]


class Jobs:
    """Injected jobs and how they ended."""

    def __init__(self, env: OrderedEnvironment, servers: Servers, vanished_after_ns: int) -> None:
        self.env = env
        self.servers = servers
        self.vanished_after_ns = vanished_after_ns
        self.results: dict[int, JobResult] = {}
        self._accepted: dict[int, tuple[int, Accepted]] = {}

    def add(self, job: Job) -> None:
        """Start the process of one job."""
        assert job.job not in self.results, f"job {job.job} was injected before"
        self.results[job.job] = JobResult()
        self.env.process(self._life(job))

    def result(self, job: int) -> JobResult:
        """The state of a job, and when its work is due if it was accepted (R17, R31)."""
        if job not in self._accepted:
            return self.results[job]
        server, accepted = self._accepted[job]
        return replace(self.results[job], due_ns=self.servers[server].due_ns(accepted))

    def _life(self, job: Job) -> ProcessGenerator:
        """Process: one SYN, no ladder, then the work or the deadline."""
        yield self.env.at(job.at_ns, Rank.ARRIVAL, JOBS, job.job)
        answer = self.servers[job.server].syn(job.service_ns, Cause.STALE_ENDPOINT)
        deadline = self.env.at(job.at_ns + job.timeout_ns, Rank.DEADLINE, JOBS, job.job)
        match answer:
            case Ended():
                ended = answer
            case Silent():
                ended = yield from self._silence(job, answer, deadline)
            case Accepted():
                self._accepted[job.job] = (job.server, answer)
                end = answer.end(self.env, JOBS, job.job)
                fired = yield self.env.any_of([answer.cut, end, deadline])
                if answer.power != self.servers[job.server].power:
                    return
                ended = answer.settled(fired, end, deadline, self.env.now_ns)
        self.results[job.job] = replace(self.results[job.job], outcome=ended.outcome, end_ns=self.env.now_ns)

    def _silence(self, job: Job, silent: Silent, deadline: Event) -> Generator[Event, Any, Ended]:
        """Nobody answers: ICMP host unreachable from the last router (R10), or the deadline."""
        unreachable = self.env.event()
        if silent.vanished and self.vanished_after_ns >= 0:
            at_ns = self.env.now_ns + self.vanished_after_ns
            unreachable = self.env.at(at_ns, Rank.COMPLETION, JOBS, job.job)
        fired = yield self.env.any_of([unreachable, deadline])
        return Ended(Outcome.UNREACHABLE if unreachable in fired else Outcome.CONNECT_TIMEOUT, silent.cause)
