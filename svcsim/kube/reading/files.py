"""Paths, folders, globs and standard input to texts."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from svcsim.errors import ManifestError

__all__ = ["Text", "decode", "read_texts"]

MAX_BYTES = 200 * 1024 * 1024
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One input: its text, what messages call it, and whether it was named itself or merely found."""

    name: str
    text: str
    named: bool = True

    @property
    def is_kustomization(self) -> bool:
        """Whether kustomize takes this file for its own."""
        return Path(self.name).name.lower() in ("kustomization.yaml", "kustomization.yml", "kustomization")


def decode(data: bytes, name: str) -> str:
    """Return the text of a file: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it.

    Raises:
        ManifestError: too large, or not text.
    """
    if len(data) > MAX_BYTES:
        raise ManifestError(f"{name}: more than {MAX_BYTES} bytes; svcsim reads no larger file: split it")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{name}: not text: byte {error.start} is not UTF-8; accepted: YAML or JSON text"
        ) from None
    if "\0" in text:
        raise ManifestError(
            f"{name}: not text: byte {text.index(chr(0))} is NUL; accepted: YAML or JSON text"
        )
    return text


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as stream:
            return decode(stream.read(MAX_BYTES + 1), name)
    except OSError as error:
        raise ManifestError(f"{name}: cannot be read: {error.strerror or error}") from None


def _in_folder(folder: Path) -> list[Path]:
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(where, name) for name in files if name.lower().endswith(SUFFIXES)]
    return sorted(found)


def _expand(path: str, base: Path | None) -> list[tuple[Path, str, bool]]:
    """List the files a path means: where each is, what to call it, and whether it was named itself."""
    if "://" in path:
        raise ManifestError(
            f"{path}: svcsim does not download; save the file and name it, or pipe it in as -"
        )
    whole = (base / path) if base is not None else Path(path)

    def called(found: Path) -> str:
        return (
            os.path.relpath(found, base) if base is not None and not Path(path).is_absolute() else str(found)
        )

    if whole.is_dir():
        inside = _in_folder(whole)
        if not inside:
            raise ManifestError(f"{path}: no manifest in this folder (looked for *.yaml, *.yml and *.json)")
        return [(file, called(file), False) for file in inside]
    if whole.exists() or not glob.has_magic(path):
        if not whole.exists():
            raise ManifestError(f"{path}: no such file or folder")
        return [(whole, path, True)]
    matched = [Path(found) for found in sorted(glob.glob(str(whole), recursive=True))]
    if not matched:
        raise ManifestError(f"{path}: no file matches this pattern")
    files = [file for one in matched for file in (_in_folder(one) if one.is_dir() else [one])]
    return [(file, called(file), False) for file in files]


def read_texts(
    paths: Sequence[str | Path], *, stdin: TextIO | None = None, base: Path | None = None
) -> Iterator[Text]:
    """Yield the text of every input, each file once, in the order of the paths.

    Args:
        paths: files, folders (searched for *.yaml, *.yml and *.json), glob patterns, or "-".
        stdin: what "-" reads; the process's standard input when None.
        base: the folder that relative paths start from.

    Raises:
        ManifestError: a path that is missing, unreadable, too large, not text, or matches nothing.
    """
    seen: set[Path] = set()
    read_stdin = False
    for path in map(str, paths):
        if path == "-":
            if not read_stdin:
                read_stdin = True
                yield Text(name="standard input", text=_read_stdin(stdin or sys.stdin))
            continue
        for file, name, named in _expand(path, base):
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield Text(name=name, text=_read(file, name), named=named)


def _read_stdin(stream: TextIO) -> str:
    name = "standard input"
    buffer = getattr(stream, "buffer", None)
    if buffer is not None:
        return decode(buffer.read(MAX_BYTES + 1), name)
    return decode(stream.read().encode(), name)
