"""Which image a workspace's model comes in."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.api.spec import PresetSpec
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset


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
