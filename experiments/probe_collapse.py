"""Probes that are too tight: when does load alone take a Service down?

Question: pods of eight workers serve requests of 200 ms. Their readiness and liveness probes wait for the
same workers. As load rises towards capacity, when do probes begin to fail, and what follows: does a pod that
is taken out of the list make the others slower, until none is left?

Expected shape: with a time-out of 1 s and one failure enough, there is a load below capacity at which
failures jump from about none to a large share: each pod taken out sends its load to the others (positive
feedback), and a restart throws work away. With 5 s and three failures, or with probes beside the workers,
nothing fails below capacity but the slowest requests of the highest load; above the jump, removing the
liveness probe alone loses less.

Run:
    python experiments/probe_collapse.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import (
    CellStore,
    Claim,
    Options,
    finish,
    options,
    per_10k,
    run_cells,
    save,
    show_table,
    span,
    started,
)
from _manifests import web
from matplotlib.figure import Figure

from svcsim import Scenario, build_scenario
from svcsim.report import lines_with_bands

PODS, WORKERS, SERVICE_S = 6, 8, 0.2
CAPACITY_PER_S = PODS * WORKERS / SERVICE_S
DURATION_S = 240.0
LOADS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
QUICK_LOADS = (0.6, 0.8, 0.9, 0.95)
CASES = ("1 s, 1 failure", "1 s, 1 failure, no liveness", "5 s, 3 failures", "beside the workers")
LOOKS = (("#d55e00", "D"), ("#e69f00", "^"), ("#0072b2", "o"), ("#009e73", "s"))
COLLAPSED = 0.05
"""A share of requests lost that nobody calls noise."""


def _probe(timeout_s: int, failures: int, period_s: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/health", "port": 8080},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }


def question(case: str, load: float) -> Scenario:
    """One cell: steady load, no other churn at all."""
    tight = case != "5 s, 3 failures"
    container: dict[str, Any] = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": _probe(1, 1, 5) if tight else _probe(5, 3, 5),
    }
    if case != "1 s, 1 failure, no liveness":
        container["livenessProbe"] = _probe(1, 3, 10) if tight else _probe(5, 6, 10)
    return build_scenario(
        name=f"{case}, load {load:g}",
        manifests=web(PODS, container),
        duration=f"{DURATION_S:g}s",
        workloads={
            "deployment/web": {
                "serviceTime": {"exponential": {"mean": f"{SERVICE_S:g}s"}},
                "concurrency": WORKERS,
                "startup": "5s",
                "probe": {"time": "5ms", "competes": case != "beside the workers"},
            }
        },
        clients=[
            {
                "name": "vip",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": f"{load * CAPACITY_PER_S:g}/s",
            }
        ],
    )


def table_of(points: Sequence[tuple[str, float]], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a case and load: share of requests lost with its interval, and of runs that collapsed."""
    rows = []
    for (case, load), cell in zip(points, cells, strict=True):
        (summary,) = cell["summary"]
        failed = np.array(cell["failed"]["vip"], dtype=np.float64)
        rows.append(
            {
                "case": case,
                "load": load,
                "replications": len(failed),
                "failed_fraction": summary["failed_fraction"],
                "low": summary["failed_fraction_low"],
                "high": summary["failed_fraction_high"],
                "collapsed": float(np.mean(failed > COLLAPSED * load * CAPACITY_PER_S * DURATION_S)),
            }
        )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    lost = table.pivot_table(index="load", columns="case", values="failed_fraction")
    tight, loose, beside = lost[CASES[0]], lost[CASES[2]], lost[CASES[3]]
    jump = tight[tight > COLLAPSED].index.min()
    return [
        Claim(
            f"with 1 s and one failure the Service collapses below capacity (from {jump:g} of it on, "
            f"{tight.loc[tight.index.max()]:.0%} lost at {tight.index.max():g})",
            bool(jump < 1),
        ),
        Claim(f"and loses nothing at {tight.index.min():g}", bool(tight.loc[tight.index.min()] < 1e-3)),
        Claim(
            f"with 5 s and three failures at most {per_10k(float(loose.max()))} of 10,000 are lost anywhere",
            bool(loose.max() < COLLAPSED / 5),
        ),
        Claim(
            f"with probes beside the workers at most {per_10k(float(beside.max()))}",
            bool(beside.max() < COLLAPSED / 5),
        ),
        Claim(
            "at the highest load fewer are lost without the liveness probe",
            bool(lost[CASES[1]].loc[lost.index.max()] < tight.loc[lost.index.max()]),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Share lost over load, and how often a run collapsed."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.4), layout="constrained")
        figure.suptitle(
            f"{PODS} pods of {WORKERS} workers, requests of {SERVICE_S * 1e3:g} ms: probes that wait for the "
            "same workers",
            fontsize=11.5,
        )
        left, right = figure.subplots(1, 2)
        for case, (colour, marker) in zip(CASES, LOOKS, strict=True):
            rows = table[table["case"] == case]
            lines_with_bands(
                left,
                rows["load"],
                100 * rows["failed_fraction"],
                100 * rows["low"],
                100 * rows["high"],
                label=case,
                colour=colour,
                marker=marker,
            )
            right.plot(rows["load"], 100 * rows["collapsed"], color=colour, marker=marker, label=case)
        left.set_ylabel("requests lost, % (band: 95% interval)")
        right.set_ylabel(f"replications that lost more than {COLLAPSED:.0%} of their requests, %")
        right.spines[["top", "right"]].set_visible(False)
        right.set_ylim(-3, 103)
        left.set_ylim(bottom=-1)
        for axes in (left, right):
            axes.set_xlabel("load, share of capacity")
        left.legend(frameon=False, loc="upper left", title="time-out and failures of the readiness probe")
        save(figure, path)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"requests lost in 10,000, {asked.replications} replications of {DURATION_S:g} s",
        ("probes", ">load", ">lost", "95% interval", ">runs that collapsed"),
        [
            (
                row["case"],
                f"{row['load']:.0%}",
                per_10k(row["failed_fraction"]),
                span(row["low"], row["high"], per_10k),
                f"{row['collapsed']:.0%}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=6, full=30)
    loads = QUICK_LOADS if asked.quick else LOADS
    points = [(case, load) for case in CASES for load in loads]
    scenarios = [question(*point) for point in points]
    cells = run_cells({one.name: one for one in scenarios}, asked, CellStore(asked.path(".jsonl")))
    table = table_of(points, [cells[one.name] for one in scenarios])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
