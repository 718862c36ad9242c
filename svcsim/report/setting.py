"""What a report knows of a result besides its tables: paths in words, events, what the timeline shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from svcsim.clock import ns_to_s
from svcsim.errors import SvcsimError
from svcsim.report.spells import is_of
from svcsim.results.result import Result
from svcsim.scenario import Client, Event, Scenario, parse_scenario

__all__ = ["Setting", "setting_of"]

REPLICATION = 0
"""The replication that timelines show; only its histories are kept."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A result as a report shows it.

    summary: the result's, with `via` in full (`pod-ip every 30s`). target: what the clients of the timeline
    connect to. clients: those clients. pods: theirs, of the replication shown. failures: theirs;
    weights: float64 (len(failures),), how many failures a row stands for, since tables are capped.
    """

    result: Result
    summary: pd.DataFrame
    target: str
    clients: tuple[str, ...]
    pods: pd.DataFrame
    failures: pd.DataFrame
    weights: npt.NDArray[np.float64]
    events: tuple[tuple[float, str], ...]
    end_s: float


def setting_of(result: Result) -> Setting:
    """Look up in the result's scenario, if its text is there, what tables do not say."""
    question = _question(result)
    known = {client.name: client for client in question.clients} if question is not None else {}
    paths = [
        _path(known[name], via) if name in known else via
        for name, via in zip(result.summary["client"], result.summary["via"], strict=True)
    ]
    summary = result.summary.assign(via=paths)
    target = _target(summary, known)
    clients = tuple(
        name for name in summary["client"] if not target or (name in known and str(known[name].to) == target)
    )
    pods = _pods(result, target)
    failures = result.failures[result.failures["client"].isin(clients)]
    return Setting(
        result=result,
        summary=summary,
        target=target,
        clients=clients,
        pods=pods,
        failures=failures,
        weights=_weights(result, failures),
        events=_events(
            question.events if question is not None else (), target, set(pods["workload"]), clients
        ),
        end_s=ns_to_s(question.duration_ns) if question is not None else _last(result),
    )


def _question(result: Result) -> Scenario | None:
    text = result.provenance.get("scenario_yaml")
    if not text:
        return None
    try:
        return parse_scenario(str(text))
    except SvcsimError:  # of another version of svcsim: the report does without
        return None


def _path(client: Client, via: str) -> str:
    """How a client reaches its pods: `via`, and what it does with an address."""
    if client.resolve is None or via != client.via:
        return via
    if client.resolve_every_ns is None:
        return f"{via} {client.resolve}"
    return f"{via} every {ns_to_s(client.resolve_every_ns):g}s"


def _target(summary: pd.DataFrame, known: dict[str, Client]) -> str:
    """What the timeline is of: where a virtual IP lost something, else where most was, else the first."""
    rows = summary[summary["client"].isin(known)]
    lost = rows[rows["failed"] > 0].sort_values("failed", ascending=False, kind="stable")
    for candidates in (lost[lost["via"] == "cluster-ip"], lost, rows):
        if len(candidates):
            return str(known[candidates["client"].iloc[0]].to)
    return ""


def _pods(result: Result, target: str) -> pd.DataFrame:
    """The pods of the workloads behind a target, in the replication shown."""
    pods = result.pods[result.pods["replication"] == REPLICATION]
    if not target:
        return pods
    views = {view for view in result.beliefs["view"].unique() if is_of(view, target)}
    versions = result.beliefs.loc[result.beliefs["view"].isin(views), "version"].unique()
    members = result.versions.loc[result.versions["version"].isin(versions), "pod"].unique()
    workloads = {*pods.loc[pods["pod"].isin(members), "workload"], target}
    behind = pods[pods["workload"].isin(workloads)]
    return behind if len(behind) else pods


def _weights(result: Result, failures: pd.DataFrame) -> npt.NDArray[np.float64]:
    """How many failures a row stands for: rows are chosen by hash, evenly, and counts are exact."""
    keys = ["client", "outcome", "cause"]
    total = result.causes.groupby(keys, sort=False)["count"].sum()
    shown = failures.groupby(keys, sort=False).size()
    ratio = (total.reindex(shown.index) / shown).fillna(1.0).clip(lower=1.0).rename("weight").reset_index()
    merged = failures[keys].merge(ratio, on=keys, how="left")
    return merged["weight"].fillna(1.0).to_numpy(dtype=np.float64)


def _events(
    events: Sequence[Event], target: str, workloads: set[str], clients: Sequence[str]
) -> tuple[tuple[float, str], ...]:
    """Events that touch what the timeline shows, in words."""
    found = []
    for event in events:
        name = str(getattr(event, "target", "") or getattr(event, "client", ""))
        owner = name.removeprefix("pod/")
        if name not in (*workloads, *clients, target) and not any(
            owner.startswith(f"{workload}/") for workload in workloads
        ):
            continue
        found.append((ns_to_s(event.at_ns), f"{event.kind} {name}{_amount(event)}"))
    return tuple(found)


def _amount(event: Event) -> str:
    for field, words in (("replicas", " to {}"), ("rate_per_s", " to {:g}/s"), ("count", " ({})")):
        value = getattr(event, field, None)
        if value is not None and not (field == "count" and value == 1):
            return words.format(value)
    return ""


def _last(result: Result) -> float:
    return float(result.timeline["to_s"].max()) if len(result.timeline) else 60.0
