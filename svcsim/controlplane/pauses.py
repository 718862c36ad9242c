"""Controllers, and the API server, that stand still for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from svcsim.scenario import PauseController, Scenario

__all__ = ["Pauses"]

_API: Final = "kube-apiserver"
_MANAGER: Final = "kube-controller-manager"
_NOT_OF_THE_MANAGER: Final = frozenset({"scheduler", _API})


class Pauses:
    """When each controller stands still: what it would begin then, it begins at the end.

    kube-controller-manager stands for all its controllers; without the API server nobody does anything that
    others see.
    """

    def __init__(self, scenario: Scenario) -> None:
        spells: dict[str, list[tuple[int, int]]] = {}
        for event in scenario.events:
            if isinstance(event, PauseController):
                spells.setdefault(event.controller, []).append((event.at_ns, event.at_ns + event.for_ns))
        self._spells: Mapping[str, list[tuple[int, int]]] = spells

    def awake(self, controller: str, t_ns: int) -> int:
        """The first instant at or after t_ns at which a controller works."""
        if not self._spells:
            return t_ns
        names = {controller, _API} | (set() if controller in _NOT_OF_THE_MANAGER else {_MANAGER})
        spells = sorted(spell for name in names for spell in self._spells.get(name, ()))
        for begin, end in spells:
            if begin <= t_ns < end:
                t_ns = end
        return t_ns
