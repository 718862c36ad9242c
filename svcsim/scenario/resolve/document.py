"""A scenario's plain document to a Scenario: every section in its turn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import UNSET

from svcsim.kube.manifests import ManifestSet
from svcsim.scenario.files.layer import ScenarioFile
from svcsim.scenario.files.place import Source, Where
from svcsim.scenario.files.typed import typed
from svcsim.scenario.resolve.clients import resolve_clients
from svcsim.scenario.resolve.cluster import resolve_cluster, resolve_lag
from svcsim.scenario.resolve.events import brought_containers, resolve_events
from svcsim.scenario.resolve.inputs import Inputs
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.resolve.values import positive_ns
from svcsim.scenario.resolve.workloads import resolve_workloads
from svcsim.scenario.scenario import Scenario, Written

__all__ = ["resolve"]


def resolve(
    document: Mapping[str, Any],
    *,
    source: Source,
    base: Path | None = None,
    inputs: Inputs | None = None,
    manifests: ManifestSet | None = None,
    warnings: tuple[str, ...] = (),
) -> Scenario:
    """Return the scenario that a plain document describes.

    Args:
        document: what the file's one document holds.
        source: what messages call it.
        base: the folder of relative paths.
        inputs: where the manifests come from, if not from the document's `manifests`.
        manifests: what the inputs hold, if they are loaded already.
        warnings: what is known to be odd before.

    Raises:
        ScenarioError: the document breaks a rule.
        ManifestError: a manifest does.
    """
    where = Where(source)
    plain = dict(document)
    file = typed(plain if inputs is None else {**plain, "manifests": "-"}, ScenarioFile, where)
    if inputs is None:
        inputs = Inputs.of(file.manifests, base=base, where=where / "manifests")
    if manifests is None:
        manifests = inputs.load()
    lookup = Lookup(manifests)
    odd = list(warnings)
    duration_ns = positive_ns(file.duration, where / "duration")
    cluster = resolve_cluster(file.cluster, base=base, where=where / "cluster", warnings=odd)
    clients = resolve_clients(
        file.clients, cluster=cluster, lookup=lookup, base=base, where=where / "clients"
    )
    events = resolve_events(
        () if file.events is UNSET else file.events,
        duration_ns=duration_ns,
        clients=[client.name for client in clients],
        lookup=lookup,
        inputs=inputs,
        where=where / "events",
    )
    behaviours = resolve_workloads(
        {} if file.workloads is UNSET else file.workloads,
        lookup=lookup,
        brought=brought_containers(events),
        where=where / "workloads",
    )
    return Scenario(
        name="scenario" if file.name is UNSET else file.name,
        manifests=manifests,
        duration_ns=duration_ns,
        cluster=cluster,
        workloads=behaviours.workloads,
        containers=behaviours.containers,
        clients=clients,
        events=events,
        lag=resolve_lag(UNSET if file.cluster is UNSET else file.cluster.lag, where / "cluster" / "lag"),
        warnings=tuple(odd),
        written=Written(document=document, inputs=inputs, source=source, base=base, warnings=warnings),
    )
