"""Stories of serving: server states, queues, cuts, deadlines, questions and jobs (R10, R11, R13 to R17)."""

from __future__ import annotations

import pytest

from svcsim.dataplane.contract import Ask, GroupPlan, JobResult, Outcome, QueueFull, Reach, TruthKind
from tests.dataplane.test_reference_story import Arrive, Story

ADDRESS, LISTEN, CLOSE = TruthKind.ADDRESS, TruthKind.LISTEN, TruthKind.CLOSE
CUT, RELEASE, REUSE = TruthKind.CUT, TruthKind.RELEASE, TruthKind.REUSE


def one_pod(**changes: object) -> tuple[Story, int]:
    """A story in which observer 0 believes in one listening pod."""
    story = Story(**changes)  # type: ignore[arg-type]
    pod = story.pod()
    story.believe(0, pod)
    return story, pod


# R10, R11


@pytest.mark.parametrize(
    ("kinds", "fate"),
    [
        ([], "CONNECT_TIMEOUT STALE_ENDPOINT 45"),
        ([ADDRESS], "REFUSED READY_BEFORE_LISTENING 5"),
        ([ADDRESS, LISTEN], "OK NONE 8"),
        ([ADDRESS, LISTEN, CLOSE], "REFUSED STALE_ENDPOINT 5"),
        ([ADDRESS, LISTEN, CLOSE, CLOSE], "REFUSED STALE_ENDPOINT 5"),
        ([ADDRESS, LISTEN, CLOSE, LISTEN], "OK NONE 8"),
        ([ADDRESS, CLOSE], "REFUSED READY_BEFORE_LISTENING 5"),
        ([ADDRESS, LISTEN, CUT], "OK NONE 8"),
        ([ADDRESS, LISTEN, CLOSE, CUT], "REFUSED STALE_ENDPOINT 5"),
        ([ADDRESS, LISTEN, CLOSE, CUT, RELEASE], "CONNECT_TIMEOUT STALE_ENDPOINT 45"),
        ([ADDRESS, LISTEN, CLOSE, CUT, RELEASE, CLOSE], "CONNECT_TIMEOUT STALE_ENDPOINT 45"),
        ([ADDRESS, LISTEN, CLOSE, CUT, RELEASE, REUSE], "MISDELIVERED IP_REUSED 5"),
        ([ADDRESS, LISTEN, CLOSE, CUT, RELEASE, REUSE, CLOSE], "MISDELIVERED IP_REUSED 5"),
        ([CLOSE], "CONNECT_TIMEOUT STALE_ENDPOINT 45"),
    ],
)
def test_rules_10_and_11_what_a_syn_meets(kinds: list[TruthKind], fate: str) -> None:
    for reach in (Reach.BELIEF, Reach.PINNED):
        story = Story()
        pod = story.pod(address=-1, listen=None)
        story.truth(2, pod, *kinds)
        story.believe(0, pod)
        story.client(Arrive(5), reach=reach)
        expected = fate if reach is Reach.BELIEF else fate.replace("STALE_ENDPOINT", "STALE_RESOLVER")
        assert story.fates() == [f"0.0 {expected}"]


@pytest.mark.parametrize(
    ("after", "fate", "syns"),
    [
        (-1, "CONNECT_TIMEOUT STALE_ENDPOINT 45", 3),
        (0, "UNREACHABLE STALE_ENDPOINT 5", 1),
        (9, "UNREACHABLE STALE_ENDPOINT 14", 1),
        (10, "UNREACHABLE STALE_ENDPOINT 15", 1),  # tie with the first retransmission
        (11, "UNREACHABLE STALE_ENDPOINT 16", 2),  # the second SYN does not restart the clock
        (40, "UNREACHABLE STALE_ENDPOINT 45", 3),  # tie with the connect deadline
        (41, "CONNECT_TIMEOUT STALE_ENDPOINT 45", 3),
    ],
)
def test_rule_10_a_vanished_address_is_unreachable_after_a_while(after: int, fate: str, syns: int) -> None:
    story, pod = one_pod(vanished_after=after)
    story.truth(1, pod, CLOSE, CUT, RELEASE)
    story.client(Arrive(5))
    assert story.fates() == [f"0.0 {fate}"]
    assert story.column("syns") == [syns]


