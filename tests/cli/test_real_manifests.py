"""Manifests as projects publish them, run without a scenario. Skipped where the files are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "manifests"


@pytest.mark.parametrize(
    ("paths", "deployment", "service"),
    [
        (["guestbook-all-in-one.yaml"], "frontend", "frontend"),
        (["podinfo/kustomize-*.yaml"], "podinfo", "podinfo"),
        (["online-boutique.yaml"], "frontend", "frontend"),
        (["hotel-reservation"], "frontend", "frontend"),
    ],
    ids=["guestbook", "podinfo", "online-boutique", "hotel-reservation"],
)
def test_they_run(cli: Cli, paths: list[str], deployment: str, service: str) -> None:
    if not PUBLISHED.is_dir():
        pytest.skip(f"{PUBLISHED} is absent")
    named = [part for path in paths for part in ("-f", str(PUBLISHED / path))]
    ended = cli(
        *("run", *named, "--rate", "20/s", "--rollout", f"deployment/{deployment}", "--duration", "30s"),
        *("--replications", "2", "--json"),
    )
    assert ended.code == 0, ended.err
    assert all(line.startswith("svcsim: warning: ") for line in ended.err.splitlines())
    rows = {row["client"]: row for row in ended.json()["summary"]}
    assert {f"{service}-vip", f"{service}-pinned"} <= rows.keys()
    assert rows[f"{service}-vip"]["ok"] > 0
    assert sum(row["ok"] for row in rows.values()) > 0
