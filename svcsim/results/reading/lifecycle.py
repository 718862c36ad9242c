"""The lives of pods, and what was believed of them: rows of one replication."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.controlplane import ControlRun
from svcsim.controlplane.objects import Pod
from svcsim.dataplane.contract import ServerState
from svcsim.results.reading.labels import Names
from svcsim.results.reading.truth import Lists, Truth
from svcsim.timeline import Histories

__all__ = ["POD_INSTANTS", "UNSET", "BeliefRows", "PodRows", "Spells", "pod_rows", "spells"]

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]

UNSET = -(1 << 62)
POD_INSTANTS = ("created", "started", "listening", "ready", "deleted", "stopped", "ended", "released")
CREATED, STARTED, LISTENING, READY, DELETED, STOPPED, ENDED, RELEASED = range(len(POD_INSTANTS))


@dataclass(frozen=True, kw_only=True)
class PodRows:
    """Pods of a replication.

    pod, workload: numbers of names. at_ns: int64 (n, POD_INSTANTS) and admitted_ns (n,), the kubelet took the
    pod; UNSET where it did not happen.
    """

    pod: Int64
    workload: Int64
    node: Int64
    at_ns: Int64
    admitted_ns: Int64
    gone: npt.NDArray[np.bool_]


def pod_rows(control: ControlRun, truth: Truth, pods: Names, workloads: Names) -> PodRows:
    """The life of every pod: from its object, and from the truth of its servers where it has any.

    A pod listens when all its addressed containers do, and has stopped when any of them has for good.
    """
    n = len(control.pods)
    at = np.full((n, len(POD_INSTANTS)), UNSET, dtype=np.int64)
    admitted = np.full(n, UNSET, dtype=np.int64)
    pod_of_server = np.array([s.pod.uid for s in control.servers], dtype=np.int64)
    server, state, begin, end = truth.spells()
    accepts = state == ServerState.LISTENING
    owner = pod_of_server[server]
    first = np.ones(int(accepts.sum()), dtype=bool)
    first[1:] = server[accepts][1:] != server[accepts][:-1]
    np.maximum.at(at[:, LISTENING], owner[accepts][first], begin[accepts][first])
    last = np.append(first[1:], True)[: len(first)]
    stopped = end[accepts][last]
    for_good = stopped < truth.duration_ns
    earliest = np.full(n, truth.duration_ns, dtype=np.int64)
    np.minimum.at(earliest, owner[accepts][last][for_good], stopped[for_good])
    at[:, STOPPED] = np.where(earliest < truth.duration_ns, earliest, UNSET)
    released = state == ServerState.VANISHED
    at[owner[released], RELEASED] = begin[released]
    names, owners, nodes, gone = [], [], [], []
    served = np.zeros(n, dtype=bool)
    served[pod_of_server] = True
    for uid, pod in enumerate(control.pods):
        names.append(pods.number(pod.name))
        owners.append(workloads.number(str(pod.workload)))
        nodes.append(pod.node)
        gone.append(pod.gone)
        row = at[uid]
        row[CREATED] = pod.created_ns
        if pod.admitted_ns != -1:
            admitted[uid] = pod.admitted_ns
        if pod.deleted_ns >= 0:
            row[DELETED] = pod.deleted_ns
        if pod.started_ns == -1:
            continue
        row[STARTED] = pod.started_ns
        if pod.started_ns < 0:
            row[LISTENING] = row[READY] = pod.started_ns
        if pod.ready_since_ns > 0 and _turned_ready(pod):
            row[READY] = pod.ready_since_ns
        if not any(run.running for run in pod.containers):
            row[ENDED] = max(run.ended_ns for run in pod.containers)
        if not served[uid]:
            if pod.started_ns >= 0 and all(run.life > 0 for run in pod.containers):
                row[LISTENING] = max(run.listening_ns for run in pod.containers)
            row[STOPPED] = row[ENDED]
    return PodRows(
        pod=np.array(names, dtype=np.int64),
        workload=np.array(owners, dtype=np.int64),
        node=np.array(nodes, dtype=np.int64),
        at_ns=at,
        admitted_ns=admitted,
        gone=np.array(gone, dtype=bool),
    )


def _turned_ready(pod: Pod) -> bool:
    """Whether the last turn of the Ready condition was to true; a terminal pod's is not written down."""
    return pod.ready or (pod.terminal and pod.ready_since_ns < pod.deleted_ns)


@dataclass(frozen=True, kw_only=True)
class Spells:
    """Spells of one state of a server. pod: number of its name; container: "" for an unused port."""

    pod: Int64
    container: list[str]
    state: Int8
    from_ns: Int64
    to_ns: Int64


def spells(control: ControlRun, truth: Truth, pods: Names) -> Spells:
    """The truth of every server as spells."""
    server, state, begin, end = truth.spells()
    name = np.array([pods.number(s.pod.name) for s in control.servers], dtype=np.int64)
    container = [s.pod.containers[s.container].spec.name if s.container >= 0 else "" for s in control.servers]
    return Spells(
        pod=name[server],
        container=[container[s] for s in server.tolist()],
        state=state,
        from_ns=begin,
        to_ns=end,
    )


@dataclass(frozen=True, kw_only=True)
class BeliefRows:
    """What observers took and when, and the pods of each version end to end (numbers of names)."""

    observer: Int64
    view: Int64
    version: Int64
    t_ns: Int64
    listed: Int64
    of_version: Int64
    position: Int64
    pod: Int64

    @classmethod
    def of(cls, histories: Histories, lists: Lists, server_names: Int64, limit: int) -> BeliefRows:
        """The first `limit` beliefs in the order they began."""
        version = histories.belief_version[:limit].astype(np.int64)
        of_version = np.repeat(np.arange(len(lists.size)), lists.size)
        return cls(
            observer=histories.belief_observer[:limit].astype(np.int64),
            view=histories.belief_view[:limit].astype(np.int64),
            version=version,
            t_ns=histories.belief_t[:limit],
            listed=lists.size[version],
            of_version=of_version,
            position=np.arange(len(of_version)) - lists.at[of_version],
            pod=server_names[lists.servers],
        )
