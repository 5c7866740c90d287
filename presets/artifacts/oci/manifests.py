"""Manifests: what an image or an artifact consists of."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from oci import answers
from oci.refusals import Corrupt, Refused
from oci.registry import Registry

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
IMAGE = "application/vnd.oci.image.manifest.v1+json"
MANIFESTS = (IMAGE, "application/vnd.docker.distribution.manifest.v2+json")
TITLE = "org.opencontainers.image.title"
"""Annotation of a layer that is one file, as oras pushes it."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One part.

    Attributes:
        digest: "sha256:…" of its bytes.
        size: in bytes.
        media_type: says how it is packed.
        title: name of the file that it is; "" for a layer of an image.
    """

    digest: str
    size: int
    media_type: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a reference stands for.

    Attributes:
        digest: of the manifest itself.
        layers: in order; a later one covers an earlier one.
    """

    digest: str
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Bytes of all layers together, as they are packed."""
        return sum(layer.size for layer in self.layers)


def contents(registry: Registry) -> Contents:
    """Ask for the manifest of the registry's reference; of several the one for this machine.

    Raises:
        Refused: it cannot be had, or is none that can be read.
    """
    digest, manifest = _fetched(registry, registry.reference.version)
    if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
        entries = manifest.get("manifests")
        chosen = _chosen(entries if isinstance(entries, list) else [])
        digest, manifest = _fetched(registry, chosen)
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        raise Refused(
            f"{registry.reference} is neither an image nor an artifact of the OCI",
            "push it anew with a program of today: its manifest is of schema version 1",
        )
    return Contents(digest, tuple(_layer(entry) for entry in layers))


def _fetched(registry: Registry, version: str) -> tuple[str, Mapping[str, object]]:
    """A manifest and its digest, checked."""
    accepted = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
    response = registry.do_request(registry.url(f"manifests/{version}"), headers=accepted)
    if response.status_code != HTTPStatus.OK:
        raise answers.refusal(response, registry.reference, registry.accounts, push=False)
    digest = f"sha256:{hashlib.sha256(response.content).hexdigest()}"
    if version.startswith("sha256:") and digest != version:
        raise corrupt(str(registry.reference), version, digest)
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(
            f"{registry.reference.host} answers with no manifest",
            "check that the address is that of a registry",
        )
    return digest, found


def _chosen(entries: Sequence[Mapping[str, object]]) -> str:
    """Digest of the manifest for this machine; an adapter is the same for all of them."""
    own = _MACHINES.get(platform.machine(), platform.machine())
    ranked = sorted(entries, key=lambda entry: _rank(entry.get("platform"), own))
    if not ranked:
        raise Refused("its index lists no manifest", "push it anew")
    return str(ranked[0].get("digest"))


def _rank(found: object, own: str) -> int:
    """How well a platform fits; an attestation has none that is known."""
    architecture = found.get("architecture") if isinstance(found, dict) else None
    return 0 if architecture == own else 2 if architecture == "unknown" else 1


def _layer(entry: Mapping[str, object]) -> Layer:
    annotations = entry.get("annotations")
    title = annotations.get(TITLE, "") if isinstance(annotations, dict) else ""
    size = entry.get("size")
    return Layer(
        digest=str(entry.get("digest")),
        size=size if isinstance(size, int) else 0,
        media_type=str(entry.get("mediaType")),
        title=str(title),
    )


def corrupt(what: str, wanted: str, found: str) -> Corrupt:
    """Bytes that are not those of a digest."""
    return Corrupt(
        f"{what} came with the digest {found} in place of {wanted}",
        "push it anew: what the registry holds is damaged, or was changed on the way",
    )
