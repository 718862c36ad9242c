"""The commands by name, and `main`: every end is an exit code and at most one line, never a traceback."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from svcsim.cli.exits import BAD_INPUT, FAULT, INTERRUPTED, Interrupted
from svcsim.cli.speech import emit, hush, say
from svcsim.errors import SvcsimError
from svcsim.version import __version__

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": "Show what a rolling update costs, by way of reaching the pods.",
    "run": "Simulate a scenario, or manifests alone, and say what failed and why.",
    "compare": "Run scenarios with the same luck and say how they differ.",
    "crosscheck": "Run both engines; exit 0 only if they agree bit for bit.",
    "calibrate": "Fit lag distributions to a real cluster's kube-proxy metrics.",
    "replay": "Play the recorded churn of a real cluster to simulated clients.",
    "report": "Write report and figures of a result anew.",
    "explain": "Say in words why requests of a result failed.",
    "schema": "Print the JSON schema of scenario files.",
    "defaults": "Print every default with its source.",
}
"""Each command's line in the help; its file in `commands/` has the same name and a function `command`."""

# What a refused command line raises has moved between versions of typer; its place among the bases has not.
_Refused: type[Exception] = next(b for b in typer.BadParameter.__mro__ if b.__name__ == "ClickException")


def _interruptible(work: Callable[..., int]) -> Callable[..., int]:
    """Let Ctrl-C leave the command as an exception that typer doesn't know, so that `main` speaks of it."""

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> int:
        try:
            return work(*args, **kwargs)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None

    return run


class _Later(TyperCommand):
    """A command of which only the name and the line in the help are known until it is chosen."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self._whole().make_context(info_name, args, parent=parent, **extra)

    def _whole(self) -> Any:
        module = importlib.import_module(f"svcsim.cli.commands.{self.name}")
        alone = typer.Typer(add_completion=False)
        alone.command(self.name, short_help=self.help)(_interruptible(module.command))
        return typer.main.get_command(alone)


class _Commands(TyperGroup):
    """The table of commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return _Later(cmd_name, help=COMMANDS[cmd_name])
        return None


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"svcsim {__version__}\n")
        raise typer.Exit


_app = typer.Typer(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})


@_app.callback(no_args_is_help=False)
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """How many connections fail when Kubernetes pods come and go, of which kind, and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: the arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0; 1 for an engine mismatch or a fault of the machine such as a full disk; 2 for bad
        input; 3 if `--fail-if` was met; 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _code(given or ["--help"])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else FAULT
    hush()
    return code


def _code(argv: list[str]) -> int:
    try:
        ended = typer.main.get_command(_app)(argv, prog_name="svcsim", standalone_mode=False)
    except SvcsimError as error:
        say(str(error))
        return error.exit_code
    except Interrupted as error:
        say(str(error))
        return INTERRUPTED
    except (typer.Abort, KeyboardInterrupt):
        say("interrupted")
        return INTERRUPTED
    except MemoryError:
        say("not enough memory; fewer requests (rate, duration) or --replications need less")
        return FAULT
    except OSError as error:
        say(_of_the_machine(error))
        return FAULT
    except _Refused as error:
        say(f"{_refusal(error)} (svcsim {_about(argv)}--help says what is accepted)")
        return BAD_INPUT
    return ended if isinstance(ended, int) else 0


def _refusal(error: Any) -> str:
    text = " ".join(str(error.format_message()).replace("Value error, ", "").split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _about(argv: list[str]) -> str:
    return f"{argv[0]} " if argv[0] in COMMANDS else ""


def _of_the_machine(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what