def test_rule_10_unless_a_later_syn_meets_somebody_else() -> None:
    story, pod = one_pod(vanished_after=11)
    story.truth(1, pod, RELEASE)
    story.truth(15, pod, REUSE)
    story.client(Arrive(4), Arrive(5))
    assert story.fates() == ["0.0 UNREACHABLE STALE_ENDPOINT 15", "0.1 MISDELIVERED IP_REUSED 15"]


def test_rule_10_unless_a_later_syn_is_accepted() -> None:
    story = Story(vanished_after=15)
    pod = story.pod(address=12, listen=14)
    story.believe(0, pod)
    story.client(Arrive(5, service=20))
    assert story.log() == [
        "0.0 source 0 at 5: observer 0 version 0 server 0 syns 2, connected 15 start 15 end 35 OK NONE"
    ]


def test_rule_10_a_later_syn_dropped_by_a_full_queue_changes_nothing() -> None:
    story = Story(vanished_after=15, queue=0, full=QueueFull.DROP)
    pod = story.pod(address=12, listen=12)
    story.believe(0, pod)
    story.client(Arrive(5), Arrive(13, service=30))
    assert story.fates() == ["0.0 UNREACHABLE STALE_ENDPOINT 20", "0.1 OK NONE 43"]
    assert story.column("syns") == [2, 1]


def test_rule_10_starts_the_clock_at_the_first_syn_that_met_it() -> None:
    """The ICMP bucket is empty at 1, so request 6 chooses the vanished server at 11."""
    story = Story(duration=100, vanished_after=7)
    pod = story.pod(address=-1, listen=None)
    story.believe(10, pod)
    story.client(*(Arrive(1) for _ in range(7)))
    assert story.fates()[6] == "0.6 UNREACHABLE STALE_ENDPOINT 18"


# R13


def test_rule_13_two_workers_take_the_earliest_free() -> None:
    story, _ = one_pod(workers=2)
    story.client(*(Arrive(t, service=s) for t, s in ((1, 10), (2, 4), (3, 5), (4, 1), (5, 1))))
    assert story.column("start_ns") == [1, 2, 6, 11, 11]
    assert story.column("end_ns") == [11, 6, 11, 12, 12]


def test_rule_13_no_worker_limit_is_no_queue() -> None:
    story, _ = one_pod(workers=0, queue=0)
    story.client(*(Arrive(1, service=s) for s in (10, 4, 5)))
    assert story.column("start_ns") == [1, 1, 1]


@pytest.mark.parametrize(
    ("full", "fate", "syns"),
    [
        (QueueFull.REJECT, "0.3 REJECTED OVERLOAD 4", 1),
        (QueueFull.DROP, "0.3 CONNECT_TIMEOUT OVERLOAD 44", 3),
    ],
)
def test_rule_13_a_full_queue(full: QueueFull, fate: str, syns: int) -> None:
    story, _ = one_pod(queue=2, full=full, vanished_after=3)
    story.client(*(Arrive(1 + k, service=25) for k in range(4)), ladder=(10, 20))
    assert story.fates() == ["0.0 OK NONE 26", "0.1 OK NONE 51", "0.2 OPEN NONE -1", fate]
    assert story.column("syns") == [1, 1, 1, syns]


def test_rule_13_a_dropped_syn_comes_back_when_there_is_room() -> None:
    story, _ = one_pod(queue=0, full=QueueFull.DROP)
    story.client(Arrive(1, service=9), Arrive(2), Arrive(9, service=1))
    assert story.log() == [
        "0.0 source 0 at 1: observer 0 version 0 server 0 syns 1, connected 1 start 1 end 10 OK NONE",
        "0.1 source 0 at 2: observer 0 version 0 server 0 syns 2, connected 12 start 12 end 15 OK NONE",
        "0.2 source 0 at 9: observer 0 version 0 server 0 syns 2, connected 19 start 19 end 20 OK NONE",
    ]


def test_rule_13_who_starts_at_this_instant_does_not_wait() -> None:
    """At 5 the worker is free again: request 1 starts then, so one place is free for request 2."""
    story, _ = one_pod(queue=1)
    story.client(Arrive(1, service=4), Arrive(2), Arrive(4), Arrive(5), Arrive(7))
    assert story.fates() == [
        "0.0 OK NONE 5",
        "0.1 OK NONE 8",
        "0.2 REJECTED OVERLOAD 4",
        "0.3 OK NONE 11",
        "0.4 REJECTED OVERLOAD 7",
    ]


