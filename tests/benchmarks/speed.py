"""What is timed: the yardstick, the headline scenario in both engines, a SimPy program, replications."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import simpy

from svcsim import load_scenario
from svcsim.controlplane.topology import Topology
from svcsim.simulation import run_replication

__all__ = ["Figure", "headline", "measure", "simpy_program", "yardstick_ns"]

HERE = Path(__file__).parent
BUFFER = 1 << 16


@dataclass(frozen=True)
class Figure:
    """One figure: `ratio` is machine independent, against what `ratio_to` names."""

    name: str
    value: float
    unit: str
    ratio: float
    ratio_to: str


def yardstick_ns(rounds: int = 160) -> float:
    """Nanoseconds to draw two standard exponentials and one uint32 into reused 64k buffers (SFC64)."""
    rng = np.random.Generator(np.random.SFC64(1))
    first, second = np.empty(BUFFER), np.empty(BUFFER)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(rounds // 5):
            rng.standard_exponential(out=first)
            rng.standard_exponential(out=second)
            rng.integers(0, 1 << 32, dtype=np.uint32, size=BUFFER)
        best = min(best, (time.perf_counter() - began) / (rounds // 5))
    return best / BUFFER * 1e9


def headline(engine: str = "vectorised", *, rate: str = "100k/s", repeats: int = 3) -> tuple[float, int]:
    """(ns per request in the data plane, requests) of the headline scenario; the best of some repeats."""
    scenario = load_scenario(HERE / "headline.yaml").with_value("clients.vip.rate", rate)
    topology = Topology.of(scenario)
    run_replication(Topology.of(scenario.with_value("clients.vip.rate", "10/s")), seed=1, replication=0)
    best = float("inf")
    requests = 0
    for _ in range(repeats):
        run = run_replication(topology, seed=1, replication=0, engine=engine)  # type: ignore[arg-type]
        requests = int(run.counts.sum())
        best = min(best, run.data_s)
    return best / requests * 1e9, requests


def simpy_program(requests: int = 100_000) -> float:
    """ns per request of an idiomatic SimPy program of the same queue: a process per request, 100 servers."""
    rng = np.random.Generator(np.random.SFC64(1))
    env = simpy.Environment()
    pods = [simpy.Resource(env, capacity=1) for _ in range(100)]
    latencies: list[float] = []

    def request(pod: simpy.Resource, service: float):
        arrived = env.now
        with pod.request() as place:
            yield place
            yield env.timeout(service)
        latencies.append(env.now - arrived)

    def arrivals():
        for _ in range(requests):
            yield env.timeout(rng.exponential(1e-5))
            env.process(request(pods[rng.integers(100)], rng.exponential(0.6e-3)))

    env.process(arrivals())
    began = time.perf_counter()
    env.run()
    return (time.perf_counter() - began) / requests * 1e9


def measure() -> list[Figure]:
    """All figures."""
    yardstick = yardstick_ns()
    fast, _ = headline()
    reference, _ = headline("reference", rate="1k/s", repeats=1)
    program = simpy_program()
    return [
        Figure("yardstick", yardstick, "ns/request", 1.0, "yardstick"),
        Figure("vectorised engine, headline", fast, "ns/request", fast / yardstick, "yardstick"),
        Figure("reference engine, headline at 1k/s", reference, "ns/request", reference / fast, "vectorised"),
        Figure("SimPy process per request", program, "ns/request", program / fast, "vectorised"),
    ]


def as_dicts(figures: list[Figure]) -> list[dict]:
    """Figures as plain mappings."""
    return [asdict(figure) for figure in figures]
