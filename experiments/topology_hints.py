"""Keeping traffic in its zone: when do hints hold, and what do they cost the busiest pod?

Question: callers in three equal zones use one Service. Without hints, with `topology-mode: Auto` and with
`trafficDistribution: PreferSameZone`: what share of the connections crosses zones, and how much more than the
mean does the busiest pod get, as the Service has 3 to 15 replicas, and while it is rolled?

Expected shape: without hints two thirds cross. PreferSameZone keeps all of them at home wherever a zone has a
pod, and pays with imbalance where zones have unequal numbers of pods: the busiest pod of n gets about
n / (3 floor(n/3)) of the mean. Auto holds only where every zone can have its share within 20%: at 3, 6, 7, 9,
10 and from 12 on; at 4, 5, 8 and 11 it is withdrawn, and two thirds cross again. During a rollout pods come
and go one by one, so that Auto is withdrawn for a time, and some connections cross.

Run:
    python experiments/topology_hints.py [--quick] [--out DIR] [--replications R] [--seed N]

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

import svcsim
from svcsim import Scenario, build_scenario
from svcsim.report import lines_with_bands

ZONES, NODES_A_ZONE, RATE_PER_S = "abc", 2, 300.0
STEADY_S, ROLLED_AT_S, ROLLED_S = 20.0, 5.0, 45.0
MODES = {"no hints": {}, "Auto": {"auto": True}, "PreferSameZone": {"same": True}}
LOOKS = {"no hints": ("#d55e00", "D"), "Auto": ("#0072b2", "o"), "PreferSameZone": ("#009e73", "s")}
HOLDS = (3, 6, 7, 9, 10, 12, 13, 14, 15)

Point = tuple[str, int, bool]


def question(mode: str, replicas: int, rolled: bool) -> Scenario:
    """One cell."""
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec: dict[str, Any] = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    metadata: dict[str, Any] = {"name": "web"}
    if mode == "Auto":
        metadata["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    elif mode == "PreferSameZone":
        spec["trafficDistribution"] = "PreferSameZone"
    nodes = [
        {"name": f"{zone}{k}", "zone": zone, "cpu": 4} for zone in ZONES for k in range(1, NODES_A_ZONE + 1)
    ]
    return build_scenario(
        name=f"{mode}, {replicas} pods" + (", rolled" if rolled else ""),
        manifests=[
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web"},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": template,
                },
            },
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        ],
        duration=f"{ROLLED_S if rolled else STEADY_S:g}s",
        cluster={"nodes": nodes},
        workloads={"deployment/web": {"startup": "2s"}},
        clients=[{"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": f"{RATE_PER_S:g}/s"}],
        events=[{"at": f"{ROLLED_AT_S:g}s", "rollout": "deployment/web"}] if rolled else [],
    )


def measured(result: svcsim.Result) -> dict[str, list[float]]:
    """Of each replication: the share that crossed zones, and the busiest pod's connections over the mean."""
    assert result.requests is not None
    node_of_pod = result.pods.set_index(["replication", "pod"])["node"]
    crossed, busiest = [], []
    sent = result.requests[result.requests["pod"] != ""]
    for k, own in sent.groupby("replication"):
        home = np.array(list(ZONES))[own["source"].to_numpy() // NODES_A_ZONE]
        zone = own["pod"].astype(str).map(node_of_pod.loc[k]).str[0].to_numpy()
        crossed.append(float((home != zone).mean()))
        counts = own["pod"].astype(str).value_counts()
        busiest.append(float(counts.max() / counts.mean()))
    return {"crossed": crossed, "busiest": busiest}


def places(quick: bool) -> list[Point]:
    """(mode, replicas, rolled) of every cell."""
    sizes = (3, 4, 6, 8, 9, 11, 12) if quick else range(3, 16)
    steady = [(mode, n, False) for mode in MODES for n in sizes]
    return steady + [(mode, n, True) for mode in MODES for n in ((6, 9) if quick else (3, 6, 9, 12, 15))]


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and the middle 95% of replications."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(np.mean(values)), float(low), float(high)


def table_of(points: Sequence[Point], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a cell: means over replications, with the middle 95% of them."""
    rows = []
    for (mode, replicas, rolled), cell in zip(points, cells, strict=True):
        row: dict[str, Any] = {"mode": mode, "replicas": replicas, "rolled": rolled}
        for name in ("crossed", "busiest"):
            row[name], row[f"{name}_low"], row[f"{name}_high"] = _interval(cell[name])
        rows.append(row)
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    steady, rolled = table[~table["rolled"]], table[table["rolled"]]
    crossed = steady.pivot_table(index="replicas", columns="mode", values="crossed")
    busiest = steady.pivot_table(index="replicas", columns="mode", values="busiest")
    held = crossed.index.isin(HOLDS)
    auto = crossed["Auto"]
    # two zones with as many pods as fit: the pods of the zone with fewest get most
    worst = (busiest.index / (3 * (busiest.index // 3))).to_numpy()
    same = rolled[rolled["mode"] == "PreferSameZone"]["crossed"]
    return [
        Claim("without hints two thirds cross", bool((abs(crossed["no hints"] - 2 / 3) < 0.05).all())),
        Claim("with PreferSameZone none does", bool((crossed["PreferSameZone"] == 0).all())),
        Claim(
            f"Auto holds at {', '.join(map(str, crossed.index[held]))} pods "
            f"(at most {auto[held].max():.0%} cross) and is withdrawn at "
            f"{', '.join(map(str, crossed.index[~held]))} (at least {auto[~held].min():.0%})",
            bool(auto[held].max() < 0.25 and auto[~held].min() > 0.6),
        ),
        Claim(
            f"the busiest pod under PreferSameZone gets {busiest['PreferSameZone'].max():.2f} x the mean",
            bool((abs(busiest["PreferSameZone"].to_numpy() / worst - 1) < 0.15).all()),
        ),
        Claim(
            f"during a rollout at most {same.max():.1%} cross with PreferSameZone",
            bool(same.max() < 0.05),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Three panels: crossing and the busiest pod over replicas, and crossing during a rollout."""
    panels = (
        (False, "crossed", "connections that cross zones, %", 100.0, "steady"),
        (False, "busiest", "the busiest pod's connections over the mean", 1.0, "steady"),
        (True, "crossed", "connections that cross zones, %", 100.0, f"rolled, over {ROLLED_S:g} s"),
    )
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(13.5, 5.0), layout="constrained")
        figure.suptitle(
            "One Service over three equal zones (line: mean, band: 95% of replications)", fontsize=11.5
        )
        for ax, (rolled, name, label, scale, title) in zip(figure.subplots(1, 3), panels, strict=True):
            for mode, (colour, marker) in LOOKS.items():
                rows = table[(table["mode"] == mode) & (table["rolled"] == rolled)]
                lines_with_bands(
                    ax,
                    rows["replicas"],
                    scale * rows[name],
                    scale * rows[f"{name}_low"],
                    scale * rows[f"{name}_high"],
                    label=mode,
                    colour=colour,
                    marker=marker,
                )
            ax.set_title(title, fontsize=10)
            ax.set_xlabel("replicas")
            ax.set_ylabel(label)
            ax.set_xticks(sorted(table[table["rolled"] == rolled]["replicas"].unique()))
            if name == "crossed":
                ax.set_ylim(-2, 75)
        figure.axes[1].legend(frameon=False, loc="upper right")
        save(figure, path)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"means over {asked.replications} replications",
        ("hints", ">replicas", "rolled", ">cross zones", ">busiest pod / mean"),
        [
            (
                row["mode"],
                str(row["replicas"]),
                "yes" if row["rolled"] else "",
                f"{row['crossed']:.1%}",
                f"{row['busiest']:.2f}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=5, full=20)
    points = places(asked.quick)
    scenarios = [question(*point) for point in points]
    store = CellStore(asked.path(".jsonl"))
    cells = run_cells({one.name: one for one in scenarios}, asked, store, also=measured, keep_requests=True)
    table = table_of(points, [cells[one.name] for one in scenarios])
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
