"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import svcsim


@pytest.fixture(scope="session", autouse=True)
def compiled_loops() -> None:
    """Compile (or load) the loops before any test that watches a clock or sends a signal."""
    demo = Path(svcsim.__file__).parent / "scenario" / "examples" / "demo.yaml"
    svcsim.simulate(svcsim.load_scenario(demo).with_value("duration", "21s"), replications=1)
