"""Results as tables for people."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from svcsim.cli.speech import emit, on_terminal

if TYPE_CHECKING:
    from rich.table import Table

    from svcsim.results.result import Result
    from svcsim.scenario import Scenario

__all__ = ["causes_table", "client_paths", "per_ten_thousand", "seconds", "summary_table", "table"]

_UNFOLDED = 4000
"""Width where nobody watches: no cell is ever folded."""

_BOUND = "< X% of runs: no request failed in any run, so fewer than X% of runs would see one (95% confidence)"

_NOT_FAILURES = ("ok", "open", "not_sent")


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    spare: Sequence[str] = (),
    note: str = "",
) -> None:
    """Print one table; a column whose name starts with `>` is flushed right.

    spare: columns that are left out, one after the other, while the terminal is too narrow for all; note: a
    line below.
    """
    from rich.console import Console  # noqa: PLC0415 (only for tables)
    from rich.measure import Measurement  # noqa: PLC0415 (only for tables)

    watched = on_terminal(sys.stdout)
    buffer = io.StringIO()
    width = None if watched else _UNFOLDED
    console = Console(file=buffer, force_terminal=watched, width=width, highlight=False)
    cells = list(rows)
    left = [*columns]
    drawn = _drawn(title, columns, cells, left)
    for name in spare:
        if (
            Measurement.get(console, console.options.update(max_width=_UNFOLDED), drawn).maximum
            <= console.width
        ):
            break
        left.remove(name)
        drawn = _drawn(title, columns, cells, left)
    console.print(drawn)
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    emit("\n".join([*lines, note] if note else lines) + "\n\n")


def _drawn(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str]) -> Table:
    from rich import box  # noqa: PLC0415 (only for tables)
    from rich.table import Table  # noqa: PLC0415 (only for tables)
    from rich.text import Text  # noqa: PLC0415 (only for tables)

    drawn = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for name in left:
        drawn.add_column(
            Text(name.removeprefix(">")), justify="right" if name.startswith(">") else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(Text(cell) for name, cell in zip(columns, row, strict=True) if name in left))
    return drawn


def summary_table(result: Result, title: str, paths: Mapping[str, str]) -> None:
    """Print a row per client: how many failed, of which kind, how fast the others were.

    paths: how clients reach their pods, see `client_paths`.
    """
    table(
        title,
        (
            "client",
            "path",
            ">requests",
            ">failed",
            ">per 10,000",
            "95% interval",
            "by outcome",
            ">p50",
            ">p99",
        ),
        (
            (
                row["client"],
                paths.get(row["client"], row["via"]),
                f"{row['requests']:,}",
                f"{row['failed']:,}",
                per_ten_thousand(row["failed_fraction"]),
                _interval(row),
                _outcomes(row),
                seconds(row["p50_s"]),
                seconds(row["p99_s"]),
            )
            for row in result.to_dict()["summary"]
        ),
        spare=(">p50", ">p99", "by outcome"),
        note=_BOUND if any(_bounded(row) for row in result.to_dict()["summary"]) else "",
    )


def causes_table(result: Result) -> None:
    """Print why requests failed, biggest first; nothing if none did."""
    rows = result.to_dict()["causes"]
    if not rows:
        return
    order = {row["client"]: k for k, row in enumerate(result.to_dict()["summary"])}
    rows.sort(key=lambda row: (order[row["client"]], -row["count"]))
    table(
        "Why they failed",
        ("client", "outcome", "cause", "stage", ">count"),
        ((r["client"], r["outcome"], r["cause"], r["stage"] or "-", f"{r['count']:,}") for r in rows),
    )


def client_paths(question: Scenario) -> dict[str, str]:
    """How each client reaches its pods, in a word or two more than `via`."""
    paths = {}
    for client in question.clients:
        resolve: str = client.resolve or ""
        if client.resolve_every_ns:
            resolve = f"every {client.resolve_every_ns / 1e9:g}s"
        paths[client.name] = f"{client.via} {resolve}".strip()
    return paths


def per_ten_thousand(fraction: float | None) -> str:
    """Write a fraction as a count of 10,000."""
    if fraction is None:
        return "-"
    value = fraction * 10_000
    return "0" if value == 0 else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Write a time in the unit that suits it."""
    if value is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value >= 1 / factor:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def _interval(row: Mapping[str, Any]) -> str:
    low, high = row["failed_fraction_low"], row["failed_fraction_high"]
    if low is not None and high is not None:
        return f"{per_ten_thousand(low)} - {per_ten_thousand(high)}"
    if _bounded(row):
        return f"< {row['p_replication_fails_high']:.0%} of runs"
    return "-"


def _bounded(row: Mapping[str, Any]) -> bool:
    """Whether no failure was seen, so that a bound is all there is to say."""
    return not row["failed"] and row["p_replication_fails_high"] is not None


def _outcomes(row: Mapping[str, Any]) -> str:
    from svcsim.schema import TABLES  # noqa: PLC0415 (heavy)

    names = [column.name for column in TABLES["summary"]]
    kinds = names[names.index("ok") : names.index("failed")]
    seen = sorted(
        ((row[kind], kind) for kind in kinds if kind not in _NOT_FAILURES and row[kind]), reverse=True
    )
    return ", ".join(f"{kind} {count:,}" for count, kind in seen) or "-"
