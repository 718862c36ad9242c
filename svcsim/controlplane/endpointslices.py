"""The EndpointSlice controller (pkg/controller/endpointslice/endpointslice_controller.go, reconciler.go).

Five workers, a Service at a time: a sync reads the pods when it starts, and writes the slices that change one
after the other; what changes meanwhile waits for the next sync. Only a write that changes something wakes the
observers. A write that fails, as the API server is away, is tried again after 1, 2, 4, ... s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Pod
from svcsim.controlplane.slicepacking import Packing, Writes
from svcsim.controlplane.topologyhints import Hint, auto_hints, own_hints, zone_ratios
from svcsim.kube import Conditions, HintMode, Service, conditions, hint_mode

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Change", "EndpointSliceController", "Listed", "ServiceState"]

WORKERS = 5  # --concurrent-service-endpoint-syncs
RETRY_NS, RETRY_MAX_NS = SECOND, 1000 * SECOND
QPS, QPS_BURST = 20, 30


@dataclass(kw_only=True, eq=False)
class Change:
    """One write of one of a Service's slices.

    visible_ns: when the oldest pod change in it became visible. trigger_ns: its annotation
    endpoints.kubernetes.io/last-change-trigger-time, None without. versions: lists that it changed, (view,
    version), of all that any router may use. scoped: by view, the version of each node, where nodes differ.
    """

    service: int
    visible_ns: int
    sync_ns: int
    write_ns: int
    versions: list[tuple[int, int]]
    trigger_ns: int | None = None
    scoped: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a slice says of a pod: conditions, which sandbox's address it is, and for whom it is meant."""

    said: Conditions
    sandbox: int
    hint: Hint | None = None


@dataclass(kw_only=True, eq=False)
class ServiceState:
    """A Service, what the controller knows of its pods, and what its slices say (`listed`, by pod uid).

    dirty: pods that changed since the last sync. wanted: what that sync wanted. triggers: the instants that
    annotations are made of. waits: only for the batch period to pass. name: for its draws. hinted: whether
    endpoints may carry hints.
    """

    index: int
    service: Service
    packing: Packing
    mode: HintMode | None = None
    pods: dict[int, Pod] = field(default_factory=dict)
    listed: dict[int, Listed] = field(default_factory=dict)
    wanted: dict[int, Listed] = field(default_factory=dict)
    dirty: dict[int, None] = field(default_factory=dict)
    triggers: dict[int, int] = field(default_factory=dict)
    busy: bool = False
    waits: bool = False
    dirty_since_ns: int = -1
    name: str = field(init=False)
    hinted: bool = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"service/{self.service.key}"
        self.hinted = self.mode is not None


