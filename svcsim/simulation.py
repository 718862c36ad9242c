"""Scenario -> result: the one place where the two planes meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from svcsim.controlplane import ControlPlane
from svcsim.controlplane.lags import Dice
from svcsim.controlplane.recorded import check_recording, plane_of
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Ask, Cause, DataPlane, Job, JobResult, Outcome, Plan, Window
from svcsim.dataplane.demand import rate_curve
from svcsim.dataplane.draws import DRAW_BLOCK, ClientDraws
from svcsim.dataplane.loops import LoopDraws
from svcsim.dataplane.reference import ReferenceEngine
from svcsim.dataplane.vectorised import VectorisedEngine
from svcsim.dataplane.vectorised.engine import Keep
from svcsim.distributions import Distribution
from svcsim.errors import ScenarioError
from svcsim.results.collect import Collector
from svcsim.results.frames import result_of
from svcsim.results.raw import Replication
from svcsim.results.result import Result
from svcsim.scenario import Client, Scenario, load_scenario
from svcsim.timeline import Recording

__all__ = ["Engine", "client_draws", "run_replication", "simulate"]

Engine = Literal["vectorised", "reference"]


def simulate(
    scenario: Scenario | str | Path,
    *,
    seed: int = 1,
    replications: int = 20,
    engine: Engine = "vectorised",
    keep_requests: bool = False,
    trace: Iterable[int] = (0,),
    progress: Callable[[int, int], object] | None = None,
    recording: Recording | None = None,
) -> Result:
    """Run a scenario some times and return what happened as tables.

    Args:
        scenario: a scenario, or the path of its file.
        seed: same scenario, seed and semantics version, same tables.
        replications: how often it is run, each time with other dice; intervals need 5 or more.
        engine: `vectorised`, or `reference`, which gives the same slowly.
        keep_requests: keep a row of every request (table `requests`).
        trace: replications whose timeline, beliefs and load are kept.
        progress: called with (replications done, replications) after each.
        recording: churn from a recording of a real cluster, in place of events (`observed.read_recording`).

    Returns:
        The result. After a KeyboardInterrupt, that of the replications that were complete, with a warning.

    Raises:
        ScenarioError: an argument or the scenario breaks a rule.
        KeyboardInterrupt: it came before the first replication was complete.
    """
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise ScenarioError(f"replications = {replications!r} must be a whole number >= 1")
    if engine not in get_args(Engine):
        raise ScenarioError(f"engine = {engine!r} must be one of {', '.join(get_args(Engine))}")
    traced = frozenset(trace)
    beyond = sorted(k for k in traced if not 0 <= k < replications)
    if beyond:
        raise ScenarioError(f"trace = {beyond[0]} must be a replication: 0 .. {replications - 1}")
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario)
    if recording is not None:
        check_recording(scenario, recording)
    topology = Topology.of(scenario)
    collector = Collector(topology, trace=traced)
    notes: tuple[str, ...] = ()
    try:
        for k in range(replications):
            collector.fold(
                run_replication(
                    topology,
                    seed=seed,
                    replication=k,
                    engine=engine,
                    keep_requests=keep_requests,
                    recording=recording,
                )
            )
            if progress is not None:
                progress(k + 1, replications)
    except KeyboardInterrupt:
        done = collector.collected.replications
        if not done:
            raise
        notes = (f"interrupted: {done} of {replications} replications ran",)
    return result_of(collector, seed=seed, engine=engine, notes=notes)


def client_draws(
    topology: Topology, plan: Plan, dice: Dice, seed: int, replication: int
) -> list[ClientDraws]:
    """The draws of every client of a run."""
    scenario = topology.scenario
    draws = []
    for k, client in enumerate(scenario.clients):
        draws.append(
            ClientDraws(
                name=client.name,
                seed=seed,
                replication=replication,
                duration_ns=plan.duration_ns,
                curve=rate_curve(scenario, k, seed, replication),
                poisson=client.arrivals == "poisson",
                services=topology.groups_of_client(k),
                shares=topology.shares_of_client(k, dice),
                trace=client.trace,
                loop=_loop_draws(client, topology.groups_of_client(k), seed, replication),
            )
        )
    return draws


def _loop_draws(
    client: Client, services: dict[int, Distribution], seed: int, replication: int
) -> LoopDraws | None:
    """The draws of a client's users, None where it has none."""
    if client.loop is None:
        return None
    return LoopDraws(
        name=client.name,
        seed=seed,
        replication=replication,
        users=client.loop.users,
        think=client.loop.think,
        services=services,
    )


