"""A mapping that cannot be changed, and can be hashed, compared and pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

__all__ = ["FrozenMap"]

KeyT = TypeVar("KeyT")
ValueT_co = TypeVar("ValueT_co", covariant=True)


class FrozenMap(Mapping[KeyT, ValueT_co]):
    """A read-only mapping in the order it was built; equal to any mapping with the same items.

    >>> FrozenMap({"a": 1})
    FrozenMap({'a': 1})
    >>> FrozenMap({"a": 1}) == {"a": 1}
    True
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[KeyT, ValueT_co] | None = None) -> None:
        self._items: dict[KeyT, ValueT_co] = dict(items or {})

    def __getitem__(self, key: KeyT) -> ValueT_co:
        return self._items[key]

    def __iter__(self) -> Iterator[KeyT]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items))

    def __repr__(self) -> str:
        return f"FrozenMap({self._items!r})"
