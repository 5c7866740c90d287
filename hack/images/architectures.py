"""The architectures that an image is built for, by the names that each tool has for them."""

from __future__ import annotations

import platform
from dataclasses import dataclass


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
        """Tags of wheels that run on our base: glibc 2.28 is older than any Debian of ours."""
        return (f"manylinux_2_28_{self.machine}", f"manylinux2014_{self.machine}")


ARCHITECTURES = {
    each.name: each for each in (Architecture("amd64", "x86_64"), Architecture("arm64", "aarch64"))
}


def own_architecture() -> Architecture:
    """This machine's."""
    return next(each for each in ARCHITECTURES.values() if each.machine == platform.machine())
