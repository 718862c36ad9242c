"""Where in the input something stands, and the two ways to speak of it: an error or a warning."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from svcsim.errors import ManifestError

__all__ = ["FieldPath", "Notes", "Place", "one_line", "show_path", "show_value"]

FieldPath = tuple[str | int, ...]

SHOWN_CHARACTERS = 60
SHOWN_OBJECTS = 40
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def show_path(path: FieldPath) -> str:
    """Write a field path as Kubernetes does.

    >>> show_path(("spec", "ports", 0, "port"))
    'spec.ports[0].port'
    >>> show_path(("metadata", "labels", "app.kubernetes.io/name"))
    'metadata.labels[app.kubernetes.io/name]'
    """
    text = ""
    for part in path:
        if isinstance(part, int) or not _PLAIN_KEY.fullmatch(part):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def show_value(value: object) -> str:
    """Write a value as JSON on one line, cut after a few words.

    >>> show_value("25 %"), show_value(None)
    ('"25 %"', 'null')
    """
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def one_line(text: str) -> str:
    """Fold any white space, so that a message stays one line."""
    return " ".join(text.split())


def _no_line(_: FieldPath) -> int | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One object of the input: its file, line and name.

    `line_of` finds the line of a field, counted from the object, when an error needs it.
    """

    file: str
    line: int | None = None
    label: str = ""
    line_of: Callable[[FieldPath], int | None] = field(default=_no_line, repr=False, compare=False)

    def __str__(self) -> str:
        line = self.line or self.line_of(())
        return f"{self.file}:{line}" if line else self.file

    def error(self, path: FieldPath, value: object, rule: str) -> ManifestError:
        """Return the error that a field breaks a rule: `web.yaml:7: deployment/web: FIELD = VALUE RULE`."""
        return self._error(path, f"{show_path(path)} = {show_value(value)} {rule}")

    def missing(self, path: FieldPath, rule: str) -> ManifestError:
        """Return the error that a required field is absent."""
        return self._error(path, f"{show_path(path)} is missing: {rule}")

    def _error(self, path: FieldPath, text: str) -> ManifestError:
        line = self.line_of(path) or self.line
        where = f"{self.file}:{line}" if line else self.file
        return ManifestError(one_line(": ".join(part for part in (where, self.label, text) if part)))


@dataclass(slots=True)
class Notes:
    """Warnings in order of first appearance; one remark about many objects is one line."""

    _about: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _plain: list[tuple[str, str] | str] = field(default_factory=list)
    latest: datetime.datetime | None = None

    def say(self, text: str) -> None:
        """Add one warning."""
        self._plain.append(one_line(text))

    def remark(self, subject: object, path: str, text: str) -> None:
        """Add a warning about a field of an object; equal ones of several objects are joined."""
        remark = (path, text)
        if remark not in self._about:
            self._about[remark] = []
            self._plain.append(remark)
        name = str(subject)
        if name not in self._about[remark]:
            self._about[remark].append(name)

    def saw(self, instant: datetime.datetime | None) -> None:
        """Keep the newest instant that the input mentions."""
        if instant is not None and (self.latest is None or instant > self.latest):
            self.latest = instant

    def lines(self) -> tuple[str, ...]:
        """Return every warning, each on one line and once."""
        texts: dict[str, None] = {}
        for entry in self._plain:
            if isinstance(entry, str):
                texts[entry] = None
                continue
            path, text = entry
            names = self._about[entry]
            shown = ", ".join(names[:SHOWN_OBJECTS])
            more = f" and {len(names) - SHOWN_OBJECTS} more" if len(names) > SHOWN_OBJECTS else ""
            texts[one_line(f"{shown}{more}: {path} {text}")] = None
        return tuple(texts)
