"""Overlays as kubectl renders them."""

from __future__ import annotations

import os
from pathlib import Path

from hack.cluster import binaries
from hack.cluster.cache import cache_folder
from hack.images.programs import run
from tests.rules.tree import ROOT

OFFLINE = bool(os.environ.get("KAITO_OFFLINE"))


def rendered(overlay: Path) -> str:
    """The documents of an overlay, as one stream."""
    sources = binaries.sources(ROOT, cache_folder(), offline=OFFLINE, report=print)
    return run([*sources.commands()["kubectl"], "kustomize", str(overlay)])