class EndpointSliceController:
    """Keeps every Service's slices."""

    def __init__(self, plane: ControlPlane, services: list[Service]) -> None:
        self._plane = plane
        cluster = plane.scenario.cluster
        self._batch_ns = cluster.slice_batch_period_ns
        self.services = [
            ServiceState(
                index=i,
                service=service,
                packing=Packing(most=cluster.max_endpoints_per_slice),
                mode=hint_mode(service, cluster.kubernetes_minor),
            )
            for i, service in enumerate(services)
        ]
        self._active = 0
        self._queue: deque[ServiceState] = deque()
        self._tokens = QPS_BURST * SECOND
        self._tokens_ns = 0

    def begin(self, state: ServiceState) -> None:
        """The slices as they are before anything happens."""
        state.dirty = dict.fromkeys(state.pods)
        self._read(state)
        state.packing.reconcile(state.wanted)
        state.listed = dict(state.wanted)

    def pod_changed(self, pod: Pod) -> None:
        """A pod that a Service selects changed in a way that may matter to its endpoint."""
        for state in self._plane.services_of(pod):
            if pod.gone:
                state.pods.pop(pod.uid, None)
            else:
                state.pods[pod.uid] = pod
            state.dirty[pod.uid] = None
            self._enqueue(state, self._batch_ns)

    def reselected(self, state: ServiceState, pods: list[Pod]) -> None:
        """A Service's selector changed, and these are its pods now (`onServiceUpdate`: no batch period)."""
        before, state.pods = state.pods, {pod.uid: pod for pod in pods}
        state.dirty |= dict.fromkeys((*before, *state.pods))
        self._enqueue(state, 0)

    def _enqueue(self, state: ServiceState, wait_ns: int) -> None:
        """A Service waits for a worker, unless it does already."""
        now = self._plane.loop.now
        if state.dirty_since_ns < 0:
            state.dirty_since_ns = now
        if state.busy and not (state.waits and wait_ns == 0):
            return
        state.busy, state.waits = True, wait_ns > 0
        if wait_ns:
            self._plane.loop.at(now + wait_ns, self._waited, state)
        else:
            self._next(state)

    def _waited(self, state: ServiceState) -> None:
        """The batch period has passed, unless the Service was taken before."""
        if state.waits:
            state.waits = False
            self._next(state)

    def _next(self, state: ServiceState) -> None:
        """A worker takes the Service, once one is free and the controller is awake."""
        plane = self._plane
        at = plane.awake("endpointslice", plane.loop.now)
        if at > plane.loop.now:
            plane.loop.at(at, self._next, state)
        elif self._active >= WORKERS:
            self._queue.append(state)
        else:
            self._active += 1
            self._sync(state)

    def _sync(self, state: ServiceState) -> None:
        """A sync begins: it reads the pods as they are now."""
        plane = self._plane
        since, state.dirty_since_ns = state.dirty_since_ns, -1
        trigger = self._read(state)
        writes = state.packing.reconcile(state.wanted)
        lag = plane.dice.lag("endpointSlice", state.name)
        change = Change(
            service=state.index,
            visible_ns=since,
            sync_ns=plane.loop.now,
            write_ns=-1,
            versions=[],
            trigger_ns=trigger,
        )
        plane.loop.at(self._succeeds(plane.loop.now + lag), self._written, state, writes, 0, change)

    def _succeeds(self, t_ns: int) -> int:
        """When a write tried at t_ns gets through."""
        plane, wait = self._plane, RETRY_NS
        while plane.awake("kube-apiserver", t_ns) > t_ns:
            t_ns += wait
            wait = min(2 * wait, RETRY_MAX_NS)
        return plane.awake("endpointslice", t_ns)

    def _written(self, state: ServiceState, writes: Writes, k: int, change: Change) -> None:
        """Write number k of a sync is done; the next one follows a round trip later."""
        plane = self._plane
        if k < len(writes):
            state.listed = writes.seen(k)
            done = Change(
                service=change.service,
                visible_ns=change.visible_ns,
                sync_ns=change.sync_ns,
                write_ns=plane.loop.now,
                versions=[],
                trigger_ns=change.trigger_ns,
            )
            plane.slices_written(state, done)
        if k + 1 < len(writes):
            at = max(self._call_at(), plane.loop.now + plane.dice.lag("api", f"slices/{state.service.key}"))
            plane.loop.at(self._succeeds(at), self._written, state, writes, k + 1, change)
            return
        self._active -= 1
        if state.dirty_since_ns >= 0:
            self._next(state)
        else:
            state.busy = False
        if self._queue:
            self._next(self._queue.popleft())

    def _call_at(self) -> int:
        """The instant of the next write that the client's rate limit allows (20 a second, burst 30)."""
        now = self._plane.loop.now
        self._tokens = min(QPS_BURST * SECOND, self._tokens + (now - self._tokens_ns) * QPS) - SECOND
        self._tokens_ns = now
        return now if self._tokens >= 0 else now - self._tokens // QPS

    def _read(self, state: ServiceState) -> int | None:
        """Bring `wanted` up to date with the pods that changed; returns the trigger time, if there is one.

        The trigger is the oldest Ready transition, in whole seconds, that the last sync had not seen
        (util/trigger_time_tracker.go `ComputeEndpointLastChangeTriggerTime`); a deletion is none.
        """
        plane = self._plane
        triggers: list[int] = []
        for uid in state.dirty:
            pod = state.pods.get(uid)
            listed = None if pod is None else self._listed(state, pod)
            if pod is None:
                state.triggers.pop(uid, None)
            else:
                turned = plane.whole_second(pod.ready_since_ns or max(pod.admitted_ns, 0))
                if state.triggers.get(uid) != turned:
                    state.triggers[uid] = turned
                    triggers.append(turned)
            if listed is None:
                state.wanted.pop(uid, None)
            else:
                state.wanted[uid] = listed
        state.dirty = {}
        if state.mode is not None:
            self._hint(state)
        return min(triggers) if triggers else None

    @staticmethod
    def _listed(state: ServiceState, pod: Pod) -> Listed | None:
        said = conditions(
            has_ip=pod.has_ip,
            terminal=pod.terminal or pod.gone,
            pod_ready=pod.ready,
            deleting=pod.deleting,
            publish_not_ready=state.service.publish_not_ready_addresses,
        )
        return None if said is None else Listed(said, pod.sandbox_shown)

    def _hint(self, state: ServiceState) -> None:
        """Set or withdraw the hints of ready endpoints; others carry none."""
        plane = self._plane
        ready = {
            uid: state.pods[uid]
            for uid, one in state.wanted.items()
            if one.said.ready and not one.said.terminating
        }
        zone = [node.zone for node in plane.nodes]
        hints: dict[int, Hint] | None
        if state.mode == "auto":
            usable = [
                (node.zone, node.cpu)
                for i, node in enumerate(plane.nodes)
                if i not in plane.node_lifecycle.unreachable
            ]
            if all(cpu is None for _, cpu in usable):
                plane.warn_once("topology-mode Auto: no node says its cpu; all are taken as equal")
                usable = [(where, Fraction(1)) for where, _ in usable]
            hints = auto_hints(
                {uid: zone[pod.node] if pod.node >= 0 else None for uid, pod in ready.items()},
                zone_ratios(usable),
            )
        else:
            assert state.mode is not None
            places = {
                uid: (zone[pod.node] if pod.node >= 0 else None, pod.node) for uid, pod in ready.items()
            }
            hints = own_hints(places, state.mode)
        for uid, one in state.wanted.items():
            hint = None if hints is None else hints.get(uid)
            if one.hint != hint:
                state.wanted[uid] = replace(one, hint=hint)
