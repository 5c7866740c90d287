"""Which cluster is meant: flags, then $KUBECONFIG, then the user's own kubeconfig, as kubectl."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TextIO

import yaml

from kaito.cli.branch import Pen

_OWN = "~/.kube/config"
SHARED_PRESETS = Path(sysconfig.get_path("data")) / "share" / "kaito" / "presets"
"""Where the distribution puts the catalogue."""
_BESIDE = Path(__file__).parents[2] / "presets"
"""Where a checkout has it, and an installation that stands for one (`pip install --editable`)."""


def kubeconfigs(given: str) -> str:
    """Paths of kubeconfig files as one word, "" where there is none: then a pod's own rights.

    Args:
        given: the flag; "" for none.
    """
    if given:
        return given
    if found := os.environ.get("KUBECONFIG"):
        return found
    own = Path(_OWN).expanduser()
    return str(own) if own.is_file() else ""


def namespace(paths: str, context: str) -> str:
    """The namespace that a context names; "default" where it names none.

    Args:
        paths: kubeconfig files, separated as in PATH; of several that name the same thing the
            first wins.
        context: which context; "" is the current one.
    """
    files = [Path(path) for path in paths.split(os.pathsep) if path and Path(path).is_file()]
    contents = [yaml.safe_load(path.read_text()) or {} for path in files]
    wanted = context or next(filter(None, (each.get("current-context") for each in contents)), "")
    for content in contents:
        for entry in content.get("contexts") or ():
            if entry.get("name") == wanted:
                return str((entry.get("context") or {}).get("namespace") or "default")
    return "default"


def presets() -> Path:
    """The catalogue: the working folder's, else that of the checkout or of the installation."""
    places = (Path("presets"), _BESIDE)
    return next((each for each in places if (each / "models").is_dir()), SHARED_PRESETS)


def pen(stream: TextIO) -> Pen:
    """What may be written to a stream: colour on a terminal, unless NO_COLOR or TERM object.

    Only a terminal has sentences broken at its width, or at what COLUMNS says.
    """
    encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "")
    terminal = stream.isatty()
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    columns = shutil.get_terminal_size().columns if terminal else 0
    return Pen(colour=terminal and wanted, lines=encoding == "utf8", columns=columns)


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a stream is a terminal, by default what this program reads from."""
    return (stream or sys.stdin).isatty()
