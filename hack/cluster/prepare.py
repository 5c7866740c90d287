"""Have everything that a cluster needs: the control plane's programs, the registry, the tiny model.

`python -m hack.cluster.prepare` takes minutes at first and milliseconds afterwards.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from hack.cluster import binaries, models
from hack.cluster.cache import cache_folder
from hack.cluster.failures import ClusterFailed, Unobtainable
from hack.cluster.registry.binary import registry_program
from hack.cluster.session import REPO


def prepare(*, offline: bool, report: Callable[[str], None]) -> None:
    """Build, download or make what is missing.

    Raises:
        ClusterFailed: something cannot be had; the message says what to do.
    """
    cache = cache_folder()
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


def main() -> int:
    """Prepare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster.prepare", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="download nothing")
    try:
        prepare(offline=parser.parse_args().offline, report=print)
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
