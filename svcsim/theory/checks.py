"""Argument checks and a root finder that the closed forms share."""

from __future__ import annotations

import math
from collections.abc import Callable

from svcsim.errors import ScenarioError

__all__ = ["bisect", "count", "level", "load", "nonnegative", "per_endpoint"]


def nonnegative(name: str, value: float) -> float:
    """Return a finite value >= 0, or refuse it."""
    if not (math.isfinite(value) and value >= 0):
        raise ScenarioError(f"{name} = {value!r} must be finite and >= 0")
    return float(value)


def count(name: str, value: int, least: int = 1) -> int:
    """Return a whole number >= ``least``, or refuse it."""
    if isinstance(value, bool) or value != int(value) or value < least:
        raise ScenarioError(f"{name} = {value!r} must be a whole number >= {least}")
    return int(value)


def level(name: str, value: float) -> float:
    """Return a probability in [0, 1), or refuse it."""
    if not 0.0 <= value < 1.0:
        raise ScenarioError(f"{name} = {value!r} must be in [0, 1)")
    return float(value)


def load(arrivals_per_s: float, service_s: float, servers: int = 1) -> float:
    """Return rho, the load of each server, refusing one without a steady state."""
    if not (math.isfinite(service_s) and service_s > 0.0):
        raise ScenarioError(f"service_s = {service_s!r} must be finite and > 0")
    rho = nonnegative("arrivals_per_s", arrivals_per_s) * service_s
    rho /= count("servers", servers)
    if rho >= 1.0:
        raise ScenarioError(f"load = {rho!r} must be < 1: at or above it the queue grows without end")
    return rho


def per_endpoint(rate_per_s: float, listed: int) -> float:
    """Return the rate that one of n equally likely endpoints gets."""
    return nonnegative("rate_per_s", rate_per_s) / count("listed", listed)


def bisect(f: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of an increasing ``f`` within the bracket, to the last bit that halving can reach."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if f(middle) < 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
