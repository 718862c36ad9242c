"""One written value to one resolved value, with the field in the complaint."""

from __future__ import annotations

import re
from fractions import Fraction

from msgspec import UNSET, UnsetType

from svcsim.clock import parse_duration, parse_rate
from svcsim.distributions import Distribution, from_spec
from svcsim.errors import ScenarioError
from svcsim.kube.quantities import parse_quantity
from svcsim.scenario.files.place import Where
from svcsim.scenario.model import MAX_CORES, MAX_RATE_PER_S

__all__ = ["cores", "kernel", "kubernetes_minor", "law", "limit_ns", "positive_ns", "rate_per_s", "span_ns"]

OLDEST_MINOR, NEWEST_MINOR = 30, 36
_KUBERNETES = re.compile(r"v?1\.([0-9]{1,3})(\.[0-9]+)?([-+].*)?")
_KERNEL = re.compile(r"([0-9]{1,3})\.([0-9]{1,4})([.-].*)?")


def span_ns(value: str | float, where: Where) -> int:
    """Return a duration, zero allowed."""
    return where.read(lambda: parse_duration(value))


def positive_ns(value: str | float, where: Where) -> int:
    """Return a duration of at least one nanosecond."""
    ns = span_ns(value, where)
    if ns == 0:
        raise where.error(value, "must be > 0 (at least 1ns)")
    return ns


def limit_ns(value: str | float, where: Where) -> int | None:
    """Return a time limit; `none` is no limit."""
    return None if value == "none" else positive_ns(value, where)


def cores(value: str | float, where: Where) -> Fraction:
    """Return a quantity of cores, zero allowed."""
    amount = where.read(lambda: parse_quantity(value))
    if not 0 <= amount <= MAX_CORES:
        raise where.error(value, f"must be from 0 to {MAX_CORES} cores")
    return amount


def rate_per_s(value: str | float, where: Where, *, zero: bool = False) -> float:
    """Return a rate above zero, or with `zero` one that may be zero."""
    rate = where.read(lambda: parse_rate(value))
    if rate == 0 and not zero:
        raise where.error(value, "must be > 0 and at most 100M/s")
    if rate > MAX_RATE_PER_S:
        raise where.error(value, f"must be {'at' if zero else '> 0 and at'} most 100M/s")
    return rate


def law(spec: object, where: Where) -> Distribution:
    """Return a distribution; its complaints name the field inside it."""
    try:
        return from_spec(spec, path=str(where))
    except ScenarioError as error:
        raise where.problem(str(error)) from None


def kubernetes_minor(text: str | UnsetType, where: Where, otherwise: int) -> int:
    """Return the minor version of `1.34`, `v1.34` or `1.34.2`."""
    if text is UNSET:
        return otherwise
    match = _KUBERNETES.fullmatch(text)
    if match is None or not OLDEST_MINOR <= int(match[1]) <= NEWEST_MINOR:
        raise where.error(text, f"must be a version from 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}")
    return int(match[1])


def kernel(text: str | UnsetType, where: Where, otherwise: tuple[int, int]) -> tuple[int, int]:
    """Return major and minor version of a Linux kernel, `6.8` or `5.15.0-105-generic`."""
    if text is UNSET:
        return otherwise
    match = _KERNEL.fullmatch(text)
    if match is None:
        raise where.error(text, 'must be a Linux version such as "6.8" or "5.15.0-105-generic"')
    return int(match[1]), int(match[2])
