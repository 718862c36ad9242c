"""Why each failed request failed: the rule, the stage, what was believed and what was true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svcsim.dataplane.contract import Cause, ClientPlan, OnEmpty, Outcome, Plan, Reach, Resolve, ServerState
from svcsim.results.reading.pipeline import Pipeline, Stage
from svcsim.results.reading.truth import Beliefs, Lists, Truth

__all__ = ["NOT_KNOWN", "Reasons", "reasons", "rule_of"]

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Records = npt.NDArray[Any]

NOT_KNOWN = -1

_STALE = (int(Cause.STALE_ENDPOINT), int(Cause.IP_REUSED))
_STAGE_OF_CAUSE = np.zeros(len(Cause), dtype=np.int8)
for _cause, _stage in (
    (Cause.STALE_ENDPOINT, Stage.DETECTION),
    (Cause.STALE_RESOLVER, Stage.RESOLVER),
    (Cause.NOT_YET_PROGRAMMED, Stage.RESOLVER),
    (Cause.NO_ENDPOINT, Stage.CONTROLLER),
    (Cause.READY_BEFORE_LISTENING, Stage.READINESS),
    (Cause.IN_FLIGHT_CUT, Stage.GRACE),
    (Cause.OVERLOAD, Stage.QUEUE),
    (Cause.SLOW_SERVICE, Stage.SERVICE),
    (Cause.IP_REUSED, Stage.RESOLVER),
    (Cause.NOT_ROUTED, Stage.NETWORK),
    (Cause.NODE_LOST, Stage.NODE),
    (Cause.POLICY_DROP, Stage.POLICY),
    (Cause.KEPT_CLOSED, Stage.CONNECTION),
    (Cause.STALE_CONNTRACK, Stage.CONNTRACK),
    (Cause.TABLE_FULL, Stage.NETWORK),
    (Cause.PORTS_EXHAUSTED, Stage.NETWORK),
):
    _STAGE_OF_CAUSE[_cause] = _stage

_RULE_OF_CAUSE = {
    Cause.STALE_ENDPOINT: "R10",
    Cause.STALE_RESOLVER: "R10",
    Cause.NOT_YET_PROGRAMMED: "R7",
    Cause.NO_ENDPOINT: "R7",
    Cause.READY_BEFORE_LISTENING: "R10",
    Cause.IN_FLIGHT_CUT: "R14",
    Cause.OVERLOAD: "R13",
    Cause.SLOW_SERVICE: "R15",
    Cause.IP_REUSED: "R10",
    Cause.NOT_ROUTED: "R6",
    Cause.NODE_LOST: "R18",
    Cause.POLICY_DROP: "R21",
    Cause.KEPT_CLOSED: "R25",
    Cause.STALE_CONNTRACK: "R27",
    Cause.TABLE_FULL: "R28",
    Cause.PORTS_EXHAUSTED: "R28",
}


def rule_of(outcome: int, cause: int) -> str:
    """The rule of `dataplane.contract` that settled a request so."""
    if outcome == Outcome.CONNECT_TIMEOUT:
        return "R8"
    if cause in (Cause.STALE_CONNTRACK, Cause.TABLE_FULL):
        return _RULE_OF_CAUSE[Cause(cause)]
    if outcome == Outcome.REQUEST_TIMEOUT:
        return "R15"
    return _RULE_OF_CAUSE.get(Cause(cause), "")


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Columns beside the failed records: int8 stage and state, int64 instants; NOT_KNOWN where not."""

    stage: Int8
    believed_ns: Int64
    state: Int8
    true_ns: Int64


