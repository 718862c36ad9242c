"""Prometheus histograms: from text to checked buckets, over files, proxies and two scrapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from svcsim.observed.errors import ObservedError
from svcsim.observed.files import read_text, spoken

__all__ = ["Histogram", "Scrape", "families", "read_histograms", "read_scrape"]

_FAMILY = "ip_family"
_NAMED = 6

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """Samples of one metrics file: (labels, value) by name."""

    source: str
    samples: Mapping[str, Sequence[tuple[Mapping[str, str], float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Durations counted in buckets, summed over proxies.

    bounds: upper bounds in seconds, ascending, the last infinite. counts: observations per bucket, not
    cumulative. sum_s: the durations' sum in seconds. proxies: how many series with observations are in it.
    """

    name: str
    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum_s: float
    proxies: int

    def __post_init__(self) -> None:
        assert len(self.bounds) == len(self.counts) > 0
        assert self.bounds[-1] == math.inf
        assert all(a < b for a, b in pairwise((0.0, *self.bounds)))

    @property
    def count(self) -> float:
        """Observations in all."""
        return math.fsum(self.counts)

    @property
    def mean_s(self) -> float:
        """Mean of the observations, exactly: from their sum."""
        return self.sum_s / self.count

    @property
    def occupied(self) -> tuple[tuple[float, float, float], ...]:
        """(lower bound, upper bound, count) of each bucket that has observations."""
        lows = (0.0, *self.bounds[:-1])
        return tuple(
            (low, high, n) for low, high, n in zip(lows, self.bounds, self.counts, strict=True) if n > 0
        )


@dataclass(slots=True)
class _Series:
    """One cumulative histogram as scraped."""

    source: str
    labels: Labels
    cumulative: dict[float, float] = field(default_factory=dict)
    sum_s: float = math.nan
    count: float = math.nan


def read_scrape(path: str | Path) -> Scrape:
    """Read one file in Prometheus' text format, plain or gzip, `-` for standard input.

    Raises:
        ObservedError: it is not that format, with the line.
    """
    text, whole = read_text(path)
    if not whole:
        raise ObservedError(f"{spoken(path)} ends in the middle of a gzip stream; copy it again")
    return parse_scrape(text, spoken(path))


def parse_scrape(text: str, source: str) -> Scrape:
    """Read Prometheus' text format; `source` is what messages call it."""
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    try:
        for metric in text_string_to_metric_families(text):
            for sample in metric.samples:
                samples.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
    except (ValueError, KeyError, IndexError) as error:
        raise ObservedError(_not_prometheus(text, source, error)) from None
    return Scrape(source=source, samples=samples)


def _not_prometheus(text: str, source: str, error: Exception) -> str:
    for number, line in enumerate(text.split("\n"), 1):
        try:
            list(text_string_to_metric_families(line + "\n"))
        except (ValueError, KeyError, IndexError):
            if "{count:" in line or "schema:" in line:
                return (
                    f"{source} line {number} is a native histogram; calibrate needs classic buckets "
                    "(name_bucket{le=...}), as kube-proxy itself serves them on /metrics"
                )
            shown = line.strip()[:60]
            return (
                f"{source} line {number}, {shown!r}, is not Prometheus text; "
                'a line is NAME{LABEL="VALUE"} NUMBER, as kube-proxy serves them on /metrics'
            )
    return f"{source} is not Prometheus text: {error}"


def read_histograms(
    scrapes: Sequence[Scrape], baselines: Sequence[Scrape], name: str
) -> tuple[dict[str, Histogram], tuple[str, ...]]:
    """Return the histogram `name` by `ip_family` ("" where unlabelled), and warnings.

    Args:
        scrapes: the later or only scrape of every proxy.
        baselines: earlier scrapes to subtract: one per scrape in the same order, or any number if all series
            have the label `instance`.
        name: the metric's name without `_bucket`.

    Raises:
        ObservedError: it is not there, is no classic histogram, or its counters went down.
    """
    warnings: list[str] = []
    after = _all_series(scrapes, name)
    before = _all_series(baselines, name)
    if baselines and after:
        _paired(scrapes, baselines, after, before)
    by_family: dict[str, list[_Series]] = {}
    for key, series in after.items():
        earlier = before.pop(key, None)
        if baselines and earlier is None:
            warnings.append(f"{_where(series, name)} is not in the baseline; all of it counts")
        left = series if earlier is None else _since(earlier, series, name)
        by_family.setdefault(dict(series.labels).get(_FAMILY, ""), []).append(left)
    warnings += [f"{_where(gone, name)} is only in the baseline; left out" for gone in before.values()]
    return {family: _summed(name, members) for family, members in by_family.items()}, tuple(warnings)


def families(histograms: Mapping[str, Histogram]) -> list[str]:
    """Return the address families, the one with most observations first."""
    return sorted(histograms, key=lambda family: (-histograms[family].count, family))


def _all_series(scrapes: Sequence[Scrape], name: str) -> dict[tuple[str, Labels], _Series]:
    """Every series by (instance or place of the file, labels without `le`)."""
    found: dict[tuple[str, Labels], _Series] = {}
    for place, scrape in enumerate(scrapes):
        for key, series in _series(scrape, name, f"#{place}").items():
            if key in found:
                raise ObservedError(
                    f"{_where(series, name)} is in {found[key].source} too: name the earlier scrape with "
                    "--baseline, so that it is subtracted, not added"
                )
            found[key] = series
    return found


