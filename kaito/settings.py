"""Settings of the workspace controller: flags, then environment, then defaults.

The flag `--lease-seconds` and the variable `KAITO_LEASE_SECONDS` are derived from the
field `lease_seconds`. This is the only module here that reads the environment.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kaito.kube import flags

PREFIX = "KAITO"


class Settings(BaseModel):
    """Run the workspace controller; `fit`, `models` and `skus` only answer, each has --help."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = Field(
        default="0.0.0.0", description="address that the health and metrics ports bind to"
    )
    health_port: int = Field(
        default=8081, ge=0, le=65535, description="TCP port of /healthz and /readyz"
    )
    metrics_port: int = Field(default=8080, ge=0, le=65535, description="TCP port of /metrics")
    kubeconfig: str = Field(
        default="", description="path of a kubeconfig; empty: the pod's ServiceAccount"
    )
    namespace: str = Field(
        default="kaito-system", description="namespace of the leader election lease"
    )
    identity: str = Field(
        default="",
        description="name of this replica in the lease; empty: the host's name and a random part",
    )
    leader_elect: bool = Field(
        default=True, description="whether replicas take turns through a lease"
    )
    lease_seconds: float = Field(
        default=15, gt=0, description="how long a lease is valid, in seconds"
    )
    renew_seconds: float = Field(
        default=10, gt=0, description="when a leader that cannot renew stops, in seconds"
    )
    retry_seconds: float = Field(
        default=2, gt=0, description="pause between tries at the lease, in seconds"
    )
    workers: int = Field(
        default=8, ge=1, le=256, description="workspaces reconciled at the same time, count"
    )
    presets_dir: Path = Field(
        default=Path("presets"), description="folder of the catalogue (models/, skus/)"
    )
    preset_registry: str = Field(
        default="", description="registry of public model images; empty: none, bare names"
    )
    preset_images: Literal["kaito", "upstream"] = Field(
        default="kaito", description="whose model images are used"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe log line written: debug, info, warning or error"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="form of a log line: json or console"
    )

    @model_validator(mode="after")
    def _lease_times_are_ordered(self) -> Settings:
        """A leader must give up before others may take over, and try often enough before that."""
        if not self.lease_seconds > self.renew_seconds > 1.2 * self.retry_seconds:
            raise ValueError(
                "lease_seconds must be greater than renew_seconds, and that greater than"
                " 1.2 x retry_seconds"
            )
        return self


def read(argv: Sequence[str]) -> Settings:
    """Settings from the command line and the environment.

    Args:
        argv: arguments without the program's name.
    """
    settings = flags.load(Settings, argv, os.environ, prefix=PREFIX)
    if settings.identity:
        return settings
    # Two processes may share a host's name; a lease must tell them apart.
    identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    return settings.model_copy(update={"identity": identity})
