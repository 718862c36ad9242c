"""A small scenario for every outcome and cause, and what scenarios say, read from the types of their file."""

from __future__ import annotations

import typing
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from svcsim.scenario.files import layer

__all__ = ["ENDINGS", "small_world", "structs", "words_of", "written"]

Pair = tuple[str, str]
"""An outcome and a cause, as results spell them."""

_WATCHED = {"via": "pod-ip", "resolve": "watch"}
_LATE = {"lag": {"watch": {"constant": "3s"}}}
_NO_HOST = {"vanishedIP": {"then": "unreachable", "after": "200ms"}}
_AWAY = {"at": "2s", "delete": "deployment/web", "count": 1}

ENDINGS: Mapping[str, tuple[Mapping[str, Any], frozenset[Pair]]] = MappingProxyType(
    {
        "answered, and one not yet at the end": (
            {"client": {"rate": "20/s"}, "behaviour": {"serviceTime": "300ms"}},
            frozenset({("ok", "none"), ("open", "none")}),
        ),
        "a late list": (
            {"cluster": {**_LATE, **_NO_HOST}, "events": [_AWAY]},
            frozenset({("unreachable", "stale_endpoint")}),
        ),
        "a process that is away": (
            {"events": [{"at": "2s", "crash": "deployment/web", "count": 2}], "behaviour": {"startup": "1s"}},
            frozenset({("refused", "stale_endpoint")}),
        ),
        "an address that is silent": (
            {"cluster": {**_LATE, "vanishedIP": {"then": "blackhole"}}, "events": [_AWAY]},
            frozenset({("connect_timeout", "stale_endpoint")}),
        ),
        "an address that was learnt once": (
            {
                "client": {"via": "pod-ip", "resolve": "once", "sources": 5},
                "cluster": _NO_HOST,
                "events": [_AWAY],
            },
            frozenset({("unreachable", "stale_resolver")}),
        ),
        "an address of somebody else": (
            {
                "client": {"via": "pod-ip", "resolve": "once", "sources": 5},
                "cluster": {"vanishedIP": {"reuse": {"after": "500ms"}}},
                "events": [_AWAY],
            },
            frozenset({("misdelivered", "ip_reused")}),
        ),
        "no pod behind a virtual IP, and then one that no node knows": (
            {
                "replicas": 0,
                "cluster": _LATE,
                "events": [{"at": "3s", "scale": "deployment/web", "replicas": 1}],
            },
            frozenset({("refused", "no_endpoint"), ("refused", "not_yet_programmed")}),
        ),
        "a name without an address": (
            {"replicas": 0, "client": {"via": "headless", "to": "service/names"}},
            frozenset({("dns_failure", "no_endpoint")}),
        ),
        "an ingress without a backend": (
            {"replicas": 0, "client": {"via": "ingress"}},
            frozenset({("rejected", "no_endpoint")}),
        ),
        "nobody there to call": (
            {"replicas": 0, "client": {"via": "loopback", "to": "deployment/web"}},
            frozenset({("not_sent", "no_endpoint")}),
        ),
        "ready before it listens": (
            {
                "behaviour": {"startup": "2s"},
                "events": [{"at": "1s", "scale": "deployment/web", "replicas": 4}],
            },
            frozenset({("refused", "ready_before_listening")}),
        ),
        "killed at work": (
            {
                "behaviour": {"serviceTime": "800ms", "concurrency": 1},
                "events": [{"at": "4s", "kill": "deployment/web", "count": 2}],
            },
            frozenset({("eof", "in_flight_cut"), ("reset", "in_flight_cut")}),
        ),
        "a full queue": (
            {"behaviour": {"serviceTime": "1s", "concurrency": 1, "queue": 0}},
            frozenset({("rejected", "overload")}),
        ),
        "slow answers": (
            {"behaviour": {"serviceTime": "3s"}, "client": {"timeout": "1s"}},
            frozenset({("request_timeout", "slow_service")}),
        ),
        "a pod network that ends at its nodes": (
            {"client": {**_WATCHED, "from": "outside"}, "cluster": {"podNetwork": "overlay"}},
            frozenset({("unreachable", "not_routed")}),
        ),
        "a node without power": (
            {"events": [{"at": "3s", "fail": "node-1"}]},
            frozenset({("connect_timeout", "node_lost"), ("not_sent", "node_lost")}),
        ),
        "a local policy and no local pod": (
            {"replicas": 1, "service": {"internalTrafficPolicy": "Local"}},
            frozenset({("connect_timeout", "policy_drop")}),
        ),
        "an idle connection that the server closes": (
            {
                "behaviour": {"keepAlive": "500ms"},
                "client": {"keepAlive": {"idle": "60s", "hears": "200ms"}, "rate": "4/s"},
            },
            frozenset({("reset", "kept_closed")}),
        ),
        "local ports that run out": (
            {"client": {"ports": 5, "sources": 1}},
            frozenset({("unreachable", "ports_exhausted")}),
        ),
        "a connection table that is full": (
            {"cluster": {"conntrack": {"max": 20}}},
            frozenset({("connect_timeout", "table_full")}),
        ),
        "a socket that is held to a pod which has gone": (
            {
                "service": {"ports": [{"port": 53, "protocol": "UDP", "targetPort": 5353}]},
                "client": {"protocol": "udp", "sockets": "one", "timeout": "1s"},
                "cluster": {"conntrack": {"cleanup": False}},
                "events": [_AWAY],
            },
            frozenset({("request_timeout", "stale_conntrack")}),
        ),
    }
)
"""What a small world is like (see `small_world`), and ends that its requests must come to, by name."""


