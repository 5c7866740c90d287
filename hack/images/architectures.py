"""The architectures that an image is built for, by the names that each tool has for them."""

from __future__ import annotations

import platform
from dataclasses import dataclass

OLDEST_GLIBC, NEWEST_GLIBC = 17, 28
"""Minor versions of the C library 2 that wheels are built for; any Debian of ours is newer."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One of them.

    Attributes:
        name: what Debian and OCI call it.
        machine: what the kernel and wheels call it.
    """

    name: str
    machine: str

    @property
    def platform(self) -> str:
        """What image builders call it."""
        return f"linux/{self.name}"

    @property
    def wheels(self) -> tuple[str, ...]:
        """Tags of wheels that run on our base, for pip, to which none of them implies another."""
        versions = range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)
        tags = (f"manylinux_2_{minor}_{self.machine}" for minor in versions)
        return (*tags, f"manylinux2014_{self.machine}")


ARCHITECTURES = {
    each.name: each for each in (Architecture("amd64", "x86_64"), Architecture("arm64", "aarch64"))
}


def own_architecture() -> Architecture:
    """This machine's."""
    return next(each for each in ARCHITECTURES.values() if each.machine == platform.machine())
