"""The answer in sentences, and what it does not cover."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from svcsim.report.setting import Setting
from svcsim.report.words import STAGE, many, per_10k, percent, spaced

__all__ = ["answer", "interval", "not_modelled", "reasons"]

_PATHS = {
    "cluster-ip": "the cluster IP",
    "pod-ip": "a pod IP",
    "pod-ip once": "a pod IP looked up once",
    "pod-ip on-failure": "a pod IP looked up again on failure",
    "pod-ip watch": "pod IPs from a watch",
    "loopback": "loopback",
    "headless": "a headless Service",
    "node-port": "a node port",
    "load-balancer": "the load balancer",
    "external-name": "an external name",
    "ingress": "the ingress",
}
_IN_PERCENT = 0.05
"""From this fraction on, failures are said in percent."""


def answer(setting: Setting) -> list[str]:
    """What became of each client's requests: one sentence of all where they are few, else one to each."""
    if setting.summary.empty:
        return ["No client, so nothing that could fail."]
    parts = [_of_client(row, first=k == 0) for k, row in enumerate(setting.summary.to_dict("records"))]
    if len(parts) <= 3:
        text = "; ".join(parts)
        return [f"{text[0].upper()}{text[1:]}."]
    return [f"{part[0].upper()}{part[1:]}." for part in parts]


def _of_client(row: Mapping[Any, Any], *, first: bool) -> str:
    via = str(row["via"])
    path = _PATHS.get(via)
    if path is None and via.startswith("pod-ip every "):
        path = f"a pod IP looked up every {via.removeprefix('pod-ip every ').removesuffix('s')} s"
    through = f"through {path or via} ({row['client']})"
    n = int(row["replications"])
    if not row["requests"]:
        return f"{through}, no request was sent"
    if row["failed"]:
        if row["failed_fraction"] >= _IN_PERCENT:
            return f"{through}, {percent(row['failed_fraction'])}{_bounds(row, percent)} failed"
        return (
            f"{through}, {per_10k(row['failed_fraction'])} of 10,000 requests failed{_bounds(row, per_10k)}"
        )
    conclusion = ""
    if isfinite(row["p_replication_fails_high"]):
        conclusion = (
            f" (95% sure: fewer than {percent(row['p_replication_fails_high'])} of such runs lose any)"
        )
    sent = f"none of {many(int(row['requests']), 'request')}"
    return f"{through}, {sent} failed in {many(n, 'replication')}{conclusion}"


def _bounds(row: Mapping[Any, Any], say: Any) -> str:
    low, high = row["failed_fraction_low"], row["failed_fraction_high"]
    return f" [{say(low)}, {say(high)}]" if isfinite(low) and isfinite(high) else ""


def interval(row: Mapping[Any, Any]) -> str:
    """The 95% interval of a client's failures in 10,000, or the bound where none failed."""
    low, high = row["failed_fraction_low"], row["failed_fraction_high"]
    if row["failed"] and isfinite(low) and isfinite(high):
        return f"{per_10k(low)} to {per_10k(high)}"
    bound = row["p_replication_fails_high"]
    return f"< {percent(bound)} of runs" if not row["failed"] and isfinite(bound) else "-"


def reasons(setting: Setting) -> list[str]:
    """For each client that lost something, why and when most of it was lost."""
    causes = setting.result.causes
    found = []
    for client, failed in zip(setting.summary["client"], setting.summary["failed"], strict=True):
        own = causes[causes["client"] == client]
        if not failed or own.empty:
            continue
        by_cause = own.groupby("cause")["count"].sum().sort_values(ascending=False, kind="stable")
        cause, count = str(by_cause.index[0]), int(by_cause.iloc[0])
        stages = own[own["cause"] == cause].groupby("stage")["count"].sum()
        stage = str(stages.sort_values(ascending=False, kind="stable").index[0])
        when = STAGE.get(stage, f"in stage {stage}")
        share = percent(count / int(failed))
        of_them = percent(int(stages[stage]) / count)
        most = "" if int(stages[stage]) == count else f" {of_them} of these"
        found.append(f"{client}: {spaced(cause)} in {share} of {many(int(failed), 'failure')},{most} {when}.")
    return found


def not_modelled() -> list[str]:
    """What a run leaves out."""
    return [
        "Controllers: Jobs; autoscaling by other metrics than CPU.",
        "Connections: limits of ports and connection tables only where they are set, none of SNAT's; pools "
        "have no upper bound.",
        "UDP: every datagram is answered by a pod that gets it; no load balancer; a pod whose port is closed "
        "says so to every datagram.",
        "Mode ipvs: no ports that are used again, no weights, no session affinity that outlives its time-out "
        "because connections do.",
        "Servers: a CPU limit is a rate, not a quota that is renewed every 100 ms (CFS); containers of one "
        "pod or node do not slow each other down.",
        "The network: a packet arrives at once or never; no latency, loss or bandwidth. Names are answered "
        "on a node that is cut off as elsewhere, and at once: no search list is gone through.",
        "Load balancers: no deregistration delay ends what is on its way through a target that left.",
        "Routes: one rule of weights; no matches, filters, time-outs or retries of an HTTPRoute.",
    ]
