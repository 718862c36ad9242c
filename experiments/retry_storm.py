"""Retry storms: when does a short overload become a lasting one?

Question: a hundred pods of one worker are called at half of their capacity. Clients give an attempt up after
ten service times; pods go on working on what was given up. For ten seconds callers come at one and a half
times the capacity, or sixty of the pods are not ready. How many requests are answered before, during and long
after, with no retries, with three, with back-off, with a retry budget, and with pods that refuse what they
could not answer in time? And how strong, or how long, must a burst be to tip it over?

Expected shape:
- before, retries do no harm: the load is what the closed form says, hardly more than without;
- without retries the backlog is worked off, and as many are answered as before;
- with three retries (and load x 4 >= 1) nearly nothing is answered long after the burst either: each request
  is tried four times, each attempt is late, pods are busy with what nobody waits for;
- back-off, jittered or not, puts the retries off and does not make them fewer: it ends the same;
- a budget of a fifth, and pods that refuse early, bring it back;
- a burst of a minute below the critical load of the closed form ends with itself, a stronger one does not;
- so does a strong one of a second, but not one of two: a run whose load right after the burst, retries
  included, is above the tipping load of the closed form does not come back.

A request's service time is its own: one that is slow is slow at every attempt, while the closed form draws
it anew. So more is late here than there, and half of the runs collapse at 0.66 already, where the closed form
has 0.694. Claims leave 1% for the load before, and 10% around critical values.

Run:
    python experiments/retry_storm.py [--quick] [--out DIR] [--replications R] [--seed N]

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
from _manifests import web
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

import svcsim
from svcsim import Scenario, build_scenario, theory
from svcsim.results.statistics import mean_interval

PODS, SERVICE_S, TIMEOUT_S, RETRIES = 100, 0.1, 1.0, 3
LOAD, BURST_LOAD = 0.5, 1.5
UNREADY = 60
TRIGGER_AT_S, TRIGGER_S, DURATION_S, BIN_S = 40.0, 10.0, 160.0, 2.0
CAPACITY_PER_S = PODS / SERVICE_S
BEFORE, DURING, AFTER = (10.0, 40.0), (40.0, 50.0), (120.0, 150.0)
LONG_BURST_S, LONG_DURATION_S = 60.0, 200.0
LOADS = (0.55, 0.6, 0.64, 0.66, 0.68, 0.7, 0.72, 0.75, 0.8)
QUICK_LOADS = (0.6, 0.66, 0.8)
"""First attempts during a burst of a minute, as a share of capacity."""
LENGTHS_S = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
QUICK_LENGTHS_S = (0.5, 1.0, 1.5, 2.0)
"""Lengths of a burst to `BURST_LOAD`."""
NEAR = 0.1
"""How near to a critical value of the closed form nothing is claimed."""
WELL, BAD = 0.97, 0.5
"""Shares of requests answered: as before, and lost."""
BUDGET = 0.2

TRIGGERS = (f"burst to {BURST_LOAD:g} of capacity", f"{UNREADY} of {PODS} pods unready")
_RETRY = {"times": RETRIES, "outcomes": ["request_timeout", "rejected"], "backoff": "0s", "jitter": False}
STRATEGIES: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "no retries": ({"times": 0}, {}),
    "3 retries": (_RETRY, {}),
    "3 retries, back-off 1 s doubling": (
        _RETRY | {"backoff": "1s", "maxBackoff": "10s", "jitter": False},
        {},
    ),
    "3 retries, the same with jitter": (_RETRY | {"backoff": "1s", "maxBackoff": "10s", "jitter": True}, {}),
    "3 retries, budget 20%": (_RETRY | {"budget": {"share": BUDGET, "burst": 10}}, {}),
    "3 retries, queues of 5": (_RETRY, {"queue": 5}),
}
"""By strategy: the client's `retry`, and what else its pods do."""
NONE, NAIVE, BACKOFF, JITTER, BUDGETED, REFUSING = STRATEGIES
LOOKS = ("#59636e", "#d55e00", "#e69f00", "#cc79a7", "#0072b2", "#009e73")
LINES = ("-", "-", "--", ":", "-", "-.")

