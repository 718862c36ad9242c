"""Bundles: compiled loops read the fields of a NamedTuple, and of one inside it, from where they are."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit, typeof
from numba.core.errors import TypingError

from svcsim.compiled import compiled, inner
from svcsim.dataplane.vectorised.bundles import bundle


@bundle
class Inside(NamedTuple):
    table: Any


@bundle
class Outside(NamedTuple):
    first: Any
    inside: Any
    flags: Any


def outside(size: int = 3) -> Outside:
    table = np.arange(size * 4, dtype=np.int64).reshape(size, 4)
    return Outside(np.arange(size, dtype=np.float64), Inside(table), np.ones(size, dtype=np.int8))


@inner
def _twice(inside: Any, row: Any, by: Any) -> None:
    inside.table[row, 1] *= by


@compiled
def _reads_and_writes(one: Any, row: Any) -> Any:
    _twice(one.inside, row, 2)
    _twice(one.inside, np.int32(row), 2)
    total = np.int64(0)
    for value in one.inside.table[row]:
        total += value
    one.first[row] = len(one.flags)
    return total


def test_a_loop_reads_and_writes_the_arrays_of_a_bundle() -> None:
    for size in (3, 5):
        one = outside(size)
        assert _reads_and_writes(one, 2) == 8 + 9 * 4 + 10 + 11
        assert one.inside.table[2, 1] == 36
        assert one.first[2] == size


def test_a_function_is_compiled_once_whatever_the_constants_and_widths_passed() -> None:
    def twice(inside: Any, row: Any, by: Any) -> None:
        inside.table[row, 1] *= by

    def calls(one: Any, row: Any) -> None:
        double(one.inside, row, 2)
        double(one.inside, np.int32(row), 3)
        double(one.inside, 0, row)

    double = inner(twice)
    compiled(calls)(outside(), 1)
    assert len(double.overloads) == 1


def test_types_of_bundles_compare_by_class_and_fields_and_can_be_pickled() -> None:
    typ = typeof(outside())
    assert typ == typeof(outside(7)) == pickle.loads(pickle.dumps(typ))
    assert typ != typeof(outside()._replace(first=np.arange(3)))
    assert typ != typeof(outside().inside)


def test_a_loop_that_reads_a_field_that_is_missing_does_not_compile() -> None:
    @njit(_nrt=False)
    def reads(one: Any) -> Any:
        return one.nothing[0]

    with pytest.raises(TypingError, match="nothing"):
        reads(outside())
