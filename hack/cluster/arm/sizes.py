"""What a VM size is made of: the rows of sizes.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field


class Size(BaseModel):
    """One VM size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    """Quota is counted by family."""
    vcpus: int = Field(gt=0)
    memory_gib: int = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_memory_gib: int = Field(default=0, ge=0)
    """Of one GPU, not of all."""


def sizes() -> Mapping[str, Size]:
    """Every size that the region sells, by name."""
    rows = yaml.safe_load(Path(__file__).with_name("sizes.yaml").read_text())
    return {name: Size.model_validate(row) for name, row in rows.items()}
