"""Start the programs that an image is made with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class ImageFailed(Exception):
    """An image cannot be made here; the message is for the person at the terminal."""


def run(
    words: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: str = "",
) -> str:
    """Run a program to its end; returns what it writes to its standard output.

    Raises:
        ImageFailed: it is not there, or ends with another code than 0.
    """
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            check=False,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            input=stdin,
            text=True,
        )
    except FileNotFoundError:
        raise ImageFailed(f"{words[0]} is not there: run hack/install --image") from None
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ImageFailed(f"{words[0]} failed with {done.returncode}:\n{said}")
    return done.stdout
