"""The error of this stage."""

from __future__ import annotations

from svcsim.errors import SvcsimError

__all__ = ["ObservedError"]


class ObservedError(SvcsimError):
    """Evidence that cannot be used: file, what is wrong with it, and what would be accepted."""
