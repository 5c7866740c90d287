"""kube-score, built from its Go module: hack/linter/go.mod names the version."""

from __future__ import annotations

from pathlib import Path

from hack.cluster import modules
from hack.cluster.golang import Builder, Report

SOURCES = Path(__file__).parent
MODULE = "github.com/zegl/kube-score"
COMMAND = f"{MODULE}/cmd/kube-score"


def linter(cache: Path, *, offline: bool, report: Report) -> Path:
    """Find it in the cache, or build it: two minutes on two cores, once.

    Raises:
        Unobtainable: there is no toolchain, or a module cannot be had.
    """
    builder = Builder(SOURCES, cache, offline=offline, report=report)
    name = f"kube-score-{modules.digest(SOURCES, MODULE)}"
    return modules.kept(builder, name, lambda path: modules.program(builder, COMMAND, path))
