"""Sentences that admission, status and command line have in common.

What stands in braces is filled in, in Python by `format`, in an admission policy by `replace`.
"""

from __future__ import annotations

UNKNOWN_PRESET = "no preset is named {name}"
"""How the sentence begins; what it offers instead depends on who says it."""

UNKNOWN_TYPE = (
    "{name} is not in the table of GPU instance types: check its spelling, upper and lower case"
    " count"
)
PRIVATE_ONLY = (
    "{name} has no public image: set accessMode to private and presetOptions.image to yours"
)
WHOLE = "{name} has its weights in its image and needs no token: leave it out"
REFUSAL = "{need}, {offer}: choose a larger instance type"
OLD = (
    "{name} needs GPUs of compute capability {least} or more, {offer}: choose a newer instance type"
)
AUTHORS = " by its authors' figure"
"""Follows a requirement that the preset's authors state, where nothing is computed."""
FOREIGN = "{name} needs nvidia.com/gpu, {offer}: choose a type with NVIDIA GPUs"
