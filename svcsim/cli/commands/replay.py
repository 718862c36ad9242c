"""`svcsim replay`: churn from recordings of a real cluster, questions as usual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from svcsim.cli import options
from svcsim.cli.exits import INTERRUPTED, CommandError
from svcsim.cli.progress import progress
from svcsim.cli.question import one_question
from svcsim.cli.runs import EngineName, footer, keep, prepare, run, say_warnings, was_interrupted
from svcsim.cli.speech import emit, emit_json, say
from svcsim.cli.tables import causes_table, client_paths, summary_table

if TYPE_CHECKING:
    from svcsim.scenario import Scenario
    from svcsim.timeline import Recording

__all__ = ["command"]

TAIL_S = 10


def command(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG...",
            help="Watch logs of EndpointSlices (and pods), or audit logs; plain or gzip, - for stdin.",
        ),
    ],
    scenario: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A scenario, whose churn the recording replaces."),
    ] = None,
    manifests: options.Manifests = None,
    rate: options.Rate = None,
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose slices; needed where the logs have several.")
    ] = None,
    overrides: options.Overrides = None,
    seed: options.Seed = 1,
    replications: options.Replications = 20,
    engine: Annotated[
        EngineName, typer.Option(help="`reference` gives the same result, slowly.")
    ] = "vectorised",
    out: options.Out = None,
    as_json: options.Json = False,
) -> int:
    """Replay recorded churn against simulated clients and kube-proxies, and say what failed and why.

    With -f and --rate the nodes and the duration are those of the recording; a scenario says its own.

    Exit codes: 0, 2 bad input, 130 interrupted (what was complete is shown and kept).
    """
    from svcsim.observed.recording import read_recording  # noqa: PLC0415 (heavy)

    if (scenario is None) == (not manifests):
        raise CommandError("say what the recording is played to: --scenario FILE, or -f MANIFESTS and --rate")
    recording = read_recording(logs, service)
    changes = list(overrides or ())
    duration = None
    if manifests:
        duration = f"{recording.end_ns / 1e9 + TAIL_S:.0f}s"
        if recording.nodes:
            changes.insert(0, f"cluster.nodes={_nodes(recording)}")
    question = one_question(
        [scenario] if scenario is not None else (), manifests, rate=rate, duration=duration, overrides=changes
    )
    _remark_span(question, recording)
    prepare(out)
    with progress(question.name, replications) as step:
        result = run(
            question,
            seed=seed,
            replications=replications,
            step=step,
            engine=engine,
            recording=recording,
        )
    say_warnings(result, question)
    if as_json:
        emit_json(result.to_dict())
    else:
        summary_table(result, f"{question.name}, {recording.source} replayed", client_paths(question))
        causes_table(result)
        emit(footer(result))
    keep(result, out, question.name)
    if out is not None:
        say(f"tables, report.html and figures are in {out}")
    return INTERRUPTED if was_interrupted(result, replications) else 0


def _nodes(recording: Recording) -> str:
    """The recorded nodes as a scenario writes them."""
    return "[" + ", ".join(f"{{name: {name}}}" for name in recording.nodes) + "]"


def _remark_span(question: Scenario, recording: Recording) -> None:
    late = sum(write.at_ns >= question.duration_ns for write in recording.writes)
    if late:
        say(
            f"{late} of {len(recording.writes)} recorded writes come after the run's end; duration: "
            f"{recording.end_ns / 1e9 + TAIL_S:.0f}s would play them all"
        )
