"""From a Service's targetPort to the container that listens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from svcsim.kube.objects import Container, Protocol

__all__ = ["PortResolution", "resolve_port"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortResolution:
    """Where a targetPort leads in one pod.

    `port` is None when no port has the name: such a pod is no endpoint of that Service port.
    `container_index` is None when nothing listens. `assumed` says that the container does not
    declare the port. `reason` says why something is None or assumed.
    """

    port: int | None
    container_index: int | None
    assumed: bool = False
    reason: str | None = None

    @property
    def listed(self) -> bool:
        """Whether the EndpointSlice lists the pod for this port."""
        return self.port is not None

    @property
    def listening(self) -> bool:
        """Whether some container answers at the port."""
        return self.container_index is not None


def resolve_port(
    containers: Sequence[Container], target_port: int | str, protocol: Protocol = "TCP"
) -> PortResolution:
    """Return the port and container that a targetPort leads to.

    A name is looked up in the containers in order, native sidecars last (podutil `FindPort`). A
    number goes to the container that declares it; if none does, to the first container that
    declares no port at all (ports are informational, so it may listen anywhere); if every
    container declares other ports, nothing listens.

    Args:
        containers: a pod's containers, sidecars last.
        target_port: the Service's targetPort.
        protocol: the ServicePort's protocol; a port of another protocol does not count.

    >>> from svcsim.kube.objects import ContainerPort
    >>> web = Container(name="web", ports=(ContainerPort(name="http", container_port=8080),))
    >>> resolve_port([web], "http").port
    8080
    >>> resolve_port([web], 80).reason
    'nothing listens at 80/TCP: the containers declare http=8080/TCP'
    """
    for index, container in enumerate(containers):
        for port in container.ports:
            if port.protocol == protocol and target_port in (port.container_port, port.name):
                return PortResolution(port=port.container_port, container_index=index)
    declared = ", ".join(
        f"{p.name + '=' if p.name else ''}{p.container_port}/{p.protocol}"
        for c in containers
        for p in c.ports
    )
    if isinstance(target_port, str):
        have = f"the containers declare {declared}" if declared else "no container declares a port"
        return PortResolution(
            port=None, container_index=None, reason=f"no {protocol} port is named {target_port!r}: {have}"
        )
    for index, container in enumerate(containers):
        if not container.ports:
            return PortResolution(
                port=target_port,
                container_index=index,
                assumed=True,
                reason=f"container {container.name!r} declares no port; it is taken to listen",
            )
    return PortResolution(
        port=target_port,
        container_index=None,
        reason=f"nothing listens at {target_port}/{protocol}: the containers declare {declared}",
    )
