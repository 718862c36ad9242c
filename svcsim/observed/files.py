"""Text of evidence files: plain or gzip, `-` for standard input."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

from svcsim.observed.errors import ObservedError

__all__ = ["read_text", "spoken"]

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31


def spoken(path: str | Path) -> str:
    """Return the name that messages call a file by."""
    return "standard input" if str(path) == "-" else str(path)


def read_text(path: str | Path) -> tuple[str, bool]:
    """Return the text of a file, and whether its end is there: a gzip file may have been cut.

    Raises:
        ObservedError: it cannot be read, or is no text.
    """
    name = spoken(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except OSError as error:
        raise ObservedError(f"{name} cannot be read: {error.strerror or error}") from None
    whole = True
    if data.startswith(_GZIP):
        data, whole = _unzipped(data, name)
    try:
        return data.decode("utf-8-sig", "strict" if whole else "ignore"), whole
    except UnicodeDecodeError as error:
        raise ObservedError(f"{name} is no text: byte {error.start} is not UTF-8") from None


def _unzipped(data: bytes, name: str) -> tuple[bytes, bool]:
    """Return what can be read of one or more gzip members, and whether the last is complete."""
    parts: list[bytes] = []
    while data:
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            parts.append(member.decompress(data))
        except zlib.error as error:
            raise ObservedError(f"{name} is a damaged gzip file: {error}") from None
        if not member.eof:
            return b"".join(parts), False
        data = member.unused_data
    return b"".join(parts), True
