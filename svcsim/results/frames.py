"""Tables out of what was collected."""

from __future__ import annotations

import resource
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from svcsim.clock import ns_to_s
from svcsim.dataplane.contract import Cause, Outcome, ServerState
from svcsim.results.collect import LEVELS, TABLE_ROWS, Collector, Part
from svcsim.results.provenance import provenance_of
from svcsim.results.reading.lag import LAG_STAGES
from svcsim.results.reading.lifecycle import POD_INSTANTS, UNSET
from svcsim.results.reading.pipeline import STAGE_NAMES, Stage
from svcsim.results.reading.why import NOT_KNOWN, rule_of
from svcsim.results.result import Result
from svcsim.results.statistics import edges_s, mean_interval, no_failure_bound, quantiles_s, ratio_interval
from svcsim.schema import TABLES

__all__ = ["result_of"]

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

OUTCOMES = [outcome.name.lower() for outcome in Outcome]
CAUSES = [cause.name.lower() for cause in Cause]
STATES = [*(state.name.lower() for state in ServerState), "cut_off"]
_QUANTILES = ("p50_s", "p90_s", "p99_s", "p999_s")
_NOT_COUNTED = (Outcome.NOT_SENT,)
_NOT_FAILED = (Outcome.NOT_SENT, Outcome.OK, Outcome.OPEN)


def result_of(collector: Collector, *, seed: int, engine: str, notes: tuple[str, ...] = ()) -> Result:
    """The result of the replications that a collector has folded; notes: further warnings."""
    collected = collector.collected
    n = collected.replications
    parts = collector.parts[:n]
    outcomes = np.stack([part.outcomes for part in parts])
    failures, shown = _failures(collector)
    truncated = _truncations(collector, shown)
    requests = _requests(collector, parts) if parts[0].requests is not None else None
    started = outcomes.sum() - outcomes[:, :, _NOT_COUNTED].sum()
    return Result(
        summary=_summary(collector, outcomes, parts),
        replications=_replications(collector, outcomes, parts),
        causes=_causes(collector),
        failures=failures,
        requests=requests,
        pods=_pods(collector, parts),
        timeline=_timeline(collector, parts),
        beliefs=_beliefs(collector, parts),
        versions=_versions(collector, parts),
        programming=_programming(collector, parts),
        scaling=_scaling(parts),
        load=_load(collector, parts),
        latency=_latency(collector),
        lag=_lag(collector),
        pod_counts=collected.pod_counts,
        provenance=provenance_of(collector.topology.scenario, seed=seed, replications=n, engine=engine),
        warnings=tuple(dict.fromkeys((*collected.notes, *truncated, *notes))),
        timing={
            "control_plane_s": collected.control_s,
            "data_plane_s": collected.data_s,
            "requests_per_s": float(started) / collected.data_s if collected.data_s > 0 else float("nan"),
            "peak_memory_bytes": _peak_memory_bytes(),
        },
    )


