"""Where the registry's program comes from: the machine's own, the cache, or Debian's package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hack import debian
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
    try:
        debian.ensure(PACKAGE, (PACKAGE,), cache, report=report)
    except Unobtainable as failure:
        raise Unobtainable(_advice(str(failure))) from None
    return cache / "bin" / PACKAGE


def found_program(cache: Path) -> Path | None:
    """The program if it is there already."""
    return next((path for name in NAMES if (path := debian.found(name, cache))), None)


def _advice(reason: str) -> str:
    return (
        f"there is no OCI registry on this machine: {reason}. Any one of these helps: the CNCF"
        f" distribution on PATH, as {' or '.join(NAMES)}; Debian's packages (apt-get update); a"
        " cache folder (KAITO_CACHE) from a machine where it worked"
    )
