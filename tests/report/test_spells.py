"""What pods were and who listed them: small stories, written out."""

from __future__ import annotations

import math

import pandas as pd

from svcsim.report.spells import Listed, Spell, listed_spells, natural, pod_spells, stale_spells, window

NAN = math.nan
INSTANTS = (
    "created_s",
    "started_s",
    "listening_s",
    "ready_s",
    "deleted_s",
    "stopped_s",
    "ended_s",
    "released_s",
)


def _pods(*instants: float) -> pd.DataFrame:
    return pd.DataFrame([{"pod": "p", **dict(zip(INSTANTS, instants, strict=True))}])


def _timeline(*rows: tuple[str, float, float], container: str = "c") -> pd.DataFrame:
    columns = ["pod", "container", "state", "from_s", "to_s"]
    return pd.DataFrame([("p", container, *row) for row in rows], columns=columns)


def _story(spells: list[Spell]) -> list[tuple[str, float, float]]:
    return [(spell.state, spell.start, spell.stop) for spell in spells]


def test_a_new_pod_from_object_to_the_end_of_its_address() -> None:
    pods = _pods(1, 2, 4, 5, 9, 10, 10, 11)
    timeline = _timeline(("starting", 2, 4), ("listening", 4, 10), ("closed", 10, 11), ("vanished", 11, 20))
    told = [
        ("pending", 1, 2),
        ("starting", 2, 4),
        ("listening", 4, 5),
        ("ready", 5, 9),
        ("terminating", 9, 10),
        ("closed", 10, 11),
    ]
    assert _story(pod_spells(pods, timeline, {}, 20.0)["p"]) == told
    nobody_asks = timeline.iloc[:0]
    assert _story(pod_spells(pods, nobody_asks, {}, 20.0)["p"]) == told


def test_a_pod_that_never_came_up_is_pending() -> None:
    assert _story(pod_spells(_pods(3, *[NAN] * 7), _timeline(), {}, 20.0)["p"]) == [("pending", 3, 20)]


def test_an_address_with_another_owner_is_shown() -> None:
    pods = _pods(-5, -5, -5, -5, 2, 2, 2, 3)
    timeline = _timeline(("listening", 0, 2), ("vanished", 2, 4), ("foreign", 4, 9))
    assert _story(pod_spells(pods, timeline, {}, 9.0)["p"]) == [("ready", 0, 2), ("foreign", 4, 9)]


def test_two_containers_are_one_story() -> None:
    pods = _pods(0, 1, 4, 5, NAN, NAN, NAN, NAN)
    timeline = pd.concat(
        [
            _timeline(("starting", 1, 2), ("listening", 2, 8), ("closed", 8, 10)),
            _timeline(("starting", 1, 4), ("listening", 4, 9), ("closed", 9, 10), container="d"),
        ]
    )
    told = [("pending", 0, 1), ("starting", 1, 4), ("listening", 4, 5), ("ready", 5, 9), ("closed", 9, 10)]
    assert _story(pod_spells(pods, timeline, {}, 10.0)["p"]) == told


def test_readiness_before_the_last_time_is_read_off_the_lists() -> None:
    pods = _pods(-9, -9, -9, 7, NAN, NAN, NAN, NAN)
    listed = {"p": [Listed(0, 4, True), Listed(7.5, 10, True)]}
    told = [("ready", 0, 4), ("listening", 4, 7), ("ready", 7, 10)]
    assert _story(pod_spells(pods, _timeline(("listening", 0, 10)), listed, 10.0)["p"]) == told


def test_a_pod_listed_before_it_is_ready_is_not_called_ready() -> None:
    pods = _pods(1, 1, 2, 6, NAN, NAN, NAN, NAN)
    listed = {"p": [Listed(3, 10, True)]}
    told = [("listening", 2, 6), ("ready", 6, 10)]
    assert _story(pod_spells(pods, _timeline(("listening", 2, 10)), listed, 10.0)["p"])[1:] == told


def _histories() -> tuple[pd.DataFrame, pd.DataFrame]:
    versions = pd.DataFrame(
        [(0, 0, "a"), (0, 1, "b"), (1, 0, "b"), (2, 0, "b"), (2, 1, "c")],
        columns=["version", "position", "pod"],
    )
    rows = [
        ("node-1", "service/web proxy", 0, 0.0),
        ("node-2", "service/web proxy", 0, 0.0),
        ("node-1", "service/web proxy", 1, 3.0),
        ("node-2", "service/web proxy", 1, 5.0),
        ("node-2", "service/web proxy", 2, 7.0),
        ("node-1", "service/web proxy", 2, 8.0),
        ("node-1", "service/web ready", 0, 0.0),
        ("resolver", "service/web proxy", 0, 0.0),
        ("vip/3", "service/web proxy", 0, 0.0),
        ("pod itself", "service/web proxy", 0, 0.0),
    ]
    return pd.DataFrame(rows, columns=["observer", "view", "version", "t_s"]), versions


def test_bands_run_from_the_first_proxy_to_the_last() -> None:
    beliefs, versions = _histories()
    assert listed_spells(beliefs, versions, 10.0) == {
        "a": [Listed(0, 3, True), Listed(3, 5, False)],
        "b": [Listed(0, 10, True)],
        "c": [Listed(7, 8, False), Listed(8, 10, True)],
    }
    shuffled = beliefs.sample(frac=1, random_state=1)
    assert listed_spells(shuffled, versions, 10.0) == listed_spells(beliefs, versions, 10.0)


def test_a_list_that_became_empty_lists_nobody() -> None:
    beliefs = pd.DataFrame(
        [("node-1", "service/web proxy", 0, 0.0), ("node-1", "service/web proxy", 9, 4.0)],
        columns=["observer", "view", "version", "t_s"],
    )
    versions = pd.DataFrame([(0, 0, "a")], columns=["version", "position", "pod"])
    assert listed_spells(beliefs, versions, 10.0) == {"a": [Listed(0, 4, True)]}


def test_stale_is_listed_and_not_accepting() -> None:
    life = [Spell("starting", 0, 2), Spell("ready", 2, 5), Spell("closed", 5, 6), Spell("listening", 8, 9)]
    assert stale_spells(life, [Listed(1, 4, False), Listed(4, 9.5, True)]) == [(1, 2), (5, 8), (9, 9.5)]
    assert stale_spells(life, []) == []
    assert stale_spells([], [Listed(1, 2, True)]) == [(1, 2)]


def test_the_axis_shows_what_changes() -> None:
    lives = {"p": [Spell("ready", 0, 30)]}
    begin, end = window(lives, {"p": [Listed(0, 34, True)]}, [20.0], 100.0)
    assert 18 < begin < 20 and 34 < end < 37
    assert window({"p": [Spell("ready", 0, 100)]}, {}, [], 100.0) == (0.0, 100.0)


def test_names_sort_as_people_count() -> None:
    assert sorted(["r1/10", "r1/2", "r1/x", "r1/1"], key=natural) == ["r1/1", "r1/2", "r1/10", "r1/x"]
