"""A Service that comes to select other pods: when slices and proxies follow, and what stays as it is."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import svcsim
from svcsim.controlplane import ControlRun
from svcsim.errors import ScenarioError
from svcsim.scenario import scenario
from tests.controlplane.stories import CONSTANT, Story, deployment, service

MS, SECOND = 10**6, 10**9
READY = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}


def colour(name: str, replicas: int) -> dict:
    """A Deployment of pods app=web, version=NAME."""
    found = copy.deepcopy(deployment(replicas, container=READY))
    found["metadata"]["name"] = name
    labels = {"app": "web", "version": name}
    found["spec"]["selector"] = {"matchLabels": labels}
    found["spec"]["template"]["metadata"]["labels"] = labels
    return found


def switch(at: str, **labels: str | None) -> dict:
    return {"at": at, "selector": "service/web", "labels": labels}


def story(*events: dict, green: int = 2, **how) -> ControlRun:
    blue_first = service(selector={"app": "web", "version": "blue"})
    return Story([colour("blue", 2), colour("green", green), blue_first], list(events), **how).run()


def listed(run: ControlRun, t_ns: int, observer: int = 0) -> set[str]:
    """The workloads that an observer sends to at an instant."""
    h = run.histories
    rows = np.flatnonzero((h.belief_observer == observer) & (h.belief_t <= t_ns))
    version = h.versions[h.belief_version[rows[-1]]]
    return {run.servers[s].pod.workload.name for s in version.tolist()}


def test_slices_and_every_proxy_follow_with_their_lags() -> None:
    """All lags 10 ms: the write comes one after the switch, a proxy's rules two more after the write."""
    run = story(switch("20s", version="green"))
    (change,) = run.changes
    assert (change.visible_ns, change.write_ns) == (20 * SECOND, 20 * SECOND + 10 * MS)
    for node in range(3):
        assert listed(run, 20 * SECOND + 29 * MS, node) == {"blue"}
        assert listed(run, 20 * SECOND + 30 * MS, node) == {"green"}


@pytest.mark.parametrize(
    ("labels", "then"),
    [
        ({"version": "green"}, {"green"}),
        ({"version": None}, {"blue", "green"}),
        ({"version": "red"}, set()),
        ({"version": "blue"}, {"blue"}),
    ],
    ids=["another", "both", "none", "the-same"],
)
def test_a_patch_changes_the_labels_that_it_names(labels: dict, then: set[str]) -> None:
    run = story(switch("20s", **labels))
    assert listed(run, 30 * SECOND) == then
    assert any("selects no pod when it comes" in line for line in run.warnings) == (not then)


def test_one_change_comes_on_top_of_another_and_back() -> None:
    run = story(switch("20s", version=None), switch("25s", version="green"), switch("30s", version="blue"))
    assert [listed(run, at * SECOND) for at in (19, 24, 29, 34)] == [
        {"blue"}, {"blue", "green"}, {"green"}, {"blue"},
    ]  # fmt: skip