def test_rule_13_abandoned_work_keeps_its_waiting_place_and_its_worker() -> None:
    story, _ = one_pod(queue=1)
    story.client(Arrive(1, service=20), Arrive(2, service=20), request_timeout_ns=5)
    story.client(Arrive(10), Arrive(21), Arrive(22))
    assert story.fates() == [
        "0.0 REQUEST_TIMEOUT SLOW_SERVICE 6",
        "0.1 REQUEST_TIMEOUT OVERLOAD 7",
        "1.0 REJECTED OVERLOAD 10",
        "1.1 OK NONE 44",
        "1.2 REJECTED OVERLOAD 22",
    ]


def test_rule_13_each_group_has_its_own_workers() -> None:
    story, web = one_pod()
    story.groups.append(GroupPlan(name="api", workers=2, queue=-1, queue_full=QueueFull.REJECT))
    api = story.pod(group=1)
    story.believe(10, api)
    story.client(*(Arrive(t) for t in (1, 1, 11, 11)))
    assert story.column("server") == [web, web, api, api]
    assert story.column("start_ns") == [1, 4, 11, 11]


def test_rule_13_work_of_no_length_is_done_at_once() -> None:
    story, _ = one_pod(queue=0)
    story.client(*(Arrive(5, service=0) for _ in range(3)))
    assert story.fates() == [f"0.{k} OK NONE 5" for k in range(3)]


# R14, R15


def test_rule_14_a_cut_takes_served_and_waiting_and_frees_the_workers() -> None:
    story, pod = one_pod()
    story.truth(10, pod, CUT)
    story.client(
        Arrive(1, service=2), Arrive(4, service=20), Arrive(5), Arrive(10, service=2), Arrive(11, service=2)
    )
    assert story.log()[1:] == [
        "0.1 source 0 at 4: observer 0 version 0 server 0 syns 1,"
        " connected 4 start 4 end 10 EOF IN_FLIGHT_CUT",
        "0.2 source 0 at 5: observer 0 version 0 server 0 syns 1,"
        " connected 5 start 24 end 10 RESET IN_FLIGHT_CUT",
        "0.3 source 0 at 10: observer 0 version 0 server 0 syns 1, connected 10 start 10 end 12 OK NONE",
        "0.4 source 0 at 11: observer 0 version 0 server 0 syns 1, connected 11 start 12 end 14 OK NONE",
    ]


def test_rule_14_a_cut_empties_the_waiting_places() -> None:
    story, pod = one_pod(queue=1)
    story.truth(10, pod, CUT)
    story.client(*(Arrive(t, service=20) for t in (1, 2, 11, 12, 13)))
    assert story.fates() == [
        "0.0 EOF IN_FLIGHT_CUT 10",
        "0.1 RESET IN_FLIGHT_CUT 10",
        "0.2 OK NONE 31",
        "0.3 OK NONE 51",
        "0.4 REJECTED OVERLOAD 13",
    ]


def test_rule_14_abandoned_work_vanishes_with_the_rest() -> None:
    story, pod = one_pod()
    story.truth(10, pod, CUT)
    story.client(Arrive(1, service=50), request_timeout_ns=5)
    story.client(Arrive(11))
    assert story.fates() == ["0.0 REQUEST_TIMEOUT SLOW_SERVICE 6", "1.0 OK NONE 14"]


def test_rule_14_only_the_server_that_is_cut() -> None:
    story, a = one_pod()
    b = story.pod()
    story.believe(4, b)
    story.truth(10, a, CUT)
    story.truth(12, b, CUT)
    story.client(Arrive(3, service=20), Arrive(5, service=20))
    assert story.fates() == ["0.0 EOF IN_FLIGHT_CUT 10", "0.1 EOF IN_FLIGHT_CUT 12"]


