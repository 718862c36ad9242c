"""How svcsim compiles its loops: one decorator, typed as leaving the function as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled"]

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile with Numba: cached on disk, without the interpreter's lock, without reference counts.

    The last makes a function that allocates an array fail to compile, so hot loops can't do it by mistake.
    """
    decorate = cast(Callable[[F], F], njit(cache=True, nogil=True, _nrt=False))  # type: ignore[call-overload]
    return decorate(function)
