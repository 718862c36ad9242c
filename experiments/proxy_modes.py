"""What programmes the rules: does the mode of kube-proxy, or eBPF, decide what a rollout costs?

Question: a Deployment of ten pods is rolled in clusters of up to 10,000 other Services. kube-proxy writes
iptables or nftables rules, or an eBPF agent its maps. How long do nodes go on sending to pods that are gone,
and how many connections fail?

Expected shape: in a small cluster iptables and nftables cost the same, since minSyncPeriod is most of the
wait; eBPF, which waits for nothing, costs far less. As Services are added syncs grow: with nftables, whose
partial syncs read the whole table, from some hundred Services on, with iptables later; eBPF does not notice.

Run:
    python experiments/proxy_modes.py [--quick] [--out DIR] [--replications R] [--seed N]

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
from _manifests import web
from matplotlib.figure import Figure

import svcsim
from svcsim import Scenario, build_scenario
from svcsim.report import lines_with_bands

PODS, NODES, RATE_PER_S, ROLLED_AT_S, DURATION_S = 10, 4, 300.0, 10.0, 90.0
MODES = {"iptables": ("#0072b2", "o"), "nftables": ("#d55e00", "s"), "cilium": ("#009e73", "^")}
OTHERS = (0, 100, 300, 1000, 3000, 10_000)
QUICK_OTHERS = (0, 1000, 10_000)


def question(mode: str, others: int) -> Scenario:
    """One cell."""
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    return build_scenario(
        name=f"{mode}, {others} other Services",
        manifests=web(PODS, container),
        duration=f"{DURATION_S:g}s",
        cluster={
            "nodes": NODES,
            "kubeProxy": {"mode": mode},
            "otherServices": {"count": others, "endpoints": 10},
        },
        workloads={"deployment/web": {"startup": "2s"}},
        clients=[{"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": f"{RATE_PER_S:g}/s"}],
        events=[{"at": f"{ROLLED_AT_S:g}s", "rollout": "deployment/web"}],
    )


def lags(result: svcsim.Result) -> dict[str, float]:
    """Seconds from a change at the API server to rules on a node: median and 99th percentile."""
    row = result.lag.set_index("stage").loc["programming"]
    return {"p50_s": float(row["p50_s"]), "p99_s": float(row["p99_s"])}


def table_of(points: Sequence[tuple[str, int]], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a cell: failures of a rollout with their interval, and the lag of rules."""
    rows = []
    for (mode, others), cell in zip(points, cells, strict=True):
        (summary,) = cell["summary"]
        rows.append(
            {
                "mode": mode,
                "others": others,
                "replications": len(cell["failed"]["vip"]),
                "failed_mean": float(np.mean(cell["failed"]["vip"])),
                "failed_low": summary["failed_low"],
                "failed_high": summary["failed_high"],
                "p50_s": cell["p50_s"],
                "p99_s": cell["p99_s"],
            }
        )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    failed = table.pivot_table(index="others", columns="mode", values="failed_mean")
    small, large = failed.loc[failed.index.min()], failed.loc[failed.index.max()]
    return [
        Claim(
            f"in a small cluster iptables and nftables cost about the same ({small['iptables']:.0f} and "
            f"{small['nftables']:.0f} failures)",
            bool(0.7 < small["nftables"] / small["iptables"] < 1.3),
        ),
        Claim(
            f"eBPF costs less than a third ({small['cilium']:.0f})",
            bool(small["cilium"] < small["iptables"] / 3),
        ),
        Claim(
            f"among {failed.index.max():,} Services nftables costs most ({large['nftables']:.0f}, iptables "
            f"{large['iptables']:.0f})",
            bool(large["nftables"] > 1.1 * large["iptables"] > 2 * small["iptables"]),
        ),
        Claim(
            f"and eBPF as much as before ({large['cilium']:.0f})",
            bool(abs(large["cilium"] - small["cilium"]) < 0.3 * small["cilium"] + 5),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Failures and lag over the number of other Services."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.2), layout="constrained")
        figure.suptitle(
            f"Rolling update of {PODS} pods at {RATE_PER_S:g} connections/s, beside other Services of ten "
            "endpoints",
            fontsize=11.5,
        )
        left, right = figure.subplots(1, 2)
        for mode, (colour, marker) in MODES.items():
            rows = table[table["mode"] == mode]
            # zero has its place on a logarithmic axis: as one
            x = rows["others"].clip(lower=10)
            lines_with_bands(
                left,
                x,
                rows["failed_mean"],
                rows["failed_low"],
                rows["failed_high"],
                label=mode,
                colour=colour,
                marker=marker,
            )
            right.plot(x, rows["p50_s"], color=colour, marker=marker, label=f"{mode}, median")
            right.plot(
                x, rows["p99_s"], color=colour, marker=marker, ls=":", mfc="white", label=f"{mode}, p99"
            )
        for axes in (left, right):
            axes.set_xscale("log")
            ticks = sorted(table["others"].clip(lower=10).unique())
            axes.set_xticks(ticks, ["none" if t == 10 else f"{t:,}" for t in ticks])
            axes.minorticks_off()
            axes.set_xlabel("other Services in the cluster")
        left.set_ylim(bottom=0)
        left.set_ylabel("failed connections in a rollout (band: 95% interval)")
        left.legend(frameon=False, loc="upper left")
        right.set_yscale("log")
        right.set_ylabel("from the API server to rules on a node, seconds")
        right.legend(frameon=False, loc="upper left", ncols=2)
        right.spines[["top", "right"]].set_visible(False)
        save(figure, path)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed connections in a rollout, {asked.replications} of them, 95% intervals",
        ("mode", ">other Services", ">failed", "95% interval", ">lag p50", ">lag p99"),
        [
            (
                row["mode"],
                f"{row['others']:,}",
                f"{row['failed_mean']:,.1f}",
                span(row["failed_low"], row["failed_high"]),
                f"{row['p50_s']:.2f} s",
                f"{row['p99_s']:.2f} s",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=15, full=100)
    points = [(mode, others) for mode in MODES for others in (QUICK_OTHERS if asked.quick else OTHERS)]
    scenarios = [question(*point) for point in points]
    store = CellStore(asked.path(".jsonl"))
    cells = run_cells({one.name: one for one in scenarios}, asked, store, also=lags)
    table = table_of(points, [cells[one.name] for one in scenarios])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
