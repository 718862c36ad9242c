"""Pod IPs against a Service's virtual IP: how many requests fail while pods come and go?

Question: ten pods are reached in five ways: by pod IPs looked up once (pinned), looked up every 30 s, looked
up again after a failure, taken from a watch; and by the Service's cluster IP. How many of 10,000 requests
fail through each when the Deployment is rolled, when it is scaled 10 -> 3 -> 10, and when three pods crash?
And how many are left when pods wait ten seconds before they stop (preStop)?

Expected shape:
- rolled and scaled, without preStop: pinned loses most, by far; then looking up every 30 s; then the virtual
  IP, which loses what falls between a pod's end and the next sync of kube-proxy; least a watch, which has no
  minSyncPeriod to wait for;
- with a preStop longer than that lag: the virtual IP and the watch lose nothing at all; pinned hardly gains,
  as the new pods have new addresses;
- crashed: a container starts again under its old address, so that even pinned loses little, and no hook runs,
  so that preStop changes not a single request.

Run:
    python experiments/pod_ip_vs_vip.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
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
from matplotlib.figure import Figure

from svcsim import Scenario, build_scenario
from svcsim.report import path_comparison

PRE_STOP_S = 10
RATE = "200/s"
PODS = 10
CRASHING = 3

CLIENTS: dict[str, dict[str, Any]] = {
    "pinned": {"via": "pod-ip", "resolve": "once"},
    "every 30 s": {"via": "pod-ip", "resolve": {"every": "30s"}},
    "on failure": {"via": "pod-ip", "resolve": "on-failure"},
    "watching": {"via": "pod-ip", "resolve": "watch"},
    "virtual IP": {"via": "cluster-ip"},
}
PATHS = {
    "pinned": "pod-ip once",
    "every 30 s": "pod-ip every 30s",
    "on failure": "pod-ip on-failure",
    "watching": "pod-ip watch",
    "virtual IP": "cluster-ip",
}
CHURN: dict[str, list[dict[str, Any]]] = {
    "rolling update": [{"at": "20s", "rollout": "deployment/web"}],
    f"scaled {PODS} -> 3 -> {PODS}": [
        {"at": "20s", "scale": "deployment/web", "replicas": 3},
        {"at": "50s", "scale": "deployment/web", "replicas": PODS},
    ],
    f"{CRASHING} pods crash": [{"at": "20s", "crash": "deployment/web", "count": CRASHING}],
}
ROLLED, SCALED, CRASHED = CHURN
HOOKS = {"without preStop": 0, f"preStop {PRE_STOP_S} s": PRE_STOP_S}
BARE, WAITING = HOOKS


def manifests(pre_stop_s: int) -> list[dict[str, Any]]:
    """A Deployment and its Service."""
    container: dict[str, Any] = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 2},
    }
    if pre_stop_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop_s}}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 30, "containers": [container]},
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    return [deployment, service]


def question(churn: str, hook: str) -> Scenario:
    """One cell: all five clients, under one churn, with or without the hook."""
    return build_scenario(
        name=f"{churn}, {hook}",
        manifests=manifests(HOOKS[hook]),
        duration="100s",
        cluster={"kubernetes": "1.34", "nodes": 4, "kubeProxy": {"mode": "iptables", "minSyncPeriod": "1s"}},
        workloads={
            "deployment/web": {
                "startup": {"lognormal": {"median": "2s", "p99": "6s"}},
                "serviceTime": {"exponential": {"mean": "20ms"}},
                "onSigterm": "exit",
            }
        },
        clients=[
            {"name": name, "to": "service/web", "rate": RATE, "sources": 12, **how}
            for name, how in CLIENTS.items()
        ],
        events=CHURN[churn],
    )


def table_of(cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a churn, a hook and a client."""
    rows = []
    for churn in CHURN:
        for hook in HOOKS:
            cell = cells[f"{churn}, {hook}"]
            causes = pd.DataFrame(cell["causes"], columns=["client", "outcome", "cause", "stage", "count"])
            by_cause = causes.groupby(["client", "cause"], sort=False)["count"].sum()
            for row in summary_of(cell).to_dict("records"):
                own = by_cause[row["client"]] if row["failed"] else None
                rows.append(
                    {
                        "churn": churn,
                        "hook": hook,
                        "client": row["client"],
                        "via": PATHS[row["client"]],
                        "replications": int(row["replications"]),
                        "requests": int(row["requests"]),
                        "failed": int(row["failed"]),
                        "failed_fraction": row["failed_fraction"],
                        "failed_fraction_low": row["failed_fraction_low"],
                        "failed_fraction_high": row["failed_fraction_high"],
                        "failed_mean": row["failed_mean"],
                        "failed_low": row["failed_low"],
                        "failed_high": row["failed_high"],
                        "replications_failed": int(row["replications_failed"]),
                        "p_replication_fails_high": row["p_replication_fails_high"],
                        "main_cause": "" if own is None else str(own.idxmax()),
                        "main_cause_share": float("nan") if own is None else float(own.max() / own.sum()),
                    }
                )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame, cells: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """The expected shape, claim by claim; "more" means that 95% intervals lie apart."""
    rows = table.set_index(["churn", "hook", "client"])

    def more(churn: str, hook: str, *clients: str) -> bool:
        picked = [rows.loc[(churn, hook, client)] for client in clients]
        return all(a["failed_fraction_low"] > b["failed_fraction_high"] for a, b in pairwise(picked))

    def none(hook: str, *clients: str) -> bool:
        return all(
            rows.loc[(churn, hook, client), "failed"] == 0 for churn in (ROLLED, SCALED) for client in clients
        )

    ordered = ("pinned", "every 30 s", "virtual IP", "watching")
    fraction = rows["failed_fraction"]
    return [
        Claim(
            "rolled or scaled, pinned addresses lose most, then those looked up every 30 s, then the virtual "
            "IP, least a watch",
            all(more(churn, BARE, *ordered) and not none(BARE, "watching") for churn in (ROLLED, SCALED)),
        ),
        Claim(
            "pinned addresses lose over a third of all requests, with and without preStop",
            all(fraction[(churn, hook, "pinned")] > 1 / 3 for churn in (ROLLED, SCALED) for hook in HOOKS),
        ),
        Claim(
            "with preStop the virtual IP and the watch lose nothing", none(WAITING, "virtual IP", "watching")
        ),
        Claim(
            "after a crash, where addresses stay, even pinned ones lose under 3%, and a watch less than the "
            "virtual IP",
            fraction[(CRASHED, BARE, "pinned")] < 0.03 and more(CRASHED, BARE, "virtual IP", "watching"),
        ),
        Claim(
            "in a crash preStop changes not a single request",
            cells[f"{CRASHED}, {BARE}"]["failed"] == cells[f"{CRASHED}, {WAITING}"]["failed"],
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """A panel to a churn; in it each client without and with the hook."""
    order = {name: k for k, name in enumerate(CLIENTS)}
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(11.0, 15.0), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.12)
        figure.suptitle(
            f"Failed requests in 10,000 while {PODS} pods come and go, by the way they are reached "
            f"({RATE} each, 100 s)",
            fontsize=11.5,
        )
        for ax, churn in zip(figure.subplots(len(CHURN), 1), CHURN, strict=True):
            rows = table[table["churn"] == churn]
            rows = rows.sort_values("client", key=lambda names: names.map(order), kind="stable")
            named = rows.assign(
                client=[f"{c}, {h}" for c, h in zip(rows["client"], rows["hook"], strict=True)]
            )
            path_comparison(ax, named.reset_index(drop=True))
            ax.set_title(churn, fontsize=10.5, loc="left", pad=16)
        save(figure, path)


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"failed requests, {asked.replications} replications of 100 s, 95% intervals over replications",
        (
            "churn",
            "hook",
            "client",
            ">per 10,000",
            "95% interval",
            ">per replication",
            "95% interval",
            "main cause",
        ),
        [
            (
                row["churn"],
                row["hook"],
                row["client"],
                per_10k(row["failed_fraction"]),
                span(row["failed_fraction_low"], row["failed_fraction_high"], per_10k)
                if row["failed"]
                else f"< {row['p_replication_fails_high']:.1%} of runs lose any",
                f"{row['failed_mean']:,.1f}",
                span(row["failed_low"], row["failed_high"], "{:,.1f}".format) if row["failed"] else "-",
                f"{row['main_cause']} {row['main_cause_share']:.0%}" if row["failed"] else "-",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=20, full=400)
    scenarios = {f"{churn}, {hook}": question(churn, hook) for churn in CHURN for hook in HOOKS}
    cells = run_cells(scenarios, asked, CellStore(asked.path(".jsonl")))
    table = table_of(cells)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table, cells))


if __name__ == "__main__":
    started(main)
