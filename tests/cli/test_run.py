"""`svcsim run`: what it prints, writes and returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from svcsim.schema import TABLES
from tests.cli.conftest import MANIFESTS, SCENARIO, Cli

QUICK = ("--replications", "2")
OUTCOMES = (
    "refused",
    "unreachable",
    "connect_timeout",
    "reset",
    "eof",
    "request_timeout",
    "rejected",
    "misdelivered",
    "dns_failure",
)


def test_tables_name_clients_paths_and_causes(cli: Cli, folder: Path) -> None:
    ended = cli("run", "scenario.yaml", *QUICK)
    assert ended.code == 0
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0] == "three pods"
    assert any(line.startswith("vip ") and "cluster-ip" in line for line in lines)
    assert any(line.startswith("pinned ") and "pod-ip once" in line for line in lines)
    assert any("stale_resolver" in line for line in lines)
    assert lines[-1].startswith("2 replications, seed 1, vectorised engine")


def test_json_is_one_document_of_the_documented_shape(cli: Cli, folder: Path) -> None:
    document = cli("run", "scenario.yaml", "--json", *QUICK).json()
    assert list(document) == [
        "summary",
        "causes",
        "replications",
        "pods",
        "lag",
        "warnings",
        "timing",
        "provenance",
    ]
    needed = {
        *("client", "via", "requests", "attempts", "connections_opened", "ok", *OUTCOMES, "failed"),
        *("failed_fraction", "failed_fraction_low", "failed_fraction_high", "expected_failures"),
        *("p50_s", "p90_s", "p99_s", "p999_s"),
    }
    for row in document["summary"]:
        assert needed <= row.keys()
        assert row["requests"] == row["ok"] + row["open"] + row["failed"]
        assert row["failed"] == sum(row[name] for name in OUTCOMES)
    assert [row["client"] for row in document["summary"]] == ["vip", "pinned"]
    assert len(document["replications"]) == 4
    assert all({"client", "cause", "stage", "count"} <= row.keys() for row in document["causes"])
    assert all({"stage", "mean_s", "p50_s", "p90_s", "p99_s"} <= row.keys() for row in document["lag"])
    assert all(isinstance(count, int) for count in document["pods"].values())
    assert document["timing"].keys() >= {
        "control_plane_s",
        "data_plane_s",
        "requests_per_s",
        "peak_memory_bytes",
    }
    assert document["provenance"]["seed"] == 1


def test_json_is_the_same_but_for_timing_with_the_same_seed(cli: Cli, folder: Path) -> None:
    first, again, other = (
        cli("run", "scenario.yaml", "--json", *QUICK, "--seed", seed).json() for seed in ("7", "7", "8")
    )
    for document in (first, again, other):
        del document["timing"]
    assert json.dumps(first) == json.dumps(again)
    assert first["summary"] != other["summary"]


def test_the_reference_engine_gives_the_same(cli: Cli, folder: Path) -> None:
    fast, slow = (
        cli("run", "scenario.yaml", "--json", "--replications", "1", "--engine", engine).json()
        for engine in ("vectorised", "reference")
    )
    for name in ("summary", "causes", "replications", "pods", "lag"):
        assert fast[name] == slow[name]


def test_out_holds_tables_report_and_figures(cli: Cli, folder: Path) -> None:
    ended = cli("run", "scenario.yaml", "--out", "deep/out", "--keep-requests", *QUICK)
    assert ended.code == 0
    assert "deep/out" in ended.err
    out = folder / "deep" / "out"
    for name in TABLES:
        assert (out / f"{name}.parquet").is_file(), name
    assert json.loads((out / "provenance.json").read_text())["scenario"] == "three pods"
    assert "<html" in (out / "report.html").read_text()
    assert list((out / "figures").glob("*.png"))
    requests = pq.read_metadata(out / "requests.parquet").num_rows
    assert requests == sum(
        row["requests"] for row in cli("run", "scenario.yaml", "--json", *QUICK).json()["summary"]
    )


def test_keep_requests_needs_a_place(cli: Cli, folder: Path) -> None:
    assert cli("run", "scenario.yaml", "--keep-requests").refused().startswith("--keep-requests needs --out")


def test_a_scenario_from_standard_input(cli: Cli, folder: Path) -> None:
    assert cli("run", "-", *QUICK, stdin=SCENARIO).out.startswith("three pods\n")


@pytest.mark.parametrize("argv", [("-f", "web.yaml"), ("-f", "."), ("-f", "*.yaml"), ("-f", "-")])
def test_manifests_alone(cli: Cli, folder: Path, argv: tuple[str, ...]) -> None:
    (folder / "scenario.yaml").unlink()
    ended = cli(
        *(
            "run",
            *argv,
            "--rate",
            "20/s",
            "--rollout",
            "deployment/web",
            "--duration",
            "9s",
            "--json",
            *QUICK,
        ),
        stdin=MANIFESTS,
    )
    assert ended.code == 0
    document = ended.json()
    assert [(row["client"], row["via"]) for row in document["summary"]] == [
        ("web-vip", "cluster-ip"),
        ("web-pinned", "pod-ip"),
    ]
    assert document["summary"][1]["failed"] > 0


def test_manifests_in_several_files_as_a_shell_pattern_gives_them(cli: Cli, folder: Path) -> None:
    deployment, service = MANIFESTS.split("---")
    (folder / "a.yaml").write_text(deployment)
    (folder / "b.yaml").write_text(service)
    outs = [
        cli("run", *argv, "--rate", "20/s", "--duration", "5s", "--json", *QUICK).json()["summary"]
        for argv in (("-f", "a.yaml", "-f", "b.yaml"), ("-f", "a.yaml", "b.yaml"))
    ]
    assert outs[0] == outs[1]


def test_set_changes_a_field(cli: Cli, folder: Path) -> None:
    argv = ("run", "scenario.yaml", "--json", *QUICK)
    changed = cli(
        *argv, "--set", "clients.vip.rate=80/s", "--set", "manifests.deployment/web.preStop=4s"
    ).json()
    usual = cli(*argv).json()
    assert changed["summary"][0]["requests"] == pytest.approx(2 * usual["summary"][0]["requests"], rel=0.2)
    assert changed["summary"][0]["failed"] == 0 < usual["summary"][0]["failed"]


def test_five_replications_give_an_interval(cli: Cli, folder: Path) -> None:
    few = cli("run", "scenario.yaml", "--json", "--replications", "4").json()["summary"][1]
    enough = cli("run", "scenario.yaml", "--json", "--replications", "5").json()["summary"][1]
    assert few["failed_fraction_low"] is None
    assert 0 < enough["failed_fraction_low"] <= enough["failed_fraction"] <= enough["failed_fraction_high"]


def interrupt_at(replication: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C when that replication of any run begins."""
    import svcsim.simulation  # noqa: PLC0415

    real = svcsim.simulation.run_replication

    def run_replication(*args: Any, **kwargs: Any) -> Any:
        if kwargs["replication"] == replication:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(svcsim.simulation, "run_replication", run_replication)


