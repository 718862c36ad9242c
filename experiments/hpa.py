"""An autoscaler meets a step of load: how long is the gap, and what does shrinking cost?

Question: load on a Deployment is multiplied by five at once and returns after ten minutes. A
HorizontalPodAutoscaler follows. How many requests are lost while it has not caught up, by its target and its
behaviour, and how many when it removes pods again, with and without a preStop hook?

Expected shape: nothing happens for 10 to 70 s, since samples, scrapes and syncs each lag; then replicas at
least double at each sync of 15 s. A pod takes a bounded queue and rejects the rest, so the loss is about the
excess of load over capacity, integrated until capacity has caught up: a lower target loses less, as it begins
with more room, and one pod a minute loses more than the default policies. Shrinking loses requests only where
removed pods stop before the rules know: none with a preStop of 5 s.

Run:
    python experiments/hpa.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.figure import Figure

import svcsim
from svcsim import Scenario, build_scenario

LOW_PER_S, HIGH_PER_S = 40.0, 200.0
STEP_S, BACK_S, DURATION_S = 120.0, 720.0, 1200.0
SERVICE_S = 0.02
MIN_REPLICAS, MAX_REPLICAS = 2, 30
STEPWISE: dict[str, Any] = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
CASES: dict[str, tuple[int, dict[str, Any] | None, bool]] = {
    "target 40%": (40, None, False),
    "target 60%": (60, None, False),
    "target 80%": (80, None, False),
    "target 60%, one pod a minute": (60, STEPWISE, False),
    "target 60%, preStop 5 s": (60, None, True),
}
COLOURS = ("#56b4e9", "#0072b2", "#7f5fc4", "#d55e00", "#009e73")
REJECTED, STALE = "rejected", ("refused", "connect_timeout", "unreachable", "reset", "eof")


def question(name: str) -> Scenario:
    """One cell; 20 ms of one core a request, one worker a pod that requests a core, ten waiting places."""
    percent, behavior, hook = CASES[name]
    container: dict[str, Any] = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "1"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 2},
    }
    if hook:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
    target = {"type": "Utilization", "averageUtilization": percent}
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": MIN_REPLICAS,
        "maxReplicas": MAX_REPLICAS,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    if behavior is not None:
        spec["behavior"] = behavior
    manifests = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": spec,
        },
    ]
    behaviour = {
        "serviceTime": {"exponential": {"mean": f"{SERVICE_S:g}s"}},
        "startup": {"lognormal": {"median": "3s", "p99": "8s"}},
        "concurrency": 1,
        "queue": {"places": 10, "full": "reject"},
        "onSigterm": "drain",
    }
    return build_scenario(
        name=name,
        manifests=manifests,
        duration=f"{DURATION_S:g}s",
        cluster={"nodes": 4},
        workloads={"deployment/web": behaviour},
        clients=[{"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": f"{LOW_PER_S:g}/s"}],
        events=[
            {"at": f"{STEP_S:g}s", "rate": "vip", "value": f"{HIGH_PER_S:g}/s"},
            {"at": f"{BACK_S:g}s", "rate": "vip", "value": f"{LOW_PER_S:g}/s"},
        ],
    )


def table_of(cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a case: requests rejected by full queues, and lost otherwise, in a replication."""
    rows = []
    for name, cell in cells.items():
        (summary,) = cell["summary"]
        n = len(cell["failed"]["vip"])
        rows.append(
            {
                "case": name,
                "replications": n,
                "failed_mean": float(np.mean(cell["failed"]["vip"])),
                "failed_low": summary["failed_low"],
                "failed_high": summary["failed_high"],
                "rejected": summary[REJECTED] / n,
                "stale": sum(summary[word] for word in STALE) / n,
            }
        )
    return pd.DataFrame(rows)


def replicas_of(scenario: Scenario, asked: Options) -> pd.DataFrame:
    """spec.replicas on a grid of seconds: case, t_s, and over some replications the middle and the range."""
    result = svcsim.simulate(scenario, seed=asked.seed, replications=min(asked.replications, 20))
    grid = np.arange(0.0, DURATION_S, 5.0)
    paths = []
    for _, own in result.scaling.groupby("replication"):
        place = np.searchsorted(own["t_s"].to_numpy(), grid, side="right") - 1
        paths.append(np.where(place >= 0, own["size"].to_numpy()[np.maximum(place, 0)], MIN_REPLICAS))
    low, middle, high = np.percentile(np.array(paths), [2.5, 50, 97.5], axis=0)
    return pd.DataFrame({"case": scenario.name, "t_s": grid, "low": low, "middle": middle, "high": high})


