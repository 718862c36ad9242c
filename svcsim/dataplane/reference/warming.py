"""Servers that are slow at first (R32)."""

from __future__ import annotations

from svcsim.dataplane.contract import LONGEST_WORK_NS, GroupPlan

__all__ = ["listening_since", "slowed"]


def listening_since(plan: GroupPlan, now_ns: int) -> int:
    """The instant from which the age of a server counts whose LISTEN row is at now_ns."""
    return now_ns if now_ns > 0 else -int(plan.age_ns)


def slowed(plan: GroupPlan, service_ns: int, age_ns: int) -> int:
    """How long work takes that starts at this age of its server, ns.

    >>> from svcsim.dataplane.contract import QueueFull
    >>> plan = GroupPlan(name="g", workers=1, queue=-1, queue_full=QueueFull.REJECT,
    ...                  warm_up_ns=10, slowdown_permille=4000)
    >>> slowed(plan, 100, 9), slowed(plan, 100, 10)
    (400, 100)
    """
    if age_ns >= plan.warm_up_ns:
        return service_ns
    more = plan.slowdown_permille - 1000
    if plan.slowdown_falls:
        more = more * (plan.warm_up_ns - age_ns) // plan.warm_up_ns
    return service_ns + min(service_ns, LONGEST_WORK_NS) * more // 1000
