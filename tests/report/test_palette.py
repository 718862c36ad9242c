"""Everything that can be drawn has a look of its own, for colour-blind readers too."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from svcsim.dataplane.contract import Outcome, ServerState
from svcsim.report.palette import ACCEPTING, OUTCOMES, PATHS, STAGES, STATES, Look, path_look, stage_look
from svcsim.report.words import LAG, STAGE
from svcsim.results.reading.lag import LAG_STAGES
from svcsim.results.reading.pipeline import STAGE_NAMES
from svcsim.scenario.model import RESOLVES, VIAS

# severity 1.0 of Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009), table 1; on linear RGB
BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def test_every_failure_stage_path_and_state_has_a_look() -> None:
    failures = {outcome.name.lower() for outcome in Outcome} - {"open", "ok", "not_sent"}
    assert set(OUTCOMES) == failures
    assert set(STAGES) == set(STAGE_NAMES) - {""}
    assert set(VIAS) <= set(PATHS)
    assert {f"pod-ip {resolve}" for resolve in RESOLVES} <= set(PATHS)
    drawn = {state.name.lower() for state in ServerState} - {"unborn", "vanished"}
    assert drawn <= set(STATES)
    assert set(ACCEPTING) <= set(STATES)


def test_every_stage_has_words() -> None:
    assert set(STAGE) == set(STAGE_NAMES)
    assert set(LAG) == set(LAG_STAGES)


@pytest.mark.parametrize("looks", [OUTCOMES, STATES, STAGES], ids=["outcomes", "states", "stages"])
def test_looks_differ_in_colour_and_in_hatch(looks: dict[str, Look]) -> None:
    assert len({look.colour for look in looks.values()}) == len(looks)
    drawn = [look for name, look in looks.items() if name not in ("pending", "gone", "ready")]
    assert len({look.hatch for look in drawn}) == len(drawn)


def test_paths_differ_in_marker_or_are_less_said_of_one_path() -> None:
    named = {name: look for name, look in PATHS.items() if name != "pod-ip"}
    assert len({look.marker for look in named.values()}) == len(named)


@pytest.mark.parametrize("blindness", BLIND)
@pytest.mark.parametrize(
    "looks", [OUTCOMES, STATES, STAGES, PATHS], ids=["outcomes", "states", "stages", "paths"]
)
def test_colours_that_look_alike_to_the_colour_blind_differ_otherwise(
    looks: dict[str, Look], blindness: str
) -> None:
    for a, b in combinations(looks, 2):
        if looks[a] == looks[b]:
            continue
        seen = [_seen(looks[name].colour, blindness) for name in (a, b)]
        alike = float(np.linalg.norm(seen[0] - seen[1])) < 0.06
        assert not alike or (looks[a].hatch, looks[a].marker) != (looks[b].hatch, looks[b].marker), (a, b)


def _seen(colour: str, blindness: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.clip(np.array(BLIND[blindness]) @ linear, 0.0, 1.0)


def test_a_path_is_known_with_more_words_behind_it() -> None:
    assert path_look("pod-ip every 30s") == PATHS["pod-ip every"]
    assert path_look("pod-ip once") != PATHS["cluster-ip"]
    assert path_look("pod-ipx") == path_look("carrier pigeon") == stage_look("")
