"""Processor sharing in the vectorised engine, outside of the compiled loop (R31): the table of shared work,
questions about it, and what becomes of it where a link is lost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import NEVER, Ask
from svcsim.dataplane.vectorised import kernel, links, state

__all__ = ["answer", "due_ns", "empty", "grown", "let_go", "nobody", "read", "waited_for"]

Int64 = npt.NDArray[np.int64]


def empty(n: int) -> Int64:
    """A table of n free rows: int64 (n, kernel.SHARED_COLUMNS)."""
    table = np.zeros((n, kernel.SHARED_COLUMNS), dtype=np.int64)
    table[:, kernel.H_LEFT] = np.append(np.arange(1, n), -1)
    return table


def grown(scalars: Int64, work: state.Work) -> state.Work:
    """Twice the table, whose last free row is in use from now on."""
    n = len(work.shared)
    more = empty(n)
    more[:-1, kernel.H_LEFT] += n
    table = np.concatenate((work.shared, more))
    table[scalars[state.SHARED_FREE], kernel.H_LEFT] = n
    return work._replace(shared=table)


def nobody(n: int) -> Int64:
    """`state.Servers.share` of n servers without work."""
    share = np.zeros((n, 5), dtype=np.int64)
    share[:, kernel.S_ROOT] = -1
    share[:, kernel.S_WAKE] = NEVER
    return share


def _running(work: state.Work, server: int) -> Int64:
    """The work of a server that is not over, by its end."""
    table = work.shared
    here = table[(table[:, kernel.H_STATE] == kernel.SHARED_RUNS) & (table[:, kernel.O_SERVER] == server)]
    found: Int64 = here[np.argsort(here[:, kernel.H_UNTIL], kind="stable")]
    return found


def _due_ns(servers: state.Servers, server: int, until: Int64, place: int) -> int:
    share = servers.share[server]
    cores = servers.cores[servers.group[server]]
    until = np.ascontiguousarray(until)
    return int(kernel.shared_due(until, place, share[kernel.S_CLOCK], share[kernel.S_AT], cores))


def answer(servers: state.Servers, work: state.Work, server: int, what: Ask, at_ns: int) -> int:
    """DRAIN_END, IN_FLIGHT or WORK_DONE of a server that shares its cores (R16, R19)."""
    rows = _running(work, server)
    match what:
        case Ask.DRAIN_END:
            until = rows[:, kernel.H_UNTIL]
            return max(at_ns, _due_ns(servers, server, until, len(rows) - 1)) if len(rows) else at_ns
        case Ask.IN_FLIGHT:
            return len(rows)
        case _:
            clock = kernel.shared_clock(servers, server, at_ns)
            had = np.minimum(rows[:, kernel.H_UNTIL], clock) - rows[:, kernel.H_BEGUN]
            return int(servers.work[server] + (had // kernel.UNITS).sum())


def due_ns(servers: state.Servers, work: state.Work, job: Int64) -> int:
    """When the work of a job ends, as far as is known (R17); -1 without any."""
    if job[kernel.J_SHARED] < 0:
        return int(job[kernel.J_DUE])
    server = int(job[kernel.J_SERVER])
    until = _running(work, server)[:, kernel.H_UNTIL]
    own = work.shared[job[kernel.J_SHARED], kernel.H_UNTIL]
    return _due_ns(servers, server, until, int(np.searchsorted(until, own)))


def waited_for(work: state.Work) -> Int64:
    """Places of shared work whose clients wait for it and can hear of it."""
    table = work.shared
    running = (table[:, kernel.H_STATE] == kernel.SHARED_RUNS) & (table[:, kernel.O_SETTLED] == 0)
    found: Int64 = np.flatnonzero(running & (table[:, kernel.O_CLIENT] != state.JOB_CLIENT))
    return found


def read(scalars: Int64, work: state.Work, one: links.Unanswered) -> None:
    """Learn what has become of the work of an unanswered request."""
    if one.shared < 0 or work.shared[one.shared, kernel.H_STATE] == kernel.SHARED_RUNS:
        return
    row = work.shared[one.shared]
    one.answer_lost |= bool(row[kernel.H_STATE] == kernel.SHARED_LOST)
    one.row[kernel.O_END] = row[kernel.O_END]
    kernel.free_shared(scalars, work, one.shared)
    one.shared = -1


def let_go(scalars: Int64, work: state.Work, one: links.Unanswered) -> None:
    """Nobody waits for the work of an unanswered request any more."""
    if one.shared < 0:
        return
    if work.shared[one.shared, kernel.H_STATE] == kernel.SHARED_RUNS:
        work.shared[one.shared, kernel.O_SETTLED] = 1
    else:
        kernel.free_shared(scalars, work, one.shared)
    one.shared = -1
