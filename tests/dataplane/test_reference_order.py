"""Stories of one instant: which of two things that happen at the same nanosecond comes first (R1 to R3)."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.dataplane.contract import Ask, OnEmpty, Rank, Reach, Resolve, TruthKind
from svcsim.dataplane.reference.order import JOBS, OrderedEnvironment, priority
from tests.dataplane.test_reference_story import Arrive, Story, key_that_picks

CLOSE, CUT, LISTEN = TruthKind.CLOSE, TruthKind.CUT, TruthKind.LISTEN
ON_FAILURE = {"reach": Reach.PINNED, "resolve": Resolve.ON_FAILURE}


def one_pod(**changes: object) -> tuple[Story, int]:
    """A story in which observer 0 believes in one listening pod."""
    story = Story(**changes)  # type: ignore[arg-type]
    pod = story.pod()
    story.believe(0, pod)
    return story, pod


def test_the_environment_orders_by_rank_client_request_and_nothing_else() -> None:
    places = [
        (rank, client, request) for rank in Rank for client in (0, 3, JOBS) for request in (0, 1, 1 << 40)
    ]
    for insertion in (places, places[::-1]):
        env = OrderedEnvironment(100)
        seen: list[tuple[Rank, int, int]] = []
        for place in insertion:
            env.at(7, *place).callbacks.append(lambda _, place=place, seen=seen: seen.append(place))
        env.run_before(7)
        assert seen == []
        env.run_before(8)
        assert seen == places


def test_an_event_made_now_with_a_smaller_rank_is_next() -> None:
    env = OrderedEnvironment(100)
    seen = []

    def arrival(_: object) -> None:
        seen.append("arrival")
        env.at(7, Rank.COMPLETION, 0, 0).callbacks.append(lambda _: seen.append("completion"))

    env.at(7, Rank.ARRIVAL, 0, 0).callbacks.append(arrival)
    env.at(7, Rank.ARRIVAL, 0, 1).callbacks.append(lambda _: seen.append("next arrival"))
    env.run_before(8)
    assert seen == ["arrival", "completion", "next arrival"]


def test_what_an_event_sets_off_precedes_every_rank() -> None:
    assert priority(Rank.TRUTH, 0, 0) > 1


def test_the_clock_stays_an_int_and_ends_before_the_horizon() -> None:
    env = OrderedEnvironment(100)
    last = env.at(99, Rank.PULL, 0, 0)
    past = env.at(100, Rank.TRUTH, 0, 0)
    env.run_before(1000)
    assert last.processed and not past.triggered
    assert type(env.now_ns) is int and env.now_ns == 99


@pytest.mark.parametrize(("kind", "fate"), [(LISTEN, "OK NONE 8"), (CLOSE, "REFUSED STALE_ENDPOINT 5")])
def test_truth_precedes_arrival(kind: TruthKind, fate: str) -> None:
    story, pod = one_pod()
    story.truth(5, pod, kind)
    story.client(Arrive(5))
    assert story.fates() == [f"0.0 {fate}"]


@pytest.mark.parametrize(
    ("kinds", "fate"), [((CLOSE, LISTEN), "OK NONE 8"), ((LISTEN, CLOSE), "REFUSED STALE_ENDPOINT 5")]
)
def test_truth_rows_of_one_instant_keep_their_order(kinds: tuple[TruthKind, ...], fate: str) -> None:
    story, pod = one_pod()
    story.truth(5, pod, *kinds)
    story.client(Arrive(5))
    assert story.fates() == [f"0.0 {fate}"]


def test_belief_precedes_arrival_and_its_last_row_of_an_instant_holds() -> None:
    story, _ = one_pod()
    b, c = story.pod(), story.pod()
    story.believe(5, b)
    story.believe(5, c)
    story.client(Arrive(4), Arrive(5))
    assert story.column("server") == [0, c]


def test_truth_and_belief_precede_a_retransmission() -> None:
    story = Story()
    pod = story.pod(address=-1, listen=None)
    story.believe(0, pod)
    story.truth(15, pod, TruthKind.ADDRESS, LISTEN)
    story.client(Arrive(5))
    assert story.fates() == ["0.0 OK NONE 18"]


def test_completion_precedes_arrival_so_the_worker_is_free() -> None:
    story, _ = one_pod(queue=0)
    story.client(Arrive(5, service=4), Arrive(9))
    assert story.fates() == ["0.0 OK NONE 9", "0.1 OK NONE 12"]


@pytest.mark.parametrize(("service", "fate"), [(10, "OK NONE 15"), (11, "REQUEST_TIMEOUT SLOW_SERVICE 15")])
def test_completion_precedes_deadline(service: int, fate: str) -> None:
    story, _ = one_pod()
    story.client(Arrive(5, service=service), request_timeout_ns=10)
    assert story.fates() == [f"0.0 {fate}"]


@pytest.mark.parametrize(("service", "fate"), [(9, "OK NONE 14"), (10, "EOF IN_FLIGHT_CUT 15")])
def test_cut_precedes_completion(service: int, fate: str) -> None:
    story, pod = one_pod()
    story.truth(15, pod, CUT)
    story.client(Arrive(5, service=service))
    assert story.fates() == [f"0.0 {fate}"]


@pytest.mark.parametrize(
    ("timeout", "fate"), [(9, "REQUEST_TIMEOUT SLOW_SERVICE 14"), (10, "EOF IN_FLIGHT_CUT 15")]
)
def test_cut_precedes_deadline(timeout: int, fate: str) -> None:
    story, pod = one_pod()
    story.truth(15, pod, CUT)
    story.client(Arrive(5, service=50), request_timeout_ns=timeout)
    assert story.fates() == [f"0.0 {fate}"]


@pytest.mark.parametrize(("service", "fate"), [(9, "EOF"), (10, "RESET"), (11, "RESET")])
def test_who_would_start_at_the_cut_has_not_been_read(service: int, fate: str) -> None:
    story, pod = one_pod()
    story.truth(15, pod, CUT)
    story.client(Arrive(5, service=service), Arrive(6, service=30))
    assert story.fates()[1] == f"0.1 {fate} IN_FLIGHT_CUT 15"


def test_an_arrival_at_the_instant_of_the_cut_is_served() -> None:
    story, pod = one_pod()
    story.truth(15, pod, CUT)
    story.client(Arrive(15, service=0), Arrive(15))
    assert story.fates() == ["0.0 OK NONE 15", "0.1 OK NONE 18"]


def test_a_cut_after_a_listen_of_the_same_instant() -> None:
    """CUT, then LISTEN, at one instant: what came before is cut, the arrival of that instant is served."""
    story, pod = one_pod()
    story.truth(12, pod, CLOSE)
    story.truth(15, pod, CUT, LISTEN)
    story.client(Arrive(5, service=50), Arrive(13), Arrive(15))
    assert story.fates() == ["0.0 EOF IN_FLIGHT_CUT 15", "0.1 REFUSED STALE_ENDPOINT 13", "0.2 OK NONE 18"]


def test_deadline_precedes_arrival() -> None:
    """The timeout at 15 moves the source before the arrival of 15."""
    story, _ = one_pod()
    b = story.pod()
    story.believe(7, b)
    story.client(Arrive(5, service=50), Arrive(15), request_timeout_ns=10, **ON_FAILURE)
    assert story.column("server") == [0, b]


def test_a_retransmission_at_the_connect_deadline_is_not_sent() -> None:
    story = Story()
    pod = story.pod(address=8, listen=15)
    story.truth(3, pod, TruthKind.RELEASE)
    story.believe(0, pod)
    story.client(Arrive(5), connect_timeout_ns=10)
    story.client(Arrive(5), connect_timeout_ns=11)
    assert story.fates() == ["0.0 CONNECT_TIMEOUT STALE_ENDPOINT 15", "1.0 OK NONE 18"]


def test_retransmission_precedes_arrival_of_a_lower_client() -> None:
    story = Story(queue=0)
    pod = story.pod(address=8, listen=8)
    story.believe(0, pod)
    story.client(Arrive(15))
    story.client(Arrive(5))
    assert story.fates() == ["0.0 REJECTED OVERLOAD 15", "1.0 OK NONE 18"]


def test_the_last_icmp_token_goes_to_the_retransmission() -> None:
    """At one second a token comes back; the SYN of request 6 takes it before request 7 arrives."""
    second = 1_000_000_000
    story = Story(duration=3 * second)
    story.client(
        *(Arrive(0) for _ in range(7)), Arrive(second), ladder=(second,), connect_timeout_ns=2 * second
    )
    assert story.fates()[6:] == [f"0.6 REFUSED NO_ENDPOINT {second}", f"0.7 REFUSED NO_ENDPOINT {2 * second}"]


def test_arrivals_of_one_instant_go_by_client_then_request() -> None:
    story, _ = one_pod()
    story.client(Arrive(5), Arrive(5))
    story.client(Arrive(5), Arrive(5))
    assert story.column("start_ns") == [5, 8, 11, 14]


def test_retransmissions_of_one_instant_go_by_client_then_request() -> None:
    """The requests send their second SYN at 15, though client 1's were sent first."""
    story = Story()
    pod = story.pod(address=14, listen=14)
    story.believe(0, pod)
    story.client(Arrive(5), Arrive(5), ladder=(10,))
    story.client(Arrive(3), Arrive(4), ladder=(11, 12))
    assert story.column("connected_ns") == [15, 15, 14, 15]
    assert story.column("start_ns") == [17, 20, 14, 23]


