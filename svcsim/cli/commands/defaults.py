"""`svcsim defaults`: what is taken where a scenario says nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from svcsim.cli import options
from svcsim.cli.exits import CommandError
from svcsim.cli.speech import emit, emit_json
from svcsim.cli.tables import table

__all__ = ["command"]

_COLUMNS = ("key", "value", "unit", "kind", "source")


def command(
    as_json: options.Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> int:
    """Print every default: its value, whether it is measured or assumed, and its source."""
    from svcsim.scenario import defaults_table  # noqa: PLC0415 (heavy)

    if as_json and markdown:
        raise CommandError("--json and --markdown exclude each other; choose one")
    rows = defaults_table()
    if as_json:
        emit_json(rows)
    elif markdown:
        lines = [
            _COLUMNS,
            ["---"] * len(_COLUMNS),
            *([_escaped(row[name]) for name in _COLUMNS] for row in rows),
        ]
        emit("".join(f"| {' | '.join(line)} |\n" for line in lines))
    else:
        table("Defaults", _COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))
    return 0


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
