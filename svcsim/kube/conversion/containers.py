"""Containers, their ports, probes and preStop hooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from lightkube.models import core_v1

from svcsim.errors import ManifestError
from svcsim.kube import defaults
from svcsim.kube.conversion.rules import check_dns_label, check_port, check_port_name, choice, whole_number
from svcsim.kube.defaults import positive
from svcsim.kube.objects import Container, ContainerPort, PreStop, Probe, Protocol
from svcsim.kube.place import FieldPath, Notes, Place, show_path
from svcsim.kube.quantities import parse_quantity

__all__ = ["PROTOCOLS", "container", "sleep_seconds"]

PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
_SLEEP = re.compile(r"(?<![\w-])sleep\s*\(?\s*([^;&|)\n]*)")
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([smhd]?)")
_LOOP = re.compile(r"(?<![\w-])(while|until|for)\s")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def sleep_seconds(command: Sequence[str]) -> float | None:
    """Return the seconds that a hook's command sleeps, or None when it does not say.

    The durations of all its `sleep` words are added. A loop, a variable or no sleep at all is None.
    What else the command does takes no time here.

    >>> sleep_seconds(["sh", "-c", "sleep 15 && nginx -s quit"]), sleep_seconds(["/wait-shutdown"])
    (15.0, None)
    """
    text = " ".join(command)
    found = _SLEEP.findall(text)
    if not found or _LOOP.search(text):
        return None
    total = Fraction(0)
    for words in found:
        spans = [_DURATION.fullmatch(word) for word in words.strip("\"' ").split()]
        if not spans or None in spans:
            return None
        total += sum(
            (Fraction(span[1].rstrip(".")) * _UNIT_SECONDS[span[2]] for span in spans if span), Fraction(0)
        )
    return float(total)


def _ports(
    declared: Sequence[core_v1.ContainerPort], place: Place, path: FieldPath, host_network: bool
) -> tuple[ContainerPort, ...]:
    ports: list[ContainerPort] = []
    names: set[str] = set()
    for index, port in enumerate(declared):
        here = (*path, index)
        check_port(port.containerPort, place, (*here, "containerPort"))
        if port.hostPort is not None and port.hostPort != 0:
            check_port(port.hostPort, place, (*here, "hostPort"))
            if host_network and port.hostPort != port.containerPort:
                raise place.error(
                    (*here, "hostPort"),
                    port.hostPort,
                    f"must equal containerPort {port.containerPort} with hostNetwork",
                )
        if port.name:
            check_port_name(port.name, place, (*here, "name"))
            if port.name in names:
                raise place.error(
                    (*here, "name"), port.name, "is used twice in this container; port names are unique"
                )
            names.add(port.name)
        protocol = choice(port.protocol or defaults.PROTOCOL, PROTOCOLS, place, (*here, "protocol"))
        ports.append(
            ContainerPort(container_port=port.containerPort, protocol=protocol, name=port.name or None)
        )
    return tuple(ports)


_HANDLERS: tuple[tuple[Literal["exec", "http", "tcp", "grpc"], str], ...] = (
    ("exec", "exec"),
    ("http", "httpGet"),
    ("tcp", "tcpSocket"),
    ("grpc", "grpc"),
)


class _Reader:
    """Reads one container; remarks name the object they are about."""

    def __init__(
        self, model: core_v1.Container, place: Place, path: FieldPath, notes: Notes, *, grace: int
    ) -> None:
        self.model = model
        self.place = place
        self.path = path
        self.notes = notes
        self.grace = grace
        self.ports: tuple[ContainerPort, ...] = ()

    def probe_port(self, port: int | str, path: FieldPath) -> int | None:
        """Return a probe's port; a name is one of this container's (probe/util.go `ResolveContainerPort`)."""
        if isinstance(port, int):
            check_port(port, self.place, path)
            return port
        check_port_name(port, self.place, path)
        for declared in self.ports:
            if declared.name == port:
                return declared.container_port
        self.notes.remark(
            self.place.label,
            show_path(path),
            f"names the port {port!r}, unknown to container {self.model.name!r}: the probe always fails",
        )
        return None

    def probe(
        self, model: core_v1.Probe | None, role: Literal["readiness", "liveness", "startup"]
    ) -> Probe | None:
        if model is None:
            return None
        place, path = self.place, (*self.path, f"{role}Probe")
        present = [(kind, name) for kind, name in _HANDLERS if getattr(model, name) is not None]
        if len(present) != 1:
            have = " and ".join(name for _, name in present) or "nothing"
            raise place.error(path, have, "must have exactly one of exec, httpGet, tcpSocket, grpc")
        kind, name = present[0]
        port: int | None = None
        if kind != "exec":
            port = self.probe_port(getattr(model, name).port, (*path, name, "port"))
        success = positive(
            whole_number(model.successThreshold, 0, place, (*path, "successThreshold")),
            defaults.PROBE_SUCCESS_THRESHOLD,
        )
        if role != "readiness" and success != 1:
            raise place.error((*path, "successThreshold"), success, f"must be 1 for a {role} probe")
        own_grace = model.terminationGracePeriodSeconds
        if own_grace is not None and role == "readiness":
            raise place.error(
                (*path, "terminationGracePeriodSeconds"), own_grace, "must not be set for readiness probes"
            )
        if own_grace is not None:
            whole_number(own_grace, 0, place, (*path, "terminationGracePeriodSeconds"), least=1)

        def seconds(value: int | None, field: str, default: int) -> int:
            return positive(whole_number(value, 0, place, (*path, field)), default)

        return Probe(
            kind=kind,
            port=port,
            initial_delay_seconds=whole_number(
                model.initialDelaySeconds,
                defaults.PROBE_INITIAL_DELAY_SECONDS,
                place,
                (*path, "initialDelaySeconds"),
            ),
            period_seconds=seconds(model.periodSeconds, "periodSeconds", defaults.PROBE_PERIOD_SECONDS),
            timeout_seconds=seconds(model.timeoutSeconds, "timeoutSeconds", defaults.PROBE_TIMEOUT_SECONDS),
            success_threshold=success,
            failure_threshold=seconds(
                model.failureThreshold, "failureThreshold", defaults.PROBE_FAILURE_THRESHOLD
            ),
            termination_grace_period_seconds=own_grace,
        )

    def pre_stop(self) -> PreStop | None:
        hook = self.model.lifecycle.preStop if self.model.lifecycle else None
        if hook is None:
            return None
        path = (*self.path, "lifecycle", "preStop")
        present = [n for n in ("exec", "httpGet", "sleep", "tcpSocket") if getattr(hook, n) is not None]
        if len(present) != 1:
            have = " and ".join(present) or "nothing"
            raise self.place.error(path, have, "must have exactly one of exec, httpGet, sleep")
        if hook.sleep is not None:
            where = (*path, "sleep", "seconds")
            seconds = whole_number(hook.sleep.seconds, 0, self.place, where)
            if seconds > self.grace:
                raise self.place.error(
                    where, seconds, f"must not exceed terminationGracePeriodSeconds, which is {self.grace}"
                )
            return PreStop(kind="sleep", seconds=float(seconds))
        if hook.exec is not None:
            slept = sleep_seconds(hook.exec.command or [])
            if slept is None:
                self.unknown_time((*path, "exec"))
            return PreStop(kind="exec", seconds=slept)
        self.unknown_time((*path, present[0]))
        return PreStop(kind="http" if present[0] == "httpGet" else "tcp", seconds=None)

    def unknown_time(self, path: FieldPath) -> None:
        self.notes.remark(self.place.label, show_path(path), "takes a time that the manifest does not say")

    def requests(self) -> dict[str, Fraction]:
        resources = self.model.resources
        amounts: dict[str, Fraction] = {}
        # A request left out takes the limit's value (pkg/apis/core/v1/defaults.go SetDefaults_Pod).
        for field in ("limits", "requests"):
            for name, amount in ((getattr(resources, field) if resources else None) or {}).items():
                where = (*self.path, "resources", field, name)
                try:
                    parsed = parse_quantity(amount)
                except ManifestError as error:
                    raise self.place.error(where, amount, str(error).split(" ", 1)[1]) from None
                if parsed < 0:
                    raise self.place.error(where, amount, "must be >= 0")
                amounts[name] = parsed
        return amounts

    def cpu_limit(self) -> Fraction | None:
        """Cores of resources.limits.cpu; 0 is none (pkg/kubelet/cm/helpers_linux.go MilliCPUToQuota)."""
        limits = (self.model.resources.limits if self.model.resources else None) or {}
        return (parse_quantity(limits["cpu"]) or None) if "cpu" in limits else None

    def read(self, *, host_network: bool, sidecar: bool) -> Container:
        model = self.model
        check_dns_label(model.name, self.place, (*self.path, "name"))
        self.ports = _ports(model.ports or [], self.place, (*self.path, "ports"), host_network)
        if model.lifecycle and model.lifecycle.postStart is not None:
            self.notes.remark(
                self.place.label,
                show_path((*self.path, "lifecycle", "postStart")),
                "is not simulated: add its time to workloads.startup",
            )
        return Container(
            name=model.name,
            ports=self.ports,
            readiness=self.probe(model.readinessProbe, "readiness"),
            liveness=self.probe(model.livenessProbe, "liveness"),
            startup=self.probe(model.startupProbe, "startup"),
            pre_stop=self.pre_stop(),
            sidecar=sidecar,
            requests=self.requests(),
            cpu_limit=self.cpu_limit(),
        )


def container(
    model: core_v1.Container,
    place: Place,
    path: FieldPath,
    notes: Notes,
    *,
    grace: int,
    host_network: bool = False,
    sidecar: bool = False,
) -> Container:
    """Return the record of one container.

    Args:
        model: the container as lightkube has it.
        place: the object it belongs to.
        path: where in the object it stands.
        notes: takes warnings about what is not simulated.
        grace: the pod's terminationGracePeriodSeconds, which bounds a preStop sleep.
        host_network: the pod uses its node's network.
        sidecar: it is an init container with restartPolicy Always.

    Raises:
        ManifestError: what core/validation/validation.go `validateContainers` would refuse.
    """
    return _Reader(model, place, path, notes, grace=grace).read(host_network=host_network, sidecar=sidecar)
