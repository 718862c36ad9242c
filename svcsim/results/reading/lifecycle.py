"""The lives of pods, and what was believed of them: rows of one replication."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.controlplane import ControlRun
from svcsim.controlplane.objects import Pod
from svcsim.dataplane.contract import ServerState
from svcsim.results.reading.labels import Names
from svcsim.results.reading.nodes import Away
from svcsim.results.reading.truth import Lists, Truth
from svcsim.timeline import Histories

__all__ = ["CUT_OFF", "POD_INSTANTS", "UNSET", "BeliefRows", "PodRows", "Spells", "pod_rows", "spells"]

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]

UNSET = -(1 << 62)
CUT_OFF = len(ServerState)
"""A state of spells: the server lives, and its node is cut off."""

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
    now = _of_last_sandbox(control)[server]
    server, state, begin, end = server[now], state[now], begin[now], end[now]
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


def _of_last_sandbox(control: ControlRun) -> npt.NDArray[np.bool_]:
    """Which servers belong to the last sandbox of their pod: those before it are gone."""
    last = {(info.pod.uid, info.container): server for server, info in enumerate(control.servers)}
    return np.isin(np.arange(len(control.servers)), list(last.values()))


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


def spells(control: ControlRun, truth: Truth, pods: Names, away: list[Away]) -> Spells:
    """The truth of every server as spells, cut off while its node is."""
    server, state, begin, end = truth.spells()
    node = control.histories.server_node.astype(np.int64)
    for span in away:
        server, state, begin, end = _cut_off(span, node, server, state, begin, end)
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


def _cut_off(
    span: Away, node: Int64, server: Int64, state: Int8, begin: Int64, end: Int64
) -> tuple[Int64, Int8, Int64, Int64]:
    """Spells with those of living servers on lost nodes cut out of this span, in order of (server, begin)."""
    a, b = np.maximum(begin, span.from_ns), np.minimum(end, span.to_ns)
    lost = (span.states[node[server]] != 0) & (b > a) & (state != ServerState.VANISHED)
    if not lost.any():
        return server, state, begin, end
    before, after = lost & (begin < a), lost & (b < end)
    keep = ~lost
    server = np.concatenate((server[keep], server[before], server[lost], server[after]))
    cut = np.full(int(lost.sum()), CUT_OFF, dtype=np.int8)
    state = np.concatenate((state[keep], state[before], cut, state[after])).astype(np.int8)
    begin, end = (
        np.concatenate((begin[keep], begin[before], a[lost], b[after])),
        np.concatenate((end[keep], a[before], b[lost], end[after])),
    )
    order = np.lexsort((begin, server))
    return server[order], state[order], begin[order], end[order]
