"""What a run gives: tables and where they come from, frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svcsim.schema import TABLES, conform

__all__ = ["Result"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Tables (columns, units and meanings in `svcsim.schema`), provenance, warnings and timing of one run.

    requests is None if requests were not kept. Everything but `timing` is the same for the same scenario,
    seed and semantics version. pod_counts: pods of all replications by what became of them.
    """

    summary: pd.DataFrame
    replications: pd.DataFrame
    causes: pd.DataFrame
    failures: pd.DataFrame
    requests: pd.DataFrame | None
    pods: pd.DataFrame
    timeline: pd.DataFrame
    beliefs: pd.DataFrame
    versions: pd.DataFrame
    programming: pd.DataFrame
    scaling: pd.DataFrame
    load: pd.DataFrame
    latency: pd.DataFrame
    lag: pd.DataFrame
    pod_counts: Mapping[str, int]
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]
    timing: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in self.tables():
            object.__setattr__(self, name, conform(getattr(self, name), name))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name; `requests` only if it was kept."""
        names = [field.name for field in fields(self) if field.name in TABLES]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def to_dict(self) -> dict[str, Any]:
        """The document that `--json` prints: plain Python values, None where a table has NaN."""
        rows = {name: _records(getattr(self, name)) for name in ("summary", "causes", "replications", "lag")}
        return {
            "summary": rows["summary"],
            "causes": rows["causes"],
            "replications": rows["replications"],
            "pods": dict(self.pod_counts),
            "lag": rows["lag"],
            "warnings": list(self.warnings),
            "timing": {key: _plain(value) for key, value in self.timing.items()},
            "provenance": {key: _plain(value) for key, value in self.provenance.items()},
        }

    def save(self, directory: str | Path) -> Path:
        """Write every table as Parquet, and provenance.json, into `directory` (made if missing); returns it.

        Each file appears whole or not at all, and provenance.json last: an interrupted save does not load.
        """
        from svcsim.results.files import save  # noqa: PLC0415 (files needs this class)

        return save(self, Path(directory))

    @staticmethod
    def read(directory: str | Path) -> Result:
        """Read what `save` wrote.

        Raises:
            ResultFormatError: something is missing, damaged, of another result or of another format.
        """
        from svcsim.results.files import load  # noqa: PLC0415 (files needs this class)

        return load(Path(directory))

    def explain(self, client: str | None = None) -> str:
        """Why requests failed, in words, of one client or of all: causes, biggest first, and what helps."""
        from svcsim.results.explain import explain  # noqa: PLC0415 (explain needs this class)

        return explain(self, client)

    def _repr_html_(self) -> str:
        return self.summary.to_html(index=False)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [[_plain(value) for value in frame[name].tolist()] for name in frame.columns]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    """A value as JSON can say it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
