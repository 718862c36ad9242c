"""R6, R20 and R21 by hand: nodes entered at, load balancers, lists that are held or dropped; both engines."""

from __future__ import annotations

import pytest

from svcsim.dataplane.contract import NodeState, OnEmpty, Reach, Resolve, TruthKind
from svcsim.rng import u32_at
from tests.dataplane.test_lost_nodes import fates
from tests.dataplane.test_reference_story import Arrive, Story

CUT, DOWN, UP = NodeState.CUT, NodeState.DOWN, NodeState.UP


def entries(story: Story) -> list[tuple[int, int, int]]:
    """(entry, observer, server) of every record."""
    fates(story)
    records, _ = story.checked()
    return [(int(r["entry"]), int(r["observer"]), int(r["server"])) for r in records]


def test_the_node_entered_at_decides_by_what_it_believes() -> None:
    """Two nodes of which one has not heard of the second pod; node and observer have one number."""
    story = Story(duration=100)
    first, second = story.pod(node=0), story.pod(node=1)
    story.believe(0, first, observer=0)
    story.believe(0, second, observer=1)
    story.client(Arrive(5), nodes=(-1,), entries=(0,))
    story.client(Arrive(5), nodes=(-1,), entries=(1,))
    assert entries(story) == [(0, 0, 0), (1, 1, 1)]


def test_a_lost_entry_routes_nothing_and_a_lost_second_hop_is_silent() -> None:
    story = Story(duration=200)
    story.believe(0, story.pod(node=1), observer=0)
    story.client(Arrive(5), nodes=(-1,), entries=(0,))
    story.client(Arrive(105), nodes=(-1,), entries=(0,))
    story.node(3, 0, CUT)
    story.node(60, 0, UP)
    story.node(100, 1, CUT)
    assert fates(story) == ["CONNECT_TIMEOUT NODE_LOST 45", "CONNECT_TIMEOUT NODE_LOST 145"]
    assert entries(story) == [(0, -1, -1), (0, 0, 0)]


def test_a_pod_on_the_node_entered_at_is_reached_from_itself_through_a_partition() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=0), observer=0)
    story.client(Arrive(5), nodes=(0,), entries=(0,))
    story.node(3, 0, CUT)
    assert fates(story) == ["OK NONE 8"]


def test_an_entry_without_power_forgets_what_went_through_it() -> None:
    """The server and its work live on; the answer has nowhere to go, though the node is back at once."""
    story = Story(duration=300)
    story.believe(0, story.pod(node=1), observer=0)
    story.client(Arrive(5, service=30), nodes=(-1,), entries=(0,), request_timeout_ns=100)
    story.client(Arrive(5, service=30), nodes=(-1,), entries=(2,), request_timeout_ns=100)
    story.believe(0, 0, observer=2)
    story.node(10, 0, DOWN)
    story.node(12, 0, UP)
    assert fates(story) == ["REQUEST_TIMEOUT NODE_LOST 105", "OK NONE 65"]


def test_a_dropped_list_is_silent_until_it_is_another() -> None:
    story = Story(duration=100)
    pod = story.pod(node=1)
    story.drop(0)
    story.believe(12, pod)
    story.client(Arrive(1), Arrive(3, service=1), ladder=(10, 30))
    assert fates(story) == ["OK NONE 34", "OK NONE 14"]


def test_a_dropped_list_times_out_by_policy_and_not_as_empty() -> None:
    story = Story(duration=100)
    story.pod(node=1)
    story.drop(0)
    story.client(Arrive(1))
    assert fates(story) == ["CONNECT_TIMEOUT POLICY_DROP 41"]


def test_a_balancer_picks_the_node_by_a_word_of_its_own() -> None:
    story = Story(duration=2000)
    pods = [story.pod(node=node) for node in range(3)]
    for node, pod in enumerate(pods):
        story.believe(0, pod, observer=node)
    story.believe(0, 0, 1, 2, observer=3, view=1)
    story.client(*(Arrive(5 * k, service=1) for k in range(1, 60)), balancer=3, targets=1, entry_key=77)
    expected = [(u32_at(77, k, 0) * 3) >> 32 for k in range(59)]
    assert entries(story) == [(node, node, node) for node in expected]
    assert {0, 1, 2} == set(expected)


@pytest.mark.parametrize(
    ("on_empty", "fate"),
    [
        (OnEmpty.SILENT, "CONNECT_TIMEOUT NOT_YET_PROGRAMMED 41"),
        (OnEmpty.REJECT, "REFUSED NOT_YET_PROGRAMMED 1"),
    ],
)
def test_a_balancer_without_targets(on_empty: OnEmpty, fate: str) -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1), observer=1)
    story.client(Arrive(1), balancer=3, targets=1, on_empty=on_empty)
    story.believe(60, 1, observer=3, view=1)
    assert fates(story) == [fate]
    assert entries(story) == [(-1, 3, -1)]


def test_a_balancer_that_gets_a_target_is_met_by_the_next_syn_and_then_kept() -> None:
    """SYN 1 at 11 picks node 1, which is cut off; SYN 2 at 31 enters there again and finds it back."""
    story = Story(duration=100)
    story.believe(0, story.pod(node=1), observer=1)
    story.believe(0, 0, observer=0)
    story.client(Arrive(1), balancer=3, targets=1, on_empty=OnEmpty.SILENT)
    story.believe(5, 1, observer=3, view=1)
    story.believe(20, 0, observer=3, view=1)
    story.node(8, 1, CUT)
    story.node(25, 1, UP)
    assert fates(story) == ["OK NONE 34"]
    assert entries(story) == [(1, 1, 0)]


def test_a_held_list_is_picked_from_anew_and_stays_till_it_is_looked_up() -> None:
    """Both pods are listed at 0, at 20 only the second; the source looks again at 50, after its arrival."""
    story = Story(duration=100)
    first, second = story.pod(), story.pod()
    story.believe(0, first, second)
    story.believe(20, second)
    words = (0, 1 << 31, 0, 1 << 31, 0)
    story.client(
        *(Arrive(10 + 20 * k, service=1, lo=word) for k, word in enumerate(words)),
        reach=Reach.HELD,
        resolve=Resolve.EVERY,
        resolve_period_ns=50,
        phases=[50],
        resolver=0,
    )
    assert [server for _, _, server in entries(story)] == [0, 1, 0, 1, 1]


def test_rotation_begins_where_a_pinned_source_would_be_and_goes_round() -> None:
    story = Story(duration=100)
    story.believe(0, *(story.pod() for _ in range(3)))
    story.client(*(Arrive(k, service=1) for k in range(1, 8)), reach=Reach.HELD, rotates=True, resolver=0)
    first = (u32_at(2, 0, 0) * 3) >> 32
    assert [server for _, _, server in entries(story)] == [(first + k) % 3 for k in range(7)]


def test_a_held_list_is_looked_up_again_after_a_failure() -> None:
    story = Story(duration=100)
    gone, fresh = story.pod(), story.pod()
    story.truth(3, gone, TruthKind.CLOSE, TruthKind.CUT)
    story.believe(0, gone)
    story.believe(4, fresh)
    story.client(Arrive(5), Arrive(9, service=1), reach=Reach.HELD, resolve=Resolve.ON_FAILURE, resolver=0)
    assert fates(story) == ["REFUSED STALE_RESOLVER 5", "OK NONE 10"]
