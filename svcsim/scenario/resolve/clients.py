"""`clients:` to Clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import UNSET

from svcsim.clock import parse_share
from svcsim.scenario.defaults import default, default_ns
from svcsim.scenario.files.layer import ChannelFile, ClientFile, KeepAliveFile, ResolveFile, TimeoutFile
from svcsim.scenario.files.place import Where, did_you_mean, one_of
from svcsim.scenario.model import (
    FROM_OUTSIDE,
    MAY_BE_RETRIED,
    RETRIED_UDP,
    UDP_VIAS,
    VIAS,
    Balance,
    Client,
    Cluster,
    Eject,
    KeepAlive,
    Resolve,
    Retry,
    Sockets,
    Via,
)
from svcsim.scenario.resolve.load import resolve_load
from svcsim.scenario.resolve.lookup import Lookup
from svcsim.scenario.resolve.values import limit_ns, positive_ns, span_ns

__all__ = ["OF_OWNERS", "resolve_clients"]

OF_OWNERS = ("loopback", "pod-ip")
"""The ways that lead to a workload's pods without a Service, too."""


def _via(text: str, where: Where) -> Via:
    for via in VIAS:
        if text == via:
            return via
    raise where.error(text, f"must be one of {', '.join(VIAS)}{did_you_mean(text, VIAS)}")


def _timeouts(file: ClientFile, where: Where) -> tuple[int | None, int | None]:
    """Return how long a connect and a request may take; one duration is the request's."""
    usual = {key: limit_ns(default(f"clients.timeout.{key}"), where) for key in ("connect", "request")}
    written = file.timeout
    if isinstance(written, TimeoutFile):
        for key, value in (("connect", written.connect), ("request", written.request)):
            if value is not UNSET:
                usual[key] = limit_ns(value, where / key)
    elif written == "none":
        return None, None
    elif written is not UNSET:
        usual["request"] = limit_ns(written, where)
    return usual["connect"], usual["request"]


def _place(text: str, cluster: Cluster, where: Where, words: tuple[str, str]) -> str:
    """Return where a client is, or enters: one of two words, node:NAME or zone:NAME."""
    if text in words:
        return text
    nodes = [node.name for node in cluster.nodes]
    zones = list(dict.fromkeys(node.zone for node in cluster.nodes if node.zone is not None))
    kind, colon, name = text.partition(":")
    if colon and kind == "node":
        if name not in nodes:
            raise where.unknown(name, "node of the cluster", nodes)
        return text
    if colon and kind == "zone":
        if name not in zones:
            raise where.unknown(name, "zone of the cluster", zones)
        return text
    if text in nodes and text in zones:
        raise where.error(text, f"is a node and a zone; write node:{text} or zone:{text}")
    if text in nodes:
        return f"node:{text}"
    if text in zones:
        return f"zone:{text}"
    known = [*words, *nodes, *zones]
    raise where.error(
        text,
        f"must be {words[0]}, {words[1]}, a node or a zone: {one_of(known[2:])}{did_you_mean(text, known)}",
    )


def _scope(origin: str, entry: str | None, cluster: Cluster, via: Via) -> int:
    """Return how many nodes a client's sources are spread over; outside, how many they enter at, or one."""
    if via == "ingress":
        return int(default("clients.ingress.sources"))
    if origin == "outside" and entry is not None:
        origin = {"any": "nodes"}.get(entry, entry)
    if origin == "nodes":
        return len(cluster.nodes)
    if origin.startswith("zone:"):
        return sum(node.zone == origin.removeprefix("zone:") for node in cluster.nodes)
    return 1


