"""From kube-proxy's metrics to the `lag:` block of a scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from svcsim.clock import format_duration, ns_to_s
from svcsim.controlplane.kubeproxy import LAST_TOKEN_BUCKET_MINOR
from svcsim.controlplane.sync import COMMIT_SHARE
from svcsim.distributions import Distribution
from svcsim.observed.errors import ObservedError
from svcsim.observed.fitting import Bucket, Fit, buckets, fit_all
from svcsim.observed.histograms import (
    Histogram,
    Scrape,
    families,
    missing,
    read_histograms,
    read_scrape,
)
from svcsim.observed.laws import scaled, spec_text
from svcsim.observed.likelihood import plain, truncated
from svcsim.observed.programming import Split, known_delays, split
from svcsim.scenario.defaults import default, default_law, default_ns
from svcsim.version import __version__

__all__ = ["PROGRAMMING", "SYNC", "SYNC_PARTIAL", "Calibration", "calibrate"]

PROGRAMMING = "kubeproxy_network_programming_duration_seconds"
SYNC = "kubeproxy_sync_proxy_rules_duration_seconds"
SYNC_PARTIAL = "kubeproxy_sync_partial_proxy_rules_duration_seconds"

TRUNCATION_MEAN_S = 0.5
_FEW = 30
_NOTHING_LEFT_S = 1.1e-3
_WIDE = 0.5
_KOLMOGOROV_95 = 1.36


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a cluster's histograms say about its lags.

    programming, sync: the histograms. lag_fits, sync_fits: every candidate, best first: of the network
    programming latency without the truncation, and of whole syncs. stages: the endpointSlice stage and the
    busy share. lag: what a scenario's `lag` takes. low_s, high_s: 95% interval of the corrected mean.
    """

    family: str
    kubernetes_minor: int
    min_sync_period_ns: int
    programming: Histogram
    sync: Histogram
    lag_fits: tuple[Fit, ...]
    sync_fits: tuple[Fit, ...]
    stages: Split
    busy_given: bool
    corrected_mean_s: float
    low_s: float
    high_s: float
    lag: Mapping[str, Distribution | float]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

    def lag_yaml(self) -> str:
        """Return the `lag:` block, with what was assumed as comments; it goes under `cluster:`."""
        lines = [f"# calibrated by svcsim {__version__} from {_volume(self.programming)}"]
        lines += [f"# - {line}" for line in (*self.summary(), *self.assumptions)]
        lines += [f"# - warning: {line}" for line in self.warnings]
        lines.append("lag:")
        for key, law in self.lag.items():
            value = spec_text(law.spec()) if isinstance(law, Distribution) else {"constant": law}
            text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
            lines.append(f"  {key}: {text.strip()}")
        return "\n".join(lines) + "\n"

    def summary(self) -> tuple[str, ...]:
        """Return what was found, one sentence each."""
        best, stages = self.lag_fits[0], self.stages
        law = best.law
        interval = f"95%: {_s(self.low_s)} to {_s(self.high_s)}"
        share = (
            f"{stages.busy:.0%} of the changes, as given"
            if self.busy_given
            else f"{stages.busy:.0%} of the changes (95%: {stages.busy_low:.0%} to {stages.busy_high:.0%})"
        )
        ends = (
            ""
            if stages.mean_high_s - stages.mean_low_s < 1e-3
            else f" ({_s(stages.mean_low_s)} to {_s(stages.mean_high_s)} over those shares)"
        )
        return (
            f"network programming latency: mean {_s(self.programming.mean_s)} as measured, "
            f"{_s(self.corrected_mean_s)} ({interval}) without the truncation",
            f"its law, {best.name}: p50 {_s(law.quantile1(0.5))}, p90 {_s(law.quantile1(0.9))}, "
            f"p99 {_s(law.quantile1(0.99))}",
            f"minSyncPeriod makes {share} wait, {_s(stages.wait_mean_s)} on average over all",
            f"what is left for endpointSlice: mean {_s(stages.endpoint_slice.mean())}{ends}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; durations in seconds."""
        return {
            "family": self.family,
            "kubernetes": f"1.{self.kubernetes_minor}",
            "min_sync_period_s": ns_to_s(self.min_sync_period_ns),
            "programming": {
                **_histogram_dict(self.programming, self.lag_fits),
                "mean_s": self.programming.mean_s,
                "corrected_mean_s": self.corrected_mean_s,
                "corrected_mean_low_s": self.low_s,
                "corrected_mean_high_s": self.high_s,
            },
            "sync": {**_histogram_dict(self.sync, self.sync_fits), "mean_s": self.sync.mean_s},
            "stages": {
                "busy": self.stages.busy,
                "busy_low": self.stages.busy_low,
                "busy_high": self.stages.busy_high,
                "busy_given": self.busy_given,
                "wait_mean_s": self.stages.wait_mean_s,
                "endpoint_slice_mean_s": self.stages.endpoint_slice.mean(),
                "endpoint_slice_mean_low_s": self.stages.mean_low_s,
                "endpoint_slice_mean_high_s": self.stages.mean_high_s,
                "largest_gap": buckets(self.programming, self.stages.survival)[1],
            },
            "lag": {
                key: law.spec() if isinstance(law, Distribution) else {"constant": law}
                for key, law in self.lag.items()
            },
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
        }


def calibrate(
    metrics: Sequence[str | Path],
    baselines: Sequence[str | Path] = (),
    *,
    family: str | None = None,
    kubernetes_minor: int | None = None,
    min_sync_period_ns: int | None = None,
    busy: float | None = None,
) -> Calibration:
    """Fit lag distributions to kube-proxy's histograms.

    Args:
        metrics: files in Prometheus' text format, of one proxy or of many.
        baselines: earlier scrapes of the same proxies, in the same order; their counts are subtracted.
        family: `ip_family` to look at; by default the one with most observations.
        kubernetes_minor: 34 for 1.34, whose run loop waits; a scenario's default by default.
        min_sync_period_ns: the proxies' minSyncPeriod; a scenario's default by default.
        busy: share of changes that find kube-proxy's run loop busy; estimated by default.

    Raises:
        ObservedError: a file, a metric or its counts can't be used.
    """
    scrapes = [read_scrape(path) for path in metrics]
    return calibrate_scrapes(
        scrapes,
        [read_scrape(path) for path in baselines],
        family=family,
        kubernetes_minor=kubernetes_minor,
        min_sync_period_ns=min_sync_period_ns,
        busy=busy,
    )


def calibrate_scrapes(
    scrapes: Sequence[Scrape],
    baselines: Sequence[Scrape] = (),
    *,
    family: str | None = None,
    kubernetes_minor: int | None = None,
    min_sync_period_ns: int | None = None,
    busy: float | None = None,
) -> Calibration:
    """Fit lag distributions to scrapes; see `calibrate`."""
    minor = int(default("cluster.kubernetes").split(".")[1]) if kubernetes_minor is None else kubernetes_minor
    period_ns = (
        default_ns("cluster.kubeProxy.minSyncPeriod") if min_sync_period_ns is None else min_sync_period_ns
    )
    by_family, warnings = read_histograms(scrapes, baselines, PROGRAMMING)
    if not by_family:
        raise ObservedError(missing(scrapes, PROGRAMMING))
    family = _chosen(by_family, family)
    programming = by_family[family]
    if not programming.count:
        raise ObservedError(
            f"{PROGRAMMING}{_labelled(family)} has no observations"
            + (" since the baseline" if baselines else "")
            + ": no pod became Ready or unready; scrape after a rollout"
        )
    every_sync = _of_family(scrapes, baselines, SYNC, family)
    partial = _of_family(scrapes, baselines, SYNC_PARTIAL, family)
    sync = partial if partial is not None and partial.count else every_sync
    if sync is None:
        raise ObservedError(missing(scrapes, SYNC))
    if not sync.count:
        raise ObservedError(
            f"{sync.name}{_labelled(family)} has no observations"
            + (" since the baseline" if baselines else "")
        )

    sync_fits = fit_all(sync, plain, sync.mean_s)
    corrected = programming.mean_s - TRUNCATION_MEAN_S
    lag_fits = fit_all(programming, truncated, corrected)
    whole_sync = sync_fits[0].law
    period_s = ns_to_s(period_ns)
    token_bucket = minor <= LAST_TOKEN_BUCKET_MINOR
    cycle_s = max(period_s, sync.mean_s) if token_bucket else period_s + sync.mean_s
    # a change that doesn't wait starts a sync of its own
    syncs = sync.count if every_sync is None else every_sync.count
    stages = split(
        programming,
        known_delays([_usual("status"), _usual("watch"), whole_sync]),
        cycle_s,
        busy=busy,
        least_busy=max(0.0, 1.0 - syncs / programming.count),
    )
    error = 1.96 * _spread(programming) / math.sqrt(max(programming.count / programming.proxies, 1.0))
    return Calibration(
        family=family,
        kubernetes_minor=minor,
        min_sync_period_ns=period_ns,
        programming=programming,
        sync=sync,
        lag_fits=lag_fits,
        sync_fits=sync_fits,
        stages=stages,
        busy_given=busy is not None,
        corrected_mean_s=corrected,
        low_s=max(corrected - error, 0.0),
        high_s=corrected + error,
        lag={"endpointSlice": stages.endpoint_slice, "sync": scaled(whole_sync, COMMIT_SHARE), "load": 1},
        assumptions=_assumptions(sync, cycle_s, period_ns, minor, token_bucket),
        warnings=(*warnings, *_doubts(programming, lag_fits[0], stages, corrected, error, busy is not None)),
    )


def _usual(stage: str) -> Distribution:
    law = default_law(f"lag.{stage}")
    assert law is not None
    return law


def _chosen(by_family: Mapping[str, Histogram], wanted: str | None) -> str:
    there = families(by_family)
    if wanted is None:
        return there[0]
    for family in there:
        if family.lower() == wanted.lower():
            return family
    named = ", ".join(one or "no such label" for one in there)
    raise ObservedError(f"{PROGRAMMING} has no ip_family {wanted!r}; there is {named}")


def _of_family(
    scrapes: Sequence[Scrape], baselines: Sequence[Scrape], name: str, family: str
) -> Histogram | None:
    by_family, _ = read_histograms(scrapes, baselines, name)
    return by_family.get(family)


def _spread(histogram: Histogram) -> float:
    """Return the standard deviation, each observation taken at the middle of its bucket."""
    places = [
        (0.5 * (low + high) if math.isfinite(high) else 1.5 * low, n) for low, high, n in histogram.occupied
    ]
    mean = math.fsum(at * n for at, n in places) / histogram.count
    width = min(high - low for low, high, _ in histogram.occupied)
    within = width**2 / 12.0 if math.isfinite(width) else 0.0
    return math.sqrt(within + math.fsum(n * (at - mean) ** 2 for at, n in places) / histogram.count)


def _assumptions(
    sync: Histogram, cycle_s: float, period_ns: int, minor: int, token_bucket: bool
) -> tuple[str, ...]:
    cycle = "the longer of minSyncPeriod and a sync" if token_bucket else "minSyncPeriod + a sync"
    return (
        "the metric counts from a time cut to whole seconds, so it overstates every lag by 0 to 1 s, 0.5 s "
        "on average; fits take observed = lag + uniform(0, 1 s)",
        "removals are hardly in it: a graceful deletion changes no Ready time; their lag is assumed to be "
        "like that of what is seen",
        "a new pod's first endpoint counts from its first Ready=False, so some of its start is in the "
        "latency; changes written together count from the oldest",
        f"assumed: minSyncPeriod {format_duration(period_ns)}, run loop of Kubernetes 1.{minor}; a change "
        f"that finds it idle doesn't wait, one that finds it busy waits uniform(0, {_s(cycle_s)}), {cycle}",
        f"assumed as by default: status (mean {_s(_usual('status').mean())}) and watch (mean "
        f"{_s(_usual('watch').mean())}); endpointSlice is what these, the wait and the sync leave",
        f"sync is fitted to {sync.count:,.0f} {_kind(sync)} syncs; rules are committed after "
        f"{COMMIT_SHARE:.0%} of one",
        "load is 1: how busy the cluster was is in the fitted laws already",
        "proxies see the same changes nearly in phase, so n proxies count as one in intervals and BIC",
    )


def _doubts(
    histogram: Histogram, best: Fit, stages: Split, corrected: float, error: float, given: bool
) -> list[str]:
    found = []
    independent = histogram.count / histogram.proxies
    if independent < _FEW:
        found.append(f"only {independent:.3g} observations per proxy; everything is rough below {_FEW}")
    if len(histogram.occupied) == 1:
        low, high, _ = histogram.occupied[0]
        found.append(f"all latencies are in one bucket, {low:g} to {high:g} s; the spread is a guess")
    if not math.isfinite(histogram.occupied[-1][1]):
        found.append(
            f"{histogram.counts[-1]:,.0f} latencies are above the last bucket; the tail is extrapolated"
        )
    if corrected <= 0:
        found.append(f"the mean is below {TRUNCATION_MEAN_S:g} s; the trigger times seem not to be truncated")
    elif abs(best.law.mean() - corrected) > max(error, 0.1):
        found.append(
            f"buckets and sum disagree: the fitted law's mean is {_s(best.law.mean())}, the sum says "
            f"{_s(corrected)}; too few changes to fill a second evenly"
        )
    if not given and stages.busy_high - stages.busy_low > _WIDE:
        found.append(
            "the buckets don't tell how many changes wait; --busy says it (0 where changes are seconds "
            "apart, 1 in rollouts)"
        )
    gap, usual = buckets(histogram, stages.survival)[1], _KOLMOGOROV_95 / math.sqrt(independent)
    if gap > usual:
        found.append(
            f"the stages explain the buckets badly: largest CDF gap {gap:.2f}, by chance {usual:.2f}; in one "
            "rollout waits aren't uniform, so scrape over more changes"
        )
    if stages.endpoint_slice.median < _NOTHING_LEFT_S:
        found.append(
            "nothing is left for endpointSlice: the other stages alone explain more than was observed; check "
            "minSyncPeriod and --busy"
        )
    return found


def _histogram_dict(histogram: Histogram, fits: Sequence[Fit]) -> dict[str, Any]:
    rows, gap = buckets(histogram, fits[0].survival)
    return {
        "metric": histogram.name,
        "observations": int(histogram.count) if histogram.count.is_integer() else histogram.count,
        "proxies": histogram.proxies,
        "fits": [
            {
                "family": fit.name,
                "law": fit.law.spec(),
                "mean_s": fit.law.mean(),
                "p50_s": fit.law.quantile1(0.5),
                "p90_s": fit.law.quantile1(0.9),
                "p99_s": fit.law.quantile1(0.99),
                "bic": fit.bic,
                "largest_gap": buckets(histogram, fit.survival)[1],
            }
            for fit in fits
        ],
        "buckets": [_bucket_dict(row) for row in rows],
        "largest_gap": gap,
    }


def _bucket_dict(row: Bucket) -> dict[str, Any]:
    return {
        "low_s": row.low_s,
        "high_s": row.high_s if math.isfinite(row.high_s) else None,
        "observed": row.observed,
        "fitted": row.fitted,
    }


def _labelled(family: str) -> str:
    return f" (ip_family={family})" if family else ""


def _kind(sync: Histogram) -> str:
    return "partial" if sync.name == SYNC_PARTIAL else "full and partial"


def _volume(histogram: Histogram) -> str:
    proxies = f"{histogram.proxies} kube-prox{'y' if histogram.proxies == 1 else 'ies'}"
    return f"{histogram.count:,.0f} observations of {proxies}"


def _s(seconds: float) -> str:
    return format_duration(round(float(f"{seconds:.3g}") * 1e9))
