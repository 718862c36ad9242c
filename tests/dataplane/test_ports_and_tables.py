"""R28 by hand: local ports and connection tables that run out; both engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from svcsim.dataplane.contract import Cause, Outcome, Plan, TruthKind
from tests.dataplane.test_lost_nodes import fates
from tests.dataplane.test_reference_story import Arrive, Story

S = 1_000_000_000


class Small(Story):
    """A story whose nodes have room for `table` connections."""

    table = 2

    def plan(self) -> Plan:
        return replace(super().plan(), table_max=self.table)


def said(story: Story) -> list[tuple[str, str, int]]:
    """(outcome, cause, end) of each request, the same in both engines."""
    fates(story)
    return [
        (Outcome(int(row["outcome"])).name, Cause(int(row["cause"])).name, int(row["end_ns"]))
        for row in story.checked()[0]
    ]


def test_a_port_is_kept_for_a_minute_after_the_client_has_closed() -> None:
    """Two ports: taken from 1 to 4 + 60 s and from 2 to 5 + 60 s."""
    story = Story(duration=100 * S, workers=0)
    story.believe(0, story.pod())
    times = (1, 2, 3, 60 * S + 3, 60 * S + 4, 60 * S + 4, 60 * S + 5)
    story.client(*(Arrive(t) for t in times), ports=2)
    ok, none = ("OK", "NONE"), ("UNREACHABLE", "PORTS_EXHAUSTED")
    expected = [ok, ok, none, none, ok, none, ok]
    assert [one[:2] for one in said(story)] == expected
    assert story.checked()[0]["syns"].tolist() == [1, 1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(("end", "again"), [("refused", True), ("cut", True), ("answered", False)])
def test_who_closes_first_keeps_it(end: str, again: bool) -> None:
    """One port; the pod refuses at 1, or ends the connection at 3, or answers at 4: can it be taken at 5?"""
    story = Story(duration=100, workers=0)
    pod, other = story.pod(listen=None if end == "refused" else 0), story.pod()
    story.believe(0, pod)
    story.believe(5, other)
    if end == "cut":
        story.truth(3, pod, TruthKind.CUT)
    story.client(Arrive(1), Arrive(5), ports=1)
    assert (said(story)[1][0] == "OK") is again


def test_sources_have_ports_of_their_own() -> None:
    story = Story(duration=100, workers=0)
    story.believe(0, story.pod())
    story.client(Arrive(1), Arrive(5, source=1), ports=1, observers=(0, 0))
    assert [one[0] for one in said(story)] == ["OK", "OK"]


def test_a_full_table_drops_syns_until_an_entry_is_free() -> None:
    """Two entries until 4 + 120 s: the SYN of 5 is given up at 45, later ones pass."""
    story = Small(duration=200 * S, workers=0)
    story.believe(0, story.pod())
    for _ in range(2):
        story.client(Arrive(1), nodes=(0,), tracked=True)
    story.client(Arrive(5), Arrive(120 * S + 3), Arrive(120 * S + 20), nodes=(0,), tracked=True)
    assert said(story) == [
        ("OK", "NONE", 4),
        ("OK", "NONE", 4),
        ("CONNECT_TIMEOUT", "TABLE_FULL", 45),
        ("OK", "NONE", 120 * S + 16),
        ("OK", "NONE", 120 * S + 23),
    ]


def test_a_refused_connection_leaves_its_entry_for_ten_seconds() -> None:
    story = Small(duration=200 * S, workers=0)
    story.believe(0, story.pod(listen=None))
    story.client(Arrive(1), Arrive(2), Arrive(3), Arrive(10 * S + 2), nodes=(0,), tracked=True)
    found = said(story)
    assert [one[0] for one in found] == ["REFUSED", "REFUSED", "CONNECT_TIMEOUT", "REFUSED"]


def test_tables_are_of_nodes_and_of_those_who_are_tracked() -> None:
    story = Small(duration=100, workers=0)
    story.table = 1
    story.believe(0, story.pod())
    story.client(
        *(Arrive(t, source=k) for k, t in enumerate((1, 2, 3))),
        nodes=(0, 1, -1),
        observers=(0,) * 3,
        tracked=True,
    )
    story.client(Arrive(9), nodes=(0,))
    story.client(Arrive(10), nodes=(0,), tracked=True)
    assert [one[0] for one in said(story)] == ["OK"] * 4 + ["CONNECT_TIMEOUT"]


def test_what_is_rejected_takes_no_entry() -> None:
    story = Small(duration=100, workers=0)
    story.table = 1
    story.believe(20, story.pod())
    story.client(Arrive(1), Arrive(2), Arrive(20), nodes=(0,), tracked=True)
    assert [one[:2] for one in said(story)] == [("REFUSED", "NOT_YET_PROGRAMMED")] * 2 + [("OK", "NONE")]
    assert np.array([one[2] for one in said(story)]).tolist() == [1, 2, 23]
