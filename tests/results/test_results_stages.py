"""The lag stage of a failure: which part of the pipeline contains its instant of choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from svcsim.dataplane.contract import (
    Cause,
    ClientPlan,
    OnEmpty,
    Outcome,
    Plan,
    Reach,
    Resolve,
    ServerState,
    TruthKind,
)
from svcsim.results.reading.pipeline import STAGE_NAMES, Pipeline, Stage
from svcsim.results.reading.truth import Beliefs, Lists, Truth
from svcsim.results.reading.why import NOT_KNOWN, Reasons, reasons, rule_of
from tests.results.worlds import SECOND, client_plan, control_run, histories, record

END = 1000
PROXY, SELF = 0, 7
TRUTH = [
    (0, 0, TruthKind.ADDRESS),
    (0, 0, TruthKind.LISTEN),
    (0, 1, TruthKind.ADDRESS),
    (0, 1, TruthKind.LISTEN),
    (100, 0, TruthKind.CLOSE),
]
# server 0 leaves the list: visible 120, synced from 125, written 140, received 160, sync 200, committed 230
LEAVES = (120, 125, 140, [(0, 1)])
VERSIONS = [(0, 1), (1,), ()]


def why(
    records: np.ndarray,
    *,
    truth: list[tuple[int, int, int]] = TRUTH,
    beliefs: list[tuple[int, int, int, int]] | None = None,
    changes: list[Any] | None = None,
    adoptions: list[Any] | None = None,
    plan: ClientPlan | None = None,
    end: int = END,
) -> Reasons:
    """The reasons of records of one client; observer 0 routes."""
    written = histories(2, truth, VERSIONS, beliefs or [(0, PROXY, 0, 0), (230, PROXY, 0, 1)], end)
    run = control_run(
        written,
        [LEAVES] if changes is None else changes,
        [PROXY],
        [[(160, 200, 230)]] if adoptions is None else adoptions,
    )
    held = Beliefs(written)
    client = plan or client_plan()
    return reasons(
        records,
        plan=Plan(
            duration_ns=end,
            n_observers=1,
            n_views=1,
            n_nodes=1,
            groups=(),
            clients=(client,),
            vanished_after_ns=-1,
        ),
        truth=Truth(written, end),
        beliefs=held,
        lists=Lists.of(written),
        pipeline=Pipeline(run, held, written.versions),
        views_of_server=[frozenset((0,))] * 2,
    )


def names(stage: np.ndarray) -> list[str]:
    return [STAGE_NAMES[k] for k in stage.tolist()]


def test_each_stage_ends_where_the_next_begins() -> None:
    at = [100, 119, 120, 139, 140, 159, 160, 199, 200, 229]
    found = why(np.concatenate([record(t) for t in at]))
    expected = ["detection", "endpointSlice", "watch", "minSync", "sync"]
    assert names(found.stage) == [stage for stage in expected for _ in range(2)]
    assert found.believed_ns.tolist() == [0] * 10
    assert found.true_ns.tolist() == [100] * 10
    assert set(found.state.tolist()) == {ServerState.CLOSED}


def test_an_ingress_has_a_lag_of_its_own_and_no_rules_to_sync() -> None:
    """It begins with a change when it has received it."""
    at = [159, 160, 229]
    found = why(
        np.concatenate([record(t) for t in at]),
        plan=client_plan(on_empty=OnEmpty.UNAVAILABLE),
        adoptions=[[(160, 160, 230)]],
    )
    assert names(found.stage) == ["watch", "ingress", "ingress"]


def test_a_list_that_never_changed_was_never_known_to_be_wrong() -> None:
    assert names(why(record(500), changes=[], adoptions=[], beliefs=[(0, PROXY, 0, 0)]).stage) == [
        "detection"
    ]


def test_a_sync_that_the_run_did_not_see_begin_is_waited_for() -> None:
    found = why(record(500), adoptions=[[(160, -1, -1)]], beliefs=[(0, PROXY, 0, 0)])
    assert names(found.stage) == ["minSync"]


def test_a_server_that_came_back_is_blamed_on_its_second_removal() -> None:
    changes = [LEAVES, (300, 300, 310, [(0, 0)]), (500, 500, 510, [(0, 1)])]
    adoptions = [[(160, 200, 230)], [(320, 320, 330)], [(520, 530, 540)]]
    beliefs = [(0, PROXY, 0, 0), (230, PROXY, 0, 1), (330, PROXY, 0, 0), (540, PROXY, 0, 1)]
    records = np.concatenate([record(t) for t in (210, 400, 505, 525, 535)])
    found = why(records, changes=changes, adoptions=adoptions, beliefs=beliefs)
    assert names(found.stage) == ["sync", "detection", "endpointSlice", "minSync", "sync"]
    assert found.believed_ns.tolist() == [0, 330, 330, 330, 330]


def test_two_changes_in_one_sync_are_blamed_on_the_first() -> None:
    changes = [LEAVES, (130, 145, 150, [(0, 2)])]
    adoptions = [[(160, 200, 230)], [(170, 200, 230)]]
    beliefs = [(0, PROXY, 0, 0), (230, PROXY, 0, 1), (230, PROXY, 0, 2)]
    found = why(record(155), changes=changes, adoptions=adoptions, beliefs=beliefs)
    assert names(found.stage) == ["watch"]


def test_a_silent_server_is_blamed_at_the_first_syn_which_its_connection_sticks_to() -> None:
    s = SECOND
    late = record(s // 2, syns=3, end_ns=5 * s, outcome=Outcome.CONNECT_TIMEOUT, cause=Cause.STALE_ENDPOINT)
    found = why(
        late,
        truth=[*TRUTH[:4], (100, 0, TruthKind.CLOSE), (s, 0, TruthKind.RELEASE)],
        changes=[(120, 125, s, [(0, 1)])],
        adoptions=[[(2 * s, 3 * s, 4 * s)]],
        beliefs=[(0, PROXY, 0, 0), (4 * s, PROXY, 0, 1)],
        end=10 * s,
    )
    assert names(found.stage) == ["endpointSlice"]
    assert found.state.tolist() == [ServerState.VANISHED] and found.true_ns.tolist() == [100]


def test_an_empty_list_is_blamed_on_the_change_that_filled_it() -> None:
    truth = [(0, 0, TruthKind.ADDRESS), (50, 0, TruthKind.LISTEN)]
    early = record(20, server=-1, version=2, cause=Cause.NO_ENDPOINT)
    late = [record(t, server=-1, version=2, cause=Cause.NOT_YET_PROGRAMMED) for t in (60, 130, 150, 180, 220)]
    found = why(
        np.concatenate([early, *late]),
        truth=truth,
        beliefs=[(0, PROXY, 0, 2), (230, PROXY, 0, 0)],
        changes=[(120, 125, 140, [(0, 0)])],
    )
    assert names(found.stage) == ["controller", "detection", "endpointSlice", "watch", "minSync", "sync"]
    assert found.state.tolist() == [ServerState.UNBORN, *[ServerState.LISTENING] * 5]
    assert found.true_ns.tolist() == [NOT_KNOWN, *[50] * 5]


def test_a_rejected_syn_that_was_silent_and_then_met_a_list() -> None:
    """An empty list at the arrival, filled when the SYN was sent again: that list is what was believed."""
    s = SECOND
    row = record(s, syns=3, server=0, version=0, end_ns=3 * s, cause=Cause.STALE_ENDPOINT)
    found = why(
        row,
        truth=[*TRUTH, (2 * s, 0, TruthKind.RELEASE)],
        beliefs=[(0, PROXY, 0, 2), (s + 1, PROXY, 0, 0), (9 * s, PROXY, 0, 1)],
        changes=[(s, s, s, [(0, 0)]), (2 * s - 5, 2 * s - 4, 3 * s, [(0, 1)])],
        adoptions=[[(s, s, s + 1)], [(4 * s, 5 * s, 9 * s)]],
        end=10 * s,
    )
    assert names(found.stage) == ["endpointSlice"]
    assert found.believed_ns.tolist() == [s + 1]


def test_pods_that_call_themselves_have_no_pipeline() -> None:
    plan = client_plan(on_empty=OnEmpty.NOT_SENT, observer_of_source=np.array([SELF], dtype=np.int32))
    found = why(record(150, observer=SELF), plan=plan, beliefs=[(0, SELF, 0, 0)])
    assert names(found.stage) == ["detection"]


@pytest.mark.parametrize(
    ("cause", "outcome", "stage", "rule"),
    [
        (Cause.IN_FLIGHT_CUT, Outcome.EOF, Stage.GRACE, "R14"),
        (Cause.OVERLOAD, Outcome.REJECTED, Stage.QUEUE, "R13"),
        (Cause.OVERLOAD, Outcome.REQUEST_TIMEOUT, Stage.QUEUE, "R15"),
        (Cause.SLOW_SERVICE, Outcome.REQUEST_TIMEOUT, Stage.SERVICE, "R15"),
        (Cause.READY_BEFORE_LISTENING, Outcome.REFUSED, Stage.READINESS, "R10"),
        (Cause.NO_ENDPOINT, Outcome.REFUSED, Stage.CONTROLLER, "R7"),
        (Cause.NOT_ROUTED, Outcome.UNREACHABLE, Stage.NETWORK, "R6"),
        (Cause.STALE_ENDPOINT, Outcome.CONNECT_TIMEOUT, Stage.MIN_SYNC, "R8"),
        (Cause.IP_REUSED, Outcome.MISDELIVERED, Stage.MIN_SYNC, "R10"),
    ],
)
def test_other_causes_have_one_stage_and_every_failure_has_a_rule(
    cause: Cause, outcome: Outcome, stage: Stage, rule: str
) -> None:
    server = -1 if cause in (Cause.NO_ENDPOINT, Cause.NOT_ROUTED) else 0
    reach = Reach.NONE if cause == Cause.NOT_ROUTED else Reach.BELIEF
    row = record(180, cause=cause, outcome=outcome, server=server)
    assert why(row, plan=client_plan(reach=reach)).stage.tolist() == [stage]
    assert rule_of(outcome, cause) == rule


def test_a_pinned_source_believes_since_it_looked_up() -> None:
    plan = client_plan(
        reach=Reach.PINNED,
        on_empty=OnEmpty.NO_ADDRESS,
        resolve=Resolve.EVERY,
        resolve_period_ns=100,
        resolver=PROXY,
        phase_ns=np.array([30], dtype=np.int64),
    )
    pinned = {"observer": -1, "version": -1, "cause": Cause.STALE_RESOLVER}
    records = np.concatenate([record(t, **pinned) for t in (20, 30, 31, 130, 131, 299)])
    found = why(records, plan=plan)
    assert found.believed_ns.tolist() == [0, 0, 30, 30, 130, 230]
    assert set(names(found.stage)) == {"resolver"}
    nobody = record(
        40, server=-1, outcome=Outcome.DNS_FAILURE, **{**pinned, "cause": Cause.NOT_YET_PROGRAMMED}
    )
    assert names(why(nobody, plan=plan).stage) == ["resolver"]


def test_every_cause_has_a_stage_and_a_rule() -> None:
    for cause in set(Cause) - {Cause.NONE}:
        row = record(10, cause=cause, server=-1)
        assert why(row, plan=client_plan(reach=Reach.PINNED)).stage[0] != Stage.NONE
        assert rule_of(Outcome.REFUSED, cause).startswith("R")
