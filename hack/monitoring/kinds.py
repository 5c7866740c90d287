"""CRDs of the Prometheus operator for the component `monitoring`, from its Go module.

`python -m hack.monitoring.kinds` fetches 4 MB, once: hack/monitoring/go.mod names the version.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hack.cluster import modules
from hack.cluster.golang import Builder, Report, pinned_version

SOURCES = Path(__file__).parent
MODULE = "github.com/prometheus-operator/prometheus-operator"
FOLDER = Path("example", "prometheus-operator-crd")
PLURALS = ("podmonitors", "prometheusrules")


def kinds(cache: Path, *, offline: bool, report: Report) -> Path:
    """A folder with them, one a file; found in the cache, or fetched.

    Raises:
        Unobtainable: there is no toolchain, or the module cannot be had.
    """
    builder = Builder(SOURCES, cache, offline=offline, report=report)

    def fetch(folder: Path) -> None:
        found = modules.files(builder, MODULE) / FOLDER
        folder.mkdir()
        for plural in PLURALS:
            name = f"monitoring.coreos.com_{plural}.yaml"
            shutil.copyfile(found / name, folder / name)

    return modules.kept(builder, f"prometheus-operator-{pinned_version(SOURCES, MODULE)}", fetch)


if __name__ == "__main__":
    raise SystemExit(modules.main(kinds, "hack.monitoring.kinds", __doc__))
