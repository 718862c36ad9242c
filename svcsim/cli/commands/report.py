"""`svcsim report`: report and figures of a stored result, written anew."""

from __future__ import annotations

from svcsim.cli import options
from svcsim.cli.speech import emit

__all__ = ["command"]


def command(directory: options.ResultDir) -> int:
    """Write report.html and figures of a folder that --out wrote anew."""
    from svcsim.report import write_report  # noqa: PLC0415 (heavy)
    from svcsim.results.files import load  # noqa: PLC0415 (heavy)

    result = load(directory)
    write_report(result, directory, title=str(result.provenance["scenario"]))
    emit(f"{directory / 'report.html'}\n")
    return 0
