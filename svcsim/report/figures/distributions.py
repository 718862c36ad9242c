"""How long things took: requests, and the stages between a change and its effect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from svcsim.report.figures.axes import (
    TEXT,
    empty,
    legend_above,
    name_rows,
    right_column,
    tick_words,
    tidy,
    width_pt,
)
from svcsim.report.palette import INK, PAPER, SOFT, path_look
from svcsim.report.words import LAG, drawable, percent, seconds

__all__ = ["lag_distribution", "latency_distribution"]

Float64 = npt.NDArray[np.float64]

_DASHES = ("-", "--", "-.", ":")
_SHARES = ((0.5, "p50"), (0.1, "p90"), (0.01, "p99"), (0.001, "p99.9"), (0.0001, "p99.99"))
_COLOUR = "#0072b2"
_TICK_PT = 56.0


def latency_distribution(ax: Axes, latency: pd.DataFrame, summary: pd.DataFrame) -> None:
    """Share of answered requests that took longer than t, a line to a client; both axes logarithmic.

    From the histogram of table latency: exact at the edges of its bins. The axis begins at the tenth of
    requests that was fastest.
    """
    lines = []
    least, fastest, slowest = 1.0, np.inf, 0.0
    used: dict[str, int] = {}
    for client in summary.to_dict("records"):
        rows = latency[latency["client"] == client["client"]]
        total = int(rows["count"].sum())
        if not total:
            continue
        rows = rows.sort_values("from_s", kind="stable")
        beyond = 1.0 - rows["count"].to_numpy(dtype=np.float64).cumsum() / total
        beyond[-1] = 0.0
        edge = rows["to_s"].to_numpy(dtype=np.float64)
        look = path_look(client["via"])
        dash = _DASHES[used.setdefault(look.colour, 0) % len(_DASHES)]
        used[look.colour] += 1
        shown = beyond > 0
        first = float(rows["from_s"].iloc[0])
        x = np.concatenate(([max(first, edge[0] / 2)], edge[shown]))
        y = np.concatenate(([1.0], beyond[shown]))
        if not shown.any():
            x, y = np.append(x, edge[-1]), np.append(y, 1.0 / total)
        label = (
            f"{drawable(client['client'])}: p50 {seconds(client['p50_s'])}, p99 {seconds(client['p99_s'])}"
        )
        lines.append(
            ax.plot(x, y, linewidth=1.8, alpha=0.9, color=look.colour, linestyle=dash, label=label)[0]
        )
        least = min(least, 1.0 / total)
        fastest = min(fastest, float(edge[np.argmax(beyond <= 0.9)]))
        slowest = max(slowest, float(edge[-1]))
    if not lines:
        empty(ax, "no request was answered")
        return
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(fastest / 1.3, slowest * 1.3)
    ax.set_ylim(least / 1.5, 1.4)
    for share, name in _SHARES:
        if share > least:
            ax.axhline(share, color=SOFT, linewidth=0.7, linestyle=(0, (1, 3)), zorder=0.5)
            ax.text(
                1.01,
                share,
                name,
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=TEXT - 1,
                color=SOFT,
            )
    tick_words(ax, x=seconds, y=percent)
    _ticks_within_decades(ax, fastest / 1.3, slowest * 1.3)
    ax.set_xlabel("latency of answered requests, logarithmic")
    ax.set_ylabel("share that took longer, logarithmic")
    legend_above(ax, lines)
    tidy(ax, grid="x")


def _ticks_within_decades(ax: Axes, low: float, high: float) -> None:
    """Ticks at 1, 2 and 5 of each decade, where there is room for them."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    ticks = np.outer(decades, [1.0, 2.0, 5.0]).ravel()
    inside = ticks[(ticks >= low) & (ticks <= high)]
    if len(inside) * _TICK_PT <= width_pt(ax):
        ax.set_xticks(inside)


def lag_distribution(ax: Axes, lag: pd.DataFrame) -> None:
    """Median, p90 and p99 of every stage between a change and its effect, a row to a stage.

    A stage that took no time is drawn at the left edge.
    """
    rows = lag[lag["count"] > 0].reset_index(drop=True)
    if rows.empty:
        empty(ax, "nothing changed")
        return
    p50, p90, p99 = (rows[name].to_numpy(dtype=np.float64) for name in ("p50_s", "p90_s", "p99_s"))
    seen = np.concatenate((p50, p90, p99))
    seen = seen[seen > 0]
    least, most = (float(seen.min()), float(seen.max())) if len(seen) else (1e-3, 1.0)
    left = least / 2
    y = np.arange(len(rows))
    ends = [np.maximum(p, left) for p in (p50, p90, p99)]
    ax.hlines(y, ends[0], ends[2], color=_COLOUR, linewidth=5, alpha=0.3, zorder=1)
    ax.hlines(y, ends[0], ends[1], color=_COLOUR, linewidth=5, alpha=0.75, zorder=2)
    samples = []
    for x, marker, fill, label in (
        (ends[0], "o", INK, "median"),
        (ends[1], "D", PAPER, "p90"),
        (ends[2], "|", INK, "p99"),
    ):
        size = 10 if marker == "|" else 6
        mark = Line2D(
            x,
            y,
            linestyle="",
            marker=marker,
            markersize=size,
            color=fill,
            markeredgecolor=INK,
            markeredgewidth=1.3,
        )
        mark.set(zorder=3, clip_on=False, label=label)
        samples.append(ax.add_line(mark))
    ax.set_xscale("log")
    ax.set_xlim(left, most * 1.6)
    tick_words(ax, x=seconds)
    _ticks_within_decades(ax, left, most * 1.6)
    names = [
        f"{drawable(stage)}\n{LAG[stage]}" if stage in LAG else drawable(stage) for stage in rows["stage"]
    ]
    name_rows(ax, names, size=TEXT - 0.5)
    spans = [" · ".join(map(seconds, three)) for three in zip(p50, p90, p99, strict=True)]
    right_column(ax, spans, "median · p90 · p99")
    ax.set_xlabel("time a change spends in the stage, logarithmic")
    legend_above(ax, samples)
    tidy(ax, grid="x")
