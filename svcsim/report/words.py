"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math
from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font

__all__ = ["LAG", "STAGE", "drawable", "many", "per_10k", "percent", "readable", "seconds", "short", "spaced"]

STAGE = {
    "": "at no stage known",
    "detection": "before the API server knew of the change",
    "endpointSlice": "before the EndpointSlice was written",
    "watch": "while the change was on its way to the router",
    "minSync": "while kube-proxy waited to begin a sync (minSyncPeriod, or the sync before)",
    "sync": "while kube-proxy wrote its rules",
    "resolver": "at an address that had been looked up earlier",
    "controller": "while no pod was there to be listed",
    "readiness": "after Ready and before the port was open",
    "grace": "in service when the process ended",
    "queue": "waiting for a worker",
    "service": "in service",
    "network": "before any pod was chosen",
    "node": "on a way that a lost node was part of",
    "connection": "on a kept connection that the server had closed",
    "policy": "at a node without an endpoint of its own (traffic policy Local)",
    "loadBalancer": "in the load balancer's list: its health checks or its API",
    "conntrack": "after the rules had changed, by an entry of the node's connection table",
    "ingress": "while the ingress proxy had the change and did not act on it yet",
    "draining": "by a hash that named a pod which IPVS was still draining",
}
"""When a failure fell, by stage; each ends a sentence that begins "it failed"."""

LAG = {
    "scheduling": "created to taken by the kubelet",
    "start": "taken by the kubelet to containers started",
    "startup": "containers started to port open",
    "readiness": "port open to Ready",
    "detection": "true to visible at the API server",
    "endpointSlice": "visible to slices written",
    "watch": "slices written to received",
    "minSync": "received to sync begun",
    "sync": "sync begun to rules committed",
    "programming": "visible to rules committed, as one",
    "metric": "the same as kube-proxy's metric has it",
    "termination": "deleted to no longer accepting",
    "teardown": "process ended to address released",
}
"""From what to what a stage of the lag lasts."""


def readable(value: float | None) -> str:
    """A number with three significant digits and thousands separators; "-" for NaN.

    >>> [readable(x) for x in (0, 12345.6, 999.7, 0.01234, 0.0000123, float("nan"), 66.1, -2.0)]
    ['0', '12,346', '1,000', '0.0123', '1.23e-05', '-', '66.1', '-2']
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def per_10k(fraction: float) -> str:
    """A fraction as failures in 10,000 requests."""
    return readable(fraction * 10_000)


def percent(fraction: float) -> str:
    """A fraction in percent; no rounding makes all out of nearly all, or none out of a few.

    >>> [percent(x) for x in (0.787, 0.0661, 0.99999, 1.0, 0.000012, float("nan"))]
    ['78.7%', '6.61%', '>99.9%', '100%', '0.0012%', '-']
    """
    if math.isnan(fraction):
        return "-"
    if 0.9995 <= fraction < 1:
        return ">99.9%"
    return f"{readable(fraction * 100)}%"


def seconds(value: float | None) -> str:
    """A span with its unit.

    >>> [seconds(x) for x in (0.0135, 2.5, 5e-6, 0.0, 0.9999, 1234.0, float("nan"))]
    ['13.5 ms', '2.5 s', '5 µs', '0 s', '1 s', '1,234 s', '-']
    """
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0 s"
    if abs(value) < 0.9995e-3:
        return f"{readable(value * 1e6)} µs"
    if abs(value) < 0.9995:
        return f"{readable(value * 1e3)} ms"
    return f"{readable(value)} s"


def many(count: int, word: str) -> str:
    """A count with its word.

    >>> many(1, "replication"), many(1200, "pod")
    ('1 replication', '1,200 pods')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def spaced(key: str) -> str:
    """An outcome or a cause as words: `connect_timeout` is connect timeout."""
    return key.replace("_", " ")


def short(name: str, limit: int = 28) -> str:
    """A name that fits, its middle left out.

    >>> short("deployment/a-very-long-name-of-a-workload/r1/10", 20)
    'deployment…oad/r1/10'
    """
    if len(name) <= limit:
        return name
    head = limit // 2
    return f"{name[:head]}…{name[head + 1 - limit :]}"


@lru_cache(maxsize=8)
def _glyphs(path: str) -> frozenset[int]:
    return frozenset(get_font(path).get_charmap())


def drawable(name: str, limit: int = 28) -> str:
    """A name from a manifest as figures take it: short, on one line, no mathematics, no missing glyph.

    A leading underscore, by which matplotlib hides a label, gets a space before it.

    >>> drawable("price in $ and $"), drawable("_hidden"), drawable("two\\nlines")
    ('price in \\\\$ and \\\\$', ' _hidden', 'two lines')
    """
    known = _glyphs(findfont(FontProperties()))
    one_line = " ".join(name.split())
    text = "".join(letter if ord(letter) in known else "?" for letter in short(one_line, limit))
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
