"""Recordings in every shape people have them, made here, and what is inferred from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

import svcsim
from svcsim.agreement import crosscheck
from svcsim.controlplane.recorded import check_recording
from svcsim.controlplane.topology import Topology
from svcsim.errors import ScenarioError, SvcsimError
from svcsim.observed.recording import recording_of
from svcsim.observed.watchlog import parse_watchlog
from svcsim.simulation import run_replication, simulate
from tests.controlplane.stories import deployment, service

S = 1_000_000_000
START = 1_700_000_000.0


def stamp(t: float) -> str:
    return datetime.fromtimestamp(START + t, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def slice_of(*pods: tuple[str, str], changed: float | None = None) -> dict:
    """A slice; a pod is (name, conditions such as "RS", "ST")."""
    metadata: dict = {
        "name": "web-abcde",
        "namespace": "default",
        "labels": {"kubernetes.io/service-name": "web"},
        "resourceVersion": "1",
    }
    if changed is not None:
        metadata["managedFields"] = [{"time": stamp(changed)[:19] + "Z"}]
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": metadata,
        "endpoints": [
            {
                "addresses": [f"10.0.0.{sum(map(ord, name)) % 250}"],
                "nodeName": "n1",
                "targetRef": {"kind": "Pod", "name": name},
                "conditions": {"ready": "R" in said, "serving": "S" in said, "terminating": "T" in said},
            }
            for name, said in pods
        ],
    }


def pod(name: str, *, deleting: bool = False, restarts: int = 0, down: bool = False) -> dict:
    state = {"terminated": {"exitCode": 137}} if down else {"running": {}}
    metadata: dict = {"name": name, "namespace": "default"}
    if deleting:
        metadata["deletionTimestamp"] = stamp(100)
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": metadata,
        "spec": {"nodeName": "n1"},
        "status": {"containerStatuses": [{"restartCount": restarts, "state": state}]},
    }


STORY = [
    (0.0, slice_of(("web-a", "RS"), ("web-b", "RS"))),
    (10.0, slice_of(("web-a", "ST"), ("web-b", "RS"), ("web-c", ""))),
    (12.0, slice_of(("web-a", "T"), ("web-b", "RS"), ("web-c", "RS"))),
    (13.0, slice_of(("web-b", "RS"), ("web-c", "RS"))),
]
PODS = [
    (0.0, "ADDED", pod("web-a")),
    (0.0, "ADDED", pod("web-b")),
    (9.5, "MODIFIED", pod("web-a", deleting=True)),
    (13.1, "DELETED", pod("web-a", deleting=True)),
    (20.0, "MODIFIED", pod("web-b", restarts=1)),
]


def timed(*, pods: bool = True) -> str:
    lines = [
        (t, json.dumps({"t": START + t, "type": "ADDED" if t == 0 else "MODIFIED", "object": one}))
        for t, one in STORY
    ]
    if pods:
        lines += [(t, json.dumps({"t": START + t, "type": what, "object": one})) for t, what, one in PODS]
    return "\n".join(line for _, line in sorted(lines, key=lambda row: row[0]))


def audit() -> str:
    events = []
    for t, one in STORY[1:]:
        events.append((t, "update", "endpointslices", "web-abcde", one))
    events.append((0.0, "create", "endpointslices", "web-abcde", STORY[0][1]))
    events.append((0.0, "create", "pods", "web-a", pod("web-a")))
    events.append((9.5, "delete", "pods", "web-a", pod("web-a", deleting=True)))
    return "\n".join(
        json.dumps(
            {
                "kind": "Event",
                "apiVersion": "audit.k8s.io/v1",
                "stage": "ResponseComplete",
                "verb": verb,
                "objectRef": {"resource": resource, "namespace": "default", "name": name},
                "responseStatus": {"code": 200},
                "stageTimestamp": stamp(t),
                "responseObject": one,
            }
        )
        for t, verb, resource, name, one in sorted(events, key=lambda row: row[0])
    )


def kubectl() -> str:
    """`kubectl get endpointslices -w -o json --show-managed-fields`: no time of receipt."""
    return "\n".join(json.dumps({**slice_of(*_said(one), changed=t)}, indent=2) for t, one in STORY)


def _said(one: dict) -> list[tuple[str, str]]:
    letters = (("ready", "R"), ("serving", "S"), ("terminating", "T"))
    return [
        (e["targetRef"]["name"], "".join(c for key, c in letters if e["conditions"][key]))
        for e in one["endpoints"]
    ]


@pytest.mark.parametrize("text", [timed(), audit(), kubectl()], ids=["receive times", "audit", "kubectl"])
def test_every_shape_gives_the_same_writes(text: str) -> None:
    recording = recording_of([parse_watchlog(text)])
    assert [round(write.at_ns / S) for write in recording.writes] == [0, 10, 12, 13]
    assert recording.pods == ("web-a", "web-b", "web-c")
    assert recording.nodes == ("n1",)


def test_pods_say_when_they_were_deleted_and_when_they_ended() -> None:
    turns = recording_of([parse_watchlog(timed())]).turns
    assert [(round(turn.at_ns / S, 1), turn.pod, turn.what) for turn in turns] == [
        (9.5, "web-a", "deleted"),
        (13.1, "web-a", "gone"),
        (20.0, "web-b", "ended"),
    ]


def test_what_is_not_known_is_said() -> None:
    assert any(
        "without a pod watch" in line for line in recording_of([parse_watchlog(timed(pods=False))]).warnings
    )
    assert any("whole seconds" in line for line in recording_of([parse_watchlog(kubectl())]).warnings)


def test_no_times_at_all_are_refused() -> None:
    text = "\n".join(json.dumps(one) for _, one in STORY)
    with pytest.raises(SvcsimError, match="keep the time beside each object"):
        recording_of([parse_watchlog(text)])


def test_another_service_is_refused() -> None:
    with pytest.raises(SvcsimError, match="has no slice of db; there are: web"):
        recording_of([parse_watchlog(timed())], "db")


def test_messages_out_of_order_are_mended() -> None:
    late = json.dumps({"t": START + 5, "type": "MODIFIED", "object": STORY[0][1]})
    recording = recording_of([parse_watchlog(timed(pods=False) + "\n" + late)])
    assert any("older than one before them" in line for line in recording.warnings)
    assert [w.at_ns for w in recording.writes] == sorted(w.at_ns for w in recording.writes)


def test_an_audit_log_without_objects_is_refused() -> None:
    event = json.loads(audit().splitlines()[0])
    del event["responseObject"]
    with pytest.raises(SvcsimError, match="log them at level RequestResponse"):
        parse_watchlog(json.dumps(event))


def question(**changes) -> svcsim.Scenario:
    document = {
        "manifests": [deployment(2), service()],
        "duration": "40s",
        "cluster": {"nodes": [{"name": "n1"}]},
        "workloads": {"deployment/web": {"startup": "1s"}},
        "clients": [
            {"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": "200/s"},
            {"name": "pinned", "to": "deployment/web", "via": "pod-ip", "resolve": "once", "rate": "50/s"},
        ],
        **changes,
    }
    return svcsim.parse_scenario(json.dumps(document))


def test_a_replay_fails_where_the_recording_says() -> None:
    recording = recording_of([parse_watchlog(timed())])
    result = simulate(question(), replications=3, recording=recording)
    failures = result.failures[result.failures["client"] == "vip"]
    assert len(failures)
    # of web-a from its exit at 9.5 s until rules know, of web-b while it is down about 19.5 s
    near = failures["arrival_s"].between(9.4, 12.5) | failures["arrival_s"].between(18.9, 22.5)
    assert near.all()
    assert failures["arrival_s"].between(9.4, 12.5).any()
    assert failures["arrival_s"].between(18.9, 22.5).any()


def test_both_engines_replay_alike() -> None:
    recording = recording_of([parse_watchlog(timed())])
    topology = Topology.of(question())
    runs = [
        run_replication(
            topology, seed=1, replication=0, engine=engine, keep_requests=True, recording=recording
        )
        for engine in ("reference", "vectorised")
    ]
    assert (runs[0].requests == runs[1].requests).all()
    crosscheck(question(), seed=1)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"events": [{"at": "1s", "rollout": "deployment/web"}]}, "churn comes from the recording"),
        ({"cluster": {"nodes": 3}}, "cluster.nodes has no n1"),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused(changes: dict, rule: str) -> None:
    with pytest.raises(ScenarioError, match=rule):
        check_recording(question(**changes), recording_of([parse_watchlog(timed())]))


def hinted() -> str:
    """Two endpoints on two nodes in two zones; from 10 s on each is meant for its own zone."""
    bare = slice_of(("web-a", "RS"), ("web-b", "RS"))
    bare["endpoints"][1]["nodeName"] = "n2"
    zoned = json.loads(json.dumps(bare))
    for one, zone in zip(zoned["endpoints"], "ab", strict=True):
        one["hints"] = {"forZones": [{"name": zone}]}
    story = ((0.0, bare), (10.0, zoned))
    return "\n".join(json.dumps({"t": START + t, "type": "MODIFIED", "object": one}) for t, one in story)


@pytest.mark.parametrize(("zones", "near"), [("ab", 1.0), ("cc", 0.5)])
def test_recorded_hints_are_obeyed(zones: str, near: float) -> None:
    """From well after 10 s on all requests of n1 stay in zone a; if no node is there they go anywhere."""
    nodes = [{"name": f"n{k + 1}", "zone": zone} for k, zone in enumerate(zones)]
    vip = {"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": "200/s", "from": "n1"}
    scenario = question(cluster={"nodes": nodes}, clients=[vip])
    recording = recording_of([parse_watchlog(hinted())])
    result = simulate(scenario, replications=1, recording=recording, keep_requests=True)
    late = result.requests[result.requests["arrival_s"] > 20]
    assert len(late) > 100
    share = (late["pod"].astype(str).str.contains("web-a")).mean()
    assert share == pytest.approx(near, abs=0.12)
    assert any("hints for zone" in line for line in result.warnings) == (near < 1)
