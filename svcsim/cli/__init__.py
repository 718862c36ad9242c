"""The command line: `main` is what `svcsim` runs."""

from svcsim.cli.app import main

__all__ = ["main"]
