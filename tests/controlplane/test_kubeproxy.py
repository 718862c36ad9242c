"""kube-proxy's run loop, both algorithms, as stories (kubernetes.md 1.4 and groundtruth finding 1)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.controlplane.kubeproxy import ProxyLoops

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
