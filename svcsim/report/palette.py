"""What every path, outcome, state and stage looks like in every figure.

Colours after Okabe and Ito (Color Universal Design, 2008), told apart by colour-blind readers; a hatch or a
marker says the same a second time, for prints without colour.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ACCEPTING",
    "GRID",
    "INK",
    "OUTCOMES",
    "PAPER",
    "PATHS",
    "SOFT",
    "SOME",
    "STAGES",
    "STALE",
    "STATES",
    "Look",
    "path_look",
    "stage_look",
]

INK = "#1f2328"
"""Text, axes, intervals. This one and the next three follow the page's light or dark scheme."""
SOFT = "#59636e"
GRID = "#d7dce1"
PAPER = "#fefefe"

STALE = "#d55e00"
"""The part of a pod's time in lists in which it accepts no connection."""
SOME = "#8a939c"
"""The part in which some of the nodes list it, not all."""


@dataclass(frozen=True)
class Look:
    """How one thing is drawn: `hatch` where it is an area, `marker` where it is a point."""

    colour: str
    hatch: str = ""
    marker: str = "o"


PATHS = {
    "cluster-ip": Look("#0072b2", "", "o"),
    "pod-ip once": Look("#d55e00", "//", "s"),
    "pod-ip every": Look("#e69f00", "\\\\", "D"),
    "pod-ip on-failure": Look("#cc79a7", "xx", "^"),
    "pod-ip watch": Look("#009e73", "..", "v"),
    "pod-ip": Look("#d55e00", "//", "s"),
    "loopback": Look("#8c8c8c", "--", "P"),
    "headless": Look("#56b4e9", "++", "X"),
    "node-port": Look("#aa4499", "||", "<"),
    "load-balancer": Look("#999933", "oo", ">"),
    "external-name": Look("#88ccee", "xxx", "p"),
    "ingress": Look("#7f5fc4", "///", "*"),
}
"""A way of reaching pods."""

OUTCOMES = {
    "connect_timeout": Look("#0072b2"),
    "refused": Look("#d55e00", "//"),
    "unreachable": Look("#a6761d", "\\\\"),
    "reset": Look("#cc79a7", "xx"),
    "eof": Look("#e69f00", ".."),
    "request_timeout": Look("#56b4e9", "--"),
    "rejected": Look("#009e73", "\\\\\\"),
    "misdelivered": Look("#7f5fc4", "++"),
    "dns_failure": Look("#999999", "||"),
}
"""What a client sees when a request fails, in the order in which figures stack it."""

STATES = {
    "pending": Look("#cfd4d9"),
    "starting": Look("#f0e442", "//"),
    "listening": Look("#93d8bf", ".."),
    "ready": Look("#009e73"),
    "terminating": Look("#56b4e9", "\\\\"),
    "closed": Look("#cc79a7", "xx"),
    "foreign": Look("#7f5fc4", "++"),
    "cut off": Look("#e69f00", "oo"),
    "gone": Look(PAPER),
}
"""A pod's state: listening is not ready yet, terminating still accepts, closed refuses, of a foreign one
somebody else has the address, and the node of one cut off is. Gone is drawn as nothing."""

ACCEPTING = ("listening", "ready", "terminating")
"""The states in which a connection to the pod is taken."""

STAGES = {
    "detection": Look("#999999", "||"),
    "endpointSlice": Look("#e69f00", ".."),
    "watch": Look("#56b4e9", "--"),
    "minSync": Look("#0072b2"),
    "sync": Look("#7f5fc4", "++"),
    "resolver": Look("#d55e00", "//"),
    "controller": Look("#a6761d", "\\\\"),
    "readiness": Look("#f0e442", "oo"),
    "grace": Look("#cc79a7", "xx"),
    "queue": Look("#009e73", "\\\\\\"),
    "service": Look("#93d8bf", "///"),
    "network": Look("#aa4499", "xxx"),
    "node": Look("#332288", "ooo"),
    "connection": Look("#ddcc77", "xxxx"),
    "policy": Look("#882255", "**"),
    "loadBalancer": Look("#117733", "//\\\\"),
    "ingress": Look("#6699cc", "..."),
    "draining": Look("#44aa99", "--."),
    "conntrack": Look("#661100", "OO"),
}
"""The stage of the pipeline in which a failure fell."""

_OTHER = Look("#8c8c8c", "***", "h")


def path_look(via: str) -> Look:
    """The look of a path, with or without more words behind it.

    >>> path_look("pod-ip every 30s") == PATHS["pod-ip every"]
    True
    """
    known = [name for name in PATHS if via == name or via.startswith(f"{name} ")]
    return PATHS[max(known, key=len)] if known else _OTHER


def stage_look(stage: str) -> Look:
    """The look of a stage; of no stage known, grey."""
    return STAGES.get(stage, _OTHER)