def _client(file: ClientFile, cluster: Cluster, lookup: Lookup, base: Path | None, where: Where) -> Client:
    via = _via(file.via, where / "via")
    resolve: Resolve | None = {"pod-ip": default("clients.resolve"), "headless": "every"}.get(via)
    every_ns = cluster.dns.ttl_ns if via == "headless" else None
    if file.resolve is not UNSET:
        if resolve is None:
            said = "every" if isinstance(file.resolve, ResolveFile) else file.resolve
            raise (where / "resolve").error(
                said, f"has no meaning with via: {via}; it goes with via: pod-ip and via: headless"
            )
        every_ns = None
        if isinstance(file.resolve, ResolveFile):
            resolve, every_ns = "every", positive_ns(file.resolve.every, where / "resolve" / "every")
        else:
            resolve = file.resolve
    connect_ns, request_ns = _timeouts(file, where / "timeout")
    sockets = _sockets(file, via, resolve, where)
    if sockets is not None:
        connect_ns = None
    usual = "outside" if via in FROM_OUTSIDE else default("clients.from")
    origin = _place(
        usual if file.origin is UNSET else file.origin, cluster, where / "from", ("nodes", "outside")
    )
    if via == "ingress" and origin != "outside":
        raise (where / "from").error(origin, "has no meaning with via: ingress: its proxies call the pods")
    entry = _only_with("node-port", via, file.entry, default("clients.entry"), where / "entry")
    if entry is not None:
        entry = _place(entry, cluster, where / "entry", ("any", "own"))
    load = resolve_load(file, base=base, where=where)
    usual_sources = _scope(origin, entry, cluster, via)
    if load.get("loop") is not None:
        usual_sources = min(usual_sources, load["loop"].users)
    return Client(
        name=file.name,
        to=lookup.one(
            file.to,
            where / "to",
            services=True,
            owners=via in OF_OWNERS,
            routes=via == "ingress" and bool(lookup.routes),
        ),
        via=via,
        port=None if file.port is UNSET else file.port,
        resolve=resolve,
        resolve_every_ns=every_ns,
        connect_timeout_ns=connect_ns,
        request_timeout_ns=request_ns,
        origin=origin,
        sources=usual_sources if file.sources is UNSET else file.sources,
        host_network=default("clients.hostNetwork") if file.host_network is UNSET else file.host_network,
        pick=_only_with("headless", via, file.pick, default("clients.pick"), where / "pick"),
        entry=entry,
        balance=_balance(file, via, resolve, where / "balance"),
        retry=_retry(file, via, where / "retry"),
        protocol="udp" if sockets else "tcp",
        sockets=sockets,
        ports=default("clients.ports") if file.ports is UNSET else file.ports,
        eject=_eject(file, via, resolve, where / "eject"),
        keep_alive=_keep_alive(file, via, where),
        min_resolution_ns=_min_resolution(file, resolve, where / "minResolution"),
        **load,
    )


def _sockets(file: ClientFile, via: Via, resolve: Resolve | None, where: Where) -> Sockets | None:
    """How many UDP sockets a source has, None with protocol tcp; what has no meaning with UDP is refused."""
    protocol = default("clients.protocol") if file.protocol is UNSET else file.protocol
    if protocol != "udp":
        if file.sockets is not UNSET:
            raise (where / "sockets").error(
                file.sockets, "has no meaning with protocol: tcp; add protocol: udp"
            )
        return None
    if via not in UDP_VIAS:
        raise (where / "protocol").error(
            "udp", f"is not simulated with via: {via}; accepted: {', '.join(UDP_VIAS)}"
        )
    if resolve == "watch":
        raise (where / "protocol").error(
            "udp", "is not simulated with resolve: watch; accepted: once, on-failure"
        )
    for key, written in (("keepAlive", file.keep_alive), ("channel", file.channel)):
        if written is not UNSET and written is not False:
            raise (where / key).problem(
                f"{where / key} has no meaning with protocol: udp, which connects nothing"
            )
    if isinstance(file.timeout, TimeoutFile) and file.timeout.connect is not UNSET:
        raise (where / "timeout" / "connect").error(
            file.timeout.connect, "has no meaning with protocol: udp; accepted: timeout.request"
        )
    return default("clients.sockets") if file.sockets is UNSET else file.sockets


def _min_resolution(file: ClientFile, resolve: Resolve | None, where: Where) -> int:
    if file.min_resolution is UNSET:
        return default_ns("clients.minResolution")
    if resolve != "on-failure":
        raise where.error(file.min_resolution, "has no meaning without resolve: on-failure")
    return span_ns(file.min_resolution, where)


def _keep_alive(file: ClientFile, via: Via, where: Where) -> KeepAlive | None:
    """The connections that are kept, None where every attempt opens one."""
    kept, channel = file.keep_alive, file.channel
    asked = [
        name
        for name, one in (("keepAlive", kept), ("channel", channel))
        if one is not UNSET and one is not False
    ]
    if not asked:
        return None
    here = where / asked[0]
    if len(asked) > 1:
        raise here.problem(f"{here} and {where / 'channel'} are two ways to keep connections; write one")
    if via == "loopback":
        raise here.problem(f"{here} has no meaning with via: loopback, whose callers end with the pod")
    found = KeepAlive(channel=asked[0] == "channel")
    written = channel if found.channel else kept
    if isinstance(written, bool):
        return found
    assert isinstance(written, KeepAliveFile | ChannelFile)
    if written.max_age is not UNSET:
        found = replace(found, max_age_ns=positive_ns(written.max_age, here / "maxAge"))
    if written.age_jitter is not UNSET:
        if found.max_age_ns is None:
            raise (here / "ageJitter").error(written.age_jitter, "needs a maxAge")
        jitter = written.age_jitter
        found = replace(found, age_jitter=(here / "ageJitter").read(lambda: parse_share(jitter)))
    if written.max_requests is not UNSET:
        found = replace(found, max_requests=written.max_requests)
    if written.hears is not UNSET:
        found = replace(found, hears_ns=span_ns(written.hears, here / "hears"))
    if isinstance(written, KeepAliveFile):
        if written.idle is not UNSET:
            found = replace(found, idle_ns=limit_ns(written.idle, here / "idle"))
        if written.max_idle is not UNSET:
            found = replace(found, max_idle=written.max_idle)
    return found


