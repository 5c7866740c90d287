"""Go durations as seconds, and the size of disks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from kaito.kube.quantity import amount

GIB = 2**30

_DURATION = re.compile(r"(\d+[smh])+")
_PART = re.compile(r"(\d+)([smh])")
_UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600}


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
