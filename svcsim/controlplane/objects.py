"""The mutable objects behind the API server of one replication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from svcsim.kube import Container, ObjectKey, PodTemplate, Workload
from svcsim.scenario import WorkloadBehaviour

__all__ = ["ContainerRun", "DaemonSet", "Deployment", "Pod", "ReplicaSet", "StatefulSet"]


@dataclass(kw_only=True, eq=False)
class ContainerRun:
    """One container of one pod. `life` counts starts: callbacks of an earlier life find it changed.

    server: id in the timeline, None if no client can reach it. worker_ns: base of its probe clock. backoffs:
    restarts since it last ran for long.
    """

    spec: Container
    behaviour: WorkloadBehaviour
    server: int | None = None
    life: int = 0
    running: bool = False
    accepting: bool = False
    listen_handle: int | None = None
    started_ns: int = -1
    listening_ns: int = -1
    ended_ns: int = -1
    worker_ns: int = 0
    ready: bool = False
    backoffs: int = 0
    failing_until_ns: int = -1


@dataclass(kw_only=True, eq=False)
class Pod:
    """A pod as the API server shows it (ready, deleting, terminal, has_ip, gone) and as its node runs it.

    name: its address for draws and tables, (workload, revision, creation ordinal). ready_since_ns: may be
    negative, before the run. ports_unlistened: servers that stand for Service ports nobody listens on.
    addressed: its present sandbox has its address. sandboxes: how many it had; sandbox_shown: the last one
    that the API server knows. gated_ns: when its readiness gates became true, -1 before; gate_asked: whoever
    sets them has been told to look. gone_ns: when its object went, -1 while it is there. wanted_node: the one
    node it may go to, -1 for any. keeper: wakes a controller other than a ReplicaSet's.
    """

    name: str
    uid: int
    owner: ReplicaSet | None
    workload: ObjectKey
    template: PodTemplate
    created_ns: int
    containers: list[ContainerRun]
    node: int = -1
    ip: str = ""
    has_ip: bool = False
    ready: bool = False
    ready_since_ns: int = 0
    deleting: bool = False
    deleted_ns: int = -1
    terminal: bool = False
    gone: bool = False
    gone_ns: int = -1
    admitted_ns: int = -1
    started_ns: int = -1
    terminating: bool = False
    ended_seen: bool = False
    addressed: bool = False
    sandboxes: int = 0
    sandbox_shown: int = 0
    gated_ns: int = -1
    gate_asked: bool = False
    ports_unlistened: list[int] = field(default_factory=list)
    restarts: int = 0
    revision: int = 1
    wanted_node: int = -1
    keeper: Callable[[], None] | None = None

    @property
    def active(self) -> bool:
        """Counts for its controller: not deleted and not ended (controller_utils.go `IsPodActive`)."""
        return not (self.deleting or self.terminal or self.gone)


@dataclass(kw_only=True, eq=False)
class ReplicaSet:
    """A ReplicaSet or ReplicationController; `deployment` is None for one that stands alone.

    desired, max_replicas: its annotations, the Deployment's size, and that with the surge, when last written.
    """

    name: str
    workload: ObjectKey
    template: PodTemplate
    replicas: int
    min_ready_ns: int
    revision: int
    deployment: Deployment | None = None
    pods: list[Pod] = field(default_factory=list)
    created: int = 0
    creating: int = 0
    deletions_unseen: int = 0
    sync_queued: bool = False
    status: tuple[int, int, int] = (0, 0, 0)
    wake_ns: int = -1
    desired: int = 0
    max_replicas: int = 0

    @property
    def available(self) -> int:
        """Available replicas as its status says."""
        return self.status[2]


@dataclass(kw_only=True, eq=False)
class Deployment:
    """A Deployment and its ReplicaSets, oldest first; the newest has the present template.

    progress: what a rollout had come to when it last moved, and when; None while none is going on.
    deadline_exceeded_ns: when condition Progressing last became false for it, -1 if never.
    """

    workload: Workload
    replicas: int
    template: PodTemplate
    revision: int = 1
    sets: list[ReplicaSet] = field(default_factory=list)
    sync_queued: bool = False
    progress: tuple[object, int] | None = None
    deadline_exceeded_ns: int = -1


@dataclass(kw_only=True, eq=False)
class StatefulSet:
    """A StatefulSet: the pod of each ordinal, as long as its object is there.

    current: revision and template that ordinals below the partition keep. made: pods ever made per ordinal.
    """

    workload: Workload
    replicas: int
    template: PodTemplate
    current: tuple[int, PodTemplate]
    min_ready_ns: int
    revision: int = 1
    pods: dict[int, Pod] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    sync_queued: bool = False


@dataclass(kw_only=True, eq=False)
class DaemonSet:
    """A DaemonSet and its pods, whose node is `wanted_node`. made: pods ever made."""

    workload: Workload
    template: PodTemplate
    min_ready_ns: int
    revision: int = 1
    pods: list[Pod] = field(default_factory=list)
    made: int = 0
    sync_queued: bool = False
