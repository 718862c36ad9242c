"""The rules that several kinds share: names, numbers, ports, choices, percentages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar, cast

from svcsim.kube.keys import nearest
from svcsim.kube.objects import IntOrPercent
from svcsim.kube.place import FieldPath, Place

__all__ = [
    "MAX_INT32",
    "check_dns_label",
    "check_dns_subdomain",
    "check_port",
    "check_port_name",
    "choice",
    "int_or_percent",
    "whole_number",
]

MAX_INT32 = 2**31 - 1
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
_PERCENT = re.compile(r"[0-9]+%")
Choice = TypeVar("Choice", bound=str)


def check_dns_label(text: str, place: Place, path: FieldPath) -> None:
    """Refuse what is no DNS-1123 label (apimachinery util/validation `IsDNS1123Label`)."""
    if len(text) > 63 or not _LABEL.fullmatch(text):
        raise place.error(
            path,
            text,
            "must be a DNS-1123 label: at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends",
        )


def check_dns_subdomain(text: str, place: Place, path: FieldPath) -> None:
    """Refuse what is no DNS-1123 subdomain (apimachinery util/validation `IsDNS1123Subdomain`)."""
    if len(text) > 253 or not _SUBDOMAIN.fullmatch(text):
        raise place.error(
            path,
            text,
            "must be a DNS-1123 name: at most 253 of a-z, 0-9, '-' and '.', letter or digit at both ends",
        )


def check_port(number: int, place: Place, path: FieldPath) -> None:
    """Refuse a port number outside 1-65535."""
    if not 1 <= number <= 65535:
        raise place.error(path, number, "must be a port, 1-65535")


def check_port_name(text: str, place: Place, path: FieldPath) -> None:
    """Refuse what is no port name (apimachinery util/validation `IsValidPortName`)."""
    if not _PORT_NAME.fullmatch(text):
        rule = (
            "must be a port name: at most 15 of a-z, 0-9 and '-', with a letter, no '-' at an end and no '--'"
        )
        if text.isdigit():
            rule += f"; a port number is written without quotes: {text}"
        raise place.error(path, text, rule)


def choice(value: str, accepted: Sequence[Choice], place: Place, path: FieldPath) -> Choice:
    """Return the value as one of the accepted words, or refuse it."""
    if value not in accepted:
        near = nearest(value, accepted)
        hint = f"; did you mean {near}?" if near else ""
        raise place.error(path, value, f"must be {' or '.join(accepted)}{hint}")
    return cast(Choice, value)


def whole_number(
    value: int | None, default: int, place: Place, path: FieldPath, *, least: int = 0, most: int = MAX_INT32
) -> int:
    """Return a number within bounds, the default when absent."""
    if value is None:
        return default
    if not least <= value <= most:
        bound = f"must be >= {least}" if value < least else f"must be <= {most}"
        raise place.error(path, value, bound)
    return value


def int_or_percent(
    value: int | str | None, default: IntOrPercent, place: Place, path: FieldPath, *, at_most_all: bool
) -> IntOrPercent:
    """Return a number of pods or a percentage of them, the default when absent.

    Source: apps/validation/validation.go `ValidatePositiveIntOrPercent`, `IsNotMoreThan100Percent`.
    """
    if value is None:
        return default
    if isinstance(value, int):
        return IntOrPercent(value=whole_number(value, 0, place, path))
    if not _PERCENT.fullmatch(value):
        raise place.error(path, value, 'must be a whole number of pods >= 0 or a percentage such as "25%"')
    percent = int(value[:-1])
    if at_most_all and percent > 100:
        raise place.error(path, value, "must not exceed 100%")
    return IntOrPercent(value=percent, percent=True)
