"""The written form of a distribution: ``250ms``, ``{exponential: {mean: 20ms}}`` and so on."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from svcsim.clock import ns_to_s, parse_duration, parse_share, seconds_to_ns
from svcsim.distributions.base import Distribution
from svcsim.distributions.compound import Empirical, Mixture, Shifted
from svcsim.distributions.families import Constant, Exponential, Gamma, LogNormal, Uniform
from svcsim.errors import ScenarioError

__all__ = ["REGISTRY", "from_spec"]

REGISTRY: dict[str, type[Distribution]] = {
    cls.name: cls for cls in (Constant, Uniform, Exponential, LogNormal, Gamma, Empirical, Mixture, Shifted)
}
"""Every distribution by the key it is written with. Erlang is a way to write Gamma."""

_ACCEPTED = "a duration such as 250ms, or one of constant, uniform, exponential, lognormal, gamma, erlang, "
_ACCEPTED += "empirical, mixture, shifted as a mapping with one key"


def from_spec(spec: object, *, path: str = "") -> Distribution:
    """Return the distribution that was written as a duration, a number of seconds or a one-key mapping.

    Args:
        spec: what YAML or JSON gave; a Distribution is returned as it is.
        path: the field it stands in, which starts every error message.

    Raises:
        ScenarioError: with field path, value, rule and what would be accepted.

    >>> from_spec({"uniform": ["0s", "1s"]})
    Uniform(low=0.0, high=1.0)
    >>> from_spec("250ms")
    Constant(value=0.25)
    """
    if isinstance(spec, Distribution):
        return spec
    if isinstance(spec, str | Real):
        return Constant(_seconds(spec, path))
    if not isinstance(spec, Mapping):
        raise ScenarioError(f"{_at(path)}{spec!r} is not a distribution: write {_ACCEPTED}")
    if len(spec) != 1:
        raise ScenarioError(f"{_at(path)}{dict(spec)!r} must have exactly one key: write {_ACCEPTED}")
    ((key, body),) = spec.items()
    reader = _READERS.get(key) if isinstance(key, str) else None
    if reader is None:
        raise ScenarioError(
            f"{_at(path)}{key!r} is not a distribution{_near(key, _READERS)}: write {_ACCEPTED}"
        )
    return reader(body, _join(path, str(key)))


def _at(path: str) -> str:
    return f"{path} = " if path else ""


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _near(key: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(key), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _seconds(value: object, path: str) -> float:
    """Return a duration in seconds; numbers keep every bit, so that specs round-trip."""
    try:
        if isinstance(value, str):
            return ns_to_s(parse_duration(value))
        seconds_to_ns(value)  # type: ignore[arg-type]  # refuses what is no number
        return float(value)  # type: ignore[arg-type]
    except ScenarioError as error:
        raise ScenarioError(f"{_at(path)}{error}") from None


def _number(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ScenarioError(f"{_at(path)}{value!r} must be a number, such as 2 or 0.5")
    return float(value)


def _weight(value: object, path: str) -> float:
    if not isinstance(value, str):
        return _number(value, path)
    try:
        return parse_share(value)
    except ScenarioError as error:
        raise ScenarioError(f"{_at(path)}{error}") from None


def _fields(body: object, path: str, *choices: tuple[str, ...]) -> tuple[str, ...]:
    """Check that the mapping has exactly the keys of one of the choices, and return that choice."""
    wanted = " or ".join("{" + ", ".join(choice) + "}" for choice in choices)
    if not isinstance(body, Mapping):
        raise ScenarioError(f"{_at(path)}{body!r} must be a mapping {wanted}")
    known = dict.fromkeys(key for choice in choices for key in choice)
    for key in body:
        if key not in known:
            raise ScenarioError(
                f"{_join(path, str(key))} is not a known key{_near(key, known)}: write {wanted}"
            )
    for choice in choices:
        if set(choice) == set(body):
            return choice
    raise ScenarioError(f"{path} has the keys {sorted(body)} but must be {wanted}")


def _list(body: object, path: str, what: str) -> Sequence[Any]:
    if isinstance(body, str | bytes) or not isinstance(body, Sequence) or not body:
        raise ScenarioError(f"{_at(path)}{body!r} must be a list of {what}, not empty")
    return body


def _build(path: str, make: Callable[[], Distribution]) -> Distribution:
    """Put the path before what a constructor says about its parameter."""
    try:
        return make()
    except ScenarioError as error:
        raise ScenarioError(_join(path, str(error))) from None


def _constant(body: object, path: str) -> Distribution:
    return Constant(_seconds(body, path))


def _uniform(body: object, path: str) -> Distribution:
    if isinstance(body, Sequence) and not isinstance(body, str) and len(body) == 2:
        low, high = (_seconds(value, f"{path}[{i}]") for i, value in enumerate(body))
    else:
        _fields(body, path, ("low", "high"))
        assert isinstance(body, Mapping)
        low, high = (_seconds(body[key], _join(path, key)) for key in ("low", "high"))
    return _build(path, lambda: Uniform(low, high))


def _exponential(body: object, path: str) -> Distribution:
    if not isinstance(body, Mapping):
        return Exponential(_seconds(body, path))
    _fields(body, path, ("mean",))
    return Exponential(_seconds(body["mean"], _join(path, "mean")))


def _lognormal(body: object, path: str) -> Distribution:
    first, second = _fields(body, path, ("median", "p99"), ("median", "sigma"), ("mean", "sigma"))
    assert isinstance(body, Mapping)
    centre = _seconds(body[first], _join(path, first))
    if second == "p99":
        p99 = _seconds(body["p99"], _join(path, "p99"))
        return _build(path, lambda: LogNormal(median=centre, p99=p99))
    sigma = _number(body["sigma"], _join(path, "sigma"))
    make = LogNormal.from_median_sigma if first == "median" else LogNormal.from_mean_sigma
    return _build(path, lambda: make(centre, sigma))


def _gamma(body: object, path: str) -> Distribution:
    _fields(body, path, ("mean", "shape"))
    assert isinstance(body, Mapping)
    mean, shape = _seconds(body["mean"], _join(path, "mean")), _number(body["shape"], _join(path, "shape"))
    return _build(path, lambda: Gamma(mean=mean, shape=shape))


def _erlang(body: object, path: str) -> Distribution:
    _fields(body, path, ("k", "mean"))
    assert isinstance(body, Mapping)
    mean, k = _seconds(body["mean"], _join(path, "mean")), _number(body["k"], _join(path, "k"))
    return _build(path, lambda: Gamma.erlang(k=k, mean=mean))


def _empirical(body: object, path: str) -> Distribution:
    weights = None
    if isinstance(body, Mapping):
        keys = _fields(body, path, ("values",), ("values", "weights"))
        if "weights" in keys:
            where = _join(path, "weights")
            entries = _list(body["weights"], where, "numbers")
            weights = [_weight(value, f"{where}[{i}]") for i, value in enumerate(entries)]
        where, body = _join(path, "values"), body["values"]
    else:
        where = path
    values = [_seconds(value, f"{where}[{i}]") for i, value in enumerate(_list(body, where, "durations"))]
    return _build(path, lambda: Empirical(values, weights))


def _mixture(body: object, path: str) -> Distribution:
    weights, parts = [], []
    for i, entry in enumerate(_list(body, path, "{weight, of}")):
        where = f"{path}[{i}]"
        _fields(entry, where, ("weight", "of"))
        weights.append(_weight(entry["weight"], _join(where, "weight")))
        parts.append(from_spec(entry["of"], path=_join(where, "of")))
    return _build(path, lambda: Mixture(parts, weights))


def _shifted(body: object, path: str) -> Distribution:
    _fields(body, path, ("by", "of"))
    assert isinstance(body, Mapping)
    by = _seconds(body["by"], _join(path, "by"))
    return Shifted(by, from_spec(body["of"], path=_join(path, "of")))


_READERS: dict[str, Callable[[object, str], Distribution]] = {
    "constant": _constant,
    "uniform": _uniform,
    "exponential": _exponential,
    "lognormal": _lognormal,
    "gamma": _gamma,
    "erlang": _erlang,
    "empirical": _empirical,
    "mixture": _mixture,
    "shifted": _shifted,
}
