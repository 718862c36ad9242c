"""Runs of the control plane alone, every lag constant, with a log of what controllers wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from svcsim import parse_scenario
from svcsim.controlplane import ControlPlane, ControlRun
from svcsim.controlplane.lags import Dice
from svcsim.controlplane.topology import Topology
from svcsim.dataplane.contract import Ask, Job, JobResult, Window
from svcsim.scenario import LAG_KEYS

__all__ = ["Idle", "Story", "deployment", "service"]

CONSTANT = {stage: {"constant": "10ms"} for stage in LAG_KEYS if stage not in ("load", "pull")}


class Idle:
    """A data plane without traffic: every drain ends at once."""

    def __init__(self) -> None:
        self.until_ns = 0

    def advance(self, window: Window) -> None:
        self.until_ns = window.until_ns

    def ask(self, server: int, what: Ask) -> int:
        return self.until_ns if what == Ask.DRAIN_END else 0

    def inject(self, job: Job) -> None:
        raise AssertionError("nothing injects here")

    def job(self, job: int) -> JobResult:
        raise AssertionError("nothing injects here")


def deployment(
    replicas: int, *, strategy: dict | None = None, container: dict | None = None, **spec: Any
) -> dict:
    """A Deployment `web`; `container` fields are added to its one container."""
    pod = {
        "terminationGracePeriodSeconds": 30,
        "containers": [
            {"name": "app", "image": "i", "ports": [{"containerPort": 80}], **(container or {})},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": strategy or {},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
            **spec,
        },
    }


def service(**spec: Any) -> dict:
    """A Service `web`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec},
    }


@dataclass
class Story:
    """One run: `sizes` are (revision, replicas) as the Deployment controller wrote them, in order."""

    manifests: list[dict]
    events: list[dict]
    duration: str = "60s"
    workloads: dict = field(default_factory=dict)
    cluster: dict = field(default_factory=dict)
    lag: dict = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def run(self, *, seed: int = 1, cuts: tuple[int, ...] = ()) -> ControlRun:
        document = {
            "manifests": self.manifests,
            "duration": self.duration,
            "cluster": {
                "nodes": 3,
                "lag": {**CONSTANT, "load": {"constant": 1}, **self.lag},
                **self.cluster,
            },
            "workloads": self.workloads,
            "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 1}],
            "events": self.events,
        }
        topology = Topology.of(parse_scenario(json.dumps(document)))
        plane = ControlPlane(topology, Dice(topology.scenario.lag, seed, 0), Idle())
        resize, create = plane.deployments._resize, plane.new_replica_set

        def logged_resize(owner, rs, replicas):
            if rs.replicas != replicas:
                self.sizes.append((rs.revision, replicas))
            resize(owner, rs, replicas)

        def logged_create(owner, replicas):
            self.sizes.append((owner.revision, replicas))
            return create(owner, replicas)

        plane.deployments._resize = logged_resize
        plane.new_replica_set = logged_create
        return plane.run(cuts)
