"""Finished cells are kept, torn ones are not, and a complete experiment does nothing."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import svcsim


class Counted:
    """`svcsim.simulate`, counting its calls; stops at call `stop`, or then gives a replication too few."""

    def __init__(self, *, stop: int = 0, short: int = 0) -> None:
        self._simulate = svcsim.simulate
        self._stop = stop
        self._short = short
        self.calls = 0

    def __call__(self, scenario: svcsim.Scenario, *, replications: int, **how: Any) -> svcsim.Result:
        self.calls += 1
        if self.calls == self._stop:
            raise KeyboardInterrupt
        fewer = 1 if self.calls == self._short else 0
        return self._simulate(scenario, replications=replications - fewer, **how)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, endpoint_lag: ModuleType) -> ModuleType:
    """The experiment with six points, one of which cannot fail."""
    points = [("preStop", law, 0.2, 0.0) for law in endpoint_lag.LAWS]
    points += [("lag", law, 0.2, 0.3) for law in endpoint_lag.LAWS]
    monkeypatch.setattr(endpoint_lag, "places", lambda quick: points)
    return endpoint_lag


def test_a_cell_is_there_after_it_was_appended(cells: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    store = cells.CellStore(path)
    assert "a" not in store
    store.append("a", {"failed": [1, 2]})
    store.append("b", {"failed": []})
    again = cells.CellStore(path)
    assert again["a"] == store["a"] == {"key": "a", "failed": [1, 2]}
    assert "b" in again


@pytest.mark.parametrize("torn", ['{"key": "b", "fai', '{"key": "b", "failed": []}', "{", "\u00e4"])
def test_a_torn_last_line_is_cut_off(cells: ModuleType, tmp_path: Path, torn: str) -> None:
    path = tmp_path / "cells.jsonl"
    cells.CellStore(path).append("a", {"failed": [1]})
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode()[:-1])
    store = cells.CellStore(path)
    assert "a" in store
    assert "b" not in store
    store.append("c", {"failed": [3]})
    assert path.read_bytes() == whole + b'{"key": "c", "failed": [3]}\n'


def test_a_line_that_is_no_cell_is_named(cells: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    path.write_text('{"key": "a"}\nno cell\n{"key": "b"}\n', encoding="utf-8")
    with pytest.raises(SystemExit, match=r"cells\.jsonl, line 2: not a finished cell"):
        cells.CellStore(path)


def test_too_few_replications_are_refused(
    small: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        small.main(["--out", str(tmp_path), "--replications", "4"])
    assert "--replications 4 must be >= 5" in capsys.readouterr().err


def test_stopped_it_resumes_and_complete_it_does_nothing(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--out", str(tmp_path), "--replications", "5"]
    monkeypatch.setattr(svcsim, "simulate", stopped := Counted(stop=3))
    with pytest.raises(KeyboardInterrupt):
        small.main(command)
    assert len((tmp_path / "endpoint_lag.jsonl").read_text().splitlines()) == stopped.calls - 1 == 2

    monkeypatch.setattr(svcsim, "simulate", rest := Counted())
    assert small.main(command) == 0
    assert rest.calls == 4
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(written) == {"endpoint_lag.jsonl", "endpoint_lag.csv", "endpoint_lag.png"}
    first = capsys.readouterr().out

    assert small.main(command) == 0
    assert rest.calls == 4
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
    again = capsys.readouterr()
    assert again.out == first
    assert "complete: all 6 cells are there; nothing to simulate" in again.err

    assert small.main([*command, "--seed", "2"]) == 0
    assert rest.calls == 10


def test_a_cell_that_was_cut_short_is_not_kept(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svcsim, "simulate", Counted(short=2))
    with pytest.raises(KeyboardInterrupt):
        small.main(["--out", str(tmp_path), "--replications", "6"])
    assert len((tmp_path / "endpoint_lag.jsonl").read_text().splitlines()) == 1


def test_stopped_as_a_program_it_says_how_to_go_on(
    cells: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        cells.started(stopped)
    assert ended.value.code == 130
    assert "the same command goes on from here" in capsys.readouterr().err
