"""`svcsim compare`: scenarios with the same luck, side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svcsim.cli import options
from svcsim.cli.exits import INTERRUPTED, CommandError
from svcsim.cli.progress import progress
from svcsim.cli.question import from_files, with_overrides
from svcsim.cli.runs import footer, keep, prepare, run, say_warnings, was_interrupted
from svcsim.cli.speech import emit, emit_json, say, warn
from svcsim.cli.tables import causes_table, client_paths, per_ten_thousand, seconds, summary_table, table

if TYPE_CHECKING:
    from svcsim.results.result import Result
    from svcsim.scenario import Scenario

__all__ = ["command"]

_WORDS = {
    "failed": "failed per run",
    "failed_fraction": "failed per 10,000",
    "p50_s": "p50",
    "p90_s": "p90",
    "p99_s": "p99",
    "p999_s": "p99.9",
}
_SHOWN = ("failed_fraction", "failed", "p50_s", "p99_s")


def command(
    scenario: Annotated[
        list[str], typer.Argument(metavar="SCENARIO SCENARIO...", help="Scenario files, the baseline first.")
    ],
    overrides: options.Overrides = None,
    seed: options.Seed = 1,
    replications: options.Replications = 20,
    out: options.Out = None,
    as_json: options.Json = False,
) -> int:
    """Run scenarios with the same seed, so that they meet the same arrivals and the same luck.

    Every client that two of them share is compared replication by replication, with 95% intervals of the
    difference to the first. --set changes all of them.
    """
    questions = {name: with_overrides(one, overrides or ()) for name, one in from_files(scenario).items()}
    if len(questions) < 2:
        raise CommandError("one scenario: compare needs two or more, the baseline first")
    _share_a_client(questions)
    for name, question in questions.items():
        for line in question.warnings:
            warn(f"{name}: {line}")
    prepare(out)
    results, cut = _run_all(questions, seed=seed, replications=replications)
    differences = _differences(results)
    if as_json:
        emit_json(
            {"variants": {name: one.to_dict() for name, one in results.items()}, "differences": differences}
        )
    else:
        for name, result in results.items():
            summary_table(result, name, client_paths(questions[name]))
            causes_table(result)
        _differences_table(differences)
        emit("".join(f"{name}: {footer(one)}" for name, one in results.items()))
    if out is not None:
        for name, folder in _folders(results, out).items():
            prepare(folder)
            keep(results[name], folder, name)
        say(f"a folder for each scenario is in {out}")
    return INTERRUPTED if cut else 0


def _run_all(
    questions: dict[str, Scenario], *, seed: int, replications: int
) -> tuple[dict[str, Result], bool]:
    """Run until all is done, or until Ctrl-C; what was complete then is kept."""
    results: dict[str, Result] = {}
    total = replications * len(questions)
    with progress("comparing", total) as step:
        for k, (name, question) in enumerate(questions.items()):
            try:
                results[name] = run(
                    question,
                    seed=seed,
                    replications=replications,
                    step=lambda done, _, k=k: step(k * replications + done, total),  # type: ignore[misc]
                )
            except KeyboardInterrupt:
                if not results:
                    raise
                warn(f"interrupted: {name} and what follows did not run")
                return results, True
            say_warnings(results[name], question)
            if was_interrupted(results[name], replications):
                return results, True
    return results, False


def _share_a_client(questions: dict[str, Scenario]) -> None:
    """Refuse now what `compare` would refuse after all the work."""
    (baseline, first), *others = questions.items()
    names = {client.name for client in first.clients}
    for name, question in others:
        own = [client.name for client in question.clients]
        if not names & set(own):
            raise CommandError(
                f"{baseline} and {name} have no client in common: "
                f"{', '.join(sorted(names))} there, {', '.join(own)} here"
            )


def _differences(results: dict[str, Result]) -> list[dict[str, Any]]:
    if len(results) < 2:
        return []
    from svcsim.comparison import compare  # noqa: PLC0415 (heavy)

    frame = compare(results)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _differences_table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table(
        f"Difference to {rows[0]['baseline']}, the same luck on both sides",
        ("scenario", "client", "what", ">there", ">here", ">difference", "95% interval"),
        (
            (
                row["variant"],
                row["client"],
                _WORDS[row["metric"]],
                _value(row["metric"], row["baseline_value"]),
                _value(row["metric"], row["value"]),
                _signed(row["metric"], row["difference"]),
                "-"
                if row["low"] is None
                else f"{_signed(row['metric'], row['low'])} to {_signed(row['metric'], row['high'])}",
            )
            for row in rows
            if row["metric"] in _SHOWN
        ),
    )


def _value(metric: str, value: float | None) -> str:
    if metric == "failed_fraction":
        return per_ten_thousand(value)
    if metric.endswith("_s"):
        return seconds(value)
    return "-" if value is None else f"{value:,.4g}"


def _signed(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return ("+" if value > 0 else "-") + _value(metric, abs(value))


def _folders(results: dict[str, Result], out: Path) -> dict[str, Path]:
    """A folder name for each variant, from its file's name, no two alike."""
    folders: dict[str, Path] = {}
    for name in results:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).stem).strip("-.") or "scenario"
        folder, k = out / stem, 1
        while folder in folders.values():
            k += 1
            folder = out / f"{stem}-{k}"
        folders[name] = folder
    return folders
