"""The other commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from svcsim.cli import app
from svcsim.version import __version__
from tests.cli.conftest import SCENARIO, Cli

QUICK = ("--replications", "2")


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"svcsim {__version__}\n"


@pytest.mark.parametrize("argv", [(), ("--help",), ("-h",)])
def test_help_lists_every_command(cli: Cli, argv: tuple[str, ...]) -> None:
    ended = cli(*argv)
    assert ended.code == 0
    for name in app.COMMANDS:
        assert re.search(rf"^\W*{name}\s", ended.out, re.MULTILINE)


@pytest.mark.parametrize("name", app.COMMANDS)
def test_each_command_has_help(cli: Cli, name: str) -> None:
    ended = cli(name, "--help")
    assert ended.code == 0
    assert f"svcsim {name}" in ended.out


def test_compare_pairs_runs_and_gives_intervals(cli: Cli, folder: Path) -> None:
    (folder / "slow.yaml").write_text(
        SCENARIO.replace("duration: 15s", "duration: 15s\ncluster: {kubeProxy: {minSyncPeriod: 5s}}")
    )
    argv = ("compare", "scenario.yaml", "slow.yaml", "--replications", "5")
    document = cli(*argv, "--json").json()
    assert list(document["variants"]) == ["scenario.yaml", "slow.yaml"]
    rows = {(row["client"], row["metric"]): row for row in document["differences"]}
    vip = rows["vip", "failed"]
    assert vip["baseline"] == "scenario.yaml" and vip["variant"] == "slow.yaml"
    assert vip["difference"] > 0
    assert vip["low"] < vip["difference"] < vip["high"]
    text = cli(*argv).out
    assert "Difference to scenario.yaml" in text and "failed per 10,000" in text


def test_compare_keeps_a_folder_for_each(cli: Cli, folder: Path) -> None:
    ended = cli("compare", "scenario.yaml", "scenario.yaml", *QUICK, "--out", "both", "--json")
    assert ended.code == 0
    assert all(row["difference"] in (0, None) for row in ended.json()["differences"])
    for name in ("scenario", "scenario-2"):
        assert (folder / "both" / name / "report.html").is_file()


def test_compare_wants_two_with_a_client_in_common(cli: Cli, folder: Path) -> None:
    (folder / "other.yaml").write_text(SCENARIO.replace("vip", "a").replace("name: pinned", "name: b"))
    assert "two or more" in cli("compare", "scenario.yaml").refused()
    assert (
        "no client in common: pinned, vip there, a, b here"
        in cli("compare", "scenario.yaml", "other.yaml").refused()
    )


def test_crosscheck_of_several(cli: Cli, folder: Path) -> None:
    ended = cli("crosscheck", "scenario.yaml", "scenario.yaml", "--seed", "3")
    assert ended.code == 0
    first, second = ended.out.splitlines()
    assert re.match(r"scenario\.yaml: both engines agree on 1,\d+ requests, .*ok \d", first)
    assert second.startswith("scenario.yaml #2: ")


def test_crosscheck_of_manifests(cli: Cli, folder: Path) -> None:
    argv = (
        "crosscheck",
        "-f",
        "web.yaml",
        "--rate",
        "20/s",
        "--duration",
        "6s",
        "--rollout",
        "deployment/web",
    )
    assert "both engines agree" in cli(*argv).out


def test_crosscheck_ends_with_1_on_a_mismatch(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import svcsim.agreement  # noqa: PLC0415
    from svcsim.errors import EngineMismatch  # noqa: PLC0415

    def differ(*_: object, **__: object) -> None:
        raise EngineMismatch(
            "client 0, request 7: outcome is ok in the reference engine and eof in the other"
        )

    monkeypatch.setattr(svcsim.agreement, "crosscheck", differ)
    ended = cli("crosscheck", "scenario.yaml")
    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.startswith("svcsim: scenario.yaml: client 0, request 7: outcome is ok")


def test_report_and_explain_read_what_out_wrote(cli: Cli, folder: Path) -> None:
    cli("run", "scenario.yaml", *QUICK, "--out", "out")
    page = folder / "out" / "report.html"
    page.unlink()
    for figure in (folder / "out" / "figures").glob("*.png"):
        figure.unlink()
    ended = cli("report", "out")
    assert (ended.code, ended.out) == (0, "out/report.html\n")
    assert page.is_file()
    assert list((folder / "out" / "figures").glob("*.png"))
    everything = cli("explain", "out").out
    assert everything.startswith("vip (cluster-ip): ")
    assert "stale_resolver" in everything
    one = cli("explain", "out", "--client", "pinned").out
    assert one.startswith("pinned (pod-ip): ")
    assert "vip (" not in one


@pytest.mark.parametrize("command", ["report", "explain"])
def test_report_and_explain_refuse_what_is_no_result(cli: Cli, folder: Path, command: str) -> None:
    assert "missing: there is no such folder" in cli(command, "nowhere").refused()
    assert "holds no complete result" in cli(command, ".").refused()
    assert "provenance.json" in cli(command, "web.yaml").refused()
    (folder / "provenance.json").write_text("{")
    assert "provenance.json cannot be read" in cli(command, ".").refused()


def test_explain_knows_its_clients(cli: Cli, folder: Path) -> None:
    cli("run", "scenario.yaml", *QUICK, "--out", "out")
    assert cli("explain", "out", "--client", "x").refused() == (
        "client 'x' is not in this result (there are: vip, pinned)"
    )


def test_schema_accepts_the_scenarios_here(cli: Cli) -> None:
    schema = cli("schema").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(SCENARIO), schema)


def test_defaults_have_sources(cli: Cli) -> None:
    text = cli("defaults").out
    rows = cli("defaults", "--json").json()
    assert {row["kind"] for row in rows} == {"measured", "assumed"}
    for row in rows:
        assert row["key"] in text
        assert row["source"] in text
    assert cli("defaults", "--markdown").out.splitlines()[:3] == [
        "| key | value | unit | kind | source |",
        "| --- | --- | --- | --- | --- |",
        f"| {' | '.join(rows[0].values())} |",
    ]
    assert "exclude each other" in cli("defaults", "--json", "--markdown").refused()


def test_demo_shows_what_it_says(cli: Cli, folder: Path) -> None:
    ended = cli("demo", "--replications", "5", "--json")
    assert ended.code == 0
    rows = {row["client"]: row for row in ended.json()["summary"]}
    assert list(rows) == ["vip", "pinned", "reresolving", "watching", "vip-prestop"]
    assert rows["vip-prestop"]["failed"] == 0
    assert 0 < rows["vip"]["failed_fraction"] < 0.02
    assert rows["pinned"]["failed_fraction"] > 0.5
    assert rows["pinned"]["failed"] > rows["reresolving"]["failed"] > rows["watching"]["failed"] > 0
    causes = {row["cause"] for row in ended.json()["causes"] if row["client"] == "vip"}
    assert causes >= {"stale_endpoint"}
    for name in ("provenance.json", "report.html"):
        assert (folder / "svcsim-demo" / name).is_file()
    assert json.loads((folder / "svcsim-demo" / "provenance.json").read_text())["replications"] == 5


def test_demo_in_words(cli: Cli, folder: Path) -> None:
    text = cli("demo", "--replications", "2", "--out", "there").out
    found = re.search(r"keeps a replaced pod's address fails (\d+)% of its requests", text)
    assert found is not None and int(found[1]) >= 99
    assert re.search(r"for longer than that, none do\.$", text, re.MULTILINE)
    assert "there/report.html is the report" in text
    assert "Why they failed" in text
