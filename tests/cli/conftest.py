"""A small question, and the command line as a function."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from svcsim.cli import main

MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web
          ports: [{containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""

SCENARIO = """
name: three pods
manifests: [web.yaml]
duration: 15s
clients:
  - {name: vip, to: service/web, via: cluster-ip, rate: 40/s}
  - {name: pinned, to: service/web, via: pod-ip, resolve: once, rate: 40/s}
events:
  - {at: 2s, rollout: deployment/web}
"""


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the one document of standard output."""
        return json.loads(self.out)

    @property
    def warnings(self) -> list[str]:
        """Lines of standard error that warn."""
        return [line for line in self.err.splitlines() if line.startswith("svcsim: warning: ")]

    def refused(self) -> str:
        """Return the one line that says what is wrong, having checked that there is nothing else."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if line not in self.warnings]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("svcsim: ")
        assert "Traceback" not in self.err
        return lines[0].removeprefix("svcsim: ")


Cli = Callable[..., Ended]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command line in this process; `stdin` is what standard input holds."""

    def run(*argv: str | Path, stdin: str | bytes | None = None) -> Ended:
        if stdin is not None:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        code = main([str(one) for one in argv])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with `scenario.yaml` and `web.yaml` in it."""
    (tmp_path / "web.yaml").write_text(MANIFESTS)
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    return tmp_path
