"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CheckReplications",
    "Duration",
    "FailIf",
    "Json",
    "KeepRequests",
    "Manifests",
    "Out",
    "Overrides",
    "Rate",
    "Replications",
    "ResultDir",
    "Rollout",
    "Seed",
]


def _whole(least: int) -> Callable[[str], int]:
    """A reader of whole numbers whose complaint names the value."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise typer.BadParameter(f"{text!r} must be a whole number >= {least}")
        return number

    return read


_ALONE = "Manifests without a scenario"

Manifests = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--filename",
        metavar="PATH",
        help="Manifest file, folder or pattern, or - for standard input; may be repeated. Each Service is "
        "then reached by its cluster IP and by pod addresses looked up once.",
        rich_help_panel=_ALONE,
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Rate of each client, such as 200/s.", rich_help_panel=_ALONE),
]
Rollout = Annotated[
    str | None,
    typer.Option(
        metavar="KIND/NAME",
        help="Deployment that rolls out at a third of the duration, such as deployment/web.",
        rich_help_panel=_ALONE,
    ),
]
Duration = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="How long the run lasts; 60s by default.", rich_help_panel=_ALONE),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one field, such as clients.vip.rate=50/s or manifests.deployment/web.preStop=5s; may be "
        "repeated.",
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", parser=_whole(0), help="Same scenario and seed, same result.")
]
Replications = Annotated[
    int,
    typer.Option(
        metavar="R", parser=_whole(1), help="How often to run, each time with other dice; intervals need 5."
    ),
]
CheckReplications = Annotated[
    int, typer.Option("--replications", metavar="R", parser=_whole(1), help="How often to run both engines.")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write tables (Parquet), report.html and figures into this folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        metavar="EXPRESSION",
        help="Exit with 3 if met: COLUMN OP NUMBER for any client or CLIENT.COLUMN OP NUMBER, such as "
        "'failed_fraction>1e-4'; may be repeated.",
    ),
]
KeepRequests = Annotated[
    bool, typer.Option("--keep-requests", help="Keep a row of every request (requests.parquet in --out).")
]
ResultDir = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that --out wrote.")]
