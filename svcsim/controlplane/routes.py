"""HTTPRoutes: a route's backends, and the weights that each proxy of a client goes by, and since when.

A change of weights reaches a proxy by its watch, and takes effect when the proxy has taken it in, as that of
endpoints does (`lag.ingress`).
"""

from __future__ import annotations

import numpy as np

from svcsim.controlplane.lags import Dice
from svcsim.controlplane.pauses import Pauses
from svcsim.dataplane.draws import Shares
from svcsim.kube import ObjectKey
from svcsim.kube.routes import RouteBackend
from svcsim.scenario import Client, Scenario, Weights

__all__ = ["backends_of", "shares_of"]

_NOBODY = "(no weight)"


def backends_of(scenario: Scenario, key: ObjectKey) -> tuple[RouteBackend, ...]:
    """The backends of a route; with nobody's if its weights are ever all zero, when all requests get 500."""
    backends = _declared(scenario, key)
    if all(any(weights) for _, weights in _versions(scenario, key)):
        return backends
    target = ObjectKey(kind="Service", namespace=key.namespace, name=_NOBODY)
    return (*backends, RouteBackend(target=target, port=None, weight=0))


def _declared(scenario: Scenario, key: ObjectKey) -> tuple[RouteBackend, ...]:
    (route,) = (one for one in scenario.manifests.routes if one.key == key)
    return route.rules[0]


def _versions(scenario: Scenario, key: ObjectKey) -> list[tuple[int, tuple[int, ...]]]:
    """(written at, weights of the declared backends): as declared, then by each event."""
    pauses = Pauses(scenario)
    return [(0, tuple(one.weight for one in _declared(scenario, key)))] + [
        (pauses.awake("kube-apiserver", event.at_ns), event.weights)
        for event in scenario.events
        if isinstance(event, Weights) and event.target == key and event.at_ns < scenario.duration_ns
    ]


def shares_of(scenario: Scenario, client: Client, dice: Dice) -> Shares:
    """What each proxy of a client goes by (R33)."""
    versions = _versions(scenario, client.to)
    n_backends = len(backends_of(scenario, client.to))
    weights = np.zeros((len(versions), n_backends), dtype=np.int64)
    since = np.zeros((len(versions), client.sources), dtype=np.int64)
    for k, (written_ns, of_declared) in enumerate(versions):
        weights[k, : len(of_declared)] = of_declared
        if not any(of_declared):
            weights[k, -1] = 1
        for proxy in range(client.sources if k else 0):
            name = f"route/{client.name}/{proxy}"
            at = written_ns + dice.lag("watch", name) + dice.lag("ingress", name)
            since[k, proxy] = max(at, since[k - 1, proxy])
    return Shares(since, np.cumsum(weights, axis=1))
