"""R26 by hand: the destinations of a virtual service, and what each scheduler makes of them; both engines."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from svcsim.dataplane.contract import OnEmpty, Outcome, Scheduler, TruthKind
from svcsim.dataplane.hashing import fill_table
from svcsim.rng import u32_at
from tests.dataplane.test_lost_nodes import fates
from tests.dataplane.test_reference_story import Arrive, Story

RR, LC, SH, MH, TUPLE = (
    Scheduler.ROUND_ROBIN,
    Scheduler.LEAST,
    Scheduler.SOURCE_HASH,
    Scheduler.MAGLEV,
    Scheduler.TUPLE,
)
S = 1_000_000_000


def servers(story: Story, client: int | None = None) -> list[int]:
    """The server of every record, or of one client's; the same in both engines."""
    fates(story)
    records, _ = story.checked()
    return [int(r["server"]) for r in records if client is None or r["client"] == client]


def three_pods(duration: int = 100) -> Story:
    """Pods 0, 1, 2 as one list: the last to be put at the head is pod 2."""
    story = Story(duration=duration, workers=0)
    story.believe(0, *(story.pod() for _ in range(3)))
    return story


def every(step: int, n: int, **changes: int) -> tuple[Arrive, ...]:
    return tuple(Arrive(5 + step * k, service=1, **changes) for k in range(n))


def test_round_robin_begins_with_the_newest_and_goes_round() -> None:
    story = three_pods()
    story.client(*every(10, 7), scheduler=RR)
    assert servers(story) == [2, 1, 0, 2, 1, 0, 2]


def test_all_sources_and_clients_of_a_node_have_one_turn_between_them() -> None:
    """Two sources of a client and another client in turn; another node and another address have their own."""
    story = three_pods()
    for observer in (0, 1):
        story.believe(0, 0, 1, 2, observer=observer)
    story.client(Arrive(5), Arrive(15, source=1), Arrive(25), observers=(0, 0), scheduler=RR)
    story.client(Arrive(6), Arrive(16), scheduler=RR)
    story.client(Arrive(7), observers=(1,), scheduler=RR)
    story.client(Arrive(8), scheduler=RR, virtual=1)
    assert [servers(story, k) for k in range(4)] == [[2, 0, 1], [1, 2], [2], [2]]


def test_a_pod_that_joins_waits_for_the_turn_to_come_round() -> None:
    """The turn is at pod 1 when pod 3 comes, at the head of 2, 1, 0."""
    story = three_pods()
    story.pod()
    story.believe(20, 0, 1, 2, 3)
    story.client(*every(10, 6), scheduler=RR)
    assert servers(story) == [2, 1, 0, 3, 2, 1]


@pytest.mark.parametrize(
    ("goes_at", "left", "expected"),
    [
        (10, (0, 1), [2, 1, 0, 1, 0]),  # the head stands for pod 2, which was first
        (20, (0, 2), [2, 1, 0, 2, 0]),  # pod 2 stands for pod 1
        (30, (1, 2), [2, 1, 0, 2, 1]),
        (10, (0, 2), [2, 0, 2, 0, 2]),  # another than the last chosen
        (20, (0,), [2, 1, 0, 0, 0]),  # the last chosen and the one before it
    ],
)
def test_where_the_turn_goes_on_when_pods_go(
    goes_at: int, left: tuple[int, ...], expected: list[int]
) -> None:
    story = three_pods()
    story.believe(goes_at, *left)
    story.client(*every(10, 5), scheduler=RR)
    assert servers(story) == expected


def test_a_pod_that_went_and_comes_again_is_new() -> None:
    """Pod 0 was last and is first when it is back; nobody was asked while it was away."""
    story = three_pods()
    story.believe(10, 1, 2)
    story.believe(11, 0, 1, 2)
    story.client(*every(10, 5), scheduler=RR)
    assert servers(story) == [2, 1, 0, 2, 1]
    story = three_pods()
    story.believe(1, 1, 2)
    story.believe(2, 0, 1, 2)
    story.client(*every(10, 4), scheduler=RR)
    assert servers(story) == [0, 2, 1, 0]


def test_a_dropped_list_has_no_destinations() -> None:
    story = three_pods()
    story.drop(10)
    story.believe(20, 0, 1)
    story.client(Arrive(5), Arrive(12), Arrive(25), scheduler=RR, ladder=(5,), connect_timeout_ns=8)
    assert fates(story)[1] == "CONNECT_TIMEOUT POLICY_DROP 20"
    assert servers(story) == [2, -1, 1]


