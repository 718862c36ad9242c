"""How long kube-proxy's sync takes, by mode and by the size of the cluster.

Between measured points a duration is a power of the size (a straight line of logarithms); below the first it
is that point's, beyond the last it goes on as between the last two. What the points do not say, such as the
node's CPU, is the spread of the law. `POINTS` are those the model goes through, `OTHER_POINTS` more of what
was published, which it does not: `error_of` says by how much it misses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from svcsim.distributions import Distribution, LogNormal

__all__ = [
    "CILIUM_SYNC",
    "COMMIT_SHARE",
    "OTHER_POINTS",
    "POINTS",
    "Point",
    "error_of",
    "full_factor",
    "sync_law",
    "sync_seconds",
]

Kind = Literal["partial", "full"]

COMMIT_SHARE: Final = 2 / 3
"""Measured: 0.68 (iptables) and 0.64 (nftables) of a sync lie before its commit."""
P99_OVER_MEDIAN: Final = 3.2
CILIUM_SYNC: Final = (0.02, 0.2)
"""Median and p99 from a watch event to its BPF map entry, seconds: assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured duration of a whole sync, seconds."""

    mode: str
    kind: Kind
    services: int
    endpoints: int
    seconds: float
    source: str

    @property
    def size(self) -> float:
        """What durations grow with: endpoints, or (nftables, ipvs) ten times the Services if that is more."""
        return _size(self.mode, self.services, self.endpoints)


_LAB: Final = "recorded: kube-proxy 1.36, iptables-nft 1.8.9, nft 1.0.6"

POINTS: Final = (
    Point(mode="iptables", kind="partial", services=1, endpoints=10, seconds=0.0381, source=_LAB),
    Point(mode="iptables", kind="partial", services=100, endpoints=1000, seconds=0.0453, source=_LAB),
    Point(mode="iptables", kind="partial", services=1000, endpoints=10_000, seconds=0.1824, source=_LAB),
    Point(
        mode="iptables",
        kind="partial",
        services=3595,
        endpoints=138_792,
        seconds=2.84,
        source="kubernetes/kubernetes 138073",
    ),
    Point(
        mode="iptables", kind="full", services=1, endpoints=10, seconds=0.122, source="elastic/beats, kind"
    ),
    Point(mode="iptables", kind="full", services=100, endpoints=1000, seconds=0.25, source=_LAB),
    Point(mode="iptables", kind="full", services=1000, endpoints=10_000, seconds=8.24, source=_LAB),
    Point(mode="nftables", kind="partial", services=1, endpoints=10, seconds=0.0304, source=_LAB),
    Point(mode="nftables", kind="partial", services=100, endpoints=1000, seconds=0.0685, source=_LAB),
    Point(mode="nftables", kind="partial", services=1000, endpoints=10_000, seconds=0.4463, source=_LAB),
    Point(mode="nftables", kind="full", services=1, endpoints=10, seconds=0.05, source=_LAB),
    Point(mode="nftables", kind="full", services=100, endpoints=1000, seconds=0.07, source=_LAB),
    Point(mode="nftables", kind="full", services=1000, endpoints=10_000, seconds=0.58, source=_LAB),
    Point(
        mode="nftables",
        kind="full",
        services=5006,
        endpoints=250_011,
        seconds=133.0,
        source="kubernetes/kubernetes 135639, 2 min 13 s",
    ),
    Point(
        mode="ipvs",
        kind="partial",
        services=1,
        endpoints=10,
        seconds=0.06,
        source="kubernetes/kubernetes 89392",
    ),
    Point(
        mode="ipvs",
        kind="partial",
        services=1500,
        endpoints=1500,
        seconds=0.73,
        source="kubernetes/kubernetes 84906, once fixed; Services with external IPs, endpoints assumed",
    ),
)
"""What the model goes through."""

OTHER_POINTS: Final = (
    Point(
        mode="iptables",
        kind="full",
        services=16_000,
        endpoints=162_000,
        seconds=12.8,
        source="kubernetes/kubernetes 96018: 695,992 lines; another iptables than the recorded one",
    ),
    Point(
        mode="iptables",
        kind="partial",
        services=40,
        endpoints=120,
        seconds=0.105,
        source="openshift/sdn 403, average of an e2e cluster on AWS",
    ),
    Point(
        mode="nftables",
        kind="partial",
        services=44_128,
        endpoints=44_131,
        seconds=60.0,
        source="kubernetes/kubernetes 139878, more than a minute",
    ),
    Point(
        mode="nftables",
        kind="full",
        services=5006,
        endpoints=250_011,
        seconds=795.0,
        source="kubernetes/kubernetes 135639 on kernel 6.1",
    ),
    Point(
        mode="nftables",
        kind="full",
        services=44_125,
        endpoints=44_152,
        seconds=1004.0,
        source="kubernetes/kubernetes 139513",
    ),
    Point(
        mode="ipvs",
        kind="partial",
        services=400,
        endpoints=4000,
        seconds=13.3,
        source="kubernetes/kubernetes 73382 on 1.12: 20 s from a change to its effect, one sync and a half "
        "where they follow without a pause; Services assumed",
    ),
)
"""Other published durations, from other machines, kernels and versions."""


def _size(mode: str, services: int, endpoints: int) -> float:
    return float(max(endpoints, 10 * services if mode in ("nftables", "ipvs") else 0, 1))


def sync_seconds(mode: str, kind: Kind, services: int, endpoints: int) -> float:
    """The median duration of a whole sync, seconds.

    >>> round(sync_seconds("iptables", "partial", 1000, 10_000), 4)
    0.1824
    """
    known = [(point.size, point.seconds) for point in POINTS if (point.mode, point.kind) == (mode, kind)]
    size = _size(mode, services, endpoints)
    if size <= known[0][0]:
        return known[0][1]
    pairs = list(pairwise(known))
    (x0, y0), (x1, y1) = next((pair for pair in pairs if size <= pair[1][0]), pairs[-1])
    return y0 * math.exp(math.log(y1 / y0) * math.log(size / x0) / math.log(x1 / x0))


def error_of(point: Point) -> float:
    """By what share the model misses a point: 0.1 for ten percent too long.

    >>> max(abs(error_of(point)) for point in POINTS) < 1e-9
    True
    """
    return sync_seconds(point.mode, point.kind, point.services, point.endpoints) / point.seconds - 1


def full_factor(mode: str, services: int, endpoints: int) -> float:
    """How much longer a full sync takes than a partial one; the first sync of a process is full."""
    if mode in ("cilium", "ipvs"):  # ipvs: every sync is full, on what its first one finds in the kernel
        return 1.0
    partial = sync_seconds(mode, "partial", services, endpoints)
    return max(sync_seconds(mode, "full", services, endpoints) / partial, 1.0)


def sync_law(mode: str, services: int, endpoints: int) -> Distribution:
    """The law of the time from the start of a partial sync to its commit in a cluster of this size."""
    if mode == "cilium":
        return LogNormal(median=CILIUM_SYNC[0], p99=CILIUM_SYNC[1])
    median = sync_seconds(mode, "partial", services, endpoints) * COMMIT_SHARE
    return LogNormal(median=median, p99=P99_OVER_MEDIAN * median)
