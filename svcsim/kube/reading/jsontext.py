"""JSON text to plain values: several values in a row, duplicate keys refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from svcsim.errors import ManifestError
from svcsim.kube.place import show_value

__all__ = ["json_documents"]


class _BadKeys(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _BadKeys(f"duplicate key {show_value(key)}")
            seen.add(key)
    return made


def _constant(text: str) -> Any:
    raise _BadKeys(f"{text} is not JSON; accepted: finite numbers")


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def json_documents(text: str, name: str) -> Iterator[tuple[Any, int, str]]:
    """Yield each JSON value of a text with the line it starts at and its own text.

    Values may follow each other without a separator, as `kubectl get --watch -o json` writes them.

    Args:
        text: the whole text.
        name: what messages call it.

    Raises:
        ManifestError: syntax, or a duplicate key (line of the value it is in).
    """
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_number)
    at, line = 0, 1
    while True:
        start = at
        while at < len(text) and text[at].isspace():
            at += 1
        line += text.count("\n", start, at)
        if at >= len(text):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            early = (
                "; the file ends too early"
                if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg
                else ""
            )
            where = f"{name}:{error.lineno}"
            raise ManifestError(f"{where}: not JSON: {error.msg} at column {error.colno}{early}") from None
        except _BadKeys as error:
            raise ManifestError(f"{name}:{line}: in the JSON value that starts here: {error}") from None
        except RecursionError:
            raise ManifestError(
                f"{name}:{line}: the JSON value that starts here is nested too deeply"
            ) from None
        yield value, line, text[at:end]
        line += text.count("\n", at, end)
        at = end
