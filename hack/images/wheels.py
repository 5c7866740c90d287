"""The wheels of a lock file for one architecture, in a folder; nothing is compiled."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from hack.images.architectures import Architecture
from hack.images.programs import run

PYTHON = "3.11"
"""The base's, whatever runs here."""
STAMP = "lock.sha256"


def wheels(
    lock: Path, architecture: Architecture, folder: Path, *, report: Callable[[str], None]
) -> Path:
    """Have them; the folder is filled anew when the lock changes.

    Raises:
        ImageFailed: one cannot be had: there is none for this architecture, or its hash differs.
    """
    kept = folder / f"{lock.stem}-{architecture.name}"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = kept / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return kept
    report(f"downloading the wheels of {lock.name} for {architecture.name}")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    platforms = [word for tag in architecture.wheels for word in ("--platform", tag)]
    run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
            *("--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON),
            *platforms,
            *("--dest", str(kept), "--requirement", str(lock)),
        ]
    )
    stamp.write_text(wanted)
    return kept
