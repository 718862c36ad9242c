"""Events: each rule with its message, repetition, order, and the templates of rollouts."""

from __future__ import annotations

from typing import Any

import pytest

from svcsim.errors import ScenarioError
from svcsim.scenario import Rollout, Scenario
from tests.scenario.worlds import read, small

SECOND = 1_000_000_000


def with_event(**event: Any) -> Scenario:
    return read(small(events=[{key.rstrip("_"): value for key, value in event.items()}]))


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"at": "1s"}, "says nothing to do; accepted: at and exactly one of rollout, scale"),
        ({"at": "1s", "crash": "deployment/web", "kill": "deployment/web"}, "has crash and kill; accepted"),
        ({"rollout": "deployment/web"}, r"events\[0\].at is missing"),
        ({"at": "1s", "scale": "deployment/web"}, "replicas is missing: scale needs it"),
        ({"at": "1s", "unready": "deployment/web"}, "for is missing: unready needs it"),
        ({"at": "1s", "unready": "deployment/web", "for": 0}, r"events\[0\].for = 0 must be > 0"),
        ({"at": "1s", "rate": "vip"}, "value is missing: rate needs it"),
        ({"at": "1s", "rate": "vpi", "value": 5}, "is no client; there are: vip; did you mean vip"),
        ({"at": "1s", "rate": "vip", "value": "200M/s"}, r"events\[0\].value = .200M/s. must be at most"),
        ({"at": "1s", "scale": "deployment/web", "replicas": 150_001}, "from 0 to 150000"),
        ({"at": "1s", "scale": "pod/solo", "replicas": 2}, "is one pod and cannot be scaled"),
        ({"at": "1s", "scale": "deployment/web", "replicas": 2, "count": 3}, "count does not go with scale"),
        ({"at": "1s", "rollout": "shop/rs/old"}, "does not roll out; accepted: a Deployment"),
        ({"at": "1s", "rollout": "deployment/wbe"}, "is no workload or bare pod of the manifests"),
        ({"at": "1s", "delete": "service/web"}, "is no workload or bare pod of the manifests"),
        ({"at": "1s", "delete": "pod/solo", "count": 2}, "must be 1: pod/solo is one pod"),
        ({"at": "1s", "crash": "deployment/web", "times": 2}, r"events\[0\].times needs events\[0\].every"),
        ({"at": "1s", "crash": "deployment/web", "every": 0}, r"events\[0\].every = 0 must be > 0"),
        ({"at": "1s", "crash": "deployment/web", "every": "1us"}, "makes 59000000 events; at most 100000"),
        (
            {"at": "1s", "rollout": "deployment/web", "set": {"replicas": 3}},
            "set.replicas: is no field of a pod template",
        ),
        (
            {"at": "1s", "rollout": "deployment/web", "set": {"spec.containers.x.image": "y"}},
            "'x' is not an index",
        ),
        (
            {"at": "1s", "rollout": "deployment/web", "set": {"spec.terminationGracePeriodSeconds": -1}},
            r"events\[0\].set: deployment/web: spec.template.spec.terminationGracePeriodSeconds",
        ),
    ],
)
def test_events_that_cannot_be(event: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        with_event(**event)
    assert "events[0]" in str(caught.value)


def test_events_are_repeated_and_sorted() -> None:
    scenario = read(
        small(
            events=[
                {"at": "30s", "crash": "deployment/web", "every": "10s"},
                {"at": "30s", "kill": "deployment/web"},
                {"at": "5s", "scale": "deployment/web", "replicas": 3, "every": "45s", "times": 3},
            ]
        )
    )
    found = [(event.at_ns // SECOND, event.kind) for event in scenario.events]
    assert found == [
        (5, "scale"),
        (30, "crash"),
        (30, "kill"),
        (40, "crash"),
        (50, "crash"),
        (50, "scale"),
        (95, "scale"),
    ]
    assert "events[2] (scale) at 1m35s never happens: the run ends at 1m" in scenario.warnings


def test_rollouts_build_on_each_other() -> None:
    scenario = read(
        small(
            events=[
                {
                    "at": "20s",
                    "rollout": "deployment/web",
                    "set": {"spec": {"terminationGracePeriodSeconds": 9}},
                },
                {"at": "10s", "rollout": "deployment/web", "set": {"preStop": "250ms"}},
                {"at": "30s", "rollout": "deployment/web"},
            ]
        )
    )
    first, second, third = scenario.events
    assert isinstance(first, Rollout) and isinstance(second, Rollout) and isinstance(third, Rollout)
    assert first.template is not None and second.template is not None and third.template is None
    assert first.template.termination_grace_period_seconds == 30
    assert second.template.termination_grace_period_seconds == 9
    hooks = [one.pre_stop.seconds for one in second.template.containers if one.pre_stop is not None]
    assert hooks == [0.25, 0.25]


def test_a_paused_deployment_does_not_roll_out() -> None:
    document = small(events=[{"at": "1s", "rollout": "deployment/web"}])
    document["manifests"][0]["spec"]["paused"] = True
    assert any("its rollout does not start" in warning for warning in read(document).warnings)


def test_pods_of_a_controller_are_named_by_it() -> None:
    document = small()
    document["manifests"].append(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "old-1",
                "namespace": "shop",
                "labels": {"app": "old"},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "ReplicaSet",
                        "name": "old",
                        "controller": True,
                        "uid": "1",
                    }
                ],
            },
            "spec": {"containers": [{"name": "old", "image": "example/old:1"}]},
            "status": {"phase": "Running"},
        }
    )
    document["events"] = [{"at": "1s", "delete": "shop/pod/old-1"}]
    with pytest.raises(ScenarioError, match="is a pod of shop/replicaset/old, which replaces it; name"):
        read(document)
    document |= {"events": [], "workloads": {"shop/pod/old-1": {}}}
    with pytest.raises(ScenarioError, match="is a pod of shop/replicaset/old; name that"):
        read(document)
