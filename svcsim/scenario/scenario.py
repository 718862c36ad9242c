"""The question, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcsim.distributions import Distribution
from svcsim.kube.keys import ObjectKey
from svcsim.kube.manifests import ManifestSet
from svcsim.scenario.checks import check
from svcsim.scenario.defaults import LAG_KEYS, default_law
from svcsim.scenario.events import Event
from svcsim.scenario.files.place import Source, Where
from svcsim.scenario.frozen import FrozenMap
from svcsim.scenario.model import Client, Cluster, WorkloadBehaviour
from svcsim.scenario.resolve.inputs import Inputs
from svcsim.version import SEMANTICS_VERSION

__all__ = ["Scenario", "Written"]

NOWHERE = Source()
_CLUSTER = Cluster()
_USUAL = WorkloadBehaviour()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a scenario was resolved from: document, manifests' inputs, text, folder, earlier warnings."""

    document: Mapping[str, Any]
    inputs: Inputs
    source: Source = NOWHERE
    base: Path | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A cluster, what runs in it, who connects and what happens: everything that decides a run but the seed.

    `workloads` and `containers` hold the behaviours that differ from the default; ask `behaviour`.
    `events` are single ones, by instant and then as written. `lag` has every stage; None is for a run to
    decide. `warnings` are single lines, the manifests' first.

    >>> from svcsim.kube import parse_key, parse_manifests
    >>> manifests = parse_manifests('''
    ... apiVersion: v1
    ... kind: Service
    ... metadata: {name: web}
    ... spec: {selector: {app: web}, ports: [{port: 80}]}
    ... ''')
    >>> client = Client(name="vip", to=parse_key("service/web"), via="cluster-ip", rate_per_s=200.0)
    >>> question = Scenario(manifests=manifests, duration_ns=60_000_000_000, clients=(client,))
    >>> question.warnings[-1]
    'client vip: no pod of the manifests is selected by service/web'
    """

    name: str = "scenario"
    manifests: ManifestSet
    duration_ns: int
    clients: tuple[Client, ...]
    cluster: Cluster = _CLUSTER
    workloads: Mapping[ObjectKey, WorkloadBehaviour] = FrozenMap()
    containers: Mapping[tuple[ObjectKey, str], WorkloadBehaviour] = FrozenMap()
    events: tuple[Event, ...] = ()
    lag: Mapping[str, Distribution | None] = FrozenMap()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    written: Written | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Complete and order what was given, then hold it to the rules."""
        unknown = sorted(set(self.lag) - set(LAG_KEYS))
        where = Where(self.written.source if self.written is not None else NOWHERE)
        if unknown:
            raise (where / "cluster" / "lag").unknown(unknown[0], "stage", LAG_KEYS)
        put = object.__setattr__
        put(self, "clients", tuple(self.clients))
        put(self, "events", tuple(sorted(self.events, key=lambda event: (event.at_ns, event.position))))
        put(self, "workloads", FrozenMap(self.workloads))
        put(self, "containers", FrozenMap(self.containers))
        laws = {key: self.lag[key] if key in self.lag else default_law(f"lag.{key}") for key in LAG_KEYS}
        put(self, "lag", FrozenMap(laws))
        found = (*self.manifests.warnings, *self.warnings, *check(self, where))
        put(self, "warnings", tuple(dict.fromkeys(found)))

    def behaviour(self, key: ObjectKey, container: str) -> WorkloadBehaviour:
        """Return what is known of a container: its own entry, else its workload's, else the default.

        Args:
            key: the workload or bare pod.
            container: the container's name.
        """
        own = self.containers.get((key, container))
        return own if own is not None else self.workloads.get(key, _USUAL)

    def strong_id(self, *, semantics_version: int = SEMANTICS_VERSION) -> str:
        """Return 64 hexadecimal digits that change with anything that can change the answer.

        They do not depend on file names, the order of keys, the spelling of units, comments or the
        scenario's name. `identity.canonical` shows what they are made of.

        Args:
            semantics_version: the meaning of the numbers that a run gives.
        """
        from svcsim.scenario.identity import strong_id  # noqa: PLC0415 (it reads this class)

        return strong_id(self, semantics_version=semantics_version)

    def with_value(self, path: str, value: Any) -> Scenario:
        """Return the scenario with one written field changed, everything else resolved anew.

        Args:
            path: a dotted path such as `clients.vip.rate`, `workloads.deployment/web.onSigterm`,
                `cluster.kubeProxy.minSyncPeriod`, `lag.endpointSlice` or
                `manifests.deployment/web.spec.replicas`; short names of manifest fields are in
                `shorthand.SHORT`, with `preStop` beside them.
            value: what a scenario file would say; text is read as YAML first, and taken as it is if that
                does not fit.

        Raises:
            ScenarioError: the path leads nowhere, or the value breaks a rule.
            ManifestError: the API server would refuse the changed object.
        """
        from svcsim.scenario.override import with_value  # noqa: PLC0415 (it builds this class)

        return with_value(self, path, value)

    def replace(self, **changes: Any) -> Scenario:
        """Return the scenario with whole sections changed, everything else resolved anew.

        Args:
            changes: what `scenario()` takes, and `duration_ns`.

        Raises:
            ScenarioError: a name is no section, or a value breaks a rule.
        """
        from svcsim.scenario.build import replaced  # noqa: PLC0415 (it builds this class)

        return replaced(self, changes)

    def to_yaml(self, *, self_contained: bool = False) -> str:
        """Return a scenario file that `parse_scenario` reads back to an equal scenario.

        Args:
            self_contained: manifests and the cluster's files are written into it, instead of their paths.

        Raises:
            ScenarioError: the manifests were given as typed objects, which cannot be written.
        """
        from svcsim.scenario.files.writing import to_yaml  # noqa: PLC0415 (it reads this class)

        return to_yaml(self, self_contained=self_contained)
