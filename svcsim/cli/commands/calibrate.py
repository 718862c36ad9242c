"""`svcsim calibrate`: a real cluster's histograms to lag distributions."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from svcsim.cli import options
from svcsim.cli.exits import CommandError
from svcsim.cli.speech import emit, emit_json, say, warn
from svcsim.cli.tables import seconds, table
from svcsim.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from svcsim.observed.calibrate import Calibration
    from svcsim.observed.fitting import Fit
    from svcsim.observed.histograms import Histogram

__all__ = ["command"]

_MINORS = range(30, 37)


def command(
    metrics: Annotated[
        list[str],
        typer.Argument(
            metavar="METRICS...",
            help="What kube-proxy serves on /metrics, a file per node, or one file of many instances; "
            "- is standard input.",
        ),
    ],
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="An earlier scrape, to be subtracted; one per file, in the same order.",
        ),
    ] = None,
    busy: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Share of changes that find kube-proxy's run loop busy, so that minSyncPeriod makes them "
            "wait: near 1 in rollouts, 0 where changes are seconds apart; estimated by default.",
        ),
    ] = None,
    min_sync_period: Annotated[
        str | None, typer.Option(metavar="DURATION", help="kube-proxy's minSyncPeriod; 1s by default.")
    ] = None,
    kubernetes: Annotated[
        str | None, typer.Option(metavar="VERSION", help="kube-proxy's version, such as 1.34.")
    ] = None,
    ip_family: Annotated[
        str | None,
        typer.Option(metavar="FAMILY", help="IPv4 or IPv6; the one with more observations by default."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the `lag:` block here; it goes under `cluster:`."),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Fit a scenario's lag distributions to kube-proxy's histograms of a real cluster.

    Shows each fit against the buckets, and gives a `lag:` block (YAML) with what was assumed as comments.
    """
    from svcsim.clock import parse_duration, parse_share  # noqa: PLC0415 (heavy)
    from svcsim.observed.calibrate import calibrate  # noqa: PLC0415 (heavy)

    if [*metrics, *(baseline or ())].count("-") > 1:
        raise CommandError("- (standard input) can be read only once")
    try:
        share = None if busy is None else parse_share(busy)
    except ScenarioError as error:
        raise CommandError(f"--busy = {error}") from None
    try:
        period_ns = None if min_sync_period is None else parse_duration(min_sync_period)
    except ScenarioError as error:
        raise CommandError(f"--min-sync-period = {error}") from None
    found = calibrate(
        metrics,
        baseline or (),
        family=ip_family,
        kubernetes_minor=None if kubernetes is None else _minor(kubernetes),
        min_sync_period_ns=period_ns,
        busy=share,
    )
    for line in found.warnings:
        warn(line)
    if as_json:
        emit_json(found.to_dict())
    else:
        _show(found, with_block=out is None)
    if out is not None:
        out.write_text(found.lag_yaml(), encoding="utf-8")
        say(f"the lag: block is in {out}; it goes under cluster: of a scenario")
    return 0


def _minor(text: str) -> int:
    match = re.fullmatch(r"v?1\.(\d{1,3})(\.\d+)?", text)
    if match is None or int(match[1]) not in _MINORS:
        raise CommandError(f"--kubernetes = {text!r} must be 1.{_MINORS[0]} to 1.{_MINORS[-1]}")
    return int(match[1])


def _show(found: Calibration, *, with_block: bool) -> None:
    _fits("Network programming latency, without the truncation to seconds", found.lag_fits, found.programming)
    _buckets(found.programming, found.lag_fits[0], "lag + uniform(0, 1 s)")
    _fits("Duration of a sync", found.sync_fits, found.sync)
    _buckets(found.sync, found.sync_fits[0], "as it is")
    if with_block:
        emit(found.lag_yaml())
    else:
        emit("".join(f"{line}\n" for line in found.summary()))


def _fits(title: str, fits: Sequence[Fit], histogram: Histogram) -> None:
    from svcsim.observed.fitting import buckets  # noqa: PLC0415 (heavy)

    table(
        title,
        ("law", ">mean", ">p50", ">p90", ">p99", ">BIC", ">largest CDF gap"),
        (
            (
                fit.name,
                seconds(fit.law.mean()),
                *(seconds(fit.law.quantile1(u)) for u in (0.5, 0.9, 0.99)),
                f"{fit.bic:.1f}",
                f"{buckets(histogram, fit.survival)[1]:.3f}",
            )
            for fit in fits
        ),
    )


def _buckets(histogram: Histogram, fit: Fit, how: str) -> None:
    from svcsim.observed.fitting import buckets  # noqa: PLC0415 (heavy)

    rows, _ = buckets(histogram, fit.survival)
    emit(f"{histogram.name}: {histogram.count:,.0f} observed, {fit.name} fitted ({how})\n")
    table(
        "",
        (">from", ">to", ">observed", ">fitted"),
        (
            (
                seconds(row.low_s) if row.low_s else "0",
                seconds(row.high_s) if math.isfinite(row.high_s) else "-",
                f"{row.observed:.1%}",
                f"{row.fitted:.1%}",
            )
            for row in rows
        ),
    )
