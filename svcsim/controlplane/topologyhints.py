"""Topology hints: which zones (or nodes) an endpoint is meant for, and whose list it is then on.

The controller's side: `service.kubernetes.io/topology-mode: Auto` (k8s.io/endpointslice/topologycache), and
`spec.trafficDistribution` (k8s.io/endpointslice/trafficdist). kube-proxy's side: pkg/proxy/topology.go.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

from svcsim.kube import HintMode

__all__ = ["Hint", "auto_hints", "own_hints", "served", "zone_ratios"]

OVERLOAD: Final = Fraction(6, 5)  # 1 + OverloadThreshold, topologycache/topologycache.go

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Hint:
    """For which zone an endpoint is meant, and for which node, None for any."""

    zone: str
    node: int | None = None


def zone_ratios(nodes: Sequence[tuple[str | None, Fraction | None]]) -> dict[str, Fraction] | None:
    """Each zone's share of the allocatable CPU of (zone, cores) nodes; None where a node lacks either.

    Source: topologycache.go `SetNodes`; with fewer than two zones there is nothing to share.
    """
    by_zone: dict[str, Fraction] = {}
    for zone, cpu in nodes:
        if zone is None or cpu is None:
            return None
        by_zone[zone] = by_zone.get(zone, Fraction(0)) + cpu
    total = sum(by_zone.values(), Fraction(0))
    if len(by_zone) < 2 or total <= 0:
        return None
    return {zone: cpu / total for zone, cpu in by_zone.items()}


def auto_hints(
    ready: Mapping[Key, str | None], ratios: Mapping[str, Fraction] | None
) -> dict[Key, Hint] | None:
    """Hints of the ready endpoints, zone by endpoint given, or None where none are set.

    Every endpoint begins with its own zone; zones that have more than their share give some away, in the
    order of the endpoints.

    Source: topologycache.go `getAllocations`, `AddHints`; utils.go `getGivingAndReceivingZones`,
    `redistributeHints`.

    >>> thirds = dict.fromkeys("abc", Fraction(1, 3))
    >>> auto_hints({"p": "a", "q": "a", "r": "b", "s": "c", "t": "c"}, thirds) is None
    True
    >>> sorted(hint.zone for hint in auto_hints({"p": "a", "q": "a", "r": "b"}, thirds).values())
    ['a', 'b', 'c']
    """
    n = len(ready)
    if ratios is None or n < len(ratios) or any(zone is None for zone in ready.values()):
        return None
    least = sum(math.ceil(ratio * n / OVERLOAD) for ratio in ratios.values())
    if least > n:
        return None
    zones = {key: zone for key, zone in ready.items() if zone is not None}
    have = {zone: Fraction(0) for zone in ratios}
    for zone in zones.values():
        have[zone] = have.get(zone, Fraction(0)) + 1
    giving, receiving = _redistribution({zone: have[zone] - ratios.get(zone, 0) * n for zone in have})
    for key, zone in zones.items():
        if giving.get(zone, 0) > 0:
            to = next((other for other, wants in receiving.items() if wants > 0), None)
            if to is not None:
                giving[zone] -= 1
                receiving[to] -= 1
                zones[key] = to
    return {key: Hint(zone) for key, zone in zones.items()}


def _redistribution(surplus: Mapping[str, Fraction]) -> tuple[dict[str, int], dict[str, int]]:
    """How many endpoints each zone gives and receives, one by one from the richest to the neediest."""
    gives = {zone: more for zone, more in surplus.items() if more > 0}
    needs = {zone: -more for zone, more in surplus.items() if more < 0}
    giving: dict[str, int] = {}
    receiving: dict[str, int] = {}
    while gives and needs:
        giver = max(gives, key=lambda zone: gives[zone])
        taker = max(needs, key=lambda zone: needs[zone])
        if gives[giver] < 1 and needs[taker] < 1:
            break
        if gives[giver] <= 0 or needs[taker] <= 0:
            break
        gives[giver] -= 1
        needs[taker] -= 1
        giving[giver] = giving.get(giver, 0) + 1
        receiving[taker] = receiving.get(taker, 0) + 1
    return giving, receiving


def own_hints(ready: Mapping[Key, tuple[str | None, int]], mode: HintMode) -> dict[Key, Hint] | None:
    """trafficDistribution: every ready endpoint, (zone, node), is hinted to where it is.

    Source: trafficdist.go `ReconcileHintsForTrafficDistribution`. An endpoint without a zone gets no hint,
    and then no proxy goes by any.
    """
    hints: dict[Key, Hint] = {}
    for key, (zone, node) in ready.items():
        if zone is None and mode == "zone":
            return None
        hints[key] = Hint(zone or "", node if mode == "node" else None)
    return hints


def served(ready: Sequence[Key], hints: Mapping[Key, Hint] | None, zone: str | None, node: int) -> list[Key]:
    """Which ready endpoints the kube-proxy of a node uses (topology.go `topologyModeFromHints`).

    Those hinted to the node if all have node hints and some are; else those hinted to its zone if all have
    zone hints and some are; else all.
    """
    if not hints or any(key not in hints for key in ready):
        return list(ready)
    if all(hints[key].node is not None for key in ready):
        here = [key for key in ready if hints[key].node == node]
        if here:
            return here
    if zone and all(hints[key].zone for key in ready):
        near = [key for key in ready if hints[key].zone == zone]
        if near:
            return near
    return list(ready)
