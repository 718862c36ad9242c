"""`svcsim demo`: one rolling update, reached in several ways."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svcsim.cli import options
from svcsim.cli.exits import INTERRUPTED
from svcsim.cli.progress import progress
from svcsim.cli.runs import footer, keep, prepare, run, say_warnings, was_interrupted
from svcsim.cli.speech import emit, emit_json, say, warn
from svcsim.cli.tables import causes_table, client_paths, summary_table

if TYPE_CHECKING:
    from svcsim.results.result import Result
    from svcsim.scenario import Scenario

__all__ = ["command"]


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where tables, report and figures go.")] = Path(
        "svcsim-demo"
    ),
    replications: options.Replications = 20,
    seed: options.Seed = 1,
    as_json: options.Json = False,
) -> int:
    """Run an embedded scenario: ten pods are rolled, and five clients reach them in different ways.

    The first run after installation compiles for about 20 s. `svcsim run` takes scenarios of your own.
    """
    prepare(out)
    with progress("rolling ten pods", replications) as step:
        question = _question()
        for line in question.warnings:
            warn(line)
        result = run(question, seed=seed, replications=replications, step=step)
        lost = None if was_interrupted(result, replications) else _lost_once_replaced(question, seed)
    if was_interrupted(result, replications):
        say_warnings(result, question)
    if as_json:
        emit_json(result.to_dict())
    else:
        summary_table(result, question.name, client_paths(question))
        causes_table(result)
        emit(_what_it_shows(result, lost) + "\n\n" + footer(result))
    keep(result, out, question.name)
    where = f"{out / 'report.html'} is the report, {out / 'figures'} has its figures, {out} the tables"
    if as_json:
        say(where)
    else:
        emit(where + "\n")
    return INTERRUPTED if was_interrupted(result, replications) else 0


def _question() -> Scenario:
    from svcsim.scenario import load_scenario  # noqa: PLC0415 (heavy)

    with as_file(files("svcsim.scenario") / "examples") as folder:
        return load_scenario(folder / "demo.yaml")


def _lost_once_replaced(question: Scenario, seed: int) -> float | None:
    """How many of the pinned client's requests to pods that had stopped failed, in the first replication."""
    from svcsim.simulation import simulate  # noqa: PLC0415 (heavy)

    one = simulate(question, seed=seed, replications=1, keep_requests=True)
    assert one.requests is not None
    pinned = one.requests[one.requests["client"] == "pinned"]
    stopped = pinned["pod"].astype(str).map(one.pods.set_index("pod")["stopped_s"])
    late = pinned[(pinned["arrival_s"] >= stopped) & (pinned["outcome"] != "open")]
    return float((late["outcome"] != "ok").mean()) if len(late) else None


def _what_it_shows(result: Result, lost: float | None) -> str:
    rows: dict[str, dict[str, Any]] = {row["client"]: row for row in result.to_dict()["summary"]}
    vip, spared = rows["vip"], rows["vip-prestop"]
    runs = int(result.provenance["replications"])
    pinned = (
        ""
        if lost is None
        else f"a client that keeps a replaced pod's address fails {lost:.0%} of its requests; "
    )
    return (
        f"When ten pods are replaced, {pinned}through the cluster IP {vip['failed'] / runs:.3g} of "
        f"{vip['requests'] / runs:,.0f} requests fail, to pods that kube-proxy does not yet know to be gone; "
        f"where preStop keeps each pod open for longer than that, {spared['failed'] or 'none'} do."
    )
