"""Measured against predicted: does a simulation that never saw a run foretell its failures?

Question: in 21 runs of a real Kubernetes (`data/measured_runs.csv`, described in `data/README.md`) a
Deployment was rolled or scaled under a client of 300 connections a second. Each is simulated many times with
one block of lags for all runs, nothing taken from the outcome of any. Is the measured number of failed
connections one that the simulation could have given?

Expected shape: a run's failures vary a lot by themselves, as they depend on phases nobody controls (a run
repeated three times lost 185, 166 and 255), so a prediction is an interval. The measured number lies in the
central 95% for at least 18 of 21 runs, and for at least 14 of the 17 that lost any (of 17 independent runs a
right model misses 4 or more once in 114 times); and where no connection failed in reality, none does in any
replication.

Run:
    python experiments/against_real_cluster.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, started
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from svcsim import Scenario, build_scenario

MEASURED = Path(__file__).parent / "data" / "measured_runs.csv"
REPLICAS = 10
RATE = "300/s"
CENTRAL = 0.95
LEAST_INSIDE = 18
LEAST_FAILING_INSIDE = 14

# What the testbed is, not what any run saw: sandboxes start within tens of milliseconds, and an address dies
# a few milliseconds after its process; both pooled over all runs.
TESTBED_LAG: dict[str, Any] = {
    "start": {"lognormal": {"median": "30ms", "p99": "150ms"}},
    "stop": {"lognormal": {"median": "32ms", "p99": "100ms"}},
    "teardown": {
        "mixture": [
            {"weight": 0.85, "of": {"exponential": {"mean": "4ms"}}},
            {"weight": 0.15, "of": {"uniform": {"low": "0s", "high": "45ms"}}},
        ]
    },
}

INSIDE, OUTSIDE, PREDICTED = "#0072b2", "#d55e00", "#59636e"


def measured_runs() -> pd.DataFrame:
    """The table of measured runs, with `failed`, all failures."""
    words = dict.fromkeys(("kubernetes", "max_surge", "max_unavailable", "actions"), str)
    runs = pd.read_csv(MEASURED, comment="#", dtype=words, keep_default_na=False)
    return runs.assign(failed=runs[["refused", "timeout", "reset", "eof"]].sum(axis=1))


def manifests(run: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """The Deployment and the Service of a run."""
    container: dict[str, Any] = {
        "name": "app",
        "image": "example/server:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": 8080},
            "periodSeconds": run["readiness_period_s"],
            "timeoutSeconds": 1,
        },
    }
    if run["pre_stop_s"]:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": run["pre_stop_s"]}}}
    strategy: dict[str, Any] = {"type": "Recreate"}
    if run["max_surge"]:
        limits = {"maxSurge": run["max_surge"], "maxUnavailable": run["max_unavailable"]}
        strategy = {
            "type": "RollingUpdate",
            "rollingUpdate": {key: int(n) if n.isdigit() else n for key, n in limits.items()},
        }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": REPLICAS,
            "strategy": strategy,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": run["grace_s"], "containers": [container]},
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return [deployment, service]


def events(actions: str) -> list[dict[str, Any]]:
    """The actions of a run, such as `scale:3@5 scale:10@15`."""
    found: list[dict[str, Any]] = []
    for action in actions.split():
        what, _, at = action.partition("@")
        kind, _, replicas = what.partition(":")
        event = {"at": f"{at}s", kind: "deployment/web"}
        found.append({**event, "replicas": int(replicas)} if kind == "scale" else event)
    return found


def question(run: Mapping[Any, Any]) -> Scenario:
    """A run as a scenario: its configuration and the testbed, not its outcome."""
    service_time: dict[str, Any] = {"constant": "2ms"}
    if run["long_share"]:
        service_time = {
            "mixture": [
                {"weight": 1 - run["long_share"], "of": {"constant": "2ms"}},
                {"weight": run["long_share"], "of": {"constant": "3s"}},
            ]
        }
    return build_scenario(
        name=run["run"],
        manifests=manifests(run),
        duration=f"{run['duration_s']}s",
        cluster={
            "kubernetes": run["kubernetes"],
            "nodes": [{"name": "n1"}, {"name": "n2"}, {"name": "n3"}, {"name": "n4", "unschedulable": True}],
            "kubeProxy": {"mode": run["proxy"], "minSyncPeriod": run["min_sync"]},
            "vanishedIP": {"then": "unreachable", "after": "3s"},
            "kernel": "6.18",
        },
        lag=TESTBED_LAG,
        workloads={
            "deployment/web": {
                "startup": {"constant": "502ms"},
                "serviceTime": service_time,
                "onSigterm": run["on_sigterm"],
            }
        },
        clients=[
            {
                "name": "conns",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": RATE,
                "from": "n4",
                "sources": 1,
                "timeout": {"connect": "1s", "request": f"{run['request_timeout_s']}s"},
            }
        ],
        events=events(run["actions"]),
    )


def table_of(runs: pd.DataFrame, cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a run: what was measured, and the central 95% and the median of what is predicted."""
    tail = (1 - CENTRAL) / 2
    rows = []
    for run in runs.to_dict("records"):
        failed = np.array(cells[run["run"]]["failed"]["conns"], dtype=np.float64)
        low, median, high = np.quantile(failed, [tail, 0.5, 1 - tail])
        rows.append(
            {
                "run": run["run"],
                "connections": run["connections"],
                "measured": run["failed"],
                "predicted_low": low,
                "predicted_median": median,
                "predicted_high": high,
                "predicted_least": failed.min(),
                "predicted_most": failed.max(),
                "share_below": float((failed < run["failed"]).mean()),
                "share_equal": float((failed == run["failed"]).mean()),
                "inside": bool(low <= run["failed"] <= high),
                "replications": len(failed),
            }
        )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape; the numbers are those of the question."""
    failing = table[table["measured"] > 0]
    without = table[table["measured"] == 0]
    inside, failing_inside = int(table["inside"].sum()), int(failing["inside"].sum())
    return [
        Claim(
            f"{inside} of {len(table)} measured runs lie in the central 95% of what is predicted "
            f"({LEAST_INSIDE} or more wanted)",
            inside >= LEAST_INSIDE,
        ),
        Claim(
            f"so do {failing_inside} of the {len(failing)} that lost any ({LEAST_FAILING_INSIDE} or more)",
            failing_inside >= LEAST_FAILING_INSIDE,
        ),
        Claim(
            f"the {len(without)} that lost none lose none in any replication",
            not without["predicted_most"].any(),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """A row to a run: the predicted interval and median, the measured number as a point."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(11.0, 2.0 + 0.29 * len(table)), layout="constrained")
        ax = figure.subplots()
        replications = int(table["replications"].min())
        for row, run in enumerate(table.to_dict("records")):
            ends = [run["predicted_low"], run["predicted_high"]]
            ax.plot(ends, [row, row], color=PREDICTED, linewidth=6, alpha=0.35, solid_capstyle="butt")
            ax.plot(ends, [row, row], "|", color=PREDICTED, markersize=9, markeredgewidth=1.4)
            ax.plot(run["predicted_median"], row, "|", color="#1f2328", markersize=11, markeredgewidth=2)
            ax.plot(
                run["measured"],
                row,
                "o" if run["inside"] else "D",
                color=INSIDE if run["inside"] else OUTSIDE,
                markersize=7,
                markeredgecolor="white",
                markeredgewidth=0.8,
                clip_on=False,
                zorder=3,
            )
            predicted = (
                f"{run['predicted_median']:,.0f} [{run['predicted_low']:,.0f}, {run['predicted_high']:,.0f}]"
            )
            _beside(ax, row, f"{run['measured']:,}", predicted)
        _beside(ax, -0.9, "measured", "predicted", PREDICTED)
        _axes(ax, table)
        inside = int(table["inside"].sum())
        ax.set_title(
            f"Failed connections of {len(table)} runs of a real Kubernetes, and what is predicted: "
            f"{inside} inside the 95% interval",
            fontsize=11,
            loc="left",
            pad=34,
        )
        ax.legend(
            handles=[
                Line2D([], [], color=PREDICTED, linewidth=6, alpha=0.35, label="predicted, central 95%"),
                _mark("|", "#1f2328", f"median of {replications:,} replications"),
                _mark("o", INSIDE, "measured, inside"),
                _mark("D", OUTSIDE, "measured, outside"),
            ],
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=4,
            columnspacing=1.2,
            handletextpad=0.5,
            frameon=False,
            borderaxespad=0.2,
        )
        save(figure, path)


