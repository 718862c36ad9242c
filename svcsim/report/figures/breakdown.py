"""What failures are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from svcsim.report.figures.axes import (
    TEXT,
    area,
    empty,
    legend_above,
    name_rows,
    right_column,
    tidy,
    width_pt,
)
from svcsim.report.figures.paths import client_names
from svcsim.report.palette import INK, OUTCOMES, PAPER, STAGES, Look, stage_look
from svcsim.report.words import many, percent, spaced

__all__ = ["lag_budget", "outcome_breakdown"]

_SHARE_PT = 40.0


def outcome_breakdown(ax: Axes, summary: pd.DataFrame) -> None:
    """What clients saw: each one's failures, by share of outcome."""
    rows = summary[summary["failed"] > 0].reset_index(drop=True)
    if rows.empty:
        empty(ax, "no request failed")
        return
    counts = {outcome: [float(count) for count in rows[outcome]] for outcome in OUTCOMES}
    labels = {outcome: spaced(outcome) for outcome in OUTCOMES}
    _stacked(ax, rows, counts, OUTCOMES, labels)
    ax.set_xlabel("share of the client's failures, %")


def lag_budget(ax: Axes, causes: pd.DataFrame, summary: pd.DataFrame) -> None:
    """When failures fell: each client's, by share of the stage in which the request met the change."""
    rows = summary[summary["failed"] > 0].reset_index(drop=True)
    if rows.empty:
        empty(ax, "no request failed")
        return
    totals = causes.groupby(["client", "stage"], sort=False)["count"].sum()
    stages = [*STAGES, *sorted({str(stage) for stage in causes["stage"]} - set(STAGES))]
    counts = {stage: [float(totals.get((client, stage), 0)) for client in rows["client"]] for stage in stages}
    labels = {stage: stage or "no stage known" for stage in stages}
    _stacked(ax, rows, counts, {stage: stage_look(stage) for stage in stages}, labels)
    ax.set_xlabel("share of the client's failures by stage of the lag, %")


def _stacked(
    ax: Axes,
    rows: pd.DataFrame,
    counts: Mapping[str, Sequence[float]],
    looks: Mapping[str, Look],
    labels: Mapping[str, str],
) -> None:
    """Bars from 0 to 100%, a row to a client, the number of failures at the right."""
    total = rows["failed"].to_numpy(dtype=np.float64)
    left = np.zeros(len(rows))
    samples = []
    for name, look in looks.items():
        share = np.asarray(counts[name], dtype=np.float64) / total * 100
        if not share.any():
            continue
        ax.barh(
            range(len(rows)),
            share,
            left=left,
            height=0.62,
            facecolor=look.colour,
            hatch=look.hatch,
            edgecolor=PAPER,
            linewidth=0.6,
        )
        for row in np.flatnonzero(share * width_pt(ax) / 100 >= _SHARE_PT):
            _say(ax, float(left[row] + share[row] / 2), int(row), percent(float(share[row]) / 100))
        left += share
        samples.append(area(look, labels[name]))
    name_rows(ax, client_names(rows))
    right_column(ax, [many(int(count), "failure") for count in total])
    ax.set_xlim(0, 100)
    legend_above(ax, samples)
    tidy(ax)


def _say(ax: Axes, x: float, row: int, text: str) -> None:
    """A share inside its bar, on a ground of its own so that no hatch runs through it."""
    ground = {"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.15", "alpha": 0.88}
    ax.text(x, row, text, ha="center", va="center", fontsize=TEXT - 1, color=INK, bbox=ground)
