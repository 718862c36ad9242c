"""The histories as step functions: state of a server (R11), versions held."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from svcsim.dataplane.contract import ServerState, TruthKind
from svcsim.results.reading.truth import Beliefs, Steps, Truth
from tests.results.worlds import histories

ADDRESS, LISTEN, CLOSE, CUT, RELEASE, REUSE = TruthKind


def test_the_life_of_one_server() -> None:
    rows = [(2, 0, ADDRESS), (5, 0, LISTEN), (9, 0, CLOSE), (9, 0, CUT), (12, 0, RELEASE), (20, 0, REUSE)]
    truth = Truth(histories(1, rows, [], [], 30), 30)
    t = np.array([0, 2, 4, 5, 8, 9, 11, 12, 19, 20, 29])
    state, era = truth.at(np.zeros(len(t), dtype=np.int64), t)
    names = [ServerState(s).name for s in state.tolist()]
    lives = [name for name in ("STARTING", "LISTENING", "CLOSED", "VANISHED", "FOREIGN") for _ in range(2)]
    assert names == ["UNBORN", *lives]
    assert era.tolist() == [-1, 2, 2, 5, 5, 9, 9, 9, 9, 20, 20]
    _, state, begin, end = truth.spells()
    assert state.tolist() == [1, 2, 3, 4, 5]
    assert begin.tolist() == [2, 5, 9, 12, 20] and end.tolist() == [5, 9, 12, 20, 30]
    assert [part.tolist() for part in truth.listening()] == [[0], [5], [9]]


def test_a_restart_listens_again_and_a_close_before_listening_stays_starting() -> None:
    rows = [(0, 0, ADDRESS), (1, 0, CLOSE), (3, 0, LISTEN), (4, 0, CLOSE), (5, 0, CLOSE), (6, 0, LISTEN)]
    truth = Truth(histories(1, rows, [], [], 10), 10)
    t = np.array([0, 1, 3, 4, 5, 6])
    state, era = truth.at(np.zeros(6, dtype=np.int64), t)
    assert state.tolist() == [1, 1, 2, 3, 3, 2]
    assert era.tolist() == [0, 0, 3, 4, 4, 6]


def follow(rows: list[tuple[int, int, int]], server: int, t: int) -> int:
    """R11 read aloud: the opponent of `Truth`."""
    state = ServerState.UNBORN
    for at, who, kind in rows:
        if who != server or at > t:
            continue
        match TruthKind(kind):
            case TruthKind.ADDRESS:
                state = ServerState.STARTING
            case TruthKind.LISTEN:
                state = ServerState.LISTENING
            case TruthKind.CLOSE if state == ServerState.LISTENING:
                state = ServerState.CLOSED
            case TruthKind.RELEASE:
                state = ServerState.VANISHED
            case TruthKind.REUSE:
                state = ServerState.FOREIGN
    return int(state)


@given(st.data())
def test_any_history_is_read_as_r11_says(data: st.DataObject) -> None:
    rows: list[tuple[int, int, int]] = []
    for server in range(data.draw(st.integers(1, 3))):
        t = data.draw(st.integers(0, 5))
        listens = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([LISTEN, CLOSE, CUT])), max_size=6)
        life = [(0, ADDRESS), *data.draw(listens)]
        life += [
            (data.draw(st.integers(0, 4)), kind) for kind in (RELEASE, REUSE)[: data.draw(st.integers(0, 2))]
        ]
        for wait, kind in life:
            t += wait
            rows.append((t, server, int(kind)))
    rows.sort(key=lambda row: row[0])
    end = 60
    truth = Truth(histories(3, rows, [], [], end), end)
    t_all = np.arange(end)
    for server in range(3):
        state, _ = truth.at(np.full(end, server), t_all)
        assert state.tolist() == [follow(rows, server, t) for t in range(end)]
        painted = np.zeros(end, dtype=np.int64)
        for who, what, begin, to in zip(*(part.tolist() for part in truth.spells()), strict=True):
            if who == server:
                painted[begin:to] = what
        assert painted.tolist() == state.tolist()


def test_a_step_function_of_days_in_nanoseconds_with_many_groups() -> None:
    """Keys of (group, instant) that no longer fit 62 bits are compared by rank."""
    group = np.repeat(np.arange(100_000), 2)
    t = np.tile(np.array([0, 1 << 50]), 100_000)
    steps = Steps(group, t)
    asked = np.array([0, 5, (1 << 50) - 1, 1 << 50, 1 << 51])
    row = steps.row_at(np.full(5, 99_999), asked)
    assert row.tolist() == [199_998, 199_998, 199_998, 199_999, 199_999]
    assert (
        Steps(np.array([3]), np.array([7])).row_at(np.array([3, 2, 4]), np.array([6, 7, 9])).tolist()
        == [-1] * 3
    )


def test_the_last_belief_of_an_instant_holds() -> None:
    beliefs = [(0, 4, 0, 0), (3, 4, 0, 1), (3, 4, 0, 2), (3, 5, 0, 1), (8, 4, 1, 0)]
    held = Beliefs(histories(1, [], [(0,), (), (0, 0)], beliefs, 10))
    version, since = held.held(0, np.array([4, 4, 4, 5, 5, 6]), np.array([0, 2, 3, 2, 9, 9]))
    assert version.tolist() == [0, 0, 2, -1, 1, -1]
    assert since.tolist() == [0, 0, 3, 0, 3, 0]
