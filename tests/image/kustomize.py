"""Copies of the overlays, and what kubectl renders of one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hack.cluster import binaries
from hack.cluster.cache import cache_folder
from hack.images.programs import run
from tests.rules.tree import ROOT

OFFLINE = bool(os.environ.get("KAITO_OFFLINE"))
DIGEST = "sha256:" + 64 * "a"


def overlays(folder: Path) -> Path:
    """A copy of the manifests; returns its overlays."""
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    return folder / "manifests" / "overlays"


def rendered(overlay: Path) -> str:
    """The documents of an overlay, as one stream."""
    sources = binaries.sources(ROOT, cache_folder(), offline=OFFLINE, report=print)
    return run([*sources.commands()["kubectl"], "kustomize", str(overlay)])
