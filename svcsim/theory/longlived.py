"""Where long-lived connections end up, how even a random choice is, and what a changed backend set moves.

Loads are relative to the mean over pods.
"""

from __future__ import annotations

import math

from svcsim.distributions import Distribution
from svcsim.errors import ScenarioError
from svcsim.theory.checks import count, nonnegative

__all__ = [
    "iptables_chain",
    "iptables_shares",
    "max_normal",
    "max_over_mean",
    "modulo_remap",
    "naive_chain_leak",
    "random_pick_cv",
    "remap_add",
    "remap_remove",
    "residual_cdf",
    "restart_loads",
    "scale_out_imbalance",
    "scale_out_newcomer",
    "stateless_broken_share",
    "unlearned_broken",
]


def residual_cdf(lifetime: Distribution | None, t: float) -> float:
    """Return F_e(t), the chance that a connection met at a random instant ends within t seconds.

    Args:
        lifetime: law of a connection's whole life; None is immortal.
        t: seconds.

    Source: equilibrium residual of a renewal process (Cox, Renewal Theory, 1962).

    >>> from svcsim.distributions import Constant
    >>> residual_cdf(Constant(60.0), 15.0), residual_cdf(None, 15.0)
    (0.25, 0.0)
    """
    nonnegative("t", t)
    if lifetime is None:
        return 0.0
    mean = lifetime.mean()
    return 1.0 - lifetime.mean_excess(t) / mean if mean else 1.0


def scale_out_imbalance(before: int, after: int, lifetime: Distribution | None, t: float) -> float:
    """Return the load of an old pod over the mean, t seconds after scaling n pods to m > n.

    1 + (m/n - 1)(1 - F_e(t)): only connections opened after the change see the new pods.

    >>> from svcsim.distributions import Exponential
    >>> round(scale_out_imbalance(5, 10, Exponential(1.0), 0.5), 4)
    1.6065
    """
    n, m = count("before", before), count("after", after)
    if m < n:
        raise ScenarioError(f"after = {m} must be >= before = {n}")
    return 1.0 + (m / n - 1.0) * (1.0 - residual_cdf(lifetime, t))


def scale_out_newcomer(lifetime: Distribution | None, t: float) -> float:
    """Return the load of a new pod over the mean, t seconds after a scale-out: F_e(t).

    >>> from svcsim.distributions import Constant
    >>> scale_out_newcomer(Constant(4.0), 1.0)
    0.25
    """
    return residual_cdf(lifetime, t)


def restart_loads(pods: int, *, surge: bool) -> list[float]:
    """Return each pod's load over the mean after a rolling restart, in the order of restarting.

    Every connection of a pod that goes reconnects to a uniformly chosen live pod and then stays. Without
    surge (n - 1 live pods meanwhile) the i-th has r^n - r^i with r = n/(n - 1); with a surge of one
    (1 + 1/n)^n - (1 + 1/n)^(i - 1).

    Args:
        pods: n >= 2 without surge, n >= 1 with it.
        surge: maxSurge 1 and maxUnavailable 0, otherwise the reverse.

    >>> [round(load, 3) for load in restart_loads(3, surge=False)]
    [1.875, 1.125, 0.0]
    """
    n = count("pods", pods, least=1 if surge else 2)
    if surge:
        ratio = 1.0 + 1.0 / n
        return [ratio**n - ratio ** (i - 1) for i in range(1, n + 1)]
    ratio = n / (n - 1.0)
    return [ratio**n - ratio**i for i in range(1, n + 1)]


def random_pick_cv(pods: int, connections: float) -> float:
    """Return the coefficient of variation of the load when C connections pick among n pods: sqrt((n - 1)/C).

    >>> random_pick_cv(10, 900)
    0.1
    """
    if not connections > 0:
        raise ScenarioError(f"connections = {connections!r} must be > 0")
    return math.sqrt((count("pods", pods) - 1) / connections)


def max_normal(n: int) -> float:
    """Return E[max of n independent standard normals], from the integral of x d(Phi(x)^n).

    The trapezoid rule is exact to about 12 digits, as for any smooth integrand that dies out at both ends.

    >>> [round(max_normal(n), 5) for n in (2, 10, 1000)]
    [0.56419, 1.53875, 3.24144]
    """
    n, step = count("n", n), 1.0 / 64.0
    total = 0.0
    for i in range(-12 * 64, 12 * 64 + 1):
        x = i * step
        below = 0.5 * math.erfc(-x / math.sqrt(2.0))
        total += x * n * math.exp(-0.5 * x * x) * below ** (n - 1)
    return total * step / math.sqrt(2.0 * math.pi)


