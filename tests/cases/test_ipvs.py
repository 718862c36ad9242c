"""What users of kube-proxy's mode ipvs report, of connections that a hash or a turn gives to pods."""

from __future__ import annotations

import pytest

from svcsim.agreement import crosscheck
from tests.cases.worlds import case, causes, failed, run

CASE = "c138688_hash_of_a_draining_pod"
SCHEDULER = "cluster.kubeProxy.ipvsScheduler"


@pytest.mark.parametrize("scheduler", ["mh", "sh"])
def test_c138688_a_hash_that_names_a_draining_pod_is_refused(scheduler: str) -> None:
    """Kernel errors "no destination available" during rolling updates: weight 0, and still in the table."""
    result = run(CASE, {SCHEDULER: scheduler}, replications=3)
    assert failed(result, "callers").min() > 280
    assert set(causes(result, "callers")) == {"stale_endpoint"}
    shown = result.failures
    assert set(shown["stage"]) == {"draining"}
    assert set(shown["pod"]) == {""}
    assert set(shown["rule"][shown["outcome"] == "refused"]) == {"R26"}
    # the last old pod is taken out at about 40 s, forgotten 120 s later, and gone at the next check
    assert shown["arrival_s"].min() > 20
    assert 140 < shown["arrival_s"].max() < 240


def test_c138688_words_for_it() -> None:
    said = run(CASE, replications=1).explain()
    assert "which IPVS was still draining" in said
    assert "an ipvsScheduler without a hash" in said


@pytest.mark.parametrize(
    "changes",
    [{SCHEDULER: "rr"}, {SCHEDULER: "lc"}, {"cluster.kubeProxy": {"mode": "iptables"}}],
    ids=["rr", "lc", "iptables"],
)
def test_c138688_no_other_way_of_choosing_loses_anything(changes: dict) -> None:
    assert failed(run(CASE, changes, replications=3), "callers").sum() == 0


@pytest.mark.parametrize("scheduler", ["mh", "sh", "lc"])
def test_both_engines_drain_alike(scheduler: str) -> None:
    """Long enough for pods to be forgotten, looked at and gone."""
    changes = {SCHEDULER: scheduler, "clients.callers.rate": "10/s", "clients.callers.retry": 1}
    assert crosscheck(case(CASE, changes), seed=3).requests > 2500
