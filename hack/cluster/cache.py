"""The one folder for what was built or downloaded: it outlives every cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Absolute path of the cache; nothing is created.

    `$KAITO_CACHE`, else `$XDG_CACHE_HOME/kaito`, else `~/.cache/kaito`.
    """
    if chosen := environment.get("KAITO_CACHE"):
        return Path(chosen).absolute()
    if shared := environment.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "kaito"
    return Path(environment.get("HOME") or "/").absolute() / ".cache" / "kaito"
