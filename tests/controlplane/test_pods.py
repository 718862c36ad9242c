"""One pod's life as small stories with constant lags: start, readiness, termination, restart, endpoints."""

from __future__ import annotations

import numpy as np
import pytest

from svcsim.dataplane.contract import TruthKind
from tests.controlplane.stories import Story, deployment, service

S = 1_000_000_000
PROBE = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}}


def rows(run, pod) -> list[tuple[float, str]]:
    """The truth of a pod's one server: (seconds, kind)."""
    (server,) = [k for k, info in enumerate(run.servers) if info.pod is pod]
    mine = run.histories.truth_server == server
    kinds = run.histories.truth_kind[mine]
    return [
        (t / S, TruthKind(int(kind)).name)
        for t, kind in zip(run.histories.truth_t[mine].tolist(), kinds, strict=True)
    ]


def deleted_pod(*, container: dict | None = None, behaviour: dict | None = None, grace: int = 30):
    """One of two pods deleted at 10 s; its truth from then on, as seconds after the deletion."""
    manifest = deployment(2, container=container)
    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = grace
    story = Story(
        [manifest, service()],
        [{"at": "10s", "delete": "deployment/web", "count": 1}],
        workloads={"deployment/web": behaviour or {}},
    )
    run = story.run()
    (victim,) = [p for p in run.pods if p.deleted_ns > 0]
    return [(round(t - 10, 3), kind) for t, kind in rows(run, victim) if t > 0], run, victim


def test_exit_at_once() -> None:
    """Kubelet 10 ms, exit 10 ms, teardown 10 ms after the deletion."""
    log, _, _ = deleted_pod()
    assert log == [(0.02, "CLOSE"), (0.02, "CUT"), (0.03, "RELEASE")]


def test_pre_stop_delays_sigterm() -> None:
    log, _, _ = deleted_pod(container={"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}})
    assert log[0] == (5.02, "CLOSE")


def test_pre_stop_longer_than_the_grace_is_cut_off() -> None:
    """The hook ends with the grace; SIGTERM then has two seconds more."""
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "60"]}}}}
    log, _, _ = deleted_pod(container=hook, behaviour={"onSigterm": "ignore"}, grace=5)
    assert log[:2] == [(7.01, "CLOSE"), (7.01, "CUT")]


def test_ignored_sigterm_lasts_the_grace() -> None:
    log, _, _ = deleted_pod(behaviour={"onSigterm": "ignore"}, grace=5)
    assert log[:2] == [(5.01, "CLOSE"), (5.01, "CUT")]


def test_drain_closes_and_ends_with_the_last_request() -> None:
    """Without traffic a drain ends at once, and there is nothing to cut."""
    log, _, _ = deleted_pod(behaviour={"onSigterm": "drain"})
    assert log == [(0.01, "CLOSE"), (0.02, "RELEASE")]


def test_lame_duck_accepts_for_a_while() -> None:
    log, _, _ = deleted_pod(behaviour={"onSigterm": {"lameDuck": "3s"}})
    assert log == [(3.01, "CLOSE"), (3.02, "RELEASE")]


def test_lame_duck_longer_than_the_grace_is_killed() -> None:
    log, _, _ = deleted_pod(behaviour={"onSigterm": {"lameDuck": "20s"}}, grace=5)
    assert log[:2] == [(5.01, "CLOSE"), (5.01, "CUT")]


def test_the_object_goes_after_the_relist() -> None:
    _, run, victim = deleted_pod()
    assert victim.terminal
    assert victim.gone
    assert sum(not p.gone for p in run.pods) == 2


