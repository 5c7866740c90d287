"""What the server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class Pace(TypedDict, total=False):
    """Those of the settings that make a server quicker or slower."""

    provision_seconds: float
    delete_seconds: float
    page_size: int
    poll_seconds: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one ARM server."""

    home: Path
    """The cluster's folder; the server keeps its own things in arm/ under it."""
    certificate: Path
    """Its TLS certificate, PEM, with what leads to the CA."""
    key: Path
    """The key of that certificate, PEM."""
    issuer_key: Path
    """Public key by which the cluster's ServiceAccount tokens are checked, PEM."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 for one that the system chooses."""
    provision_seconds: float = 3.0
    """How long it takes to create or change a pool."""
    delete_seconds: float = 2.0
    """How long it takes to delete one."""
    page_size: int = 50
    """Pools on one page of a list: a cluster may have more, so that nextLink is walked."""
    poll_seconds: int = 1
    """Retry-After of an operation in progress; 0 leaves the header out."""
    token_seconds: int = 3600
    """How long a bearer token holds."""

    @property
    def folder(self) -> Path:
        """Where the server keeps its state, journal, scenario and URL."""
        return self.home / "arm"
