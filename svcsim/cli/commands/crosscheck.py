"""`svcsim crosscheck`: both engines, every request."""

from __future__ import annotations

from typing import Annotated

import typer

from svcsim.cli import options
from svcsim.cli.exits import CommandError
from svcsim.cli.progress import progress
from svcsim.cli.question import from_files, one_question, with_overrides
from svcsim.cli.speech import emit, warn
from svcsim.errors import EngineMismatch

__all__ = ["command"]


def command(
    scenario: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO...]", help="Scenario files; - is standard input."),
    ] = None,
    manifests: options.Manifests = None,
    rate: options.Rate = None,
    rollout: options.Rollout = None,
    duration: options.Duration = None,
    overrides: options.Overrides = None,
    seed: options.Seed = 1,
    replications: options.CheckReplications = 1,
) -> int:
    """Run both engines on the same draws and compare every column of every request, bit for bit.

    Exit codes: 0 only if they agree, 1 with the first difference, 2 bad input.
    """
    if not scenario and not manifests:
        raise CommandError("no scenarios: name files (- is standard input), or manifests with -f and --rate")
    if manifests or len(scenario or ()) == 1:
        question = one_question(
            scenario or (), manifests, rate=rate, rollout=rollout, duration=duration, overrides=overrides
        )
        questions = {question.name if manifests else (scenario or [""])[0]: question}
    else:
        questions = {
            name: with_overrides(one, overrides or ()) for name, one in from_files(scenario or ()).items()
        }
        for name, one in questions.items():
            for line in one.warnings:
                warn(f"{name}: {line}")
    for name, question in questions.items():
        with progress(f"crosscheck {name}", 1) as step:
            from svcsim.agreement import crosscheck  # noqa: PLC0415 (heavy)

            try:
                agreed = crosscheck(question, seed=seed, replications=replications)
            except EngineMismatch as error:
                raise EngineMismatch(f"{name}: {error}") from error
            step(1, 1)
        outcomes = sorted(agreed.outcomes.items(), key=lambda pair: -pair[1])
        seen = ", ".join(
            f"{outcome}{'' if cause == 'none' else f' ({cause})'} {count:,}"
            for (outcome, cause), count in outcomes
        )
        emit(
            f"{name}: both engines agree on {agreed.requests:,} requests, "
            f"replications {agreed.replications}, windows {agreed.windows}: {seen or 'none sent'}\n"
        )
    return 0
