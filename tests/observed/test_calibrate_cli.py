"""`svcsim calibrate`: tables, the block for a scenario, JSON, and one line for each fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from svcsim.scenario import load_scenario
from tests.cli.conftest import SCENARIO, Cli
from tests.observed.made import proxy_metrics


@pytest.fixture
def metrics(folder: Path) -> Path:
    rng = np.random.Generator(np.random.SFC64(4))
    lags = rng.lognormal(-1.0, 0.6, 400) + rng.random(400)
    (folder / "metrics.txt").write_text(proxy_metrics(lags, rng.lognormal(-3.0, 0.4, 300)))
    return folder / "metrics.txt"


def test_the_block_goes_into_a_scenario(cli: Cli, metrics: Path, folder: Path) -> None:
    ended = cli("calibrate", metrics, "--out", "lag.yaml", "--busy", "50%")
    assert ended.code == 0
    assert "the lag: block is in lag.yaml" in ended.err
    text = (folder / "lag.yaml").read_text()
    assert "cut to whole seconds" in text and "removals are hardly in it" in text
    assert "50% of the changes, as given" in text
    block = yaml.safe_load(text)
    assert list(block["lag"]) == ["endpointSlice", "sync", "load"]
    scenario = yaml.safe_load(SCENARIO) | {"cluster": block}
    (folder / "calibrated.yaml").write_text(yaml.safe_dump(scenario))
    loaded = load_scenario(folder / "calibrated.yaml")
    law = loaded.lag["endpointSlice"]
    assert law is not None and 0.001 < law.mean() < 1.0
    assert cli("run", "calibrated.yaml", "--replications", "1", "--json").code == 0


def test_tables_and_the_block_on_standard_output(cli: Cli, metrics: Path) -> None:
    ended = cli("calibrate", metrics)
    assert ended.code == 0
    for said in ("largest CDF gap", "two lognormals", "observed", "250 ms", "\nlag:\n  endpointSlice: {"):
        assert said in ended.out


def test_json(cli: Cli, metrics: Path) -> None:
    document = cli("calibrate", metrics, "--json", "--min-sync-period", "5s", "--kubernetes", "1.30").json()
    assert document["min_sync_period_s"] == 5.0
    assert document["kubernetes"] == "1.30"
    programming = document["programming"]
    assert programming["observations"] == 400
    assert programming["corrected_mean_s"] == pytest.approx(programming["mean_s"] - 0.5)
    assert sum(row["observed"] for row in programming["buckets"]) == pytest.approx(1.0)
    assert set(document["lag"]) == {"endpointSlice", "sync", "load"}


def test_standard_input_and_a_baseline(cli: Cli, metrics: Path, folder: Path) -> None:
    (folder / "before.txt").write_text(proxy_metrics([], []))
    ended = cli("calibrate", "-", "--baseline", "before.txt", "--json", stdin=metrics.read_bytes())
    assert ended.json()["programming"]["observations"] == 400


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "missing argument"),
        (("nowhere.txt",), "nowhere.txt cannot be read: No such file"),
        (("web.yaml",), "web.yaml line 2, 'apiVersion: apps/v1', is not Prometheus text"),
        (("empty.txt",), "kubeproxy_network_programming_duration_seconds is not in empty.txt"),
        (("binary.txt",), "binary.txt is no text: byte 0 is not UTF-8"),
        (("damaged.gz",), "damaged.gz is a damaged gzip file"),
        (("metrics.txt", "--busy", "120%"), "--busy = '120%' must be at most 100%"),
        (("metrics.txt", "--min-sync-period", "soon"), "--min-sync-period = 'soon' is not a duration"),
        (("metrics.txt", "--kubernetes", "1.12"), "--kubernetes = '1.12' must be 1.30 to 1.36"),
        (("metrics.txt", "--ip-family", "IPv6"), "has no ip_family 'IPv6'; there is no such label"),
        (("metrics.txt", "--baseline", "metrics.txt"), "has no observations since the baseline"),
        (("-", "-"), "- (standard input) can be read only once"),
    ],
)
def test_one_line_for_each_fault(
    cli: Cli, metrics: Path, folder: Path, argv: tuple[str, ...], said: str
) -> None:
    (folder / "empty.txt").write_text("")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "damaged.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    assert said in cli("calibrate", *argv).refused()
