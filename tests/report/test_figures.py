"""Every figure draws, at every size, without a warning, and covers nothing that it says."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from svcsim.report import (
    failures_per_replication,
    lag_budget,
    lag_distribution,
    latency_distribution,
    lines_with_bands,
    outcome_breakdown,
    path_comparison,
    rollout_timeline,
)
from svcsim.report.palette import STALE
from svcsim.report.pictures import FIGURES, WIDTH
from svcsim.report.setting import setting_of
from svcsim.results.result import Result
from tests.report.made import EVIL, empty_result, rollout

LONG = "deployment/" + "a-very-long-name-for-a-workload-" * 6
MANY_CLIENTS = tuple(
    (f"client-{k}", via) for k, via in enumerate(["cluster-ip", "pod-ip once", "loopback"] * 4)
)
RESULTS = {
    "empty": empty_result,
    "two": lambda: rollout(pods=2),
    "one replication": lambda: rollout(pods=3, replications=1),
    "no failure": lambda: rollout(pods=3, failing=False),
    "names": lambda: rollout(
        pods=5, workload=LONG, clients=((EVIL * 9, "cluster-ip"), ("_$x$\U0001f600", "pod-ip"))
    ),
    "twelve clients": lambda: rollout(pods=10, clients=MANY_CLIENTS),
    "sixty": lambda: rollout(pods=60),
    "hundred": lambda: rollout(pods=100, nodes=5),
    "more pods than rows": lambda: rollout(pods=200),
    "thousand replications": lambda: rollout(pods=2, replications=1000),
}


@pytest.fixture(scope="module", params=list(RESULTS))
def result(request: pytest.FixtureRequest) -> Result:
    return RESULTS[request.param]()


def _drawn(name: str, result: Result) -> Figure:
    setting = setting_of(result)
    figure = Figure(figsize=(WIDTH, FIGURES[name].height(setting)), layout="constrained")
    FIGURES[name].draw_on(figure, setting)
    FigureCanvasAgg(figure).draw()
    return figure


def _boxes(texts: list[Text]) -> list[tuple[str, Bbox]]:
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in shown]


def _overlap(a: Bbox, b: Bbox, slack: float = 1.0) -> bool:
    return a.x0 + slack < b.x1 and b.x0 + slack < a.x1 and a.y0 + slack < b.y1 and b.y0 + slack < a.y1


def _ticks(ax: Axes) -> list[Text]:
    """The labels of ticks that lie on the axes."""
    found = []
    for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
        if ax.axison:
            places = axis.get_ticklocs()
            found += [t for t, at in zip(axis.get_ticklabels(), places, strict=False) if low <= at <= high]
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_and_beside_each_other_and_legends_outside_the_data(
    name: str, result: Result
) -> None:
    figure = _drawn(name, result)
    edge = figure.bbox.padded(1.0)
    found: list[tuple[str, Bbox]] = []
    for ax in figure.axes:
        legend = ax.get_legend()
        labels = [ax.xaxis.label, ax.yaxis.label] if ax.axison else []
        found += _boxes([*ax.texts, *labels, *_ticks(ax), *(legend.get_texts() if legend else [])])
    for text, box in found:
        assert edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1, text
    for (text, box), (other, over) in combinations(found, 2):
        assert not _overlap(box, over), (text, other)
    for ax in figure.axes:
        legend = ax.get_legend()
        if legend is not None:
            assert not [other for other in figure.axes if _overlap(legend.get_window_extent(), other.bbox)]


@pytest.mark.parametrize("name", FIGURES)
def test_axes_have_labels_with_units(name: str) -> None:
    figure = _drawn(name, rollout(pods=10))
    assert figure.axes
    words = [ax.get_xlabel() for ax in figure.axes if ax.get_xlabel()]
    assert words
    if name == "timeline":
        assert words[0].startswith("time since the run began, s")
        assert [ax.get_ylabel() for ax in figure.axes[1:]] == ["per second"] * (len(figure.axes) - 1)


def test_a_zero_says_none_and_what_follows() -> None:
    ax = _drawn("paths", rollout(failing=False)).axes[0]
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("none") == 2
    assert texts.count("none in 20 replications\n< 13.9% of runs lose any") == 2


def test_intervals_are_drawn_where_there_are_any() -> None:
    with_them = _drawn("paths", rollout(replications=5)).axes[0]
    without = _drawn("paths", rollout(replications=4)).axes[0]
    assert len(with_them.lines) == len(without.lines) + 2
    assert any("[" in text.get_text() for text in with_them.texts)
    assert any("(4 replications)" in text.get_text() for text in without.texts)


def test_the_scale_is_logarithmic_when_ranges_demand() -> None:
    result = rollout(clients=(("a", "cluster-ip"), ("b", "loopback"), ("c", "loopback")))
    figure = Figure()
    axes = figure.subplots(1, 2)
    path_comparison(axes[0], result.summary)
    path_comparison(axes[1], result.summary.iloc[:1])
    assert [ax.get_xscale() for ax in axes] == ["log", "linear"]


def test_the_timeline_shows_pods_bands_failures_and_events_on_one_axis() -> None:
    result = rollout(pods=4)
    figure = Figure(figsize=(9, 6), layout="constrained")
    tables = (result.pods, result.timeline, result.beliefs, result.versions, result.failures)
    rollout_timeline(figure, *tables, clients=["vip", "pinned"], events=[(20.0, "rollout"), (20.0, "$scale")])
    FigureCanvasAgg(figure).draw()
    top, *panels = figure.axes
    assert len(panels) == 2
    assert {ax.get_xlim() for ax in figure.axes} == {top.get_xlim()}
    assert [text.get_text() for text in top.texts] == ["20 s: rollout; \\$scale"]
    bands = {c.get_label(): c for c in top.collections if isinstance(c, PolyCollection)}
    stale = bands["listed, accepts nothing"]
    spans = sorted((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in stale.get_paths())
    # old pod k stops at 21.2 + 5 k and is listed until the last of three nodes has heard, at 22.2 + 5 k
    assert np.allclose(spans, [(21.2 + 5 * k, 22.2 + 5 * k) for k in range(4)])
    assert stale.get_facecolor()[0][:3] == pytest.approx([int(STALE[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    assert set(bands) >= {"pending", "starting", "listening", "ready", "terminating", "closed"}


def test_failures_per_second_add_up() -> None:
    result = rollout(pods=4, replications=1)
    figure = Figure()
    tables = (result.pods, result.timeline, result.beliefs, result.versions, result.failures)
    rollout_timeline(figure, *tables)
    top = {}
    for patch in figure.axes[1].patches:
        values, edges, baseline = patch.get_data()
        top[patch] = float(np.sum((values - baseline) * np.diff(edges)))
    begin, end = figure.axes[0].get_xlim()
    assert sum(top.values()) == pytest.approx(result.failures["arrival_s"].between(begin, end).sum())


def test_a_sampled_client_is_drawn_as_the_mean_and_says_so() -> None:
    result = rollout(pods=4, replications=10)
    figure = Figure()
    tables = (result.pods, result.timeline, result.beliefs, result.versions, result.failures)
    weights = np.where(result.failures["client"] == "pinned", 5.0, 1.0)
    rollout_timeline(figure, *tables, clients=["vip", "pinned"], weights=weights, replications=10)
    first, second = (ax.texts[0].get_text() for ax in figure.axes[1:])
    assert "in this replication" in first and "about" not in first
    of_pinned = 5.0 * (result.failures["client"] == "pinned").sum() / 10
    assert second.startswith(
        f"pinned: about {of_pinned:.0f} failures in a replication (mean of 10, from a sample)"
    )


def test_events_never_write_over_each_other() -> None:
    result = rollout(pods=4)
    figure = Figure(figsize=(9, 6), layout="constrained")
    tables = (result.pods, result.timeline, result.beliefs, result.versions, result.failures)
    events = [(20.0 + 0.7 * k, f"scale deployment/web to {k}") for k in range(30)]
    rollout_timeline(figure, *tables, events=events)
    FigureCanvasAgg(figure).draw()
    boxes = _boxes(list(figure.axes[0].texts))
    assert boxes
    assert not any(_overlap(a, b) for (_, a), (_, b) in combinations(boxes, 2))


def test_figures_draw_on_axes_among_others() -> None:
    result = rollout()
    axes = Figure(figsize=(12, 14), layout="constrained").subplots(3, 2).ravel()
    path_comparison(axes[0], result.summary)
    outcome_breakdown(axes[1], result.summary)
    lag_budget(axes[2], result.causes, result.summary)
    latency_distribution(axes[3], result.latency, result.summary)
    lag_distribution(axes[4], result.lag)
    failures_per_replication(axes[5], result.replications, result.summary)
    FigureCanvasAgg(axes[0].figure).draw()


def test_the_lag_of_nothing_but_zeros_draws() -> None:
    lag = rollout().lag.assign(mean_s=0.0, p50_s=0.0, p90_s=0.0, p99_s=0.0)
    figure = Figure()
    lag_distribution(figure.subplots(), lag)
    FigureCanvasAgg(figure).draw()


def test_the_latency_of_a_single_request_draws() -> None:
    result = rollout()
    figure = Figure()
    latency_distribution(figure.subplots(), result.latency.iloc[:1].assign(count=1), result.summary)
    FigureCanvasAgg(figure).draw()


def test_latency_is_the_share_that_took_longer() -> None:
    result = rollout(clients=(("vip", "cluster-ip"),))
    ax = Figure().subplots()
    latency = result.latency.iloc[:3].assign(from_s=[1.0, 2.0, 4.0], to_s=[2.0, 4.0, 8.0], count=[5, 4, 1])
    latency_distribution(ax, latency, result.summary)
    x, y = ax.lines[0].get_data()
    assert list(zip(x, y, strict=True)) == [(1.0, 1.0), (2.0, pytest.approx(0.5)), (4.0, pytest.approx(0.1))]


def test_lines_with_bands_draw_intervals_theory_and_gaps() -> None:
    figure = Figure()
    ax = figure.subplots()
    nan = float("nan")
    x = [1.0, 2.0, 3.0]
    lines_with_bands(
        ax, x, [2, 4, 6], [1, 3, nan], [3, 5, nan], label="runs", theory=(x, x), theory_label="R x lag"
    )
    lines_with_bands(ax, x, [2, 4, 6], [nan] * 3, [nan] * 3, label="few", colour="#d55e00", marker="s")
    assert [text.get_text() for text in ax.legend().get_texts()] == ["runs", "R x lag", "few"]
    assert len(ax.collections) == 2  # a band and its bars
    FigureCanvasAgg(figure).draw()


def test_nothing_of_pyplot_is_used() -> None:
    script = "import sys, svcsim.report; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
