"""HPA v2 by hand: replicas asked for, stabilisation, limits (kubernetes.md section 7), and the whole loop."""

from __future__ import annotations

import json

import pytest

import svcsim
from svcsim.controlplane.autoscaling.controller import Decision
from svcsim.controlplane.autoscaling.limits import Memory, normalise
from svcsim.controlplane.autoscaling.metrics import Point, rate, stored
from svcsim.controlplane.autoscaling.replicas import (
    PodSeen,
    Proposal,
    Sample,
    Tolerances,
    Unavailable,
    highest,
    propose,
)
from svcsim.controlplane.topology import Topology
from svcsim.kube import Autoscaler, CpuMetric, ScalingPolicy, ScalingRules, parse_key
from svcsim.simulation import run_replication
from tests.controlplane.stories import deployment, service

S = 1_000_000_000
NOW = 1000 * S
USUAL = Tolerances(ranged=True)
HALF = CpuMetric(utilization=50)


def pod(name: str, **changes) -> PodSeen:
    """A pod that has been Ready for long and requests a core."""
    usual = {
        "pending": False,
        "ignored": False,
        "ready": True,
        "start_ns": 0,
        "transition_ns": 10 * S,
        "request_milli": 1000,
    }
    return PodSeen(name=name, **{**usual, **changes})


def asked(
    usage: list[int | None], *, current: int | None = None, metric: CpuMetric = HALF, **of_last
) -> object:
    """What is proposed for pods with this use in thousandths; None: no sample; `of_last`: of the last pod."""
    pods = [pod(f"p{k}", **(of_last if k == len(usage) - 1 else {})) for k in range(len(usage))]
    samples = {
        f"p{k}": Sample(milli=used, at_ns=NOW, window_ns=15 * S)
        for k, used in enumerate(usage)
        if used is not None
    }
    return propose(
        metric, current=current or len(usage), pods=pods, samples=samples, now_ns=NOW, tolerances=USUAL
    )


def replicas(*args, **kwargs) -> int:
    found = asked(*args, **kwargs)
    assert isinstance(found, Proposal), found
    return found.replicas


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ([1000, 1000], 4),  # 100% of the request against 50%: twice as many
        ([550, 550], 2),  # 1.1: within a tenth
        ([560, 560], 3),  # 1.12 x 2 = 2.24, rounded up
        ([450, 450], 2),  # 0.9: within
        ([440, 440], 2),  # 0.88 x 2 = 1.76, rounded up
        ([200, 200, 200, 200], 2),  # 0.4 x 4 = 1.6
        ([0, 0, 0], 0),  # nothing at all; limits keep minReplicas
        ([259, 250], 1),  # (509 / 2000): 25%, whole numbers first: 0.5 x 2 = 1
    ],
)
def test_the_ratio_decides(usage: list[int], wanted: int) -> None:
    assert replicas(usage) == wanted


def test_a_pod_without_a_sample_counts_against_the_change() -> None:
    """Rising: it uses nothing: (1000 + 1000 + 0) / 3000 = 66%, 1.32 x 3 = 3.96; falling: its request."""
    assert replicas([1000, 1000, None]) == 4
    assert replicas([100, 100, None]) == 3  # (100 + 100 + 1000) / 3000 = 40%: 0.8 x 3 = 2.4 -> 3
    assert replicas([100, 100, 100, None]) == 3  # (300 + 1000) / 4000 = 32%: 0.64 x 4 = 2.56 -> 3
    assert replicas([600, 600, None]) == 3  # 1.2 alone; 0.8 with it turns round: no change


def test_an_unready_pod_counts_as_idle_when_rising_and_not_at_all_when_falling() -> None:
    starting = {"ready": False, "start_ns": NOW - 60 * S, "transition_ns": NOW - 60 * S}
    assert replicas([1000, 1000, 5000], **starting) == 4  # 66%
    assert replicas([100, 100, 5000], **starting) == 1  # 0.2 x 2 = 0.4


def test_a_pod_being_deleted_is_ignored() -> None:
    assert replicas([1000, 1000, 0], ignored=True) == 4


def test_without_a_request_there_is_no_utilization() -> None:
    found = asked([100, 100], request_milli=None)
    assert isinstance(found, Unavailable)
    assert (found.reason, found.message) == ("FailedGetResourceMetric", "missing request for cpu")
    assert replicas([300, 300], metric=CpuMetric(average_milli=100), request_milli=None) == 6


