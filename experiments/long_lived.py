"""Long-lived connections: which pods do they end up on after a scale-out, and after a rolling restart?

Question: a hundred callers each hold one connection to a Service, through its virtual IP. Five pods become
ten, or all five are restarted one after the other. What load have the new pods then, how long does it take
until they have their share, and what does a maximum connection age change, with and without jitter?

Expected shape:
- a connection that is opened picks at random, so that the busiest of five pods has what the largest of five
  bins has;
- connections that never end never meet a new pod: the old ones have m/n = 2 times the mean, for ever;
- with a maximum age the old pods have 1 + (m/n - 1)(1 - F(t)) of the mean at t after the scale-out, F the
  chance that a connection met then has been opened since; the time until new pods have half of their share
  grows with the age;
- without jitter, all connections, opened together, end together: nothing moves until the next multiple of
  the age, and then everything within seconds;
- a rolling restart leaves the i-th restarted pod r^n - r^i of the mean, r = n/(n - 1), one pod fewer at a
  time: the last has nothing; and (1 + 1/n)^n - (1 + 1/n)^(i - 1) one more at a time;
- a maximum age evens that out as well.

A connection that is too old is replaced by the next request on it, and a request counts where it is
served. So of a connection of age A, and a mean gap g between requests, 1 - F(t) = E[(A - t)+] / (E[A] + g).
Claims are made by t tests, of which one in a hundred runs raises a false alarm.

Run:
    python experiments/long_lived.py [--quick] [--out DIR] [--replications R] [--seed N]

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
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import optimize, stats

import svcsim
from svcsim import Scenario, build_scenario, theory
from svcsim.distributions import Uniform
from svcsim.report.figures.lines import lines_with_bands
from svcsim.results.statistics import mean_interval

PODS, GROWN = 5, 10
CALLERS, GAP_S = 100, 1.0
JITTER = 0.8
AGES_S = (10, 20, 40)
HERD_S = 40
SCALED_AT_S, SCALED_S = 100.0, 160.0
LISTED_S, SETTLED_S = 0.41, 0.6
"""After the scale-out: when every node's rules have all ten pods (0.40 to 0.43 s); when bins begin."""
BIN_S, BINS = 2.0, 27
HALF = 0.5
RESTARTED_AT_S, RESTARTED_S = 5.0, 120.0
RESTART_SEEN = (100.0, 120.0)
RESTART_AGE_S = 20
FALSE_ALARMS, COMPARISONS = 0.01, 200
MAX_OF_BINS = 20_000
"""Draws for the mean of the largest bin."""

FOREVER, FRESH, HERD = "kept for ever", "one for each request", f"at most {HERD_S} s old, no jitter"
CURVES: dict[str, Mapping[str, Any]] = {
    FOREVER: {"channel": True},
    FRESH: {},
    HERD: {"channel": {"maxAge": f"{HERD_S}s"}},
    **{
        f"at most {age} s old": {"channel": {"maxAge": f"{age}s", "ageJitter": f"{JITTER:.0%}"}}
        for age in AGES_S
    },
}
SURGES = {"one pod fewer at a time": False, "one pod more at a time": True}
CURED = f"one fewer, and at most {RESTART_AGE_S} s old"
COLOURS = ("#59636e", "#000000", "#d55e00", "#56b4e9", "#0072b2", "#009e73")
MARKS = ("s", "x", "D", "o", "^", "v")

Float64 = npt.NDArray[np.float64]


def scaled(way: str) -> Scenario:
    """A cell of the first part: five pods become ten."""
    events = [{"at": f"{SCALED_AT_S:g}s", "scale": "deployment/web", "replicas": GROWN}]
    return _scenario(way, SCALED_S, CURVES[way], events, startup="0s")


def restarted(way: str) -> Scenario:
    """A cell of the second part: a rolling restart."""
    kept: Mapping[str, Any] = {"channel": True}
    if way == CURED:
        kept = {"channel": {"maxAge": f"{RESTART_AGE_S}s", "ageJitter": f"{JITTER:.0%}"}}
    surge = SURGES.get(way, False)
    events = [{"at": f"{RESTARTED_AT_S:g}s", "rollout": "deployment/web"}]
    return _scenario(way, RESTARTED_S, kept, events, startup="10s", surge=surge)


