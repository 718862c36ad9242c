"""The rollout on one time axis: what pods were, who listed them, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from svcsim.report.figures.axes import TEXT, area, empty, legend_above, tick_words, tidy
from svcsim.report.palette import INK, OUTCOMES, PAPER, SOME, STALE, STATES, Look
from svcsim.report.spells import Listed, Spell, listed_spells, natural, pod_spells, stale_spells, window
from svcsim.report.words import drawable, many, readable, spaced

__all__ = ["MANY_PODS", "MOST_PODS", "failure_panels", "rollout_timeline", "rows_shown"]

Float64 = npt.NDArray[np.float64]

MANY_PODS = 40
"""Above so many pods bars are thin and have no names."""
MOST_PODS = 240
"""More pods than these are not drawn; those that change come first."""
MOST_PANELS = 4
_WIDTHS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_BINS = 120
_EVENT_ROWS = 4
_WORDS_PT = 12.0
_STATE_WORDS = {
    "listening": "listening, not ready",
    "terminating": "terminating, accepts",
    "closed": "closed",
    "foreign": "address has another owner",
    "cut off": "cut off with its node",
}
_BANDS = (
    (SOME, SOME, "listed by some nodes"),
    (INK, "#00573f", "listed by every node"),
    (STALE, STALE, "listed, accepts nothing"),
)
"""A band's colour over a thick bar and upon a thin one, and its meaning; later ones cover earlier ones."""


def rows_shown(pods: pd.DataFrame) -> int:
    """How many rows `rollout_timeline` draws of the pods of one replication."""
    return min(len(pods), MOST_PODS)


def failure_panels(failures: pd.DataFrame, clients: Sequence[str] | None) -> list[str]:
    """The clients whose failures `rollout_timeline` draws, a panel each; "" stands for all together."""
    if clients is None:
        return [""]
    failed = set(failures["client"])
    return [client for client in clients if client in failed][:MOST_PANELS] or [""]


