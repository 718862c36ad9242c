"""One run of a scenario with what the command line adds: progress, partial results, files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from svcsim.cli.exits import CommandError
from svcsim.cli.progress import Step
from svcsim.cli.speech import warn

if TYPE_CHECKING:
    from svcsim.results.result import Result
    from svcsim.scenario import Scenario
    from svcsim.timeline import Recording

__all__ = ["EngineName", "footer", "keep", "prepare", "run", "say_warnings", "was_interrupted"]

EngineName = Literal["vectorised", "reference"]


def prepare(out: Path | None) -> None:
    """Make the folder that results go to, before any time is spent.

    Raises:
        CommandError: it is a file, or cannot be made or written.
    """
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CommandError(f"--out = {str(out)!r} is a file; name a folder") from None
    except NotADirectoryError:
        raise CommandError(f"--out = {str(out)!r} lies in a file; name a folder") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(f"--out = {str(out)!r} cannot be made: {why}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise CommandError(f"--out = {str(out)!r} cannot be written; name a folder of yours")


def run(
    question: Scenario,
    *,
    seed: int,
    replications: int,
    step: Step,
    engine: EngineName = "vectorised",
    keep_requests: bool = False,
    recording: Recording | None = None,
) -> Result:
    """Simulate."""
    from svcsim.simulation import simulate  # noqa: PLC0415 (heavy)

    return simulate(
        question,
        seed=seed,
        replications=replications,
        engine=engine,
        keep_requests=keep_requests,
        progress=step,
        recording=recording,
    )


def say_warnings(result: Result, question: Scenario) -> None:
    """Say the warnings that the scenario has not given already."""
    for line in result.warnings:
        if line not in question.warnings:
            warn(line)


def was_interrupted(result: Result, replications: int) -> bool:
    """Whether Ctrl-C ended the run before all its replications."""
    return int(result.provenance["replications"]) < replications


def keep(result: Result, out: Path | None, title: str) -> None:
    """Write tables, report and figures."""
    if out is None:
        return
    from svcsim.report import write_report  # noqa: PLC0415 (heavy)

    result.save(out)
    write_report(result, out, title=title)


def footer(result: Result) -> str:
    """What the numbers of one result rest on, and how long they took."""
    took = result.timing["control_plane_s"] + result.timing["data_plane_s"]
    requests = sum(row["requests"] for row in result.to_dict()["summary"])
    n = int(result.provenance["replications"])
    return (
        f"{n} replication{'' if n == 1 else 's'}, seed {result.provenance['seed']}, "
        f"{result.provenance['engine']} engine: {requests:,} requests in {took:.2g} s\n"
    )
