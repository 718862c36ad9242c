"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from svcsim.report.words import drawable, percent, readable, seconds, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1e9, "1,000,000,000"),
        (None, "-"),
        (math.inf, "∞"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_rounded_to_what_is_read(value: float | None, text: str) -> None:
    assert readable(value) == text


def test_rounding_never_makes_all_out_of_nearly_all() -> None:
    assert percent(0.99999) == ">99.9%"
    assert percent(0.9994) == "99.9%"
    assert percent(1.0) == "100%"


def test_a_unit_changes_where_rounding_does() -> None:
    assert [seconds(x) for x in (0.99949, 0.9996, 0.00099949, 0.0009996)] == [
        "999 ms",
        "1 s",
        "999 µs",
        "1 ms",
    ]


@pytest.mark.parametrize("limit", [8, 9, 20, 28])
def test_a_long_name_keeps_both_ends(limit: int) -> None:
    name = "deployment/" + "x" * 100 + "/r12/345"
    text = short(name, limit)
    assert len(text) == limit
    assert text[0] == "d" and text[-1] == "5" and "…" in text


@pytest.mark.parametrize(
    "name", ["$x$ and $y$", "_nolegend", "日本語 \U0001f600", "a\nb\tc", EVIL := "<script>", "\\$"]
)
def test_any_name_draws_without_a_warning(name: str) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.plot([0, 1], label=drawable(name))
    ax.set_yticks([0], [drawable(name)])
    assert [text.get_text() for text in ax.legend().get_texts()] == [drawable(name)]
    FigureCanvasAgg(figure).draw()