def test_ctrl_c_keeps_what_is_complete(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(3, monkeypatch)
    ended = cli("run", "scenario.yaml", "--json", "--out", "kept", "--fail-if", "failed>0")
    assert ended.code == 130
    assert ended.json()["provenance"]["replications"] == 3
    assert "svcsim: warning: interrupted: 3 of 20 replications ran" in ended.err
    assert json.loads((folder / "kept" / "provenance.json").read_text())["replications"] == 3


def test_ctrl_c_before_anything_is_complete(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(0, monkeypatch)
    ended = cli("run", "scenario.yaml")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == "svcsim: interrupted\n"


def test_ctrl_c_in_compare_keeps_the_scenarios_that_ran(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(2, monkeypatch)
    ended = cli("compare", "scenario.yaml", "scenario.yaml", "--json", "--out", "kept")
    assert ended.code == 130
    assert list(ended.json()["variants"]) == ["scenario.yaml"]
    assert ended.json()["differences"] == []
    assert (folder / "kept" / "scenario" / "provenance.json").is_file()


def test_a_full_disk_does_not_cost_the_answer(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(result: object, directory: Path) -> Path:
        raise OSError(28, "No space left on device", str(directory / "summary.parquet"))

    monkeypatch.setattr("svcsim.results.files.save", full)
    ended = cli("run", "scenario.yaml", *QUICK, "--json", "--out", "out")
    assert ended.code == 1
    assert ended.json()["summary"]
    assert ended.err == "svcsim: out/summary.parquet: No space left on device\n"


class TestFailIf:
    @pytest.mark.parametrize(
        ("expression", "code"),
        [
            ("failed_fraction>1e-4", 3),
            ("pinned.failed_fraction > 0.1", 3),
            ("vip.failed_fraction>0.9", 0),
            ("requests<=1", 0),
            ("pinned.failed!=0", 3),
            ("vip.requests >= 1", 3),
            ("vip.misdelivered==0", 3),
        ],
    )
    def test_decides_the_exit_code(self, cli: Cli, folder: Path, expression: str, code: int) -> None:
        ended = cli("run", "scenario.yaml", "--json", *QUICK, "--fail-if", expression)
        assert ended.code == code
        assert ended.json()["summary"]
        assert (f"svcsim: --fail-if {expression}: client " in ended.err) == (code == 3)

    def test_one_met_of_several_is_enough(self, cli: Cli, folder: Path) -> None:
        argv = ("run", "scenario.yaml", *QUICK, "--fail-if", "vip.failed>1e9", "--fail-if", "pinned.failed>0")
        assert cli(*argv).code == 3

    def test_a_column_without_a_value_is_not_met_but_said(self, cli: Cli, folder: Path) -> None:
        ended = cli("run", "scenario.yaml", *QUICK, "--fail-if", "vip.failed_fraction_high>0")
        assert ended.code == 0
        assert "client vip has failed_fraction_high undefined" in ended.warnings[0]

    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            (
                "nonsense",
                "must be COLUMN OP NUMBER or CLIENT.COLUMN OP NUMBER with OP one of <= >= == != < >",
            ),
            ("", "must be COLUMN OP NUMBER"),
            ("failed>1>2", "must be COLUMN OP NUMBER"),
            ("failed=>1", "must be COLUMN OP NUMBER"),
            ("failed_fractoin>1e-4", "'failed_fractoin' is no column; accepted: requests, attempts,"),
            ("client>1", "'client' is no column"),
            ("vipp.failed>1", "'vipp' is no client; there are: vip, pinned"),
            ("failed>many", "'many' must be a number such as 0, 12 or 1e-4"),
            ("failed>nan", "'nan' must be a number"),
        ],
    )
    def test_says_what_is_accepted(self, cli: Cli, folder: Path, expression: str, said: str) -> None:
        refused = cli("run", "scenario.yaml", "--fail-if", expression).refused()
        assert refused.startswith(f"--fail-if = {expression!r}")
        assert said in refused
