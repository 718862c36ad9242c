"""Simulated points with their intervals, and the theory they are held to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from svcsim.report.figures.axes import tidy
from svcsim.report.palette import INK
from svcsim.report.words import drawable

__all__ = ["lines_with_bands"]

Numbers = npt.ArrayLike


def lines_with_bands(
    ax: Axes,
    x: Numbers,
    y: Numbers,
    low: Numbers,
    high: Numbers,
    *,
    label: str,
    colour: str = "#0072b2",
    marker: str = "o",
    theory: tuple[Numbers, Numbers] | None = None,
    theory_label: str = "",
) -> None:
    """Draw y over x with intervals from low to high as a band and as bars, and the theory as a line over it.

    Args:
        ax: axes; scales, axis labels and the legend are the caller's.
        x, y, low, high: (n,), in the units of the axes; NaN in low or high: no interval is known.
        label: of the points, in a legend.
        colour, marker: see `palette`.
        theory: (x, y) of the closed form, at places of its own.
        theory_label: of the line, in a legend.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> lines_with_bands(ax, [1, 2], [3, 5], [2, 4], [4, 6], label="simulated", theory=([1, 2], [3, 5]))
    >>> len(ax.lines) > 1
    True
    """
    xs, ys, lows, highs = (np.asarray(values, dtype=np.float64) for values in (x, y, low, high))
    known = np.isfinite(lows) & np.isfinite(highs)
    if known.any():
        ax.fill_between(xs, lows, highs, where=known, color=colour, alpha=0.18, linewidth=0)
        below = np.where(known, np.maximum(ys - lows, 0.0), 0.0)
        above = np.where(known, np.maximum(highs - ys, 0.0), 0.0)
        ax.errorbar(
            xs, ys, yerr=np.vstack((below, above)), fmt="none", ecolor=colour, elinewidth=1.2, capsize=3
        )
    ax.plot(xs, ys, marker, color=colour, markersize=5.5, label=drawable(label, 60))
    if theory is not None:
        at, value = (np.asarray(values, dtype=np.float64) for values in theory)
        text = drawable(theory_label, 60) if theory_label else None
        ax.plot(at, value, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), label=text)
    tidy(ax, grid="both")