def max_over_mean(pods: int, connections: float) -> float:
    """Return about E[largest load over the mean] when C connections pick at random among n pods.

    1 + max_normal(n) sqrt(n/C), the central limit: multinomial counts behave as independent normals less
    their common average, which has mean 0, so the factor is sqrt(n/C) although the coefficient of variation
    is sqrt((n - 1)/C). Counts are skewed and the truth is slightly above: for ten pods by 0.03 with 10
    connections per pod, by 0.002 with 100.

    >>> round(max_over_mean(10, 1000), 2)
    1.15
    """
    if not connections > 0:
        raise ScenarioError(f"connections = {connections!r} must be > 0")
    return 1.0 + max_normal(pods) * math.sqrt(count("pods", pods) / connections)


def iptables_chain(endpoints: int) -> list[str]:
    """Return the match probabilities of kube-proxy's service chain as written; the last rule has none.

    Rule i of n, counted from 0, has 1/(n - i) with ten decimals.

    Source: kubernetes pkg/proxy/iptables/proxier.go, computeProbability.

    >>> iptables_chain(4)
    ['0.2500000000', '0.3333333333', '0.5000000000']
    """
    n = count("endpoints", endpoints)
    return [f"{1.0 / (n - i):.10f}" for i in range(n - 1)]


def iptables_shares(endpoints: int) -> list[float]:
    """Return each endpoint's share of new connections under ``iptables_chain``; 1/n to better than 1e-9.

    >>> iptables_shares(2)
    [0.5, 0.5]
    """
    left, shares = 1.0, []
    for probability in [*map(float, iptables_chain(endpoints)), 1.0]:
        shares.append(left * probability)
        left -= shares[-1]
    return shares


def naive_chain_leak(endpoints: int) -> float:
    """Return what would fall through if each of n rules matched with 1/n: ((n - 1)/n)^n.

    >>> naive_chain_leak(2)
    0.25
    """
    n = count("endpoints", endpoints)
    return float(((n - 1) / n) ** n)


def modulo_remap(before: int, after: int) -> float:
    """Return the share of keys whose backend changes when hash mod n goes from a to b backends.

    1 - gcd(a, b)/max(a, b), from counting residues mod lcm(a, b).

    >>> round(modulo_remap(9, 10), 9), modulo_remap(4, 8)
    (0.9, 0.5)
    """
    a, b = count("before", before), count("after", after)
    return 1.0 - math.gcd(a, b) / max(a, b)


def remap_remove(backends: int) -> float:
    """Return the mean share of keys a consistent hash moves when one of n backends goes: 1/n.

    Source: Karger et al., STOC 1997 (ring); the same for rendezvous, jump and anchor hashing.

    >>> remap_remove(10)
    0.1
    """
    return 1.0 / count("backends", backends)


def remap_add(backends: int) -> float:
    """Return the mean share of keys a consistent hash moves when one backend joins n: 1/(n + 1).

    >>> remap_add(9)
    0.1
    """
    return 1.0 / (count("backends", backends, least=0) + 1)


def stateless_broken_share(updates_per_s: float, mean_duration_s: float, backends: int) -> float:
    """Return the share of connections that a stateless consistent hash breaks: u E[D]/n.

    Every returning backend takes 1/n of the connections alive; for small shares, as each breaks only once.

    Args:
        updates_per_s: backends that leave and come back, per second.
        mean_duration_s: E[D] of a connection in seconds.
        backends: n.

    >>> round(stateless_broken_share(10.0 / 60.0, 30.0, 500), 9)
    0.01
    """
    updates = nonnegative("updates_per_s", updates_per_s)
    return updates * nonnegative("mean_duration_s", mean_duration_s) / count("backends", backends)


def unlearned_broken(new_per_s: float, learning_s: float, remapped: float) -> float:
    """Return the connections one update breaks at a balancer that learns each connection after a delay.

    Those opened but not yet learned, times the share that the update remaps.

    Args:
        new_per_s: connections opened per second.
        learning_s: delay until a connection is in the table, in seconds.
        remapped: share of keys that the update moves.

    >>> round(unlearned_broken(1e6 / 60.0, 500e-6, 1.0), 1)
    8.3
    """
    if not 0.0 <= remapped <= 1.0:
        raise ScenarioError(f"remapped = {remapped!r} must be in [0, 1]")
    return nonnegative("new_per_s", new_per_s) * nonnegative("learning_s", learning_s) * remapped
