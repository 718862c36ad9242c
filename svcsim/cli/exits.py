"""Exit codes, and how a command line ends early."""

from __future__ import annotations

from svcsim.errors import SvcsimError

__all__ = ["BAD_INPUT", "FAULT", "INTERRUPTED", "THRESHOLD_MET", "CommandError", "Interrupted"]

FAULT = 1
BAD_INPUT = 2
THRESHOLD_MET = 3
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class CommandError(SvcsimError):
    """An argument that breaks a rule: the option, its value, and what would be accepted."""


class Interrupted(Exception):
    """Ctrl-C came where nothing is left to be done about it."""