def small_world(
    *,
    replicas: int = 2,
    client: Mapping[str, Any] = MappingProxyType({}),
    behaviour: Mapping[str, Any] = MappingProxyType({}),
    service: Mapping[str, Any] = MappingProxyType({}),
    cluster: Mapping[str, Any] = MappingProxyType({}),
    events: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A document of one Deployment, one client and twelve seconds, with some of it changed."""
    listens = [{"containerPort": 8080}, {"containerPort": 5353, "protocol": "UDP"}]
    container = {"name": "web", "image": "i", "ports": listens}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    ports = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    named = {"apiVersion": "v1", "kind": "Service"}
    return {
        "manifests": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
            {**named, "metadata": {"name": "web"}, "spec": {**ports, **service}},
            {**named, "metadata": {"name": "names"}, "spec": {**ports, "clusterIP": "None"}},
        ],
        "duration": "12s",
        "cluster": {"nodes": 3, **cluster},
        "workloads": {"deployment/web": dict(behaviour)},
        "clients": [
            {
                "name": "c",
                "to": "service/web",
                "via": "cluster-ip",
                "rate": "40/s",
                "timeout": {"connect": "1s"},
                **client,
            }
        ],
        "events": list(events),
    }


def structs() -> list[type[msgspec.Struct]]:
    """Every section of a scenario's file."""
    found = [getattr(layer, name) for name in layer.__all__]
    return [one for one in found if isinstance(one, type) and issubclass(one, msgspec.Struct)]


def words_of(hint: Any) -> set[str]:
    """The words that a key of this type may have: of a Literal, or an enumeration of its schema."""
    if typing.get_origin(hint) is typing.Literal:
        return {word for word in typing.get_args(hint) if isinstance(word, str)}
    found: set[str] = set()
    for part in typing.get_args(hint):
        if isinstance(part, msgspec.Meta):
            found.update((part.extra_json_schema or {}).get("enum", ()))
        elif not isinstance(part, str):
            found |= words_of(part)
    return found


def written(documents: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """By section and key, every text that documents have there; keys that none of them has are left out."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for document in documents:
        _walk(msgspec.convert(document, layer.ScenarioFile), found)
    return dict(found)


def _walk(section: msgspec.Struct, found: dict[tuple[str, str], set[str]]) -> None:
    for key in section.__struct_fields__:
        value = getattr(section, key)
        if value is not msgspec.UNSET:
            _note(value, found, found[type(section).__name__, key])


def _note(value: Any, found: dict[tuple[str, str], set[str]], texts: set[str]) -> None:
    if isinstance(value, msgspec.Struct):
        _walk(value, found)
    elif isinstance(value, str):
        texts.add(value)
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            _note(one, found, texts)
