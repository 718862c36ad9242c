"""One Service's churn as somebody recorded it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PodTurn", "RecordedEndpoint", "Recording", "SliceWrite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEndpoint:
    """What a slice said of a pod; node is empty where it did not say.

    for_zone, for_node: its hints, empty without (the controllers write one zone and one node at most).
    """

    ip: str
    node: str
    ready: bool
    serving: bool
    terminating: bool
    for_zone: str = ""
    for_node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceWrite:
    """All that the Service's slices said from an instant on: endpoints by pod, or by address without one."""

    at_ns: int
    listed: dict[str, RecordedEndpoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTurn:
    """Something that happened to a pod: its deletion was asked for, its process ended, its object went."""

    at_ns: int
    pod: str
    what: Literal["deleted", "ended", "gone"]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One Service's churn; instants are ns after the first message. nodes: in the order they appear."""

    source: str
    service: str
    namespace: str
    writes: tuple[SliceWrite, ...]
    turns: tuple[PodTurn, ...]
    nodes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def end_ns(self) -> int:
        """The last instant of the recording."""
        return max([w.at_ns for w in self.writes] + [t.at_ns for t in self.turns], default=0)

    @property
    def pods(self) -> tuple[str, ...]:
        """Every pod (or address) that was ever listed, in order of appearance."""
        return tuple(dict.fromkeys(name for write in self.writes for name in write.listed))
