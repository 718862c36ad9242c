"""Services without a selector, and the endpoints that somebody wrote for them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lightkube.models import core_v1, discovery_v1

from svcsim.kube.conversion.rules import choice
from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import BarePod, Container, ContainerPort, PodTemplate, Protocol, Service
from svcsim.kube.place import Notes, Place
from svcsim.kube.reading.documents import RawObject
from svcsim.kube.reading.schema import typed

__all__ = ["SERVICE_NAME", "hand_written"]

SERVICE_NAME = "kubernetes.io/service-name"
_PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """An address, its node (by which a policy Local knows it), and its (name, number, protocol) ports."""

    address: str
    node: str | None
    ports: tuple[tuple[str, int, Protocol], ...]


def _protocol(text: str | None, place: Place, index: int) -> Protocol:
    return choice(text or "TCP", _PROTOCOLS, place, ("ports", index, "protocol"))


def _of_slice(raw: RawObject, notes: Notes) -> list[_Endpoint]:
    """The ready endpoints of an EndpointSlice; one that says nothing of readiness is ready."""
    model = typed(raw, discovery_v1.EndpointSlice, notes)
    ports = tuple(
        (port.name or "", port.port, _protocol(port.protocol, raw.place, index))
        for index, port in enumerate(model.ports or [])
        if port.port is not None
    )
    found = []
    for index, endpoint in enumerate(model.endpoints or []):
        if not endpoint.addresses:
            raise raw.place.error(("endpoints", index, "addresses"), endpoint.addresses, "must not be empty")
        said = endpoint.conditions
        if said is None or said.ready is None or said.ready:
            found.append(_Endpoint(endpoint.addresses[0], endpoint.nodeName, ports))
    return found


def _of_endpoints(raw: RawObject, notes: Notes) -> list[_Endpoint]:
    """The same of an Endpoints object, which the control plane mirrors (endpointslicemirroring)."""
    found = []
    for subset in typed(raw, core_v1.Endpoints, notes).subsets or []:
        ports = tuple(
            (port.name or "", port.port, _protocol(port.protocol, raw.place, index))
            for index, port in enumerate(subset.ports or [])
        )
        found += [_Endpoint(address.ip, address.nodeName, ports) for address in subset.addresses or []]
    return found


def _service_of(raw: RawObject) -> ObjectKey | None:
    """The Service that an EndpointSlice's label or an Endpoints' name means."""
    if raw.key.kind == "Endpoints":
        return replace(raw.key, kind="Service")
    if raw.key.kind != "EndpointSlice":
        return None
    labels = raw.metadata.get("labels")
    name = labels.get(SERVICE_NAME) if isinstance(labels, dict) else None
    return replace(raw.key, kind="Service", name=name) if isinstance(name, str) else None


def hand_written(
    services: Sequence[Service], skipped: Iterable[RawObject], notes: Notes
) -> tuple[list[Service], list[BarePod], list[RawObject]]:
    """Give Services without a selector the endpoints written for them.

    An endpoint becomes a pod outside the cluster, which carries the slice's label of the Service's name; the
    Service selects by that label, and its ports lead to the endpoints' ports of the same name
    (endpointslicecache.go `standardEndpointInfo` matches slices and Service ports by name).

    Returns:
        The Services, the endpoints, and what of `skipped` is still skipped.

    Raises:
        ManifestError: a slice breaks a rule of discovery/validation/validation.go.
    """
    lacking = {one.key for one in services if one.selector is None and one.type != "ExternalName"}
    written: dict[ObjectKey, list[RawObject]] = {}
    rest = []
    for raw in skipped:
        key = _service_of(raw)
        if key in lacking:
            written.setdefault(key, []).append(raw)
        else:
            rest.append(raw)
    pods: list[BarePod] = []
    found = []
    for service in services:
        own: list[BarePod] = []
        for raw in written.get(service.key, ()):
            read = _of_slice if raw.key.kind == "EndpointSlice" else _of_endpoints
            for number, endpoint in enumerate(read(raw, notes)):
                own.append(_pod(raw.key, number, endpoint, service))
        if own:
            notes.remark(
                service.key,
                "spec.selector",
                f"is absent: its endpoints are the {len(own)} written by hand, outside the cluster; they "
                "always answer",
            )
        pods += own
        found.append(_selecting(service) if own else service)
    return found, pods, rest


def _selecting(service: Service) -> Service:
    ports = tuple(replace(port, target_port=f"p-{port.port}") for port in service.ports)
    return replace(service, selector={SERVICE_NAME: service.key.name}, ports=ports)


def _pod(key: ObjectKey, number: int, endpoint: _Endpoint, service: Service) -> BarePod:
    by_name = {(name, protocol): port for name, port, protocol in endpoint.ports}
    ports = tuple(
        ContainerPort(
            name=f"p-{port.port}",
            container_port=by_name[port.name or "", port.protocol],
            protocol=port.protocol,
        )
        for port in service.ports
        if (port.name or "", port.protocol) in by_name
    )
    return BarePod(
        key=replace(key, kind="EndpointSlice", name=f"{key.name}.{number}"),
        template=PodTemplate(
            labels={SERVICE_NAME: service.key.name},
            containers=(Container(name="endpoint", ports=ports),),
            node_name=endpoint.node,
        ),
        address=endpoint.address,
    )
