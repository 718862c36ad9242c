"""Load-aware balancing behind many proxies: what is knowing the load worth if everybody knows only his own?

Question: ten pods of one worker each are called through P independent proxies (two replicas of an ingress, or
a sidecar to every caller). Each proxy chooses at random, takes the pods in turn, compares two of them, or
takes the one with the fewest requests open, and counts its own requests only. How do mean and 99th percentile
of the latency depend on P? Every policy meets the same arrivals and the same service times.

Expected shape:
- a random choice is the same for every P, request by request, and is M/M/1 at every pod;
- with one proxy, round robin is E_n/M/1, and the fewest open requests are the shortest queue: they are best,
  two choices second, round robin third, a random choice last;
- each of these three gets worse with ten times as many proxies, towards the random choice; at load 0.7 and
  with ten proxies to a pod it has kept less than a third of what it was worth, and which one it is hardly
  matters; at load 0.9 half of that is left still.

Run:
    python experiments/load_aware.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from _manifests import web
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import svcsim
from svcsim import Scenario, build_scenario, theory
from svcsim.report import lines_with_bands
from svcsim.results.statistics import mean_interval

PODS, SERVICE_S = 10, 0.01
WARM_UP_S, DURATION_S = 20.0, 120.0
LOADS = (0.7, 0.9)
PROXIES = (1, 2, 5, 10, 30, 100)
QUICK_PROXIES = (1, 10, 100)
POLICIES = ("random", "round-robin", "two-choices", "least-request")
LOOKS = (("#59636e", "o"), ("#d55e00", "s"), ("#0072b2", "^"), ("#009e73", "D"))
LEFT = 1 / 3
"""What a policy may have kept, with the most proxies, of its advantage over a random choice."""
RANDOM, IN_TURN, TWO, FEWEST = POLICIES

Float64 = npt.NDArray[np.float64]


def name_of(policy: str, load: float, proxies: int) -> str:
    """A cell's name."""
    return f"{policy}, load {load:g}, {proxies} proxies"


def question(policy: str, load: float, proxies: int) -> Scenario:
    """One cell: steady load, no churn; one client of one name, so that its dice are those of all others."""
    container = {"name": "web", "image": "registry.example/web:1", "ports": [{"containerPort": 8080}]}
    return build_scenario(
        name=name_of(policy, load, proxies),
        manifests=web(PODS, container),
        duration=f"{DURATION_S:g}s",
        workloads={
            "deployment/web": {
                "serviceTime": {"exponential": {"mean": f"{SERVICE_S:g}s"}},
                "concurrency": 1,
            }
        },
        clients=[
            {
                "name": "caller",
                "to": "service/web",
                "via": "ingress",
                "rate": f"{load * PODS / SERVICE_S:g}/s",
                "sources": proxies,
                "balance": policy,
                "retry": 0,
                "timeout": {"connect": "1s", "request": "none"},
            }
        ],
    )


def latencies_of(result: svcsim.Result) -> dict[str, list[float]]:
    """Mean and 99th percentile of each replication's latency in service times, after the warm-up."""
    assert result.requests is not None
    asked = result.requests
    late = asked[(asked["arrival_s"] >= WARM_UP_S) & (asked["outcome"] == "ok")]
    taken = (late["end_s"] - late["arrival_s"]) / SERVICE_S
    each = taken.groupby(late["replication"])
    return {"mean": each.mean().tolist(), "p99": each.quantile(0.99).tolist()}


def table_of(cells: Mapping[str, Mapping[str, Any]], proxies: Sequence[int]) -> pd.DataFrame:
    """A row to a load, policy and number of proxies; `over` is the paired difference of means from random."""
    rows = []
    for load in LOADS:
        for policy in POLICIES:
            for number in proxies:
                cell = cells[name_of(policy, load, number)]
                apart = np.array(cell["mean"]) - np.array(cells[name_of(RANDOM, load, number)]["mean"])
                row: dict[str, Any] = {"load": load, "policy": policy, "proxies": number}
                row["replications"] = len(cell["mean"])
                for name, values in (("mean", cell["mean"]), ("p99", cell["p99"]), ("over_random", apart)):
                    low, high = mean_interval(np.array(values))
                    row |= {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}
                rows.append(row)
    return pd.DataFrame(rows)