def test_without_metrics_nothing_is_known() -> None:
    assert isinstance(asked([None, None]), Unavailable)


def test_of_several_metrics_the_highest_wins_and_a_lacking_one_forbids_to_shrink() -> None:
    low = Proposal(replicas=2, usage=1, target=2, name="low")
    high = Proposal(replicas=7, usage=1, target=2, name="high")
    lacking = Unavailable("FailedGetResourceMetric", "none")
    assert highest([low, high], 4) is high
    assert highest([low, lacking], 4) is lacking
    assert highest([high, lacking], 4) is high
    assert highest([lacking], 4) is lacking


# -- limits


def scaler(**behavior) -> Autoscaler:
    return Autoscaler(
        key=parse_key("hpa/web"),
        target=parse_key("deployment/web"),
        max_replicas=100,
        metrics=(HALF,),
        **behavior,
    )


UP = ScalingRules(
    policies=(
        ScalingPolicy(type="Pods", value=4, period_seconds=15),
        ScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
    stabilization_window_seconds=0,
)
DOWN = ScalingRules(
    policies=(ScalingPolicy(type="Percent", value=100, period_seconds=15),), stabilization_window_seconds=300
)


def steps(one: Autoscaler, wanted: list[int], current: int) -> list[int]:
    """Sizes of syncs 15 s apart, each of which changes the size."""
    memory, sizes = Memory(), []
    for k, want in enumerate(wanted):
        size = normalise(one, memory, current=current, wanted=want, now_ns=k * 15 * S).replicas
        if size != current and one.scale_up is not None:
            memory.scaled(k * 15 * S, current, size)
        sizes.append(size)
        current = size
    return sizes


@pytest.mark.parametrize(
    ("current", "without", "with_behavior"),
    [(1, [4, 8, 16, 32, 64], [5, 10, 20, 40, 80]), (3, [6, 12, 24, 48, 96], [7, 14, 28, 56, 100])],
)
def test_how_fast_it_grows(current: int, without: list[int], with_behavior: list[int]) -> None:
    """max(2 x current, 4) against the greater of four pods and 100%: from one pod 4 against 5."""
    assert steps(scaler(), [1000] * 5, current) == without
    assert steps(scaler(scale_up=UP, scale_down=DOWN), [1000] * 5, current) == with_behavior


def test_a_shrinking_recommendation_waits_five_minutes() -> None:
    """The highest of the last 300 s counts: the twentieth sync after the last high one, 15 s each, obeys."""
    wanted = [10] + [2] * 22
    assert steps(scaler(), wanted, 10) == [10] * 21 + [2] * 2
    assert steps(scaler(scale_up=UP, scale_down=DOWN), wanted, 10) == [10] * 20 + [2] * 3


def test_a_policy_of_one_pod_a_minute() -> None:
    one = ScalingRules(
        policies=(ScalingPolicy(type="Pods", value=1, period_seconds=60),), stabilization_window_seconds=0
    )
    assert steps(scaler(scale_up=UP, scale_down=one), [1] * 9, 5) == [4, 4, 4, 4, 3, 3, 3, 3, 2]


def test_select_policy() -> None:
    both = (
        ScalingPolicy(type="Pods", value=1, period_seconds=15),
        ScalingPolicy(type="Percent", value=50, period_seconds=15),
    )
    for select, size in (("Max", 6), ("Min", 11), ("Disabled", 12)):
        down = ScalingRules(policies=both, stabilization_window_seconds=0, select_policy=select)
        assert steps(scaler(scale_up=UP, scale_down=down), [1], 12) == [size], select


def test_bounds() -> None:
    bounded = Autoscaler(
        key=parse_key("hpa/web"),
        target=parse_key("deployment/web"),
        min_replicas=2,
        max_replicas=6,
        metrics=(HALF,),
    )
    assert steps(bounded, [50], 4) == [6]
    assert normalise(bounded, Memory(), current=4, wanted=0, now_ns=0).replicas == 2


# -- metrics-server


def test_a_rate_lies_between_two_points() -> None:
    first = Point(at_ns=0, used_ns=0, started_ns=-S)
    second = Point(at_ns=20 * S, used_ns=5 * S, started_ns=-S)
    assert stored({"c": second}, {"c": first}, None) == {"c": first}
    assert rate(second, first) == Sample(milli=250, at_ns=20 * S, window_ns=20 * S)


def test_a_point_seen_before_keeps_its_predecessor_and_a_restart_has_none() -> None:
    first = Point(at_ns=0, used_ns=0, started_ns=-S)
    second = Point(at_ns=20 * S, used_ns=5 * S, started_ns=-S)
    assert stored({"c": second}, {"c": second}, {"c": first}) == {"c": first}
    restarted = Point(at_ns=40 * S, used_ns=0, started_ns=35 * S)
    assert stored({"c": restarted}, {"c": second}, {"c": first}) == {}
    young = Point(at_ns=40 * S, used_ns=S, started_ns=28 * S)
    assert stored({"c": young}, None, None) == {"c": Point(at_ns=28 * S, used_ns=0, started_ns=28 * S)}


# -- the whole loop


def hpa(**spec) -> dict:
    target = {"type": "Utilization", "averageUtilization": 50}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2,
            "maxReplicas": 12,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            **spec,
        },
    }


