"""A preset: a model, the images that serve it, how they are launched and what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from kaito.catalog.entry import CatalogModel
from kaito.catalog.geometry import Geometry

Origin = Literal["kaito", "upstream"]
"""Who builds an image: we do, or upstream has published it."""

Reason = Annotated[str, StringConstraints(min_length=10)]
PLACEHOLDERS = frozenset(
    {"tensor_parallel", "pipeline_parallel", "context_tokens", "dtype", "memory_share"}
)
"""What a command may say as `{word}`, to be filled with what the GPUs at hand allow."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
OPTIONAL = ("license", "access", "geometry", "inference", "tuning")
"""Keys of a preset that may be absent, each for a reason that `left_out` gives."""


class Image(CatalogModel):
    """An image that serves a model, below the registry that a setting names.

    Attributes:
        origin: who builds it.
        release: upstream's version in which the row was published; None for our own.
        repository: last word of the image's name.
        runtime: library that computes.
        parallel: how its server uses several GPUs: "none" uses one, "layers" puts whole layers on
            each, "tensor" cuts every layer.
        compute_capability: the least CUDA compute capability that its run-time takes; None: any.
        dtype: number format that its authors launch the model with; "auto": what the files say.
        weights: where they are: in the image, or fetched from the hub at every start.
        weights_path: folder of the weights; a volume where they come from the hub.
        token_variable: environment variable in which the server looks for the hub's token.
        command: argument vector of the container's PID 1, with `PLACEHOLDERS`.
        needs_root: why its container runs as root and writes to its own file system; None: it runs
            as an ordinary user, and writes to volumes only.
        pre_stop: command that ends the server, where its launcher would not pass SIGTERM on.
        port: TCP port of the server.
        health_path: answers 200 once the model is loaded.
        disk_storage: size of the node's OS disk, a Kubernetes quantity.
        readiness_timeout_seconds: longest time from the container's start to readiness.
    """

    origin: Origin = "kaito"
    release: str | None = None
    repository: str
    tag: str
    runtime: Literal["transformers", "vllm"] = "transformers"
    parallel: Literal["none", "layers", "tensor"] = "none"
    compute_capability: float | None = Field(default=None, ge=1, le=20)
    dtype: Literal["auto", "bfloat16", "float16"] = "auto"
    weights: Literal["image", "hub"] = "image"
    weights_path: str = Field(default="/workspace/weights", pattern=r"^/")
    token_variable: str | None = None
    command: tuple[str, ...] = Field(min_length=1)
    needs_root: Reason | None = None
    pre_stop: tuple[str, ...] = ()
    port: int = Field(ge=1, le=65535)
    health_path: str = Field(default="/healthz", pattern=r"^/")
    disk_storage: str = Field(pattern=r"^[1-9][0-9]*Gi$")
    readiness_timeout_seconds: int = Field(ge=1)

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Image:
        """A misspelt placeholder would reach the server as it stands."""
        found = {name for word in self.command for name in _PLACEHOLDER.findall(word)}
        if unknown := sorted(found - PLACEHOLDERS):
            known = ", ".join(sorted(PLACEHOLDERS))
            raise ValueError(f"{{{unknown[0]}}} is no placeholder, use one of {known}")
        return self

    def filled(self, values: Mapping[str, str]) -> list[str]:
        """The command with a value in place of each placeholder.

        Args:
            values: a text for every one of `PLACEHOLDERS`.
        """
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in self.command]

    def option(self, flag: str) -> str | None:
        """What the command gives to `--flag=value`; None where it has no such flag."""
        prefix = f"{flag}="
        return next((word[len(prefix) :] for word in self.command if word.startswith(prefix)), None)


class Requirements(CatalogModel):
    """GPUs that the preset's authors ask for."""

    gpu_count: int = Field(ge=1)
    total_gpu_memory_gib: float = Field(ge=0)
    per_gpu_memory_gib: float = Field(ge=0)


class Preset(CatalogModel):
    """A model that can be served or tuned.

    Attributes:
        name: what `preset.name` of a Workspace says.
        aliases: other names of the same model; upper and lower case do not count.
        license: SPDX identifier or the hub's own word.
        access: "public" images hold the weights or fetch them freely, "token" needs one of the
            hub's tokens, "private" needs the user's own image.
        distributed: whether its servers may span several nodes.
        images: the first one is rendered; `read_catalog` keeps those of the chosen origin.
        geometry: None: the authors' stated requirement decides what fits.
        inference: GPUs that its authors ask for to serve.
        tuning: GPUs that its authors ask for to tune; None when the model cannot be tuned.
        left_out: why a key, or the images of an origin, are absent.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    aliases: tuple[str, ...] = ()
    license: str | None = None
    access: Literal["public", "token", "private"] | None = None
    distributed: bool = False
    images: tuple[Image, ...]
    geometry: Geometry | None = None
    inference: Requirements | None = None
    tuning: Requirements | None = None
    left_out: dict[str, Reason] = {}

    def __hash__(self) -> int:
        """That of the name, which equal presets share; not all that a preset holds has one."""
        return hash(self.name)

    @model_validator(mode="after")
    def _size_is_known(self) -> Preset:
        """Something must decide what fits."""
        if self.geometry is None and self.inference is None:
            raise ValueError("geometry and inference are both absent: nothing says what fits")
        return self

    @property
    def absent(self) -> frozenset[str]:
        """Keys, and `images.ORIGIN`, that the preset does not have."""
        origins = {image.origin for image in self.images}
        rows = {f"images.{origin}" for origin in ("kaito", "upstream") if origin not in origins}
        return frozenset({key for key in OPTIONAL if getattr(self, key) is None} | rows)

    @property
    def image(self) -> Image:
        """The image that is rendered; the spec's check has seen to it that there is one."""
        return self.images[0]

    @property
    def is_whole(self) -> bool:
        """Whether the image holds the weights, so that nothing is fetched with a token."""
        return bool(self.images) and self.image.token_variable is None

    @property
    def spans_nodes(self) -> bool:
        """Whether the server that would run can be spread over several nodes."""
        return self.distributed and bool(self.images) and self.image.parallel == "tensor"

    @property
    def command(self) -> tuple[str, ...]:
        """Argument vector that runs the server."""
        return self.image.command

    @property
    def port(self) -> int:
        """TCP port of the server."""
        return self.image.port

    @property
    def health_path(self) -> str:
        """Answers 200 once the model is loaded."""
        return self.image.health_path

    @property
    def disk_storage(self) -> str:
        """Size of the node's OS disk."""
        return self.image.disk_storage

    @property
    def readiness_timeout_seconds(self) -> int:
        """Longest time from the container's start to readiness."""
        return self.image.readiness_timeout_seconds
