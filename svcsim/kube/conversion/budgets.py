"""PodDisruptionBudgets."""

from __future__ import annotations

from lightkube.models import policy_v1

from svcsim.kube.conversion.rules import check_dns_subdomain, choice, int_or_percent
from svcsim.kube.conversion.workloads import label_selector
from svcsim.kube.objects import DisruptionBudget, IntOrPercent
from svcsim.kube.place import Notes
from svcsim.kube.reading.documents import RawObject
from svcsim.kube.reading.schema import typed

__all__ = ["budget"]

_POLICIES = ("IfHealthyBudget", "AlwaysAllow")


def budget(raw: RawObject, notes: Notes) -> DisruptionBudget:
    """Return a PodDisruptionBudget's record.

    Raises:
        ManifestError: what policy/validation/validation.go `ValidatePodDisruptionBudgetSpec` refuses.
    """
    place = raw.place
    check_dns_subdomain(raw.key.name, place, ("metadata", "name"))
    spec = typed(raw, policy_v1.PodDisruptionBudget, notes).spec
    if spec is None or spec.selector is None:
        raise place.missing(("spec", "selector"), "a budget says which pods it is for")
    if spec.minAvailable is not None and spec.maxUnavailable is not None:
        raise place.error(
            ("spec", "maxUnavailable"), spec.maxUnavailable, "and minAvailable exclude each other; keep one"
        )
    none = IntOrPercent(value=0)

    def bound(value: int | str | None, field: str) -> IntOrPercent | None:
        if value is None:
            return None
        return int_or_percent(value, none, place, ("spec", field), at_most_all=True)

    policy = choice(
        spec.unhealthyPodEvictionPolicy or _POLICIES[0],
        _POLICIES,
        place,
        ("spec", "unhealthyPodEvictionPolicy"),
    )
    return DisruptionBudget(
        key=raw.key,
        selector=label_selector(spec.selector, place, ("spec", "selector")),
        min_available=bound(spec.minAvailable, "minAvailable"),
        max_unavailable=bound(spec.maxUnavailable, "maxUnavailable"),
        always_allow=policy == "AlwaysAllow",
    )
