"""Programs of Debian's packages, unpacked into the cache and not installed.

That takes no rights, and starts no service on a machine that has an init system.
`python3 -m hack.debian prometheus prometheus promtool` runs on the machine's own Python with the
standard library only: the first word is the package, the others are programs of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.cluster.cache import cache_folder
from hack.cluster.failures import Unobtainable


def found(program: str, cache: Path) -> Path | None:
    """A program that is there already: the machine's own, else the one in the cache."""
    if own := shutil.which(program):
        return Path(own)
    kept = cache / "bin" / program
    return kept if os.access(kept, os.X_OK) else None


def ensure(
    package: str, programs: Sequence[str], cache: Path, *, report: Callable[[str], None]
) -> None:
    """Have programs of a package; `found` finds them afterwards.

    Args:
        package: Debian's name of it; it depends on nothing that a Debian lacks.
        programs: what its folder usr/bin holds and is wanted.
        cache: the cache folder; its folder `bin` keeps them.
        report: takes lines of progress.

    Raises:
        Unobtainable: the package cannot be had; the message says why.
    """
    if all(found(program, cache) for program in programs):
        return
    report(f"downloading {', '.join(programs)} (Debian's package {package})")
    folder = cache / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{package}-", dir=folder) as scratch:
        content = unpacked(package, Path(scratch))
        for program in programs:
            (content / "usr" / "bin" / program).replace(folder / program)


def unpacked(package: str, folder: Path) -> Path:
    """Download a package into an empty folder; returns the folder of its content.

    Raises:
        Unobtainable: it cannot be had.
    """
    download = ["apt-get", "download", "-qq", package]
    try:
        _run(download, folder)
    except Unobtainable:
        # A new machine knows of no packages yet.
        _run(["apt-get", "update", "-qq"], folder)
        _run(download, folder)
    archives = [str(path) for path in folder.glob("*.deb")]
    _run(["dpkg-deb", "-x", *archives, "content"], folder)
    return folder / "content"


def _run(command: list[str], folder: Path) -> None:
    """Run a program of Debian's in a folder.

    Raises:
        Unobtainable: it is not there, or failed.
    """
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
        raise Unobtainable(f"{command[0]} is not there") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unobtainable(f"{' '.join(command[:2])} failed: {said}")


def main() -> int:
    """Have the programs that are named; returns the exit code."""
    package, *programs = sys.argv[1:]
    cache = cache_folder()
    missing = [program for program in programs if not found(program, cache)]
    failure = "KAITO_OFFLINE is set, so nothing is downloaded" if missing else ""
    if not os.environ.get("KAITO_OFFLINE"):
        failure = ""
        try:
            ensure(package, programs, cache, report=print)
        except Unobtainable as error:
            failure = str(error)
    if failure:
        print(f"missing on this machine: {', '.join(missing)}: {failure}", file=sys.stderr)
    return 1 if failure else 0


if __name__ == "__main__":
    raise SystemExit(main())
