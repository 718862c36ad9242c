"""R27 by hand: datagrams, the entries they make and follow, and who deletes them; both engines."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.dataplane.contract import Cause, Cleaning, NodeState, Outcome, Reach, Socket, TruthKind
from tests.dataplane.test_lost_nodes import fates
from tests.dataplane.test_reference_story import Arrive, Story

ONE, EACH = Socket.ONE, Socket.EACH
S = 1_000_000_000
SECOND_POD = 1 << 31
"""A route word that picks the second of two."""


def rows(story: Story) -> np.ndarray:
    fates(story)
    return story.checked()[0]


def asked(story: Story, *requests: Arrive, socket: Socket = ONE, **changes: object) -> None:
    """A UDP client with a deadline of 5, entries of 30 and 120, and view 1 of serving endpoints."""
    usual = {
        "request_timeout_ns": 5,
        "udp_ns": 30,
        "udp_stream_ns": 120,
        "serving": 1,
        "cleaning": Cleaning.NONE,
    }
    story.client(*requests, socket=socket, **(usual | changes))


def two_pods(duration: int = 300) -> tuple[Story, int, int]:
    """Both listed and serving from 0; the first is dead and gone from 10 on, its rules' list at 12."""
    story = Story(duration=duration, workers=0)
    first, second = story.pod(), story.pod()
    for view in (0, 1):
        story.believe(0, first, second, view=view)
    story.truth(10, first, TruthKind.CLOSE, TruthKind.CUT, TruthKind.RELEASE)
    story.believe(12, second)
    return story, first, second


def said(found: np.ndarray) -> list[tuple[int, str, str]]:
    """(server, outcome, cause) of each request."""
    return [
        (int(row["server"]), Outcome(int(row["outcome"])).name, Cause(int(row["cause"])).name)
        for row in found
    ]


OK = "OK", "NONE"
RULES = "REQUEST_TIMEOUT", "STALE_ENDPOINT"
ENTRY = "REQUEST_TIMEOUT", "STALE_CONNTRACK"


def test_one_socket_goes_on_to_a_dead_pod_while_it_sends_often_enough() -> None:
    """Before 12 the rules have it too; later the entry alone. 30 after its last datagram it is gone."""
    story, first, second = two_pods()
    times = (1, 11, 20, 49, 78, 108)
    asked(story, *(Arrive(t, lo=0) for t in times))
    assert said(rows(story)) == [
        (first, *OK),
        (first, *RULES),
        (first, *ENTRY),
        (first, *ENTRY),
        (first, *ENTRY),  # used at 78, so gone at 108
        (second, *OK),
    ]


