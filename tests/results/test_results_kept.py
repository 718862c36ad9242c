"""Which failures are shown: the same whatever the order of thinning, and never more than the cap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcsim.dataplane.contract import RECORD_DTYPE
from svcsim.results.kept import FAILURE_DTYPE, Kept, hashes


def failed(replication: int, sizes: list[int]) -> np.ndarray:
    """Records of client 0, a cause to a size."""
    records = np.zeros(sum(sizes), dtype=RECORD_DTYPE)
    records["request"] = np.arange(len(records))
    records["outcome"] = 2
    records["cause"] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    return records


def fold(kept: Kept, replication: int, records: np.ndarray) -> None:
    hash_ = hashes(replication, records["request"])
    wanted = kept.wanted(records, hash_)
    rows = np.zeros(len(wanted), dtype=FAILURE_DTYPE)
    for name in ("client", "request", "outcome", "cause"):
        rows[name] = records[name][wanted]
    rows["replication"] = replication
    rows["hash"] = hash_[wanted]
    kept.add(rows)


@given(
    st.integers(1, 12),
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=3), min_size=1, max_size=6),
    st.integers(0, 40),
)
def test_those_with_the_smallest_hashes_are_shown(cap: int, runs: list[list[int]], limit: int) -> None:
    kept = Kept(cap, 1)
    kept._limit = limit
    brute: dict[int, list[tuple[int, int, int]]] = {}
    for replication, sizes in enumerate(runs):
        records = failed(replication, sizes)
        fold(kept, replication, records)
        kept._limit = min(kept._limit, limit)
        for request, cause in zip(records["request"].tolist(), records["cause"].tolist(), strict=True):
            code = int(hashes(replication, np.array([request]))[0])
            brute.setdefault(cause, []).append((code, replication, request))
    expected = sorted(
        (replication, request) for rows in brute.values() for _, replication, request in sorted(rows)[:cap]
    )
    rows = kept.rows(len(runs))
    assert list(zip(rows["replication"].tolist(), rows["request"].tolist(), strict=True)) == expected


def test_a_replication_that_was_not_finished_is_not_shown() -> None:
    kept = Kept(100, 1)
    for replication in range(3):
        fold(kept, replication, failed(replication, [5]))
    assert set(kept.rows(2)["replication"].tolist()) == {0, 1}


def test_what_is_shown_is_an_even_sample() -> None:
    """Opponent: a fair choice of 2,000 of 100,000; the mean place has standard error 0.65%, allowed five."""
    kept = Kept(2000, 1)
    for replication in range(10):
        fold(kept, replication, failed(replication, [10_000]))
    rows = kept.rows(10)
    assert len(rows) == 2000
    assert rows["request"].mean() == pytest.approx(5000, rel=0.033)
    assert rows["replication"].mean() == pytest.approx(4.5, rel=0.08)
