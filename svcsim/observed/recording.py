"""Churn from recordings: what a Service's slices said, and what became of its pods, on one clock.

A recording is made of the logs of a watch of EndpointSlices and, if there are any, of pods. The slices are
taken as they were written; what was true of the pods is inferred (`svcsim.controlplane.recorded`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from svcsim.observed.errors import ObservedError
from svcsim.observed.watchlog import Endpoint, PodEvent, SliceEvent, WatchLog, read_watchlog
from svcsim.timeline import PodTurn, RecordedEndpoint, Recording, SliceWrite

__all__ = ["read_recording", "recording_of"]

NS = 1_000_000_000
SAME_SECOND_NS = 1_000_000


def read_recording(paths: Sequence[str | Path], service: str | None = None) -> Recording:
    """Read logs that were kept side by side, in any of the shapes of `watchlog`.

    Args:
        paths: files, plain or gzip.
        service: the Service's name; may be left out where the logs have one only.

    Raises:
        ObservedError: a log is in no known shape, has no times, or has not the Service.
    """
    logs = [read_watchlog(path, pods_alone=len(paths) > 1) for path in paths]
    return recording_of(logs, service)


def recording_of(logs: Sequence[WatchLog], service: str | None = None) -> Recording:
    """Put logs on one clock; see `read_recording`."""
    source = ", ".join(log.source for log in logs)
    warnings = [line for log in logs for line in log.warnings]
    slices = [event for log in logs for event in log.events]
    pods = [event for log in logs for event in log.pods]
    found = list(dict.fromkeys(event.service or event.name for event in slices))
    if service is None:
        if len(found) != 1:
            raise ObservedError(
                f"{source} has slices of {len(found)} Services ({', '.join(found[:5]) or 'none'}); say which "
                "with --service"
            )
        service = found[0]
    own = [event for event in slices if (event.service or event.name) == service]
    if not own:
        raise ObservedError(f"{source} has no slice of {service}; there are: {', '.join(found[:8])}")
    slice_times, pod_times = _clock(own, source, warnings), _clock(pods, source, warnings)
    start = min([*slice_times, *pod_times])
    writes = _writes(own, [t - start for t in slice_times])
    turns = _turns(pods, [t - start for t in pod_times], {name for one in writes for name in one.listed})
    if not pods:
        warnings.append(
            f"{source}: without a pod watch beside it, deletions are taken to be seen when the slices say so"
        )
    nodes = dict.fromkeys(p.node for write in writes for p in write.listed.values() if p.node)
    return Recording(
        source=source,
        service=service,
        namespace=next((event.namespace for event in own if event.namespace), ""),
        writes=tuple(writes),
        turns=tuple(turns),
        nodes=tuple(nodes),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _clock(events: Sequence[SliceEvent | PodEvent], source: str, warnings: list[str]) -> list[int]:
    """Instants, ns since 1970, never decreasing: of receipt, or else the whole seconds of the last write."""
    timed = not any(math.isnan(event.t_s) for event in events)
    times = [event.t_s if timed else event.changed_s for event in events]
    if any(math.isnan(t) for t in times):
        raise ObservedError(
            f"{source}: no message says when it was received, nor when its object was written; keep the time "
            "beside each object (t), or keep managedFields (--show-managed-fields)"
        )
    if not timed and events:
        warnings.append(
            f"{source}: messages have no time of receipt; instants are whole seconds, from managedFields"
        )
    found: list[int] = []
    late = 0
    for t in times:
        at = round(t * NS)
        if found and at <= found[-1]:
            late += timed and at < found[-1]
            at = found[-1] if timed else max(at, found[-1] + SAME_SECOND_NS)
        found.append(at)
    if late:
        warnings.append(f"{source}: {late} messages are older than one before them; their order was kept")
    return found


def _writes(events: Sequence[SliceEvent], times: Sequence[int]) -> list[SliceWrite]:
    """The union of the slices after each message; messages that list what is there already come first."""
    by_slice: dict[str, tuple[Endpoint, ...]] = {}
    found: list[SliceWrite] = []
    for event, at in zip(events, times, strict=True):
        if event.type == "DELETED":
            by_slice.pop(event.name, None)
        else:
            by_slice[event.name] = event.endpoints
        listed = {one.pod or one.ip: _recorded(one) for points in by_slice.values() for one in points}
        if found and found[-1].listed == listed:
            continue
        found.append(SliceWrite(at_ns=at, listed=listed))
    return found


def _turns(events: Sequence[PodEvent], times: Sequence[int], listed: set[str]) -> list[PodTurn]:
    """What the pod watch says of the pods that were listed."""
    found: list[PodTurn] = []
    last: dict[str, PodEvent] = {}
    for event, at in zip(events, times, strict=True):
        if event.name not in listed:
            continue
        before = last.get(event.name)
        last[event.name] = event
        if before is None:
            continue
        if event.deleting and not before.deleting:
            found.append(PodTurn(at_ns=at, pod=event.name, what="deleted"))
        if not event.deleting and (
            (event.down and not before.down) or (event.restarts > before.restarts and not before.down)
        ):
            found.append(PodTurn(at_ns=at, pod=event.name, what="ended"))
        if event.gone and not before.gone:
            found.append(PodTurn(at_ns=at, pod=event.name, what="gone"))
    return found


def _recorded(one: Endpoint) -> RecordedEndpoint:
    return RecordedEndpoint(
        ip=one.ip,
        node=one.node,
        ready=one.ready,
        serving=one.serving,
        terminating=one.terminating,
        for_zone=one.for_zone,
        for_node=one.for_node,
    )
