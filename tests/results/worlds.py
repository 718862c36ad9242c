"""What the tests of results start from: small scenarios, and histories written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import svcsim.scenario
from svcsim.controlplane import ControlRun
from svcsim.controlplane.endpointslices import Change
from svcsim.controlplane.observers import Adoptions
from svcsim.dataplane.contract import (
    NEVER,
    RECORD_DTYPE,
    Cause,
    ClientPlan,
    OnEmpty,
    Outcome,
    Reach,
    Resolve,
)
from svcsim.scenario import Scenario, parse_scenario
from svcsim.timeline import Histories, Timeline

__all__ = ["SECOND", "client_plan", "control_run", "histories", "question", "record"]

SECOND = 1_000_000_000
EXAMPLES = Path(svcsim.scenario.__file__).parent / "examples"

DOCUMENT = """
name: small rollout
manifests: [web.yaml]
duration: 40s
cluster: {kubernetes: "1.34", nodes: 3, kubeProxy: {mode: iptables, minSyncPeriod: 1s}}
workloads:
  deployment/web:
    startup: {lognormal: {median: 1s, p99: 3s}}
    serviceTime: {exponential: {mean: 20ms}}
clients:
  - {name: vip, to: service/web, via: cluster-ip, rate: 100/s, sources: 6}
events:
  - {at: 5s, rollout: deployment/web}
"""


def question(**changes: Any) -> Scenario:
    """The small rollout, whole sections of its document replaced."""
    document = {**yaml.safe_load(DOCUMENT), **changes}
    return parse_scenario(yaml.safe_dump(document), base=EXAMPLES)


def histories(
    servers: int,
    truth: Iterable[tuple[int, int, int]],
    versions: Sequence[Sequence[int]],
    beliefs: Iterable[tuple[int, int, int, int]],
    until: int,
) -> Histories:
    """Histories by hand: truth rows (t, server, kind), beliefs (t, observer, view, version)."""
    timeline = Timeline()
    for _ in range(servers):
        timeline.add_server(0, (0,))
    for version in versions:
        timeline.number(timeline.add_version(tuple(version)))
    for row in truth:
        timeline.truth(*row)
    for t, observer, view, version in beliefs:
        timeline.belief(t, observer, view, version)
    timeline.hand_over(until)
    return timeline.histories()


def control_run(
    written: Histories,
    changes: Sequence[tuple[int, int, int, list[tuple[int, int]]]] = (),
    observers: Sequence[int] = (),
    adoptions: Sequence[Sequence[tuple[int, int, int]]] = (),
) -> ControlRun:
    """A control plane's record.

    changes: (visible, sync, written, versions). adoptions: for each change, (received, sync start, committed)
    of each observer.
    """
    shape = (len(changes), len(observers), 3)
    table = np.array(adoptions, dtype=np.int64).reshape(shape)
    nothing = np.empty((0, 0), dtype=np.int64)
    return ControlRun(
        histories=written,
        pods=[],
        servers=[],
        changes=[
            Change(service=0, visible_ns=v, sync_ns=s, write_ns=w, versions=versions)
            for v, s, w, versions in changes
        ],
        slice_adoptions=Adoptions(
            observers=np.array(observers, dtype=np.int64),
            received=table[:, :, 0],
            sync_start=table[:, :, 1],
            committed=table[:, :, 2],
        ),
        pod_changes=[],
        pod_adoptions=Adoptions(
            observers=np.empty(0, dtype=np.int64), received=nothing, sync_start=nothing, committed=nothing
        ),
        scalings=[],
        warnings=[],
    )


def client_plan(**changes: Any) -> ClientPlan:
    """A client of view 0 through observer 0, fresh connections, no limits."""
    usual: dict[str, Any] = {
        "name": "c",
        "view": 0,
        "reach": Reach.BELIEF,
        "on_empty": OnEmpty.REJECT,
        "resolve": Resolve.ONCE,
        "resolve_period_ns": 0,
        "resolver": -1,
        "phase_ns": np.zeros(1, dtype=np.int64),
        "observer_of_source": np.zeros(1, dtype=np.int32),
        "icmp_limited": False,
        "connect_timeout_ns": NEVER,
        "request_timeout_ns": NEVER,
        "ladder_ns": np.array([1, 2, 4], dtype=np.int64) * SECOND,
        "repick_key": 1,
        "resolve_key": 2,
    }
    observers = changes.get("observer_of_source", usual["observer_of_source"])
    for name in ("entry_of_source", "node_of_source"):
        usual[name] = np.full(len(observers), -1, dtype=np.int32)
    return ClientPlan(**{**usual, **changes})


def record(arrival: int, **columns: Any) -> np.ndarray:
    """One record, refused at once by server 0 of a stale list unless told otherwise."""
    row = np.zeros(1, dtype=RECORD_DTYPE)
    usual = {
        "arrival_ns": arrival,
        "attempts": 1,
        "attempt_ns": arrival,
        "syns": 1,
        "connected_ns": -1,
        "start_ns": -1,
        "end_ns": arrival,
        "outcome": Outcome.REFUSED,
        "cause": Cause.STALE_ENDPOINT,
    }
    for name, value in {**usual, **columns}.items():
        row[name] = value
    return row
