"""svcsim: a discrete-event performance simulator for Kubernetes service load balancing.

How many connections fail while pods come and go, of which kind, through which way of reaching the pods, why,
and which setting makes it zero: `simulate(scenario)` answers for a `Scenario`, written as YAML or in Python.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from svcsim.version import __version__

if TYPE_CHECKING:
    from svcsim.agreement import crosscheck
    from svcsim.comparison import compare
    from svcsim.errors import (
        EngineMismatch,
        ManifestError,
        ResultFormatError,
        ScenarioError,
        SvcsimError,
        UnsupportedByEngine,
    )
    from svcsim.kube import load_manifests, parse_manifests
    from svcsim.report import write_report
    from svcsim.results.result import Result
    from svcsim.scenario import (
        Scenario,
        build_scenario,
        load_scenario,
        parse_scenario,
        scenario_from_manifests,
    )
    from svcsim.simulation import simulate

_HOMES = {
    "EngineMismatch": "svcsim.errors",
    "ManifestError": "svcsim.errors",
    "Result": "svcsim.results.result",
    "ResultFormatError": "svcsim.errors",
    "Scenario": "svcsim.scenario",
    "ScenarioError": "svcsim.errors",
    "SvcsimError": "svcsim.errors",
    "UnsupportedByEngine": "svcsim.errors",
    "build_scenario": "svcsim.scenario",
    "compare": "svcsim.comparison",
    "crosscheck": "svcsim.agreement",
    "load_manifests": "svcsim.kube",
    "load_scenario": "svcsim.scenario",
    "parse_manifests": "svcsim.kube",
    "parse_scenario": "svcsim.scenario",
    "scenario_from_manifests": "svcsim.scenario",
    "simulate": "svcsim.simulation",
    "write_report": "svcsim.report",
}

__all__ = [
    "EngineMismatch",
    "ManifestError",
    "Result",
    "ResultFormatError",
    "Scenario",
    "ScenarioError",
    "SvcsimError",
    "UnsupportedByEngine",
    "__version__",
    "build_scenario",
    "compare",
    "crosscheck",
    "load_manifests",
    "load_scenario",
    "parse_manifests",
    "parse_scenario",
    "scenario_from_manifests",
    "simulate",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that importing svcsim costs almost nothing."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'svcsim' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
