"""Prometheus text made from durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from svcsim.distributions import Distribution
from svcsim.observed.calibrate import PROGRAMMING, SYNC, SYNC_PARTIAL

__all__ = ["PROGRAMMING_BOUNDS", "SYNC_BOUNDS", "draws", "exposition", "proxy_metrics", "scrape"]

Floats = npt.NDArray[np.float64]

# pkg/proxy/metrics/metrics.go
PROGRAMMING_BOUNDS = (0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30))
SYNC_BOUNDS = tuple(0.001 * 2**k for k in range(15))


def draws(law: Distribution, n: int, seed: int) -> Floats:
    """Return n durations in seconds."""
    return law.sample_ns(np.random.Generator(np.random.SFC64(seed)), n) / 1e9


def exposition(
    name: str,
    durations: Sequence[float] | Floats,
    bounds: Sequence[float],
    labels: Mapping[str, str] | None = None,
) -> str:
    """Return a cumulative histogram as Prometheus writes it."""
    values = np.asarray(durations, dtype=np.float64)
    own = "".join(f'{key}="{value}",' for key, value in (labels or {}).items())
    lines = [f"# HELP {name} [ALPHA] In seconds", f"# TYPE {name} histogram"]
    lines += [f'{name}_bucket{{{own}le="{bound:g}"}} {int((values <= bound).sum())}' for bound in bounds]
    lines += [f'{name}_bucket{{{own}le="+Inf"}} {len(values)}']
    tail = f"{{{own}}}" if own else ""
    lines += [f"{name}_sum{tail} {float(values.sum())!r}", f"{name}_count{tail} {len(values)}"]
    return "\n".join(lines) + "\n"


def proxy_metrics(
    programming: Sequence[float] | Floats,
    syncs: Sequence[float] | Floats,
    *,
    labels: Mapping[str, str] | None = None,
    partial: bool = True,
) -> str:
    """Return one kube-proxy's metrics."""
    text = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e+09\n"
    text += exposition(PROGRAMMING, programming, PROGRAMMING_BOUNDS, labels)
    text += exposition(SYNC, syncs, SYNC_BOUNDS, labels)
    return text + (exposition(SYNC_PARTIAL, syncs, SYNC_BOUNDS, labels) if partial else "")


def scrape(
    programming: Sequence[float] = (0.3, 1.2, 1.7, 2.4), syncs: Sequence[float] = (0.04, 0.05, 0.07)
) -> str:
    """Return a small scrape of one proxy."""
    return proxy_metrics(programming, syncs)