def claims_of(table: pd.DataFrame, replicas: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    by = table.set_index("case")
    rejected = by["rejected"]
    grown = replicas[(replicas["case"] == "target 60%") & (replicas["middle"] > replicas["middle"].iloc[0])]
    after = float(grown.loc[grown["t_s"] >= STEP_S, "t_s"].min()) - STEP_S
    return [
        Claim(f"the first pods are asked for 10 to 70 s after the step ({after:.0f} s)", 10 <= after <= 70),
        Claim(
            f"a lower target loses less to full queues ({rejected['target 40%']:,.0f}, "
            f"{rejected['target 60%']:,.0f}, {rejected['target 80%']:,.0f} at 40, 60, 80%)",
            bool(rejected["target 40%"] < rejected["target 60%"] < rejected["target 80%"]),
        ),
        Claim(
            f"one pod a minute loses more ({rejected['target 60%, one pod a minute']:,.0f}) at 60%",
            bool(rejected["target 60%, one pod a minute"] > 1.2 * rejected["target 60%"]),
        ),
        Claim(
            f"shrinking loses {by['stale']['target 60%']:.1f} requests to stale rules, and "
            f"{by['stale']['target 60%, preStop 5 s']:.2f} with a preStop of 5 s",
            bool(by["stale"]["target 60%, preStop 5 s"] < 0.05 * max(by["stale"]["target 60%"], 1.0)),
        ),
    ]


def draw(path: Path, table: pd.DataFrame, replicas: pd.DataFrame) -> None:
    """Replicas over time, and what was lost by case."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.6), layout="constrained")
        figure.suptitle(
            f"Load steps from {LOW_PER_S:g} to {HIGH_PER_S:g} requests/s and back; one core is "
            f"{1 / SERVICE_S:g} requests/s",
            fontsize=11.5,
        )
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for (name, own), colour in zip(replicas.groupby("case", sort=False), COLOURS, strict=True):
            dashes = (0, (4, 3)) if CASES[str(name)][2] else "-"
            left.plot(own["t_s"], own["middle"], drawstyle="steps-post", color=colour, label=name, ls=dashes)
            left.fill_between(
                own["t_s"], own["low"], own["high"], step="post", color=colour, alpha=0.15, lw=0
            )
        for at, word in ((STEP_S, "load x 5"), (BACK_S, "back")):
            left.axvline(at, color="#777777", lw=0.9, ls=":")
            left.annotate(
                word,
                (at, 0.985),
                xycoords=("data", "axes fraction"),
                xytext=(4, 0),
                textcoords="offset points",
                va="top",
                color="#555555",
            )
        left.set_xlabel("time since the run began, s")
        left.set_ylabel("replicas asked for (line: median, band: 95% of replications)")
        left.set_ylim(bottom=0)
        figure.legend(frameon=False, loc="outside lower center", ncols=len(CASES))
        y = np.arange(len(table))[::-1]
        error = np.vstack(
            (table["failed_mean"] - table["failed_low"], table["failed_high"] - table["failed_mean"])
        )
        right.barh(y, table["failed_mean"], xerr=np.maximum(error, 0), color=COLOURS[: len(table)], capsize=3)
        right.set_yticks(y, [name.replace(", ", ",\n") for name in table["case"]])
        right.set_xlabel("requests lost in one replication (line: 95% interval)")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        save(figure, path)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"requests lost in a replication of {DURATION_S / 60:g} minutes, {asked.replications} of them",
        ("case", ">lost", "95% interval", ">rejected, queue full", ">by stale rules"),
        [
            (
                row["case"],
                f"{row['failed_mean']:,.0f}",
                span(row["failed_low"], row["failed_high"], "{:,.0f}".format),
                f"{row['rejected']:,.0f}",
                f"{row['stale']:.1f}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=6, full=40)
    scenarios = {name: question(name) for name in CASES}
    table = table_of(run_cells(scenarios, asked, CellStore(asked.path(".jsonl"))))
    replicas = pd.concat([replicas_of(one, asked) for one in scenarios.values()])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table, replicas), claims_of(table, replicas))


if __name__ == "__main__":
    started(main)
