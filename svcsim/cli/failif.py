"""`--fail-if`: a condition on the summary that turns into an exit code."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from svcsim.cli.exits import CommandError

if TYPE_CHECKING:
    from svcsim.results.result import Result

__all__ = ["Condition", "Verdict", "parse_conditions"]

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_SHAPE = re.compile(r"\s*(?P<left>[^<>=!]+?)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<number>[^<>=!\s]+)\s*")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a condition came to: `met` lines, and `undefined` lines for columns that have no value."""

    met: tuple[str, ...]
    undefined: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`column` `op` `number`, of one client or (None) of any."""

    text: str
    client: str | None
    column: str
    op: str
    number: float

    def judge(self, result: Result) -> Verdict:
        """Hold every summary row that it is about to the condition."""
        met, undefined = [], []
        for row in result.to_dict()["summary"]:
            if self.client not in (None, row["client"]):
                continue
            value = row[self.column]
            said = f"--fail-if {self.text}: client {row['client']} has {self.column}"
            if value is None:
                undefined.append(f"{said} undefined (an interval needs 5 replications and a failure)")
            elif OPERATORS[self.op](value, self.number):
                met.append(f"{said} = {value:.6g}" if isinstance(value, float) else f"{said} = {value}")
        return Verdict(met=tuple(met), undefined=tuple(undefined))


def parse_conditions(texts: Sequence[str], clients: Sequence[str]) -> list[Condition]:
    """Read conditions and hold them to the columns and clients there are, before anything runs.

    Raises:
        CommandError: what is wrong and what is accepted.
    """
    from svcsim.schema import TABLES  # noqa: PLC0415 (heavy)

    columns = [column.name for column in TABLES["summary"] if column.dtype in ("int64", "float64")]
    return [_condition(text, columns, clients) for text in texts]


def _condition(text: str, columns: Sequence[str], clients: Sequence[str]) -> Condition:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise CommandError(
            f"--fail-if = {text!r} must be COLUMN OP NUMBER or CLIENT.COLUMN OP NUMBER with OP one of "
            f"{' '.join(OPERATORS)}, such as 'failed_fraction>1e-4'"
        )
    number = _number(text, shape["number"])
    left = shape["left"]
    if left in columns:
        return Condition(text=text, client=None, column=left, op=shape["op"], number=number)
    client, dot, column = left.rpartition(".")
    if column not in columns:
        raise CommandError(f"--fail-if = {text!r}: {column!r} is no column; accepted: {', '.join(columns)}")
    if not dot or client not in clients:
        raise CommandError(f"--fail-if = {text!r}: {client!r} is no client; there are: {', '.join(clients)}")
    return Condition(text=text, client=client, column=column, op=shape["op"], number=number)


def _number(text: str, written: str) -> float:
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CommandError(f"--fail-if = {text!r}: {written!r} must be a number such as 0, 12 or 1e-4")
    return number