def test_rule_15_a_deadline_after_waiting_is_overload() -> None:
    story, _ = one_pod()
    story.client(Arrive(1, service=8), Arrive(3, service=4), Arrive(4, service=7), request_timeout_ns=9)
    assert story.log() == [
        "0.0 source 0 at 1: observer 0 version 0 server 0 syns 1, connected 1 start 1 end 9 OK NONE",
        "0.1 source 0 at 3: observer 0 version 0 server 0 syns 1,"
        " connected 3 start 9 end 12 REQUEST_TIMEOUT OVERLOAD",
        "0.2 source 0 at 4: observer 0 version 0 server 0 syns 1,"
        " connected 4 start 13 end 13 REQUEST_TIMEOUT OVERLOAD",
    ]


def test_rule_15_the_deadline_counts_from_the_arrival_not_from_the_connection() -> None:
    story = Story()
    story.believe(0, story.pod(address=8, listen=8))
    story.client(Arrive(5, service=10), request_timeout_ns=15)
    assert story.log() == [
        "0.0 source 0 at 5: observer 0 version 0 server 0 syns 2,"
        " connected 15 start 15 end 20 REQUEST_TIMEOUT SLOW_SERVICE"
    ]


def test_rule_15_the_connect_deadline_ends_with_the_connection() -> None:
    story, _ = one_pod()
    story.client(Arrive(5, service=20), connect_timeout_ns=10)
    assert story.fates() == ["0.0 OK NONE 25"]


# R16


def test_rule_16_questions_as_of_the_instant_advanced_to() -> None:
    """Work from 5 to 15, 15 to 19 and 19 to 29, the last two abandoned; a cut at 20; work from 25 to 26."""
    story, pod = one_pod()
    story.truth(20, pod, CUT)
    story.client(Arrive(5, service=10), Arrive(6, service=4), Arrive(7, service=10), request_timeout_ns=12)
    story.client(Arrive(25, service=1))
    engine = story.engine()
    answers = {}

    def ask(until: int) -> None:
        answers[until] = tuple(engine.ask(pod, what) for what in (Ask.DRAIN_END, Ask.IN_FLIGHT, Ask.ACCEPTED))

    story.drive(engine, (1, 5, 6, 8, 15, 16, 19, 20, 21, 25, 26, 27), ask)
    assert answers == {  # DRAIN_END, IN_FLIGHT, ACCEPTED
        1: (1, 0, 0),
        5: (5, 0, 0),
        6: (15, 1, 1),
        8: (29, 3, 3),
        15: (29, 3, 3),
        16: (29, 2, 3),
        19: (29, 2, 3),
        20: (29, 1, 3),
        21: (21, 0, 3),
        25: (25, 0, 3),
        26: (26, 1, 4),
        27: (27, 0, 4),
        60: (60, 0, 4),
    }


def test_load_counts_clients_connections_by_second() -> None:
    second = 1_000_000_000
    story = Story(duration=3 * second)
    a, b = story.pod(), story.pod()
    story.believe(0, a)
    story.believe(2 * second, b)
    story.job(5, a)
    story.client(*(Arrive(t) for t in (0, second - 1, second, 2 * second, 2 * second + 1)))
    story.client(Arrive(second + 7), reach=Reach.NONE)
    engine = story.engine()
    story.drive(engine)
    assert engine.load() == {(a, 0): 2, (a, 1): 1, (b, 2): 2}


# R17


@pytest.mark.parametrize(
    ("kinds", "after", "fate"),
    [
        ([], -1, "CONNECT_TIMEOUT 15"),
        ([], 4, "UNREACHABLE 9"),
        ([], 10, "UNREACHABLE 15"),
        ([], 11, "CONNECT_TIMEOUT 15"),
        ([ADDRESS], -1, "REFUSED 5"),
        ([ADDRESS, LISTEN], -1, "OK 6"),
        ([ADDRESS, LISTEN, CLOSE], -1, "REFUSED 5"),
        ([ADDRESS, LISTEN, CLOSE, CUT, RELEASE], 3, "UNREACHABLE 8"),
        ([ADDRESS, LISTEN, CLOSE, CUT, RELEASE, REUSE], 3, "MISDELIVERED 5"),
    ],
)
def test_rule_17_a_job_meets_the_server_as_it_is(kinds: list[TruthKind], after: int, fate: str) -> None:
    story = Story(vanished_after=after)
    pod = story.pod(address=-1, listen=None)
    story.truth(2, pod, *kinds)
    story.job(5, pod)
    assert story.job_fates() == [fate]