def _watches(via: Via, resolve: Resolve | None) -> bool:
    """Whether a client's sources know all endpoints, and choose themselves."""
    return via == "ingress" or resolve == "watch"


def _balance(file: ClientFile, via: Via, resolve: Resolve | None, where: Where) -> Balance | None:
    if _watches(via, resolve):
        usual: Balance = default("clients.ingress.balance" if via == "ingress" else "clients.balance")
        return usual if file.balance is UNSET else file.balance
    if file.balance is not UNSET:
        raise where.error(
            file.balance,
            f"has no meaning with via: {via}; it goes with via: ingress, or via: pod-ip and resolve: watch",
        )
    return None


def _eject(file: ClientFile, via: Via, resolve: Resolve | None, where: Where) -> Eject | None:
    if file.eject is UNSET:
        return None
    if not _watches(via, resolve):
        raise where.problem(f"{where} goes with via: ingress, or via: pod-ip and resolve: watch")
    return Eject(after=file.eject.after, for_ns=positive_ns(file.eject.for_, where / "for"))


def _retry(file: ClientFile, via: Via, where: Where) -> Retry | None:
    """How a client tries again; an ingress does, at once and at another server, unless told otherwise."""
    usual = Retry(times=0)
    if via == "ingress":
        usual = Retry(times=default("clients.ingress.retry.times"), backoff_ns=0, exclude_tried=True)
    if file.protocol == "udp":
        usual = Retry(times=0, outcomes=RETRIED_UDP)
    written = file.retry
    if written is UNSET:
        return usual if usual.times else None
    if isinstance(written, int):
        return replace(usual, times=written) if written else None
    found = replace(usual, times=written.times)
    if written.jitter is not UNSET:
        found = replace(found, jitter=written.jitter)
    if written.exclude_tried is not UNSET:
        found = replace(found, exclude_tried=written.exclude_tried)
    if written.outcomes is not UNSET:
        for place, outcome in enumerate(written.outcomes):
            if outcome not in MAY_BE_RETRIED:
                hint = did_you_mean(outcome, MAY_BE_RETRIED)
                raise (where / "outcomes" / place).error(
                    outcome, f"must be of {', '.join(MAY_BE_RETRIED)}{hint}"
                )
        found = replace(found, outcomes=tuple(o for o in MAY_BE_RETRIED if o in written.outcomes))
    if written.backoff is not UNSET:
        base = span_ns(written.backoff, where / "backoff")
        found = replace(found, backoff_ns=base, backoff_max_ns=max(base, found.backoff_max_ns))
    if written.max_backoff is not UNSET:
        most = span_ns(written.max_backoff, where / "maxBackoff")
        if most < found.backoff_ns:
            raise (where / "maxBackoff").error(written.max_backoff, "must be at least the backoff")
        found = replace(found, backoff_max_ns=most)
    if written.budget is not UNSET:
        share = written.budget.share
        found = replace(found, budget_share=(where / "budget" / "share").read(lambda: parse_share(share)))
        if written.budget.burst is not UNSET:
            found = replace(found, budget_burst=written.budget.burst)
    return found if found.times else None


def _only_with(of: Via, via: Via, written: Any, usual: Any, where: Where) -> Any:
    """Return a key's value, None where another way leaves it without meaning."""
    if via == of:
        return usual if written is UNSET else written
    if written is not UNSET:
        raise where.error(written, f"has no meaning with via: {via}; it goes with via: {of}")
    return None


def resolve_clients(
    files: Sequence[ClientFile], *, cluster: Cluster, lookup: Lookup, base: Path | None, where: Where
) -> tuple[Client, ...]:
    """Return the clients in the order they are written; base is the folder of relative paths."""
    return tuple(_client(file, cluster, lookup, base, where / index) for index, file in enumerate(files))
