"""Running a case, and reading off what its report speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import svcsim
from svcsim import Result, Scenario

__all__ = ["FILES", "case", "causes", "failed", "fewest_listed", "outcomes", "run"]

FILES = tuple(sorted(Path(__file__).parent.glob("*.yaml")))
"""Every case; each runs as it is with `svcsim run`."""

NOTHING: Mapping[str, Any] = {}


def case(name: str, changes: Mapping[str, Any] = NOTHING) -> Scenario:
    """The scenario of a file (its name without .yaml), with some fields changed (`Scenario.with_value`)."""
    (path,) = (path for path in FILES if path.stem == name)
    scenario = svcsim.load_scenario(path)
    for field, value in changes.items():
        scenario = scenario.with_value(field, value)
    return scenario


def run(name: str, changes: Mapping[str, Any] = NOTHING, *, replications: int = 20, **how: Any) -> Result:
    """Simulate a case; every replication is traced."""
    return svcsim.simulate(case(name, changes), replications=replications, trace=range(replications), **how)


def failed(result: Result, client: str) -> npt.NDArray[np.float64]:
    """Failed requests of each replication."""
    rows = result.replications[result.replications["client"] == client]
    return rows["failed"].to_numpy(dtype=np.float64)


def outcomes(result: Result, client: str) -> dict[str, int]:
    """Failed requests of all replications by outcome."""
    rows = result.causes[result.causes["client"] == client]
    return {str(kind): int(number) for kind, number in rows.groupby("outcome")["count"].sum().items()}


def causes(result: Result, client: str) -> dict[str, int]:
    """Failed requests of all replications by cause."""
    rows = result.causes[result.causes["client"] == client]
    return {str(kind): int(number) for kind, number in rows.groupby("cause")["count"].sum().items()}


def fewest_listed(result: Result) -> int:
    """The fewest endpoints that any node's rules had at any time of any replication."""
    of_nodes = result.beliefs[result.beliefs["observer"].str.contains("node-")]
    return int(of_nodes["listed"].min())
