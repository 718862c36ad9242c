"""The question, frozen: a cluster, its applications, clients, events and lag, from YAML or from Python."""

from svcsim.scenario.build import scenario
from svcsim.scenario.defaults import DEFAULTS, LAG_KEYS, Default, defaults_table
from svcsim.scenario.events import (
    NODE_EVENTS,
    REGISTRY,
    Cordon,
    Crash,
    Delete,
    Drain,
    Event,
    Fail,
    Kill,
    NodeEvent,
    Partition,
    PauseController,
    Rate,
    Recover,
    Rollout,
    Scale,
    StartProxy,
    StopProxy,
    Uncordon,
    Unready,
    Upgrade,
)
from svcsim.scenario.files.jsonschema import json_schema
from svcsim.scenario.files.reading import load_scenario, parse_scenario
from svcsim.scenario.frommanifests import scenario_from_manifests
from svcsim.scenario.model import (
    FROM_OUTSIDE,
    Client,
    Cluster,
    Dns,
    Eject,
    KubeProxy,
    LoadBalancer,
    Node,
    Retry,
    VanishedIP,
    WorkloadBehaviour,
)
from svcsim.scenario.scenario import Scenario

__all__ = [
    "DEFAULTS",
    "FROM_OUTSIDE",
    "LAG_KEYS",
    "NODE_EVENTS",
    "REGISTRY",
    "Client",
    "Cluster",
    "Cordon",
    "Crash",
    "Default",
    "Delete",
    "Dns",
    "Drain",
    "Eject",
    "Event",
    "Fail",
    "Kill",
    "KubeProxy",
    "LoadBalancer",
    "Node",
    "NodeEvent",
    "Partition",
    "PauseController",
    "Rate",
    "Recover",
    "Retry",
    "Rollout",
    "Scale",
    "Scenario",
    "StartProxy",
    "StopProxy",
    "Uncordon",
    "Unready",
    "Upgrade",
    "VanishedIP",
    "WorkloadBehaviour",
    "build_scenario",
    "defaults_table",
    "json_schema",
    "load_scenario",
    "parse_scenario",
    "scenario",
    "scenario_from_manifests",
]

build_scenario = scenario
"""The name under which `svcsim` has it, whose `scenario` is this package."""
