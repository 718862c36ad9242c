"""An even sample of the failed requests: of each (client, outcome, cause) those with the smallest hashes."""

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
    """A 64-bit hash of (replication, request): SplitMix64's output function, so no two are alike."""
    with np.errstate(over="ignore"):
        x = request.astype(np.uint64) + np.uint64(replication << 40)
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


class Kept:
    """Rows of whole replications, thinned when they grow past what will be shown.

    Only rows go that the final cap would take away too, so when it happens does not matter. A group is a
    (client, outcome, cause); once it has `cap` rows, a row whose hash is above them all is not wanted.
    """

    def __init__(self, cap: int, n_clients: int) -> None:
        self.cap = cap
        self._chunks: list[Rows] = []
        self._size = 0
        self._limit = 4 * cap + 100_000
        self._highest = np.full(
            n_clients * len(Outcome) * len(Cause), np.iinfo(np.uint64).max, dtype=np.uint64
        )

    def wanted(self, records: Rows, hash_: UInt64) -> npt.NDArray[np.int64]:
        """The places of the records, all of one replication, that may be shown in the end."""
        if self._size > self._limit:
            merged = np.concatenate(self._chunks)
            merged = merged[self._lowest(_group(merged), merged["hash"])]
            self._chunks, self._size = [merged], len(merged)
            self._limit = 2 * len(merged) + 100_000
        group = _group(records)
        low = np.flatnonzero(hash_ <= self._highest[group])
        return low[self._lowest(group[low], hash_[low])]

    def add(self, rows: Rows) -> None:
        """The rows (FAILURE_DTYPE) of the records just asked for by `wanted`."""
        if len(rows):
            self._chunks.append(rows)
            self._size += len(rows)

    def rows(self, replications: int) -> Rows:
        """The rows kept of the first `replications`, sorted by (replication, client, request)."""
        rows = np.concatenate([*self._chunks, np.empty(0, dtype=FAILURE_DTYPE)])
        rows = rows[rows["replication"] < replications]
        rows = rows[self._lowest(_group(rows), rows["hash"])]
        return rows[np.lexsort((rows["request"], rows["client"], rows["replication"]))]

    def _lowest(self, group: npt.NDArray[np.int64], hash_: UInt64) -> npt.NDArray[np.int64]:
        """Places of the `cap` smallest hashes of each group; remembers where a full group ends."""
        keep = np.ones(len(group), dtype=bool)
        for one in np.flatnonzero(np.bincount(group) > self.cap).tolist():
            own = np.flatnonzero(group == one)
            order = np.argpartition(hash_[own], self.cap - 1)
            self._highest[one] = hash_[own[order[self.cap - 1]]]
            keep[own[order[self.cap :]]] = False
        return np.flatnonzero(keep)


def _group(rows: Rows) -> npt.NDArray[np.int64]:
    client = rows["client"].astype(np.int64)
    group: npt.NDArray[np.int64] = (client * len(Outcome) + rows["outcome"]) * len(Cause) + rows["cause"]
    return group
