"""Stages of lag of each pod: as recorded, and as simulated where relists fall as they fell in the recording.

The testbed's script waits for what kubelets do before it acts, so in all its runs the relists of all nodes
come .2 to .7 s after the action, where a cluster's come at any time. That phase is not a lag but decides
some (a pod that starts just after a relist is probed late), so replications are compared whose relists come
as the run's did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from svcsim.controlplane.lags import Dice
from svcsim.controlplane.objects import Pod
from svcsim.controlplane.plane import ControlRun
from svcsim.controlplane.topology import Topology
from svcsim.rng import Purpose
from svcsim.scenario import Scenario
from svcsim.simulation import run_replication
from tests.reality.measured import Run
from tests.reality.predict import scenario_of

__all__ = ["ROOT", "STAGES", "Stages", "recorded", "simulated"]

ROOT = Path(__file__).parents[3] / "shared" / "groundtruth" / "runs"
SEED = 20261125
CLIENT_NODE = "n4"
PHASES_APART_S = 0.12
STAGES = (
    "deletion to slice",
    "slice to rules",
    "listen to Ready",
    "Ready to rules",
    "exit to object gone",
)

Stages = dict[str, list[float]]


@cache
def _analysis(name: str) -> dict:
    return json.loads((ROOT / name / "analysis.json").read_text())


def recorded(name: str) -> Stages:
    """Seconds, one to a pod that came or went after the action."""
    found: Stages = {stage: [] for stage in STAGES}

    def note(stage: str, end: float | None, start: float | None) -> None:
        if end is not None and start is not None:
            found[stage].append(end - start)

    for pod in _analysis(name)["terminated"]:
        slice_s = pod.get("eps_terminating")
        note(STAGES[0], slice_s, 0.0)
        note(STAGES[1], pod["rules_del"].get(CLIENT_NODE), slice_s)
        note(STAGES[4], pod.get("deleted"), pod.get("container_exit"))
    for pod in _analysis(name)["created"]:
        ready_s = pod.get("ready")
        note(STAGES[2], ready_s, pod.get("app_listen"))
        note(STAGES[3], pod.get("rules_add", {}).get(CLIENT_NODE), ready_s)
    return found


def relists_of(name: str) -> dict[str, float]:
    """When in a second each node's kubelet relists: it probes a starting pod at once then."""
    seen: dict[str, list[float]] = {}
    for pod in _analysis(name)["created"]:
        if pod.get("first_ok_probe") is not None:
            seen.setdefault(pod["node"], []).append((pod["t_added"] + pod["first_ok_probe"]) % 1)
    return {node: float(np.median(phases)) for node, phases in seen.items()}


def _alike(scenario: Scenario, relists: dict[str, float]) -> Iterator[int]:
    """Replications whose relists come as the recording's, in order."""
    replication = 0
    while True:
        dice = Dice(scenario.lag, SEED, replication)
        apart = (
            abs((dice.unit(Purpose.PHASE, f"relist/{node}") - phase + 0.5) % 1 - 0.5)
            for node, phase in relists.items()
        )
        if all(each < PHASES_APART_S for each in apart):
            yield replication
        replication += 1


def simulated(run: Run, folder: Path, replications: int) -> list[Stages]:
    """The stages of each replication from manifests alone, all with the run's own relist phases."""
    scenario = scenario_of(run, folder)
    topology = Topology.of(scenario)
    alike = _alike(scenario, relists_of(run.name))
    action_ns = round(run.actions[0][0] * 1e9)
    return [
        _stages(run_replication(topology, seed=SEED, replication=next(alike)).control, scenario, action_ns)
        for _ in range(replications)
    ]


def _stages(control: ControlRun, scenario: Scenario, action_ns: int) -> Stages:
    found: Stages = {stage: [] for stage in STAGES}
    node = [one.name for one in scenario.cluster.nodes].index(CLIENT_NODE)
    for pod in control.pods:
        run = pod.containers[0]
        if pod.deleted_ns > 0:
            # the first write that read the pods after the deletion says it
            write_ns = next((c.write_ns for c in control.changes if c.sync_ns >= pod.deleted_ns), None)
            if write_ns is not None:
                found[STAGES[0]].append((write_ns - pod.deleted_ns) / 1e9)
                off_ns = _rules(control, node, pod, pod.deleted_ns, listed=False)
                found[STAGES[1]] += [] if off_ns is None else [(off_ns - write_ns) / 1e9]
            if pod.gone_ns >= 0 and run.ended_ns >= 0:
                found[STAGES[4]].append((pod.gone_ns - run.ended_ns) / 1e9)
        if pod.created_ns >= action_ns and pod.ready_since_ns > 0:
            found[STAGES[2]].append((pod.ready_since_ns - run.listening_ns) / 1e9)
            on_ns = _rules(control, node, pod, pod.ready_since_ns, listed=True)
            found[STAGES[3]] += [] if on_ns is None else [(on_ns - pod.ready_since_ns) / 1e9]
    return found


def _rules(control: ControlRun, node: int, pod: Pod, from_ns: int, *, listed: bool) -> int | None:
    """When the node's rules first had, or no longer had, a pod's server, from an instant on."""
    histories = control.histories
    server = pod.containers[0].server
    of_node = (histories.belief_observer == node) & (histories.belief_t >= from_ns)
    for t, version in zip(histories.belief_t[of_node], histories.belief_version[of_node], strict=True):
        if (version >= 0 and server in histories.versions[version]) is listed:
            return int(t)
    return None
