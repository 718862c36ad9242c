"""The four knobs of a rolling update: what does each cost, in failures, in time and in capacity?

Question: a Deployment of ten pods is rolled while callers connect through its Service. maxSurge and
maxUnavailable say how many pods may be too many or too few, minReadySeconds how long a new pod must have been
ready, preStop how long an old one goes on serving. Which of them removes failures, and what does the rollout
take?

Expected shape: only preStop removes failures for good: with 5 s none fails, whatever else is set. Without,
every old pod costs about a pod's rate times the lag of the rules. One pod at a time with maxUnavailable 0 is
no better than all at once: each new pod's readiness uses up a sync of kube-proxy just before the old pod
goes, whose removal then waits for the next; there minReadySeconds sets the two apart and removes most
failures. It costs time, as small steps do. maxUnavailable costs capacity: about so many pods fewer are ready,
at times one fewer still, as the controller acts on a status that lags.

Run:
    python experiments/rollout_knobs.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.figure import Figure

import svcsim
from svcsim import Scenario, build_scenario

PODS, RATE_PER_S, ROLLED_AT_S = 10, 300.0, 10.0
SURGES, DOWNS = (1, 3, 10), (0, 2, 5)
MIN_READY, PRE_STOP = (0, 5), (0, 2, 5)
QUICK = {"surges": (1, 10), "downs": (0, 5), "min_ready": (0, 5), "pre_stop": (0, 5)}
DURATION_S = 220.0

Point = tuple[int, int, int, int]


def question(surge: int, down: int, min_ready_s: int, pre_stop_s: int) -> Scenario:
    """One cell."""
    container: dict[str, Any] = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    if pre_stop_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop_s}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": PODS,
            "minReadySeconds": min_ready_s,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": down}},
            "template": template,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return build_scenario(
        name=f"surge {surge}, unavailable {down}, minReady {min_ready_s} s, preStop {pre_stop_s} s",
        manifests=[deployment, service],
        duration=f"{DURATION_S:g}s",
        workloads={"deployment/web": {"startup": "2s", "onSigterm": "drain"}},
        clients=[{"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": f"{RATE_PER_S:g}/s"}],
        events=[{"at": f"{ROLLED_AT_S:g}s", "rollout": "deployment/web"}],
    )


def course(result: svcsim.Result) -> dict[str, list[float]]:
    """Of each replication: seconds until the last new pod was ready, and the fewest ready pods meanwhile."""
    took, fewest = [], []
    for _, pods in result.pods.groupby("replication"):
        new = pods[pods["created_s"] > 0]
        old = pods[pods["created_s"] <= 0]
        took.append(float(new["ready_s"].max()) - ROLLED_AT_S)
        steps = sorted(
            [(t, 1) for t in new["ready_s"].dropna()] + [(t, -1) for t in old["deleted_s"].dropna()]
        )
        fewest.append(float(PODS + min([0, *np.cumsum([step for _, step in steps]).tolist()])))
    return {"took_s": took, "fewest": fewest}


def places(quick: bool) -> list[Point]:
    """(surge, unavailable, minReadySeconds, preStop) of every cell; both zero would not move."""
    if quick:
        grid = product(QUICK["surges"], QUICK["downs"], QUICK["min_ready"], QUICK["pre_stop"])
    else:
        grid = product(SURGES, DOWNS, MIN_READY, PRE_STOP)
    return list(grid)


def table_of(points: Sequence[Point], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a cell: failures of a replication with their interval, its length, its fewest ready pods."""
    rows = []
    for (surge, down, min_ready_s, pre_stop_s), cell in zip(points, cells, strict=True):
        (summary,) = cell["summary"]
        failed = np.array(cell["failed"]["vip"], dtype=np.float64)
        rows.append(
            {
                "max_surge": surge,
                "max_unavailable": down,
                "min_ready_s": min_ready_s,
                "pre_stop_s": pre_stop_s,
                "replications": len(failed),
                "failed_mean": float(failed.mean()),
                "failed_low": summary["failed_low"],
                "failed_high": summary["failed_high"],
                "took_s": float(np.mean(cell["took_s"])),
                "took_p95_s": float(np.percentile(cell["took_s"], 95)),
                "fewest_ready": float(np.mean(cell["fewest"])),
            }
        )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    without = table[table["pre_stop_s"] == 0]["failed_mean"]
    long = table[table["pre_stop_s"] == table["pre_stop_s"].max()]["failed_mean"]
    one = table[(table["pre_stop_s"] == 0) & (table["max_surge"] == 1) & (table["max_unavailable"] == 0)]
    apart = one.set_index("min_ready_s")["failed_mean"].sort_index()
    floor = PODS - table["max_unavailable"]
    slower = table.pivot_table(index="min_ready_s", values="took_s")["took_s"]
    return [
        Claim(
            f"with a preStop of {table['pre_stop_s'].max()} s at most {long.max():.2f} fail in a rollout, "
            f"whatever else is set; without {without.min():.0f} to {without.max():.0f}",
            bool(long.max() < 0.02 * without.min()),
        ),
        Claim(
            f"one pod at a time, minReadySeconds of {apart.index.max()} s removes most of them "
            f"({apart.iloc[0]:.0f} become {apart.iloc[-1]:.0f})",
            bool(apart.iloc[-1] < apart.iloc[0] / 3),
        ),
        Claim(
            "the fewest ready pods are those that maxUnavailable allows, less one at most",
            bool((table["fewest_ready"] >= floor - 1).all()),
        ),
        Claim(
            f"minReadySeconds costs time ({slower.iloc[0]:.0f} s against {slower.iloc[-1]:.0f} s on average)",
            bool(slower.iloc[-1] > slower.iloc[0] + 3),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Heat maps: failures, time, capacity over surge and unavailable; a column to a preStop and minReady."""
    hooks = sorted(table["pre_stop_s"].unique())
    waits = sorted(table["min_ready_s"].unique())
    columns = [(wait, hook) for wait in waits for hook in hooks]
    looks = (
        ("failed_mean", "failed\nin a rollout", "OrRd", "{:.0f}"),
        ("took_s", "rollout\ntakes, s", "PuBu", "{:.0f}"),
        ("fewest_ready", "fewest\nready pods", "YlGn", "{:.0f}"),
    )
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(2.1 * len(columns) + 2.2, 7.6), layout="constrained")
        figure.suptitle(
            f"Rolling update of {PODS} pods at {RATE_PER_S:g} connections/s (failures: half width of the 95% "
            "interval below)",
            fontsize=11.5,
        )
        panels = figure.subplots(len(looks), len(columns), squeeze=False)
        for row, (name, label, colours, words) in zip(panels, looks, strict=True):
            norm = mpl.colors.Normalize(
                vmin=min(0.0, float(table[name].min())), vmax=float(table[name].max())
            )
            for ax, (wait, hook) in zip(row, columns, strict=True):
                own = table[(table["min_ready_s"] == wait) & (table["pre_stop_s"] == hook)]
                image = _map(ax, own, name, colours, norm, words)
            row[0].set_ylabel(f"{label}\n\nmaxSurge")
            figure.colorbar(image, ax=row.tolist(), shrink=0.85, pad=0.01)
        for ax, (wait, hook) in zip(panels[0], columns, strict=True):
            ax.set_title(f"minReady {wait} s\npreStop {hook} s", fontsize=9)
        for ax in panels[-1]:
            ax.set_xlabel("maxUnavailable")
        save(figure, path)


def _map(ax: Any, own: pd.DataFrame, name: str, colours: str, norm: Any, words: str) -> Any:
    grid = own.pivot_table(index="max_surge", columns="max_unavailable", values=name)
    image = ax.imshow(grid.to_numpy(), cmap=colours, norm=norm, aspect="auto", origin="lower")
    ax.set_xticks(range(len(grid.columns)), grid.columns)
    ax.set_yticks(range(len(grid.index)), grid.index)
    half = ((own["failed_high"] - own["failed_low"]) / 2).to_numpy()
    for row, width in zip(own.to_dict("records"), half, strict=True):
        at = (grid.columns.get_loc(row["max_unavailable"]), grid.index.get_loc(row["max_surge"]))
        text = words.format(row[name]) + (f"\n±{width:.0f}" if name == "failed_mean" else "")
        dark = norm(row[name]) > 0.6
        ax.text(*at, text, ha="center", va="center", color="white" if dark else "#222222", fontsize=8.5)
    return image


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed connections in a rollout, {asked.replications} of them, 95% intervals",
        (
            ">surge",
            ">unavailable",
            ">minReady",
            ">preStop",
            ">failed",
            "95% interval",
            ">takes",
            ">fewest ready",
        ),
        [
            (
                str(row["max_surge"]),
                str(row["max_unavailable"]),
                f"{row['min_ready_s']} s",
                f"{row['pre_stop_s']} s",
                f"{row['failed_mean']:,.1f}",
                span(row["failed_low"], row["failed_high"]),
                f"{row['took_s']:.1f} s",
                f"{row['fewest_ready']:.1f}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=10, full=60)
    points = places(asked.quick)
    scenarios = [question(*point) for point in points]
    store = CellStore(asked.path(".jsonl"))
    cells = run_cells({one.name: one for one in scenarios}, asked, store, also=course)
    table = table_of(points, [cells[one.name] for one in scenarios])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
