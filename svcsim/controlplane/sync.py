"""How long kube-proxy's sync takes, by mode and size."""

from __future__ import annotations

from svcsim.controlplane.kubeproxy import sync_law_spec
from svcsim.distributions import Distribution, LogNormal

__all__ = ["sync_law"]


def sync_law(mode: str, n_services: int, n_endpoints: int) -> Distribution:
    """The law of a partial sync's duration in a cluster of this size."""
    median, p99 = sync_law_spec(mode, n_services, n_endpoints)
    return LogNormal(median=median, p99=p99)
