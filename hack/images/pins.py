"""Write a released image's digest into each overlay: in `images:`, or in a setting."""

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
SETTING = re.compile(r"^(?P<key> +- KAITO_ARTIFACTS_IMAGE=)(?P<name>[^:@\s]+)\S*$", re.MULTILINE)
"""The image that pods of workspaces run is not in the manifests: a setting names it."""


def pin(reference: str, overlays: Path, *, image: str = "kaito") -> list[Path]:
    """Name an image by its digest in all overlays that are released; returns their files.

    Args:
        reference: `NAME@sha256:…`.
        overlays: manifests/overlays.
        image: kaito, or kaito-artifacts.

    Raises:
        ValueError: the reference has no digest, or overlays have no such entry.
    """
    found = REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference!r} is not NAME@sha256:DIGEST")
    named = WRITERS.get(image)
    if named is None:
        raise ValueError(f"no overlay names {image}: workspaces do, by their preset's registry")
    files = [overlays / name / "kustomization.yaml" for name in RELEASED]
    texts = [named(file.read_text(), found["name"], found["digest"]) for file in files]
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


def set_to(text: str, name: str, digest: str) -> str:
    """A kustomization whose setting names the artifacts image by its digest.

    Raises:
        ValueError: it has no such setting, or several.
    """

    def setting(old: re.Match[str]) -> str:
        given = old["name"] if MIRRORED in old["name"] else name
        return f"{old['key']}{given}@{digest}"

    changed, count = SETTING.subn(setting, text)
    if count != 1:
        raise ValueError(f"{count} settings KAITO_ARTIFACTS_IMAGE, not one")
    return changed


WRITERS = {"kaito": pinned, "kaito-artifacts": set_to}
"""How each image is named in an overlay."""
