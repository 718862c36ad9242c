"""Bundles of arrays as compiled loops see them: by address, in place of all their arrays by value.

Numba passes a tuple by its parts, so that a call with ten bundles of 180 arrays has a thousand arguments, and
compiling takes twice as long. Here a bundle is the address of a struct that the entry from Python fills, on
its own stack. No field of a bundle is set while a loop runs (what the arrays hold is), so that LLVM may keep
what it has loaded of one. A hot loop does well to name the arrays it reads before it begins: LLVM won't load
before a loop what only some of its turns read. Numba's cache doesn't look at this file: who changes how a
struct is laid out must change the kernel's file too.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    register_model,
    typeof_impl,
    unbox,
)

__all__ = ["bundle"]

C = TypeVar("C", bound=type[Any])


class Bundle(types.Type):
    """A bundle's type. Its name, by which Numba compares types, stands for the names and types of its fields.

    The names too, lest what the disk's cache holds be taken for a class whose fields have been moved since.
    It is short, because types are hashed often and the names of compiled functions repeat it.
    """

    def __init__(self, cls: type[Any], fields: tuple[types.Type, ...]) -> None:
        self.fields = dict(zip(cls._fields, fields, strict=True))
        super().__init__(f"{cls.__name__}_{hashlib.sha256(repr(self.fields).encode()).hexdigest()[:16]}")


register_model(Bundle)(models.OpaqueModel)


def bundle(cls: C) -> C:
    """Let compiled loops take a NamedTuple of arrays and other bundles by address; Python sees no change."""

    @typeof_impl.register(cls)
    def _(value: Any, context: Any) -> Bundle:
        return Bundle(cls, tuple(typeof_impl(field, context) for field in value))

    return cls


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Bundle

    def generic_resolve(self, typ: Bundle, name: str) -> types.Type | None:  # type: ignore[override]
        return typ.fields.get(name)


def _struct(context: Any, typ: Bundle) -> ir.LiteralStructType:
    return ir.LiteralStructType([context.get_value_type(field) for field in typ.fields.values()])


def _load(builder: Any, address: Any, typ: ir.Type) -> Any:
    """Load what never changes, word by word: where LLVM takes a load apart it forgets the mark."""
    if isinstance(typ, ir.Aggregate):
        value = ir.Constant(typ, ir.Undefined)
        for i in range(len(typ)):
            member = cgutils.gep_inbounds(builder, address, 0, i)
            value = builder.insert_value(value, _load(builder, member, typ.gep(ir.IntType(32)(i))), i)
        return value
    value = builder.load(address)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@lower_getattr_generic(Bundle)
def _get(context: Any, builder: Any, typ: Bundle, value: Any, name: str) -> Any:
    struct = _struct(context, typ)
    base = builder.bitcast(value, struct.as_pointer())
    place = list(typ.fields).index(name)
    return _load(builder, cgutils.gep_inbounds(builder, base, 0, place), struct.elements[place])


@unbox(Bundle)
def _unbox(typ: Bundle, obj: Any, c: Any) -> NativeValue:
    """Fill a struct on the entry's stack. Numba inlines no loop into its entry, so a loop sees it filled."""
    struct = cgutils.alloca_once(c.builder, _struct(c.context, typ))
    failed = cgutils.false_bit
    for i, field in enumerate(typ.fields.values()):
        part = c.unbox(field, c.pyapi.tuple_getitem(obj, i))
        c.builder.store(part.value, cgutils.gep_inbounds(c.builder, struct, 0, i))
        failed = c.builder.or_(failed, part.is_error)
    return NativeValue(c.builder.bitcast(struct, cgutils.voidptr_t), is_error=failed)
