"""Ways in and kinds of churn: which way of reaching pods loses what, when pods come and go?

Question: ten pods on six nodes are reached by pod IPs (looked up once, again after a failure, or watched), by
a headless name, and through a Service: its cluster IP, a node port, a load balancer that sends to nodes or
straight to pods, an alias of its name; with traffic policies Cluster and Local. How many of 10,000 requests
fail through each, and as what, when the Deployment is rolled, scaled in, when pods are deleted, when a node
is drained, and when one is lost? Every path meets the same churn, the same arrivals and the same luck, so
that paths are compared replication by replication.

Expected shape:
- a pod IP looked up once loses most by far after a rollout, and never recovers; a headless name loses until
  its TTL has passed; a watch loses least;
- a node port under policy Cluster loses about what the cluster IP does, as the same rules choose; an alias
  loses exactly that, request by request;
- a Local policy drops what comes to a node without a pod of its own: when five of ten pods are gone, one or
  two of six nodes have none, for good; a load balancer's checks find that, a node port's callers do not;
- a load balancer that sends to pods is told of a change later than kube-proxy, and loses more in a rollout;
- a lost node costs whoever goes by readiness until the grace period has passed, a caller of its node port
  until it is back; a load balancer's checks take it out sooner, but other nodes still send to its pods.

Run:
    python experiments/service_types.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from _cells import (
    CellStore,
    Claim,
    Options,
    finish,
    options,
    per_10k,
    run_cells,
    save,
    show_table,
    span,
    started,
    summary_of,
)
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import svcsim
from svcsim import Scenario, build_scenario
from svcsim.results.statistics import mean_interval

PODS, LEFT, DELETED, NODES = 10, 5, 3, 6
RATE_PER_S, CHURN_AT_S, DURATION_S = 100.0, 20.0, 120.0
TTL_S = 30
GRACE_S, AGE_OF_LEASE_S, RULES_LAG_S = 50.0, 2.5, 1.0
DARK_FROM = 0.05
OUTCOMES = (
    "connect_timeout",
    "refused",
    "unreachable",
    "reset",
    "eof",
    "request_timeout",
    "rejected",
    "misdelivered",
    "dns_failure",
)

LOCAL_IN = {"internalTrafficPolicy": "Local"}
LOCAL_OUT = {"externalTrafficPolicy": "Local"}
PATHS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "pod IP, looked up once": ({"via": "pod-ip", "resolve": "once"}, {}),
    "pod IP, again on failure": ({"via": "pod-ip", "resolve": "on-failure"}, {}),
    "pod IP, watched": ({"via": "pod-ip", "resolve": "watch"}, {}),
    f"headless, TTL {TTL_S} s": ({"via": "headless"}, {"clusterIP": "None"}),
    "cluster IP": ({"via": "cluster-ip"}, {}),
    "cluster IP, Local": ({"via": "cluster-ip"}, LOCAL_IN),
    "node port": ({"via": "node-port"}, {"type": "NodePort"}),
    "node port, Local": ({"via": "node-port"}, {"type": "NodePort", **LOCAL_OUT}),
    "load balancer": ({"via": "load-balancer"}, {"type": "LoadBalancer"}),
    "load balancer, Local": ({"via": "load-balancer"}, {"type": "LoadBalancer", **LOCAL_OUT}),
    "load balancer to pods": ({"via": "load-balancer"}, {"type": "LoadBalancer"}),
    "alias (ExternalName)": ({"via": "external-name", "to": "service/front"}, {}),
}
"""By path: the client's keys, and fields of its Service's spec."""
(ONCE, AGAIN, WATCH, HEADLESS, VIP, VIP_LOCAL, PORT, PORT_LOCAL, BALANCER, BALANCER_LOCAL, TO_PODS, ALIAS) = (
    PATHS
)

CHURN: dict[str, dict[str, Any]] = {
    "rolling update": {"rollout": "deployment/web"},
    f"scaled {PODS} -> {LEFT}": {"scale": "deployment/web", "replicas": LEFT},
    f"{DELETED} pods deleted": {"delete": "deployment/web", "count": DELETED},
    "node drained": {"drain": "node-2"},
    "node lost": {"fail": "node-2"},
}
ROLLED, SCALED, DELETED_SOME, DRAINED, LOST = CHURN


def name_of(path: str, churn: str) -> str:
    """A cell's name."""
    return f"{churn}: {path}"


