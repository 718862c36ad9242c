"""Both engines on one scenario, with random windows and slots: equal, or what differs first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Cause, Outcome
from svcsim.errors import EngineMismatch
from svcsim.results.raw import Replication
from svcsim.rng import Purpose, key64, u64_at
from svcsim.scenario import Scenario
from svcsim.simulation import run_replication

__all__ = ["Agreement", "compare_records", "crosscheck", "rule_of"]

_RULES = {
    Outcome.OPEN: "R3",
    Outcome.OK: "R15",
    Outcome.REFUSED: "R10",
    Outcome.UNREACHABLE: "R10",
    Outcome.CONNECT_TIMEOUT: "R8",
    Outcome.RESET: "R14",
    Outcome.EOF: "R14",
    Outcome.REQUEST_TIMEOUT: "R15",
    Outcome.REJECTED: "R13",
    Outcome.MISDELIVERED: "R10",
    Outcome.DNS_FAILURE: "R7",
    Outcome.NOT_SENT: "R7",
}
_COLUMN_RULES = {
    "client": "R3",
    "request": "R3",
    "source": "R4",
    "arrival_ns": "R3",
    "attempts": "R22",
    "attempt_ns": "R22",
    "entry": "R20",
    "observer": "R6",
    "version": "R6",
    "server": "R5",
    "syns": "R8",
    "connected_ns": "R13",
    "start_ns": "R13",
}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What was compared, all of it equal. outcomes: number of requests by (outcome, cause)."""

    requests: int
    replications: int
    windows: int
    outcomes: dict[tuple[str, str], int]


def rule_of(outcome: int, cause: int) -> str:
    """The rule of the contract that settles a request so."""
    if outcome == Outcome.REFUSED and cause in (Cause.NO_ENDPOINT, Cause.NOT_YET_PROGRAMMED):
        return "R7"
    if outcome == Outcome.UNREACHABLE and cause == Cause.NOT_ROUTED:
        return "R6"
    return _RULES[Outcome(outcome)]


def compare_records(reference: npt.NDArray[Any], vectorised: npt.NDArray[Any]) -> None:
    """Raise `EngineMismatch` with the first differing request, both values and the rule.

    Both RECORD_DTYPE, sorted by (client, request).
    """
    n = min(len(reference), len(vectorised))
    names = reference.dtype.names or ()
    differ = np.zeros(n, dtype=bool)
    for name in names:
        differ |= reference[name][:n] != vectorised[name][:n]
    if differ.any():
        at = int(np.argmax(differ))
        a, b = reference[at], vectorised[at]
        name = next(name for name in names if a[name] != b[name])
        rule = _COLUMN_RULES.get(name) or rule_of(int(a["outcome"]), int(a["cause"]))
        raise EngineMismatch(
            f"client {a['client']}, request {a['request']}: {name} is {_said(name, a)} in the reference "
            f"engine and {_said(name, b)} in the vectorised engine (rule {rule})"
        )
    if len(reference) != len(vectorised):
        longer = reference if len(reference) > n else vectorised
        which = "reference" if len(reference) > n else "vectorised"
        raise EngineMismatch(
            f"client {longer['client'][n]}, request {longer['request'][n]}: only the {which} engine has it "
            "(rule R3)"
        )


def _said(name: str, row: Any) -> str:
    value = int(row[name])
    if name == "outcome":
        return Outcome(value).name.lower()
    if name == "cause":
        return Cause(value).name.lower()
    return str(value)


def crosscheck(scenario: Scenario, *, seed: int = 1, replications: int = 1) -> Agreement:
    """Run both engines on the same draws and compare every request, every load count and every tally.

    Each engine gets its own random window cuts and slot size, so that their independence is checked as well.

    Raises:
        EngineMismatch: the first difference.
    """
    topology = Topology.of(scenario)
    requests = windows = 0
    outcomes: dict[tuple[str, str], int] = {}
    for replication in range(replications):
        runs: list[Replication] = []
        for k in range(2):
            key = key64(seed, replication, Purpose.CHECK, f"crosscheck/{k}")
            n = u64_at(key, 0) % 9
            cuts = sorted(u64_at(key, 1 + i) % scenario.duration_ns for i in range(n))
            windows += n + 1
            slot = (1, 13, 1000, 65536)[u64_at(key, 100) % 4]
            runs.append(
                run_replication(
                    topology,
                    seed=seed,
                    replication=replication,
                    engine="reference" if k == 0 else "vectorised",
                    keep_requests=True,
                    slot=max(slot, 13) if k else slot,
                    cuts=cuts,
                )
            )
        a, b = runs
        assert a.requests is not None and b.requests is not None
        compare_records(a.requests, b.requests)
        for name in ("counts", "histogram", "retries", "reused", "load"):
            if not np.array_equal(getattr(a, name), getattr(b, name)):
                raise EngineMismatch(
                    f"replication {replication}: the engines' {name} differ (rules R3, R13, R15)"
                )
        requests += len(a.requests)
        pairs, number = np.unique(a.requests[["outcome", "cause"]], return_counts=True)
        for (outcome, cause), count in zip(pairs, number, strict=True):
            place = (Outcome(int(outcome)).name.lower(), Cause(int(cause)).name.lower())
            outcomes[place] = outcomes.get(place, 0) + int(count)
    return Agreement(requests=requests, replications=replications, windows=windows, outcomes=outcomes)