def claims_of(cells: Mapping[str, Mapping[str, Any]], proxies: Sequence[int]) -> list[Claim]:
    """The expected shape; "worse" and "better" mean paired differences whose interval is off zero."""
    first, last = proxies[0], proxies[-1]

    def of(policy: str, load: float, number: int, what: str = "mean") -> Float64:
        return np.array(cells[name_of(policy, load, number)][what], dtype=np.float64)

    def less(one: Float64, other: Float64) -> bool:
        return mean_interval(other - one)[0] > 0

    def fits(values: Float64, value: float) -> bool:
        low, high = mean_interval(values)
        # twice the half-width of a 95% interval: four standard errors and more
        return bool(abs(values.mean() - value) <= high - low)

    def kept(policy: str, load: float) -> float:
        """The share of a policy's advantage over random that it has with the most proxies."""
        random = of(RANDOM, load, last).mean()
        return float((random - of(policy, load, last).mean()) / (random - of(policy, load, first).mean()))

    aware = (IN_TURN, TWO, FEWEST)
    best, washed = (
        {load: of(FEWEST, load, number).mean() / of(RANDOM, load, number).mean() for load in LOADS}
        for number in (first, last)
    )
    return [
        Claim(
            "a random choice is the same whatever the number of proxies",
            all(
                cells[name_of(RANDOM, load, number)][what] == cells[name_of(RANDOM, load, first)][what]
                for load in LOADS
                for number in proxies
                for what in ("mean", "p99")
            ),
        ),
        Claim(
            "it is M/M/1 at every pod, and one proxy's round robin E_n/M/1",
            all(
                fits(of(RANDOM, load, first), theory.mm1_mean_response(load, 1.0))
                and fits(of(IN_TURN, load, first), theory.ekm1_mean_wait(PODS, load, 1.0) + 1.0)
                and fits(
                    of(IN_TURN, load, first, "p99"), theory.ekm1_response_quantile(PODS, load, 1.0, 0.99)
                )
                for load in LOADS
            ),
        ),
        Claim(
            "with one proxy the fewest open requests are best, then two choices, round robin, a random "
            "choice, in the mean and in the 99th percentile",
            all(
                less(of(better, load, first, what), of(worse, load, first, what))
                for load in LOADS
                for better, worse in ((FEWEST, TWO), (TWO, IN_TURN), (IN_TURN, RANDOM))
                for what in ("mean", "p99")
            ),
        ),
        Claim(
            "each of the three gets worse with ten times as many proxies, and stays better than a random "
            "choice",
            all(
                less(of(policy, load, fewer), of(policy, load, 10 * fewer))
                for policy in aware
                for load in LOADS
                for fewer in proxies
                if 10 * fewer in proxies
            )
            and all(
                less(of(policy, load, number), of(RANDOM, load, number))
                for policy in aware
                for load in LOADS
                for number in proxies
            ),
        ),
        Claim(
            f"with {last} proxies at load {LOADS[0]:g} each has kept less than a third of what it was worth "
            f"({', '.join(f'{policy} {kept(policy, LOADS[0]):.0%}' for policy in aware)})",
            all(kept(policy, LOADS[0]) < LEFT for policy in aware),
        ),
        Claim(
            f"and the fewest open requests, {', '.join(f'{best[load]:.0%}' for load in LOADS)} of a random "
            f"choice's mean with one proxy (loads {', '.join(f'{load:g}' for load in LOADS)}), are "
            f"{', '.join(f'{washed[load]:.0%}' for load in LOADS)} of it",
            all(washed[load] > 2 * best[load] for load in LOADS),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Mean and p99 over the number of proxies, one column to a load."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(11.5, 8.0), layout="constrained")
        figure.suptitle(
            f"{PODS} pods of one worker, exponential service: latency by policy and number of proxies that "
            "know only of their own requests",
            fontsize=11.5,
        )
        panels = figure.subplots(2, len(LOADS), sharex=True)
        for down, (what, title) in enumerate((("mean", "mean"), ("p99", "99th percentile"))):
            for across, load in enumerate(LOADS):
                axes = panels[down][across]
                for policy, (colour, marker) in zip(POLICIES, LOOKS, strict=True):
                    rows = table[(table["policy"] == policy) & (table["load"] == load)]
                    low, high = rows[f"{what}_low"], rows[f"{what}_high"]
                    lines_with_bands(
                        axes,
                        rows["proxies"],
                        rows[what],
                        low,
                        high,
                        label=policy,
                        colour=colour,
                        marker=marker,
                    )
                    axes.plot(rows["proxies"], rows[what], color=colour, linewidth=1.2)
                for value in _closed(what, load):
                    axes.axhline(value, color="#1f2328", linewidth=0.9, linestyle=(0, (5, 3)), zorder=0)
                axes.set_title(f"load {load:g}", fontsize=10)
                axes.set_xscale("log")
                axes.set_xticks(PROXIES, labels=[str(number) for number in PROXIES])
                axes.minorticks_off()
                axes.set_ylim(0, 1.1 * max(_closed(what, load)))
                axes.set_ylabel(f"{title} of the latency, service times" if across == 0 else "")
                axes.set_xlabel("proxies" if down else "")
        handles, labels = panels[0][0].get_legend_handles_labels()
        handles.append(Line2D([], [], color="#1f2328", linewidth=0.9, linestyle=(0, (5, 3))))
        labels.append("closed forms: M/M/1 (random), E$_{10}$/M/1 (round robin, one proxy)")
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        save(figure, path)


def _closed(what: str, load: float) -> tuple[float, float]:
    """A random choice, and one proxy's round robin."""
    if what == "mean":
        return theory.mm1_mean_response(load, 1.0), theory.ekm1_mean_wait(PODS, load, 1.0) + 1.0
    return (
        theory.mm1_response_quantile(load, 1.0, 0.99),
        theory.ekm1_response_quantile(PODS, load, 1.0, 0.99),
    )


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"latency in service times, {asked.replications} replications of {DURATION_S - WARM_UP_S:g} s, 95% "
        "intervals over replications",
        (
            ">load",
            "policy",
            ">proxies",
            ">mean",
            "95% interval",
            ">p99",
            "95% interval",
            ">from random",
            "95%",
        ),
        [
            (
                f"{row['load']:g}",
                row["policy"],
                str(row["proxies"]),
                f"{row['mean']:.2f}",
                span(row["mean_low"], row["mean_high"], "{:.2f}".format),
                f"{row['p99']:.1f}",
                span(row["p99_low"], row["p99_high"]),
                f"{row['over_random']:+.2f}",
                span(row["over_random_low"], row["over_random_high"], "{:+.2f}".format),
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=8, full=20)
    proxies = QUICK_PROXIES if asked.quick else PROXIES
    points = [(policy, load, number) for load in LOADS for policy in POLICIES for number in proxies]
    cells = run_cells(
        {name_of(*point): question(*point) for point in points},
        asked,
        CellStore(asked.path(".jsonl")),
        also=latencies_of,
        keep_requests=True,
    )
    table = table_of(cells, proxies)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(cells, proxies))


if __name__ == "__main__":
    started(main)