Float64 = npt.NDArray[np.float64]


def name_of(strategy: str, trigger: str) -> str:
    """A cell's name."""
    return f"{trigger}: {strategy}"


def question(strategy: str, trigger: str) -> Scenario:
    """One cell of the first part: a trigger of ten seconds."""
    if trigger == TRIGGERS[0]:
        events = _burst(BURST_LOAD, TRIGGER_S)
    else:
        unready = {"unready": "deployment/web", "count": UNREADY, "for": f"{TRIGGER_S:g}s"}
        events = [{"at": f"{TRIGGER_AT_S:g}s", **unready}]
    return _scenario(name_of(strategy, trigger), strategy, events, DURATION_S)


def long_burst(load: float) -> Scenario:
    """One cell of the second part: three retries, and a burst of a minute to so much of the capacity."""
    return _scenario(f"a minute at {load:g}: {NAIVE}", NAIVE, _burst(load, LONG_BURST_S), LONG_DURATION_S)


def short_burst(length_s: float) -> Scenario:
    """One cell of the third part: three retries, and a strong burst of so many seconds."""
    return _scenario(f"burst of {length_s:g} s: {NAIVE}", NAIVE, _burst(BURST_LOAD, length_s), DURATION_S)


def _burst(load: float, length_s: float) -> list[dict[str, Any]]:
    return [
        {"at": f"{at:g}s", "rate": "caller", "value": f"{share * CAPACITY_PER_S:g}/s"}
        for at, share in ((TRIGGER_AT_S, load), (TRIGGER_AT_S + length_s, LOAD))
    ]


def _scenario(name: str, strategy: str, events: list[dict[str, Any]], duration_s: float) -> Scenario:
    retry, behaviour = STRATEGIES[strategy]
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
    }
    return build_scenario(
        name=name,
        manifests=web(PODS, container),
        duration=f"{duration_s:g}s",
        cluster={"nodes": 5},
        workloads={
            "deployment/web": {
                "serviceTime": {"exponential": {"mean": f"{SERVICE_S:g}s"}},
                "concurrency": 1,
                # the probe has a worker of its own: what is asked here is what retries do
                "probe": {"competes": False},
                **behaviour,
            }
        },
        clients=[
            {
                "name": "caller",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": f"{LOAD * CAPACITY_PER_S:g}/s",
                "sources": 5,
                "timeout": {"connect": f"{TIMEOUT_S:g}s", "request": f"{TIMEOUT_S:g}s"},
                "retry": retry,
            }
        ],
        events=events,
    )


