"""Logs of EndpointSlice and pod watches, and audit logs, in whatever shape they were kept.

| shape | made by |
|---|---|
| objects, one after the other | `kubectl get endpointslices -w -o json` |
| `{"type", "object"}`, one after the other | the same with `--output-watch-events` |
| `{"type", "object"}` lines, BOOKMARK and ERROR among them | `kubectl get --raw '...?watch=1'` |
| lines with the time of receipt `t` beside `type` and `object` | a logger of one's own |
| lines with `t`, `kind: eps` or `pod`, `type`, `name`, ... | the same, compact |
| lines of `kind: Event`, `apiVersion: audit.k8s.io/v1` | the API server's audit log |

Only the last three say when something was received or done; of the others an order is known, and the whole
second of the last write (`metadata.managedFields`). Pods are read beside slices, in the same shapes.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from svcsim.observed.errors import ObservedError
from svcsim.observed.files import read_text, spoken

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Endpoint", "EventType", "PodEvent", "SliceEvent", "WatchLog", "parse_watchlog", "read_watchlog"]

EventType = Literal["ADDED", "MODIFIED", "DELETED", "SEEN"]

TRIGGER_ANNOTATION: Final = "endpoints.kubernetes.io/last-change-trigger-time"
SERVICE_LABEL: Final = "kubernetes.io/service-name"

_TYPES: Final[Mapping[str, EventType]] = {
    "ADDED": "ADDED",
    "MODIFIED": "MODIFIED",
    "DELETED": "DELETED",
    "INIT": "ADDED",
}
_SLICE = "EndpointSlice"
_COMPACT_SLICE = "eps"
_POD, _COMPACT_POD = "Pod", "pod"
_AUDIT = "audit.k8s.io/"
_VERBS: Final[Mapping[str, EventType]] = {
    "create": "ADDED",
    "update": "MODIFIED",
    "patch": "MODIFIED",
    "delete": "DELETED",
}
_KIND_OF_RESOURCE: Final = {"endpointslices": _SLICE, "pods": _POD}
_GENERATED = re.compile(r"-[a-z0-9]{5}$")
_NEXT_OBJECT = re.compile(r"^\{", re.MULTILINE)
_ENDPOINT_FIELDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint of a slice; `pod` and `node` are empty where the slice doesn't say.

    Conditions as the API reads them: a missing ready or serving is true, a missing terminating false.
    for_zone, for_node: the first of its hints, empty without.
    """

    ip: str
    pod: str
    node: str
    ready: bool
    serving: bool
    terminating: bool
    for_zone: str = ""
    for_node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceEvent:
    """One message of a watch.

    order: its place in the log. t_s: when it was received, seconds since 1970, NaN where the log doesn't say.
    type: SEEN where the log has objects without an event type (a deletion then looks like any other).
    trigger_s: the trigger-time annotation, seconds since 1970, NaN without one. changed_s: whole second of
    the last write, by managedFields.
    """

    order: int
    t_s: float
    type: EventType
    namespace: str
    name: str
    service: str
    resource_version: str
    trigger_s: float
    endpoints: tuple[Endpoint, ...]
    changed_s: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEvent:
    """One message about a pod, or one call that changed it.

    deleting: it has a deletionTimestamp. gone: the object was removed. restarts: of all its containers. down:
    some container of it has ended and not begun again.
    """

    order: int
    t_s: float
    namespace: str
    name: str
    node: str
    deleting: bool
    gone: bool
    restarts: int
    down: bool
    changed_s: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLog:
    """Every message about a slice, in the log's order, and what was odd about the log."""

    source: str
    events: tuple[SliceEvent, ...]
    warnings: tuple[str, ...]
    pods: tuple[PodEvent, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether every message says when it was received."""
        return not any(math.isnan(event.t_s) for event in self.events)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per message and endpoint (one without endpoint for an empty slice)."""
        import pandas as pd  # noqa: PLC0415 (only for tables)

        nothing: list[tuple[Any, ...]] = [(None,) * _ENDPOINT_FIELDS]
        rows = [
            (e.order, e.t_s, e.type, e.namespace, e.name, e.service, e.resource_version, e.trigger_s, *one)
            for e in self.events
            for one in (
                [(p.ip, p.pod, p.node, p.ready, p.serving, p.terminating) for p in e.endpoints] or nothing
            )
        ]
        columns = ["order", "t_s", "type", "namespace", "name", "service", "resource_version", "trigger_s"]
        columns += ["ip", "pod", "node", "ready", "serving", "terminating"]
        flags = dict.fromkeys(("ready", "serving", "terminating"), "boolean")
        return pd.DataFrame(rows, columns=columns).astype({"order": "int64", "t_s": "float64", **flags})


def read_watchlog(path: str | Path, *, pods_alone: bool = False) -> WatchLog:
    """Read a log of an EndpointSlice watch, plain or gzip, `-` for standard input.

    pods_alone: accept a log that has pods but no slice.

    Raises:
        ObservedError: it is in none of the shapes, damaged other than by a cut, or has no slice.
    """
    text, whole = read_text(path)
    return parse_watchlog(text, spoken(path), whole=whole, pods_alone=pods_alone)


def parse_watchlog(
    text: str, source: str = "the log", *, whole: bool = True, pods_alone: bool = False
) -> WatchLog:
    """Read a log from text; see `read_watchlog`.

    Args:
        text: the log.
        source: what messages call it.
        whole: False if the text is known to be cut.
        pods_alone: accept a log that has pods but no slice.

    >>> log = parse_watchlog('{"kind": "EndpointSlice", "metadata": {"name": "web-x2b9q"}, "endpoints": []}')
    >>> log.events[0].type, log.events[0].endpoints
    ('SEEN', ())
    """
    warnings: list[str] = []
    events: list[SliceEvent] = []
    pods: list[PodEvent] = []
    others: Counter[str] = Counter()
    for start, document in _documents(text, source, whole, warnings):
        reader = _Reader(source, text, start)
        for envelope, body, kind in reader.records(document, warnings):
            if kind in (_SLICE, _COMPACT_SLICE):
                events.append(reader.event(len(events) + len(pods), envelope, body))
            elif kind in (_POD, _COMPACT_POD):
                pods.append(reader.pod(len(events) + len(pods), envelope, body))
            else:
                others[kind] += 1
    there = ", ".join(f"{kind} ({n})" for kind, n in others.items())
    if not events and not (pods and pods_alone):
        raise ObservedError(f"{source} has no EndpointSlice" + (f"; there is {there}" if there else ""))
    if there:
        warnings.append(f"{source}: left out what is neither EndpointSlice nor pod: {there}")
    return WatchLog(source=source, events=tuple(events), warnings=tuple(warnings), pods=tuple(pods))


def _documents(
    text: str, source: str, whole: bool, warnings: list[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (place, JSON object) of concatenated objects; a cut last one is warned of."""
    decoder = json.JSONDecoder()
    end = len(text.rstrip())
    at = 0
    while True:
        while at < end and text[at] in " \t\r\n":
            at += 1
        if at >= end:
            if not whole:
                warnings.append(f"{source} is cut; what came after {_line(text, end)} is missing")
            return
        if text[at] != "{":
            raise ObservedError(
                f"{source} {_line(text, at)}: {text[at : at + 40].splitlines()[0]!r} is no JSON object; a "
                "watch log is objects, as kubectl get endpointslices -w -o json prints them"
            )
        try:
            document, past = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            if _is_cut(text, at, error, end):
                warnings.append(f"{source} {_line(text, at)}: the last object is cut; left out")
                return
            raise ObservedError(
                f"{source} {_line(text, error.pos)}: {error.msg[0].lower()}{error.msg[1:]}"
            ) from None
        yield at, document
        at = past


def _is_cut(text: str, at: int, error: json.JSONDecodeError, end: int) -> bool:
    if _NEXT_OBJECT.search(text, at + 1):
        return False
    return text[end - 1] != "}" or error.pos >= end


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}"


class _Reader:
    """Reads one document of the log; knows its place for messages."""

    def __init__(self, source: str, text: str, start: int) -> None:
        self._source, self._text, self._start = source, text, start

    def error(self, what: str) -> ObservedError:
        return ObservedError(f"{self._source} {_line(self._text, self._start)}: {what}")

    def records(
        self, document: Mapping[str, Any], warnings: list[str]
    ) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], str]]:
        """Yield (envelope, object, kind) of what the document reports; nothing for a bookmark or an error."""
        if str(document.get("apiVersion", "")).startswith(_AUDIT):
            yield from self._audited(document)
            return
        if "object" not in document:
            for body, kind in self._objects(document):
                yield document if "t" in document else {}, body, kind
            return
        type_, body = document.get("type"), document["object"]
        if not isinstance(body, Mapping):
            raise self.error(f"object = {body!r} must be an object")
        if type_ == "ERROR":
            said = body.get("message") or body.get("reason") or "no reason given"
            warnings.append(f"{self._source} {_line(self._text, self._start)}: the watch failed: {said}")
        elif type_ in _TYPES:
            for one, kind in self._objects(body):
                yield document, one, kind
        elif type_ != "BOOKMARK":
            raise self.error(f"type = {type_!r} must be one of ADDED, MODIFIED, DELETED, BOOKMARK, ERROR")

    def _audited(
        self, document: Mapping[str, Any]
    ) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], str]]:
        """Yield what an audited call that succeeded left behind; a deletion of a pod begins its end."""
        ref = document.get("objectRef") or {}
        verb, kind = str(document.get("verb")), _KIND_OF_RESOURCE.get(str(ref.get("resource")))
        status = (document.get("responseStatus") or {}).get("code", 200)
        if kind is None or verb not in _VERBS or document.get("stage") != "ResponseComplete" or status >= 300:
            return
        body = document.get("responseObject") or document.get("requestObject")
        if not isinstance(body, Mapping) or body.get("kind") not in (None, kind):
            body = None
        if body is None and verb != "delete":
            raise self.error(
                f"an audited {verb} of {ref.get('resource')} has no object; log them at level RequestResponse"
            )
        named = {"name": ref.get("name"), "namespace": ref.get("namespace", "")}
        body = body if body is not None and "metadata" in body else {"metadata": named}
        at = document.get("stageTimestamp") or document.get("requestReceivedTimestamp")
        graceful = kind == _POD and verb == "delete" and "deletionTimestamp" in body["metadata"]
        yield {"t": at, "type": "MODIFIED" if graceful else _VERBS[verb]}, body, kind

    def pod(self, order: int, envelope: Mapping[str, Any], body: Mapping[str, Any]) -> PodEvent:
        try:
            return (
                self._compact_pod(order, body)
                if body.get("kind") == _COMPACT_POD
                else self._pod(order, envelope, body)
            )
        except (TypeError, AttributeError, KeyError, IndexError) as error:
            raise self.error(f"no pod as Kubernetes writes it ({error})") from None

    def _pod(self, order: int, envelope: Mapping[str, Any], body: Mapping[str, Any]) -> PodEvent:
        metadata, status = body["metadata"], body.get("status") or {}
        containers = status.get("containerStatuses") or ()
        return PodEvent(
            order=order,
            t_s=self._instant("t", envelope.get("t")),
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            node=(body.get("spec") or {}).get("nodeName") or "",
            deleting="deletionTimestamp" in metadata,
            gone=envelope.get("type") == "DELETED",
            restarts=sum(one.get("restartCount", 0) for one in containers),
            down=any("terminated" in (one.get("state") or {}) for one in containers),
            changed_s=self._changed(metadata),
        )

    def _compact_pod(self, order: int, body: Mapping[str, Any]) -> PodEvent:
        said = body.get("cs") or {}
        return PodEvent(
            order=order,
            t_s=self._instant("t", body.get("t")),
            namespace="",
            name=body["name"],
            node=body.get("node") or "",
            deleting="del" in body,
            gone=body.get("type") == "DELETED",
            restarts=said.get("restarts", 0),
            down="terminated" in (said.get("state") or {}),
        )

    def _changed(self, metadata: Mapping[str, Any]) -> float:
        """The newest instant of managedFields, seconds since 1970."""
        times = [
            self._instant("managedFields", one.get("time")) for one in metadata.get("managedFields") or ()
        ]
        return max((t for t in times if not math.isnan(t)), default=math.nan)

    def _objects(self, body: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Yield (object, kind) of an object or of a list's items; a typed list's leave their kind out."""
        kind = body.get("kind")
        if not isinstance(kind, str):
            raise self.error(f"kind = {kind!r} must name what the object is, such as EndpointSlice")
        if not kind.endswith("List"):
            yield body, kind
            return
        for item in body.get("items") or ():
            yield item, item.get("kind", kind.removesuffix("List"))

    def event(self, order: int, envelope: Mapping[str, Any], body: Mapping[str, Any]) -> SliceEvent:
        compact = body.get("kind") == _COMPACT_SLICE
        try:
            return self._compact(order, body) if compact else self._full(order, envelope, body)
        except (TypeError, AttributeError, KeyError, IndexError) as error:
            raise self.error(f"no EndpointSlice as Kubernetes writes it ({error})") from None

    def _full(self, order: int, envelope: Mapping[str, Any], body: Mapping[str, Any]) -> SliceEvent:
        metadata = body["metadata"]
        return SliceEvent(
            order=order,
            t_s=self._instant("t", envelope.get("t")),
            type=_TYPES.get(str(envelope.get("type")), "SEEN"),
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            service=(metadata.get("labels") or {}).get(SERVICE_LABEL, ""),
            resource_version=str(metadata.get("resourceVersion", "")),
            trigger_s=self._instant(
                TRIGGER_ANNOTATION, (metadata.get("annotations") or {}).get(TRIGGER_ANNOTATION)
            ),
            endpoints=tuple(_endpoint(one) for one in body.get("endpoints") or ()),
            changed_s=self._changed(metadata),
        )

    def _compact(self, order: int, body: Mapping[str, Any]) -> SliceEvent:
        if body.get("type") not in _TYPES:
            raise self.error(f"type = {body.get('type')!r} must be one of ADDED, MODIFIED, DELETED, INIT")
        return SliceEvent(
            order=order,
            t_s=self._instant("t", body.get("t")),
            type=_TYPES[body["type"]],
            namespace="",
            name=body["name"],
            service=_GENERATED.sub("", body["name"]),
            resource_version=str(body.get("rv", "")),
            trigger_s=self._instant("trig", body.get("trig")),
            endpoints=tuple(self._row(row) for row in body.get("eps") or ()),
        )

    def _row(self, row: Sequence[Any]) -> Endpoint:
        if len(row) != _ENDPOINT_FIELDS:
            raise self.error(f"eps has {row!r}, which must be [ip, ready, serving, terminating, pod, node]")
        ip, ready, serving, terminating, pod, node = row
        return Endpoint(
            ip=ip,
            pod=pod or "",
            node=node or "",
            ready=bool(ready),
            serving=bool(serving),
            terminating=bool(terminating),
        )

    def _instant(self, name: str, value: object) -> float:
        """Return seconds since 1970 of a number or an RFC 3339 text, NaN of nothing."""
        if value is None:
            return math.nan
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        try:
            instant = datetime.fromisoformat(cast(str, value))
        except (TypeError, ValueError):
            raise self.error(
                f"{name} = {value!r} must be seconds since 1970 or a time such as 2026-01-02T03:04:05Z"
            ) from None
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _endpoint(one: Mapping[str, Any]) -> Endpoint:
    said = one.get("conditions") or {}
    ready = said.get("ready") is not False  # nil means ready, discovery/v1 EndpointConditions
    serving = said.get("serving")
    target = one.get("targetRef") or {}
    hints = one.get("hints") or {}
    return Endpoint(
        ip=one["addresses"][0],  # kube-proxy uses the first address only
        pod=target.get("name", "") if target.get("kind", "Pod") == "Pod" else "",
        node=one.get("nodeName") or "",
        ready=ready,
        serving=ready if serving is None else serving is True,
        terminating=said.get("terminating") is True,
        for_zone=_first_hint(hints, "forZones"),
        for_node=_first_hint(hints, "forNodes"),
    )


def _first_hint(hints: Mapping[str, Any], which: str) -> str:
    """The name of the first zone or node that an endpoint is meant for, empty for none."""
    names = [one.get("name") or "" for one in hints.get(which) or ()]
    return names[0] if names else ""
