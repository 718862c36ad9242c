"""When is a simulated mean too far from a closed form? A family of tests with one false-alarm rate.

Opponent: any implementation whose mean differs from the closed form by more than the standard error allows.
The family of `FAMILY` comparisons raises a false alarm with probability at most 1% (Bonferroni). Seeds are
fixed; with SVCSIM_FRESH_SEED set a fresh one is drawn and printed.
"""

from __future__ import annotations

import os
import secrets

import numpy as np
from scipy import stats

__all__ = ["SEED", "agrees", "relative_error"]

FAMILY = 240
SEED = 20261125
if os.environ.get("SVCSIM_FRESH_SEED"):
    SEED = secrets.randbelow(1 << 31)
    print(f"fresh seed {SEED}")


def relative_error(samples: np.ndarray) -> float:
    """Standard error of the mean as a share of the mean."""
    return float(np.std(samples, ddof=1) / np.sqrt(len(samples)) / np.mean(samples))


def agrees(samples: np.ndarray, value: float) -> None:
    """Assert that the mean of independent samples (at least 20) is `value`, by a t test at 1% / FAMILY."""
    n = len(samples)
    assert n >= 20
    mean, error = float(np.mean(samples)), float(np.std(samples, ddof=1) / np.sqrt(n))
    if error < 1e-9 * mean:
        # nothing is random here: equal but for the last bits of float sums
        assert abs(mean - value) <= 1e-9 * value
        return
    limit = float(stats.t.ppf(1 - 0.01 / FAMILY / 2, n - 1))
    assert abs(mean - value) <= limit * error, f"mean {mean:.6g} +- {error:.2g}, closed form {value:.6g}"