def decisions(
    rate_per_s: float, duration: str, *, events: list[dict] | None = None, **spec
) -> list[Decision]:
    """Work of 20 ms a request at 500m requested: 25 requests/s use a pod's whole request."""
    document = {
        "manifests": [
            deployment(2, container={"resources": {"requests": {"cpu": "500m"}}}),
            service(),
            hpa(**spec),
        ],
        "duration": duration,
        "workloads": {"deployment/web": {"serviceTime": "20ms", "startup": "1s", "cpu": {"idle": 0}}},
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": rate_per_s}],
        "events": events or [],
    }
    scenario = svcsim.parse_scenario(json.dumps(document))
    return run_replication(Topology.of(scenario), seed=1, replication=0).control.scalings


def test_it_settles_where_the_load_meets_the_target() -> None:
    """100/s x 20 ms = 2 cores; pods of 0.5 cores at 50%: eight, within a tenth 7.3 to 8.9."""
    found = decisions(100, "400s")
    assert found[-1].size == 8
    assert found[0].reason.startswith("FailedGetResourceMetric")
    assert max(one.size for one in found) <= 9


def test_a_step_of_load_is_answered_late() -> None:
    """Samples of 10 to 20 s, scrapes of 15 s, syncs of 15 s: 10 to 70 s after the step."""
    found = decisions(20, "200s", events=[{"at": "100s", "rate": "c", "value": 100}])
    grown = next(one.at_ns for one in found if one.size > one.replicas)
    assert 105 <= grown / S <= 170


def test_bounds_that_do_not_hold_are_mended_first() -> None:
    found = decisions(1, "60s", events=[{"at": "20s", "scale": "deployment/web", "replicas": 20}])
    assert any(one.size == 12 and one.replicas == 20 for one in found)


def test_a_pause_of_the_controller_holds_it_up() -> None:
    found = decisions(
        100, "200s", events=[{"at": "1s", "pauseController": "horizontalpodautoscaler", "for": "120s"}]
    )
    assert min(one.at_ns for one in found if one.size > one.replicas) >= 120 * S


def test_both_engines_scale_alike() -> None:
    document = {
        "manifests": [
            deployment(2, container={"resources": {"requests": {"cpu": "500m"}}}),
            service(),
            hpa(),
        ],
        "duration": "150s",
        "workloads": {"deployment/web": {"serviceTime": {"exponential": {"mean": "20ms"}}, "startup": "1s"}},
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 60}],
    }
    topology = Topology.of(svcsim.parse_scenario(json.dumps(document)))
    runs = [
        run_replication(topology, seed=1, replication=0, engine=engine).control.scalings
        for engine in ("reference", "vectorised")
    ]
    assert runs[0] == runs[1]
    assert any(one.size > one.replicas for one in runs[0])


def test_the_scaling_table() -> None:
    document = {
        "manifests": [
            deployment(2, container={"resources": {"requests": {"cpu": "500m"}}}),
            service(),
            hpa(),
        ],
        "duration": "100s",
        "clients": [{"name": "c", "to": "service/web", "via": "cluster-ip", "rate": 10}],
    }
    table = svcsim.simulate(svcsim.parse_scenario(json.dumps(document)), replications=2).scaling
    assert set(table["autoscaler"]) == {"horizontalpodautoscaler/web"}
    assert set(table["replication"]) == {0, 1}
    assert (table["size"] >= 2).all()


def test_tolerances_of_its_own_since_1_35() -> None:
    assert Tolerances(ranged=True, down=0.0, up=0.5).within(1.4)
    assert not Tolerances(ranged=True, down=0.0, up=0.5).within(0.99)
