"""Files and texts: what a scenario is read from, and every way that can fail."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from svcsim.errors import ManifestError, ScenarioError
from svcsim.scenario import Scenario, load_scenario, parse_scenario
from tests.scenario.worlds import MANIFESTS, read, small

TEXT = """\
# a comment
manifests: [web.yaml]
duration: 60s
clients:
  - {name: vip, to: service/web, via: cluster-ip, rate: 200/s}
  - name: pinned
    to: service/web
    via: pod-ip
    rate: 200/s
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web.yaml").write_text(MANIFESTS)
    (tmp_path / "question.yaml").write_text(TEXT)
    return tmp_path


def test_a_file_is_read_and_its_paths_start_from_its_folder(folder: Path) -> None:
    scenario = load_scenario(folder / "question.yaml")
    assert [client.name for client in scenario.clients] == ["vip", "pinned"]
    assert scenario.name == "question"
    assert scenario.duration_ns == 60_000_000_000


def test_json_is_yaml_too(folder: Path) -> None:
    document = small(manifests=["web.yaml"], name="j")
    (folder / "question.json").write_text(json.dumps(document, indent=1))
    assert load_scenario(folder / "question.json").name == "j"


def test_folders_and_patterns_are_manifests(folder: Path) -> None:
    for listed in ("web.yaml", ["*.yml", "web.yaml"], ["w*.yaml"]):
        (folder / "more.yml").write_text("")
        scenario = parse_scenario(json.dumps(small(manifests=listed)), base=folder)
        assert len(scenario.manifests.services) == 5


def test_standard_input_gives_the_scenario(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT))
    assert len(load_scenario("-").clients) == 2


def test_standard_input_gives_the_manifests_and_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(MANIFESTS))
    scenario = parse_scenario(TEXT.replace("web.yaml", '"-"'), base=folder)
    again = parse_scenario(scenario.to_yaml(), base=folder)
    assert again.strong_id() == scenario.strong_id() == load_scenario(folder / "question.yaml").strong_id()
    changed = scenario.with_value("manifests.deployment/web.replicas", 3)
    assert changed.manifests.workload("web").replicas == 3


def test_standard_input_cannot_be_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT.replace("web.yaml", '"-"')))
    with pytest.raises(ScenarioError, match="which the scenario itself came from"):
        load_scenario("-")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty; a scenario has at least"),
        ("# nothing\n---\n...\n", "empty; a scenario has at least"),
        ("a: 1\n---\nb: 2\n", "2 documents; a scenario is one"),
        ("[1, 2]", "must be a mapping .* not a list"),
        ("just words", "must be a mapping .* not a text"),
        ("42", "must be a mapping .* not a number"),
        (MANIFESTS.split("---")[0], "a Kubernetes Deployment, not a scenario"),
        ("duration: 60s\nduration: 70s\n", "duplicate key"),
        ("clients:\n  - {name: vip, name: vip}\n", "duplicate key"),
        ("duration: !!python/object/apply:os.system [ls]\n", "tag .* is refused"),
        ("duration: !secret x\n", "tag .* is refused"),
        ("clients: [{name: vip", "not YAML"),
        ("clients:\n\t- name: vip\n", "not YAML"),
        ("name: 'unfinished\n", "not YAML"),
        ("name: *nowhere\n", "alias"),
        ("name: .nan\n", "not a number"),
        ("1: {2: 3}\n", "1 is not a known key"),
        ("? [a, b]\n: 1\n", "key must be text"),
    ],
)
def test_texts_that_are_no_scenario(text: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        parse_scenario(text)
    assert "\n" not in str(caught.value)


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ScenarioError, match="aliases expand to more than"):
        parse_scenario("\n".join(lines))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ScenarioError, match="nest"):
        parse_scenario("name: " + "[" * 5000 + "]" * 5000)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x00\x01\x02", "not text"),
        (b"name: \xff\xfe\xfa", "not text"),
        (b"\x1f\x8b\x08\x00abc", "not text"),
        (b"name: a\x00b", "not text"),
    ],
)
def test_binary_files_are_no_scenario(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "b.yaml").write_bytes(data)
    with pytest.raises(ScenarioError, match=says) as caught:
        load_scenario(tmp_path / "b.yaml")
    assert "b.yaml" in str(caught.value)


def test_a_byte_order_mark_is_no_fault(folder: Path) -> None:
    (folder / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert len(load_scenario(folder / "bom.yaml").clients) == 2


def test_every_truncation_is_one_line_or_a_scenario(folder: Path) -> None:
    for end in range(len(TEXT)):
        try:
            found = parse_scenario(TEXT[:end], base=folder)
        except ScenarioError as error:
            assert "\n" not in str(error)
        else:
            assert isinstance(found, Scenario)


def test_missing_folder_and_unreadable_files(folder: Path) -> None:
    with pytest.raises(ScenarioError, match=r"questoin\.yaml: no such file; did you mean .*question\.yaml\?"):
        load_scenario(folder / "questoin.yaml")
    with pytest.raises(ScenarioError, match=r"no such file$"):
        load_scenario(folder / "nowhere" / "x.yaml")
    with pytest.raises(ScenarioError, match="a folder, not a scenario file"):
        load_scenario(folder)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(folder / "question.yaml" / "x")
    with pytest.raises(ScenarioError):
        load_scenario("a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_file_without_permission(folder: Path) -> None:
    (folder / "question.yaml").chmod(0)
    with pytest.raises(ScenarioError, match="cannot be read: Permission denied"):
        load_scenario(folder / "question.yaml")


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        (["gone.yaml"], r'^manifests\[0\] = "gone.yaml" does not exist'),
        (["web.yaml", "*.nope"], r'^manifests\[1\] = "\*.nope" matches no file'),
        ("gone.yaml", r'^manifests = "gone.yaml" does not exist'),
        (["https://example.org/web.yaml"], r"^manifests\[0\] .* svcsim does not download"),
        ([], r"^manifests = \[\] must be"),
        ([7], r"^manifests\[0\] = 7 must be"),
        (None, "^manifests = null must be"),
        (["a\0b"], r"^manifests\[0\] "),
    ],
)
def test_manifests_that_lead_nowhere(folder: Path, listed: object, says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        parse_scenario(json.dumps(small(manifests=listed)), base=folder)
    assert "\n" not in str(caught.value)


def test_a_bad_manifest_is_a_manifest_error(folder: Path) -> None:
    (folder / "web.yaml").write_text("kind: Pod\n")
    with pytest.raises(ManifestError, match=r"web\.yaml"):
        load_scenario(folder / "question.yaml")
    with pytest.raises(ManifestError, match=r"^[^\n]*deployment/web: spec\.replicas"):
        document = small()
        document["manifests"][0]["spec"]["replicas"] = -1
        read(document)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("200/s}", "fast}"), 5),
        (("to: service/web\n", "to: service/wbe\n"), 7),
        (("    via: pod-ip", "    via: teleport"), 8),
        (("duration: 60s", "duration: -1s"), 3),
        (("    rate: 200/s\n", "    rate: 200/s\n    rat: 5\n"), 10),
        (("name: pinned", "name: vip"), 6),
    ],
)
def test_errors_name_file_and_line(folder: Path, change: tuple[str, str], line: int) -> None:
    assert change[0] in TEXT
    (folder / "question.yaml").write_text(TEXT.replace(*change))
    with pytest.raises(ScenarioError, match=rf"question\.yaml, line {line}\)$"):
        load_scenario(folder / "question.yaml")