def _beside(ax: Any, row: float, measured: str, predicted: str, colour: str = "black") -> None:
    """Two columns right of the axes."""
    place = {"transform": ax.get_yaxis_transform(), "va": "center", "color": colour}
    ax.text(1.1, row, measured, ha="right", **place)
    ax.text(1.12, row, predicted, ha="left", **place)


def _mark(marker: str, colour: str, label: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        marker=marker,
        color=colour,
        markersize=8,
        markeredgewidth=2 if marker == "|" else 0,
        label=label,
    )


def _axes(ax: Any, table: pd.DataFrame) -> None:
    """Runs from the top; zero at the left, linear up to 10, logarithmic above."""
    ax.set_yticks(range(len(table)), list(table["run"]))
    ax.set_ylim(len(table) - 0.5, -0.7)
    most = max(float(table["predicted_high"].max()), float(table["measured"].max()))
    ax.set_xscale("symlog", linthresh=10, linscale=0.4)
    ax.set_xlim(-1.5, most * 1.25)
    ax.set_xticks([tick for tick in (0, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if tick <= most * 1.25])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.axvline(0, color="#59636e", linewidth=0.8, zorder=0.5)
    ax.grid(axis="x", color="#d7dce1", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel("failed connections in the run: 0, linear up to 10, then logarithmic")
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed connections, measured once and predicted ({asked.replications} replications)",
        ("run", ">connections", ">measured", ">median", "predicted 95%", ">percentile", "inside"),
        [
            (
                row["run"],
                f"{row['connections']:,}",
                f"{row['measured']:,}",
                f"{row['predicted_median']:,.0f}",
                f"[{row['predicted_low']:,.0f}, {row['predicted_high']:,.0f}]",
                f"{row['share_below'] + row['share_equal'] / 2:.0%}",
                "yes" if row["inside"] else "no",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=40, full=500)
    runs = measured_runs()
    scenarios = {run["run"]: question(run) for run in runs.to_dict("records")}
    cells = run_cells(scenarios, asked, CellStore(asked.path(".jsonl")))
    table = table_of(runs, cells)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
