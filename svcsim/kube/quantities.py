"""Kubernetes quantities (`250m`, `1.5Gi`, `2e3`) as exact numbers."""

from __future__ import annotations

import re
from fractions import Fraction

from svcsim.errors import ManifestError

__all__ = ["parse_quantity"]

_SUFFIX: dict[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{unit: Fraction(1000 ** (i + 1)) for i, unit in enumerate("kMGTPE")},
    **{unit: Fraction(1024 ** (i + 1)) for i, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
}
_QUANTITY = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:([eE][+-]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE]?))")


def parse_quantity(text: str | int | float) -> Fraction:
    """Return a quantity in its base unit (cores, bytes, pieces), exactly.

    Source: apimachinery api/resource/quantity.go `ParseQuantity`, suffix.go.

    Args:
        text: the quantity as a manifest has it; numbers count as their decimal text.

    Raises:
        ManifestError: the text is no quantity.

    >>> parse_quantity("250m"), parse_quantity("1.5Ki"), parse_quantity("2e3")
    (Fraction(1, 4), Fraction(1536, 1), Fraction(2000, 1))
    """
    found = None if isinstance(text, bool) else _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ManifestError(
            f"{text!r} is not a quantity "
            "(accepted: a decimal number with n, u, m, k, M, G, T, P, E, Ki to Ei or an exponent)"
        )
    sign, digits, exponent, suffix = found.groups()
    scale = Fraction(10) ** int(exponent[1:]) if exponent else _SUFFIX[suffix]
    return (-1 if sign == "-" else 1) * Fraction(digits if digits[-1] != "." else digits[:-1]) * scale