def test_arrival_precedes_pull() -> None:
    story, _ = one_pod()
    b = story.pod()
    story.believe(5, b)
    story.client(Arrive(5), Arrive(6), reach=Reach.PINNED, resolve=Resolve.EVERY, phases=[5])
    assert story.column("server") == [0, b]


def test_a_failure_moves_a_source_before_a_pull_of_the_same_instant() -> None:
    """Resolution 1 is due to the failures of client 0, resolution 1 of client 1 to its clock."""
    story = Story()
    pods = [story.pod() for _ in range(3)]
    story.truth(5, pods[0], CLOSE)
    story.believe(0, *pods)
    key = key_that_picks((0, 1, 2), 3, [(0, m) for m in range(3)])
    story.client(Arrive(5), Arrive(5), Arrive(6), resolve_key=key, **ON_FAILURE)
    story.client(
        *(Arrive(t) for t in (5, 5, 6)),
        reach=Reach.PINNED,
        resolve=Resolve.EVERY,
        phases=[5],
        resolve_key=key,
    )
    assert story.column("server") == [0, 1, 1, 0, 0, 1]


def test_a_job_arrives_after_every_client() -> None:
    story, pod = one_pod()
    story.job(5, pod, service=2)
    story.job(5, pod, service=2)
    story.client(Arrive(5), Arrive(5))
    assert story.column("start_ns") == [5, 8]
    assert story.job_fates() == ["OK 13", "OK 15"]


