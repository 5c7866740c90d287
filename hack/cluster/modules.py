"""What comes out of pinned Go modules and stays in the cache: made once, whole or not at all."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hack.cluster.binaries import only_one
from hack.cluster.cache import cache_folder
from hack.cluster.failures import ClusterFailed
from hack.cluster.golang import Builder, Report, pinned_version

PINS = ("go.mod", "go.sum")


def kept(builder: Builder, name: str, make: Callable[[Path], None]) -> Path:
    """A file or folder of the cache; `make` writes it to the path that it is given.

    Raises:
        Unobtainable: there is no toolchain, or a module cannot be had.
    """
    path = builder.cache / "bin" / name
    with only_one(path.parent, builder.report):
        if not path.exists():
            scratch = path.with_name(f"{name}.new")
            shutil.rmtree(scratch, ignore_errors=True)
            make(scratch)
            scratch.replace(path)
            # What the build needed is gigabytes, and no program is built often.
            shutil.rmtree(builder.cache / "go", ignore_errors=True)
    return path


def digest(sources: Path, module: str, pins: Sequence[str] = PINS) -> str:
    """The version of a module, and what changes with any pin of its folder."""
    found = hashlib.sha256(b"".join((sources / name).read_bytes() for name in pins))
    return f"{pinned_version(sources, module)}-{found.hexdigest()[:12]}"


def program(builder: Builder, package: str, path: Path) -> None:
    """Build a Go package that is a program.

    Raises:
        Unobtainable: there is no toolchain, or the build failed.
    """
    go = builder.toolchain()
    builder.report(f"building {package} with {go}: takes minutes, once")
    flags = ("-trimpath", "-ldflags", "-s -w")
    builder.run([go, "build", "-v", *flags, "-o", str(path), package])


def files(builder: Builder, module: str) -> Path:
    """The folder of a module's own files, downloaded.

    Raises:
        Unobtainable: there is no toolchain, or the module cannot be had.
    """
    builder.run([builder.toolchain(), "mod", "download", module])
    folder = Path(builder.environment()["GOMODCACHE"])
    return folder / f"{module}@{pinned_version(builder.sources, module)}"


class Have(Protocol):
    """Finds something in the cache, or makes it."""

    def __call__(self, cache: Path, *, offline: bool, report: Report) -> object:
        """Have it."""


def main(have: Have, name: str, description: str | None) -> int:
    """Have something, as the command line of the module `name` says; returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("--offline", action="store_true", help="download nothing")
    try:
        have(cache_folder(), offline=parser.parse_args().offline, report=print)
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0
