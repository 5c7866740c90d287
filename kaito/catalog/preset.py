"""A preset: a model, its image, how it is launched and what it needs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CatalogModel(BaseModel):
    """A frozen value of a catalogue file; a key that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Image(CatalogModel):
    """Where the model's image is, below the registry that a setting names."""

    repository: str
    tag: str


class Requirements(CatalogModel):
    """GPUs that the preset's authors ask for."""

    gpu_count: int = Field(ge=1)
    total_gpu_memory_gib: float = Field(ge=0)
    per_gpu_memory_gib: float = Field(ge=0)


class Preset(CatalogModel):
    """A model that can be served or tuned.

    Attributes:
        name: what `preset.name` of a Workspace says.
        command: argument vector that runs the server as PID 1.
        port: TCP port of the server.
        health_path: answers 200 once the model is loaded.
        disk_storage: size of the node's OS disk, a Kubernetes quantity.
        readiness_timeout_seconds: longest time from the container's start to readiness.
        inference: GPUs needed to serve.
        tuning: GPUs needed to tune; None when the model cannot be tuned.
    """

    name: str
    aliases: tuple[str, ...] = ()
    image: Image
    command: tuple[str, ...] = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    health_path: str = "/healthz"
    disk_storage: str
    readiness_timeout_seconds: int = Field(ge=1)
    inference: Requirements
    tuning: Requirements | None = None
