"""`svcsim replay` from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli
from tests.observed.test_recording import audit, timed

SCENARIO = """
manifests: [web.yaml]
duration: 30s
cluster: {nodes: [{name: n1}]}
clients: [{name: vip, to: service/web, via: cluster-ip, rate: 40/s}]
"""


def test_a_log_and_manifests_are_enough(cli: Cli, folder: Path) -> None:
    (folder / "log.jsonl").write_text(timed())
    ended = cli("replay", "log.jsonl", "-f", "web.yaml", "--rate", "40/s", "--replications", "3")
    assert ended.code == 0, ended.err
    assert "log.jsonl replayed" in ended.out
    assert "web-vip" in ended.out


def test_a_scenario_says_the_rest(cli: Cli, folder: Path) -> None:
    (folder / "audit.log").write_text(audit())
    (folder / "question.yaml").write_text(SCENARIO)
    ended = cli(
        "replay",
        "audit.log",
        "--scenario",
        "question.yaml",
        "--replications",
        "3",
        "--json",
        "--out",
        "result",
    )
    assert ended.code == 0, ended.err
    assert ended.json()["summary"][0]["client"] == "vip"
    assert (folder / "result" / "report.html").exists()


def test_logs_from_standard_input(cli: Cli, folder: Path) -> None:
    ended = cli(
        "replay", "-", "-f", "web.yaml", "--rate", "40/s", "--replications", "2", stdin=timed(pods=False)
    )
    assert ended.code == 0, ended.err
    assert any("without a pod watch" in line for line in ended.warnings)


def test_what_is_wrong_is_one_line(cli: Cli, folder: Path) -> None:
    (folder / "log.jsonl").write_text(timed())
    assert "--scenario FILE, or -f" in cli("replay", "log.jsonl").refused()
    both = cli("replay", "log.jsonl", "--scenario", "scenario.yaml", "-f", "web.yaml").refused()
    assert "--scenario FILE, or -f" in both
    assert (
        "churn comes from the recording"
        in cli("replay", "log.jsonl", "--scenario", "scenario.yaml").refused()
    )
    assert (
        "has no slice of db"
        in cli("replay", "log.jsonl", "-f", "web.yaml", "--rate", "1/s", "--service", "db").refused()
    )
    assert "none.jsonl" in cli("replay", "none.jsonl", "-f", "web.yaml", "--rate", "1/s").refused()
