"""File systems made of Debian's packages: what an image stands on, and what it is built in.

The packages are unpacked and nothing of them is run, so that neither a shell nor another
architecture's processor is needed. What each package says of itself stays in
var/lib/dpkg/status.d, where scanners of images look.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.images.architectures import Architecture
from hack.images.programs import ImageFailed, run

SUITE = "bookworm"
"""The Debian whose Python is the one that the tests run with: 3.11."""

KEPT_SECONDS = 24 * 3600
"""For how long one is used again: Debian mends its packages."""

LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/lib/*/gconv/*")
KEPT = ("/usr/share/doc/*/copyright",)

MERGED = 'cd "$1" && mkdir -p usr/bin usr/sbin usr/lib && ln -s usr/bin usr/sbin usr/lib .'
"""In Debian these three are links; packages alone do not make them."""

BUNDLE = "usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt"
AUTHORITIES = f'cd "$1" && [ ! -d usr/share/ca-certificates ] || cat {BUNDLE}'
"""What the package ca-certificates would do when installed."""

INVENTORY = """cd "$1" && mkdir -p var/lib/dpkg/status.d
for deb in var/cache/apt/archives/*.deb; do
  dpkg-deb --field "$deb" > "var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)" || exit 1
done"""
STRANGE = 'rm -f "$1/etc/hostname" "$1/etc/resolv.conf"'
"""Files of the machine that builds."""
HOOKS = (AUTHORITIES, INVENTORY, STRANGE)


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One of them.

    Attributes:
        name: what it is called.
        packages: of Debian's; what they depend on comes with them.
    """

    name: str
    packages: tuple[str, ...]


RUNTIME = FileSystem("runtime", ("base-files", "ca-certificates", "python3"))
"""What the controllers run on: no shell is among it."""
NUMERIC = FileSystem("numeric", (*RUNTIME.packages, "libstdc++6"))
"""The same for what computes: numpy's wheels leave the library of C++ to the system."""
SLIM = FileSystem(
    "slim",
    (*NUMERIC.packages, "coreutils", "dash", "python3-pip", "python3-venv", "python-is-python3"),
)
"""In place of an image of Python's own: with a shell, and what installs packages."""
BUILDER = FileSystem("builder", ("base-files", "coreutils", "dash", "python3-pip"))
"""What the steps of a Dockerfile run in."""


def archive(
    system: FileSystem, architecture: Architecture, folder: Path, *, report: Callable[[str], None]
) -> Path:
    """The file system as a tar archive in a folder, made anew once a day.

    Raises:
        ImageFailed: packages cannot be had.
    """
    words = _command(system, architecture)
    key = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    kept = folder / f"{system.name}-{architecture.name}-{key}.tar"
    if kept.exists() and time.time() - kept.stat().st_mtime < KEPT_SECONDS:
        return kept
    report(f"making the {system.name} file system for {architecture.name} of Debian's packages")
    folder.mkdir(parents=True, exist_ok=True)
    scratch = kept.with_suffix(".new")
    # The files are as old as the packages say, so that equal packages make an equal archive.
    run([*words, SUITE, str(scratch)], environment={"SOURCE_DATE_EPOCH": "0"})
    if not scratch.exists():
        raise ImageFailed(f"mmdebstrap wrote no {scratch}")
    scratch.replace(kept)
    return kept


def _command(system: FileSystem, architecture: Architecture) -> list[str]:
    rules = [f"path-exclude={each}" for each in LEFT_OUT]
    rules += [f"path-include={each}" for each in KEPT]
    return [
        *("mmdebstrap", "--quiet", "--variant=extract", "--format=tar"),
        f"--architectures={architecture.name}",
        f"--include={','.join(system.packages)}",
        *(f"--dpkgopt={each}" for each in rules),
        f"--setup-hook={MERGED}",
        *(f"--extract-hook={each}" for each in HOOKS),
    ]
