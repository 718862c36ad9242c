"""What trying again is worth, and what stickiness does: closed forms of a list and its dead part."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases.worlds import case, failed, run


@pytest.mark.parametrize(("client", "tries"), [("vip", 1), ("vip three times", 3)])
def test_b04_a_retry_through_the_service_rolls_the_dice_again(client: str, tries: int) -> None:
    """kubernetes-retired/contrib 1140: the cluster IP listed three times, as each entry may meet another pod.

    From the deletions at 5 s on two of six are dead in rules that stand still: (2/6)^tries of 55 s fail.
    The two stop within a second; the share is binomial, four standard errors.
    """
    result = run("b04_three_tries")
    share = (2 / 6) ** tries
    asked = 40 * (60 - 5) * len(result.replications["replication"].unique())
    noise = 4 * np.sqrt(share * (1 - share) / asked)
    assert failed(result, client).sum() / asked == pytest.approx(share, abs=noise + share / 55)


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (2, 3)])
def test_b04_a_retry_at_the_next_pod_runs_out_of_dead_ones(retries: int, tries: int) -> None:
    """With the pods themselves as upstreams and no pod twice: 2/6, 2/6 * 1/5, and never a third.

    What was in service at the cut is not tried again: up to one in ten thousand more.
    """
    result = run("b04_three_tries", {"clients.next pod.retry": retries})
    share = {1: 1 / 3, 2: 1 / 15, 3: 0.0}[tries]
    asked = 40 * (60 - 5) * len(result.replications["replication"].unique())
    noise = 4 * np.sqrt(share * (1 - share) / asked)
    assert failed(result, "next pod").sum() / asked == pytest.approx(share, abs=noise + share / 55 + 1e-4)


@pytest.mark.parametrize("addresses", [1, 2, 4])
def test_b17_as_many_addresses_as_pods_at_most(addresses: int) -> None:
    """kubernetes/kubernetes 55603: behind k addresses at most k of the pods are used at any time."""
    changes = {"clients.balancer.sources": addresses, "events": []}
    result = run("b17_few_addresses", changes, keep_requests=True)
    assert result.requests is not None
    used = result.requests.groupby("replication")["pod"].nunique()
    assert used.max() <= addresses
    # the mean number of distinct pods of k picks out of ten
    expected = 10 * (1 - 0.9**addresses)
    assert used.mean() == pytest.approx(expected, abs=4 * np.sqrt(addresses / len(used)) * 0.5)


def test_b17_after_a_rollout_they_stick_to_others() -> None:
    """Each address moves only when its pod leaves the rules, and then stays again."""
    result = run("b17_few_addresses", keep_requests=True)
    assert result.requests is not None
    late = result.requests[result.requests["arrival_s"] > 55]
    assert late.groupby(["replication", "source"])["pod"].nunique().max() == 1
    assert late["pod"].str.contains("/r2/").all()


@pytest.mark.parametrize("connect_s", [5, 8])
def test_b27_a_retry_makes_a_latency_of_a_failure(connect_s: int) -> None:
    """haproxy-ingress 303: next to no failure in a rollout, and a tail just over the connect time-out.

    Whoever met a vanished pod waited the time-out once or twice and then 5 ms; no try is shorter than that.
    """
    timeout = {"connect": f"{connect_s}s", "request": "60s"}
    result = run(
        "b27_latency_for_failures", {"clients.ingress.timeout": timeout}, replications=5, keep_requests=True
    )
    assert result.requests is not None
    assert failed(result, "ingress").sum() < len(result.requests) / 10_000
    answered = result.requests[result.requests["outcome"] == "ok"]
    took = answered["end_s"] - answered["arrival_s"]
    slow = took[took > connect_s]
    assert len(slow) > 100
    assert (slow < connect_s + 0.1).mean() > 0.9
    assert ((took > 1) & (took < connect_s)).sum() == 0


def test_b27_without_a_retry_they_are_failures() -> None:
    without = case("b27_latency_for_failures").with_value("clients.ingress.retry", 0)
    assert without.clients[0].retry is None
    lost = failed(run("b27_latency_for_failures", {"clients.ingress.retry": 0}, replications=5), "ingress")
    assert lost.min() > 20
