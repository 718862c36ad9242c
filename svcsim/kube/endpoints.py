"""What an EndpointSlice says of a pod, and which endpoints a proxy then uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Conditions", "Endpoint", "categorize", "conditions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The three conditions of an endpoint."""

    ready: bool
    serving: bool
    terminating: bool

    def __str__(self) -> str:
        return "/".join("T" if flag else "F" for flag in (self.ready, self.serving, self.terminating))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One `ip:port` of an EndpointSlice."""

    ip: str
    port: int
    conditions: Conditions

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def conditions(
    *, has_ip: bool, terminal: bool, pod_ready: bool, deleting: bool, publish_not_ready: bool = False
) -> Conditions | None:
    """Return what the EndpointSlice says of a pod, or None when the pod is not in it.

    Args:
        has_ip: the pod has an address.
        terminal: its phase is Succeeded or Failed, or the object is gone.
        pod_ready: its Ready condition is True.
        deleting: it has a deletionTimestamp.
        publish_not_ready: the Service's publishNotReadyAddresses.

    Source: endpointslice/utils.go `podToEndpoint`, util/controller_utils.go `ShouldPodBeInEndpoints`.

    >>> str(conditions(has_ip=True, terminal=False, pod_ready=True, deleting=True))
    'F/T/T'
    """
    if not has_ip or terminal:
        return None
    return Conditions(
        ready=publish_not_ready or (pod_ready and not deleting), serving=pod_ready, terminating=deleting
    )


def categorize(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the endpoints that a proxy spreads connections over, in rule order.

    The ready ones; if there is none, all that are serving and terminating. One `ip:port` in two
    slices counts once, and the entry that is not terminating wins. The order is that of the text
    `ip:port`, as iptables rules are written.

    Source: pkg/proxy/topology.go `CategorizeEndpoints`, endpointslicecache.go `addEndpoints`.

    >>> up = Conditions(ready=True, serving=True, terminating=False)
    >>> both = [Endpoint(ip=ip, port=80, conditions=up) for ip in ("10.0.0.9", "10.0.0.10")]
    >>> [str(endpoint) for endpoint in categorize(both)]
    ['10.0.0.10:80', '10.0.0.9:80']
    """
    by_address: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        known = by_address.get(str(endpoint))
        if known is None or (known.conditions.terminating and not endpoint.conditions.terminating):
            by_address[str(endpoint)] = endpoint
    ordered = [by_address[address] for address in sorted(by_address)]
    ready = tuple(e for e in ordered if e.conditions.ready)
    return ready or tuple(e for e in ordered if e.conditions.serving and e.conditions.terminating)
