"""`svcsim defaults`: what is taken where a scenario says nothing."""

from __future__ import annotations

from svcsim.cli import options
from svcsim.cli.speech import emit_json
from svcsim.cli.tables import table

__all__ = ["command"]

_COLUMNS = ("key", "value", "unit", "kind", "source")


def command(as_json: options.Json = False) -> int:
    """Print every default: its value, whether it is measured or assumed, and its source."""
    from svcsim.scenario import defaults_table  # noqa: PLC0415 (heavy)

    rows = defaults_table()
    if as_json:
        emit_json(rows)
    else:
        table("Defaults", _COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))
    return 0
