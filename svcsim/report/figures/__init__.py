"""Figures of one result: each draws tables on what it is given, and keeps, computes and returns nothing.

Colours, hatches and markers are in `svcsim.report.palette`. Intervals are 95% over replications and
always drawn.
"""

from svcsim.report.figures.breakdown import lag_budget, outcome_breakdown
from svcsim.report.figures.distributions import lag_distribution, latency_distribution
from svcsim.report.figures.lines import lines_with_bands
from svcsim.report.figures.paths import failures_per_replication, path_comparison
from svcsim.report.figures.timeline import rollout_timeline

__all__ = [
    "failures_per_replication",
    "lag_budget",
    "lag_distribution",
    "latency_distribution",
    "lines_with_bands",
    "outcome_breakdown",
    "path_comparison",
    "rollout_timeline",
]
