"""How a client's requests arrive, as an entry of `clients` has it."""

from __future__ import annotations

from typing import Any

from svcsim.clock import format_duration
from svcsim.scenario.load import Bursts, Curve
from svcsim.scenario.model import Client

__all__ = ["load_document"]


def _curve_document(curve: Curve) -> dict[str, Any]:
    found: dict[str, Any] = {
        "curve": [[format_duration(at), rate] for at, rate in curve.points],
        "interpolate": curve.interpolate,
    }
    if curve.period_ns is not None:
        found["period"] = format_duration(curve.period_ns)
    return found | {"start": format_duration(curve.start_ns)}


def _bursts_document(bursts: Bursts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "every": format_duration(bursts.every_ns),
        "length": format_duration(bursts.length_ns),
    }
    if bursts.factor is not None:
        found["factor"] = bursts.factor
    else:
        found["rate"] = bursts.rate_per_s
    return found | ({"random": True} if bursts.random else {"first": format_duration(bursts.first_ns)})


def load_document(client: Client) -> dict[str, Any]:
    """Return the keys of a client that say when its requests arrive; a trace is written out."""
    if client.loop is not None:
        return {"loop": {"users": client.loop.users, "think": client.loop.think.spec()}}
    if client.trace is not None:
        trace: dict[str, Any] = {"instants": [format_duration(t) for t in client.trace.instants_ns.tolist()]}
        if client.trace.period_ns is not None:
            trace["repeat"] = format_duration(client.trace.period_ns)
        return {"arrivals": {"trace": trace}}
    found: dict[str, Any] = {
        "rate": client.rate_per_s if client.curve is None else _curve_document(client.curve),
        "arrivals": client.arrivals,
    }
    return found | ({} if client.bursts is None else {"bursts": _bursts_document(client.bursts)})
