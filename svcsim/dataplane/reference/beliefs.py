"""What each observer believes: the version it took last of each view (R6)."""

from __future__ import annotations

from collections.abc import Iterable

from simpy.events import ProcessGenerator

from svcsim.dataplane.contract import Rank, Window
from svcsim.dataplane.reference.order import OrderedEnvironment
from svcsim.dataplane.reference.virtuals import VirtualServices

__all__ = ["NO_VERSION", "Beliefs", "pick"]

NO_VERSION = -1


def pick(u: int, n: int) -> int:
    """The index that the 32-bit word u chooses among n (R4, R5).

    >>> pick(0, 3), pick(1 << 31, 3), pick((1 << 32) - 1, 3)
    (0, 1, 2)
    """
    return (u * n) >> 32


class Beliefs:
    """Versions known so far and who holds which, and the virtual services that follow them (R26).

    `turns`: by (observer, view) of the views remembered, (t, version before, version from t on) of every
    instant with rows (R27b).
    """

    def __init__(
        self, env: OrderedEnvironment, virtuals: VirtualServices, remembered: Iterable[int] = ()
    ) -> None:
        self.env = env
        self.virtuals = virtuals
        self.versions: list[tuple[int, ...]] = []
        self._held: dict[tuple[int, int], int] = {}
        self._rows = 0
        self.turns: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self._remembered = frozenset(remembered)

    def add(self, new_versions: Iterable[Iterable[int]]) -> None:
        """Append versions; they are numbered in order of creation."""
        self.versions += [tuple(int(server) for server in version) for version in new_versions]

    def look(self, observer: int, view: int) -> tuple[int, tuple[int, ...]]:
        """The version an observer holds of a view and its list; no row yet means the empty list."""
        version = self._held.get((observer, view), NO_VERSION)
        return version, self.listed(version)

    def listed(self, version: int) -> tuple[int, ...]:
        """What a version lists; NO_VERSION and DROPPED list nothing."""
        return self.versions[version] if version >= 0 else ()

    def replay(self, window: Window) -> ProcessGenerator:
        """Process: the window's belief rows take effect in the order given."""
        rows = zip(
            window.belief_t.tolist(),
            window.belief_observer.tolist(),
            window.belief_view.tolist(),
            window.belief_version.tolist(),
            strict=True,
        )
        for t_ns, observer, view, version in rows:
            self._rows += 1
            yield self.env.at(t_ns, Rank.BELIEF, 0, self._rows)
            if view in self._remembered:
                self._remember(t_ns, observer, view, version)
            self._held[observer, view] = version
            self.virtuals.take(observer, view, self.listed(version), self.env.now_ns)

    def _remember(self, t_ns: int, observer: int, view: int, version: int) -> None:
        turns = self.turns.setdefault((observer, view), [])
        before = self._held.get((observer, view), NO_VERSION)
        if turns and turns[-1][0] == t_ns:
            before = turns.pop()[1]
        turns.append((t_ns, before, version))
