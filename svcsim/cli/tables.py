"""Results as tables for people."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from svcsim.cli.speech import emit, on_terminal

if TYPE_CHECKING:
    from svcsim.results.result import Result
    from svcsim.scenario import Scenario

__all__ = ["causes_table", "client_paths", "per_ten_thousand", "seconds", "summary_table", "table"]

_UNFOLDED = 4000
"""Width where nobody watches: no cell is ever folded."""

_NOT_FAILURES = ("ok", "open", "not_sent")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table; a column whose name starts with `>` is flushed right."""
    from rich import box  # noqa: PLC0415 (only for tables)
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    watched = on_terminal(sys.stdout)
    drawn = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for column in columns:
        drawn.add_column(
            Text(column.removeprefix(">")),
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
        )
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    buffer = io.StringIO()
    width = None if watched else _UNFOLDED
    Console(file=buffer, force_terminal=watched, width=width, highlight=False).print(drawn)
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    emit("\n".join(lines) + "\n\n")


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
    if not row["failed"] and row["p_replication_fails_high"] is not None:
        return f"P(a run fails) < {row['p_replication_fails_high']:.2g}"
    return "-"


def _outcomes(row: Mapping[str, Any]) -> str:
    from svcsim.schema import TABLES  # noqa: PLC0415 (heavy)

    names = [column.name for column in TABLES["summary"]]
    kinds = names[names.index("ok") : names.index("failed")]
    seen = sorted(
        ((row[kind], kind) for kind in kinds if kind not in _NOT_FAILURES and row[kind]), reverse=True
    )
    return ", ".join(f"{kind} {count:,}" for count, kind in seen) or "-"
