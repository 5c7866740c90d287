"""Push the images of all architectures as one, whose digest names them all."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hack.images.storage import Storage


def push(
    storage: Storage, images: Sequence[str], reference: str, *, certificates: Path | None = None
) -> str:
    """Push images under one name; returns `NAME@sha256:…`.

    Who may push is what buildah knows: `buildah login`, or the file that $REGISTRY_AUTH_FILE names.

    Args:
        storage: where the images are.
        images: one for each architecture.
        reference: registry, repository and tag.
        certificates: folder with the authority (ca.crt) of a registry that has its own.

    Raises:
        ImageFailed: the registry refuses.
    """
    index = f"localhost/index:{reference.rpartition(':')[2]}"
    storage.command("manifest", "rm", index) if _exists(storage, index) else None
    storage.command("manifest", "create", index, *images)
    options = [] if certificates is None else ["--cert-dir", str(certificates)]
    with tempfile.TemporaryDirectory() as scratch:
        digest = Path(scratch) / "digest"
        words = (*options, "--digestfile", str(digest), "--all", index, f"docker://{reference}")
        storage.command("manifest", "push", *words)
        return f"{reference.rpartition(':')[0]}@{digest.read_text().strip()}"


def _exists(storage: Storage, index: str) -> bool:
    return index in storage.command("images", "--format", "{{.Name}}:{{.Tag}}").split()
