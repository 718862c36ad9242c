"""The race of idle time-outs: a request is sent on a connection that the server is closing.

Question: callers keep one idle connection each; the server closes one that was idle for 5 s. How many
requests are reset, by how much longer the client keeps it than the server, by the delay between the two, and
by how often a caller calls? And what does a retry make of it?

Expected shape:
- gaps are Poisson at rate r; idle time-outs are C of the client and S of the server, h is the delay one way;
- a request sent after a gap g is lost if it is under way while the server closes, or sent before the client
  has heard of that: S - h <= g < S + h, unless the client had dropped the connection by then, g >= C. So of
  the requests that follow an answered one, p = exp(-r (S - h)) - exp(-r min(C, S + h)) are reset, and none
  if C <= S - h;
- a client that keeps longer by a millisecond or by a minute loses the same, once it is longer by h;
- p is nearly proportional to h;
- it has its maximum where a caller's mean gap is the server's time-out (r S = 1, for short h): who calls more
  often is safe, who calls less loses less;
- a retry loses none: it opens a connection. It costs p attempts a request.

Run:
    python experiments/keepalive_race.py [--quick] [--out DIR] [--replications R] [--seed N]

Finished cells are kept: stopped at any moment, the same command goes on, and does nothing when complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isfinite
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from _cells import CellStore, Claim, Options, finish, options, run_cells, save, show_table, span, started
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

import svcsim
from svcsim import Scenario, build_scenario
from svcsim.report.figures.lines import lines_with_bands
from svcsim.results.statistics import mean_interval

SERVER_S, SERVICE_S = 5.0, 0.001
LONG_S = 60.0
DELAY_S, RATE_PER_S = 0.2, 0.2
CALLERS = 200
DURATION_S = 300.0
LONGER_S = (-0.6, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 1.0)
QUICK_LONGER_S = (-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 1.0)
"""How much longer the client keeps a connection than the server."""
DELAYS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
QUICK_DELAYS_S = (0.003, 0.03, 0.3)
RATES_PER_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
QUICK_RATES_PER_S = (0.02, 0.2, 1.6)
LONGER, DELAY, RATE, RETRIED = "client keeps longer by", "one-way delay", "rate of a caller", "retried"
FALSE_ALARMS, COMPARISONS = 0.01, 60

LOOKS = {LONGER: "#0072b2", DELAY: "#d55e00", RATE: "#009e73", RETRIED: "#cc79a7"}


def places(quick: bool) -> list[tuple[str, float]]:
    """Every cell: what is varied, and its value."""
    longer, delays, rates = (
        (QUICK_LONGER_S, QUICK_DELAYS_S, QUICK_RATES_PER_S) if quick else (LONGER_S, DELAYS_S, RATES_PER_S)
    )
    return [
        *((LONGER, value) for value in longer),
        *((DELAY, value) for value in delays),
        *((RATE, value) for value in rates),
        *((RETRIED, value) for value in delays),
    ]


def setting(varied: str, value: float) -> tuple[float, float, float]:
    """The client's idle time-out (s), the delay (s) and the rate of a caller (per s) of a cell."""
    if varied == LONGER:
        return SERVER_S + value, DELAY_S, RATE_PER_S
    if varied == RATE:
        return LONG_S, DELAY_S, value
    return LONG_S, value, RATE_PER_S


def lost_share(client_s: float, delay_s: float, rate_per_s: float) -> float:
    """p of the head of this file."""
    first, last = SERVER_S - delay_s, min(client_s, SERVER_S + delay_s)
    return exp(-rate_per_s * first) - exp(-rate_per_s * last) if last > first else 0.0


def name_of(varied: str, value: float) -> str:
    """A cell's name."""
    return f"{varied} {value:g}"


