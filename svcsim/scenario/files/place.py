"""Where in a scenario something stands, and how an error speaks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from svcsim.errors import ManifestError, ScenarioError
from svcsim.kube.keys import nearest
from svcsim.kube.place import FieldPath, one_line, show_value
from svcsim.kube.reading.yamltext import line_in_yaml

__all__ = ["Source", "Where", "did_you_mean", "dotted", "one_of"]

Value = TypeVar("Value")
SHOWN_NAMES = 12


def dotted(path: FieldPath) -> str:
    """Write a field path as `--set` takes it.

    >>> dotted(("workloads", "deployment/web", "startup")), dotted(("clients", 0, "rate"))
    ('workloads.deployment/web.startup', 'clients[0].rate')
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def one_of(names: Iterable[str]) -> str:
    """Return names as a message lists them, cut after a dozen."""
    known = list(names)
    more = f" and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else ""
    return (", ".join(known[:SHOWN_NAMES]) or "none") + more


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the part of a message that names the nearest known word, or nothing."""
    near = nearest(word, names)
    return f"; did you mean {near}?" if near is not None else ""


@dataclass(frozen=True, slots=True)
class Source:
    """What messages call a scenario, and its text where there is one, for line numbers."""

    label: str = ""
    text: str | None = field(default=None, repr=False)

    def place(self, path: FieldPath) -> str:
        """Return the end of a message about a field: ` (scenario a.yaml, line 12)`."""
        line = line_in_yaml(self.text, 0, path) if self.text is not None else None
        parts = [part for part in (self.label, f"line {line}" if line else "") if part]
        return f" ({', '.join(parts)})" if parts else ""


@dataclass(frozen=True, slots=True)
class Where:
    """A field of a scenario."""

    source: Source = Source()
    path: FieldPath = ()

    def __truediv__(self, part: str | int) -> Where:
        return Where(self.source, (*self.path, part))

    def __str__(self) -> str:
        return dotted(self.path)

    def error(self, value: object, rule: str) -> ScenarioError:
        """Return the error that a value breaks a rule."""
        return self.problem(f"{self} = {show_value(value)} {rule}")

    def problem(self, text: str) -> ScenarioError:
        """Return an error about this field whose text names the field itself."""
        return ScenarioError(one_line(text) + self.source.place(self.path))

    def unknown(self, word: str, what: str, names: Iterable[str]) -> ScenarioError:
        """Return the error that a word names none of the things there are."""
        known = list(names)
        return self.error(word, f"is no {what}; there are: {one_of(known)}{did_you_mean(word, known)}")

    def read(self, reader: Callable[[], Value]) -> Value:
        """Return what the reader returns; its complaint about the value gets the field and the place."""
        try:
            return reader()
        except (ScenarioError, ManifestError) as error:
            raise self.problem(f"{self} = {error}") from None