def series_of(result: svcsim.Result) -> dict[str, list[list[int]]]:
    """Requests, those answered and attempts of each replication, by the bin of their arrival."""
    assert result.requests is not None
    asked = result.requests
    place = (asked["arrival_s"] // BIN_S).astype(np.int64)
    keys = [asked["replication"], place]
    answered = (asked["outcome"] == "ok").groupby(keys).sum().unstack(fill_value=0)
    attempts = asked["attempts"].groupby(keys).sum().unstack(fill_value=0)
    requests = asked["attempts"].groupby(keys).count().unstack(fill_value=0)
    found = {"requests": requests, "answered": answered, "attempts": attempts}
    return {name: table.to_numpy().tolist() for name, table in found.items()}


def _share(cell: Mapping[str, Any], part: str, window: tuple[float, float]) -> Float64:
    """`part` per request that came within a window, in each replication."""
    first, last = (round(edge / BIN_S) for edge in window)
    over = np.array(cell[part], dtype=np.float64)[:, first:last].sum(axis=1)
    return over / np.array(cell["requests"], dtype=np.float64)[:, first:last].sum(axis=1)


def table_of(cells: Mapping[str, Mapping[str, Any]], loads: Sequence[float]) -> pd.DataFrame:
    """A row to a trigger and strategy, or a burst of a minute: shares answered, attempts, collapses."""
    points = [
        (trigger, strategy, name_of(strategy, trigger), DURING, AFTER)
        for trigger in TRIGGERS
        for strategy in STRATEGIES
    ]
    long = ((TRIGGER_AT_S, TRIGGER_AT_S + LONG_BURST_S), _long_after())
    points += [
        (f"a minute at {load:g} of capacity", NAIVE, long_burst(load).name or "", *long) for load in loads
    ]
    rows = []
    for trigger, strategy, name, during, after in points:
        cell = cells[name]
        row: dict[str, Any] = {"trigger": trigger, "strategy": strategy}
        row["replications"] = len(cell["requests"])
        for when, window in (("before", BEFORE), ("during", during), ("after", after)):
            for part in ("answered", "attempts"):
                values = _share(cell, part, window)
                low, high = mean_interval(values)
                name_here = f"{part}_{when}"
                row |= {name_here: values.mean(), f"{name_here}_low": low, f"{name_here}_high": high}
        row["collapsed"] = float((_share(cell, "answered", after) < BAD).mean())
        rows.append(row)
    return pd.DataFrame(rows)


def _long_after() -> tuple[float, float]:
    return AFTER[0] + LONG_DURATION_S - DURATION_S, AFTER[1] + LONG_DURATION_S - DURATION_S


def ends_of(cells: Mapping[str, Mapping[str, Any]], lengths: Sequence[float]) -> pd.DataFrame:
    """A row to a replication of a short burst: the load in four seconds after it, and how it ended."""
    rows = []
    for length_s in lengths:
        cell = cells[short_burst(length_s).name or ""]
        begins = TRIGGER_AT_S + BIN_S * (int(-(-length_s // BIN_S)) + 1)
        total = LOAD * _share(cell, "attempts", (begins, begins + 2 * BIN_S))
        answered = _share(cell, "answered", AFTER)
        rows += [
            {"length_s": length_s, "total": float(load), "answered": float(share)}
            for load, share in zip(total, answered, strict=True)
        ]
    return pd.DataFrame(rows)


def critical_load() -> float:
    """First attempts, as a share of capacity, above which three retries have no good state."""
    return theory.retry_critical_load(TIMEOUT_S, RETRIES, SERVICE_S)


def tipping_load() -> float:
    """The load, retries included, above which the good state is lost."""
    return theory.retry_tipping_load(LOAD, TIMEOUT_S, RETRIES, SERVICE_S)


def claims_of(table: pd.DataFrame, ends: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    rows = table.set_index(["trigger", "strategy"])
    lost, saved = (NAIVE, BACKOFF, JITTER), (NONE, BUDGETED, REFUSING)

    def of(column: str, *strategies: str) -> list[float]:
        return [float(rows.loc[(trigger, one), column]) for trigger in TRIGGERS for one in strategies]

    before = [LOAD * attempts for attempts in of("attempts_before", NAIVE)]
    good = theory.retry_load(LOAD, TIMEOUT_S, RETRIES, SERVICE_S)
    minutes = table[table["trigger"].str.startswith("a minute")]
    loads = minutes["trigger"].str.split().str[3].astype(float)
    weak, strong = loads < critical_load() * (1 - NEAR), loads > critical_load() * (1 + NEAR)
    tipped = ends["total"] > tipping_load() * (1 + NEAR)
    calm = ends["total"] < tipping_load() * (1 - NEAR)
    return [
        Claim(
            f"before, the load with three retries is the closed form's ({before[0]:.4f}, {good:.4f})",
            all(abs(load / good - 1) < 0.01 for load in before),
        ),
        Claim(
            f"before, every strategy answers more than {WELL:.0%}, and three retries more than none",
            min(of("answered_before", *STRATEGIES)) > WELL
            and min(of("answered_before_low", NAIVE)) > max(of("answered_before_high", NONE)),
        ),
        Claim(
            f"long after the overload, without retries, with a budget and with pods that refuse, more than "
            f"{WELL:.0%} are answered again (at least {min(of('answered_after', *saved)):.1%})",
            min(of("answered_after_low", *saved)) > WELL,
        ),
        Claim(
            f"with three retries, backed off or not, nearly none are (at most "
            f"{max(of('answered_after', *lost)):.1%})",
            max(of("answered_after", *lost)) < 0.05,
        ),
        Claim(
            f"where pods are called {1 + RETRIES} times for each request",
            min(of("attempts_after", *lost)) > (1 + RETRIES) * 0.98,
        ),
        Claim(
            f"a budget of {BUDGET:.0%} keeps attempts under {1 + BUDGET:g} a request during the overload, "
            f"but for its burst (at most {max(of('attempts_during', BUDGETED)):.2f})",
            max(of("attempts_during", BUDGETED)) < (1 + BUDGET) * 1.02,
        ),
        Claim(
            "pods that refuse early answer most during the overload",
            all(
                rows.loc[(trigger, REFUSING), "answered_during_low"]
                > rows.loc[(trigger, other), "answered_during_high"]
                for trigger in TRIGGERS
                for other in (NONE, *lost, BUDGETED)
            ),
        ),
        Claim(
            f"a minute below the critical load ({critical_load():.3f}) leaves nothing behind, one above it a "
            "collapse",
            bool(
                weak.any()
                and strong.any()
                and (minutes.loc[weak, "collapsed"] == 0).all()
                and (minutes.loc[strong, "collapsed"] == 1).all()
            ),
        ),
        Claim(
            f"after a short burst a load above {tipping_load():.3f} does not come back, one below does "
            f"({int(tipped.sum())} and {int(calm.sum())} runs)",
            bool(
                tipped.any()
                and calm.any()
                and (ends.loc[tipped, "answered"] < 0.05).all()
                and (ends.loc[calm, "answered"] > WELL).all()
            ),
        ),
    ]


def draw(path: Path, table: pd.DataFrame, ends: pd.DataFrame, cells: Mapping[str, Mapping[str, Any]]) -> None:
    """Above, the share answered over time; below, what bursts of a minute and of a second leave."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(12.0, 8.6), layout="constrained")
        figure.suptitle(
            f"{PODS} pods at {LOAD:.0%} of capacity, time-out {TIMEOUT_S / SERVICE_S:g} service times, "
            "abandoned work still done: an overload and what retries make of it",
            fontsize=11.5,
        )
        panels = figure.subplots(2, 2)
        for axes, trigger in zip(panels[0], TRIGGERS, strict=True):
            _over_time(axes, trigger, cells)
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8.5, frameon=False)
        panels[0][0].set_ylabel("requests answered, % (band: 95% interval)")
        _minutes(panels[1][0], table)
        _seconds(panels[1][1], ends)
        for axes in panels.flat:
            axes.spines[["top", "right"]].set_visible(False)
        save(figure, path)


def _over_time(axes: Axes, trigger: str, cells: Mapping[str, Mapping[str, Any]]) -> None:
    axes.axvspan(TRIGGER_AT_S, TRIGGER_AT_S + TRIGGER_S, color="#d7dce1", zorder=0, linewidth=0)
    for strategy, colour, style in zip(STRATEGIES, LOOKS, LINES, strict=True):
        cell = cells[name_of(strategy, trigger)]
        # the last requests are still open when the run ends
        shown = int(AFTER[1] / BIN_S)
        answered, requests = (
            np.array(cell[part], dtype=np.float64)[:, :shown] for part in ("answered", "requests")
        )
        share = 100 * answered / requests
        at = (np.arange(shown) + 0.5) * BIN_S
        low, high = np.array([mean_interval(column) for column in share.T]).T
        axes.fill_between(at, np.maximum(low, 0), np.minimum(high, 100), color=colour, alpha=0.2, linewidth=0)
        axes.plot(at, share.mean(axis=0), color=colour, linestyle=style, linewidth=1.7, label=strategy)
    axes.set_ylim(-3, 103)
    axes.set_xlim(0, AFTER[1])
    axes.set_title(f"{trigger}, {TRIGGER_S:g} s (grey)", fontsize=10)
    axes.set_xlabel("sent at, s")


def _minutes(axes: Axes, table: pd.DataFrame) -> None:
    rows = table[table["trigger"].str.startswith("a minute")]
    n = int(rows["replications"].iloc[0])
    loads = rows["trigger"].str.split().str[3].astype(float).to_numpy()
    share = rows["collapsed"].to_numpy()
    low, high = np.array([_binomial(round(one * n), n) for one in share]).T
    errors = 100 * np.vstack((share - low, high - share))
    axes.errorbar(loads, 100 * share, yerr=errors, fmt="D-", color=LOOKS[1], linewidth=1.2, capsize=3)
    axes.axvline(critical_load(), color="#1f2328", linestyle=(0, (5, 3)), linewidth=1)
    axes.text(
        critical_load() - 0.002,
        80,
        f"critical load {critical_load():.3f}",
        rotation=90,
        va="center",
        ha="right",
    )
    axes.set_ylim(-3, 103)
    axes.set_xlabel(f"first attempts during a burst of {LONG_BURST_S:g} s, share of capacity")
    axes.set_ylabel(f"of {n} runs, collapsed for good, % (95% interval)")
    axes.set_title(f"{NAIVE}: how strong a burst may be", fontsize=10)


def _binomial(k: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95% interval."""
    low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    return low, float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


def _seconds(axes: Axes, ends: pd.DataFrame) -> None:
    colours = mpl.colormaps["viridis_r"](np.linspace(0.1, 1.0, ends["length_s"].nunique()))
    for (length_s, runs), colour in zip(ends.groupby("length_s"), colours, strict=True):
        axes.plot(
            runs["total"], 100 * runs["answered"], "o", color=colour, label=f"{length_s:g} s", alpha=0.8
        )
    axes.axvline(tipping_load(), color="#1f2328", linestyle=(0, (5, 3)), linewidth=1)
    axes.text(
        tipping_load() + 0.02, 50, f"tipping load {tipping_load():.3f}", rotation=90, va="center", ha="left"
    )
    axes.set_ylim(-5, 105)
    axes.set_xlabel("load with retries in 4 s after the burst, share of capacity (a dot: one run)")
    axes.set_ylabel("requests answered long after, %")
    axes.set_title(f"{NAIVE}: how long a burst to {BURST_LOAD:g} of capacity may be", fontsize=10)
    axes.legend(title="burst of", frameon=False, loc="center right")


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""

    def cell(row: Mapping[str, Any], name: str) -> str:
        return f"{row[name]:.1%} " + span(row[f"{name}_low"], row[f"{name}_high"], "{:.1%}".format)

    show_table(
        f"requests answered, and attempts a request, {asked.replications} replications, 95% intervals",
        (
            "trigger",
            "strategy",
            ">before",
            ">during",
            ">long after",
            ">attempts",
            ">during",
            ">after",
            ">collapsed",
        ),
        [
            (
                row["trigger"],
                row["strategy"],
                *(cell(row, f"answered_{when}") for when in ("before", "during", "after")),
                *(f"{row[f'attempts_{when}']:.3f}" for when in ("before", "during", "after")),
                f"{row['collapsed']:.0%}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=8, full=40)
    loads, lengths = (QUICK_LOADS, QUICK_LENGTHS_S) if asked.quick else (LOADS, LENGTHS_S)
    scenarios = [question(strategy, trigger) for trigger in TRIGGERS for strategy in STRATEGIES]
    scenarios += [long_burst(load) for load in loads] + [short_burst(length_s) for length_s in lengths]
    cells = run_cells(
        {one.name or "": one for one in scenarios},
        asked,
        CellStore(asked.path(".jsonl")),
        also=series_of,
        keep_requests=True,
    )
    table, ends = table_of(cells, loads), ends_of(cells, lengths)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table, ends, cells), claims_of(table, ends))


if __name__ == "__main__":
    started(main)