def test_an_attempt_more_is_a_turn_more_whatever_was_tried() -> None:
    """Pod 2 refuses: the second attempt gets the next, the third request pod 2 again."""
    story = three_pods()
    story.truth(3, 2, TruthKind.CLOSE)
    again = {"retries": 1, "retry_on": frozenset((Outcome.REFUSED,)), "excludes_tried": True}
    story.client(Arrive(5), Arrive(15), Arrive(25), scheduler=RR, **again)
    assert servers(story) == [1, 0, 1]


def test_affinity_comes_before_the_turn() -> None:
    story = three_pods()
    story.client(
        *(Arrive(5 + 5 * k, service=1, source=k % 2) for k in range(6)),
        observers=(0, 0),
        scheduler=RR,
        affinity_ns=12,
    )
    assert servers(story) == [2, 1, 2, 1, 2, 1]


def test_the_fewest_open_connections_of_equals_the_first() -> None:
    """Pod 2 is busy from 5 to 35, pod 1 from 6 on; what is over counts less, but longer."""
    story = three_pods()
    story.client(
        Arrive(5, service=30),  # 2: all are idle
        Arrive(6, service=30),  # 1
        Arrive(7, service=1),  # 0, over at 8
        Arrive(10, service=1),  # 0: one remembered is less than one open
        Arrive(40, service=1),  # 2: one remembered, as pod 1, while pod 0 has two
        Arrive(50, service=1),  # 1
        Arrive(60, service=1),  # 2: all have two
        scheduler=LC,
    )
    assert servers(story) == [2, 1, 0, 0, 2, 1, 2]


def test_another_clients_connections_count() -> None:
    story = three_pods()
    story.client(Arrive(5, service=80), Arrive(6, service=80), scheduler=LC)
    story.client(Arrive(7, service=80), Arrive(8, service=1), scheduler=LC)
    assert [servers(story, k) for k in range(2)] == [[2, 1], [0, 2]]


def test_two_minutes_after_its_end_a_connection_is_forgotten() -> None:
    """Each has one over at 6, 16, 26; pod 1 is forgotten at 120 s + 16."""
    story = three_pods(duration=200 * S)
    later = (120 * S + 15, 120 * S + 16)
    story.client(*every(10, 3), *(Arrive(t, service=1) for t in later), scheduler=LC)
    # at the first pod 2 has been forgotten, and then has one more than pod 1
    assert servers(story) == [2, 1, 0, 2, 1]
    story = three_pods(duration=200 * S)
    story.client(*every(10, 3), Arrive(120 * S + 5, service=1), scheduler=LC)
    assert servers(story) == [2, 1, 0, 2]


def test_what_was_refused_is_not_remembered() -> None:
    """Pod 2 refuses and is chosen again: fewer connections than any (it attracts what it fails)."""
    story = three_pods()
    story.truth(3, 2, TruthKind.CLOSE)
    story.client(*every(10, 4), scheduler=LC)
    assert servers(story) == [2, 2, 2, 2]


def bucket_key(bucket: int, source: int = 0) -> int:
    """A key that puts a source into a bucket of 256."""
    return next(key for key in count() if u32_at(key, source) % 256 == bucket)


@pytest.mark.parametrize(("bucket", "server"), [(0, 2), (1, 1), (2, 0), (3, 2), (255, 2)])
def test_a_source_has_a_bucket_and_a_bucket_a_pod(bucket: int, server: int) -> None:
    """Bucket b is that of destination b mod 3 of 2, 1, 0."""
    story = three_pods()
    story.client(*every(10, 3), scheduler=SH, hash_key=bucket_key(bucket))
    assert servers(story) == [server] * 3


def test_a_pod_that_joins_moves_nearly_all_buckets() -> None:
    """3, 2, 1, 0 after 2, 1, 0: bucket b goes from 2 - b mod 3 to 3 - b mod 4."""
    story = three_pods()
    story.pod()
    story.believe(10, 0, 1, 2, 3)
    for bucket in range(6):
        story.client(Arrive(5), Arrive(15), scheduler=SH, hash_key=bucket_key(bucket))
    found = [servers(story, k) for k in range(6)]
    assert found == [[2 - b % 3, 3 - b % 4] for b in range(6)]


def leaving(scheduler: Scheduler, key: int) -> Story:
    """Pod 2 serves a request from 5 to 25, is not in the list from 10 on, and requests go on."""
    story = three_pods(duration=300 * S)
    story.believe(10, 0, 1)
    times = (15, 60 * S, 120 * S + 26, 180 * S + 9, 180 * S + 10)
    story.client(
        Arrive(5, service=20),
        *(Arrive(t, service=1) for t in times),
        scheduler=scheduler,
        hash_key=key,
        connect_timeout_ns=S,
    )
    return story