def _peak_memory_bytes() -> float:
    """Most memory this process has held; ru_maxrss counts kilobytes but on macOS bytes (getrusage(2))."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def _frame(table: str, columns: dict[str, Any]) -> pd.DataFrame:
    """A frame of a table; without rows every column has its dtype still."""
    frame = pd.DataFrame(columns)
    return frame if len(frame) else frame.astype({c.name: c.dtype for c in TABLES[table]})


def _seconds(instants: Int64, unset: int = UNSET) -> Float64:
    return np.where(instants == unset, np.nan, ns_to_s(instants))


def _join(chunks: list[Int64]) -> Int64:
    return np.concatenate([*chunks, np.empty(0, dtype=np.int64)])


def _counted(outcomes: Int64, retries: Int64, reused: Int64) -> dict[str, Any]:
    """Columns that count requests; outcomes int64 (n, n_outcomes), retries and reused int64 (n,)."""
    started = outcomes.sum(axis=1) - outcomes[:, _NOT_COUNTED].sum(axis=1)
    failed = outcomes.sum(axis=1) - outcomes[:, _NOT_FAILED].sum(axis=1)
    attempts = started + retries
    columns = {"requests": started, "attempts": attempts, "connections_opened": attempts - reused}
    columns |= {name: outcomes[:, k] for k, name in enumerate(OUTCOMES)}
    fraction = np.divide(failed, started, out=np.full(len(failed), np.nan), where=started > 0)
    return {**columns, "failed": failed, "failed_fraction": fraction}


def _summary(collector: Collector, outcomes: Int64, parts: list[Part]) -> pd.DataFrame:
    """A row to a client; outcomes int64 (n_replications, n_clients, n_outcomes)."""
    retries = np.stack([part.retries for part in parts])
    reused = np.stack([part.reused for part in parts])
    columns = _counted(outcomes.sum(axis=0), retries.sum(axis=0), reused.sum(axis=0))
    n, n_clients, _ = outcomes.shape
    each = [_counted(outcomes[:, k], retries[:, k], reused[:, k]) for k in range(n_clients)]
    failed = [one["failed"].astype(np.float64) for one in each]
    started = [one["requests"].astype(np.float64) for one in each]
    ratio = [ratio_interval(f, s) for f, s in zip(failed, started, strict=True)]
    mean = [mean_interval(f) for f in failed]
    bad = np.array([int((f > 0).sum()) for f in failed])
    quantiles = quantiles_s(collector.collected.histogram, LEVELS)
    return _frame(
        "summary",
        {
            "client": collector.labels.clients,
            "via": collector.labels.via,
            **columns,
            "failed_fraction_low": [low for low, _ in ratio],
            "failed_fraction_high": [high for _, high in ratio],
            "expected_failures": np.sum([part.expected for part in parts], axis=0),
            **{name: quantiles[:, k] for k, name in enumerate(_QUANTILES)},
            "failed_mean": [float(f.mean()) for f in failed],
            "failed_low": np.maximum([low for low, _ in mean], 0.0),
            "failed_high": [high for _, high in mean],
            "replications": np.full(n_clients, n),
            "replications_failed": bad,
            "p_replication_fails_high": np.where(bad == 0, no_failure_bound(n), np.nan),
        },
    )


def _replications(collector: Collector, outcomes: Int64, parts: list[Part]) -> pd.DataFrame:
    """A row to a client and replication, clients first."""
    n, n_clients, n_outcomes = outcomes.shape
    quantiles = np.stack([part.quantiles_s for part in parts], axis=1).reshape(n * n_clients, len(LEVELS))
    return _frame(
        "replications",
        {
            "client": np.repeat(collector.labels.clients, n),
            "via": np.repeat(collector.labels.via, n),
            "replication": np.tile(np.arange(n), n_clients),
            **_counted(
                outcomes.transpose(1, 0, 2).reshape(n * n_clients, n_outcomes),
                np.stack([part.retries for part in parts], axis=1).ravel(),
                np.stack([part.reused for part in parts], axis=1).ravel(),
            ),
            "failed_fraction_low": np.nan,
            "failed_fraction_high": np.nan,
            "expected_failures": np.stack([part.expected for part in parts], axis=1).ravel(),
            **{name: quantiles[:, k] for k, name in enumerate(_QUANTILES)},
        },
    )


def _causes(collector: Collector) -> pd.DataFrame:
    causes = collector.collected.causes
    client, outcome, cause, stage = np.nonzero(causes)
    return _frame(
        "causes",
        {
            "client": collector.labels.clients[client],
            "outcome": np.array(OUTCOMES, dtype=object)[outcome],
            "cause": np.array(CAUSES, dtype=object)[cause],
            "stage": np.array(STAGE_NAMES, dtype=object)[stage],
            "count": causes[client, outcome, cause, stage],
        },
    )


def _failures(collector: Collector) -> tuple[pd.DataFrame, Int64]:
    """The failures shown, and how many of each (client, outcome, cause)."""
    rows = collector.kept.rows(collector.collected.replications)
    topology, labels = collector.topology, collector.labels
    rules = np.array([[rule_of(o, c) for c in Cause] for o in Outcome], dtype=object)
    rule = rules[rows["outcome"], rows["cause"]]
    rule[(rows["stage"] == Stage.DRAINING) & (rule == "R10")] = "R26"
    node = np.full(len(rows), -1, dtype=np.int64)
    for k, nodes in enumerate(topology.source_nodes):
        own = rows["client"] == k
        node[own] = np.array(nodes, dtype=np.int64)[rows["source"][own]]
    shown = np.zeros(collector.collected.causes.shape[:3], dtype=np.int64)
    np.add.at(shown, (rows["client"], rows["outcome"], rows["cause"]), 1)
    frame = _frame(
        "failures",
        {
            "replication": rows["replication"],
            "client": labels.clients[rows["client"]],
            "request": rows["request"],
            "source": rows["source"],
            "arrival_s": ns_to_s(rows["arrival_ns"]),
            "end_s": ns_to_s(rows["end_ns"]),
            "outcome": np.array(OUTCOMES, dtype=object)[rows["outcome"]],
            "cause": np.array(CAUSES, dtype=object)[rows["cause"]],
            "stage": np.array(STAGE_NAMES, dtype=object)[rows["stage"]],
            "rule": rule,
            "pod": collector.pods.words()[rows["pod"]],
            "node": labels.nodes[node],
            "observer": labels.observers[rows["observer"]],
            "version": rows["version"],
            "believed_since_s": _seconds(rows["believed_ns"], NOT_KNOWN),
            "state": np.array([*STATES, ""], dtype=object)[rows["state"]],
            "true_since_s": _seconds(rows["true_ns"], NOT_KNOWN),
        },
    )
    return frame, shown


def _truncations(collector: Collector, shown: Int64) -> list[str]:
    """What tables leave out, said in words."""
    notes = []
    collected = collector.collected
    for client, outcome, cause in np.argwhere(shown < collected.causes.sum(axis=3)).tolist():
        notes.append(
            f"failures: {shown[client, outcome, cause]} of "
            f"{collected.causes[client, outcome, cause].sum()} rows shown of client "
            f"{collector.labels.clients[client]}, {OUTCOMES[outcome]}, {CAUSES[cause]} (counts are exact)"
        )
    if collected.pod_rows > TABLE_ROWS:
        notes.append(
            f"pods: only the first replications are shown, up to {TABLE_ROWS} of {collected.pod_rows} rows"
        )
    if collected.programming_rows > TABLE_ROWS:
        notes.append(
            "programming: not every replication and observer is shown, up to "
            f"{TABLE_ROWS} of {collected.programming_rows} rows (table lag counts them all)"
        )
    for part in collector.parts[: collected.replications]:
        if part.trace is not None and len(part.trace.beliefs.t_ns) == TABLE_ROWS:
            notes.append(
                f"beliefs: only the first {TABLE_ROWS} of replication {part.trace.replication} are shown"
            )
    return notes


def _requests(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    """Every request of every replication."""
    records = np.concatenate([part.requests for part in parts if part.requests is not None])
    sizes = [len(part.requests) for part in parts if part.requests is not None]
    labels = collector.labels

    def words(code: Any, names: Any) -> Any:
        return pd.Categorical.from_codes(code, pd.Index(list(names)))

    kept = [(part.pod_names, part.requests) for part in parts if part.requests is not None]
    pod = np.concatenate([names[requests["server"]] for names, requests in kept])
    return _frame(
        "requests",
        {
            "replication": np.repeat(np.arange(len(sizes)), sizes),
            "client": words(records["client"], labels.clients),
            "request": records["request"],
            "source": records["source"],
            "arrival_s": ns_to_s(records["arrival_ns"]),
            "connected_s": _seconds(records["connected_ns"], -1),
            "start_s": _seconds(records["start_ns"], -1),
            "end_s": _seconds(records["end_ns"], -1),
            "outcome": words(records["outcome"], OUTCOMES),
            "cause": words(records["cause"], CAUSES),
            "pod": words(pod, collector.pods.words()[:-1]),
            "observer": words(records["observer"], _unique(labels.observers[:-1])),
            "version": records["version"],
            "attempts": records["attempts"],
            "syns": records["syns"],
        },
    )


def _unique(names: Any) -> list[str]:
    """Names made distinct, since categories must be: observers nobody uses have none."""
    return [name or f"observer {k}" for k, name in enumerate(names)]


def _pods(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    rows = [(k, part.pods) for k, part in enumerate(parts) if part.pods is not None]
    at = np.concatenate([pods.at_ns for _, pods in rows])
    return _frame(
        "pods",
        {
            "replication": np.repeat([k for k, _ in rows], [len(pods.pod) for _, pods in rows]),
            "pod": collector.pods.words()[_join([pods.pod for _, pods in rows])],
            "workload": collector.workloads.words()[_join([pods.workload for _, pods in rows])],
            "node": collector.labels.nodes[_join([pods.node for _, pods in rows])],
            **{f"{name}_s": _seconds(at[:, k]) for k, name in enumerate(POD_INSTANTS)},
            "gone": np.concatenate([pods.gone for _, pods in rows]),
        },
    )


def _timeline(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    traces = [part.trace for part in parts if part.trace is not None]
    return _frame(
        "timeline",
        {
            "replication": _join([np.full(len(t.spells.pod), t.replication) for t in traces]),
            "pod": collector.pods.words()[_join([t.spells.pod for t in traces])],
            "container": [name for t in traces for name in t.spells.container],
            "state": [STATES[s] for t in traces for s in t.spells.state.tolist()],
            "from_s": ns_to_s(_join([t.spells.from_ns for t in traces])),
            "to_s": ns_to_s(_join([t.spells.to_ns for t in traces])),
        },
    )


def _beliefs(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    traces = [(part.trace.replication, part.trace.beliefs) for part in parts if part.trace is not None]
    return _frame(
        "beliefs",
        {
            "replication": _join([np.full(len(b.t_ns), k) for k, b in traces]),
            "observer": collector.labels.observers[_join([b.observer for _, b in traces])],
            "view": collector.labels.views[_join([b.view for _, b in traces])],
            "version": _join([b.version for _, b in traces]),
            "t_s": ns_to_s(_join([b.t_ns for _, b in traces])),
            "listed": _join([b.listed for _, b in traces]),
        },
    )


def _versions(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    traces = [(part.trace.replication, part.trace.beliefs) for part in parts if part.trace is not None]
    return _frame(
        "versions",
        {
            "replication": _join([np.full(len(b.pod), k) for k, b in traces]),
            "version": _join([b.of_version for _, b in traces]),
            "position": _join([b.position for _, b in traces]),
            "pod": collector.pods.words()[_join([b.pod for _, b in traces])],
        },
    )


def _programming(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    rows = [(k, p) for k, part in enumerate(parts) for p in part.programming]
    widths = [len(p.observer) for _, p in rows]

    def wide(name: str) -> Int64:
        return _join([np.repeat(getattr(p, name), w) for (_, p), w in zip(rows, widths, strict=True)])

    def flat(name: str) -> Int64:
        return _join([getattr(p, name).ravel() for _, p in rows])

    observer = _join([np.tile(p.observer, len(p.change)) for _, p in rows])
    return _frame(
        "programming",
        {
            "replication": _join([np.full(p.received_ns.size, k) for k, p in rows]),
            "service": collector.labels.lists[wide("service")],
            "change": wide("change"),
            "observer": collector.labels.observers[observer],
            "visible_s": ns_to_s(wide("visible_ns")),
            "sync_s": ns_to_s(wide("sync_ns")),
            "written_s": ns_to_s(wide("written_ns")),
            "received_s": _seconds(flat("received_ns")),
            "sync_start_s": _seconds(flat("sync_start_ns")),
            "committed_s": _seconds(flat("committed_ns")),
        },
    )


def _scaling(parts: list[Part]) -> pd.DataFrame:
    """Every sync of every autoscaler."""
    rows = [(k, decision) for k, part in enumerate(parts) for decision in part.scalings]

    def number(name: str) -> list[float]:
        found = [getattr(decision, name) for _, decision in rows]
        return [float("nan") if value is None else float(value) for value in found]

    return _frame(
        "scaling",
        {
            "replication": [k for k, _ in rows],
            "t_s": [decision.at_ns * 1e-9 for _, decision in rows],
            **{
                name: [getattr(decision, name) for _, decision in rows]
                for name in ("autoscaler", "workload", "replicas", "size", "reason", "able", "limited")
            },
            **{name: number(name) for name in ("usage", "target", "proposed")},
        },
    )


def _load(collector: Collector, parts: list[Part]) -> pd.DataFrame:
    traces = [part.trace for part in parts if part.trace is not None]
    rows = np.concatenate([*(t.load for t in traces), np.empty((0, 3), dtype=np.int64)])
    frame = _frame(
        "load",
        {
            "replication": _join([np.full(len(t.load), t.replication) for t in traces]),
            "pod": collector.pods.words()[rows[:, 0]],
            "second": rows[:, 1],
            "accepted": rows[:, 2],
        },
    )
    grouped = frame.groupby(["replication", "pod", "second"], sort=False)["accepted"].sum()
    return grouped.reset_index()


def _latency(collector: Collector) -> pd.DataFrame:
    """The histogram of answered requests' latencies, bins that hold something."""
    client, place = np.nonzero(collector.collected.histogram)
    edges = edges_s()
    names = np.array([c.name for c in collector.topology.scenario.clients], dtype=object)
    return _frame(
        "latency",
        {
            "client": names[client],
            "from_s": edges[place],
            "to_s": edges[place + 1],
            "count": collector.collected.histogram[client, place],
        },
    )


def _lag(collector: Collector) -> pd.DataFrame:
    delays = collector.collected.delays
    count = delays.histogram.sum(axis=1)
    quantiles = quantiles_s(delays.histogram, LEVELS[:3])
    mean_ns = np.divide(delays.sum_ns, count, out=np.full(len(count), np.nan), where=count > 0)
    return _frame(
        "lag",
        {
            "stage": list(LAG_STAGES),
            "count": count,
            "mean_s": mean_ns * 1e-9,
            **{name: quantiles[:, k] for k, name in enumerate(_QUANTILES[:3])},
        },
    )
