"""Kubernetes quantities as numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

_SHAPE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,2}))?")
"""An exponent of more digits stands for nothing that there is, and would take for ever."""
_BINARY: Mapping[str, int] = {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)
}
_DECIMAL: Mapping[str, Fraction] = {
    letter: Fraction(1000) ** power for power, letter in enumerate("num", start=-3)
} | {letter: Fraction(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}


def amount(text: str) -> Fraction:
    """The number that a quantity such as "50Gi", "500m" or "1e3" stands for.

    Raises:
        ValueError: it is no quantity.
    """
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no quantity")
    number, binary, decimal, exponent = match.groups()
    if binary:
        return Fraction(number) * _BINARY[binary]
    if decimal:
        return Fraction(number) * _DECIMAL[decimal]
    return Fraction(f"{number}e{exponent or 0}")
