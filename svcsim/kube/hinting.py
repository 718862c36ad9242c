"""Which Services have topology hints, by version."""

from __future__ import annotations

from typing import Final, Literal

from svcsim.kube.objects import Service

__all__ = ["HintMode", "hint_mode"]

SAME_ZONE_AND_NODE_MINOR: Final = 34
PREFER_CLOSE_MINOR: Final = 31

HintMode = Literal["auto", "zone", "node"]


def hint_mode(service: Service, kubernetes_minor: int) -> HintMode | None:
    """How a Service's endpoints are hinted by this version; `topology-mode: Auto` wins.

    trafficDistribution is beta, and so on by default, for PreferClose since 1.31, for PreferSameZone and
    PreferSameNode since 1.34.
    """
    if service.topology_mode in ("Auto", "auto"):
        return "auto"
    wanted = service.traffic_distribution
    if wanted == "PreferClose" and kubernetes_minor >= PREFER_CLOSE_MINOR:
        return "zone"
    if kubernetes_minor < SAME_ZONE_AND_NODE_MINOR:
        return None
    return {"PreferSameZone": "zone", "PreferSameNode": "node"}.get(wanted or "")  # type: ignore[return-value]
