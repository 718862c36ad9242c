"""`svcsim run`: one scenario, or manifests alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from svcsim.cli import options
from svcsim.cli.exits import INTERRUPTED, THRESHOLD_MET, CommandError
from svcsim.cli.failif import Condition, parse_conditions
from svcsim.cli.progress import progress
from svcsim.cli.question import one_question
from svcsim.cli.runs import EngineName, footer, keep, prepare, run, say_warnings, was_interrupted
from svcsim.cli.speech import emit, emit_json, say, warn
from svcsim.cli.tables import causes_table, client_paths, summary_table

if TYPE_CHECKING:
    from svcsim.results.result import Result

__all__ = ["command"]


def command(
    scenario: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO]", help="A scenario file, or - for standard input."),
    ] = None,
    manifests: options.Manifests = None,
    rate: options.Rate = None,
    rollout: options.Rollout = None,
    duration: options.Duration = None,
    overrides: options.Overrides = None,
    seed: options.Seed = 1,
    replications: options.Replications = 20,
    engine: Annotated[
        EngineName, typer.Option(help="`reference` gives the same result, slowly.")
    ] = "vectorised",
    out: options.Out = None,
    as_json: options.Json = False,
    fail_if: options.FailIf = None,
    keep_requests: options.KeepRequests = False,
) -> int:
    """Simulate a scenario, or manifests alone with -f, and say what failed and why.

    Exit codes: 0, 2 bad input, 3 --fail-if met, 130 interrupted (what was complete is shown and kept).
    """
    if keep_requests and out is None:
        raise CommandError("--keep-requests needs --out DIR, where the table of requests goes")
    question = one_question(
        scenario or (), manifests, rate=rate, rollout=rollout, duration=duration, overrides=overrides
    )
    conditions = parse_conditions(fail_if or (), [client.name for client in question.clients])
    prepare(out)
    with progress(question.name, replications) as step:
        result = run(
            question,
            seed=seed,
            replications=replications,
            step=step,
            engine=engine,
            keep_requests=keep_requests,
        )
    say_warnings(result, question)
    if as_json:
        emit_json(result.to_dict())
    else:
        summary_table(result, question.name, client_paths(question))
        causes_table(result)
        emit(footer(result))
    keep(result, out, question.name)
    if out is not None:
        say(f"tables, report.html and figures are in {out}")
    if was_interrupted(result, replications):
        return INTERRUPTED
    return _judge(conditions, result)


def _judge(conditions: list[Condition], result: Result) -> int:
    code = 0
    for condition in conditions:
        verdict = condition.judge(result)
        for line in verdict.undefined:
            warn(line)
        for line in verdict.met:
            say(line)
            code = THRESHOLD_MET
    return code
