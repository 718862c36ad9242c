"""A node is lost: how long do callers go on sending to pods that are not there?

Question: one of n nodes loses its power, or is cut off for two minutes. Nobody says so; the control plane
finds out when the node's lease has not been renewed for the grace period. How many connections fail
meanwhile, by the way callers reach the pods, and what does a shorter grace period buy?

Expected shape: through the Service, and for callers that watch its endpoints, failures grow in proportion to
the grace period: rate x (share of callers that live) x (share of pods lost) x (grace - 2.5 s + the lag of
rules), as the last renewal is 0 to 10 s old when the node goes, and is seen 0 to 5 s after it was made. When
the node is cut off, callers on it fail too, at the share of pods elsewhere, for as long as it is cut off,
whatever the grace period. A caller that looks up again after a failure fails far less, since it soon has an
address that answers; unless it is on the node that is cut off and the names have lost the pods there already,
as with a short grace period. One that never looks up again fails as long as the node is away.

Run:
    python experiments/node_failure.py [--quick] [--out DIR] [--replications R] [--seed N]

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

from svcsim import Scenario, build_scenario
from svcsim.report import lines_with_bands

NODES = 4
PODS = 12
RATE_PER_S = 200.0
LOST_AT_S = 10.0
CUT_FOR_S = 120.0
DURATION_S = 180.0
GRACES_S = (5, 10, 20, 30, 40, 50)
HOWS = ("fails", "is cut off")
AGE_OF_LEASE_S = 2.5
RULES_LAG_S = (0.05, 2.0)
"""Between the node taken for lost and rules without its pods: marks, slices, a sync that may have to wait."""

CLIENTS = (
    ("vip", "cluster-ip", None, "#0072b2", "o"),
    ("watch", "pod-ip", "watch", "#009e73", "s"),
    ("on-failure", "pod-ip", "on-failure", "#e69f00", "^"),
    ("once", "pod-ip", "once", "#d55e00", "D"),
)


def manifests() -> list[dict[str, Any]]:
    """A Deployment and its Service."""
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 5},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": PODS,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]


def question(how: str, grace_s: float) -> Scenario:
    """One cell: a node is lost, and every way of reaching the pods is used at once."""
    event: dict[str, Any] = {"at": f"{LOST_AT_S:g}s"}
    if how == "fails":
        event["fail"] = "node-2"
    else:
        event |= {"partition": "node-2", "for": f"{CUT_FOR_S:g}s"}
    clients = []
    for name, via, resolve, _, _ in CLIENTS:
        client = {
            "name": name,
            "to": "service/web",
            "via": via,
            "rate": f"{RATE_PER_S:g}/s",
            "sources": 2 * NODES,
        }
        clients.append(client | ({"resolve": resolve} if resolve else {}))
    return build_scenario(
        name=f"a node {how}, grace period {grace_s:g} s",
        manifests=manifests(),
        duration=f"{DURATION_S:g}s",
        cluster={"nodes": NODES, "nodeMonitorGracePeriod": f"{grace_s:g}s"},
        clients=clients,
        events=[event],
    )


def expected(how: str, grace_s: float, lag_s: float) -> float:
    """Failures through the Service in closed form, for a mean lag of rules."""
    elsewhere = (NODES - 1) / NODES
    towards = RATE_PER_S * elsewhere / NODES * (grace_s - AGE_OF_LEASE_S + lag_s)
    if how == "fails":
        return towards
    return towards + RATE_PER_S / NODES * elsewhere * CUT_FOR_S


def places(quick: bool) -> list[tuple[str, float]]:
    """(how, grace period) of every cell."""
    return [(how, float(grace)) for how in HOWS for grace in (GRACES_S[1::2] if quick else GRACES_S)]


def table_of(points: Sequence[tuple[str, float]], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a cell and client: mean failures of a replication with their interval, and the closed form."""
    rows = []
    for (how, grace_s), cell in zip(points, cells, strict=True):
        for summary in cell["summary"]:
            failed = np.array(cell["failed"][summary["client"]], dtype=np.float64)
            low, high = (expected(how, grace_s, lag) for lag in RULES_LAG_S)
            known = summary["client"] == "vip"
            rows.append(
                {
                    "how": how,
                    "grace_s": grace_s,
                    "client": summary["client"],
                    "replications": len(failed),
                    "failed_mean": float(failed.mean()),
                    "failed_low": summary["failed_low"],
                    "failed_high": summary["failed_high"],
                    "theory_low": low if known else float("nan"),
                    "theory_high": high if known else float("nan"),
                }
            )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    vip = table[table["client"] == "vip"]
    inside = (vip["failed_high"] >= vip["theory_low"]) & (vip["failed_low"] <= vip["theory_high"])
    means = table.pivot_table(index=["how", "grace_s"], columns="client", values="failed_mean")
    fails = means.loc["fails"]
    ratio = float((fails["watch"] / fails["vip"]).mean())
    longest = fails.index.max()
    once = fails["once"]
    return [
        Claim(
            f"through the Service all {len(vip)} points agree with the closed form within their intervals",
            bool(inside.all()),
        ),
        Claim(
            f"a caller that watches endpoints fails about as often as the Service's (ratio {ratio:.2f})",
            0.8 < ratio < 1.1,
        ),
        Claim(
            f"one that looks up again after a failure fails less than a fifth as often at {longest:g} s "
            f"({fails['on-failure'].loc[longest]:.0f} against {fails['vip'].loc[longest]:.0f})",
            bool(fails["on-failure"].loc[longest] < fails["vip"].loc[longest] / 5),
        ),
        Claim(
            "one that never does fails the more, and the same with every grace period",
            bool((once > fails["vip"]).all() and once.max() - once.min() < 0.1 * once.mean()),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Two panels, over the grace period: the node fails, and is cut off."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.4), layout="constrained")
        figure.suptitle(
            f"One of {NODES} nodes is lost, {PODS} pods, {RATE_PER_S:g} connections/s each way", fontsize=11.5
        )
        panels = figure.subplots(1, 2, sharey=True)
        for ax, how in zip(panels, HOWS, strict=True):
            _panel(ax, table[table["how"] == how], how)
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("failed connections in one replication")
        panels[0].legend(frameon=False, title="mean with 95% interval; dashed: closed form", ncols=2)
        save(figure, path)


def _panel(ax: Any, table: pd.DataFrame, how: str) -> None:
    middle = sum(RULES_LAG_S) / 2
    for name, via, resolve, colour, marker in CLIENTS:
        rows = table[table["client"] == name]
        grid = np.linspace(rows["grace_s"].min(), rows["grace_s"].max(), 51)
        lines_with_bands(
            ax,
            rows["grace_s"],
            rows["failed_mean"],
            rows["failed_low"],
            rows["failed_high"],
            label=f"{via} {resolve}" if resolve else via,
            colour=colour,
            marker=marker,
            theory=(grid, [expected(how, g, middle) for g in grid]) if name == "vip" else None,
        )
    ax.set_title(
        "the node fails" if how == "fails" else f"the node is cut off for {CUT_FOR_S:g} s", fontsize=10
    )
    ax.set_xlabel("node monitor grace period, seconds (default 50; 40 before 1.32)")


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed connections in a replication, {asked.replications} of them, 95% intervals",
        ("the node", ">grace", "client", ">failed", "95% interval", ">closed form"),
        [
            (
                row["how"],
                f"{row['grace_s']:g} s",
                row["client"],
                f"{row['failed_mean']:,.1f}",
                span(row["failed_low"], row["failed_high"]),
                span(row["theory_low"], row["theory_high"], "{:,.0f}".format),
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=10, full=60)
    points = places(asked.quick)
    scenarios = [question(*point) for point in points]
    cells = run_cells({one.name: one for one in scenarios}, asked, CellStore(asked.path(".jsonl")))
    table = table_of(points, [cells[one.name] for one in scenarios])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