def test_a_killed_container_keeps_its_address_and_restarts_at_the_relist() -> None:
    """Refused from the kill on; back after the relist, without back-off the first time."""
    story = Story(
        [deployment(2, container=PROBE), service()],
        [{"at": "10s", "kill": "deployment/web", "count": 1}],
        workloads={"deployment/web": {"startup": "500ms"}},
    )
    run = story.run()
    (victim,) = [p for p in run.pods if p.restarts]
    log = [(t, kind) for t, kind in rows(run, victim) if t > 0]
    assert [kind for _, kind in log] == ["CLOSE", "CUT", "LISTEN"]
    assert log[0][0] == 10.0
    assert 10.5 < log[2][0] < 11.6
    assert victim.ready
    assert len(run.pods) == 2


def test_crash_loop_backs_off() -> None:
    """Crashes every 3 s: restarts at the relist, then 10 s, then 20 s after the exit."""
    story = Story(
        [deployment(1), service()],
        [{"at": f"{5 + 15 * k}s", "crash": "deployment/web"} for k in range(3)],
        duration="90s",
        workloads={"deployment/web": {"startup": "0s"}},
    )
    run = story.run()
    up = [t for t, kind in rows(run, run.pods[0]) if kind == "LISTEN" and t > 0]
    assert 5 < up[0] < 6.2
    assert 30 < up[1] < 31.2
    assert len(up) == 3 and 55 < up[2] < 56.2


def test_liveness_restarts_a_slow_starter_until_a_startup_probe_shields_it() -> None:
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 2, "failureThreshold": 2}
    slow = {"deployment/web": {"startup": "8s"}}
    rollout = [{"at": "5s", "rollout": "deployment/web"}]
    bad = Story(
        [deployment(1, container={**PROBE, "livenessProbe": probe}), service()], rollout, workloads=slow
    )
    new = [p for p in bad.run().pods if "/r2/" in p.name]
    assert new[0].restarts >= 2
    shield = {**PROBE, "livenessProbe": probe, "startupProbe": {**probe, "failureThreshold": 30}}
    good = Story([deployment(1, container=shield), service()], rollout, workloads=slow)
    new = [p for p in good.run().pods if "/r2/" in p.name]
    assert new[0].restarts == 0
    assert new[0].ready


def test_unready_needs_three_probes_and_costs_nothing_else() -> None:
    story = Story(
        [deployment(3, container=PROBE), service()],
        [{"at": "10s", "unready": "deployment/web", "count": 1, "for": "6s"}],
    )
    run = story.run()
    writes = [c.write_ns / S for c in run.changes]
    assert len(writes) == 2
    assert 12.0 < writes[0] < 13.2
    assert 16.0 < writes[1] < 17.2
    assert all(not p.restarts for p in run.pods)


@pytest.mark.parametrize("publish", [False, True])
def test_what_the_slices_say_of_a_deleted_pod(publish: bool) -> None:
    """Ready, then terminating but serving, then gone; published addresses stay listed until they are gone."""
    story = Story(
        [deployment(1, container=PROBE), service(publishNotReadyAddresses=publish)],
        [{"at": "10s", "scale": "deployment/web", "replicas": 0}],
        workloads={"deployment/web": {"onSigterm": "ignore"}},
    )
    run = story.run()
    lists = [[len(run.histories.versions[v]) for _, v in change.versions] for change in run.changes]
    # the deletion changes nothing for the proxy: the one terminating pod that still serves is the fallback
    assert lists[0] == []
    assert lists[-1] == [0]


def test_windows_do_not_change_history() -> None:
    """Advancing the data plane at any instants leaves every row where it was."""
    story = [deployment(6, container=PROBE), service()]
    events = [{"at": "5s", "rollout": "deployment/web"}, {"at": "9s", "crash": "deployment/web", "count": 2}]
    drain = {"deployment/web": {"startup": "700ms", "onSigterm": "drain"}}
    whole = Story(story, events, workloads=drain).run()
    cut = Story(story, events, workloads=drain).run(cuts=tuple(range(1, 20 * S, 377_777_777)))
    for name in ("truth_t", "truth_server", "truth_kind", "belief_t", "belief_observer", "belief_version"):
        assert np.array_equal(getattr(whole.histories, name), getattr(cut.histories, name)), name
