"""What a model server may do: as little as the `restricted` pod security level allows.

A row of the catalogue that needs root says so, with its reason; everything else runs as an
ordinary user on a file system that it cannot write to, with volumes for its home and caches.
"""

from __future__ import annotations

from kaito.catalog.preset import Image
from kaito.kube.objects import Manifest

USER = 65532
"""User and group, the one that images without a shell have come to use."""

_HOME = "/home/model"


def pod_security(image: Image) -> Manifest:
    """Security context of the pod."""
    user: Manifest = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
    }
    return {"seccompProfile": {"type": "RuntimeDefault"}, **({} if image.needs_root else user)}


def container_security(image: Image) -> Manifest:
    """Security context of the server's container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        **({} if image.needs_root else {"readOnlyRootFilesystem": True}),
    }


def writable_folders(image: Image) -> dict[str, str]:
    """Where the server may write: names of volumes, and where they are seen."""
    return {} if image.needs_root else {"home": _HOME, "tmp": "/tmp"}


def home(image: Image) -> list[Manifest]:
    """The variable by which libraries find the place for their caches."""
    return [] if image.needs_root else [{"name": "HOME", "value": _HOME}]
