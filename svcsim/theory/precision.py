"""How many customers a simulated M/M/1 mean wait needs, and how long its start is felt."""

from __future__ import annotations

import math

from svcsim.errors import ScenarioError
from svcsim.theory.checks import load, nonnegative

__all__ = ["customers_for_half_width", "relaxation_time", "wait_asymptotic_variance"]


def wait_asymptotic_variance(rho: float, service_s: float = 1.0) -> float:
    """Return lim n Var(mean of n consecutive M/M/1 waits), seconds squared.

    Source: Daley, J. Austral. Math. Soc. 8 (1968); Whitt, Management Science 35 (1989).

    >>> round(wait_asymptotic_variance(0.8), 6)
    1976.0
    """
    rho = load(rho, 1.0)
    return rho * (2.0 + 5.0 * rho - 4.0 * rho**2 + rho**3) / (1.0 - rho) ** 4 * service_s**2


def customers_for_half_width(rho: float, relative: float, z: float = 1.959963984540054) -> int:
    """Return how many customers give the M/M/1 mean wait a confidence interval of this relative half width.

    Args:
        rho: load, above 0 and below 1.
        relative: half width over the mean wait, such as 0.05.
        z: normal quantile of the level; 95% by default.

    >>> f"{customers_for_half_width(0.9, 0.05):.1e}"
    '6.8e+05'
    """
    if not (relative > 0.0 and rho > 0.0):
        raise ScenarioError(f"relative = {relative!r} and rho = {rho!r} must be > 0")
    wait = load(rho, 1.0) / (1.0 - rho)
    return math.ceil(z**2 * wait_asymptotic_variance(rho) / (relative * wait) ** 2)


def relaxation_time(rho: float, service_s: float = 1.0) -> float:
    """Return the time constant in seconds with which M/M/1 forgets its start.

    Source: Cohen, The Single Server Queue, 1982.

    >>> round(relaxation_time(0.9))
    380
    """
    return nonnegative("service_s", service_s) / (1.0 - math.sqrt(load(rho, 1.0))) ** 2
