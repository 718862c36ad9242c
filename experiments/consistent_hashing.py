"""What a lookup table costs when backends change: Maglev against hash mod N and rendezvous hashing.

Question: a balancer without memory sends each connection where a hash says, and one of N backends goes, or
one comes. Which share of the connections is sent elsewhere, and how much of that was not necessary? With
Maglev, for the table sizes that IPVS (4093 entries), Cilium (16381) and Envoy (65537) begin with, and for the
smallest that Cilium accepts (251).

Expected shape: hash mod N moves all but 1/N of the connections. Rendezvous hashing moves the share of the
backend that goes or comes and nothing else. Maglev moves more: less, the larger the table is, with up to a
hundred backends and ten entries or more to each; from thirty backends on as much for one that comes as for
one that goes. Cilium's default moves 5% more than necessary with ten backends, and more than twice the
necessary with a hundred. With a thousand, where no table has a hundred entries to a backend, the larger ones
are no better.

Run:
    python experiments/consistent_hashing.py [--quick] [--out DIR] [--replications R] [--seed N]

A replication is a set of random addresses, and a backend of it drawn to go. Finished cells are kept: stopped
at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, save, show_table, span, started
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator
from rich.console import Console

from svcsim.dataplane.hashing import maglev_table, moved, rendezvous
from svcsim.report import lines_with_bands
from svcsim.results.statistics import mean_interval
from svcsim.theory import modulo_remap, remap_add, remap_remove

BACKENDS = (3, 10, 30, 100, 300, 1000)
QUICK_BACKENDS = (10, 100, 1000)
KEYS = 2**15
# z of a right result is beyond this in one of 10^5 points
SURELY = 4.5
TABLES = {
    251: ("251 entries", "#cc79a7", "v"),
    4093: ("4093 entries (IPVS)", "#d55e00", "s"),
    16381: ("16381 entries (Cilium)", "#0072b2", "o"),
    65537: ("65537 entries (Envoy)", "#009e73", "^"),
}
MOD, RENDEZVOUS = "hash mod N", "rendezvous"
CHANGES = ("one goes", "one comes")


def needed(change: str, backends: int) -> float:
    """The share of connections that must move."""
    return remap_remove(backends) if change == "one goes" else remap_add(backends)


def points(backends: Sequence[int]) -> list[tuple[str, int, int]]:
    """(scheme, entries, N) of each cell; entries 0: there is no table."""
    return [
        *((scheme, 0, n) for scheme in (MOD, RENDEZVOUS) for n in backends),
        *(("Maglev", size, n) for size in TABLES for n in backends if n < size),
    ]


def owners(scheme: str, size: int, names: Sequence[str], keys: np.ndarray) -> np.ndarray:
    """Who has each key, or each entry of the table."""
    if scheme == "Maglev":
        return maglev_table(names, size)
    return rendezvous(names, keys) if scheme == RENDEZVOUS else (keys % np.uint64(len(names))).astype(int)


def measure(scheme: str, size: int, n: int, seed: int, replications: int) -> dict[str, list[list[float]]]:
    """(total, extra) of each replication and change; all schemes meet the same addresses."""
    found: dict[str, list[list[float]]] = {change: [] for change in CHANGES}
    for replication in range(replications):
        rng = np.random.default_rng([seed, replication, n])
        drawn = rng.choice(2**24, size=n + 1, replace=False)
        pods = [f"10.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}:8080" for a in drawn]
        gone = int(rng.integers(n))
        keys = rng.integers(0, 2**64, KEYS, dtype=np.uint64)
        # a list by name, as a balancer has it
        here, after, more = sorted(pods[:n]), sorted(pods[:gone] + pods[gone + 1 : n]), sorted(pods)
        now = owners(scheme, size, here, keys)
        for change, names in zip(CHANGES, (after, more), strict=True):
            found[change].append([*moved(now, owners(scheme, size, names, keys), here, names)])
    return found


def run(asked: Options, wanted: Sequence[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """The cells, those that the store does not have measured now."""
    store, console = CellStore(asked.path(".jsonl")), Console(stderr=True, soft_wrap=True, highlight=False)
    keys = [
        f"{s} {m} {n} keys {KEYS} seed {asked.seed} replications {asked.replications}" for s, m, n in wanted
    ]
    missing = [(key, point) for key, point in zip(keys, wanted, strict=True) if key not in store]
    if not missing:
        console.print(f"complete: all {len(wanted)} cells are there; nothing to measure")
    for done, (key, (scheme, size, n)) in enumerate(missing, start=1):
        store.append(key, measure(scheme, size, n, asked.seed, asked.replications))
        console.print(f"{done}/{len(missing)} {scheme}{f' {size}' if size else ''}, {n} backends")
    return [store[key] for key in keys]


def table_of(wanted: Sequence[tuple[str, int, int]], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a cell and change: shares of the connections, with intervals over sets of addresses."""
    rows = []
    for (scheme, size, n), cell in zip(wanted, cells, strict=True):
        for change in CHANGES:
            total, extra = np.array(cell[change], dtype=np.float64).T
            low, high = mean_interval(total)
            extra_low, extra_high = mean_interval(extra)
            rows.append(
                {
                    "change": change,
                    "scheme": scheme,
                    "entries": size,
                    "backends": n,
                    "replications": len(total),
                    "needed": needed(change, n),
                    "moved_mean": total.mean(),
                    "moved_low": max(low, 0.0),
                    "moved_high": high,
                    "extra_mean": extra.mean(),
                    "extra_low": max(extra_low, 0.0),
                    "extra_high": extra_high,
                }
            )
    return pd.DataFrame(rows)


