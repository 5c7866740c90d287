"""Which image a workspace's model comes in."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.api.spec import PresetSpec
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset

_UNNAMED = "docker.io/library/"
"""What a container runtime puts before a name without a registry."""


@dataclass(frozen=True, slots=True)
class ModelImage:
    """An image reference, and the secrets to pull it with."""

    reference: str
    pull_secrets: tuple[str, ...] = ()


def model_image(workspace: Workspace, preset: Preset, *, registry: str) -> ModelImage:
    """The image of a workspace's preset: KAITO's public one, or the user's private one.

    Args:
        workspace: has a preset, for inference or for tuning.
        preset: the model that it names.
        registry: where public images are, e.g. "mcr.microsoft.com/aks/kaito"; "" for none.
    """
    wanted = preset_of(workspace)
    if wanted and wanted.access_mode == "private" and wanted.preset_options.image:
        options = wanted.preset_options
        return ModelImage(options.image or "", options.image_pull_secrets)
    prefix = f"{registry}/" if registry else ""
    return ModelImage(f"{prefix}{preset.image.repository}:{preset.image.tag}")


def preset_of(workspace: Workspace) -> PresetSpec | None:
    """The preset that a workspace names, for inference or for tuning."""
    if workspace.inference:
        return workspace.inference.preset
    return workspace.tuning.preset if workspace.tuning else None


def registry_setting(reference: str) -> str:
    """The setting that should have named the registry of an image of KAITO's.

    Args:
        reference: of a container, as the spec or the container runtime has it.

    Returns:
        The name of a variable; "" for an image that has a registry, or is not KAITO's.
    """
    name = reference.removeprefix(_UNNAMED)
    if "/" in name or not name.startswith("kaito-"):
        return ""
    is_carrier = name.startswith("kaito-artifacts:")
    return "KAITO_ARTIFACTS_IMAGE" if is_carrier else "KAITO_PRESET_REGISTRY"
