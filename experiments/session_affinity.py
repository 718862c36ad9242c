"""Session affinity: what sessionAffinity ClientIP does to balance and to a rollout, and when it ends.

Question: a Service of ten pods has sessionAffinity ClientIP, and its callers come through a few NAT
addresses. How many pods do they use, and how much more has the busiest of them than the mean? What does a
rolling update do to sessions: how often is one moved, how many requests fail, how is the load spread
afterwards? And how often does the time-out end a session whose caller is quiet for a while?

Expected shape:
- k addresses use at most k pods; each is one ball thrown at ten bins, so that even ten of them leave the
  busiest pod with almost three times the mean (closed forms: 10 (1 - 0.9^k) pods, the largest bin);
- a load balancer that picks a node for every connection throws one ball for each address and node, as every
  node remembers by itself; without affinity all pods have the same;
- a rolling update, one pod more at a time, moves each session (1 + 1/n)^n - 1 = 1.6 times, and leaves the
  first new pod with most of them and the last with next to none; old pods keep and collect sessions until
  they die, so that 1.75 times as many requests fail as without affinity, and more of one caller's;
- a session moves if its caller is quiet for the time-out: e^(-rate x time-out) x 9/10 of its requests.

Run:
    python experiments/session_affinity.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import svcsim
from svcsim import Scenario, build_scenario, theory
from svcsim.report import lines_with_bands
from svcsim.results.statistics import mean_interval

PODS, NODES = 10, 4
SOURCES = (1, 2, 3, 5, 10, 20, 50, 100, 200)
QUICK_SOURCES = (1, 3, 10, 50, 200)
WAYS = ("one node's port", "load balancer to nodes", "no affinity")
BUSY_PER_S, BUSY_S = 400.0, 60.0

SESSIONS, ROLLED_PER_S, ROLLED_AT_S, ROLLED_S = 200, 600.0, 10.0, 110.0
SETTLED_S = 80.0
"""By then the rolling update is over."""

TIMEOUTS_S = (1, 2, 5, 10, 20)
QUIET_SOURCES, QUIET_PER_S, QUIET_S = 100, 20.0, 300.0

LOOKS = (("#d55e00", "s"), ("#0072b2", "o"), ("#009e73", "^"))
INK = "#1f2328"
STICKY, FREE = "rolled, affinity", "rolled, no affinity"

Float64 = npt.NDArray[np.float64]


def spread_name(way: str, sources: int) -> str:
    """The name of a cell of the first part."""
    return f"{sources} sources, {way}"


def timeout_name(timeout_s: int) -> str:
    """The name of a cell of the third part."""
    return f"time-out {timeout_s} s"


def spread(way: str, sources: int) -> Scenario:
    """A cell of the first part: so many addresses call, nothing else happens."""
    client = {"rate": f"{BUSY_PER_S:g}/s", "sources": sources, **_way(way)}
    return _scenario(spread_name(way, sources), BUSY_S, client, affinity=way != WAYS[2])


def rolled(*, affinity: bool) -> Scenario:
    """A cell of the second part: a rolling update, one pod more at a time."""
    client = {"rate": f"{ROLLED_PER_S:g}/s", "sources": SESSIONS, **_way(WAYS[0])}
    return _scenario(
        STICKY if affinity else FREE,
        ROLLED_S,
        client,
        affinity=affinity,
        events=[{"at": f"{ROLLED_AT_S:g}s", "rollout": "deployment/web"}],
    )


def quiet(timeout_s: int) -> Scenario:
    """A cell of the third part: sources that call every five seconds on average."""
    client = {"rate": f"{QUIET_PER_S:g}/s", "sources": QUIET_SOURCES, **_way(WAYS[0])}
    return _scenario(timeout_name(timeout_s), QUIET_S, client, affinity=True, timeout_s=timeout_s)


def _way(way: str) -> dict[str, Any]:
    if way == WAYS[1]:
        return {"via": "load-balancer"}
    return {"via": "node-port", "from": "outside", "entry": "node:node-1"}


def _scenario(
    name: str,
    duration_s: float,
    client: Mapping[str, Any],
    *,
    affinity: bool,
    timeout_s: int = 10_800,
    events: Sequence[Mapping[str, Any]] = (),
) -> Scenario:
    sticky = {
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": timeout_s}},
    }
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return build_scenario(
        name=name,
        manifests=[
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web"},
                "spec": {
                    "replicas": PODS,
                    "minReadySeconds": 3,
                    "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": template,
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {
                    "type": "LoadBalancer",
                    "selector": {"app": "web"},
                    "ports": [{"port": 80, "targetPort": 8080}],
                    **(sticky if affinity else {}),
                },
            },
        ],
        duration=f"{duration_s:g}s",
        cluster={"nodes": NODES},
        workloads={"deployment/web": {"startup": "500ms", "serviceTime": "5ms"}},
        clients=[{"name": "caller", "to": "service/web", **client}],
        events=list(events),
    )


def measured(result: svcsim.Result) -> dict[str, Any]:
    """What each part needs, of each replication."""
    assert result.requests is not None
    found: dict[str, list[Any]] = {key: [] for key in _MEASURES}
    for replication, asked in result.requests.groupby("replication"):
        answered = asked[asked["outcome"] == "ok"].sort_values("arrival_s", kind="stable")
        counts = answered["pod"].astype(str).value_counts().to_numpy()
        found["used"].append(len(counts))
        found["max_over_mean"].append(float(counts.max() * PODS / counts.sum()))
        pods = answered["pod"].cat.codes.astype(np.int64)
        before = pods.groupby(answered["source"]).shift()
        again = before.notna()
        moved = int((again & (pods != before)).sum())
        found["moves"].append(moved / asked["source"].nunique())
        found["moved_share"].append(moved / max(int(again.sum()), 1))
        lost = asked[~asked["outcome"].isin(["ok", "open"])].groupby("source").size()
        found["failed"].append(int(lost.sum()))
        found["sources_that_lost"].append(len(lost) / asked["source"].nunique())
        found["worst_source"].append(int(lost.max()) if len(lost) else 0)
        late = answered[answered["arrival_s"] >= SETTLED_S]
        found["sessions"].append(_by_age(result.pods, int(str(replication)), late))
    return found


_MEASURES = (
    "used",
    "max_over_mean",
    "moves",
    "moved_share",
    "failed",
    "sources_that_lost",
    "worst_source",
    "sessions",
)


def _by_age(pods: pd.DataFrame, replication: int, late: pd.DataFrame) -> list[int]:
    """Sources whose last answer came from each pod that is left, oldest pod first."""
    left = pods[(pods["replication"] == replication) & pods["deleted_s"].isna()]
    names = left.sort_values("created_s", kind="stable")["pod"].astype(str).tolist()
    last = late.drop_duplicates("source", keep="last")["pod"].astype(str).value_counts()
    return [int(last.get(name, 0)) for name in names]


def pods_used(balls: int) -> float:
    """Bins of `PODS` that are hit by so many balls, on average."""
    return PODS * (1 - (1 - 1 / PODS) ** balls)


def largest_bin(balls: int) -> float:
    """The largest bin over the mean one, on average, of so many balls in `PODS` bins.

    P(no bin has more than m) is balls! / PODS^balls times the coefficient of z^balls in
    (sum of z^i / i! for i <= m)^PODS; bins as Poisson numbers with that sum keep the terms small.
    """
    mean = balls / PODS
    law = np.exp(-mean + np.arange(balls + 1) * np.log(mean) - _log_factorials(balls))
    total = exp(-balls + balls * np.log(balls) - _log_factorials(balls)[balls])
    expected = 0.0
    for most in range(balls):
        bins = np.array([1.0])
        for _ in range(PODS):
            bins = np.convolve(bins, law[: most + 1])[: balls + 1]
        within = bins[balls] / total if len(bins) > balls else 0.0
        expected += 1 - within
        if within > 1 - 1e-12:
            break
    return float(expected * PODS / balls)


def _log_factorials(n: int) -> Float64:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))


def moves_of_a_rollout() -> float:
    """Moves of a session while all pods are replaced, one more at a time."""
    return float((1 + 1 / PODS) ** PODS - 1)


def lost_with_affinity() -> float:
    """How many times as many requests fail: a dying pod's share with affinity over 1 / (n + 1)."""
    return moves_of_a_rollout() * (PODS + 1) / PODS


