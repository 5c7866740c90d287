"""Where images lie, and what buildah does there: no daemon, no driver of the kernel's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.images.programs import run


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder of images.

    Attributes:
        folder: where it is; buildah makes it.
    """

    folder: Path

    def build(self, words: Sequence[str], *, dockerfile: str = "") -> None:
        """Carry a Dockerfile out; its text comes from a file that `words` name, or is given."""
        options = ("bud", "--quiet", "--isolation", "chroot", "--pull-never")
        self.command(*options, *words, stdin=dockerfile)
        # What had the name before.
        self.command("rmi", "--prune")

    def config(self, image: str) -> dict[str, Any]:
        """An image's own configuration, as OCI writes it: `architecture`, `config` and more."""
        inspected = json.loads(self.command("inspect", "--type", "image", image))
        return dict(json.loads(inspected["Config"]))

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """An image's file system, while the context is open."""
        container = self.command("from", "--pull-never", image).strip()
        try:
            yield Path(self.command("mount", container).strip())
        finally:
            self.command("rm", container)

    def command(self, *words: str, stdin: str = "") -> str:
        """Run buildah; returns what it prints.

        Raises:
            ImageFailed: it failed, or is not there.
        """
        place = ("--root", str(self.folder / "images"), "--runroot", str(self.folder / "run"))
        return run(["buildah", "--storage-driver", "vfs", *place, *words], stdin=stdin)