def reasons(
    failed: Records,
    *,
    plan: Plan,
    truth: Truth,
    beliefs: Beliefs,
    lists: Lists,
    pipeline: Pipeline,
    views_of_server: list[frozenset[int]],
) -> Reasons:
    """Explain the failed records of one replication (sorted by client)."""
    n = len(failed)
    stage = _STAGE_OF_CAUSE[failed["cause"]]
    believed = np.full(n, NOT_KNOWN, dtype=np.int64)
    state = np.full(n, NOT_KNOWN, dtype=np.int8)
    true_ns = np.full(n, NOT_KNOWN, dtype=np.int64)
    edges = np.searchsorted(failed["client"], np.arange(len(plan.clients) + 1))
    for k, client in enumerate(plan.clients):
        rows = slice(int(edges[k]), int(edges[k + 1]))
        own = failed[rows]
        if not len(own):
            continue
        last = _last_syn(own, client)
        server = own["server"].astype(np.int64)
        has = server >= 0
        asked = np.where(own["cause"] == int(Cause.IN_FLIGHT_CUT), own["end_ns"], last)
        state[rows][has], true_ns[rows][has] = truth.at(server[has], asked[has])
        if not has.all() and client.reach != Reach.NONE:
            for view in np.unique(client.views).tolist():
                its = ~has & (client.views[own["source"]] == view)
                since = _Population(truth, views_of_server, view)
                state[rows][its], true_ns[rows][its] = since.at(last[its])
        if client.reach == Reach.BELIEF:
            observer = own["observer"].astype(np.int64)
            stale = np.isin(own["cause"], _STALE) & has
            late = own["cause"] == int(Cause.NOT_YET_PROGRAMMED)
            balanced = (observer == client.balancer) & (observer >= 0)
            for view in np.unique(client.views).tolist():
                its = (client.views[own["source"]] == view) & ~balanced
                chosen, since_ns = _choice(own[its], client, view, beliefs, lists)
                believed[rows][its] = since_ns
                stage[rows][its & stale] = pipeline.stage_of_removal(
                    view, server[its & stale], observer[its & stale], chosen[stale[its]]
                )
                stage[rows][its & late] = pipeline.stage_of_fill(
                    view, observer[its & late], chosen[late[its]]
                )
            if balanced.any():
                targets = client.targets if client.targets >= 0 else client.view
                _, believed[rows][balanced] = _choice(own[balanced], client, targets, beliefs, lists)
                stage[rows][balanced & (stale | late)] = Stage.LOAD_BALANCER
            if client.targets >= 0:
                # the node says so in its health check: the balancer had not heard it yet
                stage[rows][own["cause"] == int(Cause.POLICY_DROP)] = Stage.LOAD_BALANCER
            # the rules were right: their hash named a destination that the kernel still drained (R26)
            stage[rows][(own["cause"] == int(Cause.STALE_ENDPOINT)) & ~has] = Stage.DRAINING
            if client.on_empty == OnEmpty.UNAVAILABLE:
                # an ingress proxy has no rules to sync: between receipt and commit lies its own lag
                stage[rows][stage[rows] == Stage.SYNC] = Stage.INGRESS
        elif client.reach in (Reach.PINNED, Reach.HELD):
            believed[rows] = _resolved(own, client)
    return Reasons(stage=stage, believed_ns=believed, state=state, true_ns=true_ns)


def _last_syn(own: Records, client: ClientPlan) -> Int64:
    """The instant of each request's last SYN."""
    ladder = np.concatenate(([0], client.ladder_ns))
    last: Int64 = own["attempt_ns"] + ladder[np.maximum(own["syns"] - 1, 0)]
    return last


def _choice(
    own: Records, client: ClientPlan, view: int, beliefs: Beliefs, lists: Lists
) -> tuple[Int64, Int64]:
    """(instant, believed since) of the last list of a view consulted by each request.

    A SYN that found a server sticks to it, so with a server that is the first SYN that met a list with one;
    without a server it is the last SYN (R8).
    """
    observer = own["observer"].astype(np.int64)
    chosen = np.where(own["server"] >= 0, own["attempt_ns"], _last_syn(own, client))
    version, since = beliefs.held(view, observer, chosen)
    for k, wait in enumerate(client.ladder_ns.tolist()):
        size = lists.size[version]
        empty = np.flatnonzero((own["server"] >= 0) & (size == 0) & (own["syns"] > k + 1))
        if not len(empty):
            break
        chosen[empty] = own["attempt_ns"][empty] + wait
        version[empty], since[empty] = beliefs.held(view, observer[empty], chosen[empty])
    return chosen, since


def _resolved(own: Records, client: ClientPlan) -> Int64:
    """When the source of each request resolved the address that it held at the arrival (R12)."""
    arrival = own["attempt_ns"]
    if client.resolve == Resolve.ONCE:
        return np.zeros(len(own), dtype=np.int64)
    if client.resolve == Resolve.ON_FAILURE:
        return np.full(len(own), NOT_KNOWN, dtype=np.int64)
    phase = client.phase_ns[own["source"]]
    k = (arrival - 1 - phase) // client.resolve_period_ns
    resolved: Int64 = np.where(arrival > phase, phase + k * client.resolve_period_ns, 0)
    return resolved


class _Population:
    """Whether any server of a view accepts, over time: the truth behind an empty list."""

    def __init__(self, truth: Truth, views_of_server: list[frozenset[int]], view: int) -> None:
        server, begin, end = truth.listening()
        member = np.array([view in views for views in views_of_server], dtype=bool)
        own = member[server]
        t = np.concatenate((begin[own], end[own]))
        step = np.repeat(np.array([1, -1]), [int(own.sum()), int(own.sum())])
        self._t, place = np.unique(t, return_inverse=True)
        change = np.bincount(place, weights=step, minlength=len(self._t))
        some = np.cumsum(change) > 0
        turn = np.ones(len(some), dtype=bool)
        turn[1:] = some[1:] != some[:-1]
        self._t, self._some = self._t[turn], some[turn]

    def at(self, t: Int64) -> tuple[Int8, Int64]:
        """(LISTENING or CLOSED, since when) at each instant; UNBORN before anything listened."""
        row = np.searchsorted(self._t, t, side="right") - 1
        if not len(self._t):
            return np.zeros(len(t), dtype=np.int8), np.full(len(t), NOT_KNOWN, dtype=np.int64)
        state = np.where(self._some[row], np.int8(ServerState.LISTENING), np.int8(ServerState.CLOSED))
        before = row < 0
        state = np.where(before, np.int8(ServerState.UNBORN), state)
        return state.astype(np.int8), np.where(before, NOT_KNOWN, self._t[row])
