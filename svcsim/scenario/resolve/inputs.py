"""The manifests of a scenario: where they come from, their objects as written, and changes to them."""

from __future__ import annotations

import copy
import glob
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from svcsim.errors import ManifestError, ScenarioError
from svcsim.kube.keys import ObjectKey
from svcsim.kube.load import load_manifests, parse_manifests
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.place import Notes
from svcsim.kube.reading.documents import RawObject, raw_objects
from svcsim.kube.reading.files import Text, decode, read_texts
from svcsim.scenario.files.place import Where

__all__ = ["Inputs", "read_stdin"]

STDIN = "standard input"
_INLINE = "manifests"


def read_stdin() -> str:
    """Return the whole of standard input as text."""
    buffer = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if buffer is None else decode(buffer.read(), STDIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Paths, "-" and inline objects, as `manifests:` lists them; or a set that was built elsewhere.

    `base` is the folder of relative paths; `stdin` is what "-" gave; `given` takes the place of everything.
    """

    entries: tuple[str | Mapping[str, Any], ...] = ()
    base: Path | None = None
    stdin: str | None = field(default=None, repr=False)
    given: ManifestSet | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, entries: str | Sequence[str | Mapping[str, Any]], *, base: Path | None, where: Where
    ) -> Inputs:
        """Check that every path leads somewhere, and read standard input if it is asked for."""
        listed = [entries] if isinstance(entries, str) else list(entries)
        for index, entry in enumerate(listed):
            here = where if isinstance(entries, str) else where / index
            if isinstance(entry, str) and entry != "-":
                _check_path(entry, base, here)
        return cls(
            entries=tuple(listed),
            base=base,
            stdin=read_stdin() if "-" in listed else None,
        )

    def _inline(self) -> list[Mapping[str, Any]]:
        """Return the inline objects, and those of standard input where both are there."""
        objects: list[Mapping[str, Any]] = []
        for entry in self.entries:
            if not isinstance(entry, str):
                objects.append(entry)
            elif entry == "-":
                objects += [
                    raw.value for raw in raw_objects([Text(name=STDIN, text=self.stdin or "")], Notes())
                ]
        return objects

    def load(self) -> ManifestSet:
        """Return the manifests as typed objects.

        Raises:
            ManifestError: what cannot be read, or what the API server would refuse.
        """
        if self.given is not None:
            return self.given
        paths = [entry for entry in self.entries if isinstance(entry, str)]
        if len(paths) == len(self.entries):
            stdin = None if self.stdin is None else io.StringIO(self.stdin)
            return load_manifests(paths, stdin=stdin, base=self.base)
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": self._inline()}, default=str)
        files = [path for path in paths if path != "-"]
        try:
            if not files:
                return parse_manifests(text, _INLINE)
            return load_manifests([*files, "-"], stdin=io.StringIO(text), base=self.base)
        except ManifestError as error:
            said = str(error)
            for prefix in (f"{_INLINE}:1: ", f"{STDIN}:1: "):
                said = said.removeprefix(prefix)
            raise ManifestError(said) from None

    def objects(self) -> list[RawObject]:
        """Return every object as its manifest has it, Lists taken apart.

        Raises:
            ScenarioError: the manifests were given as typed objects, so nothing is written anywhere.
        """
        if self.given is not None:
            raise ScenarioError(
                "the manifests were given as typed objects, so their fields cannot be changed or written; "
                "give paths or plain objects instead"
            )
        files = [entry for entry in self.entries if isinstance(entry, str) and entry != "-"]
        inline = self._inline()
        texts = list(read_texts(files, base=self.base))
        if inline:
            texts.append(
                Text(name=_INLINE, text=json.dumps({"apiVersion": "v1", "kind": "List", "items": inline}))
            )
        return raw_objects(texts, Notes())

    def inlined(self) -> Inputs:
        """Return the same manifests with every object inline."""
        return replace(self, entries=tuple(raw.value for raw in self.objects()), stdin=None)

    def with_object(self, key: ObjectKey, changed: Mapping[str, Any]) -> Inputs:
        """Return the same manifests, inline, with another object under this key."""
        entries = tuple(changed if raw.key == key else raw.value for raw in self.objects())
        return replace(self, entries=entries, stdin=None)

    def object(self, key: ObjectKey) -> dict[str, Any]:
        """Return a copy of an object as its manifest has it; of two with one key, the later."""
        found = [raw.value for raw in self.objects() if raw.key == key]
        return copy.deepcopy(found[-1])


def _check_path(path: str, base: Path | None, where: Where) -> None:
    if "://" in path:
        raise where.error(path, "is an address: svcsim does not download; save the file and name it")
    whole = Path(path) if base is None else base / path
    try:
        found = whole.exists() or (
            glob.has_magic(path) and any(True for _ in glob.iglob(str(whole), recursive=True))
        )
    except (OSError, ValueError):
        found = False
    if not found:
        what = "matches no file" if glob.has_magic(path) else "does not exist"
        raise where.error(path, f"{what}; accepted: files, folders, patterns, or - for standard input")