def moved_share(timeout_s: float) -> float:
    """The share of a quiet source's requests that meet another pod than the one before.

    Gaps that began before the run or are not over at its end are not seen, which the longest are most often.
    """
    rate = QUIET_PER_S / QUIET_SOURCES
    longer = (
        rate * (QUIET_S - timeout_s) * exp(-rate * timeout_s) - exp(-rate * timeout_s) + exp(-rate * QUIET_S)
    )
    return longer / (rate * QUIET_S - 1 + exp(-rate * QUIET_S)) * (1 - 1 / PODS)


def table_of(cells: Mapping[str, Mapping[str, Any]], sources: Sequence[int]) -> pd.DataFrame:
    """A row to a number: its part and place, mean, interval and closed form."""
    rows: list[dict[str, Any]] = []

    def add(part: str, way: str, x: float, values: Sequence[float], closed: float) -> None:
        low, high = mean_interval(np.array(values, dtype=np.float64))
        row = {"part": part, "way": way, "x": x, "replications": len(values)}
        rows.append({**row, "mean": float(np.mean(values)), "low": low, "high": high, "closed_form": closed})

    for way in WAYS:
        for number in sources:
            cell = cells[spread_name(way, number)]
            balls = {WAYS[0]: number, WAYS[1]: NODES * number}.get(way)
            add("pods used", way, number, cell["used"], pods_used(balls) if balls else PODS)
            closed = largest_bin(balls) if balls else 1.0
            add("max over mean", way, number, cell["max_over_mean"], closed)
    loads = theory.restart_loads(PODS, surge=True)
    sessions = np.array(cells[STICKY]["sessions"], dtype=np.float64)
    for place, load in enumerate(loads):
        add("after a rollout", "new pod", place + 1, (sessions * PODS / SESSIONS)[:, place].tolist(), load)
    add("moves", "affinity", 0, cells[STICKY]["moves"], moves_of_a_rollout())
    nan = float("nan")
    for name in (STICKY, FREE):
        for what in ("failed", "sources_that_lost", "worst_source"):
            add(what.replace("_", " "), name, 0, cells[name][what], nan)
    sticky, free = (np.array(cells[name]["failed"], dtype=np.float64) for name in (STICKY, FREE))
    ratio = sticky.mean() / free.mean()
    # linearised, so that both means' errors are in the interval
    ratios = ratio + (sticky - ratio * free) / free.mean()
    add("failed, of those without affinity", STICKY, 0, ratios.tolist(), lost_with_affinity())
    worst = np.array(cells[STICKY]["worst_source"]) - np.array(cells[FREE]["worst_source"])
    add("worst source, over that without affinity", STICKY, 0, worst.tolist(), nan)
    for timeout_s in TIMEOUTS_S:
        add(
            "moved",
            "time-out",
            timeout_s,
            cells[timeout_name(timeout_s)]["moved_share"],
            moved_share(timeout_s),
        )
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape; a closed form holds within four standard errors and more."""
    rows = table.set_index(["part", "way", "x"]).sort_index()

    def fits(part: str, way: str, *, slack: float = 0.0) -> bool:
        own = rows.loc[(part, way)]
        apart = (own["mean"] - own["closed_form"]).abs()
        return bool((apart <= (own["high"] - own["low"]) + slack * own["closed_form"]).all())

    used = rows.loc[("pods used", WAYS[0])]
    spread_of = {way: rows.loc[("max over mean", way), "mean"] for way in WAYS}
    few = [x for x in used.index if x < PODS]
    moves = rows.loc[("moves", "affinity", 0)]
    worst = {name: rows.loc[("worst source", name, 0)] for name in (STICKY, FREE)}
    more = rows.loc[("failed, of those without affinity", STICKY, 0)]
    ten = float(spread_of[WAYS[0]].loc[PODS])
    return [
        Claim(
            "k addresses use at most k pods, as many as k balls hit bins",
            bool((used.loc[few, "mean"] <= few).all()) and fits("pods used", WAYS[0], slack=0.02),
        ),
        Claim(
            f"the busiest pod has what the largest bin has ({ten:.2f} times the mean with {PODS} of them)",
            fits("max over mean", WAYS[0], slack=0.03),
        ),
        Claim(
            f"behind a load balancer that picks a node each time it is as with {NODES} times as many",
            fits("pods used", WAYS[1], slack=0.02) and fits("max over mean", WAYS[1], slack=0.03),
        ),
        Claim(
            f"without affinity it is {spread_of[WAYS[2]].max():.2f} at most",
            bool(spread_of[WAYS[2]].max() < 1.1),
        ),
        Claim(
            f"a rolling update moves a session {moves['mean']:.2f} times ({moves_of_a_rollout():.2f})",
            fits("moves", "affinity", slack=0.01),
        ),
        Claim(
            "and leaves the i-th new pod with (1 + 1/n)^n - (1 + 1/n)^(i - 1) of the mean",
            fits("after a rollout", "new pod"),
        ),
        Claim(
            f"{more['mean']:.2f} times as many requests fail as without affinity "
            f"({lost_with_affinity():.2f})",
            fits("failed, of those without affinity", STICKY) and more["low"] > 1,
        ),
        Claim(
            f"and more of one caller's: the worst of {SESSIONS} loses {worst[STICKY]['mean']:.1f}, without "
            f"affinity {worst[FREE]['mean']:.1f}",
            bool(rows.loc[("worst source, over that without affinity", STICKY, 0), "low"] > 0),
        ),
        Claim("a session moves as often as its caller is quiet for the time-out", fits("moved", "time-out")),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Balance over the number of addresses, load after a rollout, and moves over the time-out."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(13.5, 5.2), layout="constrained")
        figure.suptitle(
            f"sessionAffinity ClientIP over {PODS} pods (95% intervals; dashed: closed forms)", fontsize=11.5
        )
        spread_axes, rolled_axes, quiet_axes = figure.subplots(1, 3)
        for way, (colour, marker) in zip(WAYS, LOOKS, strict=True):
            label = way if way == WAYS[2] else f"{way}, affinity"
            _points(spread_axes, table, "max over mean", way, label, colour, marker)
        spread_axes.set_xscale("log")
        spread_axes.set_xticks(SOURCES, labels=[str(number) for number in SOURCES])
        spread_axes.minorticks_off()
        spread_axes.set_ylim(0, PODS * 1.05)
        spread_axes.set_xlabel("addresses that call")
        spread_axes.set_ylabel("requests of the busiest pod over the mean")
        spread_axes.legend(frameon=False, loc="upper right")
        _points(rolled_axes, table, "after a rollout", "new pod", "", LOOKS[0][0], LOOKS[0][1])
        rolled_axes.axhline(1, color="#8a939c", linewidth=0.8)
        rolled_axes.set_xticks(range(1, PODS + 1))
        rolled_axes.set_ylim(0, 2)
        rolled_axes.set_xlabel("new pod, in order of creation")
        rolled_axes.set_ylabel("sessions over the mean, after a rolling update")
        _points(quiet_axes, table, "moved", "time-out", "", LOOKS[0][0], LOOKS[0][1])
        quiet_axes.set_ylim(0, 1)
        quiet_axes.set_xticks(TIMEOUTS_S)
        quiet_axes.set_xlabel(f"timeoutSeconds, of a caller every {QUIET_SOURCES / QUIET_PER_S:g} s")
        quiet_axes.set_ylabel("share of requests that meet another pod")
        save(figure, path)


def _points(
    axes: Axes, table: pd.DataFrame, part: str, way: str, label: str, colour: str, marker: str
) -> None:
    rows = table[(table["part"] == part) & (table["way"] == way)]
    axes.plot(rows["x"], rows["closed_form"], color=colour, linewidth=1.1, linestyle=(0, (5, 3)))
    lines_with_bands(
        axes, rows["x"], rows["mean"], rows["low"], rows["high"], label=label, colour=colour, marker=marker
    )


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    show_table(
        f"session affinity, {asked.replications} replications, 95% intervals",
        ("what", "where", ">at", ">mean", "95% interval", ">closed form"),
        [
            (
                row["part"],
                row["way"],
                f"{row['x']:g}" if row["x"] else "",
                f"{row['mean']:.3f}",
                span(row["low"], row["high"], "{:.3f}".format),
                f"{row['closed_form']:.3f}" if np.isfinite(row["closed_form"]) else "-",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=20, full=100)
    sources = QUICK_SOURCES if asked.quick else SOURCES
    scenarios = [spread(way, number) for way in WAYS for number in sources]
    scenarios += [rolled(affinity=True), rolled(affinity=False), *map(quiet, TIMEOUTS_S)]
    cells = run_cells(
        {one.name or "": one for one in scenarios},
        asked,
        CellStore(asked.path(".jsonl")),
        also=measured,
        keep_requests=True,
    )
    table = table_of(cells, sources)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
