"""The columns of every table of a result: name, dtype, unit and meaning."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from svcsim.errors import ResultFormatError

__all__ = ["TABLES", "Column", "conform"]


@dataclass(frozen=True)
class Column:
    """One column: `unit` is "" for what has none; float columns hold NaN for what did not happen."""

    name: str
    dtype: str
    unit: str
    meaning: str


_CLIENT = Column("client", "str", "", "client of the scenario")
_REPLICATION = Column("replication", "int64", "", "index of the replication, from 0")
_VIA = Column("via", "str", "", "the way the client reaches its backends")
_POD = Column("pod", "str", "", "pod by workload, revision and creation ordinal")
_OBSERVER = Column("observer", "str", "", "who routes: a node's kube-proxy, a resolver, a watch")
_SERVICE = Column("service", "str", "", "Service, or workload where the list is made without one")
_STAGE = Column("stage", "str", "", "stage of the pipeline from truth to belief")

_COUNTED = (
    Column("requests", "int64", "1", "requests started before the run's end"),
    Column("attempts", "int64", "1", "attempts made for them"),
    Column("connections_opened", "int64", "1", "connections that clients set out to open"),
    Column("ok", "int64", "1", "requests answered"),
    Column("open", "int64", "1", "requests not settled at the run's end"),
    Column("refused", "int64", "1", "connection refused (RST or ICMP port unreachable)"),
    Column("unreachable", "int64", "1", "no route to the host"),
    Column("connect_timeout", "int64", "1", "no answer to the SYNs within the connect time-out"),
    Column("reset", "int64", "1", "connection reset while waiting for an answer"),
    Column("eof", "int64", "1", "connection closed before the answer"),
    Column("request_timeout", "int64", "1", "no answer within the request time-out"),
    Column("rejected", "int64", "1", "answered with an overload error (503-like)"),
    Column("misdelivered", "int64", "1", "answered by somebody else's pod"),
    Column("dns_failure", "int64", "1", "the name had no address"),
    Column("not_sent", "int64", "1", "not started, as nobody lived to send it; not part of requests"),
    Column("failed", "int64", "1", "requests that ended in anything but ok"),
    Column("failed_fraction", "float64", "1", "failed / requests"),
    Column("failed_fraction_low", "float64", "1", "95% interval over replications; NaN under 5"),
    Column("failed_fraction_high", "float64", "1", "95% interval over replications; NaN under 5"),
    Column("expected_failures", "float64", "1", "integral of rate x stale/listed over the two histories"),
    Column("p50_s", "float64", "s", "latency of ok requests, 50th percentile"),
    Column("p90_s", "float64", "s", "latency of ok requests, 90th percentile"),
    Column("p99_s", "float64", "s", "latency of ok requests, 99th percentile"),
    Column("p999_s", "float64", "s", "latency of ok requests, 99.9th percentile"),
)

_RECORD = (
    _REPLICATION,
    _CLIENT,
    Column("request", "int64", "", "index of the request in its client"),
    Column("source", "int64", "", "index of the client's source it left from"),
    Column("arrival_s", "float64", "s", "instant it started"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "summary": (
        _CLIENT,
        _VIA,
        *_COUNTED,
        Column("failed_mean", "float64", "1", "failed requests per replication, mean"),
        Column("failed_low", "float64", "1", "95% interval of that mean; NaN under 5 replications"),
        Column("failed_high", "float64", "1", "95% interval of that mean; NaN under 5 replications"),
        Column("replications", "int64", "1", "replications run"),
        Column("replications_failed", "int64", "1", "replications in which at least one request failed"),
        Column(
            "p_replication_fails_high",
            "float64",
            "1",
            "with no failure seen: 95% upper bound on the probability that a replication fails; else NaN",
        ),
    ),
    "replications": (_CLIENT, _VIA, _REPLICATION, *_COUNTED),
    "causes": (
        _CLIENT,
        Column("outcome", "str", "", "what the client saw"),
        Column("cause", "str", "", "why"),
        _STAGE,
        Column("count", "int64", "1", "failed requests, all replications"),
    ),
    "failures": (
        *_RECORD,
        Column("end_s", "float64", "s", "instant it failed"),
        Column("outcome", "str", "", "what the client saw"),
        Column("cause", "str", "", "why"),
        Column("stage", "str", "", "stage of the pipeline in which the request met the change"),
        Column("rule", "str", "", "rule of dataplane/contract.py that decided"),
        Column("pod", "str", "", "pod addressed last, empty if none"),
        Column("node", "str", "", "node of the source, empty outside the cluster"),
        Column("observer", "str", "", "whose list was consulted last, empty if none"),
        Column("version", "int64", "", "version of that list, -1 if none"),
        Column("believed_since_s", "float64", "s", "instant since which that was believed"),
        Column("state", "str", "", "what was true: state of the server addressed, or of the list's servers"),
        Column("true_since_s", "float64", "s", "instant since which that was true"),
    ),
    "requests": (
        Column("replication", "int64", "", "index of the replication, from 0"),
        Column("client", "category", "", "client of the scenario"),
        *_RECORD[2:],
        Column("connected_s", "float64", "s", "instant the server took the connection"),
        Column("start_s", "float64", "s", "instant its service began or would have"),
        Column("end_s", "float64", "s", "instant it was settled"),
        Column("outcome", "category", "", "what the client saw"),
        Column("cause", "category", "", "why, `none` for ok and open"),
        Column("pod", "category", "", "pod addressed last, empty if none"),
        Column("observer", "category", "", "whose list was consulted last, empty if none"),
        Column("version", "int64", "", "version of that list, -1 if none"),
        Column("attempts", "int64", "1", "attempts begun; other columns are of the last"),
        Column("syns", "int64", "1", "SYNs sent"),
    ),
    "pods": (
        _REPLICATION,
        _POD,
        Column("workload", "str", "", "owner of the pod"),
        Column("node", "str", "", "node it was bound to, empty if none"),
        Column("created_s", "float64", "s", "object created; negative before the run"),
        Column("started_s", "float64", "s", "sandbox up, containers started"),
        Column("listening_s", "float64", "s", "every addressed container first accepted connections"),
        Column("ready_s", "float64", "s", "last became Ready at the API server"),
        Column("deleted_s", "float64", "s", "deletionTimestamp set"),
        Column("stopped_s", "float64", "s", "last stopped accepting, and did not begin again"),
        Column("ended_s", "float64", "s", "last process ended"),
        Column("released_s", "float64", "s", "address answered no more"),
        Column("gone", "bool", "", "removed from the API server before the run's end"),
    ),
    "timeline": (
        _REPLICATION,
        _POD,
        Column("container", "str", "", "container, empty for a port nobody listens on"),
        Column("state", "str", "", "starting, listening, closed, vanished, foreign or cut_off"),
        Column("from_s", "float64", "s", "begin of the state"),
        Column("to_s", "float64", "s", "end of the state, or of the run"),
    ),
    "beliefs": (
        _REPLICATION,
        _OBSERVER,
        Column("view", "str", "", "which list"),
        Column("version", "int64", "", "version taken, see table versions"),
        Column("t_s", "float64", "s", "instant it was taken"),
        Column("listed", "int64", "1", "pods it lists"),
    ),
    "versions": (
        _REPLICATION,
        Column("version", "int64", "", "version of a list"),
        Column("position", "int64", "", "place in rule order, from 0"),
        _POD,
    ),
    "programming": (
        _REPLICATION,
        _SERVICE,
        Column("change", "int64", "", "index of the change in the order written"),
        _OBSERVER,
        Column("visible_s", "float64", "s", "oldest pod change in it visible at the API server"),
        Column("sync_s", "float64", "s", "the EndpointSlice controller's sync began"),
        Column("written_s", "float64", "s", "slices written"),
        Column("received_s", "float64", "s", "observer had the watch event"),
        Column("sync_start_s", "float64", "s", "observer's sync that applied it began"),
        Column("committed_s", "float64", "s", "observer routed by it"),
    ),
    "scaling": (
        Column("replication", "int64", "", "index of the replication, from 0"),
        Column("t_s", "float64", "s", "instant of the autoscaler's sync"),
        Column("autoscaler", "str", "", "HorizontalPodAutoscaler"),
        Column("workload", "str", "", "what it scales"),
        Column("replicas", "int64", "1", "spec.replicas as it read them"),
        Column("size", "int64", "1", "spec.replicas as it left them"),
        Column(
            "usage", "float64", "", "percent of the request, or thousandths of a core, of the metric that won"
        ),
        Column("target", "float64", "", "the same as the target has it"),
        Column("proposed", "float64", "1", "replicas the metrics asked for, before stabilisation and limits"),
        Column("reason", "str", "", "of the rescale, or why there was no metric"),
        Column("able", "str", "", "reason of condition AbleToScale"),
        Column("limited", "str", "", "reason of condition ScalingLimited"),
    ),
    "load": (
        _REPLICATION,
        _POD,
        Column("second", "int64", "s", "whole second of the run"),
        Column("accepted", "int64", "1", "connections accepted in it; seconds without any have no row"),
    ),
    "latency": (
        _CLIENT,
        Column("from_s", "float64", "s", "lower edge of the bin of request latencies, inclusive"),
        Column("to_s", "float64", "s", "upper edge of the bin, exclusive; a bin is under 1.6% wide"),
        Column("count", "int64", "1", "requests that were answered within it, over all replications"),
    ),
    "lag": (
        _STAGE,
        Column("count", "int64", "1", "delays measured, all replications"),
        Column("mean_s", "float64", "s", "mean"),
        Column("p50_s", "float64", "s", "50th percentile"),
        Column("p90_s", "float64", "s", "90th percentile"),
        Column("p99_s", "float64", "s", "99th percentile"),
    ),
}


def conform(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return `frame` with exactly the columns of `table`, in their order and dtypes.

    Raises:
        ResultFormatError: no such table, a column is missing or unknown, or a value does not fit its dtype.

    >>> rows = pd.DataFrame({"count": [2.0], "client": "a", "outcome": "eof", "cause": "b", "stage": "c"})
    >>> conform(rows, "causes").dtypes["count"]
    dtype('int64')
    """
    columns = TABLES.get(table)
    if columns is None:
        raise ResultFormatError(f"{table!r} is not a table of a result (known: {', '.join(TABLES)})")
    names = [column.name for column in columns]
    missing = [name for name in names if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in names]
    if missing or unknown:
        parts = [f"lacks {', '.join(missing)}"] if missing else []
        parts += [f"has unknown {', '.join(unknown)}"] if unknown else []
        raise ResultFormatError(f"table {table} {' and '.join(parts)}")
    frame = frame[names]
    for column in columns:
        try:
            if str(frame.dtypes[column.name]) != column.dtype:
                frame = frame.astype({column.name: column.dtype})
        except (TypeError, ValueError) as err:
            raise ResultFormatError(
                f"table {table}: column {column.name} must be {column.dtype}: {err}"
            ) from err
    return frame.reset_index(drop=True)