def question(varied: str, value: float) -> Scenario:
    """One cell."""
    client_s, delay_s, rate_per_s = setting(varied, value)
    container = {"name": "web", "image": "registry.example/web:1", "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    retry = {"times": 1, "outcomes": ["reset"], "backoff": "0s"} if varied == RETRIED else 0
    return build_scenario(
        name=name_of(varied, value),
        manifests=[
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
        ],
        duration=f"{DURATION_S:g}s",
        cluster={"nodes": 3},
        workloads={"deployment/web": {"serviceTime": f"{SERVICE_S:g}s", "keepAlive": f"{SERVER_S:g}s"}},
        clients=[
            {
                "name": "caller",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": f"{CALLERS * rate_per_s:g}/s",
                "sources": CALLERS,
                "keepAlive": {"idle": f"{client_s:g}s", "maxIdle": 1, "hears": f"{delay_s:g}s"},
                "retry": retry,
            }
        ],
    )


def measured(result: svcsim.Result) -> dict[str, list[int]]:
    """By replication: answered requests, and those whose caller's next one was lost or tried again.

    Those of the last seconds are left out: a gap as long as the server's time-out would not be seen to end.
    """
    assert result.requests is not None
    found: dict[str, list[int]] = {"asked": [], "lost": [], "again": [], "requests": [], "failed": []}
    for _, rows in result.requests.groupby("replication"):
        one = rows[rows["outcome"] != "open"].sort_values(["source", "arrival_s"], kind="stable")
        answered = (one["outcome"] == "ok").to_numpy()
        source = one["source"].to_numpy()
        asked = answered & (one["arrival_s"].to_numpy() < DURATION_S - 2 * SERVER_S)
        followed = asked[:-1] & (source[1:] == source[:-1])
        found["asked"].append(int(asked.sum()))
        found["lost"].append(int((followed & ~answered[1:]).sum()))
        found["again"].append(int((followed & (one["attempts"].to_numpy()[1:] > 1)).sum()))
        found["requests"].append(len(one))
        found["failed"].append(int((~answered).sum()))
    return found


def table_of(cells: Mapping[str, Mapping[str, Any]], points: Sequence[tuple[str, float]]) -> pd.DataFrame:
    """A row to a cell: the share lost, or tried again, of requests that follow an answered one.

    `error`: the larger of the standard error over replications and that of the closed form's own counts.
    """
    rows = []
    for varied, value in points:
        cell = cells[name_of(varied, value)]
        asked = np.array(cell["asked"], dtype=np.float64)
        share = np.array(cell["again" if varied == RETRIED else "lost"], dtype=np.float64) / asked
        closed = lost_share(*setting(varied, value))
        low, high = mean_interval(share)
        error = max(
            float(share.std(ddof=1) / np.sqrt(len(share))),
            float(np.sqrt(closed * (1 - closed) / asked.sum())),
        )
        row = {"varied": varied, "value": value, "share": share.mean(), "low": low, "high": high}
        row |= {"error": error, "closed_form": closed, "failed": sum(cell["failed"])}
        per_minute = 60.0 * sum(cell["failed"]) / len(share) / DURATION_S
        rows.append(row | {"failed_per_minute": per_minute, "replications": len(share)})
    return pd.DataFrame(rows)


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """The expected shape."""
    limit = float(stats.t.ppf(1 - FALSE_ALARMS / COMPARISONS / 2, int(table["replications"].iloc[0]) - 1))
    apart = (table["share"] - table["closed_form"]).abs() <= limit * table["error"] + 1e-12
    of = {varied: table[table["varied"] == varied].set_index("value") for varied in LOOKS}
    longer, delays, rates, retried = of[LONGER], of[DELAY], of[RATE], of[RETRIED]
    safe = longer.index <= -DELAY_S
    flat = longer.loc[longer.index >= DELAY_S]
    first, last = delays.iloc[0], delays.iloc[-1]
    grown, expected = last["share"] / first["share"], last["closed_form"] / first["closed_form"]
    error = grown * np.hypot(first["error"] / first["share"], last["error"] / last["share"])
    peak = rates["share"].idxmax()
    return [
        Claim(
            "the share reset is exp(-r (S - h)) - exp(-r min(C, S + h)) in every cell",
            bool(apart[table["varied"] != RETRIED].all()),
        ),
        Claim(
            f"a client that drops a connection {DELAY_S:g} s earlier than the server loses nothing",
            bool((longer.loc[safe, "failed"] == 0).all()) and bool((longer.loc[~safe, "failed"] > 0).all()),
        ),
        Claim(
            f"it is the same for all that keep it longer by {DELAY_S:g} s and more",
            float(flat["share"].max() - flat["share"].min()) <= limit * np.hypot(*flat["error"].nlargest(2)),
        ),
        Claim(
            f"{last.name / first.name:.0f} times the delay is {grown:.0f} times the loss ({expected:.0f})",
            bool(abs(grown - expected) <= limit * error),
        ),
        Claim(
            f"most is lost by who calls every {1 / peak:g} s, as often as the server's time-out lasts",
            bool(abs(peak * SERVER_S - 1) < 1e-9),
        ),
        Claim(
            "a retry loses nothing, and is made as often as a request would have been lost",
            bool((retried["failed"] == 0).all()) and bool(apart[table["varied"] == RETRIED].all()),
        ),
    ]


def draw(path: Path, table: pd.DataFrame) -> None:
    """The share lost over each of what is varied."""
    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(13.0, 4.6), layout="constrained")
        figure.suptitle(
            f"Requests reset on a connection that the server closes after {SERVER_S:g} s idle "
            "(95% intervals; dashed: closed form)",
            fontsize=11.5,
        )
        longer, delays, rates = figure.subplots(1, 3)
        _points(longer, table, LONGER, 1.0, np.linspace(-0.6, 1.0, 161))
        longer.set_xlabel("client keeps it longer than the server by, s")
        longer.set_ylabel("of requests after an answered one, reset, %")
        longer.set_title(f"delay {DELAY_S:g} s, a call every {1 / RATE_PER_S:g} s", fontsize=10)
        _points(delays, table, DELAY, 1e3, np.geomspace(DELAYS_S[0], DELAYS_S[-1], 60), "no retry: reset")
        _points(delays, table, RETRIED, 1e3, DELAYS_S[:0], "one retry: tried again, none lost", "^")
        delays.set_xscale("log")
        delays.set_yscale("log")
        delays.set_xlabel("one-way delay, ms")
        delays.set_title(f"client keeps it {LONG_S:g} s, a call every {1 / RATE_PER_S:g} s", fontsize=10)
        delays.legend(frameon=False, loc="upper left")
        _points(rates, table, RATE, 1.0, np.geomspace(RATES_PER_S[0], RATES_PER_S[-1], 100))
        rates.set_xscale("log")
        rates.set_xlabel("calls a second of one caller")
        rates.set_title(f"client keeps it {LONG_S:g} s, delay {DELAY_S:g} s", fontsize=10)
        save(figure, path)


