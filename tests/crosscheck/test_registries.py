"""Nothing of the program's registries is left out of what both engines are compared on.

Everything is read from the program: keys and words from the types of a scenario's file, members from the
enumerations and plans of the contract. What is added there and not here fails with what to do.
"""

from __future__ import annotations

import json
import typing
from collections import defaultdict
from dataclasses import MISSING, Field, fields
from enum import IntEnum
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from svcsim import parse_scenario
from svcsim.agreement import crosscheck
from svcsim.controlplane.lags import Dice
from svcsim.controlplane.topology import Topology
from svcsim.dataplane import contract
from svcsim.dataplane.contract import Cause, ClientPlan, GroupPlan, Outcome
from svcsim.scenario import events, model
from tests.crosscheck.generate import random_scenario
from tests.crosscheck.reached import ENDINGS, small_world, structs, words_of, written

GENERATED = 1000
PLANNED = 300
KNOWN = {
    ("ClientFile", "via"): set(model.VIAS),
    ("ClientFile", "balance"): set(model.BALANCES),
    ("ClientFile", "pick"): set(model.PICKS),
    ("ClientFile", "resolve"): set(model.RESOLVES) - {"every"},
    ("ClientFile", "arrivals"): set(model.ARRIVALS),
    ("RetryFile", "outcomes"): set(model.MAY_BE_RETRIED),
    ("WorkloadFile", "on_sigterm"): set(model.ON_SIGTERM) - {"lameDuck"},
    ("LoadBalancerFile", "preset"): set(model.PRESETS),
    ("EventFile", "pause_controller"): set(events.CONTROLLERS),
    ("ClientFile", "entry"): {"any", "own"},
    ("ClientFile", "origin"): {"outside"},
}
"""Words that the program knows by section and key; what is written with a key of its own is left out."""

FROM_FILES = {("TraceFile", key) for key in ("file", "column", "count", "unit", "from_first")}
"""Keys of files that generated scenarios, which have none, cannot read (tests/dataplane/test_arrivals.py)."""


@cache
def documents() -> list[dict[str, Any]]:
    return [random_scenario(seed) for seed in range(GENERATED)]


@cache
def said() -> dict[tuple[str, str], set[str]]:
    return written(documents())


def test_every_key_of_a_scenario_is_generated() -> None:
    never = [
        f"{section.__name__}.{key}"
        for section in structs()
        for key in section.__struct_fields__
        if (section.__name__, key) not in said() and (section.__name__, key) not in FROM_FILES
    ]
    assert never == [], "no generated scenario has these keys: let tests/crosscheck/generate.py write them"


def test_every_word_of_a_scenario_is_generated() -> None:
    known = {
        (section.__name__, key): words_of(hint)
        for section in structs()
        for key, hint in typing.get_type_hints(section, include_extras=True).items()
    }
    for place, words in KNOWN.items():
        known[place] = known.get(place, set()) | words
    never = {
        ".".join(place): sorted(words - said().get(place, set()))
        for place, words in known.items()
        if place not in FROM_FILES and words - said().get(place, set())
    }
    assert never == {}, "no generated scenario has these words: let tests/crosscheck/generate.py write them"


def test_every_kind_of_event_has_a_key() -> None:
    """So that the two tests above speak of every kind."""
    (section,) = (one for one in structs() if one.__name__ == "EventFile")
    names = set(section.__struct_encode_fields__)
    assert [kind for kind in events.REGISTRY if kind not in names] == []


@cache
def plans() -> dict[tuple[str, str], list[Any]]:
    """By record and field of a plan, its values in generated scenarios."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for document in documents()[:PLANNED]:
        topology = Topology.of(parse_scenario(json.dumps(document)))
        plan = topology.plan(Dice(topology.scenario.lag, 1, 0))
        for record in (*plan.groups, *plan.clients):
            for field in fields(record):
                found[type(record).__name__, field.name].append(getattr(record, field.name))
    return dict(found)


def _differs(value: Any, usual: Any) -> bool:
    return not isinstance(value, type(usual)) or bool(np.any(value != usual))


@pytest.mark.parametrize(
    ("record", "field"),
    [(record, field) for record in (GroupPlan, ClientPlan) for field in fields(record)],
    ids=lambda one: one.name if isinstance(one, Field) else one.__name__,
)
def test_every_field_of_a_plan_is_used(record: type, field: Field[Any]) -> None:
    """Each member of its enumeration occurs, and something else than its default."""
    values = plans()[record.__name__, field.name]
    kind = typing.get_type_hints(record)[field.name]
    where = f"{record.__name__}.{field.name}: let tests/crosscheck/generate.py make it"
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        assert set(kind) - set(values) == set(), where
    if field.default is not MISSING:
        assert any(_differs(value, field.default) for value in values), where


ENUMERATIONS_OF_PLANS = {
    kind
    for record in (GroupPlan, ClientPlan)
    for kind in typing.get_type_hints(record).values()
    if isinstance(kind, type) and issubclass(kind, IntEnum)
}
ELSEWHERE = {
    "Rank": "ties are on the grid of test_generated.py; tests/dataplane/test_reference_order.py",
    "ServerState": "tests/dataplane/test_reference_serving.py",
    "NodeState": "the events fail, partition and recover",
    "TruthKind": "tests/dataplane/test_reference_serving.py",
    "Ask": "tests/dataplane/test_reference_serving.py and test_work_done.py",
}
"""Enumerations of the contract that are neither chosen in a plan nor seen by a client."""


def test_every_enumeration_of_the_contract_is_looked_after() -> None:
    all_of_it = {
        one
        for one in vars(contract).values()
        if isinstance(one, type) and issubclass(one, IntEnum) and one is not IntEnum
    }
    left = {one.__name__ for one in all_of_it - ENUMERATIONS_OF_PLANS - {Outcome, Cause}}
    assert left == set(ELSEWHERE), "say in ELSEWHERE which test runs through the members of a new one"


@pytest.mark.parametrize("kind", [Outcome, Cause])
def test_every_outcome_and_cause_has_a_small_scenario(kind: type[IntEnum]) -> None:
    place = (Outcome, Cause).index(kind)
    ends = {pair[place] for _, pairs in ENDINGS.values() for pair in pairs}
    never = [member.name.lower() for member in kind if member.name.lower() not in ends]
    assert never == [], "add a small scenario that ends so to ENDINGS in tests/crosscheck/reached.py"


@pytest.mark.parametrize("name", list(ENDINGS))
def test_small_scenarios_end_as_they_say_in_both_engines(name: str) -> None:
    world, pairs = ENDINGS[name]
    found = crosscheck(parse_scenario(json.dumps(small_world(**world))), seed=1).outcomes
    assert [pair for pair in pairs if pair not in found] == [], sorted(found)


def test_a_new_key_or_word_would_be_seen() -> None:
    listed = typing.Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["b"]})]
    assert words_of(typing.Literal["a"] | list[listed] | msgspec.UnsetType) == {"a", "b"}
    document = small_world(events=[{"at": "1s", "rate": "c", "value": "2/s"}])
    found = written([document])
    assert found["EventFile", "rate"] == {"c"}
    assert ("EventFile", "scale") not in found
    assert found["ClientFile", "via"] == {"cluster-ip"}
