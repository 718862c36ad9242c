"""The EndpointSlice controller (pkg/controller/endpointslice/endpointslice_controller.go, reconciler.go).

One worker to a Service: a sync reads the pods when it starts and has written the slices when it ends; what
changes meanwhile waits for the next sync. Only a write that changes something wakes the observers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from svcsim.controlplane.objects import Pod
from svcsim.kube import Conditions, Service, conditions

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["Change", "EndpointSliceController", "ServiceState"]


@dataclass(kw_only=True, eq=False)
class Change:
    """One write of a Service's slices. visible_ns: when the oldest pod change in it became visible."""

    service: int
    visible_ns: int
    sync_ns: int
    write_ns: int
    versions: list[tuple[int, int]]


@dataclass(kw_only=True, eq=False)
class ServiceState:
    """A Service and what its slices say; sandboxes: of each pod listed, which one's address it is."""

    index: int
    service: Service
    pods: dict[int, Pod] = field(default_factory=dict)
    slices: dict[int, Conditions] = field(default_factory=dict)
    sandboxes: dict[int, int] = field(default_factory=dict)
    busy: bool = False
    dirty_since_ns: int = -1


class EndpointSliceController:
    """Keeps every Service's slices."""

    def __init__(self, plane: ControlPlane, services: list[ServiceState]) -> None:
        self._plane = plane
        self.services = services

    def pod_changed(self, pod: Pod) -> None:
        """A pod that a Service selects changed in a way that may matter to its endpoint."""
        for state in self._plane.services_of(pod):
            if pod.gone:
                state.pods.pop(pod.uid, None)
            else:
                state.pods[pod.uid] = pod
            now = self._plane.loop.now
            if state.dirty_since_ns < 0:
                state.dirty_since_ns = now
            if not state.busy:
                self._start(state)

    def _start(self, state: ServiceState) -> None:
        """A sync begins: it reads the pods as they are now."""
        plane = self._plane
        state.busy = True
        at = plane.awake("endpointslice", plane.loop.now)
        if at > plane.loop.now:
            plane.loop.at(at, self._start, state)
            return
        since = state.dirty_since_ns
        state.dirty_since_ns = -1
        read = self.read(state)
        lag = plane.dice.lag("endpointSlice", f"service/{state.service.key}")
        sandboxes = self.sandboxes(state, read)
        plane.loop.at(
            plane.awake("endpointslice", plane.loop.now + lag),
            self._written,
            state,
            read,
            sandboxes,
            since,
            plane.loop.now,
        )

    def _written(
        self,
        state: ServiceState,
        read: dict[int, Conditions],
        sandboxes: dict[int, int],
        since_ns: int,
        sync_ns: int,
    ) -> None:
        plane = self._plane
        state.busy = False
        if read != state.slices or sandboxes != state.sandboxes:
            state.slices = read
            state.sandboxes = sandboxes
            plane.slices_written(state, since_ns, sync_ns)
        if state.dirty_since_ns >= 0:
            self._start(state)

    @staticmethod
    def sandboxes(state: ServiceState, read: dict[int, Conditions]) -> dict[int, int]:
        """Which sandbox of each pod listed its address belongs to, as the API server shows it now."""
        return {uid: state.pods[uid].sandbox_shown for uid in read}

    @staticmethod
    def read(state: ServiceState) -> dict[int, Conditions]:
        """Conditions by pod uid, as the slices would say now."""
        read: dict[int, Conditions] = {}
        for uid, pod in state.pods.items():
            said = conditions(
                has_ip=pod.has_ip,
                terminal=pod.terminal or pod.gone,
                pod_ready=pod.ready,
                deleting=pod.deleting,
                publish_not_ready=state.service.publish_not_ready_addresses,
            )
            if said is not None:
                read[uid] = said
        return read
