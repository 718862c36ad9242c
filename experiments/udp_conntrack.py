"""UDP and connection tracking: who goes on sending to a pod that is gone, and until when?

Question: ten pods answer datagrams behind a cluster IP. Some callers open a socket for each request, as a
resolver does; others send everything from one socket, as statsd clients and proxies do. The pods are rolled,
with and without a preStop sleep, or scaled to none and back. How many requests are lost, and for how long, if
kube-proxy deletes the entries of removed endpoints (Kubernetes up to 1.31), of all that do not serve (since
1.32), or none? And how seldom must a socket send for its entry to time out by itself?

Expected shape:
- a socket for each request meets the rules each time: what kube-proxy deletes makes no difference to it;
- one socket loses more, as a deleted pod leaves the rules first and stops serving later: its entry goes with
  the sync after that;
- a preStop sleep brings the loss of a socket for each request to nothing, not that of one socket, which
  stays with its pod until the pod stops;
- without deletion one socket never recovers while it sends more often than entries time out;
- with nothing left, since 1.32 nothing is deleted until something serves again: a socket meets silence, where
  up to 1.31, or from a new socket, it would be told that nobody is there (kubernetes/kubernetes 139628);
- an entry lives for 30 s at first: a socket that sends every 29 s is held for good, every 31 s never (only a
  socket that has been answered and sends again, 2 s after its first datagram, has an entry for 120 s).

Run:
    python experiments/udp_conntrack.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import svcsim
from svcsim import Scenario, build_scenario
from svcsim.results.statistics import mean_interval

PODS, RATE_PER_S, SOCKETS = 10, 100.0, 10
AT_S, BACK_S, DURATION_S = 10.0, 30.0, 60.0
LATE_S = (50.0, 58.0)
"""By then everything has settled, and time-outs still fall into the run."""
ONE, EACH = "one socket", "a socket for each"
CLEANING: dict[str, Mapping[str, Any]] = {
    "nothing deleted": {"kubernetes": "1.36", "conntrack": {"cleanup": False}},
    "removed ones (1.31)": {"kubernetes": "1.31"},
    "not serving ones (1.36)": {"kubernetes": "1.36"},
}
NOTHING, REMOVED, SERVING = CLEANING
ROLLED, ROLLED_LATE, TO_NONE = "rolled", "rolled, preStop 5 s", "scaled to none and back"
CHURN: dict[str, list[dict[str, Any]]] = {
    ROLLED: [{"at": f"{AT_S:g}s", "rollout": "deployment/dns"}],
    ROLLED_LATE: [{"at": f"{AT_S:g}s", "rollout": "deployment/dns"}],
    TO_NONE: [
        {"at": f"{AT_S:g}s", "scale": "deployment/dns", "replicas": 0},
        {"at": f"{BACK_S:g}s", "scale": "deployment/dns", "replicas": PODS},
    ],
}
GAPS_S = (29, 31)
"""How often a single socket sends, for so long:"""
SELDOM_S = 600.0
LOOKS = {NOTHING: ("#d55e00", "-"), REMOVED: ("#e69f00", "--"), SERVING: ("#0072b2", "-")}
SILENCE = ("request_timeout",)


def name_of(churn: str, cleaning: str) -> str:
    """The name of a cell of the first part."""
    return f"{churn}, {cleaning}"


def gap_name(gap_s: int) -> str:
    """The name of a cell of the second part."""
    return f"a datagram every {gap_s} s"


def question(churn: str, cleaning: str) -> Scenario:
    """A cell of the first part: both kinds of caller, one kind of churn."""
    clients = [
        {"name": name, "sockets": sockets, "rate": f"{RATE_PER_S:g}/s", "sources": SOCKETS, "timeout": "1s"}
        for name, sockets in ((ONE, "one"), (EACH, "per-request"))
    ]
    hook = {"preStop": {"sleep": {"seconds": 5}}} if churn == ROLLED_LATE else None
    return _scenario(name_of(churn, cleaning), DURATION_S, clients, CHURN[churn], CLEANING[cleaning], hook)


def seldom(gap_s: int) -> Scenario:
    """A cell of the second part: nothing is deleted, one socket sends so seldom."""
    client = {"name": ONE, "sockets": "one", "rate": 1 / gap_s, "sources": 1, "timeout": "1s"}
    client["arrivals"] = "constant"
    events = [{"at": "30s", "rollout": "deployment/dns"}]
    return _scenario(gap_name(gap_s), SELDOM_S, [client], events, CLEANING[NOTHING], None)


def _scenario(
    name: str,
    duration_s: float,
    clients: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    cluster: Mapping[str, Any],
    lifecycle: Mapping[str, Any] | None,
) -> Scenario:
    container: dict[str, Any] = {
        "name": "dns",
        "image": "registry.example/dns:1",
        "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    if lifecycle is not None:
        container["lifecycle"] = lifecycle
    template = {"metadata": {"labels": {"app": "dns"}}, "spec": {"containers": [container]}}
    return build_scenario(
        name=name,
        manifests=[
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "dns"},
                "spec": {
                    "replicas": PODS,
                    "selector": {"matchLabels": {"app": "dns"}},
                    "template": template,
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "dns"},
                "spec": {
                    "selector": {"app": "dns"},
                    "ports": [{"port": 53, "targetPort": 53, "protocol": "UDP"}],
                },
            },
        ],
        duration=f"{duration_s:g}s",
        cluster={"nodes": 4, "vanishedIP": {"then": "blackhole"}, **cluster},
        workloads={"deployment/dns": {"startup": "500ms", "serviceTime": "2ms"}},
        clients=[
            {"to": "service/dns", "via": "cluster-ip", "protocol": "udp", "from": "nodes", **client}
            for client in clients
        ],
        events=list(events),
    )


def measured(result: svcsim.Result) -> dict[str, Any]:
    """By client, of each replication: failures by second, how many at the end, which share in silence."""
    assert result.requests is not None
    found: dict[str, dict[str, list[Any]]] = {}
    edges = np.arange(0.0, DURATION_S + 1)
    for (client, _), asked in result.requests.groupby(["client", "replication"], observed=True):
        own = found.setdefault(
            str(client), {"by_second": [], "asked": [], "late": [], "silent": [], "failed": []}
        )
        lost = asked[~asked["outcome"].isin(["ok", "open"])]
        silent = lost["outcome"].isin(SILENCE)
        own["by_second"].append(np.histogram(lost["arrival_s"], edges)[0].tolist())
        own["asked"].append(np.histogram(asked["arrival_s"], edges)[0].tolist())
        own["late"].append(int(lost["arrival_s"].between(*LATE_S).sum()))
        own["silent"].append(float(silent.mean()) if len(lost) else 0.0)
        own["failed"].append(len(lost))
    return {"of": found}


def table_of(cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row to churn, cleaning and caller: requests lost, their share in silence, those of the end."""
    rows = []
    for name, churn, cleaning, client in _places():
        own = cells[name]["of"][client]
        failed = np.array(own["failed"], dtype=np.float64)
        low, high = mean_interval(failed)
        row = {"churn": churn, "cleaning": cleaning, "caller": client, "replications": len(failed)}
        late, silent = float(np.mean(own["late"])), float(np.mean(own["silent"]))
        each = cells[name]["of"].get(EACH, own)["failed"]
        row["more_low"] = mean_interval(failed - np.array(each, dtype=np.float64))[0]
        rows.append({**row, "lost": failed.mean(), "low": low, "high": high, "late": late, "silent": silent})
    return pd.DataFrame(rows)


