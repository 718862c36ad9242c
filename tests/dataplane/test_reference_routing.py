"""Stories of routing: sources, picks, empty lists, SYN ladder, ICMP bucket, pins (R4 to R9, R12)."""

from __future__ import annotations

import pytest

from svcsim.dataplane.contract import NEVER, OnEmpty, Reach, Resolve, TruthKind
from tests.dataplane.test_reference_story import FIRST, LAST, Arrive, Story, key_that_picks

MIDDLE = 1 << 31
SECOND = 1_000_000_000
PINNED = {"reach": Reach.PINNED}
ON_FAILURE = PINNED | {"resolve": Resolve.ON_FAILURE}


def closed(story: Story, t: int = 0) -> int:
    """A pod whose port is closed from t on."""
    pod = story.pod()
    story.truth(t, pod, TruthKind.CLOSE)
    return pod


# R4, R5, R6


def test_rule_4_each_source_routes_by_the_belief_of_its_observer() -> None:
    story = Story()
    pods = [story.pod() for _ in range(3)]
    for observer, pod in enumerate(pods):
        story.believe(0, pod, observer=observer)
    story.client(*(Arrive(5, source=s) for s in (0, 1, 2, 1)), observers=(2, 1, 0))
    assert story.column("source") == [0, 1, 2, 1]
    assert story.column("observer") == [2, 1, 0, 1]
    assert story.column("server") == [2, 1, 0, 1]


