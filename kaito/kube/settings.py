"""Settings that every controller process has; its own come on top, in a subclass."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kaito.kube import logs
from kaito.kube.flags import Variable


class ProcessSettings(BaseModel):
    """Where a process listens, whom it asks, how it takes turns, what it writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = Field(
        default="0.0.0.0", description="address that the health and metrics ports bind to"
    )
    health_port: int = Field(
        default=8081, ge=0, le=65535, description="TCP port of /healthz and /readyz; 0 picks one"
    )
    metrics_port: int = Field(
        default=8080, ge=0, le=65535, description="TCP port of /metrics; 0 picks one"
    )
    metrics_access: Literal["reviewed", "open"] = Field(
        default="reviewed",
        description="who reads /metrics: reviewed (over TLS, whom the API server lets get"
        " /metrics) or open (plain HTTP, everybody)",
    )
    metrics_certificate: str = Field(
        default="",
        description="folder of tls.crt and tls.key of the metrics port; empty: one is made",
    )
    kubeconfig: Annotated[str, Variable("KUBECONFIG")] = Field(
        default="", description="path of a kubeconfig; empty: the pod's ServiceAccount"
    )
    namespace: Annotated[str, Variable("POD_NAMESPACE")] = Field(
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
        default=15, gt=0, description="how long others wait after our last renewal, in seconds"
    )
    renew_seconds: float = Field(
        default=10, gt=0, description="how long we act after our last renewal, in seconds"
    )
    retry_seconds: float = Field(
        default=2, gt=0, description="from one renewal to the next, in seconds"
    )
    workers: int = Field(
        default=16, ge=1, le=256, description="objects of a kind reconciled at the same time, count"
    )
    log_level: logs.Level = Field(
        default="info", description="least severe log line written: debug, info, warning or error"
    )
    log_format: logs.Format = Field(
        default="json", description="form of a log line: json or console"
    )

    @model_validator(mode="after")
    def _lease_times_are_ordered(self) -> Self:
        """A leader must give up before others may take over, and try often enough before that."""
        if not self.lease_seconds > self.renew_seconds > 1.2 * self.retry_seconds:
            raise ValueError(
                "--lease-seconds must be more than --renew-seconds, and that more than 1.2 times"
                " --retry-seconds"
            )
        return self

    @model_validator(mode="after")
    def _ports_are_apart(self) -> Self:
        """One port cannot speak TLS to some callers and not to others."""
        shared = self.health_port == self.metrics_port != 0
        if shared and self.metrics_access == "reviewed":
            raise ValueError(
                "--health-port and --metrics-port may be the same only with --metrics-access=open"
            )
        return self

    @property
    def certificate_folder(self) -> Path | None:
        """Folder of the metrics port's certificate; None: one is made."""
        return Path(self.metrics_certificate) if self.metrics_certificate else None


P = TypeVar("P", bound=ProcessSettings)


def identified(settings: P) -> P:
    """The settings with a name for this replica that no other process has, unless one is given.

    Two processes may share a host's name; a lease must tell them apart.
    """
    if settings.identity:
        return settings
    identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    return settings.model_copy(update={"identity": identity})
