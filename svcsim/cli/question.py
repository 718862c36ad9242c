"""From arguments to scenarios."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from svcsim.cli.exits import CommandError
from svcsim.cli.speech import warn
from svcsim.errors import ScenarioError

if TYPE_CHECKING:
    from svcsim.scenario import Scenario

__all__ = ["from_files", "from_manifests", "one_question", "with_overrides"]

Value = TypeVar("Value")

_OPTIONS = {
    r"manifests(\[\d+\])?": "-f",
    r"clients\[\d+\]\.rate": "--rate",
    r"events\[0\]\.rollout": "--rollout",
    "duration": "--duration",
}


def from_files(paths: Sequence[str]) -> dict[str, Scenario]:
    """Read scenario files, by the name they are spoken of with; warnings are said once.

    Raises:
        CommandError: standard input is named twice, or closed.
    """
    from svcsim.scenario import load_scenario  # noqa: PLC0415 (heavy)

    _once(paths, "-")
    found: dict[str, Scenario] = {}
    for path in paths:
        name = "standard input" if path == "-" else path
        repeated = sum(known == name or known.startswith(f"{name} #") for known in found)
        found[f"{name} #{repeated + 1}" if repeated else name] = load_scenario(path)
    return found


def from_manifests(
    manifests: Sequence[str], *, rate: str | None, rollout: str | None, duration: str | None
) -> Scenario:
    """Make the scenario of manifests alone.

    Raises:
        CommandError: an option is missing or makes no sense.
    """
    from svcsim.clock import parse_duration, parse_rate  # noqa: PLC0415 (heavy)
    from svcsim.scenario import scenario_from_manifests  # noqa: PLC0415 (heavy)

    if rate is None:
        raise CommandError("--rate is missing: with -f every client needs one, such as --rate 200/s")
    _once(manifests, "-f -")
    _read("--rate", rate, lambda: parse_rate(rate))
    if duration is not None:
        _read("--duration", duration, lambda: parse_duration(duration))
    try:
        return scenario_from_manifests(list(manifests), rate, rollout, duration)
    except ScenarioError as error:
        raise CommandError(_as_options(str(error))) from None


def one_question(
    paths: Sequence[str],
    manifests: Sequence[str] | None,
    *,
    rate: str | None = None,
    rollout: str | None = None,
    duration: str | None = None,
    overrides: Sequence[str] | None = None,
) -> Scenario:
    """Make the scenario that one command line asks about, and say its warnings.

    With `manifests`, further paths are manifests too, as a shell pattern after -f gives them.

    Raises:
        CommandError: nothing, too much, or options that do not go together.
    """
    if manifests:
        question = from_manifests([*manifests, *paths], rate=rate, rollout=rollout, duration=duration)
    else:
        _only_with_manifests(rate=rate, rollout=rollout, duration=duration)
        if len(paths) != 1:
            raise CommandError(
                f"{len(paths) or 'no'} scenarios: name one file (- is standard input), "
                "or manifests with -f and --rate" + ("; svcsim compare takes several" if paths else "")
            )
        (question,) = from_files(paths).values()
    question = with_overrides(question, overrides or ())
    for line in question.warnings:
        warn(line)
    return question


def _once(paths: Sequence[str], shown: str) -> None:
    """Hold standard input to what it can give."""
    if list(paths).count("-") > 1:
        raise CommandError(f"{shown} (standard input) can be read only once")
    if "-" in paths and (sys.stdin is None or sys.stdin.closed):
        raise CommandError(f"{shown} (standard input) is closed; name a file")


def _only_with_manifests(**options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise CommandError(
                f"--{name} = {value!r} goes with -f only; a scenario says it itself, and --set changes that"
            )


def with_overrides(question: Scenario, overrides: Sequence[str]) -> Scenario:
    """Apply `--set PATH=VALUE` in order.

    Raises:
        CommandError: no PATH=VALUE.
        ScenarioError: the path leads nowhere, or the value breaks a rule.
    """
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals or not path.strip():
            raise CommandError(f"--set = {override!r} must be PATH=VALUE, such as clients.vip.rate=50/s")
        question = question.with_value(path.strip(), value)
    return question


def _as_options(text: str) -> str:
    """Name the options where a message names the fields of the scenario that was made of them."""
    for field, option in _OPTIONS.items():
        text = re.sub(rf"^{field}(?= )", option, text)
    return text


def _read(option: str, text: str, read: Callable[[], Value]) -> Value:
    try:
        return read()
    except ScenarioError as error:
        raise CommandError(f"{option} = {error}") from None
