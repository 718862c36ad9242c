"""Which backend a balancer without memory gives a connection: Maglev's lookup table and rendezvous hashing.

Owners are positions in the caller's `names`, so two results can only be compared through the names: `moved`
does that. What `hash mod n` and an ideal consistent hash move is in `svcsim.theory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from svcsim.compiled import compiled

__all__ = ["CILIUM_SIZES", "Moved", "fill_table", "maglev_table", "moved", "rendezvous"]

Int32 = npt.NDArray[np.int32]

# the table sizes that Cilium's option for Maglev accepts; its default is 16381
CILIUM_SIZES = (251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071)
_MOST = 2**31 - 1


class Moved(NamedTuple):
    """Shares of all entries, or keys, whose owner changed."""

    total: float
    extra: float


def maglev_table(names: Sequence[str], size: int = 16381, weights: Sequence[int] | None = None) -> Int32:
    """Build Maglev's lookup table: the owner of each entry, int32 (size,), as positions in `names`.

    A connection goes to the owner of entry `hash mod size`. Backends take turns in the order of their names,
    as in Cilium, so the table depends on the set of names and not on their order. A name's 128-bit hash gives
    its offset (first half mod size) and skip (second half mod (size - 1), plus 1). The hash is BLAKE2b where
    Cilium takes murmur3-128, so the entries differ from Cilium's; the algorithm and its statistics do not.

    Args:
        names: of the backends, no two the same.
        size: entries; a prime, at least as many as there are backends with a weight. `CILIUM_SIZES`, or
            65537 and 655373 as in the paper, or any other.
        weights: (len(names),) relative shares >= 0, as in `fill_table`; None: all equal.

    Raises:
        ValueError: no names, a name twice, a size that is not prime or too small, unusable weights.

    Source: Eisenbud et al., NSDI 2016, section 3.4; cilium pkg/maglev/maglev.go.

    >>> table = maglev_table(["10.0.0.3:80", "10.0.0.1:80", "10.0.0.2:80"], size=251)
    >>> np.bincount(table).tolist()
    [83, 84, 84]
    """
    size = _prime(size)
    order = _by_name(names)
    halves = _halves([names[i] for i in order])
    offsets = halves[:, 0] % np.uint64(size)
    skips = halves[:, 1] % np.uint64(size - 1) + np.uint64(1)
    in_order = None if weights is None else _weights(weights, len(names))[order]
    turns = fill_table(offsets.astype(np.int64), skips.astype(np.int64), size, in_order)
    return order.astype(np.int32)[turns]


def fill_table(
    offsets: npt.ArrayLike, skips: npt.ArrayLike, size: int, weights: npt.ArrayLike | None = None
) -> Int32:
    """Let backends take entries in turns, each along its own permutation: int32 (size,), their numbers.

    Backend i visits entries offset, offset + skip, offset + 2 skip, ... mod size and, when it is its turn,
    takes the first that is free. With equal weights the turn goes round, so no two backends differ by more
    than one entry. Otherwise in round t = 1, 2, ... backend i, who has taken j entries, has a turn if
    t w_i >= j max(w): the heaviest has one in every round, and every backend of weight > 0 one in the first.

    Args:
        offsets: whole numbers (n,), 0 to size - 1.
        skips: whole numbers (n,), 1 to size - 1.
        size: entries; a prime, so that each skip visits all of them.
        weights: whole numbers (n,), 0 to 2^31 - 1, not all 0; with 0 a backend gets nothing. None: all 1.

    Raises:
        ValueError: an argument is not as above, or more backends have a weight than there are entries.

    Source: Eisenbud et al., NSDI 2016, pseudocode 1. How it weighs turns is not in the paper; the rule is
    Envoy's (source/extensions/load_balancing_policies/maglev/maglev_lb.cc).

    The example of the paper's table 1, with all three backends and after the second is gone:

    >>> fill_table([3, 0, 3], [4, 2, 1], 7).tolist()
    [1, 0, 1, 0, 2, 2, 0]
    >>> fill_table([3, 3], [4, 1], 7).tolist()
    [0, 0, 0, 0, 1, 1, 1]
    """
    size = _prime(size)
    at = _whole("offsets", offsets, 0, size - 1)
    steps = _whole("skips", skips, 1, size - 1)
    if len(at) == 0 or len(at) != len(steps):
        raise ValueError(
            f"offsets ({len(at)}) and skips ({len(steps)}) must be one to a backend, and not none"
        )
    heavy = _weights(np.ones(len(at), dtype=np.int64) if weights is None else weights, len(at))
    taking = np.flatnonzero(heavy)
    if len(taking) > size:
        raise ValueError(f"size = {size} must be at least the {len(taking)} backends that share the table")
    table = np.full(size, -1, dtype=np.int32)
    _fill(table, at[taking], steps[taking], heavy[taking], np.zeros(len(taking), dtype=np.int64))
    return taking.astype(np.int32)[table]


@compiled
def _fill(table: Any, at: Any, skips: Any, weights: Any, due: Any) -> None:
    """Fill a table of -1; at int64 (n,): where each backend looks next; due (n,): j max(w), from 0."""
    size, left = len(table), len(table)
    heaviest = 0
    for i in range(len(weights)):
        heaviest = max(heaviest, weights[i])
    turn = 0
    while True:
        turn += 1
        for i in range(len(at)):
            if turn * weights[i] < due[i]:
                continue
            due[i] += heaviest
            entry = at[i]
            while table[entry] >= 0:
                entry += skips[i]
                if entry >= size:
                    entry -= size
            table[entry] = i
            at[i] = entry
            left -= 1
            if left == 0:
                return


def rendezvous(names: Sequence[str], keys: npt.ArrayLike) -> Int32:
    """Give each key the backend that scores highest with it: int32 (len(keys),), positions in `names`.

    The score is a 64-bit hash of key and name. A backend that goes takes only its own keys with it, one that
    comes takes only keys for itself; how even the shares are is left to chance, as with a random choice.

    Args:
        names: of the backends, no two the same; their order does not matter.
        keys: whole numbers (n,), 0 to 2^64 - 1, such as hashes of connections.

    Raises:
        ValueError: no names, a name twice, or keys that are not such numbers.

    Source: Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6(1), 1998.

    >>> keys = np.arange(1000)
    >>> three, two = rendezvous(["a", "b", "c"], keys), rendezvous(["a", "b"], keys)
    >>> bool((three[three != 2] == two[three != 2]).all())
    True
    """
    asked = np.asarray(keys)
    if asked.ndim != 1 or asked.dtype.kind not in "iu" or (asked.size and int(asked.min()) < 0):
        raise ValueError(
            f"keys of shape {asked.shape} and type {asked.dtype} must be whole numbers >= 0, (n,)"
        )
    order = _by_name(names)
    owners = np.empty(len(asked), dtype=np.int32)
    _highest(asked.astype(np.uint64), _halves([names[i] for i in order])[:, 0].copy(), owners)
    return order.astype(np.int32)[owners]


@compiled
def _highest(keys: Any, hashes: Any, owners: Any) -> None:
    """The position of the highest `rng.mix64(key ^ hash)` for each key."""
    for k in range(len(keys)):
        best, highest = 0, np.uint64(0)
        for i in range(len(hashes)):
            x = keys[k] ^ hashes[i]
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x ^= x >> np.uint64(31)
            if x > highest:
                best, highest = i, x
        owners[k] = best


def moved(
    before: npt.ArrayLike, after: npt.ArrayLike, names_before: Sequence[str], names_after: Sequence[str]
) -> Moved:
    """Return which share of entries, or keys, changed owner, and which share of them had no need to.

    `total` counts each entry whose owner, by name, is another than before. `extra` counts those among them
    that went from a backend that stays to one that was there already: not freed by a backend that goes, not
    given to one that comes. An ideal consistent hash has none.

    Args:
        before, after: owners (n,), as positions in `names_before` and in `names_after`.
        names_before, names_after: of the backends, no name twice in either.

    Raises:
        ValueError: no entries, two lengths, an owner without a name, a name twice.

    Source: the excess is what figure 12 of Eisenbud et al., NSDI 2016, shows.

    >>> moved([0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 1, 1], ["a", "b", "c"], ["a", "b"])
    Moved(total=0.5, extra=0.16666666666666666)
    """
    names = {name: i for i, name in enumerate(dict.fromkeys([*names_before, *names_after]))}
    was, now = _owners("before", before, names_before, names), _owners("after", after, names_after, names)
    if len(was) != len(now) or len(was) == 0:
        raise ValueError(f"before ({len(was)}) and after ({len(now)}) must be of one length, and not empty")
    old, new = set(names_before), set(names_after)
    stays = np.array([name in old and name in new for name in names])
    changed = was != now
    return Moved(float(np.mean(changed)), float(np.mean(changed & stays[was] & stays[now])))


def _owners(
    what: str, owners: npt.ArrayLike, names: Sequence[str], numbers: dict[str, int]
) -> npt.NDArray[np.int64]:
    """Owners as numbers that mean the same backend before and after."""
    _by_name(names)
    given = _whole(what, owners, 0, len(names) - 1)
    return np.array([numbers[name] for name in names], dtype=np.int64)[given]


def _by_name(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """The positions of the names in their order."""
    if len(names) == 0:
        raise ValueError("names must not be empty: a table without backends has no owners")
    order = sorted(range(len(names)), key=names.__getitem__)
    for i, j in pairwise(order):
        if names[i] == names[j]:
            raise ValueError(f"names must be different: {names[i]!r} is there twice")
    return np.array(order, dtype=np.int64)


def _halves(names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Both halves of each name's 128-bit hash: uint64 (n, 2)."""
    text = b"".join(blake2b(name.encode(), digest_size=16).digest() for name in names)
    return np.frombuffer(text, dtype="<u8").astype(np.uint64).reshape(len(names), 2)


