"""The command line's fixtures, here too."""

from tests.cli.conftest import cli, folder

__all__ = ["cli", "folder"]
