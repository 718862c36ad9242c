"""A cache between a client and the cluster's DNS: it looks again when what it keeps is too old.

It keeps an address for one time, and the answer that there is none for another (negative caching, RFC 2308),
so that a headless Service that was empty for a moment may stay so for its callers.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DnsCache"]


@dataclass(kw_only=True)
class DnsCache:
    """One cache of one name. It looks from phase_ns on, at every turn of what it keeps; asked in order.

    >>> cache = DnsCache(phase_ns=0, period_ns=10, negative_ns=4, empty=False)
    >>> cache.turns(12, True), cache.turns(21, False), cache.turns(30, True)
    (20, 24, 34)
    """

    phase_ns: int
    period_ns: int
    negative_ns: int
    empty: bool
    _next_ns: int | None = None
    _next_empty: bool = False

    def turns(self, t_ns: int, empty: bool) -> int:
        """The answer turns at t_ns: when the cache takes it. `empty`: whether it is that there is none."""
        if self._next_ns is not None and t_ns > self._next_ns:
            self.phase_ns, self.empty = self._next_ns, self._next_empty
        kept_ns = self.negative_ns if self.empty else self.period_ns
        if kept_ns == 0:
            self._next_ns = t_ns
        else:
            self._next_ns = self.phase_ns + max(-(-(t_ns - self.phase_ns) // kept_ns), 0) * kept_ns
        self._next_empty = empty
        return self._next_ns
