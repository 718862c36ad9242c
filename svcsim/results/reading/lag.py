"""How long each stage took: delays of one replication, as an additive histogram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import ServerState
from svcsim.results.reading import lifecycle
from svcsim.results.reading.lifecycle import UNSET, PodRows
from svcsim.results.reading.pipeline import Pipeline
from svcsim.results.reading.truth import Truth
from svcsim.results.statistics import HIST_BINS, bin_of

__all__ = ["LAG_STAGES", "Delays", "delays"]

Int64 = npt.NDArray[np.int64]

LAG_STAGES = (
    "scheduling",
    "start",
    "startup",
    "readiness",
    "detection",
    "endpointSlice",
    "watch",
    "minSync",
    "sync",
    "programming",
    "metric",
    "termination",
    "teardown",
)
"""created -> admitted by the kubelet -> containers started -> listening -> Ready; truth -> visible at the API
server -> slices written -> received -> sync started -> committed, and programming the last four as one
(visible -> committed), metric the same as kube-proxy measures it in its network programming latency (from the
trigger time in the slice's annotation, in whole seconds, to the commit; most removals have none); deleted ->
stopped; ended -> released."""

_CHUNK_ROWS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Delays:
    """histogram: int64 (n_stages, HIST_BINS); sum_ns: float64 (n_stages,)."""

    histogram: Int64
    sum_ns: npt.NDArray[np.float64]

    @classmethod
    def none(cls) -> Delays:
        """No delay yet."""
        return cls(
            histogram=np.zeros((len(LAG_STAGES), HIST_BINS), dtype=np.int64), sum_ns=np.zeros(len(LAG_STAGES))
        )

    def __add__(self, other: Delays) -> Delays:
        return Delays(histogram=self.histogram + other.histogram, sum_ns=self.sum_ns + other.sum_ns)


def delays(pods: PodRows, truth: Truth, pipeline: Pipeline, n_proxies: int) -> Delays:
    """Every delay of a replication that ended in it. n_proxies: observers that come first and sync."""
    size = len(LAG_STAGES) * HIST_BINS
    flat = np.zeros(size, dtype=np.int64)
    sums = np.zeros(len(LAG_STAGES))
    batch: list[tuple[int, Int64]] = []
    for name, span in _spans(pods, truth, pipeline, n_proxies):
        batch.append((LAG_STAGES.index(name), span[span >= 0]))
        sums[batch[-1][0]] += float(batch[-1][1].sum())
        if sum(len(one) for _, one in batch) > _CHUNK_ROWS:
            flat += _tally(batch, size)
            batch = []
    if batch:
        flat += _tally(batch, size)
    return Delays(histogram=flat.reshape(len(LAG_STAGES), HIST_BINS), sum_ns=sums)


def _tally(batch: list[tuple[int, Int64]], size: int) -> Int64:
    stage = np.repeat([k for k, _ in batch], [len(one) for _, one in batch])
    place = bin_of(np.concatenate([one for _, one in batch]))
    return np.bincount(stage * HIST_BINS + place, minlength=size)


def _spans(pods: PodRows, truth: Truth, pipeline: Pipeline, n_proxies: int) -> Iterator[tuple[str, Int64]]:
    """(stage, delays in ns); what did not happen is negative."""
    at = pods.at_ns
    admitted = pods.admitted_ns
    new = (at[:, lifecycle.CREATED] >= 0).nonzero()[0]
    yield "scheduling", _between(at[new, lifecycle.CREATED], admitted[new])
    yield "start", _between(admitted[new], at[new, lifecycle.STARTED])
    yield "startup", _between(at[new, lifecycle.STARTED], at[new, lifecycle.LISTENING])
    yield "readiness", _between(at[new, lifecycle.LISTENING], at[new, lifecycle.READY])
    yield "termination", _between(at[:, lifecycle.DELETED], at[:, lifecycle.STOPPED])
    yield "teardown", _between(at[:, lifecycle.ENDED], at[:, lifecycle.RELEASED])
    yield "detection", _detection(truth, pipeline)
    for stream in (pipeline.slices, pipeline.pods):
        if stream is pipeline.slices:
            yield "endpointSlice", stream.written - stream.visible
        width = stream.received.shape[1]
        if not width:
            continue
        rows = max(_CHUNK_ROWS // width, 1)
        proxies = slice(0, n_proxies if stream is pipeline.slices else 0)
        for low in range(0, len(stream.written), rows):
            part = slice(low, low + rows)
            yield "watch", (stream.received[part] - stream.written[part, None]).ravel()
            start, committed = stream.sync_start[part, proxies], stream.committed[part, proxies]
            done = committed < stream.AHEAD
            received = stream.received[part, proxies]
            yield "minSync", (start - received)[done]
            yield "sync", (committed - start)[done]
            yield "programming", (committed - stream.visible[part, None])[done]
            known = done & (stream.trigger[part, None] < stream.AHEAD)
            yield "metric", (committed - stream.trigger[part, None])[known]


def _between(begin: Int64, end: Int64) -> Int64:
    return np.where((begin == UNSET) | (end == UNSET), -1, end - begin)


def _detection(truth: Truth, pipeline: Pipeline) -> Int64:
    """From a server's turn to its first change that became visible after it, once a turn.

    What began before the run has no turn, and neither has a deletion, which is visible before it is true.
    """
    found = []
    for moves, state in (
        (pipeline.additions, (ServerState.LISTENING,)),
        (pipeline.removals, (ServerState.CLOSED, ServerState.VANISHED)),
    ):
        server, visible, written = pipeline.moves(moves)
        now, since = truth.at(server, written)
        use = np.isin(now, state) & (since > 0) & (visible >= since)
        turns = np.stack((server[use], since[use], visible[use]))
        turns = turns[:, np.lexsort(turns[::-1])]
        first = np.ones(turns.shape[1], dtype=bool)
        first[1:] = (turns[:2, 1:] != turns[:2, :-1]).any(axis=0)
        found.append((turns[2] - turns[1])[first])
    return np.concatenate(found)
