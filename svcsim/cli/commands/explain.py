"""`svcsim explain`: why requests failed, in words."""

from __future__ import annotations

from typing import Annotated

import typer

from svcsim.cli import options
from svcsim.cli.speech import emit

__all__ = ["command"]


def command(
    directory: options.ResultDir,
    client: Annotated[str | None, typer.Option(metavar="NAME", help="One client; all by default.")] = None,
) -> int:
    """Say in words why requests of a result failed, and what would help."""
    from svcsim.results.files import load  # noqa: PLC0415 (heavy)

    emit(load(directory).explain(client).rstrip() + "\n")
    return 0
