"""A control plane whose churn comes from a recording: slices as they were written, pods as inferred.

What is recorded is taken as it is: which endpoints the slices listed, with which conditions, and when; when a
pod's deletion was asked for; when a container ended. What nobody recorded is simulated as ever: the kubelet's
termination (preStop, SIGTERM, exit, teardown), watches, and every node's kube-proxy. A pod listens from the
write in which it is first ready, as nobody is sent to it before.
"""

from __future__ import annotations

from svcsim.controlplane.endpointslices import Change, Listed
from svcsim.controlplane.objects import Pod
from svcsim.controlplane.plane import ControlPlane
from svcsim.controlplane.topologyhints import Hint
from svcsim.dataplane.contract import TruthKind
from svcsim.errors import ScenarioError
from svcsim.kube import BarePod, Conditions, Service, Workload
from svcsim.rng import Purpose
from svcsim.scenario import Rate, Scenario, StartProxy, StopProxy
from svcsim.timeline import PodTurn, Recording, SliceWrite

__all__ = ["RecordedPlane", "check_recording", "plane_of"]

RELIST_NS = 1_000_000_000
_AGE_NS = 3600 * 1_000_000_000
_KEPT_EVENTS = (Rate, StartProxy, StopProxy)


def check_recording(scenario: Scenario, recording: Recording) -> Service:
    """The Service that a recording is about.

    Raises:
        ScenarioError: the scenario has not the Service or a node, or has churn of its own.
    """
    services = [one for one in scenario.manifests.services if one.key.name == recording.service]
    if recording.namespace:
        services = [one for one in services if one.key.namespace == recording.namespace] or services
    if not services:
        known = ", ".join(str(one.key) for one in scenario.manifests.services) or "none"
        raise ScenarioError(
            f"{recording.source} is about Service {recording.service}, which the manifests do not have; "
            f"there are: {known}"
        )
    if not scenario.manifests.backends(services[0]):
        raise ScenarioError(
            f"{services[0].key} selects no workload of the manifests: nothing can be replayed"
        )
    own = [event.kind for event in scenario.events if not isinstance(event, _KEPT_EVENTS)]
    if own:
        raise ScenarioError(
            f"events: {', '.join(dict.fromkeys(own))}: churn comes from the recording in a replay; accepted: "
            f"{', '.join(kind.kind for kind in _KEPT_EVENTS)}"
        )
    names = {node.name for node in scenario.cluster.nodes}
    missing = [name for name in recording.nodes if name not in names]
    if missing:
        raise ScenarioError(
            f"cluster.nodes has no {missing[0]}, which {recording.source} names; nodes recorded: "
            f"{', '.join(recording.nodes)}"
        )
    return services[0]