def _places() -> list[tuple[str, str, str, str]]:
    """(cell, churn, cleaning, client) of every row of the table."""
    first = [
        (name_of(churn, cleaning), churn, cleaning, client)
        for churn in CHURN
        for cleaning in CLEANING
        for client in (ONE, EACH)
    ]
    return first + [(gap_name(gap_s), gap_name(gap_s), NOTHING, ONE) for gap_s in GAPS_S]


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    rows = table.set_index(["churn", "cleaning", "caller"])

    def lost(churn: str, cleaning: str, caller: str, what: str = "lost") -> float:
        return float(rows.loc[(churn, cleaning, caller), what])

    one, each = (lost(ROLLED, SERVING, caller) for caller in (ONE, EACH))
    late_one, late_each = (lost(ROLLED_LATE, SERVING, caller) for caller in (ONE, EACH))
    at_end = RATE_PER_S * (LATE_S[1] - LATE_S[0])
    kept, freed = (lost(gap_name(gap_s), NOTHING, ONE) for gap_s in GAPS_S)
    silent = lost(TO_NONE, SERVING, ONE, "silent")
    return [
        Claim(
            "what is deleted makes no difference to a socket for each request",
            all(lost(churn, NOTHING, EACH) == lost(churn, SERVING, EACH) for churn in CHURN),
        ),
        Claim(
            f"one socket loses more in a rollout ({one:.0f} to {each:.0f}, since 1.32)",
            lost(ROLLED, SERVING, ONE, "more_low") > 0,
        ),
        Claim(
            f"preStop saves a socket for each request ({late_each:.1f} lost), not one ({late_one:.0f})",
            late_each < 1 and lost(ROLLED_LATE, SERVING, ONE, "low") > 0.2 * one,
        ),
        Claim(
            f"with nothing deleted one socket is lost for good: "
            f"{lost(ROLLED, NOTHING, ONE, 'late') / at_end:.0%} of requests at the end",
            lost(ROLLED, NOTHING, ONE, "late") > 0.9 * at_end
            and lost(ROLLED, REMOVED, ONE, "late") == lost(ROLLED, SERVING, ONE, "late") == 0,
        ),
        Claim(
            f"with nothing left one socket meets silence since 1.32 ({silent:.0%} of what it loses), and is "
            "told up to 1.31 as often as a new socket is",
            silent > 0.95
            and lost(TO_NONE, REMOVED, ONE, "silent") < silent - 0.05
            and lost(TO_NONE, REMOVED, EACH, "silent") < silent - 0.05,
        ),
        Claim(
            "and is released when something serves again",
            lost(TO_NONE, SERVING, ONE, "late") == 0 and lost(TO_NONE, NOTHING, ONE, "late") > 0,
        ),
        Claim(
            f"a socket that sends every {GAPS_S[0]} s is held for good ({kept:.0f} lost), one every "
            f"{GAPS_S[1]} s is not ({freed:.1f})",
            kept > 0.9 * (SELDOM_S / GAPS_S[0] - 3) and freed < 1.5,
        ),
    ]


