"""How endpoints are packed into EndpointSlices, and which slices a sync must write.

Source: k8s.io/endpointslice/reconciler.go `reconcileByPortMapping`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Packing", "Writes"]


@dataclass(frozen=True, slots=True)
class Writes:
    """What a sync writes: each entry is what one slice holds after one call, None for a slice deleted."""

    before: dict[int, dict[int, Any]]
    changed: list[tuple[int, dict[int, Any] | None]]

    def __len__(self) -> int:
        return len(self.changed)

    def seen(self, k: int) -> dict[int, Any]:
        """All endpoints, as slices say after write number k; of one in two slices at once, the later."""
        held = dict(self.before)
        for number, content in self.changed[: k + 1]:
            if content is None:
                held.pop(number, None)
            else:
                held[number] = content
        if len(held) == 1:
            return next(iter(held.values()))
        return {key: one for content in held.values() for key, one in content.items()}


@dataclass(slots=True)
class Packing:
    """The slices of one Service and port mapping: number -> endpoint -> what is said of it.

    A Service without endpoints keeps one empty slice.
    """

    most: int
    slices: dict[int, dict[int, Any]] = field(default_factory=dict)
    made: int = 0

    def reconcile(self, wanted: Mapping[int, Any]) -> Writes:
        """Bring the slices to what is wanted with few writes; the slices are changed, too.

        In place first; then what is new into slices that are written anyway, the fullest first; then all of
        the rest into the one unchanged slice that it fills best, if any takes it; then into new slices.
        Nothing is ever moved between slices. A slice deleted together with one created is updated instead.
        """
        before = {number: dict(held) for number, held in self.slices.items()}
        left = dict(wanted)
        dirty: set[int] = set()
        for number, held in self.slices.items():
            kept = {key: left.pop(key) for key in list(held) if key in left}
            if kept != held:
                held.clear()
                held.update(kept)
                dirty.add(number)
        for number in sorted(dirty, key=lambda one: -len(self.slices[one])):
            self._fill(number, left)
        created: list[int] = []
        while left:
            clean = [
                number
                for number, held in self.slices.items()
                if number not in dirty and number not in created and len(held) + len(left) <= self.most
            ]
            if clean:
                number = max(clean, key=lambda one: len(self.slices[one]))
                dirty.add(number)
            else:
                empty = next((one for one in sorted(dirty) if not self.slices[one]), None)
                number = self._create() if empty is None else empty
                if empty is None:
                    created.append(number)
            self._fill(number, left)
        if not self.slices:
            created.append(self._create())
        return Writes(before, self._changed(dirty, created))

    def _changed(self, dirty: set[int], created: list[int]) -> list[tuple[int, dict[int, Any] | None]]:
        """Calls in the order of `finalize`: created slices, then updated, then deleted ones."""
        deleted = [one for one in sorted(dirty) if not self.slices[one]]
        if len(deleted) == len(self.slices):
            deleted = deleted[1:]
        calls: list[tuple[int, dict[int, Any] | None]] = [(one, dict(self.slices[one])) for one in created]
        calls += [(one, dict(self.slices[one])) for one in sorted(dirty) if one not in deleted]
        for one in deleted:
            del self.slices[one]
        return calls + [(one, None) for one in deleted]

    def _create(self) -> int:
        self.made += 1
        self.slices[self.made] = {}
        return self.made

    def _fill(self, number: int, left: dict[int, Any]) -> None:
        held = self.slices[number]
        for key in list(left)[: self.most - len(held)]:
            held[key] = left.pop(key)
