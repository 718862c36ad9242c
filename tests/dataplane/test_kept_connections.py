"""R22 to R25 by hand: attempts, choices, ejections and kept connections; both engines."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.dataplane.contract import Balance, Keeps, NodeState, Outcome, TruthKind
from svcsim.rng import u32_at
from tests.dataplane.test_lost_nodes import fates
from tests.dataplane.test_reference_story import Arrive, Story

KEPT, CHANNEL = Keeps.KEPT, Keeps.CHANNEL
REFUSED = frozenset({Outcome.REFUSED})


def rows(story: Story) -> np.ndarray:
    fates(story)
    return story.checked()[0]


def test_a_refused_attempt_is_followed_by_others_until_one_is_served() -> None:
    """The pod listens from 25 on; waits of 5, 10 and 20: attempts at 1, 6, 16 and 36."""
    story = Story(duration=100)
    pod = story.pod(listen=25)
    story.believe(0, pod)
    story.client(Arrive(1, service=2), retries=5, retry_on=REFUSED, backoff_ns=5, backoff_max_ns=1000)
    (record,) = rows(story)
    assert (record["attempts"], record["attempt_ns"], record["end_ns"]) == (4, 36, 38)
    assert record["outcome"] == Outcome.OK


def test_jitter_takes_a_part_of_the_wait() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(listen=None))
    changes = {"retries": 1, "retry_on": REFUSED, "backoff_ns": 40, "backoff_max_ns": 40, "retry_key": 9}
    story.client(Arrive(1), jitter=True, **changes)
    (record,) = rows(story)
    assert record["attempt_ns"] == 1 + ((40 * u32_at(9, 0, 0)) >> 32)
    assert record["outcome"] == Outcome.REFUSED


def test_a_budget_stops_retries() -> None:
    """Two at first, and a fifth of one for each request."""
    story = Story(duration=1000)
    story.believe(0, story.pod(listen=None))
    story.client(
        *(Arrive(10 * k) for k in range(1, 21)),
        retries=1,
        retry_on=REFUSED,
        budget_permille=200,
        budget_burst=2,
    )
    attempts = rows(story)["attempts"].tolist()
    assert attempts[:3] == [2, 2, 1]
    assert sum(attempts) - 20 == 2 + 3


def test_what_was_tried_is_left_out_while_something_else_is_there() -> None:
    story = Story(duration=100)
    dead = [story.pod(listen=None) for _ in range(3)]
    story.believe(0, *dead, story.pod())
    story.client(
        *(Arrive(k, service=0, lo=k << 27) for k in range(1, 30)),
        retries=3,
        retry_on=REFUSED,
        excludes_tried=True,
    )
    found = rows(story)
    assert (found["outcome"] == Outcome.OK).all()
    assert found["attempts"].max() == 4


def test_round_robin_goes_round() -> None:
    story = Story(duration=100)
    story.believe(0, *(story.pod() for _ in range(3)))
    story.client(*(Arrive(k, service=0) for k in range(1, 8)), balance=Balance.ROUND_ROBIN, router_key=3)
    first = u32_at(3, 0, 0) % 3
    assert rows(story)["server"].tolist() == [(first + k) % 3 for k in range(7)]


def test_affinity_lasts_as_long_as_it_is_used() -> None:
    story = Story(duration=200)
    story.believe(0, *(story.pod() for _ in range(2)))
    words = (0, 1 << 31, 1 << 31, 1 << 31)
    story.client(
        *(Arrive(t, service=0, lo=word) for t, word in zip((1, 10, 19, 40), words, strict=True)),
        affinity_ns=10,
    )
    assert rows(story)["server"].tolist() == [0, 0, 0, 1]


def test_a_server_that_fails_is_left_out_for_a_while() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(listen=None), story.pod())
    story.client(*(Arrive(t, service=0) for t in (1, 2, 3, 11, 12)), eject_after=1, eject_ns=10)
    assert rows(story)["server"].tolist() == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("keeps", [KEPT, CHANNEL])
def test_a_kept_connection_sends_no_syn_and_asks_no_list(keeps: Keeps) -> None:
    """The list is empty from 3 on; the connection of the first request goes on."""
    story = Story(duration=100)
    pod = story.pod()
    story.believe(0, pod)
    story.believe(3)
    story.client(Arrive(1, service=1), Arrive(10, service=1), keeps=keeps, max_idle=1)
    found = rows(story)
    assert found["syns"].tolist() == [1, 0]
    assert found["outcome"].tolist() == [Outcome.OK] * 2
    assert found["observer"].tolist() == [0, -1]


def test_idle_time_outs_of_both_ends_and_their_race() -> None:
    """The server closes after 20 idle, which is heard 3 later: from 17 to 23 idle a request is lost."""
    fate = {}
    for gap in (16, 17, 22, 23):
        story = Story(duration=100)
        story.groups[0] = type(story.groups[0])(
            **{
                **{f: getattr(story.groups[0], f) for f in ("name", "workers", "queue", "queue_full")},
                "idle_ns": 20,
            }
        )
        story.believe(0, story.pod())
        story.client(Arrive(1, service=1), Arrive(2 + gap, service=1), keeps=KEPT, max_idle=1, hears_ns=3)
        found = rows(story)[1]
        fate[gap] = (Outcome(int(found["outcome"])).name, int(found["syns"]))
    assert fate == {16: ("OK", 0), 17: ("RESET", 0), 22: ("RESET", 0), 23: ("OK", 1)}


def test_a_stop_of_the_server_is_heard_of() -> None:
    story = Story(duration=100)
    old, new = story.pod(), story.pod()
    story.believe(0, old)
    story.believe(9, new)
    story.truth(10, old, TruthKind.CLOSE, TruthKind.CUT)
    story.client(Arrive(1, service=1), Arrive(11), Arrive(20), keeps=KEPT, max_idle=1, hears_ns=5)
    assert fates(story)[1:] == ["RESET KEPT_CLOSED 11", "OK NONE 23"]


def test_a_channel_is_shared_and_ends_with_age() -> None:
    story = Story(duration=100, workers=0)
    story.believe(0, story.pod())
    times = (1, 2, 3, 20, 21)
    story.client(*(Arrive(t, service=5) for t in times), keeps=CHANNEL, max_age_ns=15)
    assert rows(story)["syns"].tolist() == [1, 0, 0, 1, 0]


def test_a_connection_over_a_lost_link_is_silent() -> None:
    story = Story(duration=200)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(1, service=1), Arrive(20), nodes=(0,), keeps=KEPT, max_idle=1, request_timeout_ns=50)
    story.node(10, 1, NodeState.CUT)
    assert fates(story) == ["OK NONE 2", "REQUEST_TIMEOUT NODE_LOST 70"]
