"""Closed loops: a fixed number of users that think, send, and await the answer."""

from __future__ import annotations

import math

from svcsim.errors import ScenarioError
from svcsim.theory.checks import count, nonnegative

__all__ = ["finite_source_response", "finite_source_throughput", "interactive_response"]


def finite_source_throughput(servers: int, users: int, think_s: float, service_s: float) -> float:
    """Return requests per second of M/M/c//N, the machine-repairman model (Kleinrock 1975, section 3.8).

    Args:
        servers: workers behind one queue, >= 1.
        users: N >= 1.
        think_s: mean of the exponential think time, > 0.
        service_s: mean of the exponential service time, > 0.

    >>> round(finite_source_throughput(1, 1, 3.0, 1.0), 12)
    0.25
    """
    servers, users = count("servers", servers), count("users", users)
    for name, value in (("think_s", think_s), ("service_s", service_s)):
        if not nonnegative(name, value) > 0:
            raise ScenarioError(f"{name} = {value!r} must be > 0")
    ratio = service_s / think_s
    logs = [0.0]
    for n in range(users):
        logs.append(logs[-1] + math.log((users - n) * ratio / min(n + 1, servers)))
    most = max(logs)
    weights = [math.exp(one - most) for one in logs]
    busy = math.fsum(min(n, servers) * weight for n, weight in enumerate(weights)) / math.fsum(weights)
    return busy / service_s


def finite_source_response(servers: int, users: int, think_s: float, service_s: float) -> float:
    """Return the mean response in seconds of M/M/c//N; arguments as in `finite_source_throughput`."""
    return interactive_response(users, finite_source_throughput(servers, users, think_s, service_s), think_s)


def interactive_response(users: int, throughput_per_s: float, think_s: float) -> float:
    """Return R = N / X - Z, the response time law (Denning and Buzen 1978), whatever the distributions.

    Args:
        users: N >= 1.
        throughput_per_s: X > 0, requests that ended per second.
        think_s: Z, the mean think time.

    >>> interactive_response(10, 4.0, 2.0)
    0.5
    """
    if not nonnegative("throughput_per_s", throughput_per_s) > 0:
        raise ScenarioError(f"throughput_per_s = {throughput_per_s!r} must be > 0")
    return count("users", users) / throughput_per_s - nonnegative("think_s", think_s)