def test_pods_that_come_and_go_later_are_those_of_the_new_selector() -> None:
    """A scale of what is selected no more wakes nobody, one of what is selected now does."""
    events = [
        switch("20s", version="green"),
        {"at": "25s", "scale": "deployment/blue", "replicas": 0},
        {"at": "30s", "scale": "deployment/green", "replicas": 0},
    ]
    run = story(*events)
    seconds = [change.visible_ns // SECOND for change in run.changes]
    assert seconds[0] == 20 and min(seconds[1:]) == 30
    assert listed(run, 29 * SECOND) == {"green"}
    assert listed(run, 59 * SECOND) == set()


def test_what_waits_for_a_batch_period_goes_with_the_switch_at_once() -> None:
    """A Service's own update is added to the queue without the period that pods' changes wait for."""
    run = story(
        {"at": "20s", "scale": "deployment/blue", "replicas": 1},
        switch("20.5s", version="green"),
        cluster={"endpointSlice": {"batchPeriod": "5s"}},
    )
    assert run.changes[0].sync_ns == 20 * SECOND + 500 * MS
    assert listed(run, 21 * SECOND) == {"green"}


def test_a_paused_controller_leaves_the_slices_as_they_are() -> None:
    run = story(
        {"at": "15s", "pauseController": "endpointslice", "for": "10s"}, switch("20s", version="green")
    )
    assert run.changes[0].sync_ns == 25 * SECOND


def whole(**changes) -> svcsim.Scenario:
    """Two callers of one Service that is switched at 10 s: with fresh connections, and with a channel."""
    web = service(selector={"app": "web", "version": "blue"})
    preview = {**service(selector={"app": "web", "version": "green"}), "metadata": {"name": "preview"}}
    client = {"via": "cluster-ip", "rate": "50/s", "arrivals": "constant"}
    sections = {
        "manifests": [
            colour("blue", 2),
            colour("green", 2),
            web,
            preview,
        ],
        "duration": "20s",
        "cluster": {"lag": {**CONSTANT, "load": {"constant": 1}}},
        "clients": [
            {"name": "fresh", "to": "service/web", **client},
            {"name": "kept", "to": "service/web", **client, "channel": True},
            {"name": "tester", "to": "service/preview", **client},
        ],
        "events": [switch("10s", version="green")],
    }
    return scenario(**{**sections, **changes})


def test_connections_stay_where_they_are_and_a_second_service_does_not_notice() -> None:
    """Fresh connections go to green after 30 ms, a channel's requests to blue for ever; nobody fails."""
    result = svcsim.simulate(whole(), replications=1, keep_requests=True, trace=[0])
    assert result.summary["failed"].sum() == 0
    requests = result.requests
    assert requests is not None
    to = requests["pod"].str.extract("(blue|green)")[0]
    late = requests["arrival_s"] >= 10.03
    for client, before, after in (
        ("fresh", {"blue"}, {"green"}), ("kept", {"blue"}, {"blue"}), ("tester", {"green"}, {"green"}),
    ):  # fmt: skip
        own = requests["client"] == client
        assert set(to[own & ~late]) == before
        assert set(to[own & late]) == after


def test_a_channel_goes_with_its_pods() -> None:
    """Blue is taken away: what its channels had in flight is cut, and the next connection is green's."""
    events = [switch("10s", version="green"), {"at": "15s", "scale": "deployment/blue", "replicas": 0}]
    result = svcsim.simulate(whole(events=events), replications=1, keep_requests=True)
    requests = result.requests
    assert requests is not None
    fails = requests[(requests["outcome"] != "ok") & (requests["outcome"] != "open")]
    assert set(fails["client"]) <= {"kept"}
    last = requests[(requests["client"] == "kept") & (requests["arrival_s"] > 16)]
    assert (last["outcome"] == "ok").mean() > 0.95
    assert last["pod"].str.contains("green").all()


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (switch("1s", version=None, app=None), "would select by no label"),
        (switch("1s", version="a b"), r'labels.version = "a b" must be a label.s value'),
        ({"at": "1s", "selector": "service/web", "labels": {"version": 2}}, "must be text in quotes"),
        ({"at": "1s", "selector": "service/web", "labels": {"a/b/c": "d"}}, "must be a label's name"),
        ({"at": "1s", "selector": "service/wbe", "labels": {"a": "b"}}, "did you mean service/web"),
        ({"at": "1s", "selector": "deployment/blue", "labels": {"a": "b"}}, "is no Service"),
        ({"at": "1s", "selector": "service/web"}, "labels is missing: selector needs it"),
        ({"at": "1s", "scale": "deployment/blue", "replicas": 1, "labels": {}}, "it goes with selector"),
    ],
)
def test_what_cannot_be(event: dict, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        whole(events=[event])


def test_names_of_labels_are_left_as_they_are() -> None:
    (event,) = whole(events=[{"at": "1s", "selector": "service/web", "labels": {"my_label": "x"}}]).events
    assert dict(event.selector) == {"app": "web", "version": "blue", "my_label": "x"}


def test_callers_by_loopback_and_services_without_a_selector_are_refused() -> None:
    inside = [{"name": "inside", "to": "service/web", "via": "loopback", "rate": 1}]
    with pytest.raises(ScenarioError, match="callers by loopback stay in theirs; name a workload"):
        whole(clients=inside)
    bare = {**service(), "spec": {"ports": [{"port": 80}]}}
    with pytest.raises(ScenarioError, match="has no selector: nothing but what is written by hand"):
        whole(manifests=[colour("blue", 1), bare], clients=[{**inside[0], "via": "cluster-ip"}])
