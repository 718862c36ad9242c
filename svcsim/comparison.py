"""Variants of a scenario side by side: paired differences, replication by replication."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from svcsim.errors import ScenarioError
from svcsim.results.result import Result
from svcsim.results.statistics import mean_interval

__all__ = ["METRICS", "compare"]

METRICS = ("failed", "failed_fraction", "p50_s", "p90_s", "p99_s", "p999_s")


def compare(results: Mapping[str, Result]) -> pd.DataFrame:
    """How each result differs from the first, for every client that both have.

    Replications are paired: with one seed the variants meet the same arrivals and the same luck, so most of
    the noise cancels. One pair in which a metric is NaN leaves the metric's difference NaN.

    Args:
        results: two or more results by the name of their variant, the baseline first, all run with one seed.

    Returns:
        Columns variant, baseline, client, metric, baseline_value and value (means over the common
        replications), difference (value - baseline_value), low, high (95% t interval; NaN under 5),
        replications.

    Raises:
        ScenarioError: fewer than two results, different seeds, or no client in common.
    """
    if len(results) < 2:
        raise ScenarioError(f"compare needs 2 or more results, got {len(results)}")
    (baseline, first), *others = results.items()
    rows = []
    for variant, other in others:
        seeds = first.provenance["seed"], other.provenance["seed"]
        if seeds[0] != seeds[1]:
            raise ScenarioError(
                f"{baseline} has seed {seeds[0]} and {variant} {seeds[1]}: only runs with one seed can be "
                "paired"
            )
        both = first.replications.merge(
            other.replications, on=["client", "replication"], suffixes=("_baseline", "_variant")
        )
        if both.empty:
            raise ScenarioError(f"{baseline} and {variant} have no client in common")
        for client, pairs in both.groupby("client", sort=False):
            for metric in METRICS:
                before = pairs[f"{metric}_baseline"].to_numpy(dtype=np.float64)
                after = pairs[f"{metric}_variant"].to_numpy(dtype=np.float64)
                low, high = mean_interval(after - before)
                rows.append(
                    {
                        "variant": variant,
                        "baseline": baseline,
                        "client": client,
                        "metric": metric,
                        "baseline_value": float(before.mean()),
                        "value": float(after.mean()),
                        "difference": float((after - before).mean()),
                        "low": low,
                        "high": high,
                        "replications": len(pairs),
                    }
                )
    return pd.DataFrame(rows)
