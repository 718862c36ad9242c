"""Results made by hand: a rollout of any size, with names of any kind, and nothing at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from svcsim.report.palette import OUTCOMES
from svcsim.results.result import Result
from svcsim.schema import TABLES

__all__ = ["EVIL", "empty_result", "rollout"]

EVIL = "<script>alert(1)</script>"
END_S = 60.0


def _table(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = {column.name: column.dtype for column in TABLES[name]}
    filled = [{key: row.get(key, _usual(dtype)) for key, dtype in columns.items()} for row in rows]
    return pd.DataFrame(filled, columns=list(columns)).astype(columns)


def _usual(dtype: str) -> Any:
    return {"float64": np.nan, "int64": 0, "bool": False}.get(dtype, "")


def _result(tables: dict[str, list[dict[str, Any]]], replications: int, **more: Any) -> Result:
    frames = {name: _table(name, tables.get(name, [])) for name in TABLES if name != "requests"}
    provenance = {
        "scenario": "made by hand",
        "strong_id": "0" * 64,
        "scenario_yaml": None,
        "seed": 7,
        "replications": replications,
        "engine": "vectorised",
        "svcsim": "0",
        "semantics_version": 1,
    }
    return Result(
        **frames,
        requests=None,
        pod_counts={},
        provenance={**provenance, **more},
        warnings=(),
        timing={"control_plane_s": 1.0, "data_plane_s": 1.0, "requests_per_s": 1.0},
    )


def empty_result() -> Result:
    """No client, no pod, nothing."""
    return _result({}, 1)


def rollout(
    *,
    pods: int = 4,
    clients: tuple[tuple[str, str], ...] = (("vip", "cluster-ip"), ("pinned", "pod-ip once")),
    replications: int = 20,
    nodes: int = 3,
    workload: str = "deployment/web",
    failing: bool = True,
    **more: Any,
) -> Result:
    """`pods` old pods replaced one by one between 20 s and 40 s; each stays listed for a second too long."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    step = 20.0 / pods
    old = [f"{workload}/r1/{k + 1}" for k in range(pods)]
    new = [f"{workload}/r2/{k + 1}" for k in range(pods)]
    for k in range(pods):
        gone = 21.0 + k * step
        born = gone - 1.0
        tables["pods"] += [
            {
                "pod": old[k],
                "workload": workload,
                **dict.fromkeys(("created_s", "started_s", "listening_s", "ready_s"), -100.0),
                "deleted_s": gone,
                "stopped_s": gone + 0.2,
                "ended_s": gone + 0.2,
                "released_s": gone + 0.3,
            },
            {
                "pod": new[k],
                "workload": workload,
                "created_s": born,
                "started_s": born + 0.2,
                "listening_s": born + 0.5,
                "ready_s": born + 0.8,
            },
        ]
        for pod, state, start, stop in (
            (old[k], "listening", 0.0, gone + 0.2),
            (old[k], "closed", gone + 0.2, gone + 0.3),
            (old[k], "vanished", gone + 0.3, END_S),
            (new[k], "starting", born + 0.2, born + 0.5),
            (new[k], "listening", born + 0.5, END_S),
        ):
            tables["timeline"].append(
                {"pod": pod, "container": "c", "state": state, "from_s": start, "to_s": stop}
            )
    for version in range(pods + 1):
        for position, pod in enumerate([*old[version:], *new[:version]]):
            tables["versions"].append({"version": version, "position": position, "pod": pod})
        for node in range(nodes):
            tables["beliefs"].append(
                {
                    "observer": f"node-{node + 1}",
                    "view": "service/web:80 proxy",
                    "version": version,
                    "t_s": 0.0 if version == 0 else 21.0 + (version - 1) * step + 0.6 + 0.3 * node,
                    "listed": pods,
                }
            )
    kinds = list(OUTCOMES)
    for place, (client, via) in enumerate(clients):
        lost = {kind: (len(kinds) - k) * 10 ** (place % 4) for k, kind in enumerate(kinds)} if failing else {}
        failed = sum(lost.values())
        requests = 1_000_000
        common = {
            "client": client,
            "via": via,
            "requests": requests,
            "ok": requests - failed,
            **lost,
            "failed": failed,
        }
        fraction = failed / requests
        known = replications >= 5
        tables["summary"].append(
            {
                **common,
                "failed_fraction": fraction,
                "failed_fraction_low": fraction * 0.9 if known else np.nan,
                "failed_fraction_high": (fraction * 1.1 if failed else np.nan) if known else np.nan,
                "expected_failures": failed * 1.01,
                "p50_s": 0.01,
                "p90_s": 0.04,
                "p99_s": 0.09,
                "p999_s": 0.13,
                "failed_mean": failed / replications,
                "failed_low": failed / replications * 0.9 if known else np.nan,
                "failed_high": failed / replications * 1.1 if known else np.nan,
                "replications": replications,
                "replications_failed": replications if failed else 0,
                "p_replication_fails_high": np.nan if failed else 1 - 0.05 ** (1 / replications),
            }
        )
        for replication in range(replications):
            each = failed // replications + (replication % 3 if failed else 0)
            tables["replications"].append({**common, "replication": replication, "failed": each})
        for k, (kind, count) in enumerate(lost.items()):
            stage = ("minSync", "sync", "resolver", "grace", "")[k % 5]
            tables["causes"].append(
                {"client": client, "outcome": kind, "cause": "stale_endpoint", "stage": stage, "count": count}
            )
            for row in range(min(count, 20)):
                at = 21.0 + (row * 0.97 + k) % 20.0
                tables["failures"].append(
                    {
                        "replication": row % replications,
                        "client": client,
                        "request": row,
                        "arrival_s": at,
                        "end_s": at + 1.0,
                        "outcome": kind,
                        "cause": "stale_endpoint",
                        "stage": stage,
                        "pod": old[k % pods],
                    }
                )
        for k in range(60):
            low = 1e-3 * 1.1**k
            tables["latency"].append(
                {"client": client, "from_s": low, "to_s": low * 1.1, "count": int(1e6 * 0.8**k) + 1}
            )
    for stage, typical in (("endpointSlice", 0.05), ("watch", 0.006), ("minSync", 0.5), ("sync", 0.0)):
        tables["lag"].append(
            {
                "stage": stage,
                "count": 100,
                "mean_s": typical,
                "p50_s": typical,
                "p90_s": typical * 2,
                "p99_s": typical * 3,
            }
        )
    return _result(tables, replications, **more)
