"""What a run says about clients for which a node, not they, chooses in modes ipvs and cilium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from svcsim.kube import ObjectKey, Service, aliased
from svcsim.scenario.model import FROM_OUTSIDE, Client

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = ["scheduler_warnings"]

_BY_NODE = ("cluster-ip", "external-name", "node-port", "load-balancer")
REMEMBERED_S = 180
"""A connection that is over is counted for 2 min, and looked at every minute while it stands in the way."""


def scheduler_warnings(scenario: Scenario, services: Mapping[ObjectKey, Service]) -> list[str]:
    """Return what is not as the kernel has it, or means nothing, by client."""
    proxy = scenario.cluster.kube_proxy
    if proxy.mode == "cilium" and proxy.lb_algorithm == "maglev":
        if any(one.origin == "outside" and one.via in FROM_OUTSIDE for one in scenario.clients):
            return []
        return ["cluster.kubeProxy.lbAlgorithm = maglev is for what comes from outside; no client does"]
    if proxy.mode != "ipvs":
        return []
    found = []
    for client in scenario.clients:
        if client.via in _BY_NODE and client.to in services:
            found += _of_client(client, aliased(services[client.to], services), proxy.ipvs_scheduler)
    return found


def _of_client(client: Client, service: Service | None, scheduler: str) -> list[str]:
    found = []
    if service is not None and service.session_affinity == "ClientIP":
        seconds = service.affinity_timeout_seconds
        if seconds < REMEMBERED_S:
            found.append(
                f"client {client.name}: session affinity of {seconds} s ends here {seconds} s after the last "
                "connection began; in IPVS it lasts while a connection is remembered, 2 minutes after its end"
            )
    if client.keep_alive is not None and scheduler == "lc":
        found.append(
            f"client {client.name}: ipvsScheduler lc counts requests under way and those of the last "
            "2 minutes, not the idle connections that the client keeps"
        )
    if client.retry is not None and client.retry.exclude_tried:
        found.append(f"client {client.name}: retry.excludeTried means nothing where the node chooses")
    return found