def _points(
    axes: Axes,
    table: pd.DataFrame,
    varied: str,
    unit: float,
    along: Sequence[float] | np.ndarray,
    label: str = "",
    mark: str = "o",
) -> None:
    """The points of what is varied, in so many units a second (or as it is), over the closed form."""
    rows = table[table["varied"] == varied]
    closed = [100 * lost_share(*setting(varied, float(value))) for value in along]
    axes.plot(unit * np.asarray(along), closed, color="#1f2328", linewidth=1.1, linestyle=(0, (5, 3)))
    lines_with_bands(
        axes,
        unit * rows["value"],
        100 * rows["share"],
        100 * rows["low"],
        100 * rows["high"],
        label=label,
        colour=LOOKS[varied],
        marker=mark,
    )


def show(table: pd.DataFrame, asked: Options) -> None:
    """The result for people."""
    percent = "{:.3%}".format
    show_table(
        f"reset, or tried again, of requests after an answered one; {asked.replications} replications, "
        "95% intervals",
        ("varied", ">value", ">share", "95% interval", ">closed form", ">failed", ">failed per minute"),
        [
            (
                row["varied"],
                f"{row['value']:g}" + ("/s" if row["varied"] == RATE else " s"),
                percent(row["share"]),
                span(row["low"], row["high"], percent) if isfinite(row["low"]) else "-",
                percent(row["closed_form"]),
                f"{row['failed']:,}",
                f"{row['failed_per_minute']:.1f}",
            )
            for row in table.to_dict("records")
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; 0 if the result has the expected shape."""
    asked = options(__file__, __doc__, arguments, quick=6, full=60)
    points = places(asked.quick)
    cells = run_cells(
        {name_of(*point): question(*point) for point in points},
        asked,
        CellStore(asked.path(".jsonl")),
        also=measured,
        keep_requests=True,
    )
    table = table_of(cells, points)
    show(table, asked)
    return finish(asked, table, lambda path: draw(path, table), claims_of(table))


if __name__ == "__main__":
    started(main)