def test_a_jobs_completion_precedes_its_deadline_and_loses_to_a_cut() -> None:
    story, pod = one_pod(workers=0)
    story.job(5, pod, service=10, timeout=10)
    story.job(6, pod, service=10, timeout=10)
    story.truth(16, pod, CUT)
    assert story.job_fates() == ["OK 15", "EOF 16"]


# R2, R3


def busy_story() -> Story:
    """Most rules at once, within 60 ns."""
    story = Story(workers=1, queue=2, vanished_after=9)
    a, b, c = story.pod(), story.pod(), story.pod(address=12, listen=17)
    story.believe(0, a, b)
    story.believe(21, b, c)
    story.believe(40)
    story.believe(3, a, observer=1)
    story.truth(15, a, CLOSE)
    story.truth(18, a, CUT)
    story.truth(24, a, TruthKind.RELEASE)
    story.truth(34, a, TruthKind.REUSE)
    story.truth(38, b, CUT)
    arrivals = [Arrive(k, service=k % 7, lo=(k * 0x9E3779B9) % (1 << 32), source=k % 2) for k in range(60)]
    story.client(*arrivals, observers=(0, 1), request_timeout_ns=20, connect_timeout_ns=12)
    story.client(*arrivals, observers=(0, 1), phases=[4, 7], reach=Reach.PINNED, resolve=Resolve.EVERY)
    story.client(*arrivals, observers=(0, 1), **ON_FAILURE)
    story.client(*arrivals[::2], on_empty=OnEmpty.NO_ADDRESS)
    for k in range(0, 60, 5):
        story.job(k, k % 3, service=2, timeout=6)
    return story


def test_rule_2_a_cut_at_any_instant_changes_nothing() -> None:
    story = busy_story()
    records, results = story.checked()
    for cut in range(61):
        cut_records, cut_results = story.run((cut,), slot=7)
        np.testing.assert_array_equal(records, cut_records)
        assert results == cut_results
    assert len(set(records["outcome"].tolist())) >= 9


def test_rule_2_answers_depend_on_the_instant_only() -> None:
    story = busy_story()
    by_steps: dict[int, list[int]] = {}
    engine = story.engine()

    def ask(until: int) -> None:
        by_steps[until] = [engine.ask(server, what) for server in (0, 1) for what in Ask]

    story.drive(engine, range(1, 60), ask)
    for instant in range(1, 60):
        other = story.engine()
        at_once: dict[int, list[int]] = {}

        def ask_once(until: int, other: object = other, seen: dict[int, list[int]] = at_once) -> None:
            seen[until] = [other.ask(server, what) for server in (0, 1) for what in Ask]  # type: ignore[attr-defined]

        story.drive(other, (instant,), ask_once)
        assert at_once[instant] == by_steps[instant]


@pytest.mark.parametrize(("service", "fate"), [(14, "OK NONE 19"), (15, "OPEN NONE -1")])
def test_rule_3_settled_means_before_the_end(service: int, fate: str) -> None:
    story, _ = one_pod(duration=20)
    story.client(Arrive(5, service=service))
    assert story.fates() == [f"0.0 {fate}"]


def test_rule_3_a_request_starts_below_the_duration() -> None:
    story, _ = one_pod(duration=20)
    story.client(Arrive(19), Arrive(20))
    assert story.fates() == ["0.0 OPEN NONE -1"]


def test_records_need_the_whole_run() -> None:
    story, _ = one_pod()
    story.client(Arrive(5))
    engine = story.engine()
    with pytest.raises(AssertionError):
        engine.finish()
    story.drive(engine, (30, 30))
    assert engine.finish()["client"].tolist() == [0]


def test_a_run_without_requests_has_an_empty_table() -> None:
    story, _ = one_pod()
    story.client()
    assert story.log() == []
