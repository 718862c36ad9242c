"""Names of objects in a scenario to objects of its manifests."""

from __future__ import annotations

from svcsim.kube.keys import ObjectKey, parse_target
from svcsim.kube.manifests import ManifestSet
from svcsim.kube.objects import BarePod, Service, Workload
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
        self.owners: dict[ObjectKey, Workload | BarePod] = {one.key: one for one in manifests.workloads}
        self.owners |= {one.key: one for one in manifests.pods}
        self.owner_of: dict[ObjectKey, ObjectKey] = {
            ObjectKey(kind="Pod", namespace=one.key.namespace, name=pod.name): one.key
            for one in manifests.workloads
            for pod in one.pods
        }
        self._by_name: dict[tuple[str, str], list[ObjectKey]] = {}
        for key in (*self.services, *self.owners, *self.owner_of):
            self._by_name.setdefault((key.kind, key.name), []).append(key)

    def matching(self, text: str, where: Where) -> tuple[list[ObjectKey], str | None, bool]:
        """Return the keys a text may mean, the container it names, and whether it names a namespace."""
        key, container = where.read(lambda: parse_target(text, namespace=_ONE))
        other, _ = parse_target(text, namespace=_OTHER)
        if key == other:
            known = key in self.services or key in self.owners or key in self.owner_of
            return ([key] if known else []), container, True
        return self._by_name.get((key.kind, key.name), []), container, False

    def one(self, text: str, where: Where, *, services: bool = False, owners: bool = True) -> ObjectKey:
        """Return the one object that a text names.

        Args:
            text: KIND/NAME or NAMESPACE/KIND/NAME.
            where: the field it stands in.
            services: Services are accepted.
            owners: workloads and bare pods are accepted.
        """
        if "/" not in text:
            known = self.names(services=services, owners=owners)
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
            raise self.missing(text, where, services=services, owners=owners)
        key = keys[0]
        if key in self.owner_of:
            owner = self.owner_of[key]
            raise where.error(text, f"is a pod of {owner}, which replaces it; name {owner} instead")
        if not (services and key in self.services) and not (owners and key in self.owners):
            raise self.missing(text, where, services=services, owners=owners)
        return key

    def names(self, *, services: bool = False, owners: bool = True) -> list[str]:
        """Return the names of what there is."""
        return [*map(str, self.services if services else ()), *map(str, self.owners if owners else ())]

    def missing(self, text: str, where: Where, *, services: bool, owners: bool = True) -> Exception:
        """Return the error that a text names nothing of the accepted kinds."""
        what = " or ".join(
            word for word, on in (("Service", services), ("workload", owners), ("bare pod", owners)) if on
        )
        return where.unknown(text, f"{what} of the manifests", self.names(services=services, owners=owners))