def test_a_hash_that_names_a_pod_that_is_leaving_is_refused_until_it_has_gone() -> None:
    """Remembered until 120 s + 25, looked at every minute since 10: gone at 180 s + 10."""
    story = leaving(SH, bucket_key(0))
    refused = "REFUSED STALE_ENDPOINT"
    assert [fate.rsplit(" ", 1)[0] for fate in fates(story)] == ["OK NONE", *[refused] * 4, "OK NONE"]
    assert servers(story) == [2, -1, -1, -1, -1, 1]


def test_maglev_keeps_the_entries_of_what_is_leaving_too() -> None:
    def all_at_two(key: int) -> bool:
        return all(entries[u32_at(key, r) % 4093] == 2 for r in range(6))

    entries = table(range(3), 4093, (2, 1, 0))
    story = leaving(MH, next(key for key in count() if all_at_two(key)))
    assert servers(story)[:5] == [2, -1, -1, -1, -1]
    assert servers(story)[5] in (0, 1)


def test_one_that_nobody_used_goes_at_once() -> None:
    story = three_pods()
    story.believe(5, 0, 1)
    story.client(Arrive(8), scheduler=SH, hash_key=bucket_key(0))
    assert servers(story) == [1]


def test_an_open_connection_keeps_it_and_one_that_returns_is_new() -> None:
    """Pod 2 leaves at 10 with an open connection, and is back at 30: at the head, as before."""
    story = three_pods()
    story.believe(10, 0, 1)
    story.believe(30, 0, 1, 2)
    story.client(
        Arrive(5, service=80),
        Arrive(12),
        Arrive(40),
        scheduler=SH,
        hash_key=bucket_key(0),
        icmp_limited=False,
    )
    assert servers(story) == [2, -1, 2]


def test_silence_behind_a_load_balancer_and_the_next_syn_meets_the_rules_again() -> None:
    story = three_pods()
    story.believe(10, 0, 1)
    story.believe(30, 0, 1, 2)
    story.client(
        Arrive(5, service=80),
        Arrive(12, service=1),
        scheduler=SH,
        hash_key=bucket_key(0),
        on_empty=OnEmpty.SILENT,
    )
    assert fates(story) == ["OK NONE 85", "OK NONE 43"]  # SYNs at 12, 22, 42


def table(pods: range, size: int, order: tuple[int, ...], key: int = 0) -> list[int]:
    """Maglev's table by its definition; `order`: whose turn is first."""
    assert set(order) == set(pods)
    offsets = [u32_at(key, server) % size for server in order]
    skips = [u32_at(key, server, 1) % (size - 1) + 1 for server in order]
    return [order[i] for i in fill_table(offsets, skips, size).tolist()]


@pytest.mark.parametrize(("scheduler", "size", "order"), [(MH, 4093, (2, 1, 0)), (TUPLE, 16381, (0, 1, 2))])
def test_maglev_goes_by_its_table(scheduler: Scheduler, size: int, order: tuple[int, ...]) -> None:
    """Each request has a hash of its own, that of an attempt more is another."""
    story = three_pods()
    story.client(*every(2, 40), scheduler=scheduler, hash_key=7)
    entries = table(range(3), size, order)
    assert servers(story) == [entries[u32_at(7, request) % size] for request in range(40)]
    assert set(servers(story)) == {0, 1, 2}


def test_of_cilium_every_node_gives_a_connection_to_the_same_pod() -> None:
    """Two clients with one hash, on two nodes that took the pods in another order."""
    story = three_pods()
    story.believe(0, 2, observer=1)
    story.believe(1, 0, 1, 2, observer=1)
    for observer in (0, 1):
        story.client(*every(2, 40), observers=(observer,), scheduler=TUPLE, hash_key=7)
    assert servers(story, 0) == servers(story, 1)


def test_maglev_moves_little_when_a_pod_goes() -> None:
    """Of requests with the same hashes before and after, those of other pods stay, but for a few."""
    found = []
    for listed in ((0, 1, 2, 3, 4), (0, 1, 2, 3)):
        story = Story(duration=3000, workers=0)
        for _ in range(5):
            story.pod()
        story.believe(0, *listed)
        story.client(*every(2, 1000), scheduler=TUPLE, hash_key=7)
        found.append(np.array(servers(story)))
    stayed = found[0] != 4
    assert (found[0][stayed] != found[1][stayed]).mean() < 0.05
