"""Have everything that a cluster needs: the control plane's programs, the registry, the tiny model.

`python -m hack.cluster.prepare` takes minutes at first and milliseconds afterwards.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from hack.cluster import binaries, models, modules
from hack.cluster.failures import ClusterFailed, Unobtainable
from hack.cluster.registry.binary import registry_program
from hack.cluster.session import REPO


def prepare(cache: Path, *, offline: bool, report: Callable[[str], None]) -> None:
    """Build, download or make what is missing.

    Raises:
        ClusterFailed: something cannot be had; the message says what to do.
    """
    binaries.sources(REPO, cache, offline=offline, report=report).commands()
    try:
        registry_program(cache, offline=offline, report=report)
    except Unobtainable as failure:
        report(f"this cluster has no registry: {failure}")
    python = cache / "inference" / "bin" / "python"
    if not python.exists():
        raise ClusterFailed("the inference environment is missing: run hack/install inference")
    try:
        models.ensure(cache / "models" / "tiny-phi-3", python=python)
    except subprocess.CalledProcessError as error:
        raise ClusterFailed(f"the tiny model could not be made: {error.stderr}") from error


if __name__ == "__main__":
    raise SystemExit(modules.main(prepare, "hack.cluster.prepare", __doc__))
