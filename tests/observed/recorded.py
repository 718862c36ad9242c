"""Recordings of a real cluster: kube-proxy's metrics, and the lags that really were."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

__all__ = ["RUNS", "Run", "needs_recordings", "true_lags", "write_metrics"]

_ROOT = Path(__file__).parents[3] / "shared" / "groundtruth"
_NOT_COMPARABLE = ("K30-rr-exit-ipt-1",)  # its first sync lies between the scrapes

RUNS = [
    path.parent
    for folder in ("runs", "runs2")
    for path in sorted((_ROOT / folder).glob("*/kproxy_metrics.json.gz"))
    if path.parent.name not in _NOT_COMPARABLE
]
needs_recordings = pytest.mark.skipif(not RUNS, reason="the recordings are not part of the repository")


class Run(NamedTuple):
    """Metrics files of a run before and after, and kube-proxy's minSyncPeriod in ns."""

    before: list[Path]
    after: list[Path]
    min_sync_ns: int
    minor: int


def write_metrics(run: Path, folder: Path) -> Run:
    """Write the run's metrics as Prometheus text, a file per node."""
    scrapes = json.loads(gzip.decompress((run / "kproxy_metrics.json.gz").read_bytes()))
    files: dict[str, list[Path]] = {"before": [], "after": []}
    for when, paths in files.items():
        for node, samples in sorted(scrapes[when].items()):
            paths.append(folder / f"{run.name}-{when}-{node}.txt")
            paths[-1].write_text("".join(f"{name} {value}\n" for name, value in samples.items()))
    proxy = json.loads((run / "meta.json").read_text())["proxy"]
    period = {"1s": 10**9, "5s": 5 * 10**9, "100ms": 10**8}[proxy["minSyncPeriod"]]
    return Run(files["before"], files["after"], period, int(proxy["version"].split(".")[1]))


def _lines(run: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(run / f"{name}.jsonl.gz", "rt") as lines:
        yield from sorted(map(json.loads, lines), key=lambda line: line["t"])


def _syncs(run: Path) -> dict[str, list[tuple[float, float]]]:
    """(start, end) of every sync, by node."""
    syncs: dict[str, list[tuple[float, float]]] = {}
    begun: dict[str, float] = {}
    for line in _lines(run, "kproxy_log"):
        if line["msg"].startswith('"Syncing'):
            begun[line["node"]] = line["t"]
        elif "SyncProxyRules complete" in line["msg"] and line["node"] in begun:
            syncs.setdefault(line["node"], []).append((begun.pop(line["node"]), line["t"]))
    return syncs


def true_lags(run: Path) -> tuple[list[float], int]:
    """Lags in seconds, one per node and slice write with a trigger; and how many such writes and nodes.

    A lag runs from when the change of Ready that dates the write was visible at the API server (the metric's
    own start is that change's time, cut to seconds) to the end of the sync that applied the write.
    """
    syncs = _syncs(run)
    visible: dict[tuple[str, str, str], float] = {}
    written: dict[str, dict[str, Any]] = {}
    lags: list[float] = []
    observations = 0
    for line in _lines(run, "watch"):
        if line["kind"] == "pod":
            ready = (line.get("cond") or {}).get("Ready")
            if ready:
                visible.setdefault((line["name"], *ready), line["t"])
        if line["kind"] != "eps":
            continue
        now = {row[4]: row[1:4] for row in line["eps"] or ()}
        before, written[line["name"]] = written.get(line["name"], {}), now
        if line["type"] == "INIT" or not line["trig"]:
            continue
        ends = [
            next((end for start, end in of_node if start >= line["t"] - 0.012), None)
            for of_node in syncs.values()
        ]
        observations += sum(end is not None for end in ends)
        trigger = datetime.fromisoformat(line["trig"])
        since = [
            t
            for (pod, _, at), t in visible.items()
            if datetime.fromisoformat(at) == trigger and before.get(pod) != now.get(pod)
        ]
        lags += [end - min(since) for end in ends if end is not None and since]
    return lags, observations
