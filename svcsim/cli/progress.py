"""Progress on standard error, only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from svcsim.cli.speech import on_terminal

__all__ = ["Step", "progress"]

Step = Callable[[int, int], None]

FIRST = "starting (the first run after installation compiles for about 20 s)"


def _ignore(done: int, of: int) -> None:
    return None


@contextmanager
def progress(what: str, total: int) -> Iterator[Step]:
    """Show a bar until the block ends; yields the function that moves it."""
    if not on_terminal(sys.stderr):
        yield _ignore
        return
    from rich.console import Console  # noqa: PLC0415 (only where it is seen)
    from rich.progress import (  # noqa: PLC0415 (only where it is seen)
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(FIRST, total=total)

        def step(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, description=what)

        yield step
