"""Failures against lag and preStop: does the simulation give what the closed form says?

Question: one of n pods behind a Service is deleted, its preStop hook sleeps for s, and kube-proxies need the
time L, with a known law, until their rules no longer have the pod. How many requests fail?

Expected shape: (rate/n) E[(L - s)+] for a constant, a uniform and an exponential lag, drawn as a line; every
simulated mean within sampling error of it, over preStop (at a mean lag of 1 s) and over the mean lag (at a
preStop of 1 s); exactly none where the hook outlasts every lag that can occur; and replications that spread
as the closed form of the variance says.

All stages of the control plane take no time but `lag.sync`, and minSyncPeriod is 0, so that L is that stage
alone. Pods have no controller, so that nothing takes the place of the deleted one. The theory is
`svcsim.theory.stale_failures` and `failures_variance`; the law in it is the one the simulation draws from.
Points share their luck (the same arrivals, the same dice), so that they err to the same side.

Run:
    python experiments/endpoint_lag.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.figure import Figure

from svcsim import Scenario, build_scenario
from svcsim.report import lines_with_bands
from svcsim.scenario import LAG_KEYS
from svcsim.theory import failures_variance, stale_failures

PODS = 10
NODES = 4
RATE_PER_S = 1000.0
DELETED_AT_S = 1.0
MEAN_S = 1.0
PRE_STOP_S = 1.0
LONGEST = 15
"""A run goes on for so many mean lags; an exponential one is longer with probability 3e-7."""

FALSE_ALARM = 0.01
"""Of all points together: how often a right simulation is called wrong."""

LAWS = ("constant", "uniform", "exponential")
LOOKS = {"constant": ("#0072b2", "o"), "uniform": ("#d55e00", "s"), "exponential": ("#009e73", "^")}


def law(kind: str, mean_s: float) -> dict[str, Any]:
    """A lag with this mean, as a scenario writes it."""
    if kind == "constant":
        return {"constant": f"{mean_s:g}s"}
    if kind == "uniform":
        return {"uniform": {"low": "0s", "high": f"{2 * mean_s:g}s"}}
    return {"exponential": {"mean": f"{mean_s:g}s"}}


def manifests(pre_stop_s: float) -> list[dict[str, Any]]:
    """Pods without a controller, and their Service."""
    container: dict[str, Any] = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
    }
    if pre_stop_s:
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", f"{pre_stop_s:g}"]}}}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"web-{k}", "labels": {"app": "web"}},
            "spec": {"containers": [container]},
        }
        for k in range(PODS)
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return [*pods, service]


def question(kind: str, mean_s: float, pre_stop_s: float) -> Scenario:
    """One cell. Pods drain, so that no request is cut and all failures are due to the lag."""
    lag: dict[str, Any] = {stage: {"constant": "0s"} for stage in LAG_KEYS}
    # `load` is no delay but the factor by which a busy cluster is slower
    lag |= {"load": {"constant": 1}, "sync": law(kind, mean_s)}
    behaviour = {"serviceTime": {"constant": "1ms"}, "onSigterm": "drain"}
    return build_scenario(
        name=f"{kind} lag of {mean_s:g} s, preStop {pre_stop_s:g} s",
        manifests=manifests(pre_stop_s),
        duration=f"{DELETED_AT_S + LONGEST * mean_s + 2.0:g}s",
        cluster={"nodes": NODES, "kubeProxy": {"mode": "nftables", "minSyncPeriod": "0s"}},
        lag=lag,
        workloads={f"pod/web-{k}": behaviour for k in range(PODS)},
        clients=[{"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": f"{RATE_PER_S:g}/s"}],
        events=[{"at": f"{DELETED_AT_S:g}s", "delete": "pod/web-0"}],
    )


def places(quick: bool) -> list[tuple[str, str, float, float]]:
    """(what varies, law, mean lag, preStop) of every point."""
    hooks = np.arange(0.0, 3.1, 0.5 if quick else 0.25)
    means = np.arange(0.5, 2.6, 0.5 if quick else 0.25)
    over_hook = [("preStop", kind, MEAN_S, float(s)) for kind in LAWS for s in hooks]
    over_mean = [("lag", kind, float(m), PRE_STOP_S) for kind in LAWS for m in means]
    return over_hook + over_mean


def expected(kind: str, mean_s: float, pre_stop_s: float) -> tuple[float, float]:
    """Mean and variance of the failures, in closed form."""
    lag = question(kind, mean_s, pre_stop_s).lag["sync"]
    assert lag is not None
    mean = stale_failures(RATE_PER_S, PODS, lag, pre_stop_s)
    return mean, failures_variance(RATE_PER_S, PODS, lag, pre_stop_s, nodes=NODES)


def table_of(
    points: Sequence[tuple[str, str, float, float]], cells: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """A row to a point: simulated mean with its interval, the closed form, and how far apart they are.

    z: difference over the standard error that the theory's variance gives; NaN where nothing can fail.
    """
    rows = []
    for (varied, kind, mean_s, pre_stop_s), cell in zip(points, cells, strict=True):
        failed = np.array(cell["failed"]["vip"], dtype=np.float64)
        summary = cell["summary"][0]
        mean, variance = expected(kind, mean_s, pre_stop_s)
        error = (variance / len(failed)) ** 0.5
        rows.append(
            {
                "varied": varied,
                "law": kind,
                "mean_lag_s": mean_s,
                "pre_stop_s": pre_stop_s,
                "replications": len(failed),
                "failed_mean": float(failed.mean()),
                "failed_low": summary["failed_low"],
                "failed_high": summary["failed_high"],
                "theory_mean": mean,
                "failed_sd": float(failed.std(ddof=1)),
                "theory_sd": variance**0.5,
                "from_histories": summary["expected_failures"] / len(failed),
                "z": (float(failed.mean()) - mean) / error if error else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape: theory within the error of every point; nothing where nothing can fail."""
    seen = table[table["theory_mean"] > 0]
    never = table[table["theory_mean"] == 0]
    critical = NormalDist().inv_cdf(1 - FALSE_ALARM / len(seen) / 2)
    furthest = float(seen["z"].abs().max())
    # the sample variance of R values has a relative standard error of about sqrt(2/R), more with heavy tails
    settled = seen[seen["theory_mean"] >= 20]
    ratio = (settled["failed_sd"] / settled["theory_sd"]).to_numpy()
    slack = 6 * (1 / (2 * settled["replications"].min())) ** 0.5
    return [
        Claim(
            f"all {len(seen)} points that can fail lie within sampling error of (rate/n) E[(L - s)+] "
            f"(furthest {furthest:.1f} standard errors, limit {critical:.1f})",
            furthest <= critical,
        ),
        Claim(
            f"none failed at the {len(never)} points whose hook outlasts the lag",
            bool(len(never)) and not never["failed_mean"].any(),
        ),
        Claim(
            f"replications spread as the theory says (standard deviations {ratio.min():.2f} to "
            f"{ratio.max():.2f} of it)",
            bool((abs(ratio - 1) < slack).all()),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Two panels: over preStop and over the mean lag; points simulated, lines in closed form."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.4), layout="constrained")
        figure.suptitle(
            f"One of {PODS} pods is deleted at {RATE_PER_S:g} requests/s: simulated failures and "
            "(rate/n) E[(L - s)+]",
            fontsize=11.5,
        )
        panels = figure.subplots(1, 2, sharey=True)
        _panel(panels[0], table, "preStop", "pre_stop_s")
        panels[0].set_xlabel(f"preStop s, seconds (mean lag {MEAN_S:g} s)")
        panels[0].set_ylabel("failed requests in one replication")
        _panel(panels[1], table, "lag", "mean_lag_s")
        panels[1].set_xlabel(f"mean of the lag L, seconds (preStop {PRE_STOP_S:g} s)")
        panels[0].set_ylim(bottom=-4)
        panels[0].legend(frameon=False, title="points: mean with 95% interval; dashed: theory")
        save(figure, path)


def _panel(ax: Any, table: pd.DataFrame, varied: str, column: str) -> None:
    for kind, (colour, marker) in LOOKS.items():
        rows = table[(table["varied"] == varied) & (table["law"] == kind)]
        x = np.linspace(rows[column].min(), rows[column].max(), 101)
        y = [
            expected(kind, MEAN_S, s)[0] if varied == "preStop" else expected(kind, s, PRE_STOP_S)[0]
            for s in x
        ]
        lines_with_bands(
            ax,
            rows[column],
            rows["failed_mean"],
            rows["failed_low"],
            rows["failed_high"],
            label=f"{kind} lag",
            colour=colour,
            marker=marker,
            theory=(x, y),
        )


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed requests in a replication, {asked.replications} of them, 95% intervals",
        (
            "lag",
            ">mean lag",
            ">preStop",
            ">simulated",
            "95% interval",
            ">theory",
            ">sd",
            ">theory's sd",
            ">z",
        ),
        [
            (
                row["law"],
                f"{row['mean_lag_s']:g} s",
                f"{row['pre_stop_s']:g} s",
                f"{row['failed_mean']:.2f}",
                span(row["failed_low"], row["failed_high"], "{:.2f}".format),
                f"{row['theory_mean']:.2f}",
                f"{row['failed_sd']:.2f}",
                f"{row['theory_sd']:.2f}",
                "-" if np.isnan(row["z"]) else f"{row['z']:+.1f}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=80, full=500)
    points = places(asked.quick)
    scenarios = [question(*point[1:]) for point in points]
    cells = run_cells({one.name: one for one in scenarios}, asked, CellStore(asked.path(".jsonl")))
    table = table_of(points, [cells[one.name] for one in scenarios])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
