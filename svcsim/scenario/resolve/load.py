"""A client's `rate:`, `arrivals:`, `bursts:` and `loop:` to how its requests arrive."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from svcsim.clock import MAX_NS
from svcsim.scenario.defaults import default
from svcsim.scenario.files.layer import ArrivalsFile, BurstsFile, ClientFile, CurveFile, LoopFile, TraceFile
from svcsim.scenario.files.place import Where, did_you_mean
from svcsim.scenario.load import MAX_TRACE, Bursts, Curve, Loop, Trace
from svcsim.scenario.resolve.values import law, positive_ns, rate_per_s, span_ns

__all__ = ["resolve_load"]

_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def resolve_load(file: ClientFile, *, base: Path | None, where: Where) -> dict[str, Any]:
    """Return the fields of a Client that say when its requests arrive.

    Exactly one of a rate, a recorded trace and a closed loop decides it.
    """
    traced = isinstance(file.arrivals, ArrivalsFile)
    asked = [
        name
        for name, there in (
            ("rate", file.rate is not UNSET),
            ("arrivals.trace", traced),
            ("loop", file.loop is not UNSET),
        )
        if there
    ]
    if not asked:
        raise (where / "rate").problem(
            f"{where / 'rate'} is missing: a client has a rate, or arrivals: {{trace: ...}}, or a loop"
        )
    if len(asked) > 1:
        raise where.problem(
            f"{where / asked[0]} and {where / asked[1]} each say when requests arrive; write one"
        )
    found: dict[str, Any] = {
        "arrivals": default("clients.arrivals")
        if file.arrivals is UNSET or isinstance(file.arrivals, ArrivalsFile)
        else file.arrivals
    }
    if isinstance(file.arrivals, ArrivalsFile):
        found["trace"] = _trace(file.arrivals.trace, base, where / "arrivals" / "trace")
    elif file.loop is not UNSET:
        if file.arrivals is not UNSET:
            raise (where / "arrivals").error(file.arrivals, "has no meaning with a loop")
        found["loop"] = _loop(file.loop, where / "loop")
    elif isinstance(file.rate, CurveFile):
        found["curve"] = _curve(file.rate, where / "rate")
    else:
        assert file.rate is not UNSET
        found["rate_per_s"] = rate_per_s(file.rate, where / "rate")
    if file.bursts is not UNSET:
        if asked != ["rate"]:
            raise (where / "bursts").problem(f"{where / 'bursts'} goes with a rate, not with {asked[0]}")
        found["bursts"] = _bursts(file.bursts, where / "bursts")
    return found


def _curve(file: CurveFile, where: Where) -> Curve:
    here = where / "curve"
    points: list[tuple[int, float]] = []
    for index, point in enumerate(file.curve):
        if len(point) != 2:
            raise (here / index).problem(f"{here / index} must be [time, rate], such as [6h, 50/s]")
        at = span_ns(point[0], here / index / 0)
        if not points and at != 0:
            raise (here / index / 0).error(point[0], "must be 0: the curve begins there")
        if points and at <= points[-1][0]:
            raise (here / index / 0).error(point[0], "must be later than the point before")
        points.append((at, rate_per_s(point[1], here / index / 1, zero=True)))
    interpolate = default("clients.rate.interpolate") if file.interpolate is UNSET else file.interpolate
    period = None if file.period is UNSET else positive_ns(file.period, where / "period")
    if period is not None and (points[-1][0] > period or (points[-1][0] == period and interpolate == "step")):
        raise (where / "period").error(file.period, "must be later than the last point of the curve")
    start = 0 if file.start is UNSET else span_ns(file.start, where / "start")
    return Curve(points=tuple(points), interpolate=interpolate, period_ns=period, start_ns=start)


def _bursts(file: BurstsFile, where: Where) -> Bursts:
    every = positive_ns(file.every, where / "every")
    length = positive_ns(file.length, where / "length")
    if length >= every:
        raise (where / "length").error(file.length, "must be shorter than every")
    if (file.factor is UNSET) == (file.rate is UNSET):
        raise where.problem(f"{where} needs one of factor and rate")
    factor = None if file.factor is UNSET else float(file.factor)
    if factor is not None and not 0 <= factor <= 1e6:
        raise (where / "factor").error(file.factor, "must be from 0 to 1000000")
    random = False if file.random is UNSET else file.random
    if random and file.first is not UNSET:
        raise (where / "first").error(file.first, "has no meaning with random: true")
    return Bursts(
        every_ns=every,
        length_ns=length,
        factor=factor,
        rate_per_s=None if file.rate is UNSET else rate_per_s(file.rate, where / "rate", zero=True),
        first_ns=0 if random else every if file.first is UNSET else span_ns(file.first, where / "first"),
        random=random,
    )


def _loop(file: LoopFile, where: Where) -> Loop:
    return Loop(users=file.users, think=law(file.think, where / "think"))


def _trace(file: TraceFile, base: Path | None, where: Where) -> Trace:
    if (file.file is UNSET) == (file.instants is UNSET):
        raise where.problem(f"{where} needs one of file and instants")
    if file.instants is not UNSET:
        for key in ("column", "count", "unit", "from_first"):
            if getattr(file, key) is not UNSET:
                name = {"from_first": "fromFirst"}.get(key, key)
                raise (where / name).problem(f"{where / name} goes with file, not with instants")
        listed = [span_ns(one, where / "instants" / k) for k, one in enumerate(file.instants)]
        for k in range(1, len(listed)):
            if listed[k] < listed[k - 1]:
                raise (where / "instants" / k).error(file.instants[k], "is earlier than the one before")
        instants = np.array(listed, dtype=np.int64)
    else:
        instants = _from_file(file, base, where)
    period = None if file.repeat is UNSET else positive_ns(file.repeat, where / "repeat")
    if period is not None and int(instants[-1]) >= period:
        raise (where / "repeat").error(
            file.repeat, f"must be longer than the last instant, {int(instants[-1]) / 1e9:g}s"
        )
    return Trace.of(instants, period)


def _from_file(file: TraceFile, base: Path | None, where: Where) -> npt.NDArray[np.int64]:
    """Return the instants that a CSV file lists, ns: a line to an instant, or to an instant and a count."""
    path = file.file
    assert isinstance(path, str)
    here = where / "file"
    try:
        with (Path(path) if base is None else base / path).open(newline="", encoding="utf-8-sig") as lines:
            rows = [(n, row) for n, row in enumerate(csv.reader(lines), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise here.error(path, f"cannot be read: {reason}; accepted: a CSV file") from None
    if not rows:
        raise here.error(path, "is empty; accepted: a CSV file with an instant to a line")
    head = None if _number(rows[0][1][0]) is not None else [name.strip() for name in rows.pop(0)[1]]
    at, count = _columns(file, head, where)
    unit = _NS[default("clients.arrivals.trace.unit") if file.unit is UNSET else file.unit]
    found = list(_read(rows, at, count, unit, path, here))
    if not found or not sum(n for _, n in found):
        raise here.error(path, "has no arrivals")
    if sum(n for _, n in found) > MAX_TRACE:
        raise here.error(path, f"has more than {MAX_TRACE} arrivals")
    first = found[0][0] if file.from_first is True else 0
    if found[-1][0] - first > MAX_NS or found[0][0] - first < 0:
        raise here.error(path, "has instants beyond ten years; fromFirst: true counts from the first of them")
    instants = np.array([t - first for t, _ in found], dtype=np.int64)
    return np.repeat(instants, [n for _, n in found])


def _columns(file: TraceFile, head: list[str] | None, where: Where) -> tuple[int, int | None]:
    """Return the places of the instants and of the counts in a row."""
    places: list[int | None] = []
    for key, name in (("column", file.column), ("count", file.count)):
        if name is UNSET:
            places.append(0 if key == "column" else None)
        elif head is None:
            raise (where / key).error(name, f"names a column, but {file.file} has no line of names")
        elif name not in head:
            raise (where / key).error(name, f"must be one of {', '.join(head)}{did_you_mean(name, head)}")
        else:
            places.append(head.index(name))
    at, count = places
    assert at is not None
    return at, count


def _read(
    rows: list[tuple[int, list[str]]], at: int, count: int | None, unit: int, path: str, where: Where
) -> Iterator[tuple[int, int]]:
    """Yield instant (ns) and count of each row, in order."""
    before = Decimal(0)
    for line, row in rows:
        place = f"{path}, line {line}"
        t = _number(row[at]) if at < len(row) else None
        if t is None:
            raise where.error(place, "has no number where its instant should be")
        if t < 0:
            raise where.error(place, f"is at {t}; instants must be >= 0")
        if t < before:
            raise where.error(place, f"is at {t}, before the line above ({before}); sort the file")
        n = Decimal(1) if count is None else _number(row[count]) if count < len(row) else None
        if n is None or n < 0 or n != n.to_integral_value() or n > MAX_TRACE:
            raise where.error(place, "has no whole number >= 0 where its count should be")
        before = t
        yield int((t * unit).to_integral_value()), int(n)


def _number(text: str) -> Decimal | None:
    """Return a finite number, None for anything else."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None
