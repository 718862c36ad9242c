"""HTTPRoutes with weights: shares, changes of them, backends that have nobody or are not there."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import svcsim
from svcsim.dataplane.draws import Shares
from svcsim.errors import ManifestError, ScenarioError
from svcsim.scenario import scenario
from tests.controlplane.stories import CONSTANT, deployment, service

READY = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}
RATE, SECONDS = 500, 20


def colour(name: str, replicas: int) -> dict:
    found = copy.deepcopy(deployment(replicas, container=READY))
    found["metadata"]["name"] = name
    found["spec"]["selector"] = {"matchLabels": {"app": name}}
    found["spec"]["template"]["metadata"]["labels"] = {"app": name}
    return found


def one_service(name: str, **spec) -> dict:
    return {**service(selector={"app": name}, **spec), "metadata": {"name": name}}


def route(*backends: dict, version: str = "v1", **rule) -> dict:
    return {
        "apiVersion": f"gateway.networking.k8s.io/{version}",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"rules": [{"backendRefs": [{"port": 80, **one} for one in backends], **rule}]},
    }


USUAL = route({"name": "stable", "weight": 90}, {"name": "canary", "weight": 10})


def split(
    *, canary: int = 1, the_route: dict = USUAL, events: list | None = None, **client
) -> svcsim.Scenario:
    """Requests at a constant rate over three pods of `stable` and some of `canary`."""
    usual = {"name": "c", "to": "httproute/web", "via": "ingress", "rate": RATE, "arrivals": "constant"}
    return scenario(
        manifests=[
            colour("stable", 3),
            colour("canary", canary),
            one_service("stable"),
            one_service("canary"),
            the_route,
        ],
        duration=f"{SECONDS}s",
        cluster={"lag": {**CONSTANT, "load": {"constant": 1}}},
        workloads={
            "deployment/stable": {"service_time": "1ms"},
            "deployment/canary": {"service_time": "1ms"},
        },
        clients=[{k: v for k, v in {**usual, "retry": 0, **client}.items() if v is not None}],
        events=events,
    )


def run(question: svcsim.Scenario) -> pd.DataFrame:
    """The requests of one replication, with the backend of each: 0 stable, 1 canary, 2 nobody."""
    requests = svcsim.simulate(question, replications=1, keep_requests=True).requests
    assert requests is not None
    return requests


def binomial(share: float, n: int) -> float:
    """Four standard errors of a share."""
    return 4 * float(np.sqrt(share * (1 - share) / n))


@pytest.mark.parametrize("weights", [(90, 10), (1, 1), (0, 5), (999_999, 1_000_000), (1, 99)])
def test_shares_fit_the_weights(weights: tuple[int, int]) -> None:
    the_route = route(*({"name": n, "weight": w} for n, w in zip(("stable", "canary"), weights, strict=True)))
    requests = run(split(the_route=the_route))
    share = weights[1] / sum(weights)
    found = (requests["source"] % 2 == 1).mean()
    assert found == pytest.approx(share, abs=binomial(share, len(requests)))
    assert (requests["pod"].str.contains("canary") == (requests["source"] % 2 == 1)).all()
    assert set(requests["source"] // 2) == {0, 1}


def test_a_weight_that_is_not_written_is_one() -> None:
    assert (run(split(the_route=route({"name": "stable"}, {"name": "canary"})))["source"] % 2).mean() == (
        pytest.approx(0.5, abs=0.02)
    )


def test_words_lead_to_the_backend_of_their_interval_by_rule_4() -> None:
    """Every boundary of every proxy, before and after a change of weights."""
    since = np.array([[0, 0, 0], [100, 50, 70]])
    upto = np.array([[3, 3, 4], [1, 4, 4]])  # weights 3, 0, 1, then 1, 3, 0
    shares = Shares(since, upto)
    quarter = 1 << 30
    for proxy in range(3):
        high = (proxy << 32) // 3 + 5
        for t, expected in ((0, [0, 0, 0, 2]), (int(since[1, proxy]), [0, 1, 1, 1])):
            for edge, backend in enumerate(expected):
                for word in (edge * quarter, (edge + 1) * quarter - 1):
                    routed = shares.routed(
                        np.array([t]),
                        np.array([(high << 32) | 77], dtype=np.uint64),
                        np.array([word << 32], dtype=np.uint64),
                    )
                    assert ((int(routed[0]) >> 32) * 9) >> 32 == proxy * 3 + backend
                    assert int(routed[0]) & 0xFFFFFFFF == 77


def test_a_change_reaches_each_proxy_with_the_lags_of_its_watch_and_of_itself() -> None:
    """All lags 10 ms: who asks 20 ms after the change goes by the new weights."""
    events = [{"at": "10s", "weights": "httproute/web", "backends": {"stable": 0, "canary": 1}}]
    requests = run(split(events=events))
    late = requests["arrival_s"] >= 10.02
    assert requests["source"][late].mod(2).eq(1).all()
    early = requests["source"][~late].mod(2)
    assert early.mean() == pytest.approx(0.1, abs=0.02)


def test_an_event_changes_the_weights_that_it_names() -> None:
    steps = [
        {"at": "1s", "weights": "httproute/web", "backends": {"canary": 30}},
        {"at": "2s", "weights": "httproute/web", "backends": {"stable": 5}},
    ]
    assert [event.weights for event in split(events=steps).events] == [(90, 30), (5, 30)]


def test_a_canary_without_a_pod_costs_exactly_its_share() -> None:
    """503 for each of its requests, and for none of the others (Gateway API, HTTPBackendRef)."""
    requests = run(split(canary=0))
    of_canary = requests["source"] % 2 == 1
    assert ((requests["outcome"] == "rejected") == of_canary).all()
    assert set(requests["cause"][of_canary]) == {"no_endpoint"}
    assert (requests["outcome"][~of_canary] == "ok").all()


def test_retries_of_a_request_stay_with_its_backend() -> None:
    requests = run(split(canary=0, retry={"times": 2, "outcomes": ["rejected"], "backoff": "0s"}))
    of_canary = requests["source"] % 2 == 1
    assert (requests["attempts"][of_canary] == 3).all()
    assert (requests["outcome"][of_canary] == "rejected").all()


@pytest.mark.parametrize(
    "missing", [{"name": "nobody"}, {"name": "canary", "port": 81}], ids=["Service", "port"]
)
def test_what_is_not_there_gets_500_for_its_share(missing: dict) -> None:
    question = split(the_route=route({"name": "stable", "weight": 3}, missing))
    assert any("its part of the requests is answered with 500" in line for line in question.warnings)
    requests = run(question)
    lost = requests["outcome"] == "rejected"
    assert lost.mean() == pytest.approx(0.25, abs=binomial(0.25, len(requests)))
    assert (lost == (requests["source"] % 2 == 1)).all()


def test_weights_of_zero_leave_nobody() -> None:
    zero = {"at": "10s", "weights": "httproute/web", "backends": {"stable": 0, "canary": 0}}
    requests = run(split(events=[zero]))
    late = requests["arrival_s"] >= 10.02
    assert (requests["outcome"][late] == "rejected").all()
    assert (requests["outcome"][~late] == "ok").all()


def test_each_backend_has_its_own_connections() -> None:
    requests = run(split(keep_alive=True))
    assert (requests["pod"].str.contains("canary") == (requests["source"] % 2 == 1)).all()
    assert (requests["syns"] == 0).mean() > 0.9


def test_one_backend_is_an_ordinary_ingress() -> None:
    alone = run(split(the_route=route({"name": "stable", "weight": 7})))
    assert set(alone["source"]) == {0, 1}
    assert (alone["outcome"] == "ok").all()


@pytest.mark.parametrize(
    ("the_route", "client", "says"),
    [
        (USUAL, {"via": "cluster-ip"}, "is no Service of the manifests"),
        (USUAL, {"port": 80}, "names the ports of its backends"),
        (route(), {}, "has a rule without backendRefs"),
        (route({"name": "stable", "namespace": "other"}), {}, "accepted: Services of its own namespace"),
        (route({"name": "stable"}, {"name": "stable", "port": 81}), {}, "names service/stable twice"),
        ({**USUAL, "spec": {"rules": USUAL["spec"]["rules"] * 2}}, {}, "has 2 rules"),
        (USUAL, {"to": "httproute/wbe"}, "did you mean httproute/web"),
        (
            USUAL,
            {"rate": None, "arrivals": None, "loop": {"users": 3, "think": "1s"}},
            "is not simulated with loop",
        ),
    ],
)
def test_what_cannot_be(the_route: dict, client: dict, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        split(the_route=the_route, **client)


@pytest.mark.parametrize(
    ("the_route", "says"),
    [
        (route({"name": "stable", "weight": -1}), "weight = -1 must be >= 0"),
        (route({"name": "stable", "weight": 1_000_001}), "must be <= 1000000"),
        (route({"name": "stable", "weight": "1"}), "must be a whole number"),
        (route({"name": "stable", "port": None}), "names the Service's port"),
        (route({"weight": 1}), "a backendRef names what it sends to"),
        (route({"name": "stable"}, version="v3"), "accepted: gateway.networking.k8s.io/v1"),
    ],
)
def test_routes_that_the_api_would_refuse(the_route: dict, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        split(the_route=the_route)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"weights": "httproute/web", "backends": {"canari": 1}}, "did you mean canary"),
        ({"weights": "httproute/web", "backends": {"canary": -1}}, "from 0 to 1000000"),
        ({"weights": "service/canary", "backends": {"canary": 1}}, "is no HTTPRoute"),
        ({"weights": "httproute/web"}, "backends is missing: weights needs it"),
    ],
)
def test_events_that_cannot_be(event: dict, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        split(events=[{"at": "1s", **event}])