def _scenario(
    name: str,
    duration_s: float,
    kept: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    *,
    startup: str,
    surge: bool = False,
) -> Scenario:
    """Every lag is a millisecond and endpoints are written in one batch: what is asked here comes after."""
    quick = ("controller", "api", "scheduler", "pull", "start", "kubelet", "status", "endpointSlice", "watch")
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        # longer than it is listed, so that nobody is refused
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    strategy = {"rollingUpdate": {"maxSurge": int(surge), "maxUnavailable": int(not surge)}}
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": PODS, "strategy": strategy, "selector": selector, "template": template}
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return build_scenario(
        name=name,
        manifests=[
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
        ],
        duration=f"{duration_s:g}s",
        cluster={
            "nodes": 5,
            "endpointSlice": {"batchPeriod": "400ms"},
            "lag": dict.fromkeys((*quick, "sync"), "1ms"),
        },
        workloads={
            "deployment/web": {
                "startup": startup,
                "serviceTime": "1ms",
                "onSigterm": "drain",
            }
        },
        clients=[
            {
                "name": "caller",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": f"{CALLERS / GAP_S:g}/s",
                "sources": CALLERS,
                **kept,
            }
        ],
        events=list(events),
    )


def measured(result: svcsim.Result) -> dict[str, Any]:
    """What both parts need, of each replication; bins of requests are counted from the scale-out on."""
    assert result.requests is not None
    found: dict[str, list[Any]] = {key: [] for key in ("all", "new", "largest", "herd", "restarted")}
    for replication, asked in result.requests.groupby("replication"):
        rows = result.pods[result.pods["replication"] == int(str(replication))]
        newer = rows.loc[rows["created_s"] > 0].sort_values("ready_s", kind="stable")["pod"].astype(str)
        arrival, pod = asked["arrival_s"].to_numpy(), asked["pod"].astype(str)
        on_new = pod.isin(newer).to_numpy()
        place = np.floor((arrival - SCALED_AT_S - SETTLED_S) / BIN_S).astype(np.int64)
        within = (place >= 0) & (place < BINS)
        found["all"].append(np.bincount(place[within], minlength=BINS).tolist())
        found["new"].append(np.bincount(place[within & on_new], minlength=BINS).tolist())
        before = asked[arrival < RESTARTED_AT_S].drop_duplicates("source", keep="last")["pod"]
        found["largest"].append(int(before.astype(str).value_counts().max()))
        late = asked[(asked["syns"] > 0) & (arrival > SCALED_AT_S)]
        found["herd"].append(int(late["arrival_s"].astype(np.int64).value_counts().max()) if len(late) else 0)
        seen = pod[(arrival >= RESTART_SEEN[0]) & (arrival < RESTART_SEEN[1])].value_counts()
        found["restarted"].append([float(seen.get(name, 0) * PODS / seen.sum()) for name in newer[:PODS]])
    return found


def moved(age_s: int, t_s: float) -> float:
    """F(t) of the head of this file, t after the listing; ages are uniform up to the maximum."""
    law = Uniform((1 - JITTER) * age_s, float(age_s))
    return 1.0 - law.mean_excess(t_s) / (law.mean() + GAP_S)


