"""Figures and the report; the only part of svcsim that draws."""

from svcsim.report.figures import (
    failures_per_replication,
    lag_budget,
    lag_distribution,
    latency_distribution,
    lines_with_bands,
    outcome_breakdown,
    path_comparison,
    rollout_timeline,
)
from svcsim.report.html import write_report
from svcsim.report.pictures import FIGURES, draw

__all__ = [
    "FIGURES",
    "draw",
    "failures_per_replication",
    "lag_budget",
    "lag_distribution",
    "latency_distribution",
    "lines_with_bands",
    "outcome_breakdown",
    "path_comparison",
    "rollout_timeline",
    "write_report",
]
