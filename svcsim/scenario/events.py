"""What a scenario makes happen, one record per kind of event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import PodTemplate
from svcsim.scenario.defaults import default, default_ns
from svcsim.scenario.frozen import FrozenMap

__all__ = [
    "CONTROLLERS",
    "NODE_EVENTS",
    "REGISTRY",
    "Cordon",
    "Crash",
    "Delete",
    "Drain",
    "Event",
    "Fail",
    "Kill",
    "NodeEvent",
    "Partition",
    "PauseController",
    "Rate",
    "Recover",
    "RemoveNode",
    "Reselect",
    "Rollout",
    "Scale",
    "StartProxy",
    "StopProxy",
    "Uncordon",
    "Unready",
    "Upgrade",
    "Weights",
]

_NOTHING: Final[Mapping[str, Any]] = FrozenMap()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens at an instant; `position` is its place in the scenario's list of events."""

    kind: ClassVar[str]
    at_ns: int
    position: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout(Event):
    """A Deployment gets a new pod template.

    `set` are dotted fields of the Deployment's `spec.template` with new values; `template` is what they,
    with those of earlier rollouts, make of it, None when nothing but the revision changes.
    """

    kind: ClassVar[str] = "rollout"
    target: ObjectKey
    set: Mapping[str, Any] = _NOTHING
    template: PodTemplate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Event):
    """A workload is asked for another number of replicas."""

    kind: ClassVar[str] = "scale"
    target: ObjectKey
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Event):
    """`count` pods of a workload, or one bare pod, are deleted with their grace period."""

    kind: ClassVar[str] = "delete"
    target: ObjectKey
    count: int = default("events.count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(Event):
    """The containers of `count` pods exit by themselves."""

    kind: ClassVar[str] = "crash"
    target: ObjectKey
    count: int = default("events.count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(Event):
    """The containers of `count` pods get SIGKILL."""

    kind: ClassVar[str] = "kill"
    target: ObjectKey
    count: int = default("events.count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready(Event):
    """The readiness probes of `count` pods fail for a while; the pods go on serving."""

    kind: ClassVar[str] = "unready"
    target: ObjectKey
    for_ns: int
    count: int = default("events.count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Event):
    """A client's rate changes."""

    kind: ClassVar[str] = "rate"
    client: str
    rate_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reselect(Event):
    """A Service selects other pods.

    `labels` are what a patch of `spec.selector` says: values by label, None for a label that goes; `selector`
    is what they, with those of earlier events, make of it.
    """

    kind: ClassVar[str] = "selector"
    target: ObjectKey
    labels: Mapping[str, str | None]
    selector: Mapping[str, str] = _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights(Event):
    """The weights of an HTTPRoute's backends change.

    `backends`: new weights by the name of a Service; `weights` is what they, with those of earlier events,
    make of the whole rule, in its order.
    """

    kind: ClassVar[str] = "weights"
    target: ObjectKey
    backends: Mapping[str, int]
    weights: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent(Event):
    """Something that happens to one node."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cordon(NodeEvent):
    """The node takes no new pods."""

    kind: ClassVar[str] = "cordon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncordon(NodeEvent):
    """The node takes pods again."""

    kind: ClassVar[str] = "uncordon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(NodeEvent):
    """The node is cordoned and its pods are evicted, as far as disruption budgets allow."""

    kind: ClassVar[str] = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopProxy(NodeEvent):
    """The node's kube-proxy stops; its rules stay as they are."""

    kind: ClassVar[str] = "stopProxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartProxy(NodeEvent):
    """The node's kube-proxy starts again and programs what it missed."""

    kind: ClassVar[str] = "startProxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail(NodeEvent):
    """The node loses its power: nothing on it lives, and nobody is told."""

    kind: ClassVar[str] = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(NodeEvent):
    """The node is cut off from everything else, until it recovers or for a while; what is on it runs on."""

    kind: ClassVar[str] = "partition"
    for_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover(NodeEvent):
    """A failed node has booted, or a partition is over."""

    kind: ClassVar[str] = "recover"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNode(NodeEvent):
    """A cluster autoscaler takes the node away: it is tainted, after `wait_ns` drained, and then deleted."""

    kind: ClassVar[str] = "removeNode"
    wait_ns: int = default_ns("events.wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade(Event):
    """Nodes are drained, taken away and given back, `count` at a time.

    scope: all, zone:NAME or a node. for_ns: how long a node is away once nothing is left to evict.
    """

    kind: ClassVar[str] = "upgrade"
    scope: str
    for_ns: int
    count: int = default("events.count")


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseController(Event):
    """A controller, or the API server, stands still for a while."""

    kind: ClassVar[str] = "pauseController"
    controller: str
    for_ns: int


CONTROLLERS: Final = (
    "deployment",
    "replicaset",
    "statefulset",
    "daemonset",
    "endpointslice",
    "horizontalpodautoscaler",
    "nodelifecycle",
    "scheduler",
    "kube-controller-manager",
    "kube-apiserver",
)
"""What can be paused; kube-controller-manager is all controllers but the scheduler."""

_NODE_KINDS: tuple[type[NodeEvent], ...] = (
    Cordon,
    Uncordon,
    Drain,
    StopProxy,
    StartProxy,
    Fail,
    Partition,
    Recover,
    RemoveNode,
)
NODE_EVENTS: Final[Mapping[str, type[NodeEvent]]] = FrozenMap({cls.kind: cls for cls in _NODE_KINDS})
"""Kinds of events that name a node."""

_KINDS: tuple[type[Event], ...] = (
    Rollout,
    Scale,
    Delete,
    Crash,
    Kill,
    Unready,
    Rate,
    Reselect,
    Weights,
    *_NODE_KINDS,
    Upgrade,
    PauseController,
)
REGISTRY: Final[Mapping[str, type[Event]]] = FrozenMap({cls.kind: cls for cls in _KINDS})
"""Every kind of event by the key it is written with."""