def moved_together(t_s: float) -> float:
    """The same without jitter: callers open at their first request, and from then on age by age.

    A connection is opened a gap after its predecessor became too old, so the k-th at (k - 1) ages and the
    sum of k gaps.
    """
    past = int(SCALED_AT_S // HERD_S)
    since = SCALED_AT_S + LISTED_S + t_s - (past + 1) * HERD_S
    return float(stats.gamma.cdf(since, past + 1, scale=GAP_S))


def expected(way: str) -> Float64:
    """Load of an old pod over the mean, on average over each bin (Simpson's rule)."""
    if way in (FOREVER, FRESH):
        share = np.full(BINS, float(way == FRESH))
    else:
        age_s = HERD_S if way == HERD else int(way.split()[2])
        edges = SETTLED_S - LISTED_S + BIN_S * np.arange(BINS)
        values = [
            [
                moved_together(t) if way == HERD else moved(age_s, t)
                for t in edge + BIN_S * np.array([0, 0.5, 1])
            ]
            for edge in edges
        ]
        share = np.array(values) @ np.array([1.0, 4.0, 1.0]) / 6.0
    return 1.0 + (GROWN / PODS - 1.0) * (1.0 - share)


def time_to_rebalance(age_s: int) -> float:
    """Seconds until new pods have half of their share, in the closed form."""
    return float(optimize.brentq(lambda t: moved(age_s, t) - HALF, 0.0, age_s))


def largest_bin() -> tuple[float, float]:
    """Mean of the largest of `PODS` bins over the mean bin, and its standard error, by throwing balls."""
    dice = np.random.default_rng(1)
    largest = (
        dice.multinomial(CALLERS, np.full(PODS, 1 / PODS), size=MAX_OF_BINS).max(axis=1) * PODS / CALLERS
    )
    return float(largest.mean()), float(largest.std(ddof=1) / np.sqrt(MAX_OF_BINS))


def old_loads(cell: Mapping[str, Any]) -> Float64:
    """Load of an old pod over the mean pod of ten: (replications, bins)."""
    new = np.array(cell["new"], dtype=np.float64) / np.array(cell["all"], dtype=np.float64)
    return (1.0 - new) * GROWN / PODS


def table_of(cells: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row to a number and its closed form: mean, standard error and 95% interval over replications."""
    rows: list[dict[str, Any]] = []

    def add(part: str, way: str, x: float, values: Float64, closed: float, apart: float = 0.0) -> None:
        low, high = mean_interval(values)
        error = float(np.hypot(values.std(ddof=1) / np.sqrt(len(values)), apart))
        row = {"part": part, "way": way, "x": x, "mean": float(values.mean()), "low": low, "high": high}
        rows.append(row | {"error": error, "closed_form": closed, "replications": len(values)})

    for way in CURVES:
        loads = old_loads(cells[way])
        for place, closed in enumerate(expected(way)):
            x = SETTLED_S + BIN_S * (place + 0.5)
            add("old pods after a scale-out", way, x, loads[:, place], float(closed))
        add("most opened in a second", way, 0.0, np.array(cells[way]["herd"], dtype=np.float64), np.nan)
    mean, error = largest_bin()
    first = np.array(cells[FOREVER]["largest"], dtype=np.float64) * PODS / CALLERS
    add("busiest pod before", FOREVER, 0.0, first, mean, error)
    for way in (*SURGES, CURED):
        loads = np.array(cells[way]["restarted"], dtype=np.float64)
        closed_forms = [1.0] * PODS if way == CURED else theory.restart_loads(PODS, surge=SURGES[way])
        for place, closed in enumerate(closed_forms):
            add("after a restart", way, place + 1, loads[:, place], closed)
    return pd.DataFrame(rows)


def rebalanced(rows: pd.DataFrame, age_s: int) -> tuple[float, float]:
    """Seconds from the listing until new pods have half of their share (nan: never), and its error."""
    line = 1.0 + (GROWN / PODS - 1.0) * (1.0 - HALF)
    means, x = rows["mean"].to_numpy(), rows["x"].to_numpy()
    below = np.flatnonzero(means <= line)
    if not len(below) or below[0] == 0:
        return float("nan"), 0.0
    k = int(below[0])
    at = x[k] - BIN_S * (line - means[k]) / (means[k - 1] - means[k]) - LISTED_S
    t = time_to_rebalance(age_s)
    slope = (GROWN / PODS - 1.0) * (moved(age_s, t + 0.5) - moved(age_s, t - 0.5))
    return float(at), float(rows["error"].to_numpy()[k - 1 : k + 1].max() / slope)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    rows = table.set_index(["part", "way"]).sort_index()

    limit = float(stats.t.ppf(1 - FALSE_ALARMS / COMPARISONS / 2, int(table["replications"].iloc[0]) - 1))

    def fits(part: str, way: str) -> bool:
        own = rows.loc[[(part, way)]]
        return bool(((own["mean"] - own["closed_form"]).abs() <= limit * own["error"] + 1e-9).all())

    curves = {way: rows.loc[[("old pods after a scale-out", way)]].sort_values("x") for way in CURVES}
    aged = {age: f"at most {age} s old" for age in AGES_S}
    times = {age: rebalanced(curves[way], age) for age, way in aged.items()}
    said = ", ".join(f"{t:.1f} s ({time_to_rebalance(age):.1f})" for age, (t, _) in times.items())
    herd = {way: float(rows.loc[("most opened in a second", way), "mean"]) for way in CURVES}
    still = curves[HERD]["x"] < HERD_S * (SCALED_AT_S // HERD_S + 1) - SCALED_AT_S - BIN_S
    steady = aged[HERD_S]
    return [
        Claim(
            f"the busiest of {PODS} pods has what the largest of as many bins has",
            fits("busiest pod before", FOREVER),
        ),
        Claim(
            f"for ever kept, old pods stay at {GROWN / PODS:g} times the mean, and fresh ones are even",
            fits("old pods after a scale-out", FOREVER) and fits("old pods after a scale-out", FRESH),
        ),
        Claim(
            "with a maximum age and jitter old pods have 1 + (m/n - 1)(1 - F(t)) of the mean at every t",
            all(fits("old pods after a scale-out", way) for way in aged.values()),
        ),
        Claim(
            f"new pods have half of their share after {said}",
            all(abs(t - time_to_rebalance(age)) <= limit * error for age, (t, error) in times.items()),
        ),
        Claim(
            "without jitter nothing moves until the connections end together, and then nearly everything",
            bool((curves[HERD].loc[still, "mean"] > 1.98).all())
            and float(curves[HERD]["mean"].iloc[-1]) < 1.1,
        ),
        Claim(
            f"when {herd[HERD]:.0f} of {CALLERS} are opened in one second, with jitter {herd[steady]:.0f}",
            herd[HERD] > 2 * herd[steady],
        ),
        Claim(
            "a rolling restart leaves the i-th pod r^n - r^i, or (1 + 1/n)^n - (1 + 1/n)^(i - 1)",
            all(fits("after a restart", way) for way in SURGES),
        ),
        Claim(f"and all the same with connections of {RESTART_AGE_S} s", fits("after a restart", CURED)),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """Load of old pods over time, and of restarted pods by the order of restarting."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.5, 5.2), layout="constrained")
        figure.suptitle(
            f"{CALLERS} callers with a connection each, through a virtual IP (95% intervals; dashed: closed "
            "forms)",
            fontsize=11.5,
        )
        left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
        _scaled(left, table[table["part"] == "old pods after a scale-out"])
        _restarted(right, table[table["part"] == "after a restart"])
        save(figure, path)


def _scaled(axes: Axes, table: pd.DataFrame) -> None:
    for (way, colour), mark in zip(zip(CURVES, COLOURS, strict=True), MARKS, strict=True):
        _points(axes, table[table["way"] == way], way, colour, mark)
    axes.set_ylim(0.9, 2.1)
    axes.set_xlabel(f"after the scale-out from {PODS} pods to {GROWN}, s")
    axes.set_ylabel("load of an old pod over the mean of all pods")
    axes.legend(title="connections", frameon=False, loc="center right", bbox_to_anchor=(1.0, 0.62))


def _restarted(axes: Axes, table: pd.DataFrame) -> None:
    looks = zip((*SURGES, CURED), ("#d55e00", "#0072b2", "#009e73"), ("o", "^", "v"), strict=True)
    for way, colour, mark in looks:
        _points(axes, table[table["way"] == way], way, colour, mark)
    axes.set_xticks(range(1, PODS + 1))
    axes.set_ylim(-0.05, 2.1)
    axes.set_xlabel("pod, in the order of restarting")
    axes.set_ylabel("load over the mean after a rolling restart")
    axes.legend(frameon=False, loc="lower left")


def _points(axes: Axes, rows: pd.DataFrame, label: str, colour: str, mark: str) -> None:
    axes.plot(rows["x"], rows["closed_form"], color=colour, linewidth=1.1, linestyle=(0, (5, 3)))
    lines_with_bands(
        axes, rows["x"], rows["mean"], rows["low"], rows["high"], label=label, colour=colour, marker=mark
    )


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people; of the curves every fourth point."""
    bins = {SETTLED_S + BIN_S * (place + 0.5) for place in range(0, BINS, 4)}
    shown = table[(table["part"] != "old pods after a scale-out") | table["x"].isin(bins)]
    columns = ("what", "connections, or restart", ">at", ">mean", "95% interval", ">closed form")
    number = "{:.3f}".format
    show_table(
        f"load over the mean pod's, {asked.replications} replications, 95% intervals",
        columns,
        [
            (
                row["part"],
                row["way"],
                f"{row['x']:g}" if row["x"] else "",
                number(row["mean"]),
                span(row["low"], row["high"], number),
                number(row["closed_form"]) if np.isfinite(row["closed_form"]) else "-",
            )
            for row in shown.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=10, full=100)
    scenarios = [*map(scaled, CURVES), *map(restarted, (*SURGES, CURED))]
    cells = run_cells(
        {one.name or "": one for one in scenarios},
        asked,
        CellStore(asked.path(".jsonl")),
        also=measured,
        keep_requests=True,
    )
    table = table_of(cells)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
