"""ExternalName Services: DNS aliases (CNAME), which lead to another Service of the cluster or out of it."""

from __future__ import annotations

from collections.abc import Mapping

from svcsim.kube.keys import ObjectKey
from svcsim.kube.objects import Service

__all__ = ["aliased"]

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


def _named(host: str) -> ObjectKey | None:
    """The Service whose name in the cluster's DNS this is."""
    host = host.rstrip(".").lower()
    for suffix in _SUFFIXES:
        if host.endswith(suffix):
            name, dot, namespace = host.removesuffix(suffix).partition(".")
            if dot and namespace and "." not in namespace:
                return ObjectKey(kind="Service", namespace=namespace, name=name)
    return None
