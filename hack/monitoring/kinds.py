"""CRDs of the Prometheus operator for the component `monitoring`, from its Go module.

`python -m hack.monitoring.kinds` fetches 4 MB, once: hack/monitoring/go.mod names the version.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from hack.cluster.binaries import only_one
from hack.cluster.cache import cache_folder
from hack.cluster.failures import ClusterFailed
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
    folder = cache / "bin" / f"prometheus-operator-{pinned_version(SOURCES, MODULE)}"
    with only_one(cache / "bin", report):
        if not folder.exists():
            _fetch(Builder(SOURCES, cache, offline=offline, report=report), folder)
    return folder


def _fetch(builder: Builder, folder: Path) -> None:
    builder.run([builder.toolchain(), "mod", "download", MODULE])
    modules = Path(builder.environment()["GOMODCACHE"])
    module = modules / f"{MODULE}@{pinned_version(SOURCES, MODULE)}"
    scratch = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for plural in PLURALS:
        name = f"monitoring.coreos.com_{plural}.yaml"
        shutil.copyfile(module / FOLDER / name, scratch / name)
    scratch.replace(folder)
    shutil.rmtree(builder.cache / "go", ignore_errors=True)


def main() -> int:
    """Have them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.monitoring.kinds", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="download nothing")
    try:
        kinds(cache_folder(), offline=parser.parse_args().offline, report=print)
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
