"""The bar of the first release: at most 4 yardsticks a request. Run with `-m benchmark`."""

from __future__ import annotations

import pytest

from tests.benchmarks.speed import headline, yardstick_ns


@pytest.mark.benchmark
def test_headline_is_within_four_yardsticks() -> None:
    ratios = []
    for _ in range(3):
        yardstick = yardstick_ns()
        ratios.append(headline(repeats=1)[0] / yardstick)
    assert min(ratios) <= 4.0, ratios