class RecordedPlane(ControlPlane):
    """Plays one Service's recording; the manifests' other Services and workloads stand still."""

    recording: Recording

    def begin(self) -> None:
        """The pods of the first write run; everything else is put on the clock."""
        recording = self.recording
        service = check_recording(self.scenario, recording)
        self._owners = self.scenario.manifests.backends(service)
        self._recorded = self._state_of.get(service.key)
        self._pods: dict[str, Pod] = {}
        for line in recording.warnings:
            self.warn_once(line)
        for state in self.services:
            if state is not self._recorded:
                self.warn_once(
                    f"{state.service.key} is not in the recording: it has no endpoints in this replay"
                )
        zones = {one.for_zone for write in recording.writes for one in write.listed.values()} - {""}
        unknown = sorted(zones - {node.zone for node in self.nodes})
        if unknown:
            self.warn_once(
                f"{recording.source} has hints for zone {', '.join(unknown)}, where no node of "
                "cluster.nodes is: give each node its zone, or the hints have no effect"
            )
        deleted = {turn.pod for turn in recording.turns if turn.what == "deleted"}
        first, *later = recording.writes
        self._write(first, deleted, starting=True)
        self._believe_from_start()
        for write in later:
            self.loop.at(write.at_ns, self._write, write, deleted)
        for turn in recording.turns:
            self.loop.at(self._true_ns(turn), self._turn, turn)

    def pod_changed(self, pod: Pod) -> None:
        """What the simulated kubelet reports is in the recording already."""
        if self.topology.pod_watchers:
            self._pod_views_changed(pod)

    def _owner(self, name: str) -> Workload | BarePod:
        """The workload a pod belongs to, by the beginning of its name; the only one where there is one."""
        fitting = [one for one in self._owners if name.startswith(f"{one.key.name}-")]
        return max(fitting, key=lambda one: len(one.key.name), default=self._owners[0])

    def _write(self, write: SliceWrite, deleted: set[str], *, starting: bool = False) -> None:
        """One recorded write: new pods appear, others are told to go, and all observers will hear of it."""
        state = self._recorded
        listed: dict[int, Listed] = {}
        for name, said in write.listed.items():
            pod = self._pods.get(name)
            if pod is None:
                pod = self._appears(name, said.ip, said.node, starting=starting)
            if said.ready or said.serving:
                self._listens(pod, starting=starting)
            pod.ready = said.serving
            if said.terminating and name not in deleted and not pod.deleting:
                self._deleted(pod)
            conditions = Conditions(ready=said.ready, serving=said.serving, terminating=said.terminating)
            hint = Hint(said.for_zone, self.node_index.get(said.for_node)) if said.for_zone else None
            listed[pod.uid] = Listed(conditions, pod.sandbox_shown, hint)
        if state is None:
            return
        for uid in state.listed.keys() - listed.keys():
            self._unlisted(self.pods[uid])
        state.listed = listed
        state.hinted = state.hinted or any(one.hint is not None for one in listed.values())
        if not starting:
            now = self.loop.now
            self.slices_written(
                state, Change(service=state.index, visible_ns=now, sync_ns=now, write_ns=now, versions=[])
            )

    def _appears(self, name: str, ip: str, node: str, *, starting: bool) -> Pod:
        owner = self._owner(name)
        pod = self.make_pod(f"{owner.key}/{name}", owner.key, owner.template, None)
        self._pods[name] = pod
        pod.node = self.node_index.get(node, pod.uid % len(self.nodes))
        pod.ip = ip
        pod.created_ns = pod.admitted_ns = pod.started_ns = -_AGE_NS if starting else self.loop.now
        pod.sandboxes = pod.sandbox_shown = 1
        pod.has_ip = True
        for run in pod.containers:
            run.life, run.running = 1, True
            run.started_ns = pod.started_ns
        self.address_given(pod)
        return pod

    def _listens(self, pod: Pod, *, starting: bool) -> None:
        """It is listed as ready for the first time."""
        for run in pod.containers:
            if run.running and run.listening_ns == -1:
                run.accepting = run.ready = True
                run.listening_ns = -_AGE_NS if starting else self.loop.now
                if not pod.ready:
                    pod.ready_since_ns = run.listening_ns
                if run.server is not None:
                    self.timeline.truth(self.loop.now, run.server, TruthKind.LISTEN)

    def _deleted(self, pod: Pod) -> None:
        pod.deleting = True
        pod.deleted_ns = self.loop.now
        self.kubelet.deletion_seen(pod)

    def _unlisted(self, pod: Pod) -> None:
        """It left the slices: of one that was never seen to terminate, nothing is left."""
        if not pod.deleting:
            self.kubelet.crash(pod)
            self.address_released(pod)
            pod.deleting = pod.terminating = True
            pod.deleted_ns = self.loop.now

    def _turn(self, turn: PodTurn) -> None:
        pod = self._pods.get(turn.pod)
        if pod is None:
            return
        if turn.what == "deleted" and not pod.deleting:
            self._deleted(pod)
        elif turn.what == "ended" and not pod.terminating:
            self.kubelet.crash(pod)
        elif turn.what == "gone":
            pod.gone, pod.gone_ns = True, turn.at_ns

    def _true_ns(self, turn: PodTurn) -> int:
        """When it happened: a container that was seen to have ended did so up to a relist before."""
        if turn.what != "ended":
            return turn.at_ns
        back = self.dice.unit(Purpose.PHASE, f"recorded/{turn.pod}/{turn.at_ns}")
        return max(turn.at_ns - int(back * RELIST_NS), 0)


def plane_of(recording: Recording) -> type[RecordedPlane]:
    """A control plane that plays this recording."""
    return type("RecordedPlane", (RecordedPlane,), {"recording": recording})
