"""What the experiments ask is what they say they ask, and a wrong result is called wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import svcsim
from tests.experiments.conftest import EXPERIMENTS
from tests.reality.measured import RUNS
from tests.reality.predict import scenario_of

NAMES = (
    "pod_ip_vs_vip",
    "endpoint_lag",
    "against_real_cluster",
    "node_failure",
    "hpa",
    "keepalive_race",
    "long_lived",
    "probe_collapse",
    "rollout_knobs",
    "topology_hints",
    "proxy_modes",
    "consistent_hashing",
    "service_types",
    "load_aware",
    "retry_storm",
    "session_affinity",
    "udp_conntrack",
)


def test_measured_runs_are_those_of_the_reality_test(against_real_cluster: ModuleType) -> None:
    runs = against_real_cluster.measured_runs()
    assert list(runs["run"]) == [run.name for run in RUNS]
    for column, field in (("refused", "refused"), ("timeout", "timeout"), ("reset", "reset"), ("eof", "eof")):
        assert list(runs[column]) == [getattr(run, field) for run in RUNS]
    assert list(runs["connections"]) == [run.total for run in RUNS]
    assert list(runs["failed"]) == [run.failed for run in RUNS]


def test_runs_become_the_scenarios_of_the_reality_test(
    against_real_cluster: ModuleType, tmp_path: Path
) -> None:
    for run, row in zip(RUNS, against_real_cluster.measured_runs().to_dict("records"), strict=True):
        ours = against_real_cluster.question(row)
        assert ours.strong_id() == scenario_of(run, tmp_path).strong_id(), run.name


def _predicted(inside: int, *, zero_fails: bool = False) -> pd.DataFrame:
    measured = np.array([185] * 17 + [0] * 4)
    most = np.array([300.0] * 17 + [1.0 if zero_fails else 0.0] * 4)
    return pd.DataFrame(
        {"measured": measured, "inside": np.arange(21) >= 21 - inside, "predicted_most": most}
    )


@pytest.mark.parametrize(
    ("inside", "zero_fails", "holds"),
    [
        (21, False, [True, True, True]),
        (18, False, [True, True, True]),
        (17, False, [False, False, True]),
        (21, True, [True, True, False]),
    ],
)
def test_too_many_runs_outside_are_not_the_expected_shape(
    against_real_cluster: ModuleType, inside: int, zero_fails: bool, holds: list[bool]
) -> None:
    claims = against_real_cluster.claims_of(_predicted(inside, zero_fails=zero_fails))
    assert [claim.holds for claim in claims] == holds


def _points(endpoint_lag: ModuleType, bias: float, never: float = 0.0) -> pd.DataFrame:
    """Points as a simulation with this bias, in standard errors, would give them."""
    rows = []
    for varied, kind, mean_s, pre_stop_s in endpoint_lag.places(True):
        mean, variance = endpoint_lag.expected(kind, mean_s, pre_stop_s)
        error = (variance / 80) ** 0.5
        rows.append(
            {
                "varied": varied,
                "law": kind,
                "mean_lag_s": mean_s,
                "pre_stop_s": pre_stop_s,
                "replications": 80,
                "failed_mean": mean + bias * error if mean else never,
                "theory_mean": mean,
                "failed_sd": variance**0.5,
                "theory_sd": variance**0.5,
                "z": bias if mean else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def test_points_off_the_closed_form_are_not_the_expected_shape(endpoint_lag: ModuleType) -> None:
    assert all(claim.holds for claim in endpoint_lag.claims_of(_points(endpoint_lag, 2.0)))
    assert not endpoint_lag.claims_of(_points(endpoint_lag, 4.5))[0].holds
    assert not endpoint_lag.claims_of(_points(endpoint_lag, 0.0, never=0.1))[1].holds
    wide = _points(endpoint_lag, 0.0)
    wide["failed_sd"] *= 1.6
    assert not endpoint_lag.claims_of(wide)[2].holds


def test_a_wrong_shape_is_said_and_is_the_exit_code(
    cells: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = cells.options("x.py", "", ["--out", str(tmp_path)], quick=5, full=5)
    claims = [cells.Claim("one is less than two", True), cells.Claim("two is less than one", False)]
    code = cells.finish(asked, pd.DataFrame({"a": [1]}), lambda path: path.write_bytes(b"png"), claims)
    assert code == 1
    assert "Not the expected shape: it does not hold that two is less than one." in capsys.readouterr().out


def test_the_headline_has_its_shape_in_ten_replications_too(
    pod_ip_vs_vip: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = pod_ip_vs_vip.main(["--quick", "--replications", "10", "--out", str(tmp_path)])
    assert code == 0, capsys.readouterr().out
    table = pd.read_csv(tmp_path / "pod_ip_vs_vip.csv", keep_default_na=False, na_values=["nan", ""])
    rows = table.set_index(["churn", "hook", "client"]).sort_index()
    assert len(rows) == 3 * 2 * 5
    rolled = rows.loc[("rolling update", "without preStop")]
    assert rolled.loc["pinned", "via"] == "pod-ip once"
    # all ten pods are replaced within some 12 s of a run that goes on for 80 s
    assert 0.6 < rolled.loc["pinned", "failed_fraction"] < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_quick_experiments_have_the_expected_shape(name: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        str(EXPERIMENTS / f"{name}.py"),
        "--quick",
        "--out",
        str(tmp_path),
    ]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The expected shape: " in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{end}" for end in ("jsonl", "csv", "png")}


@pytest.mark.parametrize("name", NAMES)
def test_experiments_state_question_shape_and_command(name: str, request: pytest.FixtureRequest) -> None:
    doc = request.getfixturevalue(name).__doc__
    for part in ("Question: ", "Expected shape:", f"python experiments/{name}.py [--quick]"):
        assert part in doc


def test_the_closed_form_of_a_lost_node(node_failure: ModuleType) -> None:
    """200/s x 3/4 of callers x 1/4 of pods x 49 s; the callers cut off: 50/s x 3/4 of pods x 120 s."""
    assert node_failure.expected("fails", 50.0, 1.5) == pytest.approx(200 * 3 / 4 / 4 * 49)
    assert node_failure.expected("is cut off", 50.0, 1.5) == pytest.approx(
        200 * 3 / 4 / 4 * 49 + 50 * 0.75 * 120
    )


def test_a_wrong_hash_is_not_the_expected_shape(consistent_hashing: ModuleType) -> None:
    points = consistent_hashing.points(consistent_hashing.QUICK_BACKENDS)
    cells = [consistent_hashing.measure(*point, seed=1, replications=5) for point in points]
    right = consistent_hashing.table_of(points, cells)
    assert all(claim.holds for claim in consistent_hashing.claims_of(right))

    def failing(scheme: str, column: str, factor: float, shift: float = 0.0) -> list[int]:
        wrong = right.copy()
        rows = wrong["scheme"] == scheme
        wrong.loc[rows, column] = wrong.loc[rows, column] * factor + shift
        return [i for i, claim in enumerate(consistent_hashing.claims_of(wrong)) if not claim.holds]

    assert failing("hash mod N", "moved_mean", 0.98) == [0]
    assert failing("rendezvous", "moved_mean", 1.1) == [1]
    assert failing("rendezvous", "extra_mean", 1.0, 1e-6) == [1]
    assert failing("Maglev", "moved_mean", 1.1) == [2, 5]
    assert failing("Maglev", "extra_mean", -1.0) == [2, 3]


def test_every_way_in_meets_the_same_churn_and_the_same_callers(service_types: ModuleType) -> None:
    results = [
        svcsim.simulate(service_types.question(path, service_types.ROLLED), replications=1)
        for path in service_types.PATHS
    ]
    for result in results:
        assert result.warnings == () or all("rows shown" in line for line in result.warnings)
        assert result.pods.equals(results[0].pods)
        assert result.summary["requests"].equals(results[0].summary["requests"])


def test_the_closed_forms_of_the_ways_in(service_types: ModuleType) -> None:
    """Names 15 s old on average, half of the pods; 5/6 of callers alive, 1/6 of the pods, 48.5 s."""
    assert service_types.expected_headless(0.5) == pytest.approx(0.5 * 15 / 120)
    assert service_types.expected_lost() == pytest.approx(5 / 6 / 6 * 48.5 / (20 + 100 * 5 / 6))


_LOST_IN_10K = {
    # in the order of CHURN: rolled, scaled in, deleted, drained, lost
    "ONCE": (7800, 4200, 2500, 1200, 1150),
    "AGAIN": (110, 40, 21, 10, 15),
    "WATCH": (8, 6, 3, 1, 650),
    "HEADLESS": (1370, 625, 375, 190, 800),
    "VIP": (65, 44, 22, 7, 652),
    "VIP_LOCAL": (98, 2100, 53, 1370, 0),
    "PORT": (65, 44, 22, 7, 1900),
    "PORT_LOCAL": (98, 2100, 53, 1370, 1370),
    "BALANCER": (64, 44, 22, 7, 900),
    "BALANCER_LOCAL": (99, 510, 52, 320, 320),
    "TO_PODS": (450, 120, 63, 28, 280),
    "ALIAS": (65, 44, 22, 7, 652),
}


def _cell_of(service_types: ModuleType, lost: float, dropped: float) -> dict[str, Any]:
    """A cell of 30 replications of 100,000 requests in which so many of 10,000 fail, give or take 4%."""
    failed = [round(lost * 10 * (0.96 if k % 2 else 1.04)) for k in range(30)]
    total = sum(failed)
    by_cause = {"policy_drop": round(total * dropped), "stale_endpoint": total - round(total * dropped)}
    fraction = total / 3e6
    summary = {
        "client": "caller",
        "via": "",
        **dict.fromkeys(service_types.OUTCOMES, 0),
        "requests": 3_000_000,
        "failed": total,
        "failed_fraction": fraction,
        "failed_fraction_low": fraction * 0.985,
        "failed_fraction_high": fraction * 1.015,
        "replications": 30,
        "p_replication_fails_high": None,
    }
    causes = [
        {"client": "caller", "outcome": "refused", "cause": cause, "stage": "", "count": n}
        for cause, n in by_cause.items()
        if n
    ]
    return {
        "summary": [summary],
        "causes": causes,
        "failed": {"caller": failed},
        "requests": [100_000] * 30,
    }


def test_a_wrong_way_in_is_not_the_expected_shape(service_types: ModuleType) -> None:
    s = service_types
    policy = ("VIP_LOCAL", "PORT_LOCAL", "BALANCER_LOCAL")

    def failing(path: str = "VIP", churn: int = 0, lost: float = 65, dropped: float = 0.95) -> list[int]:
        """Claims that do not hold once one number is another."""
        cells = {}
        for word, numbers in _LOST_IN_10K.items():
            for k, (name, number) in enumerate(zip(s.CHURN, numbers, strict=True)):
                here = (word, k) == (path, churn)
                share = (dropped if here else 0.95) if word in policy else 0.0
                cell = _cell_of(s, lost if here else number, share)
                cells[s.name_of(getattr(s, word), name)] = cell
        claims = s.claims_of(s.table_of(cells), cells)
        return [i for i, claim in enumerate(claims) if not claim.holds]

    rolled, scaled, _, drained, lost = range(5)
    assert failing() == []
    assert failing("ONCE", rolled, 4000) == [0]
    assert failing("AGAIN", drained, 200) == [1]
    assert failing("WATCH", scaled, 44) == [2]
    assert failing("HEADLESS", scaled, 1250) == [3]
    assert failing("ALIAS", scaled, 43) == [4]
    assert failing("PORT", rolled, 80) == [5]
    assert failing("VIP_LOCAL", rolled, 60) == [6]
    assert failing("PORT_LOCAL", scaled, 2100, dropped=0.5) == [6]
    assert failing("BALANCER_LOCAL", drained, 1370) == [7]
    assert failing("TO_PODS", drained, 7) == [8]
    assert failing("WATCH", lost, 800) == [9]
    assert failing("BALANCER", lost, 1900) == [10]
    assert failing("VIP_LOCAL", lost, 1) == [10]


_MEANS = {
    # in the order of policies; by load, with 1, 10 and 100 proxies
    0.7: ((3.333, 3.333, 3.333), (2.020, 2.49, 3.10), (1.67, 2.45, 3.11), (1.16, 2.35, 3.11)),
    0.9: ((10.0, 10.0, 10.0), (5.660, 6.1, 7.4), (2.97, 4.4, 7.0), (1.92, 3.8, 6.9)),
}


def test_a_policy_that_is_better_than_it_can_be_is_not_the_expected_shape(load_aware: ModuleType) -> None:
    m = load_aware
    luck = np.array([0.98, 1.01, 1.0, 1.02, 0.99, 0.98, 1.02, 1.0])

    def failing(policy: str = "", proxies: int = 0, load: float = 0.7, mean: float = 0.0) -> list[int]:
        """Claims that do not hold once one mean is another; an exponential response everywhere."""
        cells = {}
        for rho, rows in _MEANS.items():
            for word, means in zip(m.POLICIES, rows, strict=True):
                for number, usual in zip(m.QUICK_PROXIES, means, strict=True):
                    here = (word, number, rho) == (policy, proxies, load)
                    values = luck * (mean if here else usual)
                    p99 = values * np.log(100)
                    cells[m.name_of(word, rho, number)] = {"mean": values.tolist(), "p99": p99.tolist()}
        assert len(m.table_of(cells, m.QUICK_PROXIES)) == len(cells)
        return [i for i, claim in enumerate(m.claims_of(cells, m.QUICK_PROXIES)) if not claim.holds]

    assert failing() == []
    assert failing(m.RANDOM, 10, mean=3.34) == [0]
    assert failing(m.IN_TURN, 1, mean=2.2) == [1]
    assert failing(m.TWO, 1, mean=2.05) == [2]
    assert failing(m.TWO, 10, load=0.9, mean=7.05) == [3]
    # herding: all proxies take the same of equals
    assert failing(m.FEWEST, 10, mean=5.96) == [3]
    assert failing(m.IN_TURN, 100, mean=2.85) == [4]
    assert failing(m.FEWEST, 100, load=0.9, mean=3.82) == [5]


def _series(retry_storm: ModuleType, spans: list[tuple[float, float, float]]) -> dict[str, Any]:
    """A cell of ten replications with 1000 requests a bin: (until s, share answered, attempts a request)."""
    cell: dict[str, Any] = {"requests": [], "answered": [], "attempts": []}
    for k in range(10):
        luck = 1 + (0.0005 if k % 2 else -0.0005)
        requests, answered, attempts = [], [], []
        for bin_ in range(round(retry_storm.LONG_DURATION_S / retry_storm.BIN_S)):
            share, tries = next((s, a) for end, s, a in spans if bin_ * retry_storm.BIN_S < end)
            requests.append(1_000_000)
            answered.append(min(round(1e6 * share * luck), 1_000_000))
            attempts.append(round(1e6 * tries))
        for name, values in (("requests", requests), ("answered", answered), ("attempts", attempts)):
            cell[name].append(values)
    return cell


def test_a_storm_that_passes_by_itself_is_not_the_expected_shape(retry_storm: ModuleType) -> None:
    m = retry_storm
    usual = {
        # answered before, during and after, attempts then
        m.NONE: (0.993, 0.2, 0.993, 1.0, 1.0, 1.0),
        m.NAIVE: (0.9995, 0.15, 0.0, 1.009, 3.6, 4.0),
        m.BACKOFF: (0.9995, 0.16, 0.0, 1.009, 3.5, 4.0),
        m.JITTER: (0.9995, 0.16, 0.0, 1.009, 3.5, 4.0),
        m.BUDGETED: (0.9995, 0.15, 0.999, 1.009, 1.18, 1.009),
        m.REFUSING: (0.9995, 0.65, 0.999, 1.014, 2.8, 1.014),
    }

    def failing(
        strategy: str = "", place: int = 0, value: float = 0.0, **ends: tuple[float, float]
    ) -> list[int]:
        """Claims that do not hold once one number is another; `ends`: attempts after a burst, answers."""
        cells = {}
        for word, numbers in usual.items():
            now = [value if (word, i) == (strategy, place) else n for i, n in enumerate(numbers)]
            spans = [(m.DURING[0], now[0], now[3]), (m.DURING[1], now[1], now[4]), (1e9, now[2], now[5])]
            for trigger in m.TRIGGERS:
                cells[m.name_of(word, trigger)] = _series(m, spans)
        for load in m.QUICK_LOADS:
            lost = ends.get("minute", (load, float(load < m.critical_load())))
            after = lost[1] if lost[0] == load else float(load < m.critical_load())
            cells[m.long_burst(load).name] = _series(m, [(100, 0.9, 1.5), (1e9, after, 1.0)])
        for length_s, default in zip(m.QUICK_LENGTHS_S, ((1.02, 1), (1.3, 1), (3, 0), (4, 0)), strict=True):
            attempts, answered = ends.get(f"after_{length_s:g}".replace(".", "_"), default)
            cells[m.short_burst(length_s).name] = _series(m, [(60, 0.9, attempts), (1e9, answered, 1.0)])
        claims = m.claims_of(m.table_of(cells, m.QUICK_LOADS), m.ends_of(cells, m.QUICK_LENGTHS_S))
        return [i for i, claim in enumerate(claims) if not claim.holds]

    assert failing() == []
    assert failing(m.NAIVE, 3, 1.03) == [0]
    assert failing(m.BUDGETED, 0, 0.95) == [1]
    assert failing(m.NONE, 2, 0.9) == [2]
    assert failing(m.JITTER, 2, 0.3) == [3]
    assert failing(m.BACKOFF, 5, 3.5) == [4]
    assert failing(m.BUDGETED, 4, 1.4) == [5]
    assert failing(m.REFUSING, 1, 0.16) == [6]
    assert failing(minute=(0.8, 1.0)) == [7]
    assert failing(minute=(0.6, 0.0)) == [7]
    assert failing(after_1=(2.5, 1.0)) == [8]
    assert failing(after_1_5=(1.2, 0.0)) == [8]


def test_the_closed_forms_of_sessions(session_affinity: ModuleType) -> None:
    """Two balls are together with probability 1/10; fifty by dice; a session that ends with every request."""
    m = session_affinity
    assert m.largest_bin(1) == pytest.approx(10)
    assert m.largest_bin(2) == pytest.approx(5 * (2 * 0.1 + 0.9))
    thrown = np.random.default_rng(1).multinomial(50, [0.1] * 10, size=200_000).max(axis=1)
    assert m.largest_bin(50) == pytest.approx(thrown.mean() / 5, rel=2e-3)
    assert m.pods_used(1) == pytest.approx(1)
    assert m.pods_used(2) == pytest.approx(1.9)
    assert m.moved_share(0) == pytest.approx(0.9)


def test_sessions_that_are_spread_are_not_the_expected_shape(session_affinity: ModuleType) -> None:
    m = session_affinity
    luck = 1 + 0.02 * np.array([1, -1, 2, -2, 0.5, -0.5, 1, -1, 0, 0])

    def failing(name: str = "", key: str = "", factor: float = 1.0) -> list[int]:
        """Claims that do not hold once one number is another."""
        cells: dict[str, dict[str, Any]] = {}
        for number in m.QUICK_SOURCES:
            for way, balls in ((m.WAYS[0], number), (m.WAYS[1], 4 * number), (m.WAYS[2], 0)):
                used, most = (m.pods_used(balls), m.largest_bin(balls)) if balls else (10.0, 1.02)
                cells[m.spread_name(way, number)] = {"used": [used] * 10, "max_over_mean": most * luck}
        loads = np.array(svcsim.theory.restart_loads(10, surge=True)) * m.SESSIONS / 10
        sticky = {"moves": 1.594 * luck, "failed": 175 * luck, "worst_source": 4 * luck}
        free = {"moves": 30 * luck, "failed": 100 * luck[::-1], "worst_source": 2.5 * luck[::-1]}
        for word, rolled in ((m.STICKY, sticky), (m.FREE, free)):
            cells[word] = {**rolled, "sources_that_lost": 0.3 * luck, "sessions": np.outer(luck, loads)}
        for timeout_s in m.TIMEOUTS_S:
            cells[m.timeout_name(timeout_s)] = {"moved_share": m.moved_share(timeout_s) * luck}
        if name:
            cells[name][key] = np.array(cells[name][key]) * factor
        listed = {word: {k: np.asarray(v).tolist() for k, v in cell.items()} for word, cell in cells.items()}
        claims = m.claims_of(m.table_of(listed, m.QUICK_SOURCES))
        return [i for i, claim in enumerate(claims) if not claim.holds]

    ten, balanced = (m.spread_name(way, 10) for way in m.WAYS[:2])
    assert failing() == []
    assert failing(m.spread_name(m.WAYS[0], 3), "used", 1.2) == [0]
    assert failing(ten, "max_over_mean", 0.8) == [1]
    assert failing(balanced, "used", 0.66) == [2]
    assert failing(m.spread_name(m.WAYS[2], 10), "max_over_mean", 1.3) == [3]
    assert failing(m.STICKY, "moves", 0.63) == [4]
    assert failing(m.STICKY, "sessions", 1.2) == [5]
    assert failing(m.STICKY, "failed", 0.57) == [6]
    assert failing(m.STICKY, "worst_source", 0.6) == [7]
    assert failing(m.timeout_name(10), "moved_share", 1.2) == [8]


def test_every_proxy_and_every_strategy_meets_the_same_callers(
    load_aware: ModuleType, retry_storm: ModuleType
) -> None:
    asked = [
        load_aware.question(policy, 0.7, proxies) for policy in load_aware.POLICIES for proxies in (1, 5)
    ]
    storms = [retry_storm.question(strategy, retry_storm.TRIGGERS[0]) for strategy in retry_storm.STRATEGIES]
    for scenarios in (asked, storms):
        counts = {int(svcsim.simulate(one, replications=1).summary["requests"].iloc[0]) for one in scenarios}
        assert len(counts) == 1


def test_sockets_that_recover_are_not_the_expected_shape(udp_conntrack: ModuleType) -> None:
    m = udp_conntrack
    late = m.RATE_PER_S * (m.LATE_S[1] - m.LATE_S[0])

    def failing(churn: str = "", cleaning: str = "", caller: str = "", **changes: float) -> list[int]:
        """Claims that do not hold once one row is another."""
        rows = []
        for _, its_churn, its_cleaning, its_caller in m._places():
            row = {"churn": its_churn, "cleaning": its_cleaning, "caller": its_caller, "replications": 10}
            row |= {"lost": 70.0, "low": 60.0, "high": 80.0, "more_low": 0.0, "late": 0.0, "silent": 0.9}
            if its_caller == m.ONE:
                row |= {"lost": 110.0, "low": 90.0, "more_low": 20.0}
                row["late"] = late if its_cleaning == m.NOTHING else 0.0
            elif its_churn == m.ROLLED_LATE:
                row["lost"] = 0.0
            if (its_churn, its_cleaning, its_caller) == (m.TO_NONE, m.SERVING, m.ONE):
                row["silent"] = 1.0
            if its_churn == m.gap_name(m.GAPS_S[0]):
                row["lost"] = 19.0
            if its_churn == m.gap_name(m.GAPS_S[1]):
                row["lost"] = 0.0
            if (its_churn, its_cleaning, its_caller) == (churn, cleaning, caller):
                row |= changes
            rows.append(row)
        claims = m.claims_of(pd.DataFrame(rows))
        return [i for i, claim in enumerate(claims) if not claim.holds]

    assert failing() == []
    assert failing(m.ROLLED, m.SERVING, m.EACH, lost=71.0) == [0]
    assert failing(m.ROLLED, m.SERVING, m.ONE, more_low=-1.0) == [1]
    assert failing(m.ROLLED_LATE, m.SERVING, m.ONE, low=1.0) == [2]
    assert failing(m.ROLLED, m.NOTHING, m.ONE, late=0.5 * late) == [3]
    assert failing(m.TO_NONE, m.SERVING, m.ONE, silent=0.9) == [4]
    assert failing(m.TO_NONE, m.SERVING, m.ONE, late=1.0) == [5]
    assert failing(m.gap_name(m.GAPS_S[1]), m.NOTHING, m.ONE, lost=19.0) == [6]