def test_a_socket_for_each_goes_by_the_rules() -> None:
    story, first, second = two_pods()
    asked(story, *(Arrive(t, lo=0) for t in (1, 11, 12)), socket=EACH)
    found = rows(story)
    assert said(found) == [(first, *OK), (first, *RULES), (second, *OK)]
    assert found["end_ns"].tolist() == [4, 16, 15]
    assert found["syns"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("cleaning", [Cleaning.REMOVED, Cleaning.SERVING])
def test_a_sync_without_the_endpoint_releases_the_socket(cleaning: Cleaning) -> None:
    """The serving endpoints are without it from 25 on: the datagram at 25 is routed anew."""
    story, first, second = two_pods()
    story.believe(25, second, view=1)
    asked(story, *(Arrive(t, lo=0) for t in (1, 24, 25)), cleaning=cleaning)
    assert said(rows(story)) == [(first, *OK), (first, *ENTRY), (second, *OK)]


@pytest.mark.parametrize(
    ("cleaning", "fate"), [(Cleaning.REMOVED, ("REFUSED", "NO_ENDPOINT")), (Cleaning.SERVING, ENTRY)]
)
def test_the_last_endpoint_is_cleaned_up_to_1_31_only(cleaning: Cleaning, fate: tuple[str, str]) -> None:
    """kubernetes/kubernetes 139628: since 1.32 nothing is deleted while nothing serves."""
    story = Story(duration=200, workers=0)
    pod, later = story.pod(), story.pod(listen=40)
    for view in (0, 1):
        story.believe(0, pod, view=view)
        story.believe(12, view=view)
        story.believe(50, later, view=view)
    story.truth(10, pod, TruthKind.CLOSE, TruthKind.CUT, TruthKind.RELEASE)
    asked(story, *(Arrive(t) for t in (1, 20, 45, 50)), cleaning=cleaning)
    found = said(rows(story))
    assert found[1][1:] == fate
    assert found[3] == (later, *OK)


def test_rows_of_one_instant_count_as_their_last() -> None:
    """A sync that has heard of a pod's unreadiness and of its return deletes nothing."""
    story = Story(duration=100, workers=0)
    first, second = story.pod(), story.pod()
    for view in (0, 1):
        story.believe(0, first, second, view=view)
    story.believe(10, second, view=1)
    story.believe(10, first, second, view=1)
    asked(story, Arrive(1, lo=0), Arrive(11, lo=SECOND_POD), cleaning=Cleaning.REMOVED)
    assert rows(story)["server"].tolist() == [first, first]


def test_answered_and_two_seconds_old_it_is_a_stream() -> None:
    """Answered at 1 s it still has 30 s; the datagram at 2.5 s (sent after 2 s) makes that 120 s."""
    for gap, same in ((29, True), (31, False), (119, False)):
        assert (_after(S, gap * S) == 0) is same
    for gap, same in ((31, True), (119, True), (121, False)):
        assert (_after(2 * S + 1, gap * S) == 0) is same


def _after(second_at: int, gap: int) -> int:
    """The pod of a third datagram, so long after the second, which the rules would send to pod 1."""
    story = Story(duration=200 * S, workers=0)
    story.believe(0, story.pod(), story.pod())
    requests = (Arrive(1, lo=0), Arrive(second_at, lo=0), Arrive(second_at + gap, lo=SECOND_POD))
    asked(story, *requests, request_timeout_ns=5 * S, udp_ns=30 * S, udp_stream_ns=120 * S)
    return int(rows(story)["server"][-1])


def test_what_is_rejected_leaves_no_entry() -> None:
    story = Story(duration=100, workers=0)
    pod = story.pod()
    story.believe(10, pod)
    asked(story, Arrive(5), Arrive(10))
    assert said(rows(story)) == [(-1, "REFUSED", "NOT_YET_PROGRAMMED"), (pod, *OK)]


def test_a_closed_port_refuses_and_the_entry_stays() -> None:
    story = Story(duration=100, workers=0)
    first, second = story.pod(), story.pod()
    story.believe(0, first, second)
    story.truth(10, first, TruthKind.CLOSE)
    story.believe(12, second)
    asked(story, *(Arrive(t, lo=0) for t in (1, 11, 13)))
    assert said(rows(story))[1:] == [
        (first, "REFUSED", "STALE_ENDPOINT"),
        (first, "REFUSED", "STALE_CONNTRACK"),
    ]


@pytest.mark.parametrize("socket", [ONE, EACH])
def test_nobody_tells_of_a_cut(socket: Socket) -> None:
    """In service from 8 to 18, the process ends at 10: silence until 8 + 5."""
    story, _, _ = two_pods()
    asked(story, Arrive(8, service=10, lo=0), socket=socket, request_timeout_ns=50)
    (found,) = rows(story)
    assert (found["outcome"], found["cause"]) == (Outcome.REQUEST_TIMEOUT, Cause.IN_FLIGHT_CUT)
    assert (found["connected_ns"], found["end_ns"]) == (8, 58)


@pytest.mark.parametrize("socket", [ONE, EACH])
def test_an_answer_does_not_pass_where_its_entry_is_gone(socket: Socket) -> None:
    """Asked at 1, cleaned at 5, answered at 8."""
    story = Story(duration=100, workers=0)
    pod, other = story.pod(), story.pod()
    for view in (0, 1):
        story.believe(0, pod, other, view=view)
        story.believe(5, other, view=view)
    asked(story, Arrive(1, service=7, lo=0), socket=socket, request_timeout_ns=20, cleaning=Cleaning.SERVING)
    (found,) = rows(story)
    assert said(rows(story)) == [(pod, *ENTRY)]
    assert found["end_ns"] == 21


def test_an_answer_that_takes_longer_than_the_entry_lives() -> None:
    story = Story(duration=100, workers=0)
    pod = story.pod()
    story.believe(0, pod)
    for socket in (ONE, EACH):
        asked(story, Arrive(1, service=30), Arrive(40, service=29), socket=socket, request_timeout_ns=40)
    assert said(rows(story)) == [(pod, *ENTRY), (pod, *OK)] * 2


def test_a_second_try_from_the_same_socket_meets_the_same_pod() -> None:
    """After 5 of silence, at 16, once more: one socket goes to the dead pod again, a new one does not."""
    fate = {}
    for socket in (ONE, EACH):
        story, _, _ = two_pods()
        again = {"retries": 1, "retry_on": frozenset({Outcome.REQUEST_TIMEOUT})}
        asked(story, Arrive(1, lo=0), Arrive(11, lo=0), socket=socket, repick_key=3, **again)
        fate[socket] = [(row["attempts"], row["outcome"], row["end_ns"]) for row in rows(story)][1]
    assert fate[ONE] == (2, Outcome.REQUEST_TIMEOUT, 21)
    assert fate[EACH] == (2, Outcome.OK, 19)


def test_a_node_without_power_forgets_its_entries() -> None:
    """The entry node is down from 10 to 20; afterwards the socket's datagram is routed by the rules."""
    story = Story(duration=100, workers=0)
    first, second = story.pod(node=0), story.pod(node=0)
    story.believe(0, first, second, observer=1)
    story.node(10, 1, NodeState.DOWN)
    story.node(20, 1, NodeState.UP)
    asked(story, Arrive(1, lo=0), Arrive(15, lo=SECOND_POD), Arrive(21, lo=SECOND_POD), entries=(1,))
    assert said(rows(story)) == [
        (first, *OK),
        (-1, "REQUEST_TIMEOUT", "NODE_LOST"),
        (second, *OK),
    ]


def test_an_answer_over_a_lost_link_is_not_sent_again() -> None:
    """Node 0 is cut off from 3 to 6: the answer of 4 is lost, the one of 7 is not."""
    story = Story(duration=100, workers=0)
    pod = story.pod(node=0)
    story.believe(0, pod)
    story.node(3, 0, NodeState.CUT)
    story.node(6, 0, NodeState.UP)
    asked(story, Arrive(1, service=3), Arrive(2, service=5), request_timeout_ns=20, nodes=(1,))
    assert said(rows(story)) == [(pod, "REQUEST_TIMEOUT", "NODE_LOST"), (pod, *OK)]


def test_a_socket_to_a_pods_own_address_has_no_entry() -> None:
    story, first, _ = two_pods()
    asked(story, Arrive(1), Arrive(200), reach=Reach.PINNED, resolve_key=2)
    found = rows(story)
    assert found["server"][0] == found["server"][1]
    if found["server"][1] == first:
        assert found["cause"][1] == Cause.STALE_RESOLVER
