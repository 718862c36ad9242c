"""What goes to standard output and standard error. A reader who has left (`| head`) is no error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

__all__ = ["emit", "emit_json", "hush", "on_terminal", "say", "warn"]


def emit(text: str) -> None:
    """Write text to standard output as it is."""
    _write(sys.stdout, text)


def emit_json(document: Any) -> None:
    """Write one JSON document to standard output."""
    emit(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Write one line to standard error."""
    with suppress(OSError):
        _write(sys.stderr, f"svcsim: {' '.join(text.split())}\n")


def warn(text: str) -> None:
    """Write one warning to standard error."""
    say(f"warning: {text}")


def on_terminal(stream: TextIO) -> bool:
    """Whether somebody is watching."""
    return not stream.closed and stream.isatty()


def hush() -> None:
    """Flush both streams, so that the interpreter finds nothing to complain about when it exits."""
    for stream in (sys.stdout, sys.stderr):
        _write(stream, "")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None or stream.closed:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError:
        _discard(stream)
        raise
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii"))
        stream.flush()


def _discard(stream: TextIO) -> None:
    """Send what is still buffered, and all that follows, to nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