def _series(scrape: Scrape, name: str, place: str) -> dict[tuple[str, Labels], _Series]:
    found: dict[tuple[str, Labels], _Series] = {}

    def of(labels: Mapping[str, str]) -> _Series:
        own = tuple(sorted((key, value) for key, value in labels.items() if key != "le"))
        key = (labels.get("instance", place), own)
        return found.setdefault(key, _Series(source=scrape.source, labels=own))

    for labels, value in scrape.samples.get(f"{name}_bucket", ()):
        series = of(labels)
        try:
            bound = float(labels["le"])
        except (KeyError, ValueError):
            raise ObservedError(
                f"{_where(series, name)}: a bucket has le = {labels.get('le')!r}, which must be a number"
            ) from None
        _put(series, name, bound, value)
    for labels, value in scrape.samples.get(f"{name}_sum", ()):
        of(labels).sum_s = value
    for labels, value in scrape.samples.get(f"{name}_count", ()):
        of(labels).count = value
    for series in found.values():
        _check(series, name)
    return found


def _put(series: _Series, name: str, bound: float, value: float) -> None:
    if bound in series.cumulative:
        raise ObservedError(
            f"{_where(series, name)}: bucket le = {bound:g} is there twice; give one scrape a file"
        )
    if not (math.isfinite(value) and value >= 0):
        raise ObservedError(
            f"{_where(series, name)}: bucket le = {bound:g} is {value!r}, which must be a number >= 0"
        )
    series.cumulative[bound] = value


def _check(series: _Series, name: str) -> None:
    where = _where(series, name)
    if set(series.cumulative) <= {math.inf}:
        raise ObservedError(
            f"{where} has no classic buckets (native histogram only); calibrate needs {name}_bucket, as "
            "kube-proxy itself serves it on /metrics, or a Prometheus that scrapes classic histograms"
        )
    if math.inf not in series.cumulative:
        raise ObservedError(f'{where} has no bucket le="+Inf"; all buckets are needed')
    if math.isnan(series.count) or math.isnan(series.sum_s):
        raise ObservedError(f"{where} lacks {name}_count or {name}_sum; both are needed")
    bounds = sorted(series.cumulative)
    for low, high in pairwise(bounds):
        if series.cumulative[high] < series.cumulative[low]:
            raise ObservedError(
                f"{where}: buckets are cumulative, but le = {high:g} has {series.cumulative[high]:g}, fewer "
                f"than the {series.cumulative[low]:g} of le = {low:g}"
            )
    if series.cumulative[math.inf] != series.count:
        raise ObservedError(
            f'{where}: le="+Inf" has {series.cumulative[math.inf]:g} but {name}_count is {series.count:g}; '
            "they must be equal"
        )


def _paired(
    scrapes: Sequence[Scrape],
    baselines: Sequence[Scrape],
    after: Iterable[tuple[str, Labels]],
    before: Iterable[tuple[str, Labels]],
) -> None:
    unnamed = any(place.startswith("#") for place, _ in (*after, *before))
    if unnamed and len(scrapes) != len(baselines):
        raise ObservedError(
            f"{len(baselines)} baselines for {len(scrapes)} files without the label `instance`: give one "
            "--baseline per file, in the same order"
        )


def _since(earlier: _Series, later: _Series, name: str) -> _Series:
    where = _where(later, name)
    if set(earlier.cumulative) != set(later.cumulative):
        raise ObservedError(
            f"{where} has other buckets than in {earlier.source}: the proxy's version changed"
        )
    left = {bound: value - earlier.cumulative[bound] for bound, value in later.cumulative.items()}
    if later.count < earlier.count or min(left.values()) < 0 or later.sum_s < earlier.sum_s:
        raise ObservedError(
            f"{where} went from {earlier.count:g} observations in {earlier.source} to {later.count:g}: "
            "kube-proxy restarted in between; leave --baseline out, the later file counts from the restart"
        )
    difference = _Series(
        source=later.source,
        labels=later.labels,
        cumulative=left,
        sum_s=later.sum_s - earlier.sum_s,
        count=later.count - earlier.count,
    )
    _check(difference, name)
    return difference


def _summed(name: str, members: Sequence[_Series]) -> Histogram:
    """Sum over proxies, on the bounds that all of them have."""
    shared = set.intersection(*(set(series.cumulative) for series in members))
    bounds = tuple(sorted(bound for bound in shared if bound > 0))
    totals = [math.fsum(series.cumulative[bound] for series in members) for bound in bounds]
    return Histogram(
        name=name,
        bounds=bounds,
        counts=tuple(high - low for low, high in pairwise((0.0, *totals))),
        sum_s=math.fsum(series.sum_s for series in members),
        proxies=sum(series.count > 0 for series in members),
    )


def _where(series: _Series, name: str) -> str:
    shown = ", ".join(f"{key}={value}" for key, value in series.labels)
    return f"{series.source}: {name}" + (f" ({shown})" if shown else "")


def missing(scrapes: Sequence[Scrape], name: str) -> str:
    """Say that a metric is in none of the files, and what is there instead."""
    sources = ", ".join(scrape.source for scrape in scrapes[:3]) + (", ..." if len(scrapes) > 3 else "")
    seen = sorted({_stem(one) for scrape in scrapes for one in scrape.samples})
    own = [one for one in seen if one.startswith("kubeproxy_")]
    shown = own or seen
    there = ", ".join(shown[:_NAMED]) + (f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else "")
    hint = "" if own else "; kube-proxy serves its metrics on 127.0.0.1:10249/metrics of each node"
    return f"{name} is not in {sources}; there is {there or 'no metric at all'}{hint}"


def _stem(name: str) -> str:
    for ending in ("_bucket", "_sum", "_count"):
        name = name.removesuffix(ending)
    return name
