"""Names of Kubernetes objects: `deployment/web`, `shop/svc/cart`, and the kinds svcsim knows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from svcsim.errors import ManifestError

__all__ = [
    "ACTING_KINDS",
    "KINDS",
    "OLDER_VERSIONS",
    "ObjectKey",
    "kind_named",
    "nearest",
    "parse_key",
    "parse_target",
]

ACTING_KINDS: dict[str, str] = {
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Namespace": "v1",
    "Pod": "v1",
    "PodDisruptionBudget": "policy/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "Service": "v1",
    "StatefulSet": "apps/v1",
}
"""Kinds that a run acts on, with the apiVersion that current API servers serve."""

OLDER_VERSIONS: dict[str, tuple[str, ...]] = {
    "HTTPRoute": ("gateway.networking.k8s.io/v1beta1",),
    "HorizontalPodAutoscaler": ("autoscaling/v1",),
}
"""Other versions of these kinds that current API servers serve too."""

KINDS: dict[str, tuple[str, ...]] = {
    "CronJob": ("cj",),
    "DaemonSet": ("ds",),
    "Deployment": ("deploy",),
    "Endpoints": ("ep",),
    "EndpointSlice": (),
    "HTTPRoute": (),
    "HorizontalPodAutoscaler": ("hpa",),
    "Ingress": ("ing",),
    "Job": (),
    "Namespace": ("ns",),
    "Node": ("no",),
    "Pod": ("po",),
    "PodDisruptionBudget": ("pdb",),
    "ReplicaSet": ("rs",),
    "ReplicationController": ("rc",),
    "Service": ("svc",),
    "StatefulSet": ("sts",),
}
"""Kinds that a key may name, with the short names that `kubectl api-resources` prints."""

CLUSTER_SCOPED = frozenset({"Namespace", "Node"})


def _spellings() -> dict[str, str]:
    table: dict[str, str] = {}
    for kind, short in KINDS.items():
        lower = kind.lower()
        plural = lower if lower == "endpoints" else lower + ("es" if lower.endswith("s") else "s")
        for spelling in (lower, plural, *short):
            table[spelling] = kind
    return table


_KIND_OF = _spellings()
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known word closest to `word`, letter case ignored, or None when none is close.

    Closeness is difflib's ratio, 0 to 1, and at least `cutoff`.

    >>> nearest("replcias", ["replicas", "selector"])
    'replicas'
    """
    spelled = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=cutoff)
    return spelled[found[0]] if found else None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectKey:
    """What identifies one object of a cluster; shown without the namespace when that is `default`.

    >>> str(ObjectKey(kind="Deployment", namespace="shop", name="web"))
    'shop/deployment/web'
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        short = f"{self.kind.lower()}/{self.name}"
        hidden = self.namespace in ("", "default") or self.kind in CLUSTER_SCOPED
        return short if hidden else f"{self.namespace}/{short}"


def kind_named(word: str) -> str | None:
    """Return the kind that a word of any case, singular, plural or short, means, or None.

    >>> kind_named("SVC"), kind_named("deployments"), kind_named("teapot")
    ('Service', 'Deployment', None)
    """
    return _KIND_OF.get(word.lower())


def _unknown_kind(text: str, word: str) -> ManifestError:
    near = nearest(word, _KIND_OF)
    hint = f"; did you mean {near!r}?" if near else ""
    some = "deployment, replicaset, replicationcontroller, pod, service"
    return ManifestError(f"{text!r}: unknown kind {word!r} (accepted: {some} and their short names){hint}")


def parse_target(text: str, *, namespace: str = "default") -> tuple[ObjectKey, str | None]:
    """Read `KIND/NAME`, `NAMESPACE/KIND/NAME`, or either followed by `/CONTAINER`.

    Of three parts, the first is the kind if it can be one, so a namespace called `service` needs
    four parts.

    Args:
        text: the key, kinds in any case, singular, plural or kubectl's short names.
        namespace: the namespace of a key that names none.

    Returns:
        The key, and the container's name or None.

    Raises:
        ManifestError: the text has another shape, an unknown kind, or a part that is no DNS name.

    >>> key, container = parse_target("deploy/web/nginx")
    >>> str(key), container
    ('deployment/web', 'nginx')
    """
    parts = text.strip().split("/")
    if len(parts) not in (2, 3, 4) or not all(parts):
        raise ManifestError(f"{text!r} is not KIND/NAME, NAMESPACE/KIND/NAME or one of these with /CONTAINER")
    if len(parts) == 4 or (len(parts) == 3 and kind_named(parts[0]) is None):
        namespace, *parts = parts
    kind = kind_named(parts[0])
    if kind is None:
        raise _unknown_kind(text, parts[0])
    for part in (namespace, *parts[1:]):
        if not _NAME.fullmatch(part):
            raise ManifestError(
                f"{text!r}: {part!r} is not a DNS-1123 name (accepted: a-z, 0-9, '-' and '.')"
            )
    scope = "" if kind in CLUSTER_SCOPED else namespace
    return ObjectKey(kind=kind, namespace=scope, name=parts[1]), parts[2] if len(parts) == 3 else None


def parse_key(text: str, *, namespace: str = "default") -> ObjectKey:
    """Read `KIND/NAME` or `NAMESPACE/KIND/NAME`.

    Args:
        text: the key, kinds in any case, singular, plural or kubectl's short names.
        namespace: the namespace of a key that names none.

    Raises:
        ManifestError: the text has another shape, an unknown kind, or a part that is no DNS name.

    >>> parse_key("shop/SVC/cart")
    ObjectKey(kind='Service', namespace='shop', name='cart')
    """
    key, container = parse_target(text, namespace=namespace)
    if container is not None:
        raise ManifestError(f"{text!r} names a container; accepted: KIND/NAME or NAMESPACE/KIND/NAME")
    return key
