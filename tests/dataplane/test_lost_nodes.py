"""R18 by hand: links that go and come back, clients and servers without power; both engines."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.dataplane.contract import (
    NEVER,
    ON_SERVERS_NODE,
    NodeState,
    OnEmpty,
    Reach,
    Resolve,
    TruthKind,
)
from svcsim.dataplane.vectorised import VectorisedEngine
from tests.dataplane.test_reference_story import Arrive, Story, ending

UP, CUT, DOWN = NodeState.UP, NodeState.CUT, NodeState.DOWN
MS = 1_000_000


def fates(story: Story) -> list[str]:
    """Outcome, cause and settling instant of every record, equal in both engines."""
    records, jobs = story.checked()
    fast = VectorisedEngine(story.plan(), story.draws())  # type: ignore[arg-type]
    story.drive(fast)
    np.testing.assert_array_equal(records, fast.finish())
    assert jobs == [fast.job(job.job) for job in story.jobs]
    return [ending(r) for r in records]


def lost_power(story: Story, t: int, node: int, *servers: int) -> None:
    story.node(t, node, DOWN)
    for server in servers:
        story.truth(t, server, TruthKind.RELEASE)


@pytest.mark.parametrize("cut_node", [0, 1])
def test_a_syn_over_a_lost_link_is_silent_and_the_ladder_finds_the_link_again(cut_node: int) -> None:
    """SYNs at 5, 15, 35; the link is lost from 3 to 30."""
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5), nodes=(0,))
    story.node(3, cut_node, CUT)
    story.node(30, cut_node, UP)
    assert fates(story) == ["OK NONE 38"]


def test_a_connect_timeout_blames_the_node_and_no_address_is_found_unreachable() -> None:
    story = Story(duration=100, vanished_after=7)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5), nodes=(0,))
    lost_power(story, 3, 1, 0)
    assert fates(story) == ["CONNECT_TIMEOUT NODE_LOST 45"]


def test_on_one_node_a_partition_is_not_felt() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5), nodes=(1,))
    story.client(Arrive(5), nodes=(ON_SERVERS_NODE,), on_empty=OnEmpty.NOT_SENT)
    story.node(3, 1, CUT)
    assert fates(story) == ["OK NONE 8", "OK NONE 11"]


def test_from_outside_only_the_servers_node_matters() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5), nodes=(-1,))
    story.node(3, 2, DOWN)
    assert fates(story) == ["OK NONE 8"]


def test_an_answer_over_a_lost_link_is_sent_again() -> None:
    """Work from 5 to 8 ms; lost from 7 to 300 ms: the retransmissions are at 208 and 608 ms."""
    story = Story(duration=1000 * MS)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5 * MS, service=3 * MS), nodes=(0,), connect_timeout_ns=NEVER)
    story.node(7 * MS, 1, CUT)
    story.node(300 * MS, 1, UP)
    assert fates(story) == [f"OK NONE {608 * MS}"]


def test_a_link_that_is_back_before_the_work_ends_is_not_felt() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5, service=30), nodes=(0,))
    story.node(10, 1, CUT)
    story.node(20, 1, UP)
    assert fates(story) == ["OK NONE 35"]


def test_the_deadline_comes_before_the_answer() -> None:
    story = Story(duration=1000 * MS)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5 * MS, service=3 * MS), nodes=(0,), request_timeout_ns=400 * MS)
    story.node(7 * MS, 1, CUT)
    story.node(300 * MS, 1, UP)
    assert fates(story) == [f"REQUEST_TIMEOUT NODE_LOST {405 * MS}"]


def test_a_process_that_ends_behind_a_lost_link_tells_nobody() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5, service=30), nodes=(0,), request_timeout_ns=60)
    story.node(10, 1, CUT)
    story.truth(15, 0, TruthKind.CUT)
    story.node(20, 1, UP)
    assert fates(story) == ["REQUEST_TIMEOUT NODE_LOST 65"]


def test_power_lost_at_the_server_is_never_answered_and_its_queue_is_gone() -> None:
    """A request without a deadline stays open; the next life of the address would be another server."""
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5, service=30), Arrive(6, service=1), nodes=(0,), request_timeout_ns=NEVER)
    story.client(Arrive(7, service=1), nodes=(0,), request_timeout_ns=50)
    lost_power(story, 10, 1, 0)
    assert fates(story) == ["OPEN NONE -1", "OPEN NONE -1", "REQUEST_TIMEOUT NODE_LOST 57"]


def test_a_client_without_power_waits_for_nothing_and_sends_nothing() -> None:
    """In service, connecting, and arriving while down; the work at the server goes on."""
    story = Story(duration=200)
    story.believe(0, story.pod(node=1), observer=0)
    story.believe(0, story.pod(node=1, address=-1, listen=None), observer=1)
    story.client(Arrive(5, service=30), Arrive(20), Arrive(60), nodes=(0,))
    story.client(Arrive(5), nodes=(0,), observers=(1,))
    story.client(Arrive(12, service=1), nodes=(2,))
    story.node(10, 0, DOWN)
    story.node(50, 0, UP)
    assert fates(story) == [
        "NOT_SENT NODE_LOST 10",
        "NOT_SENT NODE_LOST 20",
        "OK NONE 63",
        "NOT_SENT NODE_LOST 10",
        "OK NONE 36",
    ]


def test_loopback_goes_down_with_its_pod() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(5, service=30), nodes=(ON_SERVERS_NODE,), on_empty=OnEmpty.NOT_SENT)
    lost_power(story, 10, 1, 0)
    assert fates(story) == ["NOT_SENT NODE_LOST 10"]


def test_a_pinned_source_looks_up_again_after_a_lost_node_and_not_after_its_own() -> None:
    story = Story(duration=300)
    story.believe(0, story.pod(node=1))
    story.believe(20, story.pod(node=2))
    story.client(
        Arrive(5), Arrive(60), nodes=(0,), reach=Reach.PINNED, resolve=Resolve.ON_FAILURE, resolver=0
    )
    lost_power(story, 3, 1, 0)
    assert fates(story) == ["CONNECT_TIMEOUT NODE_LOST 45", "OK NONE 63"]


def test_jobs_on_a_node_without_power_stay_open() -> None:
    story = Story(duration=100)
    story.believe(0, story.pod(node=1))
    story.client(Arrive(50), nodes=(0,))
    story.job(5, 0, service=20, timeout=40)
    lost_power(story, 10, 1, 0)
    fates(story)
    assert story.job_fates() == ["OPEN -1"]
