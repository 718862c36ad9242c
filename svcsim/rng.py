"""The only place where randomness is made: keyed streams and counter-based draws.

Two kinds, both a function of a name and never of call order:

- *streams* (`stream`): a NumPy bit generator for bulk draws, keyed by
  (seed, replication, purpose, entity, block);
- *counter-based draws* (`key64` then `u64_at`): one 64-bit word per (key, a, b, c), for the many
  control-plane entities and for the few extra draws of a connection (re-picks, re-resolutions).

The counter-based word is the SplitMix64 output function (Steele, Lea, Flood 2014, "Fast splittable
pseudorandom number generators") applied once per coordinate.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b

import numpy as np

__all__ = ["Purpose", "key64", "mix64", "stream", "u32_at", "u64_at", "unit_at"]

_MASK = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15


class Purpose(IntEnum):
    """What a draw is for. Append only: a number, once given, is never reused."""

    ARRIVAL = 1
    ROUTE = 2
    SERVICE = 3
    REPICK = 4
    RESOLVE = 5
    PHASE = 6
    LAG = 7
    SCHEDULE = 8
    AGE = 9
    BOOTSTRAP = 10
    CHECK = 11
    VICTIM = 12
    ENTRY = 13
    ROUTER = 14
    CHOICE = 15
    RETRY = 16
    LIFETIME = 17
    SHARES = 33
    BURST = 40
    THINK = 41


@lru_cache(maxsize=1 << 16)
def key64(seed: int, replication: int, purpose: Purpose, entity: str) -> int:
    """The 64-bit key of all counter-based draws of one entity for one purpose.

    >>> key64(1, 0, Purpose.LAG, "a") == key64(1, 0, Purpose.LAG, "a")
    True
    >>> key64(1, 0, Purpose.LAG, "a") == key64(1, 1, Purpose.LAG, "a")
    False
    """
    text = f"{seed}/{replication}/{int(purpose)}/{entity}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def mix64(x: int) -> int:
    """SplitMix64's finaliser: a bijection of 64-bit words."""
    x &= _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def u64_at(key: int, a: int, b: int = 0, c: int = 0) -> int:
    """The 64-bit word at coordinates (a, b, c) of `key`; each coordinate in 0 .. 2^62.

    `mix64` once per coordinate, written out: the control plane asks a thousand times a replication.
    """
    x = (key + _GOLDEN * (a + 1)) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    x = ((x ^ (x >> 31)) + _GOLDEN * (b + 1)) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    x = ((x ^ (x >> 31)) + _GOLDEN * (c + 1)) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def u32_at(key: int, a: int, b: int = 0, c: int = 0) -> int:
    """The high 32 bits of `u64_at`."""
    return u64_at(key, a, b, c) >> 32


def unit_at(key: int, a: int, b: int = 0, c: int = 0) -> float:
    """A float in (0, 1) with 53 random bits, never 0 and never 1."""
    return ((u64_at(key, a, b, c) >> 11) + 0.5) * 2.0**-53


def stream(seed: int, replication: int, purpose: Purpose, entity: str, block: int) -> np.random.Generator:
    """A bulk generator (SFC64) of its own for (seed, replication, purpose, entity, block)."""
    key = key64(seed, replication, purpose, entity)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([key, block])))
