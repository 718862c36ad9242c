"""What one replication leaves behind, before it becomes tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.controlplane import ControlRun
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Plan

__all__ = ["Replication"]


@dataclass(frozen=True, kw_only=True)
class Replication:
    """One replication.

    counts: int64 (n_clients, n_outcomes, n_causes), outcome OPEN for what was not settled at the end.
    histogram: int64 (n_clients, HIST_BINS), latencies of OK requests, 64 bins to an octave of nanoseconds.
    retries, reused: int64 (n_clients,), attempts beyond the first of a request, and attempts on a connection
    that was there.
    load: int32 (n_servers, seconds), connections accepted.
    failures: RECORD_DTYPE, every request that ended in anything but OK (NOT_SENT and OPEN included), sorted
    by (client, request). requests: all of them, or None if they were not kept.
    control_s, data_s: wall-clock seconds spent in each plane.
    """

    index: int
    topology: Topology
    plan: Plan
    counts: npt.NDArray[np.int64]
    histogram: npt.NDArray[np.int64]
    retries: npt.NDArray[np.int64]
    reused: npt.NDArray[np.int64]
    load: npt.NDArray[np.int32]
    failures: npt.NDArray[Any]
    requests: npt.NDArray[Any] | None
    control: ControlRun
    control_s: float
    data_s: float