def draw(path: Path, cells: Mapping[str, Mapping[str, Any]]) -> None:
    """Requests lost over time: a column to each kind of churn, a row to each kind of caller."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(13.5, 6.4), layout="constrained")
        figure.suptitle(
            f"UDP through a cluster IP, {PODS} pods: requests lost (95% intervals), by the entries "
            "that kube-proxy deletes",
            fontsize=11.5,
        )
        axes = figure.subplots(2, len(CHURN), sharex=True, sharey=True)
        for column, churn in enumerate(CHURN):
            for row, client in enumerate((ONE, EACH)):
                _over_time(axes[row, column], cells, churn, client)
            axes[0, column].set_title(churn, fontsize=10)
            axes[1, column].set_xlabel("time, s")
        for row, client in enumerate((ONE, EACH)):
            axes[row, 0].set_ylabel(f"{client}: requests lost, %")
        axes[1, 0].legend(frameon=False, loc="upper right", title="entries deleted")
        save(figure, path)


def _over_time(axes: Axes, cells: Mapping[str, Mapping[str, Any]], churn: str, client: str) -> None:
    shown = int(LATE_S[1]) + 1
    for cleaning, (colour, line) in LOOKS.items():
        own = cells[name_of(churn, cleaning)]["of"][client]
        lost, asked = (np.array(own[what], dtype=np.float64)[:, :shown] for what in ("by_second", "asked"))
        shares = 100 * lost / np.maximum(asked, 1)
        low, high = np.array([mean_interval(second) for second in shares.T]).T
        axes.fill_between(np.arange(shown), low, high, step="post", color=colour, alpha=0.2, linewidth=0)
        axes.step(
            np.arange(shown), shares.mean(axis=0), where="post", color=colour, linestyle=line, label=cleaning
        )
    axes.axvline(AT_S, color="#8a939c", linewidth=0.8)
    if churn == TO_NONE:
        axes.axvline(BACK_S, color="#8a939c", linewidth=0.8)
    axes.set_ylim(-4, 104)
    axes.set_xlim(0, LATE_S[1])


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"requests lost, {asked.replications} replications, 95% intervals",
        ("churn", "entries deleted", "caller", ">lost", "95% interval", ">in silence", ">at the end"),
        [
            (
                row["churn"],
                row["cleaning"],
                row["caller"],
                f"{row['lost']:.1f}",
                span(row["low"], row["high"]),
                f"{row['silent']:.0%}",
                f"{row['late']:.1f}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=10, full=40)
    scenarios = [question(churn, cleaning) for churn in CHURN for cleaning in CLEANING]
    scenarios += [seldom(gap_s) for gap_s in GAPS_S]
    cells = run_cells(
        {one.name or "": one for one in scenarios},
        asked,
        CellStore(asked.path(".jsonl")),
        also=measured,
        keep_requests=True,
    )
    table = table_of(cells)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, cells), claims_of(table))


if __name__ == "__main__":
    started(main)
