"""The words that stand for a run's numbers in tables: observers, views, Services, nodes."""

from __future__ import annotations

import numpy as np

from svcsim.controlplane.topology import Topology, View

__all__ = ["Labels", "Names"]


class Names:
    """Numbers for names as they turn up, the same for all replications."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of a name, new or known."""
        return self._number.setdefault(name, len(self._number))

    def words(self) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        """Names by number; the last place is "", for number -1."""
        return np.array([*self._number, ""], dtype=object)


class Labels:
    """Names by number: object arrays; those of nodes and observers end in "", so that -1 reads as nothing.

    lists: Services by index, then what each view lists: for changes that no Service made.
    """

    def __init__(self, topology: Topology) -> None:
        self.clients = np.array([c.name for c in topology.scenario.clients], dtype=object)
        self.via = np.array([c.via for c in topology.scenario.clients], dtype=object)
        self.nodes = np.array([*(n.name for n in topology.scenario.cluster.nodes), ""], dtype=object)
        self.views = np.array([view_name(view) for view in topology.views], dtype=object)
        targets = (view.service.key if view.service is not None else view.target for view in topology.views)
        self.lists = np.array([*(str(s.key) for s in topology.services), *map(str, targets)], dtype=object)
        observers = [""] * (topology.n_observers + 1)
        for watchers in (topology.proxies, topology.slice_watchers, topology.pod_watchers):
            for observer, name in watchers.items():
                observers[observer] = name
        observers[topology.self_observer] = "pod itself"
        for observer, view in topology.balancers.items():
            observers[observer] = f"{view.service.key if view.service else view.target} load balancer"
        for observer, name in topology.caches.items():
            observers[observer] = name
        self.observers = np.array(observers, dtype=object)


def view_name(view: View) -> str:
    """What a view lists, in words such as `service/web:80 proxy`."""
    target = view.service.key if view.service is not None else view.target
    port = "" if view.port is None else f":{view.port}"
    return f"{target}{port} {view.kind}"
