"""Rules about how a client's requests arrive."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from svcsim.scenario.events import Event, Rate
from svcsim.scenario.files.place import Where
from svcsim.scenario.load import LOOP_FLOOR_NS, MAX_PIECES, MAX_TRACE, MAX_USERS, Bursts, Curve
from svcsim.scenario.model import MAX_RATE_PER_S, Client

__all__ = ["check_load", "check_rate_events"]

_OFTEN = 0.01


def check_load(client: Client, duration_ns: int, where: Where, warnings: list[str]) -> None:
    """Hold a client's arrivals to their bounds.

    Raises:
        ScenarioError: a rule is broken.
    """
    others = [
        name
        for name, one in (
            ("rate.curve", client.curve),
            ("arrivals.trace", client.trace),
            ("loop", client.loop),
        )
        if one is not None
    ]
    if not others and not 0 < client.rate_per_s <= MAX_RATE_PER_S:
        raise (where / "rate").error(client.rate_per_s, "must be > 0 and at most 100M/s")
    if len(others) + (client.rate_per_s != 0) > 1:
        raise (where / "rate").error(client.rate_per_s, f"must be absent with {' and '.join(others)}")
    if client.bursts is not None and (client.trace is not None or client.loop is not None):
        raise (where / "bursts").problem(f"{where / 'bursts'} goes with a rate, not with {others[0]}")
    if client.curve is not None:
        _check_curve(client.curve, duration_ns, where / "rate")
    if client.bursts is not None:
        _check_bursts(client.bursts, duration_ns, where / "bursts")
    if client.trace is not None:
        n = len(client.trace.instants_ns)
        if client.trace.period_ns is not None and n * (duration_ns // client.trace.period_ns + 1) > 1e12:
            raise (where / "arrivals" / "trace" / "repeat").error(
                client.trace.period_ns, "ns repeats it too often"
            )
        if not 1 <= n <= MAX_TRACE:
            raise (where / "arrivals" / "trace").error(n, f"must be 1 to {MAX_TRACE} arrivals")
        if int(client.trace.instants_ns[0]) >= duration_ns:
            warnings.append(f"client {client.name}: its trace begins after the run ends; nothing is sent")
    if client.loop is not None:
        if not 1 <= client.loop.users <= MAX_USERS:
            raise (where / "loop" / "users").error(client.loop.users, f"must be from 1 to {MAX_USERS}")
        if client.sources > client.loop.users:
            raise (where / "sources").error(
                client.sources, f"must be at most the users of the loop, {client.loop.users}"
            )
        if client.loop.think.cdf1(LOOP_FLOOR_NS * 0.999e-9) > _OFTEN:
            warnings.append(
                f"client {client.name}: thinking often takes less than 1ms; a user begins a request 1ms "
                "after the one before at the soonest"
            )


def _check_curve(curve: Curve, duration_ns: int, where: Where) -> None:
    times = [at for at, _ in curve.points]
    if not times or times[0] != 0 or any(b <= a for a, b in pairwise(times)):
        raise (where / "curve").error(times, "ns must begin with 0 and rise")
    if not all(0 <= rate <= MAX_RATE_PER_S for _, rate in curve.points):
        raise (where / "curve").problem(f"{where / 'curve'}: rates must be >= 0 and at most 100M/s")
    if not any(rate > 0 for _, rate in curve.points):
        raise (where / "curve").problem(f"{where / 'curve'}: every rate is 0; nothing would be sent")
    turns = 1 if curve.period_ns is None else duration_ns // curve.period_ns + 2
    if len(times) * turns > MAX_PIECES:
        raise (where / "period").error(
            curve.period_ns,
            f"ns makes more than {MAX_PIECES} pieces of the run; have fewer or a longer one",
        )


def _check_bursts(bursts: Bursts, duration_ns: int, where: Where) -> None:
    if not 0 < bursts.length_ns < bursts.every_ns:
        raise (where / "length").error(bursts.length_ns, "ns must be > 0 and shorter than every")
    if (bursts.factor is None) == (bursts.rate_per_s is None):
        raise where.problem(f"{where} needs one of factor and rate")
    if duration_ns // bursts.every_ns > MAX_PIECES:
        raise (where / "every").error(bursts.every_ns, f"ns makes more than {MAX_PIECES} bursts in the run")


def check_rate_events(events: Iterable[Event], clients: Iterable[Client], where: Where) -> None:
    """Refuse events that set the rate of a client that has none of its own.

    Raises:
        ScenarioError: an event does.
    """
    of = {client.name: client for client in clients}
    for event in events:
        client = of.get(event.client) if isinstance(event, Rate) else None
        if client is None:
            continue
        for what, one in (("a curve", client.curve), ("a trace", client.trace), ("a loop", client.loop)):
            if one is not None:
                raise (where / event.position / "rate").error(
                    client.name,
                    f"has {what}, which says its rate; events set rates that are numbers",
                )
