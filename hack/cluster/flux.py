"""Flux's kustomize-controller and the CRDs of Flux, from pinned Go modules: hack/flux.

`python -m hack.cluster.flux` takes minutes at first and milliseconds afterwards. The CRDs come out
of the folders of the modules, so that no manifests of Flux's are downloaded.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from hack.cluster import modules
from hack.cluster.golang import Builder, Report
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

    def build(folder: Path) -> None:
        (folder / "crds").mkdir(parents=True)
        modules.program(builder, CONTROLLER, folder / PROGRAM)
        beside = replace(builder, sources=builder.sources / "sources")
        for own, module in ((builder, CONTROLLER), (beside, SOURCES)):
            for definition in (modules.files(own, module) / "config" / "crd" / "bases").glob("*"):
                shutil.copyfile(definition, folder / "crds" / definition.name)

    folder = modules.kept(
        builder, f"flux-{modules.digest(builder.sources, CONTROLLER, PINS)}", build
    )
    return Flux(folder / PROGRAM, folder / "crds")


if __name__ == "__main__":
    raise SystemExit(modules.main(flux, "hack.cluster.flux", __doc__))
