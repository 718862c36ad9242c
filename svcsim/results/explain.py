"""Why requests failed, in words: the causes, biggest first, and the setting that would have prevented it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from svcsim.errors import ScenarioError
from svcsim.results.result import Result

__all__ = ["explain", "help_for"]

_PIPELINE = ("endpointSlice", "watch", "minSync", "sync", "ingress")

_WHERE = {
    "detection": "before the API server knew",
    "endpointSlice": "before the EndpointSlice was written",
    "watch": "while the change was on its way to the router",
    "minSync": "while kube-proxy waited to start a sync (minSyncPeriod, the sync before, or it was stopped)",
    "sync": "while kube-proxy wrote its rules",
    "resolver": "by an address looked up earlier",
    "controller": "while no pod was there to be listed",
    "readiness": "after Ready and before the port was open",
    "grace": "in service when the process ended",
    "queue": "waiting for a worker",
    "service": "in service",
    "network": "before any pod was chosen",
    "node": "on a way that a lost node was part of",
    "connection": "on a kept connection that the server had closed",
    "policy": "at a node without an endpoint of its own, which its traffic policy does not let it leave",
    "loadBalancer": "in the load balancer's own list, which its health checks or its API had not changed yet",
    "ingress": "while the ingress proxy had the change and did not act on it yet (lag.ingress)",
    "draining": "by a hash that named a pod which IPVS was still draining, with weight 0 (sh, mh)",
    "conntrack": "after the rules had changed, by an entry of the node's connection table",
}

_HELP = {
    "stale_resolver": (
        "re-resolve on failure or with a short period, watch the endpoints, or go through the Service"
    ),
    "no_endpoint": "keep at least one ready pod: more replicas, maxUnavailable: 0, a PodDisruptionBudget",
    "ready_before_listening": "a readiness probe (or startup probe) that fails until the port is open",
    "in_flight_cut": (
        "finish what is in flight on SIGTERM (onSigterm: drain) within a terminationGracePeriodSeconds that "
        "covers preStop and the longest request"
    ),
    "overload": "more replicas or workers, or shed load earlier; see table load",
    "slow_service": "a request time-out above the service time, or faster service",
    "ip_reused": "shorter lag or re-resolution; addresses reused later (vanishedIP.reuse)",
    "not_routed": (
        "clients outside the cluster cannot reach these addresses: a NodePort, a load balancer or an ingress"
    ),
    "stale_conntrack": (
        "a fresh socket after a time-out, or a socket for each request; kube-proxy releases the old one at "
        "its first sync without the endpoint (cluster.conntrack.cleanup, minSyncPeriod)"
    ),
    "table_full": (
        "a larger table (kube-proxy's --conntrack-max-per-core, cluster.conntrack.max), fewer connections "
        "(keepAlive), shorter time-outs of its entries"
    ),
    "ports_exhausted": (
        "connections that are kept (keepAlive), more addresses to call from (sources) or to call"
    ),
    "kept_closed": (
        "an idle time-out of the client that is shorter than the server's, a server that closes its "
        "connections before it stops (GOAWAY, Connection: close), and a retry after reset"
    ),
    "policy_drop": (
        "a traffic policy of Cluster, pods on every node, or (behind a load balancer) pods that serve on "
        "while they terminate, for longer than its health checks take: preStop"
    ),
    "node_lost": (
        "a connect time-out of well under a second with a retry to another pod; kube-controller-manager's "
        "--node-monitor-grace-period bounds how long a lost node stays in the lists"
    ),
}

_NODE_LOST = {
    "node-port": (
        "an address that is not one node's: a load balancer with health checks before the nodes; callers of "
        "a node that is gone have nobody else to ask"
    ),
    "load-balancer": (
        "quicker health checks (loadBalancer.interval, unhealthyAfter) for the node entered at, and for pods "
        "behind it kube-controller-manager's --node-monitor-grace-period; retries in the caller"
    ),
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
    row: Mapping[Any, Any] = result.summary.set_index("client").loc[client].to_dict()
    n, failed, requests = int(row["replications"]), int(row["failed"]), int(row["requests"])
    who, runs = f"{client} ({row['via']})", f"{n} replication" + ("" if n == 1 else "s")
    if not requests:
        return f"{who}: no request was started in {runs}."
    head = f"{who}: {failed:,} of {requests:,} requests failed"
    if not failed:
        bound = row["p_replication_fails_high"]
        return f"{head} in {runs}; a replication fails with probability below {bound:.2g} (95%)."
    lines = [f"{head} ({failed / requests:.3g}), in {int(row['replications_failed'])} of {runs}."]
    causes = result.causes[result.causes["client"] == client]
    shown = result.failures[result.failures["client"] == client]
    for cause, total in _biggest(causes, "cause").items():
        own = causes[causes["cause"] == cause]
        seen = ", ".join(f"{word} {count:,}" for word, count in _biggest(own, "outcome").items())
        lines.append(f"- {cause} {total:,} ({total / failed:.0%}), seen as {seen}")
        stages = _biggest(own, "stage")
        for stage, count in stages.items():
            lines.append(
                f"    {stage or 'elsewhere'} {count:,}: {_WHERE.get(stage, 'in no stage of the lag')}"
            )
        failures = shown[shown["cause"] == cause]
        late = failures["arrival_s"] - failures["true_since_s"]
        told = _announced(result, failures)
        advice = help_for(cause, stages, late_s=float(late.max()), announced=told, via=str(row["via"]))
        lines.append(f"    would help: {advice}")
    return "\n".join(lines)


def _biggest(causes: pd.DataFrame, column: str) -> dict[str, int]:
    """Counts by one column, biggest first."""
    counts = causes.groupby(column)["count"].sum().sort_values(ascending=False, kind="stable")
    return {str(name): int(count) for name, count in counts.items()}


def _announced(result: Result, failures: pd.DataFrame) -> bool | None:
    """Whether most of these failures met pods that had been deleted by then; None if no pod is known."""
    pods = result.pods[["replication", "pod", "deleted_s"]]
    met = failures.merge(pods, on=["replication", "pod"])
    return None if not len(met) else bool((met["deleted_s"] <= met["arrival_s"]).mean() > 0.5)


def help_for(
    cause: str,
    stages: Mapping[str, int],
    *,
    late_s: float,
    announced: bool | None = None,
    via: str = "cluster-ip",
) -> str:
    """The setting that would have prevented failures of one cause.

    Args:
        cause: a word of table causes.
        stages: how many failures there were by stage.
        late_s: the longest that a request came after the pod had stopped accepting, seconds or NaN.
        announced: whether the pods had been deleted; None to go by the stages.
        via: the client's way in.
    """
    if cause == "stale_endpoint":
        if stages and max(stages, key=lambda name: stages[name]) == "draining":
            return (
                "an ipvsScheduler without a hash (rr, lc), or another mode of kube-proxy: sh and mh refuse "
                "what hashes to a pod that is being drained, for two to three minutes whatever the pod does"
            )
        if announced is None:
            announced = sum(stages.get(s, 0) for s in _PIPELINE) >= stages.get("detection", 0)
        if not announced:
            return (
                "these pods ended unannounced: probe sooner (periodSeconds, failureThreshold), retry in the "
                "client, or find out why they crash"
            )
        longer = f" {late_s:.2f} s longer" if late_s >= 0.01 else ""
        return (
            f"pods that accept{longer} after deletion: lifecycle.preStop.sleep (and a grace period above it)"
        )
    if cause == "not_yet_programmed":
        if stages.keys() == {"resolver"}:
            return "re-resolve on failure or with a short period: none was ready when the name was looked up"
        return (
            "keep an old pod until a new one is programmed: maxUnavailable: 0, minReadySeconds, more "
            "replicas; and readiness that all pods do not lose at once"
        )
    if cause == "node_lost" and via in _NODE_LOST:
        return _NODE_LOST[via]
    return _HELP[cause]
