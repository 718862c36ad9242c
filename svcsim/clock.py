"""The only place where units are converted: int64 nanoseconds inside the engines, seconds outside.

Everything rounds half to even, as Python's ``round`` and NumPy's ``rint`` do, so a scalar and an array
never disagree about the last nanosecond.
"""

from __future__ import annotations

import math
import numbers
import re
from fractions import Fraction
from typing import overload

import numpy as np
from numpy.typing import NDArray

from svcsim.errors import ScenarioError

__all__ = [
    "MAX_NS",
    "MAX_RATE_PER_S",
    "NS_PER_S",
    "array_to_ns",
    "float_to_ns",
    "format_duration",
    "ns_to_s",
    "parse_duration",
    "parse_rate",
    "parse_share",
    "seconds_to_ns",
]

NS_PER_S = 1_000_000_000
MAX_NS = 10 * 365 * 86_400 * NS_PER_S
"""Longest duration, ten years: sums of a few dozen of them still fit into int64."""
MAX_RATE_PER_S = 1e9
"""Highest rate: one event per nanosecond, the resolution of the clock."""

_SCALE = 1e9
_MAX_F = float(MAX_NS)
_MAX_TEXT = 80
_DURATION_RULE = (
    'a duration is like "250ms", "1.5s", "2m" or "1h30m" (units h, m, s, ms, us, ns), or seconds as a number'
)
_RATE_RULE = 'a rate is like "200/s", "12k/s", "60/m" or "3/h", or a number of events per second'
_SHARE_RULE = 'a share is like "25%" or 0.25'

