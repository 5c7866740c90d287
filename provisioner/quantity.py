"""Kubernetes quantities and Go durations as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction

GIB = 2**30

_SHAPE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?")
_DURATION = re.compile(r"(\d+[smh])+")
_PART = re.compile(r"(\d+)([smh])")
_UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600}
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


def seconds(text: str) -> float:
    """A duration such as "1h30m" or "90s", in seconds.

    Raises:
        ValueError: it is no duration.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration")
    return float(sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text)))


def gib(text: str) -> int:
    """Bytes as a quantity, in whole GiB, rounded up.

    Raises:
        ValueError: it is no quantity.
    """
    return math.ceil(amount(text) / GIB)
