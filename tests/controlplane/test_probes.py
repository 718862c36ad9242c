"""Probe instants as arithmetic (pkg/kubelet/prober/worker.go)."""

from __future__ import annotations

import pytest

from svcsim.controlplane.probes import failing_from, first_tick, next_tick, readiness_success, startup_of
from svcsim.kube import Probe

MS = 1_000_000
SECOND = 1000 * MS


def probe(**fields: int) -> Probe:
    return Probe(kind="http", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", range(-25, 40, 3))
def test_ticks_by_counting(at: int) -> None:
    ticks = [3 + 10 * k for k in range(-10, 10)]
    assert next_tick(3, 10, at) == next(t for t in ticks if t > at)
    assert first_tick(3, 10, at) == next(t for t in ticks if t >= max(at, 3))


def test_period_ten_is_bimodal() -> None:
    """Listening before the relist: ready with its probe; after it: a whole period later (finding 12)."""
    early = readiness_success(
        probe(period_seconds=10), started_ns=0, listening_ns=500 * MS, worker_ns=-50 * MS, relist_ns=700 * MS
    )
    late = readiness_success(
        probe(period_seconds=10), started_ns=0, listening_ns=500 * MS, worker_ns=-50 * MS, relist_ns=300 * MS
    )
    assert early == (700 * MS, 700 * MS)
    assert late == (10_300 * MS, 300 * MS)


def test_success_threshold_counts_consecutive_probes() -> None:
    at, _ = readiness_success(
        probe(period_seconds=1, success_threshold=3),
        started_ns=0,
        listening_ns=0,
        worker_ns=-100 * MS,
        relist_ns=500 * MS,
    )
    assert at == 2500 * MS


def test_failing_needs_the_threshold() -> None:
    assert failing_from(probe(period_seconds=10), base_ns=SECOND, from_ns=12 * SECOND) == 41 * SECOND


def test_liveness_kills_a_slow_starter() -> None:
    slow = startup_of(None, probe(period_seconds=10), started_ns=0, listening_ns=60 * SECOND, worker_ns=0)
    assert slow.kill_ns == 20 * SECOND
    fine = startup_of(None, probe(period_seconds=10), started_ns=0, listening_ns=15 * SECOND, worker_ns=0)
    assert fine.kill_ns is None


def test_startup_probe_shields_the_slow_starter() -> None:
    fate = startup_of(
        probe(period_seconds=10, failure_threshold=30),
        probe(period_seconds=10),
        started_ns=0,
        listening_ns=60 * SECOND,
        worker_ns=-SECOND,
    )
    assert fate.kill_ns is None
    assert fate.ready_from_ns == 69 * SECOND