def _off(rows: pd.DataFrame, expected: Sequence[float]) -> float:
    """The largest distance from what is expected of independent keys, in standard errors."""
    share = np.asarray(expected)
    error = np.sqrt(share * (1.0 - share) / (KEYS * rows["replications"]))
    return float((np.abs(rows["moved_mean"] - share) / error).max())


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    mod, ideal = table[table["scheme"] == MOD], table[table["scheme"] == RENDEZVOUS]
    maglev = table[table["scheme"] == "Maglev"]
    all_but = [
        modulo_remap(n, n - 1 if change == "one goes" else n + 1)
        for n, change in zip(mod["backends"], mod["change"], strict=True)
    ]
    extra = maglev.pivot_table(index=["change", "backends"], columns="entries", values="extra_mean")
    few = extra[extra.index.get_level_values("backends") <= 100]
    per_backend = few.columns.to_numpy() / few.index.get_level_values("backends").to_numpy()[:, None]
    falls = (np.diff(few, axis=1) < 0) | (per_backend[:, :-1] < 10)
    # the width of an interval is about four standard errors, or more
    maglev = maglev.assign(chance=SURELY * (maglev["extra_high"] - maglev["extra_low"]) / 4.0)
    many = maglev[maglev["backends"] >= 30]
    many = many.pivot_table(index=["entries", "backends"], columns="change", values=["extra_mean", "chance"])
    goes, comes = many["extra_mean", "one goes"], many["extra_mean", "one comes"]
    apart = (comes - goes).abs()
    chance = np.hypot(many["chance", "one goes"], many["chance", "one comes"])
    most = maglev[maglev["backends"] == 1000]
    middle = most["extra_mean"].mean()
    spread = (most["extra_mean"] - middle).abs()
    rounding = (maglev["moved_mean"] - maglev["extra_mean"] - maglev["needed"]).abs() * maglev["entries"]
    default = maglev[(maglev["entries"] == 16381) & (maglev["change"] == "one goes")].set_index("backends")
    times = default["moved_mean"] / default["needed"]
    return [
        Claim("hash mod N moves all but 1/N, N the larger number", _off(mod, all_but) < SURELY),
        Claim(
            "rendezvous hashing moves what it must, and nothing else",
            _off(ideal, ideal["needed"]) < SURELY and not ideal["extra_mean"].any(),
        ),
        Claim("Maglev moves what it must, to an entry of the table, and more", bool((rounding < 1.0).all())),
        Claim(
            "less, the larger the table, with up to a hundred backends and ten entries or more to each",
            bool(falls.all()),
        ),
        Claim(
            f"from 30 backends on as much for one that comes as for one that goes (within "
            f"{(apart / goes).max():.0%})",
            bool((apart < 0.05 * goes + chance).all()),
        ),
        Claim(
            f"with Cilium's default {times[10]:.2f} times the necessary for one of ten backends and "
            f"{times[100]:.2f} times for one of a hundred",
            bool(1.03 < times[10] < 1.08 and 2.1 < times[100] < 2.6),
        ),
        Claim(
            f"with a thousand the tables are alike, from 4093 to 65537 entries (within "
            f"{spread.max() / middle:.0%} of their mean)",
            bool((spread < 0.05 * middle + most["chance"]).all()),
        ),
    ]


