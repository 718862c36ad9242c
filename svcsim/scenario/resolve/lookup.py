"""Names of objects in a scenario to objects of its manifests."""

from __future__ import annotations

from svcsim.kube.keys import ObjectKey, parse_target
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import BarePod, Service, Workload
from svcsim.kube.routes import Route
from svcsim.scenario.files.place import Where

__all__ = ["Lookup"]

_ONE, _OTHER = "a", "b"


class Lookup:
    """The objects of a set of manifests by key.

    A name without a namespace means the object in `default` if there is one, else the one in whichever
    namespace has it.
    """

    def __init__(self, manifests: ManifestSet) -> None:
        self.services: dict[ObjectKey, Service] = {one.key: one for one in manifests.services}
        self.routes: dict[ObjectKey, Route] = {one.key: one for one in manifests.routes}
        self.owners: dict[ObjectKey, Workload | BarePod] = {one.key: one for one in manifests.workloads}
        self.owners |= {one.key: one for one in manifests.pods}
        self.owner_of: dict[ObjectKey, ObjectKey] = {
            ObjectKey(kind="Pod", namespace=one.key.namespace, name=pod.name): one.key
            for one in manifests.workloads
            for pod in one.pods
        }
        self._by_name: dict[tuple[str, str], list[ObjectKey]] = {}
        for key in (*self.services, *self.routes, *self.owners, *self.owner_of):
            self._by_name.setdefault((key.kind, key.name), []).append(key)

    def matching(self, text: str, where: Where) -> tuple[list[ObjectKey], str | None, bool]:
        """Return the keys a text may mean, the container it names, and whether it names a namespace."""
        key, container = where.read(lambda: parse_target(text, namespace=_ONE))
        other, _ = parse_target(text, namespace=_OTHER)
        if key == other:
            known = any(key in some for some in (self.services, self.routes, self.owners, self.owner_of))
            return ([key] if known else []), container, True
        return self._by_name.get((key.kind, key.name), []), container, False

    def one(
        self, text: str, where: Where, *, services: bool = False, owners: bool = True, routes: bool = False
    ) -> ObjectKey:
        """Return the one object that a text names.

        Args:
            text: KIND/NAME or NAMESPACE/KIND/NAME.
            where: the field it stands in.
            services: Services are accepted.
            owners: workloads and bare pods are accepted.
            routes: HTTPRoutes are accepted.
        """
        if "/" not in text:
            known = self.names(services=services, owners=owners, routes=routes)
            meant = [name for name in known if name.endswith(f"/{text}")]
            hint = f"; did you mean {meant[0]}?" if meant else ""
            raise where.error(text, f"must be KIND/NAME or NAMESPACE/KIND/NAME{hint}")
        keys, container, _ = self.matching(text, where)
        if container is not None:
            raise where.error(text, "names a container; accepted: KIND/NAME or NAMESPACE/KIND/NAME")
        if len(keys) > 1:
            keys = [key for key in keys if key.namespace == "default"] or keys
        if len(keys) > 1:
            raise where.error(text, f"is in several namespaces; write one of: {', '.join(map(str, keys))}")
        if not keys:
            raise self.missing(text, where, services=services, owners=owners, routes=routes)
        key = keys[0]
        if key in self.owner_of:
            owner = self.owner_of[key]
            raise where.error(text, f"is a pod of {owner}, which replaces it; name {owner} instead")
        accepted = ((services, self.services), (owners, self.owners), (routes, self.routes))
        if not any(asked and key in some for asked, some in accepted):
            raise self.missing(text, where, services=services, owners=owners, routes=routes)
        return key

    def names(self, *, services: bool = False, owners: bool = True, routes: bool = False) -> list[str]:
        """Return the names of what there is."""
        asked = ((services, self.services), (routes, self.routes), (owners, self.owners))
        return [str(key) for on, some in asked if on for key in some]

    def missing(
        self, text: str, where: Where, *, services: bool, owners: bool = True, routes: bool = False
    ) -> Exception:
        """Return the error that a text names nothing of the accepted kinds."""
        what = " or ".join(
            word
            for word, on in (
                ("Service", services),
                ("HTTPRoute", routes),
                ("workload", owners),
                ("bare pod", owners),
            )
            if on
        )
        known = self.names(services=services, owners=owners, routes=routes)
        return where.unknown(text, f"{what} of the manifests", known)