class _Timed:
    """A data plane that measures the time spent in it."""

    def __init__(self, engine: DataPlane) -> None:
        self._engine = engine
        self.seconds = 0.0

    def advance(self, window: Window) -> None:
        began = time.perf_counter()
        self._engine.advance(window)
        self.seconds += time.perf_counter() - began

    def ask(self, server: int, what: Ask) -> int:
        return self._engine.ask(server, what)

    def inject(self, job: Job) -> None:
        self._engine.inject(job)

    def job(self, job: int) -> JobResult:
        return self._engine.job(job)


def run_replication(
    topology: Topology,
    *,
    seed: int,
    replication: int,
    engine: Engine = "vectorised",
    keep_requests: bool = False,
    slot: int = DRAW_BLOCK,
    cuts: Iterable[int] = (),
    recording: Recording | None = None,
) -> Replication:
    """Run one replication, with its churn from events or from a recording.

    `cuts`: further instants (ns) at which the data plane is advanced; `slot`: requests drawn at a time.
    Neither changes the result.
    """
    began = time.perf_counter()
    dice = Dice(topology.scenario.lag, seed, replication)
    plan = topology.plan(dice)
    draws = client_draws(topology, plan, dice, seed, replication)
    rows: list[npt.NDArray[Any]] = []
    plane: type[ControlPlane] = ControlPlane if recording is None else plane_of(recording)
    if engine == "reference":
        reference = ReferenceEngine(plan, draws, slot=slot)
        timed = _Timed(reference)
        control = plane(topology, dice, timed).run(cuts)
        records = reference.finish()
        counts, histogram = _tallies(records, len(plan.clients))
        retries = np.array(reference.retries(), dtype=np.int64)
        reused = np.array(reference.reused(), dtype=np.int64)
        load = np.zeros((len(control.servers), plan.duration_ns // 1_000_000_000 + 1), dtype=np.int32)
        for (server, second), accepted in reference.load().items():
            load[server, second] = accepted
        requests = records if keep_requests else None
        failures = records[records["outcome"] != int(Outcome.OK)]
    else:
        fast = VectorisedEngine(
            plan,
            draws,
            slot=slot,
            keep=Keep.REQUESTS if keep_requests else Keep.FAILURES,
            on_records=rows.append,
        )
        timed = _Timed(fast)
        control = plane(topology, dice, timed).run(cuts)
        fast.flush()
        records = np.concatenate(rows)
        records = records[np.lexsort((records["request"], records["client"]))]
        counts, histogram, load = fast.counts, fast.latency_histogram, fast.load
        retries, reused = fast.retries, fast.reused
        requests = records if keep_requests else None
        failures = records[records["outcome"] != int(Outcome.OK)]
    return Replication(
        index=replication,
        topology=topology,
        plan=plan,
        counts=counts,
        histogram=histogram,
        retries=retries,
        reused=reused,
        load=load,
        failures=failures,
        requests=requests,
        control=control,
        control_s=time.perf_counter() - began - timed.seconds,
        data_s=timed.seconds,
    )


def _tallies(
    records: npt.NDArray[Any], n_clients: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts and latency histogram of records, as `Replication` has them."""
    counts = np.zeros((n_clients, len(Outcome), len(Cause)), dtype=np.int64)
    np.add.at(counts, (records["client"], records["outcome"], records["cause"]), 1)
    good = records[records["outcome"] == int(Outcome.OK)]
    latency = (good["end_ns"] - good["arrival_ns"]).astype(np.float64)
    place = np.maximum((latency.view(np.int64) >> 46) - (1023 << 6), 0)
    histogram = np.zeros((n_clients, 64 * 64), dtype=np.int64)
    np.add.at(histogram, (good["client"], place), 1)
    return counts, histogram
