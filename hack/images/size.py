"""How large an image is: as it is pulled, and as it lies unpacked."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.images.storage import Storage

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Size:
    """Both sizes, in bytes.

    Attributes:
        pulled_bytes: of its compressed layers.
        unpacked_bytes: of its files.
    """

    pulled_bytes: int
    unpacked_bytes: int

    def __str__(self) -> str:
        """For people."""
        pulled, unpacked = self.pulled_bytes / MEGABYTE, self.unpacked_bytes / MEGABYTE
        return f"{pulled:.0f} MB to pull, {unpacked:.0f} MB unpacked"


def size(storage: Storage, image: str, root: Path) -> Size:
    """Measure an image whose file system is at `root`."""
    with tempfile.TemporaryDirectory() as scratch:
        storage.command("push", "--quiet", image, f"dir:{scratch}")
        manifest = json.loads((Path(scratch) / "manifest.json").read_text())
    files = (path.lstat() for path in root.rglob("*"))
    unpacked = sum(each.st_size for each in files)
    return Size(sum(int(layer["size"]) for layer in manifest["layers"]), unpacked)
