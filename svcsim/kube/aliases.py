"""ExternalName Services: DNS aliases (CNAME), which lead to another Service of the cluster or out of it."""

from __future__ import annotations

from collections.abc import Mapping

from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import Service

__all__ = ["aliased", "leads_nowhere"]

_SUFFIXES = (".svc.cluster.local", ".svc", "")
_LONGEST = 8  # CoreDNS follows so many CNAMEs at most (plugin/pkg/upstream and plugin/kubernetes maxDepth)


def aliased(service: Service, services: Mapping[ObjectKey, Service]) -> Service | None:
    """The Service that an ExternalName stands for, through other aliases too; None where it leads elsewhere.

    >>> from svcsim.kube.keys import ObjectKey
    >>> web = Service(key=ObjectKey(kind="Service", namespace="shop", name="web"))
    >>> front = Service(key=ObjectKey(kind="Service", namespace="default", name="front"), type="ExternalName",
    ...                 external_name="web.shop.svc.cluster.local")
    >>> aliased(front, {web.key: web, front.key: front}).key.name
    'web'
    """
    for _ in range(_LONGEST):
        if service.type != "ExternalName":
            return service
        following = services.get(_named(service.external_name or ""))  # type: ignore[arg-type]
        if following is None:
            return None
        service = following
    return None


def leads_nowhere(service: Service, services: Mapping[ObjectKey, Service]) -> str:
    """Why an ExternalName stands for no Service: it goes round, names one that is not there, or leads out."""
    seen = [str(service.key)]
    while True:
        host = service.external_name or ""
        key = _named(host)
        of_cluster = host.rstrip(".").lower().endswith(_SUFFIXES[:-1])
        if key is None or (key not in services and not of_cluster):
            return f"stands for {host}, which leads out of the cluster, where nothing is simulated"
        if key not in services:
            return f"stands for {host}, and there is no {key} in the manifests"
        if str(key) in seen or len(seen) == _LONGEST:
            return f"goes round or on too long: {' -> '.join([*seen, str(key)])}"
        seen.append(str(key))
        service = services[key]


def _named(host: str) -> ObjectKey | None:
    """The Service whose name in the cluster's DNS this is."""
    host = host.rstrip(".").lower()
    for suffix in _SUFFIXES:
        if host.endswith(suffix):
            name, dot, namespace = host.removesuffix(suffix).partition(".")
            if dot and namespace and "." not in namespace:
                return ObjectKey(kind="Service", namespace=namespace, name=name)
    return None
