"""What the experiments ask is what they say they ask, and a wrong result is called wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tests.experiments.conftest import EXPERIMENTS
from tests.reality.measured import RUNS
from tests.reality.predict import scenario_of

NAMES = (
    "pod_ip_vs_vip",
    "endpoint_lag",
    "against_real_cluster",
    "node_failure",
    "hpa",
    "probe_collapse",
    "rollout_knobs",
    "topology_hints",
    "proxy_modes",
    "consistent_hashing",
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
