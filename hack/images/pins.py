"""Write a released image's digest into the `images:` block of each overlay."""

from __future__ import annotations

import re
from pathlib import Path

RELEASED = ("aks", "airgapped", "byo", "karpenter")
"""Not the local overlay: its image is this checkout."""

MIRRORED = "REGISTRY_HERE"
"""In a name that the user fills in: the digest is written, the name stays.

Such an overlay stands on another one, and has to look for the name that this one gives.
"""

REFERENCE = re.compile(r"(?P<name>[a-z0-9][\w.:/-]*)@(?P<digest>sha256:[0-9a-f]{64})")
ENTRY = re.compile(
    r"^  - name: \S*kaito\n    newName: (?P<name>\S+)\n    (?:newTag|digest): \S+$", re.MULTILINE
)


def pin(reference: str, overlays: Path) -> list[Path]:
    """Name an image by its digest in all overlays that are released; returns their files.

    Args:
        reference: `NAME@sha256:…`.
        overlays: manifests/overlays.

    Raises:
        ValueError: the reference has no digest, or an overlay has no such entry.
    """
    found = REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference!r} is not NAME@sha256:DIGEST")
    files = [overlays / name / "kustomization.yaml" for name in RELEASED]
    texts = [pinned(file.read_text(), found["name"], found["digest"]) for file in files]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return files


def pinned(text: str, name: str, digest: str) -> str:
    """A kustomization that names the image by its digest.

    Raises:
        ValueError: it has no entry of the image, or several.
    """

    def entry(old: re.Match[str]) -> str:
        mirrored = MIRRORED in old["name"]
        sought, given = (name, old["name"]) if mirrored else ("kaito", name)
        return f"  - name: {sought}\n    newName: {given}\n    digest: {digest}"

    changed, count = ENTRY.subn(entry, text)
    if count != 1:
        raise ValueError(f"{count} entries of the image kaito under images:, not one")
    return changed
