"""Every figure of a report: its size, its caption, and the same drawing as PNG and as SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from markupsafe import Markup, escape
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from svcsim.report import figures
from svcsim.report.figures.timeline import MANY_PODS, failure_panels, rows_shown
from svcsim.report.palette import GRID, INK, PAPER, SOFT
from svcsim.report.setting import REPLICATION, Setting, setting_of
from svcsim.results.result import Result

__all__ = ["FIGURES", "Drawn", "Picture", "draw", "drawn"]

WIDTH = 9.5
EMPTY = 0.7
DPI = 130
_STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "hatch.linewidth": 0.8,
    "figure.dpi": DPI,
    "svg.fonttype": "path",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}
_FOLLOWING = {INK: "var(--ink)", SOFT: "var(--soft)", GRID: "var(--line)", PAPER: "var(--paper)"}


@dataclass(frozen=True)
class Picture:
    """One figure: its height in inches, what draws it, and what a reader should know to read it."""

    height: Callable[[Setting], float]
    draw_on: Callable[[Figure, Setting], None]
    caption: str


@dataclass(frozen=True)
class Drawn:
    """A figure as a PNG, and as SVG for a page, whose colours follow the page's scheme."""

    png: bytes
    svg: Markup


def _on_axes(draw_on: Callable[[Axes, Setting], None]) -> Callable[[Figure, Setting], None]:
    def on_figure(figure: Figure, setting: Setting) -> None:
        draw_on(figure.subplots(), setting)

    return on_figure


def _timeline(figure: Figure, setting: Setting) -> None:
    result = setting.result
    figures.rollout_timeline(
        figure,
        setting.pods,
        result.timeline,
        result.beliefs,
        result.versions,
        setting.failures,
        replication=REPLICATION,
        clients=setting.clients,
        events=setting.events,
        weights=setting.weights,
        replications=int(result.provenance.get("replications", 1)),
        end_s=setting.end_s,
    )


def _timeline_height(setting: Setting) -> float:
    rows = rows_shown(setting.pods)
    bars = rows * 0.17 if rows <= MANY_PODS else 2.5 + rows * 0.035
    first = setting.failures[setting.failures["replication"] == REPLICATION]
    return 2.3 + max(bars, 0.9) + 1.3 * len(failure_panels(first, setting.clients))


def _clients_height(setting: Setting) -> float:
    return 1.1 + 0.46 * max(len(setting.summary), 1)


def _failing_height(setting: Setting) -> float:
    failing = int((setting.summary["failed"] > 0).sum())
    return 1.5 + 0.46 * failing if failing else EMPTY


def _lag_height(setting: Setting) -> float:
    stages = int((setting.result.lag["count"] > 0).sum())
    return 1.2 + 0.38 * stages if stages else EMPTY


def _latency_height(setting: Setting) -> float:
    return 4.0 + 0.1 * len(setting.summary)


FIGURES: dict[str, Picture] = {
    "timeline": Picture(
        _timeline_height,
        _timeline,
        "One replication, the first. Bars: what each pod was. The band over a bar: from the first node whose "
        "kube-proxy lists the pod to the last; red where connections are still sent to it and none is "
        "accepted. Below: failed requests of each client by the instant at which they were sent.",
    ),
    "paths": Picture(
        _clients_height,
        _on_axes(lambda ax, s: figures.path_comparison(ax, s.summary)),
        "Failed requests in 10,000 by client, all replications together; 95% intervals over replications.",
    ),
    "outcomes": Picture(
        _failing_height,
        _on_axes(lambda ax, s: figures.outcome_breakdown(ax, s.summary)),
        "What the failures of each client looked like to it.",
    ),
    "budget": Picture(
        _failing_height,
        _on_axes(lambda ax, s: figures.lag_budget(ax, s.result.causes, s.summary)),
        "The lag budget: in which stage between truth and the router's belief each client's failures fell.",
    ),
    "lag": Picture(
        _lag_height,
        _on_axes(lambda ax, s: figures.lag_distribution(ax, s.result.lag)),
        "How long changes spend in each stage: over all changes, observers and replications.",
    ),
    "latency": Picture(
        _latency_height,
        _on_axes(lambda ax, s: figures.latency_distribution(ax, s.result.latency, s.summary)),
        "How long answered requests took: the share that took longer than a time. Failed ones are not in it.",
    ),
    "clusters": Picture(
        _clients_height,
        _on_axes(lambda ax, s: figures.failures_per_replication(ax, s.result.replications, s.summary)),
        "Failures come in clusters, one to a rollout. So a replication is one sample, and intervals are over "
        "replications.",
    ),
}
"""Figures by file name, in the order of a report."""


def drawn(name: str, setting: Setting) -> Drawn:
    """Draw one figure of `FIGURES`; the same bytes for the same result."""
    picture = FIGURES[name]
    with style.context(["default", {**_STYLE, "svg.hashsalt": name}]):
        figure = Figure(figsize=(WIDTH, picture.height(setting)), layout="constrained")
        FigureCanvasAgg(figure)
        picture.draw_on(figure, setting)
        raster, vector = BytesIO(), BytesIO()
        figure.savefig(raster, format="png", dpi=DPI, facecolor=PAPER, metadata={"Software": None})
        figure.savefig(vector, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    return Drawn(raster.getvalue(), _for_page(vector.getvalue().decode(), name, picture.caption))


_METADATA = ("Creator", "Date", "Format", "Type")


def _for_page(svg: str, name: str, caption: str) -> Markup:
    """An SVG file as part of a page: no prolog, no comments, ids of its own, colours of the page's scheme."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    for colour, variable in _FOLLOWING.items():
        body = body.replace(colour, variable)
    head = Markup('<svg role="img" aria-label="{}" ').format(escape(caption))
    # matplotlib has escaped every text in it; comments, which it has not, are gone
    return head + Markup(body.removeprefix("<svg "))


def draw(name: str, result: Result) -> bytes:
    """One figure of `FIGURES` as a PNG."""
    return drawn(name, setting_of(result)).png
