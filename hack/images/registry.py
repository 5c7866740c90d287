"""Push the images of all architectures as one, whose digest names them all."""

from __future__ import annotations

import json
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
    if index in storage.command("images", "--format", "{{.Name}}:{{.Tag}}").split():
        storage.command("manifest", "rm", index)
    storage.command("manifest", "create", index, *images)
    options = () if certificates is None else ("--cert-dir", str(certificates))
    send = ("manifest", "push", "--quiet", "--all", "--format", "oci")
    with tempfile.TemporaryDirectory() as scratch:
        # This buildah tells no digest of an index, but writes it into a folder of images.
        storage.command(*send, index, f"oci:{scratch}:index")
        (entry,) = json.loads((Path(scratch) / "index.json").read_text())["manifests"]
    storage.command(*send, *options, index, f"docker://{reference}")
    return f"{reference.rpartition(':')[0]}@{entry['digest']}"