def _percent(value: float, _: object = None) -> str:
    return f"{100.0 * value:.3g}%"


def draw(path: Path, table: pd.DataFrame) -> None:
    """What one that goes moves, by scheme, and what of it, and of one that comes, Maglev need not move."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.6), layout="constrained")
        figure.suptitle(
            "Connections that a balancer without memory sends elsewhere when one backend goes or comes",
            fontsize=11.5,
        )
        left, right = figure.subplots(1, 2)
        goes = table[table["change"] == "one goes"]
        for scheme, colour, marker in ((MOD, "#555555", "X"), (RENDEZVOUS, "#e69f00", "D")):
            rows = goes[goes["scheme"] == scheme]
            _points(left, rows, "moved", scheme, colour, marker)
        for size, (name, colour, marker) in TABLES.items():
            rows = goes[goes["entries"] == size]
            label = f"Maglev, {name}"
            left.plot(rows["backends"], rows["moved_mean"], color=colour, lw=1.1)
            _points(left, rows, "moved", label, colour, marker)
            right.plot(rows["backends"], rows["extra_mean"], color=colour, lw=1.1)
            _points(right, rows, "extra", label, colour, marker)
            rows = table[(table["change"] == "one comes") & (table["entries"] == size)]
            right.errorbar(
                # aside, or they would hide those of the one that goes
                rows["backends"] * 1.09,
                rows["extra_mean"],
                yerr=(rows["extra_mean"] - rows["extra_low"], rows["extra_high"] - rows["extra_mean"]),
                fmt=marker,
                color=colour,
                mfc="white",
                ms=5.5,
                elinewidth=1.2,
                capsize=3,
            )
        n = np.geomspace(table["backends"].min(), table["backends"].max(), 100)
        left.plot(n, 1.0 / n, color="#222222", lw=1.2, ls=(0, (4, 2)), label="necessary: 1/N")
        left.plot(n, 1.0 - 1.0 / n, color="#222222", lw=1.2, ls=":", label="all but 1/N")
        for axes, what in (
            (left, "moved when one of N backends goes"),
            (right, "moved without need by Maglev"),
        ):
            axes.set_xscale("log")
            axes.set_yscale("log")
            ticks = sorted(table["backends"].unique())
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(_percent))
            axes.set_xlabel("backends N")
            axes.set_ylabel(f"{what}, of all connections (95% interval)")
        left.legend(frameon=False, loc="lower left")
        changes = [
            Line2D([], [], color="#222222", marker="o", lw=1.1, label="one goes"),
            Line2D([], [], color="#222222", marker="o", mfc="white", lw=0, label="one comes (set aside)"),
        ]
        right.legend(handles=[*right.get_legend_handles_labels()[0], *changes], frameon=False, loc="best")
        save(figure, path)


def _points(axes: Any, rows: pd.DataFrame, what: str, label: str, colour: str, marker: str) -> None:
    lines_with_bands(
        axes,
        rows["backends"],
        rows[f"{what}_mean"],
        rows[f"{what}_low"],
        rows[f"{what}_high"],
        label=label,
        colour=colour,
        marker=marker,
    )


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"connections sent elsewhere, {asked.replications} sets of addresses, 95% intervals",
        (
            "change",
            "scheme",
            ">entries",
            ">backends",
            ">necessary",
            ">moved",
            "95% interval",
            ">without need",
            "95% interval",
        ),
        [
            (
                row["change"],
                row["scheme"],
                f"{row['entries']}" if row["entries"] else "-",
                f"{row['backends']:,}",
                f"{row['needed']:.3%}",
                f"{row['moved_mean']:.3%}",
                span(row["moved_low"], row["moved_high"], "{:.3%}".format),
                f"{row['extra_mean']:.3%}",
                span(row["extra_low"], row["extra_high"], "{:.3%}".format),
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=20, full=200)
    wanted = points(QUICK_BACKENDS if asked.quick else BACKENDS)
    table = table_of(wanted, run(asked, wanted))
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