def rollout_timeline(
    figure: Figure | SubFigure,
    pods: pd.DataFrame,
    timeline: pd.DataFrame,
    beliefs: pd.DataFrame,
    versions: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    replication: int = 0,
    clients: Sequence[str] | None = None,
    events: Sequence[tuple[float, str]] = (),
    weights: npt.ArrayLike | None = None,
    replications: int = 1,
    end_s: float | None = None,
) -> None:
    """Draw one replication on one time axis: pods by state, who lists them, failures a second by outcome.

    Over each pod's bar lies a band from the first node's kube-proxy that lists it to the last: dark while
    all of them list it, grey while some do, red while the pod accepts no connection.

    Args:
        figure: an empty one; a layout engine ("constrained") places the panels.
        pods, timeline, beliefs, versions, failures: tables of a result; `replication` is drawn of them.
        clients: a panel of failures to each, of four at most; None: one panel of all.
        events: (instant in seconds, text), marked over all panels.
        weights: (len(failures),), how many failures each row stands for; None: one. A client whose rows
            stand for more than one has too few for one replication: the mean over all is drawn, and said.
        replications: how many there were, for that mean.
        end_s: the run's end; None: the last instant in table timeline.
    """
    pods = pods[pods["replication"] == replication]
    timeline = timeline[(timeline["replication"] == replication) & timeline["pod"].isin(set(pods["pod"]))]
    if pods.empty:
        empty(figure.subplots(), "no pod")
        return
    if end_s is None:
        end_s = float(timeline["to_s"].max()) if len(timeline) else 60.0
    of_beliefs = beliefs[beliefs["replication"] == replication]
    of_versions = versions[versions["replication"] == replication]
    known = set(pods["pod"])
    listed = {pod: own for pod, own in listed_spells(of_beliefs, of_versions, end_s).items() if pod in known}
    lives = pod_spells(pods, timeline, listed, end_s)
    begin, end = window(lives, listed, [at for at, _ in events], end_s)

    counted = failures.assign(weight=1.0 if weights is None else np.asarray(weights, dtype=np.float64))
    counted = counted[counted["outcome"].isin(list(OUTCOMES))]
    panels = failure_panels(counted[counted["replication"] == replication], clients)
    owns = [_Own.of(counted, client, replication, replications) for client in panels]
    rows = rows_shown(pods)
    height = max(rows * 0.17 if rows <= MANY_PODS else 2.5 + rows * 0.035, 0.9)
    ratios = [height, *[1.0] * len(panels)]
    axes = figure.subplots(1 + len(panels), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    samples = _pods(axes[0], pods, lives, listed, (begin, end))
    axes[0].tick_params(labelbottom=False, bottom=False)
    _failures(list(axes[1:]), owns, (begin, end))
    rise = _events(list(axes), events, (begin, end))
    legend_above(axes[0], samples, rise=rise)
    axes[-1].set_xlabel(f"time since the run began, s{_left_out(begin, end, end_s)}")
    axes[-1].set_xlim(begin, end)
    axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
    tick_words(axes[-1], x=readable)


def _left_out(begin: float, end: float, end_s: float) -> str:
    whole = begin <= 0 and end >= end_s
    return (
        "" if whole else f" (the rest of the run's {readable(end_s)} s, in which no pod changes, is left out)"
    )


def _ordered(
    pods: pd.DataFrame, lives: Mapping[str, Sequence[Spell]], span: tuple[float, float]
) -> list[str]:
    """Pods from top to bottom: by workload, creation, deletion; of too many, the changing ones first."""
    born = dict(zip(pods["pod"], pods["created_s"].clip(lower=0.0), strict=True))
    died = dict(zip(pods["pod"], pods["deleted_s"].fillna(np.inf), strict=True))
    owner = dict(zip(pods["pod"], pods["workload"], strict=True))
    names = sorted(born, key=lambda pod: (owner[pod], born[pod], died[pod], natural(pod)))
    if len(names) <= MOST_PODS:
        return names
    changing = {pod for pod in names if len(lives[pod]) > 1 or born[pod] > span[0]}
    kept = set(sorted(names, key=lambda pod: pod not in changing)[:MOST_PODS])
    return [pod for pod in names if pod in kept]


def _pods(
    ax: Axes,
    pods: pd.DataFrame,
    lives: Mapping[str, Sequence[Spell]],
    listed: Mapping[str, Sequence[Listed]],
    span: tuple[float, float],
) -> list[Artist]:
    """Draw bars and bands; returns the legend's samples."""
    names = _ordered(pods, lives, span)
    few = len(names) <= MANY_PODS
    # a thin row has its band upon its bar, a thick one over it
    top, bottom = (-0.2, 0.4) if few else (-0.5, 0.5)
    bars: dict[str, list[Float64]] = {}
    bands: dict[str, list[Float64]] = {}
    for row, pod in enumerate(names):
        for spell in lives[pod]:
            _add(bars, spell.state, spell.start, spell.stop, row + top, row + bottom, span)
        ceiling = row - (0.44 if few else 0.5)
        floor = row + top - 0.04 if few else row - 0.15
        for one in listed.get(pod, ()):
            _add(bands, INK if one.everywhere else SOME, one.start, one.stop, ceiling, floor, span)
        for start, stop in stale_spells(lives[pod], listed.get(pod, ())):
            _add(bands, STALE, start, stop, ceiling, floor, span)
    samples: list[Artist] = []
    for state, look in STATES.items():
        if state not in bars:
            continue
        hatch = look.hatch if few else ""
        ax.add_collection(
            PolyCollection(
                bars[state], facecolors=look.colour, edgecolors=PAPER, hatch=hatch, linewidths=0, label=state
            )
        )
        samples.append(area(Look(look.colour, hatch), _STATE_WORDS.get(state, state)))
    for colour, upon, words in _BANDS:
        if colour not in bands:
            continue
        shown = colour if few else upon
        ax.add_collection(
            PolyCollection(bands[colour], facecolors=shown, edgecolors="none", zorder=3, label=words)
        )
        samples.append(Patch(facecolor=shown, linewidth=0, label=words))
    workloads = sorted(set(pods["workload"]))
    ax.set_ylim(len(names) - 0.4, -0.75)
    if few:
        own = f"{workloads[0]}/" if len(workloads) == 1 else ""
        ax.set_yticks(
            range(len(names)), [drawable(pod.removeprefix(own), 34) for pod in names], fontsize=TEXT - 1.5
        )
    else:
        ax.set_yticks([])
    what = drawable(workloads[0], 26) if len(workloads) == 1 else many(len(workloads), "workload")
    hidden = len(pods) - len(names)
    more = f"\n({many(hidden, 'pod')} without a change left out)" if hidden else ""
    order = "" if few else ", oldest on top"
    ax.set_ylabel(f"{many(len(names), 'pod')} of\n{what}{order}{more}")
    tidy(ax)
    ax.tick_params(axis="y", length=0, labelsize=TEXT - 1.5)
    ax.spines["left"].set_visible(False)
    return samples


def _add(
    into: dict[str, list[Float64]],
    key: str,
    start: float,
    stop: float,
    top: float,
    bottom: float,
    span: tuple[float, float],
) -> None:
    """A box, as far as it lies within the span."""
    left, right = max(start, span[0]), min(stop, span[1])
    if right > left:
        box = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        into.setdefault(key, []).append(box)


def _bin_width(span: float) -> float:
    return next((width for width in _WIDTHS_S if span / width <= _BINS), _WIDTHS_S[-1])


@dataclass(frozen=True)
class _Own:
    """Failures of a panel: of one replication, or, where the table has only a sample, the mean over all."""

    client: str
    rows: pd.DataFrame
    averaged: int

    @staticmethod
    def of(counted: pd.DataFrame, client: str, replication: int, replications: int) -> _Own:
        """The rows that count for a client ("": all clients), with their weights."""
        own = counted[counted["client"] == client] if client else counted
        one = own[own["replication"] == replication]
        if replications < 2 or not (one["weight"] > 1).any():
            return _Own(client, one, 0)
        return _Own(client, own.assign(weight=own["weight"] / replications), replications)

    def words(self, begin: float, end: float) -> str:
        """Whose failures these are, how many, and how many of them lie on the axis."""
        total = float(self.rows["weight"].sum())
        shown = float(self.rows.loc[self.rows["arrival_s"].between(begin, end), "weight"].sum())
        name = drawable(self.client, 40) if self.client else "all clients"
        if not total:
            return f"{name}: no failure"
        sampled = (self.rows["weight"] * max(self.averaged, 1) > 1).any()
        text = f"{name}: {'about ' if sampled else ''}{readable(round(total))} failures in "
        text += (
            f"a replication (mean of {self.averaged}, from a sample)" if self.averaged else "this replication"
        )
        return (
            text if round(shown) >= round(total) else f"{text}, {readable(round(shown))} of them on this axis"
        )


def _failures(axes: Sequence[Axes], owns: Sequence[_Own], span: tuple[float, float]) -> None:
    """A panel to a client: failures a second by the instant at which the request was sent."""
    begin, end = span
    width = _bin_width(end - begin)
    edges = np.arange(np.floor(begin / width), np.ceil(end / width) + 1.0) * width
    peaks = []
    seen = set()
    for ax, own in zip(axes, owns, strict=True):
        bottom = np.zeros(len(edges) - 1)
        for outcome, look in OUTCOMES.items():
            kind = own.rows[own.rows["outcome"] == outcome]
            count, _ = np.histogram(kind["arrival_s"], bins=edges, weights=kind["weight"])
            if not count.any():
                continue
            top = bottom + count / width
            ax.stairs(
                top,
                edges,
                baseline=bottom,
                fill=True,
                facecolor=look.colour,
                hatch=look.hatch,
                edgecolor=PAPER,
                linewidth=0,
            )
            seen.add(outcome)
            bottom = top
        peaks.append(float(bottom.max(initial=0.0)))
        _heading(ax, own.words(*span))
        ax.set_ylabel("per second")
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        tick_words(ax, y=readable)
        tidy(ax, grid="y")
    samples = [area(look, spaced(outcome)) for outcome, look in OUTCOMES.items() if outcome in seen]
    legend_above(axes[0], samples, rise=_WORDS_PT)
    most = max(peaks)
    alike = all(peak == 0 or peak * 4 >= most for peak in peaks)
    for ax, peak in zip(axes, peaks, strict=True):
        ax.set_ylim(0, ((most if alike else peak) or 1.0) * 1.08)


def _heading(ax: Axes, text: str) -> None:
    ax.annotate(
        text,
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 3),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=TEXT,
        color=INK,
    )


def _events(axes: Sequence[Axes], events: Sequence[tuple[float, str]], span: tuple[float, float]) -> float:
    """Mark events over all panels, with words over the first; returns how high those reach, in points."""
    begin, end = span
    texts: dict[float, list[str]] = {}
    for at, text in events:
        if begin <= at <= end:
            texts.setdefault(at, []).append(text)
    reached: list[float] = []
    for at, names in sorted(texts.items()):
        for ax in axes:
            ax.axvline(at, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=2.5)
        text = "; ".join(names)
        text = f"{at:g} s: {drawable(text, 56)}"
        width = len(text) * 0.0078 * (end - begin)
        leftward = at + width > end
        left = at - width if leftward else at
        row = next((k for k, until in enumerate(reached) if until <= left), len(reached))
        if row == len(reached):
            if row == _EVENT_ROWS:
                continue
            reached.append(left)
        reached[row] = left + width + 0.01 * (end - begin)
        axes[0].annotate(
            text,
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-2 if leftward else 2, 3 + 11 * row),
            textcoords="offset points",
            ha="right" if leftward else "left",
            va="bottom",
            fontsize=TEXT - 0.5,
            color=INK,
        )
    return 11.0 * len(reached)
