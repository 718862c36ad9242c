"""What all figures share: quiet axes, rows with names, legends outside the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import ScaledTranslation

from svcsim.report.palette import GRID, INK, PAPER, SOFT, Look

__all__ = [
    "TEXT",
    "area",
    "empty",
    "legend_above",
    "name_rows",
    "right_column",
    "tick_words",
    "tidy",
    "width_pt",
]

TEXT = 9.0


def tidy(ax: Axes, grid: str = "") -> None:
    """Take away what says nothing; `grid`: "x", "y" or "both"."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(SOFT)
    ax.tick_params(which="both", color=SOFT, labelcolor=INK, labelsize=TEXT)
    ax.xaxis.label.set(color=INK, fontsize=TEXT)
    ax.yaxis.label.set(color=INK, fontsize=TEXT)
    ax.patch.set_visible(False)
    ax.set_axisbelow(True)
    if grid == "both":
        ax.grid(color=GRID, linewidth=0.7)
    elif grid == "x":
        ax.grid(axis="x", color=GRID, linewidth=0.7)
    elif grid == "y":
        ax.grid(axis="y", color=GRID, linewidth=0.7)


def empty(ax: Axes, text: str) -> None:
    """Say why there is nothing to draw."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=SOFT, fontsize=TEXT + 1)


def area(look: Look, label: str) -> Patch:
    """A legend's sample of an area."""
    return Patch(facecolor=look.colour, hatch=look.hatch, edgecolor=PAPER, linewidth=0, label=label)


def width_pt(ax: Axes) -> float:
    """How wide the axes are before a layout makes room for their labels, in points."""
    return float(ax.get_position().width * ax.figure.bbox.width / ax.figure.dpi * 72)


def legend_above(ax: Axes, handles: Sequence[Artist], *, rise: float = 0.0) -> None:
    """A legend over the axes, in as many columns as fit; `rise` points above what else is there."""
    if not handles:
        return
    figure = ax.figure
    widest = max(len(str(handle.get_label())) for handle in handles) * 0.56 * TEXT + 36
    columns = max(1, min(len(handles), int(width_pt(ax) // widest)))
    lifted = ax.transAxes + ScaledTranslation(0, (4 + rise) / 72, figure.dpi_scale_trans)
    ax.legend(
        handles=list(handles),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        bbox_transform=lifted,
        borderaxespad=0.0,
        borderpad=0.0,
        ncols=columns,
        frameon=False,
        fontsize=TEXT,
        labelcolor=INK,
        handlelength=2.2,
        columnspacing=1.4,
    )


def name_rows(ax: Axes, names: Sequence[str], size: float = TEXT) -> None:
    """Rows 0, 1, ... from the top, with their names at the left."""
    ax.set_yticks(range(len(names)), list(names), fontsize=size)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, pad=9)


def right_column(ax: Axes, texts: Sequence[str], heading: str = "") -> None:
    """A text to each row, right of the axes."""
    for row, text in enumerate(texts):
        ax.text(
            1.015,
            row,
            text,
            transform=ax.get_yaxis_transform(),
            ha="left",
            va="center",
            fontsize=TEXT,
            color=INK,
            linespacing=1.25,
        )
    if heading:
        ax.annotate(
            heading,
            (1.015, 1.0),
            xycoords="axes fraction",
            xytext=(0, 3),
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=TEXT - 0.5,
            color=SOFT,
        )


def tick_words(
    ax: Axes, x: Callable[[float], str] | None = None, y: Callable[[float], str] | None = None
) -> None:
    """Ticks of decades and of plain axes as a reader says them."""
    for axis, words in ((ax.xaxis, x), (ax.yaxis, y)):
        if words is not None:
            axis.set_major_formatter(FuncFormatter(lambda value, _, say=words: say(value)))
            axis.set_minor_formatter(NullFormatter())
