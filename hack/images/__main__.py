"""`hack/image`: build the operator's image, try it, and what a release needs besides."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hack import debian
from hack.cluster.cache import cache_folder
from hack.cluster.failures import Unobtainable
from hack.images import bom
from hack.images.architectures import ARCHITECTURES, Architecture, own_architecture
from hack.images.build import KAITO, RECIPES, ROOT, Recipe, Workshop
from hack.images.pins import pin
from hack.images.programs import ImageFailed
from hack.images.registry import push
from hack.images.sandbox import Sandbox
from hack.images.size import size

QEMU = "qemu-user-static"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="hack/image", description=__doc__)
    made.add_argument("--image", choices=RECIPES, default=KAITO.name, help="default: kaito")
    made.add_argument(
        "--arch", action="append", choices=[*ARCHITECTURES], help="default: this machine's"
    )
    made.add_argument("--sbom", metavar="FOLDER", type=Path, help="write IMAGE-ARCH.cdx.json there")
    made.add_argument("--push", metavar="REFERENCE", help="push all architectures as one image")
    made.add_argument("--cert-dir", metavar="FOLDER", type=Path, help="of the registry's authority")
    made.add_argument(
        "--pin", metavar="NAME@DIGEST", help="only write a digest into the overlays; build nothing"
    )
    return made


def emulator(architecture: Architecture) -> Path | None:
    """What runs an architecture's programs here: nothing, for this machine's own.

    Raises:
        Unobtainable: there is no emulator.
    """
    if architecture == own_architecture():
        return None
    program = f"qemu-{architecture.machine}-static"
    debian.ensure(QEMU, (program,), cache_folder(), report=print)
    return debian.found(program, cache_folder())


def make(recipe: Recipe, architecture: Architecture, workshop: Workshop, boms: Path | None) -> str:
    """Build an image for an architecture, try its programs, and tell its size.

    Raises:
        ImageFailed: it cannot be built, or a program does not start.
    """
    storage, image = workshop.storage, workshop.build(recipe, architecture)
    with ExitStack() as stack:
        root = stack.enter_context(storage.mounted(image))
        config, program = storage.config(image)["config"], emulator(architecture)
        sandbox = Sandbox(root, config, program, scratch=recipe.scratch)
        for words in recipe.tried:
            done = sandbox.run(*words)
            if done.returncode != 0:
                raise ImageFailed(f"{' '.join(words)} failed in {image}: {done.stderr}")
            print(f"{' '.join(words)}: answers")
        print(f"{image}: {size(storage, image, root)}")
        if boms is not None:
            print(listed(recipe, architecture, root, boms))
    return image


def listed(recipe: Recipe, architecture: Architecture, root: Path, folder: Path) -> Path:
    """Write the bill of materials of an image into a folder; returns its file.

    Raises:
        ImageFailed: the tool failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{recipe.name}-{architecture.name}.cdx.json"
    tool = cache_folder() / "sbom" / "bin" / "cyclonedx-py"
    file.write_text(bom.document(tool, ROOT / recipe.lock, ROOT / "pyproject.toml", root=root))
    return file


def main(words: Sequence[str]) -> int:
    """Do what the command line says; returns the exit code."""
    options = parser().parse_args(words)
    try:
        if options.pin:
            for file in pin(options.pin, ROOT / "manifests" / "overlays", image=options.image):
                print(file.relative_to(ROOT))
            return 0
        workshop = Workshop(cache_folder() / "images", report=print)
        names = options.arch or [own_architecture().name]
        recipe = RECIPES[options.image]
        images = [make(recipe, ARCHITECTURES[name], workshop, options.sbom) for name in names]
        if options.push:
            print(push(workshop.storage, images, options.push, certificates=options.cert_dir))
    except (ImageFailed, Unobtainable, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
