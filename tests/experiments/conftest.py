"""The experiments as modules; they are programs, outside the package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def _module(name: str) -> ModuleType:
    sys.path.insert(0, str(EXPERIMENTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXPERIMENTS))


@pytest.fixture(scope="session")
def cells() -> ModuleType:
    return _module("_cells")


@pytest.fixture(scope="session")
def pod_ip_vs_vip() -> ModuleType:
    return _module("pod_ip_vs_vip")


@pytest.fixture(scope="session")
def endpoint_lag() -> ModuleType:
    return _module("endpoint_lag")


@pytest.fixture(scope="session")
def against_real_cluster() -> ModuleType:
    return _module("against_real_cluster")


@pytest.fixture(scope="session")
def node_failure() -> ModuleType:
    return _module("node_failure")


@pytest.fixture(scope="session")
def hpa() -> ModuleType:
    return _module("hpa")


@pytest.fixture(scope="session")
def keepalive_race() -> ModuleType:
    return _module("keepalive_race")


@pytest.fixture(scope="session")
def long_lived() -> ModuleType:
    return _module("long_lived")


@pytest.fixture(scope="session")
def probe_collapse() -> ModuleType:
    return _module("probe_collapse")


@pytest.fixture(scope="session")
def rollout_knobs() -> ModuleType:
    return _module("rollout_knobs")


@pytest.fixture(scope="session")
def topology_hints() -> ModuleType:
    return _module("topology_hints")


@pytest.fixture(scope="session")
def proxy_modes() -> ModuleType:
    return _module("proxy_modes")


@pytest.fixture(scope="session")
def consistent_hashing() -> ModuleType:
    return _module("consistent_hashing")


@pytest.fixture(scope="session")
def service_types() -> ModuleType:
    return _module("service_types")


@pytest.fixture(scope="session")
def load_aware() -> ModuleType:
    return _module("load_aware")


@pytest.fixture(scope="session")
def retry_storm() -> ModuleType:
    return _module("retry_storm")


@pytest.fixture(scope="session")
def session_affinity() -> ModuleType:
    return _module("session_affinity")


@pytest.fixture(scope="session")
def udp_conntrack() -> ModuleType:
    return _module("udp_conntrack")
