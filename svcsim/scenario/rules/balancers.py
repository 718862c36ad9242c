"""Rules of load balancers and of DNS: node ports that nobody allocated, settings that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from svcsim.kube.objects import Service
from svcsim.scenario.files.place import Where
from svcsim.scenario.model import Client, Cluster
from svcsim.scenario.resolve.lookup import Lookup

if TYPE_CHECKING:
    from svcsim.scenario.scenario import Scenario

__all__ = ["check_node_port", "unused"]


def check_node_port(client: Client, service: Service, cluster: Cluster, where: Where) -> None:
    """Refuse a way through a node port where the Service has none."""
    through = client.via == "node-port" or (
        client.via == "load-balancer"
        and client.origin == "outside"
        and cluster.load_balancer.targets == "nodes"
    )
    port = service.port(client.port)
    if not through or port is None or port.node_port is not None:
        return
    why = f"needs a node port, and {service.key} has none (allocateLoadBalancerNodePorts: false)"
    cure = "accepted: a nodePort"
    if client.via == "load-balancer":
        cure += ", or cluster.loadBalancer.targets: pods"
    raise (where / "via").error(client.via, f"{why}; {cure}")


def unused(scenario: Scenario, lookup: Lookup) -> Iterator[str]:
    """Name settings of load balancers and of DNS that no client of the scenario ever meets."""
    balancer, usual = scenario.cluster.load_balancer, Cluster()
    of_balancers = [one for one in scenario.clients if one.via == "load-balancer" and one.origin == "outside"]
    if balancer != usual.load_balancer and not of_balancers:
        yield "cluster.loadBalancer has no effect: no client comes from outside with via: load-balancer"
    elif balancer.check is not None:
        services = [lookup.services[one.to] for one in of_balancers if one.to in lookup.services]
        if balancer.targets == "pods":
            yield "cluster.loadBalancer.check has no effect with targets: pods, which are checked themselves"
        elif all(one.external_traffic_policy == "Local" for one in services):
            yield (
                "cluster.loadBalancer.check has no effect: under externalTrafficPolicy Local the check is of "
                "the healthCheckNodePort"
            )
    if scenario.cluster.dns != usual.dns and not any(one.via == "headless" for one in scenario.clients):
        yield "cluster.dns has no effect: no client comes with via: headless"
