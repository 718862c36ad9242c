"""Results on disk: what is read back is what was written, or an error in one line."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from svcsim.errors import ResultFormatError
from svcsim.results import files
from svcsim.results.result import Result
from svcsim.schema import TABLES
from svcsim.simulation import simulate
from tests.results.worlds import question


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(question(), seed=2, replications=2, keep_requests=True)


@pytest.fixture
def saved(result: Result, tmp_path: Path) -> Path:
    return result.save(tmp_path / "deep" / "result")


def same(one: Result, other: Result) -> None:
    assert one.tables().keys() == other.tables().keys()
    for name, frame in one.tables().items():
        assert_frame_equal(frame, getattr(other, name))
    assert one.provenance == other.provenance
    assert one.warnings == other.warnings
    assert one.pod_counts == other.pod_counts
    assert one.timing == other.timing


def test_what_is_saved_is_read_back(result: Result, saved: Path) -> None:
    same(Result.read(saved), result)
    same(Result.read(str(saved)), result)
    names = sorted(path.name for path in saved.iterdir())
    assert names == sorted([f"{name}.parquet" for name in TABLES] + ["provenance.json"])


def test_a_result_without_failures_or_requests_is_read_back(tmp_path: Path) -> None:
    quiet = simulate(question(events=[]), replications=1)
    loaded = Result.read(quiet.save(tmp_path))
    same(loaded, quiet)
    assert loaded.requests is None and not (tmp_path / "requests.parquet").exists()
    assert math.isnan(loaded.summary["failed_fraction_low"].iloc[0])


def test_a_second_result_takes_the_place_of_the_first(result: Result, saved: Path) -> None:
    other = simulate(question(), seed=9, replications=1)
    other.save(saved)
    same(Result.read(saved), other)


def test_units_and_meanings_are_beside_the_columns(saved: Path) -> None:
    field = pq.read_schema(saved / "summary.parquet").field("p99_s")
    assert field.metadata == {b"unit": b"s", b"meaning": b"latency of ok requests, 99th percentile"}
    for name, columns in TABLES.items():
        schema = pq.read_schema(saved / f"{name}.parquet")
        assert [schema.field(c.name).metadata[b"unit"].decode() for c in columns] == [c.unit for c in columns]


def test_the_same_seed_gives_the_same_bytes(result: Result, saved: Path, tmp_path: Path) -> None:
    again = simulate(question(), seed=2, replications=2, keep_requests=True).save(tmp_path / "again")
    for name in TABLES:
        assert (saved / f"{name}.parquet").read_bytes() == (again / f"{name}.parquet").read_bytes()


def test_a_full_disk_leaves_no_half_file(
    result: Result, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    written = []

    def full(table: object, file: IO[bytes]) -> None:
        if len(written) == 3:
            file.write(b"PAR1 and no more")
            raise OSError(28, "No space left on device")
        written.append(table)
        file.write(b"a whole table")

    monkeypatch.setattr(files.pq, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        result.save(saved)
    after = {path.name: path.read_bytes() for path in saved.iterdir()}
    assert sorted(after) == sorted(before.keys() - {"provenance.json"})
    assert sum(content == b"a whole table" for content in after.values()) == 3
    assert sum(after[name] == before[name] for name in after) == len(TABLES) - 3
    with pytest.raises(ResultFormatError, match=r"provenance.json is missing: .* no complete result"):
        Result.read(saved)


def test_an_interrupt_between_files_leaves_nothing_that_loads(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = []

    def stop(source: str, target: Path) -> None:
        replaced.append(target)
        if len(replaced) == 5:
            raise KeyboardInterrupt
        os.rename(source, target)

    monkeypatch.setattr(files.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path)
    monkeypatch.undo()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    with pytest.raises(ResultFormatError, match="no complete result"):
        Result.read(tmp_path)
    same(Result.read(result.save(tmp_path)), result)


def test_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultFormatError, match="there is no such folder"):
        Result.read(tmp_path / "nothing")


def spoil(folder: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("summary.parquet", None, r"summary.parquet is missing$"),
        ("lag.parquet", b"", r"lag.parquet cannot be read: "),
        ("lag.parquet", b"PAR1 is not enough", r"lag.parquet cannot be read: "),
        ("provenance.json", b'{"format": ', r"provenance.json cannot be read: "),
        ("provenance.json", b"\xff\xfe\xff", r"provenance.json cannot be read: "),
        ("provenance.json", b"[1]", r"provenance.json: format = None, this svcsim reads 1"),
        ("provenance.json", b'{"format": 7}', r"provenance.json: format = 7, this svcsim reads 1"),
        ("provenance.json", b'{"format": 1}', r"provenance.json lacks tables, pod_counts, warnings, timing"),
    ],
)
def test_what_is_damaged_is_named_in_one_line(
    saved: Path, name: str, content: bytes | None, message: str
) -> None:
    spoil(saved, name, content)
    with pytest.raises(ResultFormatError, match=message) as caught:
        Result.read(saved)
    assert "\n" not in str(caught.value)


def test_tables_of_another_result_are_refused(saved: Path, tmp_path: Path) -> None:
    other = simulate(question(), seed=8, replications=2).save(tmp_path / "other")
    for name in ("replications.parquet", "lag.parquet"):
        (saved / name).write_bytes((other / name).read_bytes())
    with pytest.raises(ResultFormatError, match=r"replications.parquet is of another result"):
        Result.read(saved)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"summary": 5}, r"summary.parquet has 1 rows, provenance.json says 5"),
        ({"summary": 1}, r"names no table replications, causes"),
        ({"summary": 1, "extra": 1}, r"names unknown tables extra"),
        ([], r"lacks its list of tables"),
    ],
)
def test_a_list_of_tables_that_does_not_fit(saved: Path, tables: object, message: str) -> None:
    document = json.loads((saved / "provenance.json").read_text())
    document["tables"] = tables
    (saved / "provenance.json").write_text(json.dumps(document))
    with pytest.raises(ResultFormatError, match=message):
        Result.read(saved)


def test_a_table_of_another_shape_is_refused(saved: Path) -> None:
    table = pq.read_table(saved / "lag.parquet").drop_columns(["p99_s"])
    pq.write_table(table, saved / "lag.parquet")
    with pytest.raises(ResultFormatError, match="table lag lacks p99_s"):
        Result.read(saved)
