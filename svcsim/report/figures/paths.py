"""Ways of reaching pods side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from svcsim.report.figures.axes import TEXT, empty, legend_above, name_rows, right_column, tick_words, tidy
from svcsim.report.palette import INK, PAPER, SOFT, Look, path_look
from svcsim.report.words import drawable, many, percent, readable

__all__ = ["client_names", "failures_per_replication", "path_comparison"]

Float64 = npt.NDArray[np.float64]


def client_names(summary: pd.DataFrame) -> list[str]:
    """A client's name, and under it the way it takes."""
    return [f"{drawable(c)}\n{drawable(v)}" for c, v in zip(summary["client"], summary["via"], strict=True)]


def _floats(table: pd.DataFrame, name: str) -> Float64:
    return table[name].to_numpy(dtype=np.float64)


def path_comparison(ax: Axes, summary: pd.DataFrame, *, wide_ratio: float = 30.0) -> None:
    """Failures in 10,000 requests, a row to a client, with 95% intervals over replications.

    A client without a failure says so, with what may be concluded. The axis is logarithmic if the largest is
    over `wide_ratio` times the smallest.
    """
    if summary.empty:
        empty(ax, "no client")
        return
    value = _floats(summary, "failed_fraction") * 1e4
    low = _floats(summary, "failed_fraction_low") * 1e4
    high = _floats(summary, "failed_fraction_high") * 1e4
    seen = value[value > 0]
    logarithmic = len(seen) > 0 and seen.max() > wide_ratio * seen.min()
    top = np.nanmax([*seen, *high[np.isfinite(high)], 0.0])
    if logarithmic:
        left = float(10.0 ** np.floor(np.log10(seen.min() / 1.5)))
        ax.set_xscale("log")
        ax.set_xlim(left, min(max(float(top) * 1.6, left * 10), 12_000.0))
    else:
        left = 0.0
        ax.set_xlim(0.0, float(top) * 1.12 if top > 0 else 1.0)
    texts = []
    for row, via in enumerate(summary["via"]):
        look = path_look(via)
        n = int(summary["replications"].iloc[row])
        if not value[row] > 0:
            _point(ax, left, row, look, hollow=True)
            _beside(ax, left, row, "none")
            texts.append(_none_seen(summary.iloc[row], value[row], n))
            continue
        interval = bool(np.isfinite(low[row]) and np.isfinite(high[row]))
        if interval:
            ends = [max(low[row], left), high[row]]
            ax.plot(
                ends, [row, row], "|-", color=INK, linewidth=1.4, markersize=11, markeredgewidth=1.4, zorder=4
            )
        _point(ax, float(value[row]), row, look)
        bounds = (
            f"[{readable(low[row])}, {readable(high[row])}]" if interval else f"({many(n, 'replication')})"
        )
        texts.append(f"{readable(value[row])}  {bounds}")
    name_rows(ax, client_names(summary))
    right_column(ax, texts, "in 10,000 [95% interval]")
    tick_words(ax, x=readable)
    scale = ", logarithmic" if logarithmic else ""
    ax.set_xlabel(f"failed requests in 10,000{scale} (line: 95% interval)")
    tidy(ax, grid="x")
    if not len(seen):
        ax.set_xticks([0.0])


def _point(ax: Axes, x: float, row: int, look: Look, *, hollow: bool = False) -> None:
    """A client's point; a hollow one stands at the edge for what is not on the axis."""
    ax.plot(
        x,
        row,
        marker=look.marker,
        markersize=8,
        color=PAPER if hollow else look.colour,
        markeredgecolor=look.colour,
        markeredgewidth=1.6,
        clip_on=False,
        zorder=3,
    )


def _beside(ax: Axes, x: float, row: int, text: str) -> None:
    ax.annotate(
        text, (x, row), xytext=(9, 0), textcoords="offset points", va="center", fontsize=TEXT, color=INK
    )


def _none_seen(row: pd.Series, value: float, replications: int) -> str:
    """What a row without a failure says."""
    if np.isnan(value):
        return "no request"
    bound = float(row["p_replication_fails_high"])
    conclusion = f"\n< {percent(bound)} of runs lose any" if np.isfinite(bound) else ""
    return f"none in {many(replications, 'replication')}{conclusion}"


def failures_per_replication(ax: Axes, replications: pd.DataFrame, summary: pd.DataFrame) -> None:
    """How failures cluster: a dot to a replication, a row to a client, the mean with its 95% interval.

    A row's dots go from top to bottom in the order of replications.
    """
    if replications.empty or summary.empty:
        empty(ax, "no replication")
        return
    most = 0.0
    texts = []
    for row, client in enumerate(summary.to_dict("records")):
        failed = _floats(replications[replications["client"] == client["client"]], "failed")
        most = max(most, float(failed.max(initial=0.0)))
        spread = (np.arange(len(failed)) + 0.5) / max(len(failed), 1) * 0.62 - 0.31
        look = path_look(client["via"])
        size = 4.5 if len(failed) <= 100 else 2.5
        ax.plot(
            failed,
            row + spread,
            look.marker,
            color=look.colour,
            markersize=size,
            alpha=0.75 if len(failed) <= 100 else 0.3,
            markeredgewidth=0,
            rasterized=len(failed) > 400,
        )
        mean, low, high = (float(client[name]) for name in ("failed_mean", "failed_low", "failed_high"))
        ax.plot([mean, mean], [row - 0.4, row + 0.4], color=INK, linewidth=1.4)
        if np.isfinite(low) and np.isfinite(high):
            ax.plot([max(low, 0.0), high], [row + 0.4, row + 0.4], color=INK, linewidth=1.4)
        hit = int(client["replications_failed"])
        texts.append(f"mean {readable(mean)}\n{hit:,} of {int(client['replications']):,} lose any")
    if most > 100:
        ax.set_xscale("symlog", linthresh=10, linscale=0.6)
        ax.set_xlim(-1.0, most * 1.6)
    else:
        ax.set_xlim(-0.03 * max(most, 1.0), 1.08 * max(most, 1.0))
    name_rows(ax, client_names(summary))
    right_column(ax, texts)
    tick_words(ax, x=readable)
    scale = ", linear up to 10, then logarithmic" if most > 100 else ""
    ax.set_xlabel(f"failed requests in one replication{scale}")
    samples = [
        Line2D([], [], color=SOFT, marker="o", linestyle="", markersize=4.5, label="a replication"),
        Line2D([], [], color=INK, linewidth=1.4, label="mean, and under it its 95% interval"),
    ]
    legend_above(ax, samples)
    tidy(ax, grid="x")