def manifests(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A Deployment, its Service with this spec, and an alias of it."""
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 2},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": PODS,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "front"},
            "spec": {"type": "ExternalName", "externalName": "web.default.svc.cluster.local"},
        },
    ]


def question(path: str, churn: str) -> Scenario:
    """One cell: one client of one name, so that its dice are those of every other path."""
    client, spec = PATHS[path]
    cluster: dict[str, Any] = {"nodes": NODES, "dns": {"ttl": f"{TTL_S}s"}}
    if path == TO_PODS:
        cluster |= {"podNetwork": "routed", "loadBalancer": {"targets": "pods"}}
    return build_scenario(
        name=name_of(path, churn),
        manifests=manifests(spec),
        duration=f"{DURATION_S:g}s",
        cluster=cluster,
        workloads={
            "deployment/web": {
                "startup": {"lognormal": {"median": "2s", "p99": "6s"}},
                "serviceTime": {"exponential": {"mean": "20ms"}},
            }
        },
        clients=[
            {
                "name": "caller",
                "to": "service/web",
                "rate": f"{RATE_PER_S:g}/s",
                "sources": 2 * NODES,
                **client,
            }
        ],
        events=[{"at": f"{CHURN_AT_S:g}s", **CHURN[churn]}],
    )


def expected_headless(gone: float) -> float:
    """Fraction failed where a share of pods goes for good: names are TTL / 2 old on average."""
    return gone * TTL_S / 2 / DURATION_S


def expected_lost() -> float:
    """Fraction failed through the cluster IP where a node is lost; callers on it send no more."""
    alive = (NODES - 1) / NODES
    sent_s = CHURN_AT_S + alive * (DURATION_S - CHURN_AT_S)
    return alive / NODES * (GRACE_S - AGE_OF_LEASE_S + RULES_LAG_S) / sent_s


def requests_of(result: svcsim.Result) -> dict[str, list[int]]:
    """Requests of each replication."""
    return {"requests": result.replications["requests"].tolist()}


def table_of(cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a churn and a path; `against` is the paired difference of fractions from the cluster IP."""
    rows = []
    for churn in CHURN:
        fractions = {path: _fractions(cells[name_of(path, churn)]) for path in PATHS}
        for path in PATHS:
            cell = cells[name_of(path, churn)]
            (row,) = summary_of(cell).to_dict("records")
            causes = pd.DataFrame(cell["causes"], columns=["client", "outcome", "cause", "stage", "count"])
            by_cause = causes.groupby("cause", sort=False)["count"].sum()
            apart = fractions[path] - fractions[VIP]
            low, high = mean_interval(apart)
            rows.append(
                {
                    "churn": churn,
                    "path": path,
                    "via": row["via"],
                    "replications": int(row["replications"]),
                    "requests": int(row["requests"]),
                    "failed": int(row["failed"]),
                    "failed_fraction": row["failed_fraction"],
                    "failed_fraction_low": row["failed_fraction_low"],
                    "failed_fraction_high": row["failed_fraction_high"],
                    "against": float(apart.mean()),
                    "against_low": low,
                    "against_high": high,
                    "p_replication_fails_high": row["p_replication_fails_high"],
                    **{outcome: int(row[outcome]) for outcome in OUTCOMES},
                    "policy_drop": int(by_cause.get("policy_drop", 0)),
                    "main_cause": str(by_cause.idxmax()) if len(by_cause) else "",
                }
            )
    return pd.DataFrame(rows)


def _fractions(cell: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Fraction failed in each replication."""
    failed = np.array(cell["failed"]["caller"], dtype=np.float64)
    return failed / np.array(cell["requests"], dtype=np.float64)


def claims_of(table: pd.DataFrame, cells: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """The expected shape; "more" means paired differences above zero, or intervals that lie apart."""
    rows = table.set_index(["churn", "path"])
    fraction, low, high = (rows[f"failed_fraction{end}"].unstack("churn") for end in ("", "_low", "_high"))
    kept = [churn for churn in CHURN if churn != LOST]

    def same(path: str, churn: str) -> bool:
        return cells[name_of(path, churn)]["failed"] == cells[name_of(VIP, churn)]["failed"]

    def apart(more: str, less: str, churn: str) -> bool:
        return bool(low.loc[more, churn] > high.loc[less, churn])

    def fits(path: str, churn: str, theory: float) -> bool:
        mean = fraction.loc[path, churn]
        # twice the half-width of a 95% interval: about four standard errors
        return bool(abs(mean - theory) < high.loc[path, churn] - low.loc[path, churn])

    def dropped(path: str, churn: str) -> float:
        row = rows.loc[(churn, path)]
        return float(row["policy_drop"] / row["failed"]) if row["failed"] else 0.0

    others = fraction[ROLLED].drop(ONCE)
    spared = fraction.loc[AGAIN] / fraction.loc[ONCE]
    headless = {SCALED: LEFT / PODS, DELETED_SOME: DELETED / PODS}
    return [
        Claim(
            f"after a rollout a pod IP looked up once loses most by far ({_of(fraction.loc[ONCE, ROLLED])}, "
            f"the next {_of(others.max())})",
            bool(fraction.loc[ONCE, ROLLED] > 3 * others.max()),
        ),
        Claim(
            f"looked up again on failure it loses under a tenth of that with every churn (at most "
            f"{spared.max():.1%})",
            bool((spared < 0.1).all()),
        ),
        Claim(
            "a watch loses less than the cluster IP, but for a lost node",
            all(rows.loc[(churn, WATCH), "against_high"] < 0 for churn in kept),
        ),
        Claim(
            f"a headless name loses what half its TTL says ({_of(fraction.loc[HEADLESS, SCALED])} where "
            f"{LEFT} of {PODS} pods go, {_of(fraction.loc[HEADLESS, DELETED_SOME])} where {DELETED} do)",
            all(fits(HEADLESS, churn, expected_headless(gone)) for churn, gone in headless.items()),
        ),
        Claim(
            "an alias fails as the cluster IP does, replication by replication",
            all(same(ALIAS, churn) for churn in CHURN),
        ),
        Claim(
            "a node port and a load balancer under policy Cluster lose within a tenth of the cluster IP, but "
            "for a lost node",
            all(
                abs(fraction.loc[path, churn] / fraction.loc[VIP, churn] - 1) < 0.1
                for path in (PORT, BALANCER)
                for churn in kept
            ),
        ),
        Claim(
            "a Local policy loses more than the cluster IP, but for a lost node, and after a scale-in and a "
            "drain over nine tenths of it by the policy",
            all(
                rows.loc[(churn, path), "against_low"] > 0
                for path in (VIP_LOCAL, PORT_LOCAL, BALANCER_LOCAL)
                for churn in kept
            )
            and all(
                dropped(path, churn) > 0.9
                for path in (VIP_LOCAL, PORT_LOCAL, BALANCER_LOCAL)
                for churn in (SCALED, DRAINED)
            ),
        ),
        Claim(
            "a load balancer's checks find the node that drops: it loses less than a node port, both Local",
            all(apart(PORT_LOCAL, BALANCER_LOCAL, churn) for churn in (SCALED, DRAINED, LOST)),
        ),
        Claim(
            f"a load balancer to pods hears late and loses more, but for a lost node "
            f"({_of(fraction.loc[TO_PODS, ROLLED])} rolled, to nodes {_of(fraction.loc[BALANCER, ROLLED])})",
            all(apart(TO_PODS, BALANCER, churn) for churn in kept),
        ),
        Claim(
            f"a lost node costs cluster IP and watch what the grace period says "
            f"({_of(fraction.loc[VIP, LOST])} and {_of(fraction.loc[WATCH, LOST])}, closed form "
            f"{_of(expected_lost())})",
            all(fits(path, LOST, expected_lost()) for path in (VIP, WATCH)),
        ),
        Claim(
            "it costs a node port more than a load balancer, that more than one to pods, and under "
            "internalTrafficPolicy Local nobody",
            apart(PORT, BALANCER, LOST)
            and apart(BALANCER, TO_PODS, LOST)
            and rows.loc[(LOST, VIP_LOCAL), "failed"] == 0,
        ),
    ]


def _of(fraction: float) -> str:
    return f"{per_10k(fraction)} in 10,000"


def draw(path: Path, table: pd.DataFrame) -> None:
    """A heat map: paths down, kinds of churn across; in each cell the number, its interval and the cause."""
    value = table.pivot_table(index="path", columns="churn", values="failed_fraction").loc[
        list(PATHS), list(CHURN)
    ]
    rows = table.set_index(["path", "churn"])
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(11.0, 9.0), layout="constrained")
        ax = figure.subplots()
        norm = LogNorm(1, 10_000)
        colours = mpl.colormaps["YlOrRd"].with_extremes(under="white")
        shown = ax.pcolormesh(
            value.to_numpy() * 1e4, norm=norm, cmap=colours, edgecolors="white", linewidth=1.5
        )
        for y, way in enumerate(value.index):
            for x, churn in enumerate(value.columns):
                _cell(ax, x + 0.5, y, rows.loc[(way, churn)])
        ax.set_xticks(np.arange(len(CHURN)) + 0.5, list(CHURN), fontsize=10)
        ax.set_yticks(np.arange(len(PATHS)) + 0.5, list(PATHS), fontsize=10)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.invert_yaxis()
        ax.spines[:].set_visible(False)
        figure.suptitle(
            f"Failed requests in 10,000 with 95% intervals and main cause: {PODS} pods on {NODES} nodes, no "
            f"preStop, {DURATION_S:g} s",
            fontsize=11.5,
        )
        bar = figure.colorbar(shown, ax=ax, shrink=0.5, aspect=30, pad=0.02, extend="min")
        bar.set_ticks([1, 10, 100, 1000, 10_000], labels=["1", "10", "100", "1,000", "10,000"])
        bar.set_label("failed in 10,000 requests (logarithmic; white: none)")
        save(figure, path)


def _cell(ax: Axes, x: float, y: float, row: Mapping[str, Any]) -> None:
    """The words of one cell, whose upper edge is y."""
    ink = "white" if row["failed_fraction"] > DARK_FROM else "#1f2328"
    for down, text, size, style in (
        (0.28, per_10k(row["failed_fraction"]), 12, {"fontweight": "bold"}),
        (0.56, _interval(row), 8, {}),
        (0.79, row["main_cause"].replace("_", " "), 8, {"fontstyle": "italic"}),
    ):
        ax.text(x, y + down, text, ha="center", va="center", color=ink, fontsize=size, **style)


def _interval(row: Mapping[str, Any]) -> str:
    if not row["failed"]:
        return f"in {row['replications']} runs"
    return span(row["failed_fraction_low"], row["failed_fraction_high"], per_10k)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed requests in 10,000, {asked.replications} replications of {DURATION_S:g} s, 95% intervals "
        "over replications",
        (
            "churn",
            "path",
            ">per 10,000",
            "95% interval",
            ">from cluster IP",
            "95% interval",
            "seen as",
            "main cause",
        ),
        [
            (
                row["churn"],
                row["path"],
                per_10k(row["failed_fraction"]),
                span(row["failed_fraction_low"], row["failed_fraction_high"], per_10k)
                if row["failed"]
                else f"< {row['p_replication_fails_high']:.1%} of runs lose any",
                f"{row['against'] * 1e4:+,.1f}",
                span(row["against_low"] * 1e4, row["against_high"] * 1e4, "{:+,.1f}".format),
                _seen(row),
                row["main_cause"] or "-",
            )
            for row in table.to_dict("records")
        ],
    )


def _seen(row: Mapping[str, Any]) -> str:
    """Outcomes in 10,000 requests, biggest first."""
    counts = sorted(((row[name], name) for name in OUTCOMES if row[name]), reverse=True)
    return ", ".join(f"{name} {per_10k(count / row['requests'])}" for count, name in counts) or "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=30, full=200)
    scenarios = {name_of(path, churn): question(path, churn) for churn in CHURN for path in PATHS}
    cells = run_cells(scenarios, asked, CellStore(asked.path(".jsonl")), also=requests_of)
    table = table_of(cells)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table, cells))


if __name__ == "__main__":
    started(main)
