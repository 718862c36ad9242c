"""A bounded, even sample of the failed requests: per (client, outcome, cause) those with the smallest hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import Cause, Outcome

__all__ = ["FAILURE_DTYPE", "Kept", "hashes"]

Rows = npt.NDArray[Any]
UInt64 = npt.NDArray[np.uint64]

FAILURE_DTYPE = np.dtype(
    [
        ("replication", np.int64),
        ("client", np.int32),
        ("request", np.int64),
        ("source", np.int32),
        ("arrival_ns", np.int64),
        ("end_ns", np.int64),
        ("outcome", np.int8),
        ("cause", np.int8),
        ("stage", np.int8),
        ("pod", np.int64),
        ("observer", np.int32),
        ("version", np.int32),
        ("believed_ns", np.int64),
        ("state", np.int8),
        ("true_ns", np.int64),
        ("hash", np.uint64),
    ]
)


def hashes(replication: int, request: npt.NDArray[np.int64]) -> UInt64:
    """A 64-bit hash of (replication, request), the SplitMix64 output function; no two alike in a replication."""
    with np.errstate(over="ignore"):
        x = request.astype(np.uint64) + np.uint64(replication << 40)
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


class Kept:
    """Rows of whole replications, thinned when they grow past what will be shown.

    Thinning only takes rows away that the final cap would take away too, so when it happens does not matter.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self._chunks: list[Rows] = []
        self._size = 0
        self._limit = 4 * cap + 100_000

    def add(self, rows: Rows) -> None:
        """Rows (FAILURE_DTYPE) of one replication; those before it are thinned first if they are many."""
        if self._size > self._limit:
            merged = _thin(np.concatenate(self._chunks), self.cap)
            self._chunks, self._size = [merged], len(merged)
            self._limit = 2 * len(merged) + 100_000
        if len(rows):
            self._chunks.append(_thin(rows, self.cap))
            self._size += len(self._chunks[-1])

    def rows(self, replications: int) -> Rows:
        """The rows kept of the first `replications`, sorted by (replication, client, request)."""
        rows = np.concatenate([*self._chunks, np.empty(0, dtype=FAILURE_DTYPE)])
        rows = _thin(rows[rows["replication"] < replications], self.cap)
        return rows[np.lexsort((rows["request"], rows["client"], rows["replication"]))]


def _thin(rows: Rows, cap: int) -> Rows:
    """At most `cap` rows of each group, those of the smallest hashes."""
    if len(rows) <= cap:
        return rows
    group = (rows["client"].astype(np.int64) * len(Outcome) + rows["outcome"]) * len(Cause) + rows["cause"]
    order = np.lexsort((rows["request"], rows["replication"], rows["hash"], group))
    group = group[order]
    first = np.ones(len(group), dtype=bool)
    first[1:] = group[1:] != group[:-1]
    place = np.arange(len(group))
    rank = place - np.maximum.accumulate(np.where(first, place, 0))
    return rows[order[rank < cap]]
