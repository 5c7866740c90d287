"""Where the registry's program comes from: the machine's own, the cache, or Debian's package.

Debian's package is unpacked into the cache and not installed: that takes no rights, and starts
no service on a machine that has one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from hack.cluster.failures import Unobtainable

NAMES = ("docker-registry", "registry")
"""What Debian and what the project itself call the program."""
PACKAGE = "docker-registry"


def registry_program(cache: Path, *, offline: bool, report: Callable[[str], None]) -> Path:
    """Find or fetch the program.

    Args:
        cache: the cache folder; `bin/docker-registry` of it keeps what was fetched.
        offline: whether nothing may be downloaded.
        report: takes lines of progress.

    Raises:
        Unobtainable: it can be had in no way; the message says what helps.
    """
    if found := found_program(cache):
        return found
    if offline:
        raise Unobtainable(_advice("--offline forbids to download it"))
    report(f"downloading the registry (Debian's package {PACKAGE})")
    _unpack(_kept(cache))
    return _kept(cache)


def found_program(cache: Path) -> Path | None:
    """The program if it is there already."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    return _kept(cache) if os.access(_kept(cache), os.X_OK) else None


def _kept(cache: Path) -> Path:
    return cache / "bin" / PACKAGE


def _unpack(kept: Path) -> None:
    """Take the program out of the package; it appears at `kept` whole or not at all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".registry-", dir=kept.parent) as scratch:
        folder = Path(scratch)
        _download(folder)
        archives = [str(path) for path in folder.glob("*.deb")]
        _run(["dpkg-deb", "-x", *archives, "content"], folder)
        (folder / "content" / "usr" / "bin" / PACKAGE).replace(kept)


def _download(folder: Path) -> None:
    """Fetch the package; a new machine knows of no packages yet."""
    download = ["apt-get", "download", "-qq", PACKAGE]
    try:
        _run(download, folder)
    except Unobtainable:
        _run(["apt-get", "update", "-qq"], folder)
        _run(download, folder)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise Unobtainable(_advice(f"{command[0]} is not there")) from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unobtainable(_advice(f"{' '.join(command[:2])} failed: {said}"))


def _advice(reason: str) -> str:
    return (
        f"there is no OCI registry on this machine: {reason}. Any one of these helps: the CNCF"
        f" distribution on PATH, as {' or '.join(NAMES)}; Debian's packages (apt-get update); a"
        " cache folder (KAITO_CACHE) from a machine where it worked"
    )
