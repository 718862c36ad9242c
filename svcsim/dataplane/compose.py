"""Uniforms to durations, elementwise: the same value whatever stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from svcsim.distributions import Distribution, Mixture

__all__ = ["above_zero", "compose", "from_uniform"]


def from_uniform(law: Distribution, u: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Durations, int64 ns, of uniforms in (0, 1)."""
    return compose(law, u) if isinstance(law, Mixture) else law.quantile_ns(u)


def above_zero(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Uniforms moved off zero by half a step of 2^-53."""
    return u + 2.0**-54


def compose(law: Mixture, u: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """A mixture by composition from one uniform: its place chooses the component, its rest the value."""
    weights: Sequence[float] = law.weights
    edges = np.cumsum(np.array(weights) / sum(weights))
    which = np.minimum(np.searchsorted(edges, u, side="right"), len(weights) - 1)
    out = np.empty(len(u), dtype=np.int64)
    for k, component in enumerate(law.components):
        here = which == k
        low = edges[k - 1] if k else 0.0
        rest = np.clip((u[here] - low) / (edges[k] - low), 0.0, 1.0 - 2.0**-53)
        if isinstance(component, Mixture):
            out[here] = compose(component, rest)
        else:
            out[here] = component.quantile_ns(above_zero(rest))
    return out