def test_rule_17_a_job_has_no_ladder() -> None:
    """The pod listens when a client's second SYN would come."""
    story = Story()
    pod = story.pod(address=8, listen=8)
    story.job(5, pod, timeout=30)
    story.believe(0, pod)
    story.client(Arrive(5))
    assert story.job_fates() == ["CONNECT_TIMEOUT 35"]
    assert story.fates() == ["0.0 OK NONE 18"]


@pytest.mark.parametrize(
    ("full", "fate"), [(QueueFull.REJECT, "REJECTED 6"), (QueueFull.DROP, "CONNECT_TIMEOUT 16")]
)
def test_rule_17_a_job_waits_in_the_queue_or_finds_it_full(full: QueueFull, fate: str) -> None:
    story, pod = one_pod(queue=1, full=full, vanished_after=3)
    story.client(Arrive(4, service=5))
    story.job(5, pod, service=3)
    story.job(6, pod)
    assert story.job_fates() == ["OK 12", fate]


def test_rule_17_a_jobs_work_delays_clients_and_outlives_its_deadline() -> None:
    story, pod = one_pod()
    story.job(5, pod, service=20, timeout=4)
    story.client(Arrive(6))
    assert story.job_fates() == ["REQUEST_TIMEOUT 9"]
    assert story.column("start_ns") == [25]


def test_rule_17_a_job_is_cut_like_anybody() -> None:
    story, pod = one_pod()
    story.job(5, pod, service=20, timeout=30)
    story.job(6, pod, service=20, timeout=30)
    story.truth(10, pod, CUT)
    assert story.job_fates() == ["EOF 10", "RESET 10"]


def test_rule_17_jobs_count_in_flight_but_not_as_connections_of_clients() -> None:
    story, pod = one_pod()
    story.job(5, pod, service=20, timeout=4)
    engine = story.engine()
    story.drive(engine, (10,))
    answers = {}
    engine = story.engine()
    story.drive(
        engine,
        (10,),
        lambda until: answers.update(
            {until: [engine.ask(pod, w) for w in (Ask.DRAIN_END, Ask.IN_FLIGHT, Ask.ACCEPTED)]}
        ),
    )
    assert answers == {10: [25, 1, 0], 60: [60, 0, 0]}
    assert len(engine.finish()) == 0


def test_rule_17_a_job_is_open_until_the_window_has_passed_its_end() -> None:
    story, pod = one_pod()
    number = story.job(5, pod, service=4)
    engine = story.engine()
    seen: dict[int, JobResult] = {}
    story.drive(engine, (6, 9, 10), lambda until: seen.update({until: engine.job(number)}))
    assert seen[6] == seen[9] == JobResult(due_ns=9)
    assert seen[10] == seen[60] == JobResult(outcome=Outcome.OK, end_ns=9, due_ns=9)


def test_rule_17_an_accepted_job_says_at_once_when_its_work_is_due() -> None:
    """Behind a request in service: start 9, due 12, known from the acceptance at 5 on."""
    story, pod = one_pod(queue=1)
    story.client(Arrive(4, service=5))
    first, second = story.job(5, pod, service=3), story.job(6, pod)
    engine = story.engine()
    seen: dict[int, list[JobResult]] = {}
    story.drive(engine, (7,), lambda until: seen.update({until: [engine.job(first), engine.job(second)]}))
    assert seen[7][0] == JobResult(due_ns=12)
    assert seen[60][0] == JobResult(outcome=Outcome.OK, end_ns=12, due_ns=12)
    assert seen[7][1] == JobResult(outcome=Outcome.REJECTED, end_ns=6)


def test_rule_17_the_due_instant_outlives_deadline_and_cut() -> None:
    story, pod = one_pod()
    story.job(5, pod, service=20, timeout=4)
    story.job(6, pod, service=20, timeout=30)
    story.truth(10, pod, CUT)
    _, results = story.checked()
    assert results == [
        JobResult(outcome=Outcome.REQUEST_TIMEOUT, end_ns=9, due_ns=25),
        JobResult(outcome=Outcome.RESET, end_ns=10, due_ns=45),
    ]


def test_rule_17_an_injected_instant_may_not_lie_behind() -> None:
    story, pod = one_pod()
    story.job(5, pod)
    engine = story.engine()
    story.drive(engine)
    with pytest.raises(AssertionError):
        engine.inject(story.jobs[0])
