"""Results on disk: a folder of Parquet tables, and provenance.json that says they belong together."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from svcsim.errors import ResultFormatError
from svcsim.results.result import Result
from svcsim.schema import TABLES

__all__ = ["FORMAT", "load", "save", "write_whole"]

FORMAT = 1
PROVENANCE = "provenance.json"
_BESIDES = ("format", "tables", "pod_counts", "warnings", "timing")
_REQUIRED = [name for name in TABLES if name != "requests"]


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it appears whole or not at all: beside its place, then renamed onto it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def save(result: Result, directory: Path) -> Path:
    """Write `result` into `directory`; a result that was there before is gone first."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / PROVENANCE).unlink(missing_ok=True)
    tables = result.tables()
    for name in TABLES.keys() - tables.keys():
        (directory / f"{name}.parquet").unlink(missing_ok=True)
    identity = _identity(result)
    for name, frame in tables.items():
        table = _with_units(pa.Table.from_pandas(frame, preserve_index=False), name, identity)
        write_whole(directory / f"{name}.parquet", partial(pq.write_table, table))
    document = {
        **result.provenance,
        "format": FORMAT,
        "tables": {name: len(frame) for name, frame in tables.items()},
        "pod_counts": dict(result.pod_counts),
        "warnings": list(result.warnings),
        "timing": dict(result.timing),
    }
    text = json.dumps(document, indent=2, allow_nan=True) + "\n"
    write_whole(directory / PROVENANCE, lambda file: file.write(text.encode()))
    return directory


def load(directory: Path) -> Result:
    """Read a result back; see `Result.read`."""
    document = _document(directory)
    rows = document["tables"]
    frames: dict[str, pd.DataFrame | None] = {"requests": None}
    for name in rows:
        frames[name] = _table(directory, name, rows[name])
    missing = [name for name in _REQUIRED if name not in frames]
    if missing:
        raise ResultFormatError(f"{directory / PROVENANCE}: names no table {', '.join(missing)}")
    result = Result(
        **frames,  # type: ignore[arg-type]
        pod_counts=document["pod_counts"],
        provenance={key: value for key, value in document.items() if key not in _BESIDES},
        warnings=tuple(document["warnings"]),
        timing=document["timing"],
    )
    identity = _identity(result)
    for name in rows:
        metadata = pq.read_schema(directory / f"{name}.parquet").metadata or {}
        if metadata.get(b"svcsim.result") != identity.encode():
            raise ResultFormatError(f"{directory / name}.parquet is of another result than {PROVENANCE}")
    return result


def _document(directory: Path) -> dict[str, Any]:
    path = directory / PROVENANCE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as err:
        hint = "the folder holds no complete result" if directory.is_dir() else "there is no such folder"
        raise ResultFormatError(f"{path} is missing: {hint}") from err
    except (OSError, ValueError) as err:
        raise ResultFormatError(f"{path} cannot be read: {_line(err)}") from err
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ResultFormatError(f"{path}: format = {found!r}, this svcsim reads {FORMAT}")
    lacks = [key for key in _BESIDES if key not in document]
    if lacks or not isinstance(document["tables"], dict):
        raise ResultFormatError(f"{path} lacks {', '.join(lacks) or 'its list of tables'}")
    unknown = document["tables"].keys() - TABLES.keys()
    if unknown:
        raise ResultFormatError(f"{path}: names unknown tables {', '.join(sorted(unknown))}")
    checked: dict[str, Any] = document
    return checked


def _table(directory: Path, name: str, rows: int) -> pd.DataFrame:
    path = directory / f"{name}.parquet"
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except FileNotFoundError as err:
        raise ResultFormatError(f"{path} is missing") from err
    except (OSError, pa.ArrowException) as err:
        raise ResultFormatError(f"{path} cannot be read: {_line(err)}") from err
    if len(frame) != rows:
        raise ResultFormatError(f"{path} has {len(frame)} rows, {PROVENANCE} says {rows}")
    return frame


def _with_units(table: Any, name: str, identity: str) -> Any:
    """Unit and meaning beside each column, and the result's identity beside the table."""
    columns = {column.name: column for column in TABLES[name]}
    described = [
        field.with_metadata({"unit": columns[field.name].unit, "meaning": columns[field.name].meaning})
        for field in table.schema
    ]
    metadata = {**(table.schema.metadata or {}), b"svcsim.result": identity.encode(), b"svcsim.table": name}
    return table.cast(pa.schema(described, metadata=metadata))


def _identity(result: Result) -> str:
    """What tells results apart: a hash of the provenance."""
    text = json.dumps(dict(result.provenance), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _line(err: BaseException) -> str:
    return str(err).partition("\n")[0]
