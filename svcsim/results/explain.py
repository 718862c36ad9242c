"""Why requests failed, in words: the causes, biggest first, and the setting that would have prevented each."""

from __future__ import annotations

import pandas as pd

from svcsim.errors import ScenarioError
from svcsim.results.result import Result

__all__ = ["explain"]

_PIPELINE = ("endpointSlice", "watch", "minSync", "sync")

_WHERE = {
    "detection": "before the API server knew",
    "endpointSlice": "before the EndpointSlice was written",
    "watch": "while the change was on its way to the router",
    "minSync": "while kube-proxy waited to start a sync (minSyncPeriod, or the sync before)",
    "sync": "while kube-proxy wrote its rules",
    "resolver": "by an address looked up earlier",
    "controller": "while no pod was there to be listed",
    "readiness": "after Ready and before the port was open",
    "grace": "in service when the process ended",
    "queue": "waiting for a worker",
    "service": "in service",
    "network": "before any pod was chosen",
}

_HELP = {
    "stale_resolver": "re-resolve on failure or with a short period, watch the endpoints, or go through the Service",
    "no_endpoint": "keep at least one ready pod: more replicas, maxUnavailable: 0, a PodDisruptionBudget",
    "ready_before_listening": "a readiness probe (or startup probe) that fails until the port is open",
    "in_flight_cut": (
        "finish what is in flight on SIGTERM (onSigterm: drain) within a terminationGracePeriodSeconds that covers "
        "preStop and the longest request"
    ),
    "overload": "more replicas or workers, or shed load earlier; see table load",
    "slow_service": "a request time-out above the service time, or faster service",
    "ip_reused": "shorter lag or re-resolution; addresses reused later (vanishedIP.reuse)",
    "not_routed": "clients outside the cluster cannot reach these addresses: a NodePort, a load balancer or an ingress",
}


def explain(result: Result, client: str | None = None) -> str:
    """A paragraph to a client, a line or two to a cause; of one client, or of all.

    Raises:
        ScenarioError: the result has no such client.
    """
    names = result.summary["client"].tolist()
    if client is not None and client not in names:
        raise ScenarioError(f"client {client!r} is not in this result (there are: {', '.join(names)})")
    return "\n\n".join(_client(result, name) for name in names if client in (None, name))


def _client(result: Result, client: str) -> str:
    row = result.summary[result.summary["client"] == client].iloc[0].to_dict()
    n, failed, requests = int(row["replications"]), int(row["failed"]), int(row["requests"])
    head = f"{client} ({row['via']}): {failed:,} of {requests:,} requests failed"
    if not failed:
        bound = row["p_replication_fails_high"]
        return f"{head} in {_many(n, 'replication')}; a replication fails with probability below {bound:.2g} (95%)."
    lines = [f"{head} ({failed / requests:.3g}), in {int(row['replications_failed'])} of {n} replications."]
    causes = result.causes[result.causes["client"] == client]
    shown = result.failures[result.failures["client"] == client]
    totals = causes.groupby("cause")["count"].sum().sort_values(ascending=False, kind="stable")
    for cause, total in totals.items():
        own = causes[causes["cause"] == cause]
        outcomes = own.groupby("outcome")["count"].sum().sort_values(ascending=False, kind="stable")
        seen = ", ".join(f"{word} {count:,}" for word, count in outcomes.items())
        lines.append(f"- {cause} {total:,} ({total / failed:.0%}), seen as {seen}")
        stages = own.groupby("stage")["count"].sum().sort_values(ascending=False, kind="stable")
        for stage, count in stages.items():
            lines.append(f"    {stage or 'unknown'} {count:,}: {_WHERE.get(str(stage), 'for no stage known')}")
        lines.append(f"    would help: {_help(str(cause), stages, shown[shown['cause'] == cause])}")
    return "\n".join(lines)


def _help(cause: str, stages: pd.Series[int], shown: pd.DataFrame) -> str:
    """The setting that would have prevented these failures."""
    if cause == "stale_endpoint":
        listed = int(stages.reindex([*_PIPELINE]).fillna(0).sum())
        if listed < int(stages.get("detection", 0)):
            return (
                "these pods ended unannounced: probe sooner (periodSeconds, failureThreshold), retry in the client, "
                "or find out why they crash"
            )
        late = (shown["arrival_s"] - shown["true_since_s"]).max()
        longer = f" {late:.2f} s longer" if late == late and late >= 0.01 else ""
        return f"pods that accept{longer} after their deletion: lifecycle.preStop.sleep (and a grace period above it)"
    if cause == "not_yet_programmed":
        if int(stages.get("resolver", 0)) == int(stages.sum()):
            return "re-resolve on failure or with a short period: the address was looked up when none was ready"
        return "keep an old pod until a new one is programmed: maxUnavailable: 0, minReadySeconds, two or more replicas"
    return _HELP.get(cause, "nothing known")


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")
