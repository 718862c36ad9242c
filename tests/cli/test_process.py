"""The command line as a process: start-up, pipes, signals, a full disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import SCENARIO

SVCSIM = [sys.executable, "-m", "svcsim"]


def svcsim(*argv: str, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SVCSIM, *argv], capture_output=True, text=True, timeout=120, check=False, **how)  # type: ignore[call-overload,no-any-return]


def test_help_imports_nothing_heavy() -> None:
    heavy = ["pandas", "numpy", "numba", "matplotlib", "lightkube", "simpy", "scipy", "pyarrow", "msgspec"]
    code = (
        "import sys; from svcsim.cli import main; code = main(['--help']); "
        f"print(code, [name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr == "0 []\n"


def test_a_run_and_its_streams(folder: Path) -> None:
    ended = svcsim("run", "scenario.yaml", "--replications", "2", "--json", cwd=folder)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert json.loads(ended.stdout)["summary"]


def test_bad_input_leaves_no_traceback(folder: Path) -> None:
    ended = svcsim("run", "nothing.yaml", cwd=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "svcsim: nothing.yaml: no such file\n"


@pytest.mark.parametrize("argv", ["defaults", "schema", "run scenario.yaml --replications 1 --json"])
def test_a_closed_pipe_is_no_error(folder: Path, argv: str) -> None:
    process = subprocess.Popen(
        [*SVCSIM, *argv.split()], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert said == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(folder: Path) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*SVCSIM, "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr == "svcsim: No space left on device\n"


def test_ctrl_c_before_anything_is_complete(folder: Path) -> None:
    (folder / "long.yaml").write_text(SCENARIO.replace("15s", "10h").replace("40/s", "40k/s"))
    process = subprocess.Popen(
        [*SVCSIM, "run", "long.yaml", "--out", "kept"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores SIGINT, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no threads here)
    )
    waited = time.monotonic() + 60
    while not (folder / "kept").exists():
        assert time.monotonic() < waited and process.poll() is None
        time.sleep(0.05)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "svcsim: interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_progress_is_for_terminals(folder: Path) -> None:
    leader, follower = os.openpty()
    ended = subprocess.Popen(
        [*SVCSIM, "run", "scenario.yaml", "--replications", "3", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(follower)
    assert ended.stdout is not None
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    out = ended.stdout.read()
    ended.stdout.close()
    assert ended.wait(timeout=60) == 0
    os.close(leader)
    assert b"compiles for about 20 s" in shown
    assert json.loads(out)["summary"]
