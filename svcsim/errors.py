"""Every error svcsim raises on purpose, by the stage that found the fault."""

from __future__ import annotations

__all__ = [
    "EngineMismatch",
    "ManifestError",
    "ResultFormatError",
    "ScenarioError",
    "SvcsimError",
    "UnsupportedByEngine",
]


class SvcsimError(Exception):
    """Base of all svcsim errors; the command line shows its text as one line and exits with 2."""

    exit_code = 2


class ManifestError(SvcsimError):
    """A Kubernetes manifest that the API server would refuse, with file and field path."""


class ScenarioError(SvcsimError):
    """A scenario that breaks a rule: value, rule, file and field, and what would be accepted."""


class UnsupportedByEngine(SvcsimError):
    """An engine declines a scenario, with the reason; it never approximates instead."""


class EngineMismatch(SvcsimError):
    """The two engines disagree: the first connection that differs, both values and the rule."""

    exit_code = 1


class ResultFormatError(SvcsimError):
    """A stored result that cannot be read back: missing, damaged, or of another format."""
