"""`svcsim schema`: the JSON schema of scenario files."""

from __future__ import annotations

from svcsim.cli.speech import emit_json

__all__ = ["command"]


def command() -> int:
    """Print the JSON schema of scenario files, for editors and checkers."""
    from svcsim.scenario import json_schema  # noqa: PLC0415 (heavy)

    emit_json(json_schema())
    return 0
