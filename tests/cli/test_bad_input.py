"""Input that people get wrong: one line that names file and field, exit code 2, never a traceback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import MANIFESTS, SCENARIO, Cli

QUICK = ("--replications", "1", "--json")
ALONE = ("--rate", "5/s", "--duration", "3s")


def scenario_with(folder: Path, old: str, new: str) -> str:
    assert old in SCENARIO
    (folder / "changed.yaml").write_text(SCENARIO.replace(old, new))
    return "changed.yaml"


def manifests_with(folder: Path, old: str, new: str) -> str:
    assert old in MANIFESTS
    (folder / "web.yaml").write_text(MANIFESTS.replace(old, new))
    return "web.yaml"


class TestOddButRun:
    def test_a_selector_without_match(self, cli: Cli, folder: Path) -> None:
        manifests_with(folder, "{selector: {app: web}, ports", "{selector: {app: wbe}, ports")
        ended = cli("run", "scenario.yaml", *QUICK)
        assert ended.code == 0
        assert any(
            "client vip: no pod of the manifests is selected by service/web" in w for w in ended.warnings
        )
        assert ended.json()["summary"][0]["ok"] == 0

    def test_a_service_port_that_matches_nothing(self, cli: Cli, folder: Path) -> None:
        manifests_with(folder, "targetPort: 8080", "targetPort: metrics")
        ended = cli("run", "scenario.yaml", *QUICK)
        assert ended.code == 0
        assert any("metrics" in w and "service/web" in w for w in ended.warnings)
        assert ended.json()["summary"][0]["ok"] == 0

    def test_warnings_are_on_standard_error_once(self, cli: Cli, folder: Path) -> None:
        ended = cli("run", scenario_with(folder, "at: 2s", "at: 99s"), *QUICK)
        (line,) = ended.warnings
        assert "events[0] (rollout) at 1m39s never happens: the run ends at 15s" in line
        assert line.removeprefix("svcsim: warning: ") in ended.json()["warnings"]


class TestScenarios:
    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("to: service/web, via: cluster-ip", "to: service/wbe, via: cluster-ip", "clients[0].to"),
            (
                "to: service/web, via: cluster-ip",
                "to: service/wbe, via: cluster-ip",
                "did you mean service/web?",
            ),
            ("rate: 40/s}\n  - ", "rate: 40/s, retries: 3}\n  - ", "retries"),
            ("via: cluster-ip", "via: clusterip", "did you mean cluster-ip?"),
            ("via: cluster-ip", "via: load-balancer", "its type is ClusterIP, not LoadBalancer"),
            ("duration: 15s", "duration: 15 parsecs", "duration"),
            ("duration: 15s", "duration: -1s", "duration"),
            ("duration: 15s", "durration: 15s", "durration"),
            ("manifests: [web.yaml]", "manifests: [wbe.yaml]", "manifests[0]"),
            ("rollout: deployment/web", "rollout: deployment/api", "events[0].rollout"),
            ("rollout: deployment/web", "selector: service/web", "events[0].labels is missing"),
            ("name: pinned", "name: vip", "clients[1].name"),
        ],
    )
    def test_a_broken_rule(self, cli: Cli, folder: Path, old: str, new: str, said: str) -> None:
        refused = cli("run", scenario_with(folder, old, new)).refused()
        assert said in refused
        assert "changed.yaml" in refused

    def test_missing(self, cli: Cli, folder: Path) -> None:
        assert (
            cli("run", "scenaro.yaml").refused() == "scenaro.yaml: no such file; did you mean scenario.yaml?"
        )

    def test_a_folder(self, cli: Cli, folder: Path) -> None:
        assert ".: a folder, not a scenario file" in cli("run", ".").refused()

    def test_unreadable(self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def forbid(path: Path) -> bytes:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_bytes", forbid)
        assert cli("run", "scenario.yaml").refused() == "scenario.yaml: cannot be read: Permission denied"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    @pytest.mark.parametrize("argv", [("run", "scenario.yaml"), ("run", "-f", "web.yaml", *ALONE)])
    def test_not_ours(self, cli: Cli, folder: Path, argv: tuple[str, ...]) -> None:
        for name in ("scenario.yaml", "web.yaml"):
            (folder / name).chmod(0)
        assert "Permission denied" in cli(*argv).refused()

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "empty"),
            (b"# only a comment\n", "empty"),
            (b"\x7fELF\x02\x01\x00\x00\xff\xfe", "bad.yaml"),
            (SCENARIO.encode()[:95], "bad.yaml"),
            (b"[1, 2]", "mapping"),
            (b"a: !!python/object/apply:os.system ['touch pwned']", "tag"),
            (b"a: &a [x, x]\nb: &b [*a, *a]\n" * 2, "bad.yaml"),
            (MANIFESTS.encode(), "bad.yaml"),
        ],
        ids=["empty", "comment", "binary", "truncated", "list", "tag", "duplicate", "manifests"],
    )
    def test_no_scenario_at_all(self, cli: Cli, folder: Path, content: bytes, said: str) -> None:
        (folder / "bad.yaml").write_bytes(content)
        refused = cli("run", "bad.yaml").refused()
        assert "bad.yaml" in refused
        assert said in refused
        assert not (folder / "pwned").exists()

    def test_a_bomb(self, cli: Cli, folder: Path) -> None:
        lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
        lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
        (folder / "bomb.yaml").write_text("\n".join(lines))
        for argv in (("run", "bomb.yaml"), ("run", "-f", "bomb.yaml", *ALONE)):
            assert "bomb.yaml" in cli(*argv).refused()

    def test_a_manifest_in_place_of_a_scenario(self, cli: Cli, folder: Path) -> None:
        (folder / "service.yaml").write_text(MANIFESTS.split("---")[1])
        assert "a Kubernetes Service, not a scenario; run it with -f" in cli("run", "service.yaml").refused()


class TestManifests:
    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                "{selector: {app: web}, ports: [{port: 80,",
                "{type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 80,",
                "spec.ports[0].nodePort = 80",
            ),
            ("replicas: 3", "replicas: 2000000000", "2000000000"),
            ("replicas: 3", "replicas: three", "replicas"),
            ("port: 80,", "port: 99999,", "spec.ports[0].port = 99999"),
            ("kind: Service", "kind: Service\nkind: Service", "kind"),
        ],
    )
    def test_what_the_api_server_refuses(self, cli: Cli, folder: Path, old: str, new: str, said: str) -> None:
        manifests_with(folder, old, new)
        for argv in (
            ("run", "-f", "web.yaml", *ALONE),
            ("run", "scenario.yaml"),
            ("crosscheck", "scenario.yaml"),
        ):
            refused = cli(*argv).refused()
            assert said in refused
            assert "web.yaml" in refused

    @pytest.mark.parametrize(
        "content",
        [
            b"\x00\x01\x02\xff",
            b"{",
            b"a: !!python/object/apply:os.system ['touch pwned']",
            b"kind: [",
            b"- just text",
        ],
    )
    def test_no_manifest_at_all(self, cli: Cli, folder: Path, content: bytes) -> None:
        (folder / "bad.yaml").write_bytes(content)
        assert "bad.yaml" in cli("run", "-f", "bad.yaml", *ALONE).refused()
        assert not (folder / "pwned").exists()

    def test_nothing_to_ask(self, cli: Cli, folder: Path) -> None:
        (folder / "empty.yaml").write_text("")
        assert cli("run", "-f", "empty.yaml", *ALONE).refused() == "no Kubernetes object in empty.yaml"
        assert "no Kubernetes object" in cli("run", "-f", "-", *ALONE, stdin="").refused()

    def test_missing(self, cli: Cli, folder: Path) -> None:
        assert "nowhere.yaml" in cli("run", "-f", "nowhere.yaml", *ALONE).refused()
        assert "nowhere-*.yaml" in cli("run", "-f", "nowhere-*.yaml", *ALONE).refused()


class TestArguments:
    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (("run",), "no scenarios: name one file"),
            (("run", "scenario.yaml", "scenario.yaml"), "2 scenarios: name one file"),
            (("run", "-f", "web.yaml"), "--rate is missing"),
            (("run", "-f", "web.yaml", "--rate", "fast"), "--rate = 'fast'"),
            (("run", "-f", "web.yaml", "--rate", "5 furlongs"), "--rate = '5 furlongs'"),
            (("run", "-f", "web.yaml", "--rate", "0"), '--rate = "0" must be > 0'),
            (("run", "-f", "web.yaml", "--rate", "-5"), "--rate = '-5' must be >= 0"),
            (("run", "-f", "web.yaml", "--rate", "5/s", "--duration", "long"), "--duration = 'long'"),
            (
                ("run", "-f", "web.yaml", "--rate", "5/s", "--rollout", "web"),
                '--rollout = "web" must be KIND/NAME',
            ),
            (
                ("run", "-f", "web.yaml", "--rate", "5/s", "--rollout", "deployment/x"),
                "did you mean deployment/web?",
            ),
            (("run", "-f", "-", "-f", "-", "--rate", "5/s"), "only once"),
            (("run", "scenario.yaml", "--rate", "5/s"), "--rate = '5/s' goes with -f only"),
            (("run", "scenario.yaml", "--rollout", "deployment/web"), "goes with -f only"),
            (("run", "scenario.yaml", "--seed", "x"), "'--seed': 'x' must be a whole number >= 0"),
            (("run", "scenario.yaml", "--seed", "-1"), "'--seed': '-1' must be"),
            (("run", "scenario.yaml", "--replications", "0"), "'0' must be a whole number >= 1"),
            (("run", "scenario.yaml", "--engine", "warp"), "'--engine': 'warp' is not one of"),
            (("run", "scenario.yaml", "--bogus"), "--bogus"),
            (("run", "scenario.yaml", "--seed"), "--seed"),
            (("run", "scenario.yaml", "--set", "rate"), "--set = 'rate' must be PATH=VALUE"),
            (("run", "scenario.yaml", "--set", "=1"), "must be PATH=VALUE"),
            (("run", "scenario.yaml", "--set", "clients.nobody.rate=1/s"), "nobody"),
            (("run", "scenario.yaml", "--set", "clients.vip.rate=quick"), "rate"),
            (("run", "scenario.yaml", "--set", "speed=1"), "speed"),
            (("run", "scenario.yaml", "--out", "web.yaml"), "--out = 'web.yaml' is a file; name a folder"),
            (("run", "scenario.yaml", "--out", "web.yaml/deep"), "lies in a file"),
            (("run", "scenario.yaml", "--out", "a\0b"), "--out"),
            (("demo", "--out", "web.yaml"), "is a file"),
            (("crosscheck",), "no scenarios"),
            (("crosscheck", "-", "-"), "only once"),
            (("compare",), "SCENARIO"),
            (("report",), "DIR"),
            (("dance",), "dance"),
            (("--bogus",), "--bogus"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_one_line(self, cli: Cli, folder: Path, argv: tuple[str, ...], said: str) -> None:
        assert said in cli(*argv).refused()

    def test_standard_input_closed(self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        assert cli("run", "-").refused() == "- (standard input) is closed; name a file"
        assert cli("run", "-f", "-", *ALONE).refused() == "-f - (standard input) is closed; name a file"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_out_in_somebody_elses_folder(self, cli: Cli, folder: Path) -> None:
        (folder / "theirs").mkdir(mode=0o500)
        assert "cannot be" in cli("run", "scenario.yaml", "--out", "theirs/mine").refused()
