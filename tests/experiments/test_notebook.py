"""The notebook runs from top to bottom, quickly and without a warning, and uses public names only."""

from __future__ import annotations

import ast
import time
import warnings
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "rollout_analysis.ipynb"
PUBLIC = {"svcsim", "svcsim.report", "svcsim.scenario", "svcsim.theory"}


def test_imports_public_names_only() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name for name in found if name.startswith("svcsim")} <= PUBLIC


@pytest.mark.slow
def test_executes() -> None:
    with warnings.catch_warnings():
        # jupyter's own, about event loops and directories; the notebook's warnings are in its output
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient  # noqa: PLC0415

        notebook = nbformat.read(NOTEBOOK, as_version=4)
        begun = time.monotonic()
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert time.monotonic() - begun < 60
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
