"""Prometheus text in, checked histograms out; every message."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from svcsim.observed.calibrate import PROGRAMMING, SYNC, calibrate_scrapes
from svcsim.observed.errors import ObservedError
from svcsim.observed.histograms import Histogram, parse_scrape, read_histograms, read_scrape
from tests.observed.made import exposition, proxy_metrics, scrape


def one(text: str, baseline: str | None = None) -> Histogram:
    baselines = [] if baseline is None else [parse_scrape(baseline, "before.txt")]
    histograms, _ = read_histograms([parse_scrape(text, "after.txt")], baselines, "x_seconds")
    (histogram,) = histograms.values()
    return histogram


def x(*durations: float, bounds: tuple[float, ...] = (1.0, 2.0), **labels: str) -> str:
    return exposition("x_seconds", durations, bounds, labels)


def test_buckets_are_uncumulated() -> None:
    histogram = one(x(0.5, 1.5, 1.6, 9.0))
    assert histogram.bounds == (1.0, 2.0, math.inf)
    assert histogram.counts == (1, 2, 1)
    assert histogram.sum_s == pytest.approx(12.6)
    assert histogram.occupied == ((0, 1, 1), (1, 2, 2), (2, math.inf, 1))


def test_a_bucket_at_zero_is_part_of_the_first() -> None:
    assert one(x(0.5, bounds=(0.0, 1.0))).bounds == (1.0, math.inf)


def test_instances_and_files_add_up_on_shared_bounds() -> None:
    scrapes = [
        parse_scrape(x(0.5, 1.5, instance="a", job="kube-proxy") + x(5.0, instance="b"), "one.txt"),
        parse_scrape(x(0.5, 3.0, bounds=(1.0, 2.0, 4.0)), "two.txt"),
        parse_scrape(x(), "three.txt"),
    ]
    histograms, warnings = read_histograms(scrapes, [], "x_seconds")
    assert histograms[""].counts == (2, 1, 2)
    assert histograms[""].proxies == 3
    assert warnings == ()


def test_families_stay_apart() -> None:
    scrape_ = parse_scrape(x(0.5, ip_family="IPv4") + x(5.0, 6.0, ip_family="IPv6"), "one.txt")
    histograms, _ = read_histograms([scrape_], [], "x_seconds")
    assert {family: histogram.count for family, histogram in histograms.items()} == {"IPv4": 1, "IPv6": 2}


def test_a_baseline_is_subtracted() -> None:
    histogram = one(x(0.5, 1.5, 1.6, 9.0), x(0.5, 1.5))
    assert histogram.counts == (0, 1, 1)
    assert histogram.sum_s == pytest.approx(10.6)


def test_baselines_are_paired_by_instance_in_any_order() -> None:
    after = [parse_scrape(x(0.5, 1.5, instance=name), name) for name in "abc"]
    before = [parse_scrape(x(0.5, instance=name), name) for name in "bad"]
    histograms, warnings = read_histograms(after, before, "x_seconds")
    assert histograms[""].counts == (1, 3, 0)
    assert warnings == (
        "c: x_seconds (instance=c) is not in the baseline; all of it counts",
        "d: x_seconds (instance=d) is only in the baseline; left out",
    )


def test_files_may_be_gzip(tmp_path: Path) -> None:
    path = tmp_path / "metrics.txt.gz"
    path.write_bytes(gzip.compress(x(0.5).encode()))
    assert read_scrape(path).samples["x_seconds_count"][0][1] == 1
    path.write_bytes(gzip.compress(x(0.5).encode())[:-20])
    with pytest.raises(ObservedError, match=r"metrics\.txt\.gz ends in the middle of a gzip stream"):
        read_scrape(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "# HELP a b\na 1\nError from server (Forbidden)\n",
            r"line 3, 'Error from server \(Forbidden\)', is not Prom",
        ),
        ('{"status": "success"}\n', "line 1, .* is not Prometheus text"),
        (x(0.5).replace('le="1"', 'le="one"'), "a bucket has le = 'one', which must be a number"),
        (
            x(0.5).replace("x_seconds_count 1", "x_seconds_count 2"),
            r"\"\+Inf\" has 1 but x_seconds_count is 2",
        ),
        (
            x(0.5).replace('le="2"} 1', 'le="2"} 0'),
            "buckets are cumulative, but le = 2 has 0, fewer than the 1 of le = 1",
        ),
        (x(0.5).replace('le="2"} 1', 'le="2"} NaN'), "bucket le = 2 is nan, which must be a number >= 0"),
        (x(0.5).replace('x_seconds_bucket{le="+Inf"} 1\n', ""), r"has no bucket le=\"\+Inf\""),
        (x(0.5).replace("x_seconds_sum 0.5\n", ""), "lacks x_seconds_count or x_seconds_sum"),
        (x(0.5) + x(0.5), "bucket le = 1 is there twice; give one scrape a file"),
        ("x_seconds_sum 0.5\nx_seconds_count 1\n", r"has no classic buckets \(native histogram only\)"),
        (
            "x_seconds {count:24,sum:100,schema:0}\n",
            "line 1 is a native histogram; calibrate needs classic buckets",
        ),
    ],
)
def test_what_is_no_histogram(text: str, said: str) -> None:
    with pytest.raises(ObservedError, match=r"^after\.txt.*" + said):
        one(text)


def test_a_restart_between_the_scrapes() -> None:
    with pytest.raises(
        ObservedError, match=r"went from 2 observations in before\.txt to 1: kube-proxy restarted"
    ):
        one(x(0.5), x(0.5, 1.5))


def test_other_buckets_in_the_baseline() -> None:
    with pytest.raises(ObservedError, match=r"has other buckets than in before\.txt"):
        one(x(0.5), x(bounds=(1.0,)))


def test_two_scrapes_of_one_instance() -> None:
    scrapes = [parse_scrape(x(0.5, instance="a"), name) for name in ("early.txt", "late.txt")]
    with pytest.raises(ObservedError, match=r"is in early\.txt too: name the earlier scrape with --baseline"):
        read_histograms(scrapes, [], "x_seconds")


def test_baselines_without_instance_are_one_per_file() -> None:
    with pytest.raises(ObservedError, match="1 baselines for 2 files without the label `instance`"):
        read_histograms([parse_scrape(x(0.5), "a")] * 2, [parse_scrape(x(), "b")], "x_seconds")


def test_a_missing_metric_says_what_is_there() -> None:
    with pytest.raises(
        ObservedError, match=rf"{PROGRAMMING} is not in a; there is go_goroutines; kube-proxy serves"
    ):
        calibrate_scrapes([parse_scrape("go_goroutines 7\n", "a")])
    with pytest.raises(ObservedError, match="there is no metric at all"):
        calibrate_scrapes([parse_scrape("", "a")])
    text = scrape().replace(SYNC, "kubeproxy_other_seconds").replace("sync_partial", "other")
    with pytest.raises(ObservedError, match=rf"{SYNC} is not in a; there is kubeproxy_network_programming_"):
        calibrate_scrapes([parse_scrape(text, "a")])


def test_no_observations() -> None:
    with pytest.raises(ObservedError, match="has no observations: no pod became Ready or unready"):
        calibrate_scrapes([parse_scrape(proxy_metrics([], [0.04]), "a")])
    same = parse_scrape(scrape(), "a")
    with pytest.raises(ObservedError, match="has no observations since the baseline"):
        calibrate_scrapes([same], [same])
    with pytest.raises(ObservedError, match=rf"{SYNC} has no observations"):
        calibrate_scrapes([parse_scrape(proxy_metrics([0.4], []), "a")])


def test_an_unknown_family() -> None:
    text = proxy_metrics([0.4], [0.04], labels={"ip_family": "IPv4"})
    with pytest.raises(ObservedError, match="has no ip_family 'IPv6'; there is IPv4"):
        calibrate_scrapes([parse_scrape(text, "a")], family="IPv6")


def test_the_family_with_most_observations_is_taken() -> None:
    text = proxy_metrics([0.4] * 9, [0.04], labels={"ip_family": "IPv6"})
    text += proxy_metrics([0.4, 0.5], [0.04], labels={"ip_family": "IPv4"}).split("\n", 2)[2]
    assert calibrate_scrapes([parse_scrape(text, "a")]).family == "IPv6"
    assert calibrate_scrapes([parse_scrape(text, "a")], family="ipv4").programming.count == 2


def test_all_syncs_stand_in_where_no_partial_one_is() -> None:
    found = calibrate_scrapes([parse_scrape(proxy_metrics([1.4] * 9, [0.04] * 5, partial=False), "a")])
    assert found.sync.name == SYNC
    assert "5 full and partial syncs" in " ".join(found.assumptions)
