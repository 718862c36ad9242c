"""Where a result comes from: enough to make it again."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from svcsim.errors import ScenarioError
from svcsim.scenario import Scenario
from svcsim.version import SEMANTICS_VERSION, __version__

__all__ = ["provenance_of"]


def _text_of(scenario: Scenario) -> str | None:
    """The scenario with its manifests inside, or None where it was built from records that have no text."""
    try:
        return scenario.to_yaml(self_contained=True)
    except ScenarioError:
        return None


def provenance_of(scenario: Scenario, *, seed: int, replications: int, engine: str) -> dict[str, Any]:
    """The scenario (name, strong id, text), the seed, the versions."""
    return {
        "scenario": scenario.name,
        "strong_id": scenario.strong_id(),
        "scenario_yaml": _text_of(scenario),
        "seed": seed,
        "replications": replications,
        "engine": engine,
        "svcsim": __version__,
        "semantics_version": SEMANTICS_VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
