"""Which svcsim this is, and which meaning its numbers have."""

__all__ = ["SEMANTICS_VERSION", "__version__"]

__version__ = "0.1.0"

SEMANTICS_VERSION = 2
"""Raised by every change that alters an output for the same scenario and seed."""
