"""YAML text to plain values: safe tags only, duplicate keys refused, aliases bounded, flat memory.

Values come straight from the parser's events, so that no node tree is held beside them. Scalars
are read as Kubernetes reads them (sigs.k8s.io/yaml over go-yaml v2): YAML 1.1 booleans are
booleans, timestamps stay text, and keys become text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from svcsim.errors import ManifestError
from svcsim.kube.place import FieldPath, one_line, show_value

__all__ = ["line_in_yaml", "yaml_documents"]

MAX_ALIAS_NODES = 1_000_000
MAX_DEPTH = 200

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE|yes|Yes|YES|on|On|ON")
_FALSE = re.compile(r"false|False|FALSE|no|No|NO|off|Off|OFF")
_INT = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MERGE = object()
"""The key `<<` while its mapping is open."""


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith(("0b", "0o", "0x")):
        return sign * int(digits, 0)
    if len(digits) > 1 and digits.startswith("0") and all(d in "01234567" for d in digits):
        return sign * int(digits, 8)
    return sign * int(digits)


def _plain_scalar(text: str) -> Any:
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INT.fullmatch(text) and len(text) < 40:
        return _integer(text)
    if _FLOAT.fullmatch(text) and len(text) < 400:
        number = float(text.replace("_", ""))
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return text


def _key_text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


class _Frame:
    __slots__ = ("anchor", "count_at_start", "key", "key_lines", "merged", "value")

    def __init__(self, value: Any, anchor: str | None, count_at_start: int) -> None:
        self.value = value
        self.anchor = anchor
        self.count_at_start = count_at_start
        self.key: Any = None
        self.key_lines: dict[str, int] = {}
        self.merged: list[dict[str, Any]] = []


class _Builder:
    """Puts one document's events together."""

    def __init__(self, name: str, first_line: int) -> None:
        self.name = name
        self.first_line = first_line
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.count = 0
        self.alias_count = 0
        self.root: Any = None

    def refuse(self, event: Any, text: str) -> ManifestError:
        return ManifestError(f"{self.name}:{event.start_mark.line + self.first_line}: {text}")

    def scalar(self, event: Any) -> Any:
        tag = event.tag
        if tag in (None, "!") or tag == _TAG + "str":
            if tag is None and event.implicit[0]:
                text = event.value
                if text == "<<" and self.frames and isinstance(self.frames[-1].value, dict):
                    return _MERGE if self.frames[-1].key is None else text
                if _NOT_JSON.fullmatch(text):
                    raise self.refuse(
                        event, f"{text} is not a number that JSON can hold; accepted: finite numbers"
                    )
                return _plain_scalar(text)
            return event.value
        kind = tag.removeprefix(_TAG)
        readers: dict[str, Callable[[str], Any]] = {
            "int": _integer,
            "float": float,
            "bool": lambda text: {"true": True, "false": False}[text.lower()],
            "null": lambda _: None,
            "timestamp": str,
            "binary": str,
        }
        if kind not in readers:
            raise self.bad_tag(event)
        try:
            return readers[kind](event.value)
        except (ValueError, KeyError):
            raise self.refuse(event, f"{show_value(event.value)} is not a YAML {kind}") from None

    def bad_tag(self, event: Any) -> ManifestError:
        tag = event.tag.replace(_TAG, "!!")
        return self.refuse(
            event,
            f"the YAML tag {tag} is refused: manifests hold plain data (accepted: no tag, !!str, !!int, ...)",
        )

    def place(self, value: Any, event: Any) -> None:
        """Put a finished value where the innermost open collection expects it."""
        if not self.frames:
            self.root = value
            return
        frame = self.frames[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is None:
            if isinstance(value, (dict, list)):
                raise self.refuse(
                    event, "a mapping's key must be text (a Helm template is rendered first: helm template)"
                )
            frame.key = value if value is _MERGE else _key_text(value)
            if value is not _MERGE:
                self.check_new(frame, event)
        elif frame.key is _MERGE:
            parts = value if isinstance(value, list) else [value]
            if not all(isinstance(part, dict) for part in parts):
                raise self.refuse(event, "the merge key << takes a mapping or a list of mappings")
            frame.merged.extend(parts)
            frame.key = None
        else:
            frame.value[frame.key] = value
            frame.key = None

    def check_new(self, frame: _Frame, event: Any) -> None:
        line = event.start_mark.line + self.first_line
        if frame.key in frame.key_lines:
            raise self.refuse(
                event,
                f"duplicate key {show_value(frame.key)}, first used in line {frame.key_lines[frame.key]}",
            )
        frame.key_lines[frame.key] = line

    def opened(self, value: Any, event: Any) -> None:
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            raise self.bad_tag(event)
        if len(self.frames) >= MAX_DEPTH:
            raise self.refuse(event, f"collections are nested deeper than {MAX_DEPTH} levels")
        self.count += 1
        self.frames.append(_Frame(value, event.anchor, self.count))
        if event.anchor:
            self.open_anchors.add(event.anchor)

    def closed(self, event: Any) -> None:
        frame = self.frames.pop()
        for part in frame.merged:
            for key, value in part.items():
                frame.value.setdefault(key, value)
        if frame.anchor:
            self.open_anchors.discard(frame.anchor)
            self.anchors[frame.anchor] = (frame.value, self.count - frame.count_at_start + 1)
        self.place(frame.value, event)

    def alias(self, event: Any) -> None:
        if event.anchor in self.open_anchors:
            raise self.refuse(event, f"the alias *{event.anchor} stands inside what it names")
        if event.anchor not in self.anchors:
            raise self.refuse(event, f"the alias *{event.anchor} names no anchor before it")
        value, size = self.anchors[event.anchor]
        self.count += size
        self.alias_count += size
        if self.alias_count > MAX_ALIAS_NODES:
            raise self.refuse(
                event,
                f"aliases expand to more than {MAX_ALIAS_NODES} values; write them out or split the file",
            )
        self.place(value, event)

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self.count += 1
            value = self.scalar(event)
            if event.anchor:
                self.anchors[event.anchor] = (value, 1)
            self.place(value, event)
        elif isinstance(event, yaml.MappingStartEvent):
            self.opened({}, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.opened([], event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.closed(event)
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event)


def _syntax_error(name: str, first_line: int, text: str, error: yaml.YAMLError) -> ManifestError:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + first_line}" if mark is not None else name
    if isinstance(error, yaml.reader.ReaderError):
        before = text.encode()[: error.position]
        where = f"{name}:{before.count(bytes([10])) + first_line}"
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    told = f"{context}, {problem}" if context else problem
    if mark is not None:
        lines = text.split("\n")
        line = lines[mark.line] if mark.line < len(lines) else ""
        if line[: len(line) - len(line.lstrip())].count("\t") or "'\\t'" in told:
            told += "; indent with spaces, YAML takes no tabs"
        elif "{{" in text:
            told += "; a Helm template is rendered first: helm template"
        elif not any(rest.strip() for rest in lines[mark.line :]):
            told += "; the file ends too early"
    return ManifestError(one_line(f"{where}: not YAML: {told}"))


def yaml_documents(text: str, name: str, first_line: int = 1) -> Iterator[tuple[Any, int]]:
    """Yield each document of a YAML text with the line it starts at; empty ones as None.

    Args:
        text: the whole text.
        name: what messages call it.
        first_line: the number of the text's first line in its file.

    Raises:
        ManifestError: syntax, a tag, a duplicate key, aliases beyond `MAX_ALIAS_NODES`.
    """
    builder = _Builder(name, first_line)
    line = first_line
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                spent = builder.alias_count
                builder = _Builder(name, first_line)
                builder.alias_count = spent
                line = 0
            elif isinstance(event, yaml.DocumentEndEvent):
                yield builder.root, line or first_line
            else:
                line = line or getattr(event.start_mark, "line", 0) + first_line
                builder.take(event)
    except yaml.YAMLError as error:
        raise _syntax_error(name, first_line, text, error) from None


def line_in_yaml(text: str, document: int, path: FieldPath, first_line: int = 1) -> int | None:
    """Return the line of a field, or of the innermost of its parents that is there.

    Args:
        text: the whole text, which parsed before.
        document: which document of it, from 0.
        path: keys and list indices from the document's root.
        first_line: the number of the text's first line in its file.
    """
    stack: list[list[Any]] = []
    best: tuple[int, int | None] = (-1, None)
    number = -1

    def enter(event: Any) -> None:
        """Note the value or key that starts here."""
        nonlocal best
        if not stack:
            best = max(best, (0, event.start_mark.line + first_line), key=lambda b: b[0])
            return
        frame = stack[-1]
        if frame[0] == "map" and frame[1] is None:
            frame[1] = event.value if isinstance(event, yaml.ScalarEvent) else ""
            frame[2] = event.start_mark.line
            here = frame[1]
        elif frame[0] == "map":
            return
        else:
            frame[1] = 0 if frame[1] is None else frame[1] + 1
            here = frame[1]
        depth = len(stack)
        if depth > len(path) or path[depth - 1] != here:
            return
        if all(path[i] == stack[i][1] for i in range(depth - 1)) and depth > best[0]:
            best = (depth, event.start_mark.line + first_line)

    def leave() -> None:
        """Forget the key whose value ended."""
        if stack and stack[-1][0] == "map":
            stack[-1][1] = None

    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                number += 1
            if number != document:
                continue
            if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                was_key = bool(stack) and stack[-1][0] == "map" and stack[-1][1] is None
                enter(event)
                if not was_key:
                    leave()
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                enter(event)
                stack.append(["map" if isinstance(event, yaml.MappingStartEvent) else "seq", None, 0])
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                stack.pop()
                leave()
            elif isinstance(event, yaml.DocumentEndEvent):
                break
    except yaml.YAMLError:
        return None
    return best[1]