_UNIT_NS = {
    "h": 3600 * NS_PER_S,
    "m": 60 * NS_PER_S,
    "s": NS_PER_S,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ns": 1,
}
_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_PART = re.compile(rf"({_NUMBER})(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_DURATION = re.compile(rf"\+?(?:{_NUMBER}(?:h|ms|m|s|us|µs|μs|ns))+", re.ASCII)
_BARE = re.compile(rf"\+?{_NUMBER}", re.ASCII)
_RATE = re.compile(rf"\+?({_NUMBER})\s*([kMG]?)\s*(?:/\s*(h|min|m|s|ms))?", re.ASCII)
_SHARE = re.compile(rf"\+?({_NUMBER})\s*(%?)", re.ASCII)
_MULTIPLE = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_PER_S = {
    "ms": Fraction(1000),
    "s": Fraction(1),
    "m": Fraction(1, 60),
    "min": Fraction(1, 60),
    "h": Fraction(1, 3600),
}


def _shown(value: object) -> str:
    """Return the value as a message shows it: text as written, at most one line."""
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
    return repr(text) if isinstance(value, str) else text


def _real(value: object, rule: str) -> Fraction:
    """Return a finite, nonnegative number exactly; booleans are not numbers here."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise ScenarioError(f"{_shown(value)} is not a number or text: {rule}")
    if not math.isfinite(value):
        raise ScenarioError(f"{_shown(value)} must be finite: {rule}")
    if value < 0:
        raise ScenarioError(f"{_shown(value)} must be >= 0: {rule}")
    return Fraction(int(value)) if isinstance(value, numbers.Integral) else Fraction(float(value))


def _text(value: str, rule: str) -> str:
    text = value.strip()
    if len(text) > _MAX_TEXT:
        raise ScenarioError(f"{_shown(value)} is longer than {_MAX_TEXT} characters: {rule}")
    if text.startswith("-"):
        raise ScenarioError(f"{_shown(value)} must be >= 0: {rule}")
    return text


def _bounded_ns(ns: int, value: object) -> int:
    if ns > MAX_NS:
        raise ScenarioError(f"{_shown(value)} must be at most 10 years (87600h)")
    return ns


def seconds_to_ns(x: float) -> int:
    """Return a duration of ``x`` seconds as integer nanoseconds, rounded half to even.

    Args:
        x: seconds, finite, from 0 to 10 years.

    Raises:
        ScenarioError: ``x`` is not such a number.

    >>> seconds_to_ns(0.25)
    250000000
    """
    exact = _real(x, _DURATION_RULE)
    # an int is exact; a float is scaled in floating point, as arrays are
    ns = int(exact) * NS_PER_S if isinstance(x, numbers.Integral) else round(min(float(x) * _SCALE, 4e18))
    return _bounded_ns(ns, x)


def parse_duration(value: str | float) -> int:
    """Return a duration as integer nanoseconds; bare numbers are seconds.

    Text follows Go's ``time.ParseDuration`` as Kubernetes uses it, except that a bare number is accepted and
    that fractions of a nanosecond round half to even.

    Args:
        value: text such as ``"1h30m"``, or seconds.

    Raises:
        ScenarioError: the text is no duration, or the value is negative, not finite or over 10 years.

    >>> [parse_duration(text) for text in ("250ms", "1m30s", "0", 2.5)]
    [250000000, 90000000000, 0, 2500000000]
    """
    if not isinstance(value, str):
        return seconds_to_ns(value)
    text = _text(value, _DURATION_RULE)
    if _BARE.fullmatch(text):
        return _bounded_ns(round(Fraction(text) * NS_PER_S), value)
    if not _DURATION.fullmatch(text):
        raise ScenarioError(f"{_shown(value)} is not a duration: {_DURATION_RULE}")
    ns = sum((Fraction(number) * _UNIT_NS[unit] for number, unit in _PART.findall(text)), Fraction(0))
    return _bounded_ns(round(ns), value)


def parse_rate(value: str | float) -> float:
    """Return a rate as events per second.

    Args:
        value: text such as ``"12k/s"`` or ``"60/m"`` (multiples k, M, G; per ms, s, m or min, h), or events
            per second.

    Raises:
        ScenarioError: the text is no rate, or the value is negative, not finite or over 1e9/s.

    >>> [parse_rate(text) for text in ("200/s", "12k/s", "60/m", 200)]
    [200.0, 12000.0, 1.0, 200.0]
    """
    if isinstance(value, str):
        match = _RATE.fullmatch(_text(value, _RATE_RULE))
        if match is None:
            raise ScenarioError(f"{_shown(value)} is not a rate: {_RATE_RULE}")
        number, multiple, per = match.groups()
        rate = Fraction(number) * _MULTIPLE[multiple] * _PER_S[per or "s"]
    else:
        rate = _real(value, _RATE_RULE)
    if rate > MAX_RATE_PER_S:
        raise ScenarioError(f"{_shown(value)} must be at most 1G/s, one event per nanosecond")
    return float(rate)


def parse_share(value: str | float) -> float:
    """Return a share as a fraction from 0 to 1.

    Args:
        value: text such as ``"25%"``, or the fraction.

    Raises:
        ScenarioError: the text is no share, or the value is outside 0 to 1.

    >>> parse_share("25%"), parse_share(0.5)
    (0.25, 0.5)
    """
    if isinstance(value, str):
        match = _SHARE.fullmatch(_text(value, _SHARE_RULE))
        if match is None:
            raise ScenarioError(f"{_shown(value)} is not a share: {_SHARE_RULE}")
        share = Fraction(match[1]) / (100 if match[2] else 1)
    else:
        share = _real(value, _SHARE_RULE)
    if share > 1:
        raise ScenarioError(f"{_shown(value)} must be at most 100%: {_SHARE_RULE}")
    return float(share)


@overload
def ns_to_s(ns: int) -> float: ...
@overload
def ns_to_s(ns: NDArray[np.int64]) -> NDArray[np.float64]: ...
def ns_to_s(ns: int | NDArray[np.int64]) -> float | NDArray[np.float64]:
    """Return nanoseconds as seconds: a float for an int, a float64 array of the same shape for an array.

    >>> ns_to_s(1_500_000_000)
    1.5
    """
    if isinstance(ns, np.ndarray):
        return np.asarray(ns / _SCALE, dtype=np.float64)
    return float(ns) / _SCALE


def float_to_ns(x: float) -> int:
    """Return ``x`` >= 0 seconds (infinity included) as nanoseconds, capped at ``MAX_NS``: for drawn values.

    >>> float_to_ns(1e-9), float_to_ns(float("inf")) == MAX_NS
    (1, True)
    """
    x *= _SCALE
    return MAX_NS if x >= _MAX_F else round(x)


def array_to_ns(
    x: NDArray[np.float64], out: NDArray[np.int64] | None = None, *, overwrite: bool = False
) -> NDArray[np.int64]:
    """Return what ``float_to_ns`` gives for each element.

    Args:
        x: float64, any shape, seconds >= 0.
        out: int64, same shape, receives the result; a new array by default.
        overwrite: ``x`` may be used as scratch space.

    >>> array_to_ns(np.array([0.25, 1.5]))
    array([ 250000000, 1500000000])
    """
    scaled = np.multiply(x, _SCALE, out=x if overwrite else None)
    scaled = np.minimum(scaled, _MAX_F, out=scaled)
    scaled = np.rint(scaled, out=scaled)
    if out is None:
        return scaled.astype(np.int64)
    np.copyto(out, scaled, casting="unsafe")
    return out


def format_duration(ns: int) -> str:
    """Return the shortest exact text that ``parse_duration`` reads back; a minus sign for negative spans.

    >>> [format_duration(ns) for ns in (0, 250_000_000, 1_200_000_000, 5_400_000_000_000, 1_500)]
    ['0s', '250ms', '1.2s', '1h30m', '1.5us']
    """
    ns = int(ns)
    if ns < 0:
        return "-" + format_duration(-ns)
    if ns < NS_PER_S:
        for unit in ("ms", "us"):
            if ns >= _UNIT_NS[unit]:
                return _decimal(ns, _UNIT_NS[unit]) + unit
        return f"{ns}ns" if ns else "0s"
    hours, rest = divmod(ns, _UNIT_NS["h"])
    minutes, rest = divmod(rest, _UNIT_NS["m"])
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    return "".join(parts) + (_decimal(rest, NS_PER_S) + "s" if rest else "")


def _decimal(ns: int, unit_ns: int) -> str:
    whole, rest = divmod(ns, unit_ns)
    digits = f"{rest:0{len(str(unit_ns)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
