"""The order of resourceVersions: decimal numbers that only grow."""

from __future__ import annotations


def is_older(one: str, other: str) -> bool:
    """Whether `one` comes before `other`; of what is not a number, nothing is said."""
    return _is_number(one) and _is_number(other) and (len(one), one) < (len(other), other)


def is_ordered(one: str, other: str) -> bool:
    """Whether the two can be compared."""
    return _is_number(one) and _is_number(other)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal() and not version.startswith("0")
