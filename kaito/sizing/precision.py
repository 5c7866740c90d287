"""The number format in which a GPU can hold a model's weights."""

from __future__ import annotations

from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku

BFLOAT16_CAPABILITY = 8.0
"""CUDA compute capability from which a GPU computes in bfloat16."""


def dtype(preset: Preset, sku: Sku) -> str:
    """What the weights are on this GPU: 16 bits either way, so that sizes do not depend on it."""
    wanted = preset.geometry.dtype if preset.geometry else _launched(preset)
    old = sku.compute_capability is not None and sku.compute_capability < BFLOAT16_CAPABILITY
    return "float16" if old and wanted != "float16" else wanted


def _launched(preset: Preset) -> str:
    """What its authors launch it with, for a model of which no geometry is known."""
    given = (image.dtype for image in preset.images)
    return next((found for found in given if found != "auto"), "auto")
