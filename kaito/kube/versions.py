"""The order of resourceVersions: decimal numbers that only grow.

Kubernetes has promised that since 1.35 (KEP-5504). A server that says something else is not
guessed about: its objects are refused where they come in, and the order raises.
"""

from __future__ import annotations

from functools import lru_cache

from kaito.kube.errors import Undecodable

_LONGEST = 39
"""Digits of the largest number of 128 bits."""


@lru_cache(1024)
def is_version(version: str) -> bool:
    """Whether that is a resourceVersion: a decimal number without a leading zero."""
    return (
        version.isascii()
        and version.isdecimal()
        and not version.startswith("0")
        and len(version) <= _LONGEST
    )


def checked(version: str) -> str:
    """The version as it is.

    Raises:
        Undecodable: it is none, so that nothing can be said about before and after.
    """
    if not is_version(version):
        raise Undecodable(0, "MalformedVersion", f"{version!r} is no resourceVersion")
    return version


def is_older(one: str, other: str) -> bool:
    """Whether `one` comes before `other`.

    Raises:
        Undecodable: one of them is no version.
    """
    checked(one), checked(other)
    return (len(one), one) < (len(other), other)
