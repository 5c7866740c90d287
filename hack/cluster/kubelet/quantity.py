"""Kubernetes quantities ("500m", "16Gi") as numbers, for variables that repeat a limit."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}


def parsed(quantity: str) -> Decimal:
    """The number that a quantity stands for.

    Raises:
        ValueError: it is no quantity.
    """
    text = quantity.strip()
    factor: Decimal | int = 1
    if text[-2:] in _BINARY:
        text, factor = text[:-2], _BINARY[text[-2:]]
    elif text[-1:] in _DECIMAL:
        text, factor = text[:-1], _DECIMAL[text[-1:]]
    try:
        return Decimal(text) * factor
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is no quantity") from None


def in_units(quantity: str, divisor: str) -> str:
    """How many `divisor` a quantity is, rounded up to a whole number.

    Args:
        quantity: e.g. "1500m".
        divisor: e.g. "1Mi"; "" and "0" mean 1.
    """
    unit = parsed(divisor or "1") or Decimal(1)
    return str(math.ceil(parsed(quantity) / unit))
