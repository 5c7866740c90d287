"""Build an image by its Dockerfile, on bases of our own, with wheels that are here already."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hack.images.architectures import Architecture, own_architecture
from hack.images.filesystems import BUILDER, NUMERIC, RUNTIME, SLIM, FileSystem, archive
from hack.images.storage import Storage
from hack.images.wheels import wheels

ROOT = Path(__file__).parents[2]
WHEELS = str(Path("/", "wheels"))
"""Where the steps of a Dockerfile see them."""
FROM_NOTHING = "FROM scratch\nADD {archive} /\n"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built.

    Attributes:
        name: of the image.
        dockerfile: below the repository's root.
        lock: whose packages are in it, likewise; "" where it is built without any.
        base: what it stands on.
        tried: command lines that must end well in it.
        scratch: whether its pods have a volume at /tmp.
        arguments: of the build, beside those that every build has.
    """

    name: str
    dockerfile: str
    lock: str
    base: FileSystem
    tried: tuple[tuple[str, ...], ...]
    scratch: bool = False
    arguments: tuple[tuple[str, str], ...] = ()


KAITO = Recipe(
    name="kaito",
    dockerfile="Dockerfile",
    lock="hack/locks/controller.txt",
    base=RUNTIME,
    tried=(("python", "-m", "kaito", "--help"), ("python", "-m", "provisioner", "--help")),
)
ARTIFACTS = Recipe(
    name="kaito-artifacts",
    dockerfile="presets/artifacts/Dockerfile",
    lock="hack/locks/artifacts.txt",
    base=NUMERIC,
    scratch=True,
    tried=(
        ("python", "/workspace/artifacts/artifacts.py", "--help"),
        ("python", "-c", "import numpy, oras.client, safetensors.numpy"),
        ("python", "/workspace/tuning/check.py", "lora", "/workspace/tuning/training/lora.yaml"),
    ),
)
INFERENCE = Recipe(
    name="kaito-inference",
    dockerfile="presets/inference/Dockerfile",
    lock="hack/locks/inference.txt",
    base=SLIM,
    scratch=True,
    # buildah follows no default of an ARG to a stage.
    arguments=(("PACKAGES", "locked"),),
    tried=(
        ("python", "/workspace/inference/server.py", "--help"),
        ("python", "/workspace/tuning/trainer.py", "--help"),
        ("python", "/workspace/artifacts/artifacts.py", "--help"),
        ("python", "-c", "import bitsandbytes, datasets, peft, torch, transformers, trl"),
    ),
)
UNFURNISHED = replace(
    INFERENCE, name="kaito-unfurnished", lock="", arguments=(("PACKAGES", "lent"),), tried=()
)
"""The inference image without the packages of its lock: they are gigabytes. Not for release."""
BESIDE_VLLM = Recipe(
    name="kaito-vllm",
    dockerfile="presets/inference/vllm.Dockerfile",
    lock="",
    base=SLIM,
    scratch=True,
    tried=(),
)
"""What the image with vLLM has of ours, without vLLM's own image. Not for release."""
RECIPES = {each.name: each for each in (KAITO, ARTIFACTS, INFERENCE)}


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where images are made.

    Attributes:
        folder: for all that is kept.
        report: takes lines of progress.
    """

    folder: Path
    report: Callable[[str], None]

    @property
    def storage(self) -> Storage:
        """Where what is built lies."""
        return Storage(self.folder / "storage")

    def build(self, recipe: Recipe, architecture: Architecture) -> str:
        """Build an image for an architecture; returns its name in the storage.

        Raises:
            ImageFailed: something cannot be had, or a step failed.
        """
        builder = self._base(BUILDER, own_architecture())
        runtime = self._base(recipe.base, architecture)
        packages = self._wheels(recipe, architecture)
        self.report(f"building {recipe.name} for {architecture.name}")
        arguments = {
            "BUILDPLATFORM": own_architecture().platform,
            "TARGETPLATFORM": architecture.platform,
            "TARGETARCH": architecture.name,
            "BUILDER": builder,
            "BASE": runtime,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": WHEELS,
            **dict(recipe.arguments),
        }
        image = f"localhost/{recipe.name}:{architecture.name}"
        self.storage.build(
            [
                *("--platform", architecture.platform, "--timestamp", commit_time()),
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                *("--volume", f"{packages}:{WHEELS}:ro", "--tag", image),
                *("--file", str(ROOT / recipe.dockerfile), str(ROOT)),
            ]
        )
        return image

    def _wheels(self, recipe: Recipe, architecture: Architecture) -> Path:
        """The folder of an image's wheels."""
        folder = self.folder / "wheels"
        if recipe.lock:
            return wheels(ROOT / recipe.lock, architecture, folder, report=self.report)
        (none := folder / "none").mkdir(parents=True, exist_ok=True)
        return none

    def _base(self, system: FileSystem, architecture: Architecture) -> str:
        """Have a base among the images; returns its name."""
        packed = archive(system, architecture, self.folder / "bases", report=self.report)
        image = f"localhost/{system.name}:{architecture.name}"
        self.storage.build(
            [
                *("--platform", architecture.platform, "--timestamp", "0", "--tag", image),
                *("--file", "-", str(packed.parent)),
            ],
            dockerfile=FROM_NOTHING.format(archive=packed.name),
        )
        return image


def commit_time() -> str:
    """Seconds since 1970 at which the sources were committed: an image is as old as they are."""
    told = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "0"
