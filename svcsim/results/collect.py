"""Folds replications, one by one, into what a result needs; memory grows with what is shown, not with R."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.controlplane.autoscaling.controller import Decision
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Cause, Outcome
from svcsim.results.kept import FAILURE_DTYPE, Kept, hashes
from svcsim.results.raw import Replication
from svcsim.results.reading.expected import expected_failures
from svcsim.results.reading.labels import Labels, Names
from svcsim.results.reading.lag import Delays, delays
from svcsim.results.reading.lifecycle import (
    POD_INSTANTS,
    UNSET,
    BeliefRows,
    PodRows,
    Spells,
    pod_rows,
    spells,
)
from svcsim.results.reading.nodes import Away, away_spans
from svcsim.results.reading.pipeline import Pipeline, Stage, Stream
from svcsim.results.reading.truth import Beliefs, Lists, Truth
from svcsim.results.reading.why import reasons
from svcsim.results.statistics import HIST_BINS, quantiles_s

__all__ = [
    "FAILURE_CAP",
    "LEVELS",
    "TABLE_ROWS",
    "Collected",
    "Collector",
    "Part",
    "ProgrammingRows",
    "Trace",
]

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]

LEVELS = (0.5, 0.9, 0.99, 0.999)
FAILURE_CAP = 10_000
TABLE_ROWS = 1_000_000
"""Rows shown of pods, of programming and of beliefs; replications (or observers) beyond are left out."""

_RECORDED = ("client", "request", "source", "arrival_ns", "end_ns", "outcome", "cause", "observer", "version")


@dataclass(frozen=True, kw_only=True)
class ProgrammingRows:
    """Changes of a replication by observer.

    service: places in `Labels.lists`. received, sync_start, committed: int64 (n_changes, n_observers).
    """

    service: Int64
    change: Int64
    observer: Int64
    visible_ns: Int64
    sync_ns: Int64
    written_ns: Int64
    received_ns: Int64
    sync_start_ns: Int64
    committed_ns: Int64


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What is kept of a traced replication; load: (pod, second, accepted), int64 (n, 3)."""

    replication: int
    spells: Spells
    beliefs: BeliefRows
    load: Int64


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one replication adds to the tables.

    outcomes: int64 (n_clients, n_outcomes). retries, reused: int64 (n_clients,). quantiles_s: float64
    (n_clients, levels). expected: float64 (n_clients,). pod_names: number of the pod's name by server, -1 in
    the last place; empty without requests.
    """

    outcomes: Int64
    retries: Int64
    reused: Int64
    quantiles_s: npt.NDArray[np.float64]
    expected: npt.NDArray[np.float64]
    pods: PodRows | None
    programming: tuple[ProgrammingRows, ...]
    scalings: list[Decision]
    trace: Trace | None
    requests: npt.NDArray[Any] | None
    pod_names: Int64


@dataclass(frozen=True, kw_only=True)
class Collected:
    """Sums over the replications folded so far; replaced whole, so that it never holds half a replication.

    causes: int64 (n_clients, n_outcomes, n_causes, n_stages). histogram: int64 (n_clients, HIST_BINS).
    """

    replications: int
    causes: Int64
    histogram: Int64
    delays: Delays
    pod_counts: dict[str, int]
    pod_rows: int
    programming_rows: int
    notes: tuple[str, ...]
    control_s: float
    data_s: float


class Collector:
    """Takes replications in order.

    trace: indices of the replications whose timeline, beliefs and load are kept. failure_cap: failures shown
    per (client, outcome, cause).
    """

    def __init__(
        self, topology: Topology, *, trace: Iterable[int] = (0,), failure_cap: int = FAILURE_CAP
    ) -> None:
        n = len(topology.scenario.clients)
        self.topology = topology
        self.labels = Labels(topology)
        self.pods = Names()
        self.workloads = Names()
        self.kept = Kept(failure_cap, n)
        self.parts: list[Part] = []
        self._trace = frozenset(trace)
        self._views: dict[tuple[Any, int, int], frozenset[int]] = {}
        self.collected = Collected(
            replications=0,
            causes=np.zeros((n, len(Outcome), len(Cause), len(Stage)), dtype=np.int64),
            histogram=np.zeros((n, HIST_BINS), dtype=np.int64),
            delays=Delays.none(),
            pod_counts=dict.fromkeys(("initial", "created", "ready", "deleted", "ended", "gone"), 0),
            pod_rows=0,
            programming_rows=0,
            notes=tuple(dict.fromkeys((*topology.scenario.warnings, *topology.warnings))),
            control_s=0.0,
            data_s=0.0,
        )

    def fold(self, run: Replication) -> None:
        """Add one replication: the next one."""
        before = self.collected
        assert run.index == before.replications, "replications are folded in order"
        control, histories = run.control, run.control.histories
        truth = Truth(histories, run.plan.duration_ns)
        away = list(away_spans(histories, run.plan.n_nodes, run.plan.duration_ns))
        beliefs, lists = Beliefs(histories), Lists.of(histories)
        pipeline = Pipeline(control, beliefs, histories.versions)
        failed = _failed(run)
        why = reasons(
            failed,
            plan=run.plan,
            truth=truth,
            beliefs=beliefs,
            lists=lists,
            pipeline=pipeline,
            views_of_server=self._views_of_servers(run),
        )
        pods = pod_rows(control, truth, self.pods, self.workloads)
        pod_of_server = np.array([s.pod.uid for s in control.servers], dtype=np.int64)
        names = np.append(pods.pod[pod_of_server], -1)
        hash_ = hashes(run.index, failed["request"])
        shown = self.kept.wanted(failed, hash_)
        rows = np.empty(len(shown), dtype=FAILURE_DTYPE)
        for column in _RECORDED:
            rows[column] = failed[column][shown]
        rows["replication"] = run.index
        rows["stage"], rows["state"] = why.stage[shown], why.state[shown]
        rows["believed_ns"], rows["true_ns"] = why.believed_ns[shown], why.true_ns[shown]
        rows["pod"] = names[failed["server"][shown]]
        rows["hash"] = hash_[shown]

        programming = _programming(pipeline, self.topology, TABLE_ROWS - before.programming_rows)
        part = Part(
            outcomes=run.counts.sum(axis=2),
            retries=run.retries.copy(),
            reused=run.reused.copy(),
            quantiles_s=quantiles_s(run.histogram, LEVELS),
            expected=expected_failures(
                self.topology.scenario,
                run.plan,
                truth,
                beliefs,
                lists,
                away=away,
                server_node=histories.server_node.astype(np.int64),
            ),
            pods=pods if before.pod_rows + len(pods.pod) <= TABLE_ROWS or run.index == 0 else None,
            programming=programming,
            scalings=control.scalings,
            trace=self._traced(run, truth, lists, names, away) if run.index in self._trace else None,
            requests=run.requests,
            pod_names=names if run.requests is not None else names[:0],
        )
        after = Collected(
            replications=before.replications + 1,
            causes=before.causes + _by_stage(failed, why.stage, before.causes.shape),
            histogram=before.histogram + run.histogram,
            delays=before.delays + delays(pods, truth, pipeline, len(self.topology.proxies)),
            pod_counts=_count(before.pod_counts, pods),
            pod_rows=before.pod_rows + len(pods.pod),
            programming_rows=before.programming_rows
            + len(pipeline.slices.written) * pipeline.slices.received.shape[1]
            + len(pipeline.pods.written) * pipeline.pods.received.shape[1],
            notes=tuple(dict.fromkeys((*before.notes, *control.warnings))),
            control_s=before.control_s + run.control_s,
            data_s=before.data_s + run.data_s,
        )
        self.kept.add(rows)
        del self.parts[before.replications :]
        self.parts.append(part)
        self.collected = after

    def _views_of_servers(self, run: Replication) -> list[frozenset[int]]:
        """The views that may list each server."""
        found = []
        for server in run.control.servers:
            pod = server.pod
            place = (pod.workload, id(pod.template), server.container)
            known = self._views.get(place)
            if known is None:
                known = frozenset(
                    view.index
                    for view in self.topology.views
                    if view.includes(pod.workload, pod.template)
                    and view.container_of(pod.template)[:2] == (True, server.container)
                )
                self._views[place] = known
            found.append(known)
        return found

    def _traced(self, run: Replication, truth: Truth, lists: Lists, names: Int64, away: list[Away]) -> Trace:
        server, second = np.nonzero(run.load)
        load = np.stack((names[server], second, run.load[server, second].astype(np.int64)), axis=1)
        return Trace(
            replication=run.index,
            spells=spells(run.control, truth, self.pods, away),
            beliefs=BeliefRows.of(run.control.histories, lists, names, TABLE_ROWS),
            load=load,
        )


def _failed(run: Replication) -> npt.NDArray[Any]:
    """The failed records, and the conservation law: records and tallies say the same, for every client."""
    records = run.failures
    shape = run.counts.shape
    place = np.ravel_multi_index((records["client"], records["outcome"], records["cause"]), shape)
    counts = np.bincount(place, minlength=run.counts.size).reshape(shape)
    counts[:, Outcome.OK] = run.counts[:, Outcome.OK]
    assert np.array_equal(counts, run.counts), "started = ok + failures + open does not hold"
    assert np.array_equal(run.histogram.sum(axis=1), run.counts[:, Outcome.OK].sum(axis=1))
    return records[~np.isin(records["outcome"], (int(Outcome.OPEN), int(Outcome.NOT_SENT)))]


def _by_stage(failed: npt.NDArray[Any], stage: npt.NDArray[np.int8], shape: tuple[int, ...]) -> Int64:
    place = np.ravel_multi_index((failed["client"], failed["outcome"], failed["cause"], stage), shape)
    return np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)


def _count(before: dict[str, int], pods: PodRows) -> dict[str, int]:
    happened = dict(zip(POD_INSTANTS, (pods.at_ns != UNSET).sum(axis=0).tolist(), strict=True))
    initial = int((pods.at_ns[:, POD_INSTANTS.index("created")] < 0).sum())
    more = {
        "initial": initial,
        "created": happened["created"] - initial,
        "ready": happened["ready"],
        "deleted": happened["deleted"],
        "ended": happened["ended"],
        "gone": int(pods.gone.sum()),
    }
    return {key: before[key] + more[key] for key in before}


def _programming(pipeline: Pipeline, topology: Topology, room: int) -> tuple[ProgrammingRows, ...]:
    """The changes of a replication by observer, if there is room; of too many observers every k-th."""
    streams = [pipeline.slices, pipeline.pods]
    wanted = sum(len(s.written) * s.received.shape[1] for s in streams)
    every = 1
    if wanted > room:
        if room < TABLE_ROWS:
            return ()
        every = -(-wanted // room)
    found = []
    first = 0
    for stream in streams:
        n = len(stream.written)
        if n and stream.received.shape[1]:
            found.append(_rows_of(stream, topology, first, every))
        first += n
    return tuple(found)


def _rows_of(stream: Stream, topology: Topology, first: int, every: int) -> ProgrammingRows:
    def happened(instants: Int64) -> Int64:
        kept = instants[:, ::every]
        return np.where(kept >= Stream.AHEAD, UNSET, kept)

    return ProgrammingRows(
        service=np.array(
            [
                c.service if c.service >= 0 else len(topology.services) + c.versions[0][0]
                for c in stream.changes
            ],
            dtype=np.int64,
        ),
        change=first + np.arange(len(stream.changes)),
        observer=stream.observers[::every],
        visible_ns=stream.visible,
        sync_ns=np.array([c.sync_ns for c in stream.changes], dtype=np.int64),
        written_ns=stream.written,
        received_ns=happened(stream.received),
        sync_start_ns=happened(stream.sync_start),
        committed_ns=happened(stream.committed),
    )