def test_rule_5_the_pick_is_a_share_of_the_word() -> None:
    story = Story()
    pods = [story.pod() for _ in range(3)]
    story.believe(0, *reversed(pods))
    story.client(*(Arrive(5 + k, lo=lo) for k, lo in enumerate((FIRST, MIDDLE, LAST, (1 << 32) // 3))))
    assert story.column("server") == [2, 1, 0, 2]


def test_rule_6_what_cannot_be_routed_is_unreachable_at_once() -> None:
    story = Story()
    story.believe(0, story.pod())
    story.client(Arrive(5), reach=Reach.NONE)
    assert story.log() == [
        "0.0 source 0 at 5: observer -1 version -1 server -1 syns 1,"
        " connected -1 start -1 end 5 UNREACHABLE NOT_ROUTED"
    ]


def test_rule_6_belief_is_what_the_observer_holds_of_that_view_now() -> None:
    story = Story()
    a, b, other = story.pod(), story.pod(), story.pod(view=1)
    story.believe(0, a)
    story.believe(0, other, view=1)
    story.believe(3, b, observer=1)
    story.believe(10, b)
    story.client(Arrive(5), Arrive(9), Arrive(10), Arrive(11))
    assert story.column("server") == [a, a, b, b]


# R7


@pytest.mark.parametrize(
    ("on_empty", "fate", "syns"),
    [
        (OnEmpty.REJECT, "REFUSED NO_ENDPOINT", 1),
        (OnEmpty.NO_ADDRESS, "DNS_FAILURE NO_ENDPOINT", 0),
        (OnEmpty.NOT_SENT, "NOT_SENT NO_ENDPOINT", 0),
    ],
)
def test_rule_7_an_observer_without_a_row_holds_the_empty_list(
    on_empty: OnEmpty, fate: str, syns: int
) -> None:
    story = Story()
    story.pod(listen=None)
    story.client(Arrive(5), on_empty=on_empty)
    assert story.log() == [
        f"0.0 source 0 at 5: observer 0 version -1 server -1 syns {syns}, connected -1 start -1 end 5 {fate}"
    ]


@pytest.mark.parametrize(
    ("on_empty", "fate"),
    [
        (OnEmpty.REJECT, "0.0 REFUSED NOT_YET_PROGRAMMED 5"),
        (OnEmpty.NO_ADDRESS, "0.0 DNS_FAILURE NOT_YET_PROGRAMMED 5"),
        (OnEmpty.NOT_SENT, "0.0 NOT_SENT NO_ENDPOINT 5"),
    ],
)
def test_rule_7_the_cause_is_lag_when_a_server_of_the_view_listens(on_empty: OnEmpty, fate: str) -> None:
    story = Story()
    pod = story.pod()
    story.believe(0, pod)
    story.believe(4)
    story.client(Arrive(5), on_empty=on_empty)
    assert story.fates() == [fate]
    assert story.column("version") == [1]


def test_rule_7_a_server_of_another_view_is_no_reason() -> None:
    story = Story()
    story.pod(view=1)
    story.client(Arrive(5))
    story.client(Arrive(5), view=1)
    assert story.fates() == ["0.0 REFUSED NO_ENDPOINT 5", "1.0 REFUSED NOT_YET_PROGRAMMED 5"]


# R8


def test_rule_8_silence_is_repeated_up_the_ladder_until_the_connect_deadline() -> None:
    story = Story()
    story.believe(0, story.pod(address=-1, listen=None))
    story.client(Arrive(5), Arrive(6), ladder=(10, 30, 35), connect_timeout_ns=35)
    assert story.log() == [
        f"0.{k} source 0 at {5 + k}: observer 0 version 0 server 0 syns 3,"
        f" connected -1 start -1 end {40 + k} CONNECT_TIMEOUT STALE_ENDPOINT"
        for k in (0, 1)
    ]


def test_rule_8_the_ladder_may_end_long_before_the_deadline() -> None:
    story = Story()
    story.believe(0, story.pod(address=-1, listen=None))
    story.client(Arrive(5), ladder=(1, 2))
    assert story.fates() == ["0.0 CONNECT_TIMEOUT STALE_ENDPOINT 45"]
    assert story.column("syns") == [3]


def test_rule_8_a_smaller_request_timeout_ends_the_connecting() -> None:
    story = Story()
    story.believe(0, story.pod(address=-1, listen=None))
    story.client(Arrive(5), request_timeout_ns=10)
    assert story.fates() == ["0.0 CONNECT_TIMEOUT STALE_ENDPOINT 15"]
    assert story.column("syns") == [1]


def test_rule_8_without_any_timeout_silence_stays_open() -> None:
    story = Story()
    story.believe(0, story.pod(address=-1, listen=None))
    story.client(Arrive(5), connect_timeout_ns=NEVER)
    assert story.fates() == ["0.0 OPEN NONE -1"]
    assert story.column("syns") == [3]


def test_rule_8_a_syn_that_chose_a_server_sticks_to_it() -> None:
    story = Story()
    gone, good = story.pod(address=-1, listen=None), story.pod()
    story.believe(0, gone)
    story.believe(8, good)
    story.client(Arrive(5), Arrive(9))
    assert story.log() == [
        "0.0 source 0 at 5: observer 0 version 0 server 0 syns 3,"
        " connected -1 start -1 end 45 CONNECT_TIMEOUT STALE_ENDPOINT",
        "0.1 source 0 at 9: observer 0 version 1 server 1 syns 1, connected 9 start 9 end 12 OK NONE",
    ]


def test_rule_8_after_an_unsent_reject_the_next_syn_is_routed_anew() -> None:
    """Six ICMP answers empty the bucket; requests 6 and 7 meet a list at their second and third SYN."""
    story = Story(duration=100)
    pods = [story.pod() for _ in range(3)]
    story.believe(0)
    story.believe(12, *pods)
    key = key_that_picks((1, 0), 3, [(6, 2), (7, 1)])
    burst = [Arrive(1, source=0) for _ in range(6)]
    story.client(*burst, Arrive(1, lo=LAST), Arrive(3, lo=LAST), repick_key=key, ladder=(10, 30))
    assert story.log()[6:] == [
        "0.6 source 0 at 1: observer 0 version 1 server 1 syns 3, connected 31 start 31 end 34 OK NONE",
        "0.7 source 0 at 3: observer 0 version 1 server 0 syns 2, connected 13 start 13 end 16 OK NONE",
    ]


def test_rule_8_a_server_chosen_by_a_later_syn_is_kept_too() -> None:
    story = Story(duration=100)
    gone, good = story.pod(address=-1, listen=None), story.pod()
    story.believe(10, gone)
    story.believe(20, good)
    story.client(*(Arrive(1) for _ in range(7)))
    assert story.log()[6] == (
        "0.6 source 0 at 1: observer 0 version 0 server 0 syns 3,"
        " connected -1 start -1 end 41 CONNECT_TIMEOUT STALE_ENDPOINT"
    )


def test_rule_7_a_timeout_takes_the_cause_of_the_last_syn() -> None:
    story = Story(duration=100)
    story.pod(listen=15)
    story.client(*(Arrive(1) for _ in range(7)), *(Arrive(2) for _ in range(1)), connect_timeout_ns=12)
    story.client(*(Arrive(1) for _ in range(7)), connect_timeout_ns=40)
    assert story.fates()[6:8] == [
        "0.6 CONNECT_TIMEOUT NO_ENDPOINT 13",
        "0.7 CONNECT_TIMEOUT NO_ENDPOINT 14",
    ]
    assert story.fates()[14] == "1.6 CONNECT_TIMEOUT NOT_YET_PROGRAMMED 41"


# R9


def test_rule_9_six_answers_then_silence_per_source() -> None:
    story = Story()
    story.client(*(Arrive(k // 2, source=k % 2) for k in range(16)), observers=(0, 0))
    story.client(Arrive(8))
    fates = story.fates()
    assert fates[:12] == [f"0.{k} REFUSED NO_ENDPOINT {k // 2}" for k in range(12)]
    assert fates[12:16] == [f"0.{k} CONNECT_TIMEOUT NO_ENDPOINT {40 + k // 2}" for k in range(12, 16)]
    assert fates[16:] == ["1.0 REFUSED NO_ENDPOINT 8"]


def test_rule_9_host_network_is_exempt() -> None:
    story = Story()
    story.client(*(Arrive(k) for k in range(20)), icmp_limited=False)
    assert story.fates() == [f"0.{k} REFUSED NO_ENDPOINT {k}" for k in range(20)]


@pytest.mark.parametrize(
    ("ladder", "fate"),
    [
        ((SECOND - 1,), f"0.6 CONNECT_TIMEOUT NO_ENDPOINT {2 * SECOND}"),
        ((SECOND,), f"0.6 REFUSED NO_ENDPOINT {SECOND}"),
        ((SECOND // 2, SECOND), f"0.6 REFUSED NO_ENDPOINT {SECOND}"),
    ],
)
def test_rule_9_a_token_comes_back_each_second(ladder: tuple[int, ...], fate: str) -> None:
    story = Story(duration=3 * SECOND)
    story.client(*(Arrive(0) for _ in range(7)), ladder=ladder, connect_timeout_ns=2 * SECOND)
    assert story.fates()[6] == fate


def test_rule_9_the_bucket_never_holds_more_than_six() -> None:
    story = Story(duration=100 * SECOND)
    story.client(*(Arrive(90 * SECOND) for _ in range(7)), connect_timeout_ns=SECOND)
    assert [fate.split()[1] for fate in story.fates()] == ["REFUSED"] * 6 + ["CONNECT_TIMEOUT"]


# R12


def test_rule_12_once_keeps_its_address_whatever_the_resolver_learns() -> None:
    story = Story()
    a, b = closed(story, 8), story.pod()
    story.believe(0, a)
    story.believe(6, b)
    story.client(Arrive(0), Arrive(7, service=1), Arrive(9), **PINNED)
    record = "source 0 at {}: observer -1 version -1 server 0 syns 1, connected"
    assert story.log() == [
        f"0.0 {record.format(0)} 0 start 0 end 3 OK NONE",
        f"0.1 {record.format(7)} 7 start 7 end 8 OK NONE",
        f"0.2 {record.format(9)} -1 start -1 end 9 REFUSED STALE_RESOLVER",
    ]


def test_rule_12_resolves_from_the_resolvers_view_and_picks_per_source() -> None:
    story = Story()
    pods = [story.pod() for _ in range(3)]
    story.believe(0, pods[0], observer=0)
    story.believe(0, *pods, observer=5)
    key = key_that_picks((2, 1), 3, [(0, 0), (1, 0)])
    story.client(Arrive(1), Arrive(2, source=1), observers=(0, 0), resolver=5, resolve_key=key, **PINNED)
    assert story.column("server") == [2, 1]


def test_rule_12_every_pulls_at_its_phase_and_then_each_period() -> None:
    """Picks of m = 0, 1, 2, 3 are pods 0, 1, 2, 0; an arrival at the instant of a pull uses the old one."""
    story = Story()
    pods = [story.pod() for _ in range(3)]
    story.believe(0, *pods)
    key = key_that_picks((0, 1, 2, 0), 3, [(0, m) for m in range(4)])
    instants = (0, 4, 5, 6, 14, 15, 16, 25, 26)
    story.client(
        *(Arrive(t, service=0) for t in instants),
        resolve=Resolve.EVERY,
        resolve_period_ns=10,
        phases=[5],
        resolve_key=key,
        **PINNED,
    )
    assert story.column("server") == [0, 0, 0, 1, 1, 1, 2, 2, 0]


def test_rule_12_every_may_pull_at_zero_again_after_the_arrivals_of_zero() -> None:
    story = Story()
    pods = [story.pod() for _ in range(2)]
    story.believe(0, *pods)
    key = key_that_picks((0, 1), 2, [(0, 0), (0, 1)])
    story.client(Arrive(0), Arrive(1), resolve=Resolve.EVERY, resolve_key=key, **PINNED)
    assert story.column("server") == [0, 1]


def test_rule_12_a_pull_reads_the_belief_of_its_own_instant() -> None:
    story = Story()
    a, b = story.pod(), story.pod()
    story.believe(0, a)
    story.believe(5, b)
    story.client(Arrive(5), Arrive(6), resolve=Resolve.EVERY, phases=[5], **PINNED)
    assert story.column("server") == [a, b]


def test_rule_12_on_failure_resolves_before_the_next_arrival_of_that_instant() -> None:
    story = Story()
    a, b = closed(story, 2), story.pod()
    story.believe(0, a)
    story.believe(3, b)
    story.client(Arrive(1, service=0), Arrive(5), Arrive(5), Arrive(6), **ON_FAILURE)
    assert story.fates() == [
        "0.0 OK NONE 1",
        "0.1 REFUSED STALE_RESOLVER 5",
        "0.2 OK NONE 8",
        "0.3 OK NONE 11",
    ]


def test_rule_12_success_resolves_nothing() -> None:
    story = Story()
    a, b = story.pod(), story.pod()
    story.believe(0, a)
    story.believe(3, b)
    story.client(Arrive(1, service=3), Arrive(5), **ON_FAILURE)
    assert story.column("server") == [a, a]


def test_rule_12_a_cut_resolves_after_the_belief_rows_of_its_instant() -> None:
    story = Story()
    a, b = story.pod(), story.pod()
    story.believe(0, a)
    story.truth(10, a, TruthKind.CUT)
    story.believe(10, b)
    story.client(Arrive(5, service=20), Arrive(10), **ON_FAILURE)
    assert story.fates() == ["0.0 EOF IN_FLIGHT_CUT 10", "0.1 OK NONE 13"]
    assert story.column("server") == [a, b]


def test_rule_12_only_the_first_of_two_failures_moves_a_source() -> None:
    """m = 1 gives pod 1; the second request was sent to pod 0, which is no longer held; m = 2 gives pod 2."""
    story = Story(workers=0)
    pods = [story.pod() for _ in range(3)]
    story.believe(0, *pods)
    story.truth(10, pods[0], TruthKind.CUT)
    story.truth(10, pods[1], TruthKind.CLOSE)
    key = key_that_picks((0, 1, 2), 3, [(0, m) for m in range(3)])
    story.client(*(Arrive(t, service=20) for t in (5, 6, 11, 12)), resolve_key=key, **ON_FAILURE)
    assert story.column("server") == [0, 0, 1, 2]


def test_rule_12_a_source_that_got_the_same_server_again_still_holds_it() -> None:
    """m = 1 gives pod 0 once more, so the second failure resolves too: m = 2 gives pod 1."""
    story = Story(workers=0)
    pods = [story.pod() for _ in range(2)]
    story.believe(0, *pods)
    story.truth(10, pods[0], TruthKind.CUT)
    key = key_that_picks((0, 0, 1), 2, [(0, m) for m in range(3)])
    story.client(*(Arrive(t, service=20) for t in (5, 6, 11)), resolve_key=key, **ON_FAILURE)
    assert story.column("server") == [0, 0, 1]


def test_rule_12_failures_of_one_instant_resolve_in_order_of_request_not_of_acceptance() -> None:
    """Request 0 reaches the pod at its second SYN, after request 1; both are cut at 20.

    Request 0 was sent by the same source; it is first to resolve, and request 1 finds its server gone.
    """
    story = Story(workers=0)
    a, b = story.pod(listen=None, address=-1), story.pod()
    story.truth(3, a, TruthKind.ADDRESS, TruthKind.LISTEN)
    story.truth(20, a, TruthKind.CUT)
    story.believe(0, a)
    story.believe(20, b)
    story.client(Arrive(1, service=20), Arrive(5, service=20), Arrive(20), **ON_FAILURE)
    assert story.fates() == ["0.0 EOF IN_FLIGHT_CUT 20", "0.1 EOF IN_FLIGHT_CUT 20", "0.2 OK NONE 23"]


@pytest.mark.parametrize("on_empty", list(OnEmpty))
def test_rule_12_a_source_without_an_address_is_a_dns_failure(on_empty: OnEmpty) -> None:
    story = Story()
    story.pod(listen=3)
    story.client(Arrive(2), Arrive(5), on_empty=on_empty, **PINNED)
    assert story.log() == [
        "0.0 source 0 at 2: observer -1 version -1 server -1 syns 0,"
        " connected -1 start -1 end 2 DNS_FAILURE NO_ENDPOINT",
        "0.1 source 0 at 5: observer -1 version -1 server -1 syns 0,"
        " connected -1 start -1 end 5 DNS_FAILURE NOT_YET_PROGRAMMED",
    ]


def test_rule_12_on_failure_from_no_address_and_back_to_none() -> None:
    story = Story()
    a = closed(story, 15)
    story.believe(5, a)
    story.believe(18)
    story.client(*(Arrive(t) for t in (4, 6, 7, 20, 21)), **ON_FAILURE)
    assert story.fates() == [
        "0.0 DNS_FAILURE NOT_YET_PROGRAMMED 4",
        "0.1 DNS_FAILURE NOT_YET_PROGRAMMED 6",
        "0.2 OK NONE 10",
        "0.3 REFUSED STALE_RESOLVER 20",
        "0.4 DNS_FAILURE NO_ENDPOINT 21",
    ]


def test_rule_12_a_pinned_ladder_sticks_while_the_source_moves_on() -> None:
    story = Story()
    gone, good = story.pod(address=-1, listen=None), story.pod()
    story.believe(0, gone)
    story.believe(6, good)
    story.client(Arrive(5), Arrive(17), resolve=Resolve.EVERY, phases=[6], **PINNED)
    assert story.fates() == ["0.0 CONNECT_TIMEOUT STALE_RESOLVER 45", "0.1 OK NONE 20"]
    assert story.column("syns") == [3, 1]


def test_rule_12_a_slow_answer_is_a_failure_too() -> None:
    story = Story()
    a, b = story.pod(), story.pod()
    story.believe(0, a)
    story.believe(1, b)
    story.client(Arrive(5, service=20), Arrive(15), request_timeout_ns=10, **ON_FAILURE)
    assert story.fates() == ["0.0 REQUEST_TIMEOUT SLOW_SERVICE 15", "0.1 OK NONE 18"]
    assert story.column("server") == [a, b]
