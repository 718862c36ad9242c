"""How svcsim compiles its loops: two decorators, typed as leaving the function as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import types

__all__ = ["compiled", "inner"]

F = TypeVar("F", bound=Callable[..., Any])


def _plain(typ: types.Type) -> types.Type:
    """The type of an argument, without its value where that is constant, and int64 for narrower ones."""
    typ = types.unliteral(typ)
    return types.int64 if typ in types.signed_domain else typ


def _decorated(function: F, **options: bool) -> F:
    decorate = cast(Any, njit)(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True, **options)
    loop = decorate(function)
    if loop is function:  # NUMBA_DISABLE_JIT
        return function
    template_for = loop.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        return template_for([_plain(typ) for typ in args], {name: _plain(typ) for name, typ in kws.items()})

    # of itself Numba compiles a function again for every constant that a caller passes
    loop.get_call_template = get_call_template
    return cast(F, loop)


def compiled(function: F) -> F:
    """Compile with Numba: cached on disk, without the interpreter's lock, without reference counts.

    The last makes a function that allocates an array fail to compile, so hot loops can't do it by mistake.
    """
    return _decorated(function)


def inner(function: F) -> F:
    """As `compiled`, for what only compiled functions call: Python has no entry to it, which would take long
    to compile."""
    return _decorated(function, no_cpython_wrapper=True)
