"""R23 by hand: the fewest open attempts, and the route word where several have as few; both engines."""

from __future__ import annotations

from svcsim.dataplane.contract import Balance
from tests.dataplane.test_reference_story import Arrive, Story
from tests.dataplane.test_ways_in import entries


def chosen(*arrivals: Arrive) -> list[int]:
    """Servers that one source chose of three."""
    story = Story(duration=100)
    story.believe(0, *(story.pod() for _ in range(3)))
    story.client(*arrivals, balance=Balance.LEAST)
    return [server for _, _, server in entries(story)]


def test_of_equals_the_route_word_decides() -> None:
    """Nothing is open: the first, second and last third of all words are the three pods."""
    words = (0, 1 << 31, (1 << 32) - 1)
    assert chosen(*(Arrive(5 + 10 * k, service=1, lo=word) for k, word in enumerate(words))) == [0, 1, 2]


def test_only_those_with_the_fewest_are_equals() -> None:
    """Pod 1 is busy, then 1 and 2 are, then all: the middle word is that of pods 2, 0 and 1."""
    middle = 1 << 31
    assert chosen(*(Arrive(5 + k, service=30, lo=middle) for k in range(4))) == [1, 2, 0, 1]
