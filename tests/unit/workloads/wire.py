"""Reading rendered objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kaito.api.workspace import Workspace
from kaito.kube.objects import Manifest
from kaito.workloads.inference import Ground, rendered_inference
from tests.unit.controllers.workspace.worlds import PRESET, workspace


def at(manifest: object, *path: str | int) -> Any:
    """What lies at a path of keys and positions."""
    here = manifest
    for step in path:
        if isinstance(step, int):
            assert isinstance(here, Sequence)
            here = here[step]
        else:
            assert isinstance(here, Mapping)
            here = here[step]
    return here


def deployment(subject: Workspace | None = None, *, registry: str = "", gpus: int = 1) -> Manifest:
    """The Deployment of a workspace, by default of the one in `worlds`."""
    ground = Ground(gpus=gpus)
    return rendered_inference(subject or workspace(), PRESET, registry=registry, ground=ground)


def pod(manifest: Manifest) -> Any:
    """The pod spec of a Deployment."""
    return at(manifest, "spec", "template", "spec")


def container(manifest: Manifest) -> Any:
    """The one container of a Deployment's pods."""
    (found,) = pod(manifest)["containers"]
    return found


OWNER = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "name": "w",
    "uid": "0a1b2c3d-0000-4000-8000-000000000001",
    "controller": True,
}
"""The reference by which the garbage collector finds what belongs to the workspace."""
