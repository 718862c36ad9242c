"""R23 by hand: the fewest open attempts, with the route word where several have as few, and peak EWMA."""

from __future__ import annotations

import json
import math

import pytest

import svcsim
from svcsim.dataplane.contract import EWMA_FIRST_NS, EWMA_WEIGHTS, Balance
from svcsim.dataplane.reference.routers import Estimate
from tests.controlplane.stories import deployment, service
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


def test_peak_ewma_takes_the_worse_at_once_and_forgets_it_with_time() -> None:
    """Of two servers one takes 900 units of time once: it is left alone until the estimate has worn off."""
    first = Estimate(EWMA_FIRST_NS, None)
    slow = first.after(9 * 10**9, 10**9)
    assert slow.at(10**9) == 9 * 10**9
    assert slow.at(11 * 10**9) == pytest.approx(9e9 * math.exp(-1), rel=2e-3)
    assert slow.at(10**9 + 12 * 10**10) == 0
    better = slow.after(10**9, 11 * 10**9)
    assert better.ns == pytest.approx(9e9 * math.exp(-1) + 1e9 * (1 - math.exp(-1)), rel=2e-3)
    assert better.after(9 * 10**9, 11 * 10**9).ns == 9 * 10**9
    assert first.at(10**12) == EWMA_FIRST_NS


def test_weights_of_peak_ewma_are_those_of_the_exponential() -> None:
    for k, weight in enumerate(EWMA_WEIGHTS[:100]):
        assert weight == pytest.approx(65536 * math.exp(-k / 16), abs=16)


def share_of_slow(balance: str) -> float:
    """Requests that meet the slow one of four pods, of those that are served, by one proxy."""
    slow = deployment(1)
    labels = {"app": "web", "speed": "slow"}
    slow["metadata"]["name"] = "slow"
    slow["spec"]["selector"]["matchLabels"] = slow["spec"]["template"]["metadata"]["labels"] = labels
    scenario = {
        "manifests": [deployment(3), slow, service()],
        "duration": "60s",
        "workloads": {
            "deployment/web": {"serviceTime": "5ms"},
            "deployment/slow": {"serviceTime": "100ms"},
        },
        "clients": [
            {
                "name": "proxy",
                "to": "service/web",
                "via": "ingress",
                "rate": "40/s",
                "sources": 1,
                "balance": balance,
            }
        ],
    }
    result = svcsim.simulate(
        svcsim.parse_scenario(json.dumps(scenario)), replications=1, keep_requests=True, seed=3
    )
    return float(result.requests["pod"].astype(str).str.contains("slow").mean())


def test_peak_ewma_leaves_a_slow_pod_alone_where_open_requests_say_little() -> None:
    """At this rate hardly anything is open: half of the pairs with the slow pod would choose it."""
    assert share_of_slow("two-choices") > 0.12
    assert share_of_slow("peak-ewma") < 0.05
