"""What experiments share: options, a store of finished cells, progress, tables, the verdict.

A cell is one scenario, run with one seed so many times. Finished ones are lines of JSON in a file that is
only ever appended to, so an experiment may be stopped at any moment; a line that was not written to its end
is cut off, and its cell runs again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import svcsim

__all__ = [
    "CellStore",
    "Claim",
    "Options",
    "finish",
    "options",
    "per_10k",
    "run_cells",
    "save",
    "show_table",
    "span",
    "started",
    "summary_of",
]

_UNFOLDED = 4000
_DPI = 130
_INTERVALS_FROM = 5


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    name: str
    out: Path
    quick: bool
    replications: int
    seed: int

    def path(self, suffix: str) -> Path:
        """A file of this experiment; several experiments may share a folder."""
        return self.out / f"{self.name}{suffix}"


@dataclass(frozen=True)
class Claim:
    """Something that the result should show, and whether it does."""

    text: str
    holds: bool


def options(file: str, doc: str, arguments: Sequence[str] | None, *, quick: int, full: int) -> Options:
    """Read the command line of an experiment.

    Args:
        file, doc: the experiment's `__file__` and `__doc__`.
        arguments: the command line; None: that of the process.
        quick, full: replications of a cell with and without `--quick`.
    """
    name = Path(file).stem
    parser = argparse.ArgumentParser(
        prog=f"{name}.py", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer cells and replications: under 30 s on one core"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"where cells, table and figure go (experiments/out/{name})"
    )
    parser.add_argument(
        "--replications",
        type=int,
        metavar="R",
        help=f"of each cell, {_INTERVALS_FROM} or more ({full}; quick: {quick})",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="(1)")
    given = parser.parse_args(arguments)
    replications = given.replications
    if replications is None:
        replications = quick if given.quick else full
    if replications < _INTERVALS_FROM:
        parser.error(f"--replications {replications} must be >= {_INTERVALS_FROM}, or there is no interval")
    out = given.out if given.out is not None else Path(file).resolve().parent / "out" / name
    out.mkdir(parents=True, exist_ok=True)
    return Options(name=name, out=out, quick=given.quick, replications=replications, seed=given.seed)


class CellStore:
    """Finished cells by key, in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cells: dict[str, dict[str, Any]] = {}
        text = path.read_bytes() if path.exists() else b""
        self._whole = text.rfind(b"\n") + 1
        for number, line in enumerate(text[: self._whole].splitlines(), start=1):
            try:
                cell = json.loads(line)
                self._cells[cell["key"]] = cell
            except (ValueError, KeyError, TypeError) as err:
                raise SystemExit(
                    f"{path}, line {number}: not a finished cell ({err}); remove the line, or the file"
                ) from err

    def __contains__(self, key: str) -> bool:
        return key in self._cells

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._cells[key]

    def append(self, key: str, cell: Mapping[str, Any]) -> None:
        """Keep a finished cell, on disk before this returns."""
        line = json.dumps({"key": key, **cell}, allow_nan=False).encode() + b"\n"
        with self._path.open("ab") as file:
            file.truncate(self._whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(line)
        self._cells[key] = json.loads(line)


def _measured(result: svcsim.Result) -> dict[str, Any]:
    """What a cell keeps of a result: summary, causes, and each replication's failures by client."""
    whole = result.to_dict()
    by_client = result.replications.groupby("client", sort=False)
    return {
        "scenario": whole["provenance"]["scenario"],
        "summary": whole["summary"],
        "causes": whole["causes"],
        "failed": {str(client): rows["failed"].tolist() for client, rows in by_client},
    }


def run_cells(
    scenarios: Mapping[str, svcsim.Scenario],
    asked: Options,
    store: CellStore,
    *,
    also: Callable[[svcsim.Result], Mapping[str, Any]] = lambda _: {},
    keep_requests: bool = False,
) -> dict[str, dict[str, Any]]:
    """Run the cells that the store does not have, and return all of them by name, in the order given.

    `also`: what a cell keeps beside the summary, as JSON has it; `keep_requests`: with every request at hand.

    Raises:
        KeyboardInterrupt: it was stopped; what had been finished is kept.
    """
    keys = {
        name: f"{scenario.strong_id()} seed {asked.seed} replications {asked.replications}"
        for name, scenario in scenarios.items()
    }
    missing = {key: name for name, key in keys.items() if key not in store}
    console = Console(stderr=True)
    if not missing:
        console.print(f"complete: all {len(scenarios)} cells are there; nothing to simulate", soft_wrap=True)
    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total} replications"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(missing) * asked.replications)
        for done, (key, name) in enumerate(missing.items()):
            progress.update(task, description=name)
            before = done * asked.replications
            result = svcsim.simulate(
                scenarios[name],
                seed=asked.seed,
                replications=asked.replications,
                keep_requests=keep_requests,
                progress=lambda k, _, before=before: progress.update(task, completed=before + k),
            )
            if int(result.summary["replications"].iloc[0]) < asked.replications:
                raise KeyboardInterrupt
            store.append(key, {**_measured(result), **also(result)})
            if not console.is_terminal:
                console.print(f"{done + 1}/{len(missing)} {name}", soft_wrap=True, highlight=False)
    return {name: store[key] for name, key in keys.items()}


def summary_of(cell: Mapping[str, Any]) -> pd.DataFrame:
    """The summary of a cell, a row to a client, NaN where there is no number."""
    frame = pd.DataFrame(cell["summary"])
    return frame.astype(dict.fromkeys(frame.columns[2:], "float64"))


def span(low: float, high: float, say: Callable[[float], str] = "{:.1f}".format) -> str:
    """An interval as text; a dash where none is known."""
    return f"[{say(low)}, {say(high)}]" if isfinite(low) and isfinite(high) else "-"


def per_10k(fraction: float) -> str:
    """A fraction as so many in 10,000."""
    value = fraction * 1e4
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a column whose name starts with `>` is flushed right."""
    terminal = sys.stdout.isatty()
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        drawn.add_column(
            name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=not terminal
        )
    for row in rows:
        drawn.add_row(*row)
    Console(width=None if terminal else _UNFOLDED, highlight=False).print(drawn)


def finish(asked: Options, table: pd.DataFrame, draw: Callable[[Path], None], claims: Sequence[Claim]) -> int:
    """Write table and figure unless they are there, say whether the shape is as expected; the exit code.

    `draw` draws what the table says, so it is called only when the table is another than the one written.
    """
    data, picture = asked.path(".csv"), asked.path(".png")
    text = table.to_csv(index=False, float_format="%.10g")
    if not (data.exists() and picture.exists() and data.read_text(encoding="utf-8") == text):
        part = asked.path(".part.png")
        draw(part)
        part.replace(picture)
        data.write_text(text, encoding="utf-8")
    out = Console(soft_wrap=True, highlight=False)
    out.print(f"table {data}, figure {picture}", markup=False)
    wrong = [claim.text for claim in claims if not claim.holds]
    if wrong:
        out.print(f"Not the expected shape: it does not hold that {'; nor that '.join(wrong)}.", markup=False)
        return 1
    out.print(f"The expected shape: {'; '.join(claim.text for claim in claims)}.", markup=False)
    return 0


def started(main: Callable[[], int]) -> None:
    """Run an experiment as a program: stopped at any moment, it says how to go on."""
    try:
        code = main()
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command goes on from here", soft_wrap=True)
        code = 130
    sys.exit(code)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, the same bytes for the same drawing."""
    figure.savefig(path, dpi=_DPI, facecolor="white", metadata={"Software": None})