def _whole(what: str, values: npt.ArrayLike, least: int, most: int) -> npt.NDArray[np.int64]:
    """Whole numbers in a range as a new array int64 (n,), or a refusal."""
    given = np.asarray(values)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError(f"{what} of shape {given.shape} and type {given.dtype} must be whole numbers, (n,)")
    if given.size and not (least <= int(given.min()) and int(given.max()) <= most):
        raise ValueError(f"{what} from {given.min()} to {given.max()} must be from {least} to {most}")
    return given.astype(np.int64)


def _weights(weights: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    given = _whole("weights", weights, 0, _MOST)
    if len(given) != n:
        raise ValueError(f"weights ({len(given)}) must be one to a backend ({n})")
    if not given.any():
        raise ValueError("weights must not all be 0")
    return given


def _prime(size: int) -> int:
    """A table size that every skip walks through, or a refusal."""
    if isinstance(size, bool) or size != int(size) or not 2 <= size <= _MOST:
        raise ValueError(f"size = {size!r} must be a prime, such as {', '.join(map(str, CILIUM_SIZES))}")
    number = int(size)
    if any(number % divisor == 0 for divisor in range(2, isqrt(number) + 1)):
        raise ValueError(f"size = {size!r} must be a prime, such as {', '.join(map(str, CILIUM_SIZES))}")
    return number
