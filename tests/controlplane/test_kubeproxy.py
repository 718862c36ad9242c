"""kube-proxy's run loop, both algorithms, as stories (kubernetes.md 1.4 and groundtruth finding 1)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.controlplane.kubeproxy import ProxyLoops, maximum_interval_ns

MS = 1_000_000
SECOND = 1000 * MS


def syncs(minor: int, arrivals_ms: list[int], *, minimum_ms: int = 1000, duration_ms: int = 40) -> list[int]:
    """Start of the sync that applies each change, in ms; it commits after 40 ms and ends after 60."""
    loops = ProxyLoops(n_nodes=1, kubernetes_minor=minor, min_sync_ns=minimum_ms * MS)
    arrivals = np.array([arrivals_ms], dtype=np.int64) * MS
    durations = np.full(arrivals.shape, duration_ms * MS, dtype=np.int64)
    starts, commits = loops.advance(1 << 60, arrivals, durations, 0)
    assert (commits - starts == duration_ms * MS).all()
    return (starts[0] // MS).tolist()


def test_first_change_after_idle_is_applied_at_once_then_the_period_runs_from_the_end() -> None:
    assert syncs(36, [100, 110, 600, 5000]) == [100, 1160, 1160, 5000]


def test_token_bucket_allows_two_syncs_in_a_row() -> None:
    assert syncs(33, [0, 10, 500, 5000]) == [0, 60, 1120, 5000]


def test_a_change_during_a_sync_waits_for_the_next() -> None:
    assert syncs(36, [0, 59, 60]) == [0, 1060, 1060]


@pytest.mark.parametrize("minor", [30, 36])
def test_no_minimum_means_no_wait(minor: int) -> None:
    assert syncs(minor, [0, 10, 45], minimum_ms=0) == [0, 60, 60]


@pytest.mark.parametrize("minor", [33, 34])
def test_windows_change_nothing(minor: int) -> None:
    rng = np.random.Generator(np.random.SFC64(5))
    n = 60
    writes = np.sort(rng.integers(0, 20_000, n)) * MS
    arrivals = np.sort(writes[None, :] + rng.integers(0, 50, (4, n)) * MS, axis=1)
    durations = rng.integers(10, 900, (4, n)) * MS
    whole = ProxyLoops(n_nodes=4, kubernetes_minor=minor, min_sync_ns=SECOND)
    starts, commits = whole.advance(1 << 60, arrivals, durations, 0)
    parts = ProxyLoops(n_nodes=4, kubernetes_minor=minor, min_sync_ns=SECOND)
    got = np.full((4, n), -1, dtype=np.int64)
    for until in [1000 * MS, 1001 * MS, 7777 * MS, 12_000 * MS, 1 << 60]:
        known = int(np.searchsorted(writes, until))
        first = int(parts.done.min())
        left = np.array([durations[i, parts.syncs[i] : parts.syncs[i] + known - first] for i in range(4)])
        some, _ = parts.advance(until, np.ascontiguousarray(arrivals[:, first:known]), left, first)
        got[:, first:known] = np.where(some >= 0, some, got[:, first:known])
    assert np.array_equal(got, starts)
    assert (commits > starts).all()


def hourly(
    arrivals_s: list[float], *, last_s: int, maximum_s: int = 3600, full_s: int = 3600
) -> list[tuple[float, float]]:
    """(start, length to the commit) in s of the sync of each change; full ones take 3 s, others 1."""
    loops = ProxyLoops(
        n_nodes=1,
        kubernetes_minor=36,
        min_sync_ns=SECOND,
        full_factor=3.0,
        maximum_ns=maximum_s * SECOND,
        full_every_ns=full_s * SECOND,
        last_ns=[last_s * SECOND],
    )
    arrivals = np.array([arrivals_s]) * SECOND
    durations = np.full(arrivals.shape, SECOND, dtype=np.int64)
    starts, commits = loops.advance(1 << 60, arrivals.astype(np.int64), durations, 0)
    return [(a / SECOND, (b - a) / SECOND) for a, b in zip(starts[0], commits[0], strict=True)]


def test_a_quiet_proxy_syncs_fully_by_itself_every_hour() -> None:
    """Synced at -600 s, so by itself at 3000 s, for 4.5 s, unless a change woke it shortly before."""
    assert hourly([2999, 3001], last_s=-600) == [(2999, 1), (3001.5, 3)]
    assert hourly([3001], last_s=-600) == [(3005.5, 1)]
    assert hourly([3010], last_s=-600) == [(3010, 1)]


def test_a_busy_proxy_is_full_with_the_first_change_after_an_hour() -> None:
    assert hourly([2990, 3100, 3200], last_s=-600) == [(2990, 1), (3100, 3), (3200, 1)]


def test_no_full_sync_in_a_big_cluster_with_iptables() -> None:
    assert hourly([2990, 3100], last_s=-600, full_s=1 << 30) == [(2990, 1), (3100, 1)]


def test_older_nftables_proxies_sync_every_half_minute() -> None:
    """The sync at 20 s makes the change at 21 s wait for it and for the second after it."""
    assert hourly([21], last_s=-10, maximum_s=30, full_s=1 << 30) == [(22.5, 1)]


@pytest.mark.parametrize(
    ("mode", "minor", "seconds"),
    [("iptables", 30, 3600), ("nftables", 34, 3600), ("nftables", 33, 5), ("ipvs", 36, 5)],
)
def test_sync_period_is_the_maximum_interval_of_some_modes(mode: str, minor: int, seconds: int) -> None:
    assert maximum_interval_ns(mode, minor, 5 * SECOND) == seconds * SECOND
