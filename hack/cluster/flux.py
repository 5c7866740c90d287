"""Flux's kustomize-controller and the CRDs of Flux, from pinned Go modules: hack/flux.

`python -m hack.cluster.flux` takes minutes at first and milliseconds afterwards. The CRDs come out
of the folders of the modules, so that no manifests of Flux's are downloaded.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.binaries import only_one
from hack.cluster.cache import cache_folder
from hack.cluster.failures import ClusterFailed
from hack.cluster.golang import Builder, Report, pinned_version
from hack.cluster.session import REPO

CONTROLLER = "github.com/fluxcd/kustomize-controller"
SOURCES = "github.com/fluxcd/source-controller"
PINS = ("go.mod", "go.sum", "sources/go.mod", "sources/go.sum")
PROGRAM = "kustomize-controller"


@dataclass(frozen=True, slots=True)
class Flux:
    """What was built.

    Attributes:
        program: kustomize-controller.
        definitions: folder of CRDs, one a file.
    """

    program: Path
    definitions: Path


def flux(cache: Path, *, offline: bool, report: Report) -> Flux:
    """Find it in the cache, or build it; its folder appears whole or not at all.

    Raises:
        Unobtainable: there is no toolchain, or a module cannot be had.
    """
    builder = Builder(REPO / "hack" / "flux", cache, offline=offline, report=report)
    folder = cache / "bin" / f"flux-{_digest(builder.sources)}"
    with only_one(cache / "bin", report):
        if not folder.exists():
            _build(builder, folder)
    return Flux(folder / PROGRAM, folder / "crds")


def _digest(sources: Path) -> str:
    """The version, and what changes with any pin."""
    pins = hashlib.sha256(b"".join((sources / name).read_bytes() for name in PINS))
    return f"{pinned_version(sources, CONTROLLER)}-{pins.hexdigest()[:12]}"


def _build(builder: Builder, folder: Path) -> None:
    go = builder.toolchain()
    scratch = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "crds").mkdir(parents=True)
    builder.report(f"building {folder.name} with {go}: takes minutes, once")
    builder.run([go, "-C", "sources", "mod", "download", SOURCES])
    built = ("-trimpath", "-ldflags", "-s -w", "-o", str(scratch / PROGRAM), CONTROLLER)
    builder.run([go, "build", "-v", *built])
    for definition in _definitions(builder):
        shutil.copyfile(definition, scratch / "crds" / definition.name)
    scratch.replace(folder)
    # What the build needed is gigabytes, and no program is built often.
    shutil.rmtree(builder.cache / "go", ignore_errors=True)


def _definitions(builder: Builder) -> Iterator[Path]:
    """The CRDs in the folders of both modules."""
    modules = Path(builder.environment()["GOMODCACHE"])
    for sources, module in ((builder.sources, CONTROLLER), (builder.sources / "sources", SOURCES)):
        folder = modules / f"{module}@{pinned_version(sources, module)}"
        yield from (folder / "config" / "crd" / "bases").glob("*.yaml")


def main() -> int:
    """Have it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster.flux", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="download nothing")
    try:
        flux(cache_folder(), offline=parser.parse_args().offline, report=print)
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
