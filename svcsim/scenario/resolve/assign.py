"""Setting one field of nested plain values by its dotted path."""

from __future__ import annotations

import re
from typing import Any

from svcsim.scenario.files.place import did_you_mean, one_of

__all__ = ["NoSuchField", "assign", "step"]

_HEAD = re.compile(r"([^.\[\]]+)|\[([^\[\]]*)\]")


class NoSuchField(Exception):
    """A dotted path that leads nowhere; its text says why."""


def step(text: str, known: list[str]) -> tuple[str, str]:
    """Split the first key off a dotted path; a known key may itself have dots.

    >>> step("app.kubernetes.io/name.rest", ["app.kubernetes.io/name"])
    ('app.kubernetes.io/name', 'rest')
    >>> step("containers[0].image", [])
    ('containers', '[0].image')
    """
    for key in sorted(known, key=len, reverse=True):
        if text == key or text.startswith((f"{key}.", f"{key}[")):
            return key, text[len(key) :].removeprefix(".")
    match = _HEAD.match(text)
    if match is None:
        raise NoSuchField(f"{text!r} is not a dotted path such as clients.vip.rate")
    head = match[1] if match[1] is not None else match[2]
    return head, text[match.end() :].removeprefix(".")


def _index(items: list[Any], text: str) -> tuple[int, str]:
    names = [str(item["name"]) for item in items if isinstance(item, dict) and "name" in item]
    head, rest = step(text, names)
    if head in names:
        return next(
            i for i, item in enumerate(items) if isinstance(item, dict) and str(item.get("name")) == head
        ), rest
    if head.isascii() and head.isdigit() and int(head) < len(items):
        return int(head), rest
    also = f" or a name: {one_of(names)}{did_you_mean(head, names)}" if names else ""
    upto = f"an index from 0 to {len(items) - 1}" if items else "an entry; there are none"
    raise NoSuchField(f"{head!r} is not {upto}{also}")


def assign(node: Any, text: str, value: Any) -> None:
    """Set the field at a dotted path, in place; mappings that are not there yet are made.

    Args:
        node: a mapping or list of plain values.
        text: keys joined by dots; list entries by `[index]`, index, or their `name`.
        value: what the field becomes.

    Raises:
        NoSuchField: the path goes through a value that holds no fields, or to no entry of a list.

    >>> document = {"clients": [{"name": "vip", "rate": 1}]}
    >>> assign(document, "clients.vip.rate", 5)
    >>> document
    {'clients': [{'name': 'vip', 'rate': 5}]}
    """
    if isinstance(node, list):
        index, rest = _index(node, text)
        if rest:
            assign(_opened(node, index, rest), rest, value)
        else:
            node[index] = value
        return
    head, rest = step(text, [key for key in node if isinstance(key, str)])
    if not rest:
        node[head] = value
        return
    if head not in node or node[head] is None:
        if rest[0] == "[" or rest[0].isdigit():
            raise NoSuchField(f"{head} has no entries that could be changed; set it as a whole")
        node[head] = {}
    assign(_opened(node, head, rest), rest, value)


def _opened(node: Any, key: Any, rest: str) -> Any:
    inside = node[key]
    if not isinstance(inside, dict | list):
        raise NoSuchField(f"{key} is {inside!r}, which has no field {rest}")
    return inside
