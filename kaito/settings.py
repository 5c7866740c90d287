"""Settings of the workspace controller: flags, then environment, then defaults.

The flag `--lease-seconds` and the variable `KAITO_LEASE_SECONDS` are derived from the
field `lease_seconds`. This is the only module here that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_serializer

from kaito.api.nodeclaim import NODE_CLASS_GROUP, NODE_CLASS_KIND
from kaito.kube import VERSION, flags
from kaito.kube.settings import ProcessSettings, identified
from kaito.workloads.carrier import Carrier

PREFIX = "KAITO"
_WITHOUT_PROXY = ("localhost", "127.0.0.1", ".svc", ".cluster.local")
"""What a proxy outside the cluster does not know."""


class Settings(ProcessSettings):
    """Run the workspace controller; `fit` and its like only answer, each has --help."""

    presets_dir: Path = Field(
        default=Path("presets"), description="folder of the catalogue (models/, skus/)"
    )
    cloud: Literal["azure", "aws", "arc"] = Field(
        default="azure", description="whose instance types are known (skus/CLOUD.yaml)"
    )
    preset_registry: str = Field(
        default="", description="registry of public model images; empty: none, bare names"
    )
    claim_kind: Literal["Machine", "NodeClaim", "None"] = Field(
        default="Machine",
        description="Kind of new claims; those of the other Kind are kept; None: nodes are only"
        " brought",
    )
    node_class: str = Field(
        default=f"{NODE_CLASS_GROUP}/{NODE_CLASS_KIND}/default",
        pattern=r"^[^/]+/[^/]+/[^/]+$",
        description="class of new NodeClaims, GROUP/KIND/NAME",
    )
    node_lost_seconds: float = Field(
        default=600,
        gt=0,
        description="how long a node that was bought may be not ready before another follows, in"
        " seconds",
    )
    preset_images: Literal["kaito", "upstream"] = Field(
        default="kaito", description="whose model images are used"
    )
    artifacts_image: str = Field(
        default="",
        description="image of the program that carries adapters and checks registries; empty:"
        " kaito-artifacts of this version",
    )
    ca_bundle: str = Field(
        default="",
        description="ConfigMap in a Workspace's namespace whose key ca.crt holds authorities that"
        " its pods trust beside the usual ones; empty: none",
    )
    https_proxy: str = Field(
        default="",
        description="proxy that pods reach registries, data and the hub through, at addresses of"
        " https and of http",
    )
    no_proxy: str = Field(
        default="",
        description="hosts that pods reach without it, with commas, beside themselves and names"
        " that end in .svc and .cluster.local",
    )
    hub_endpoint: str = Field(
        default="", description="address of the hub that weights come from; empty: its own"
    )
    hub_offline: bool = Field(
        default=False,
        description="whether pods ask no hub: presets whose weights come from there are refused",
    )

    @field_serializer("https_proxy", "hub_endpoint", when_used="json")
    def _without_account(self, address: str) -> str:
        """An address as a log may show it."""
        parts = urlsplit(address)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def new_node_class(self) -> str | None:
        """Class of new NodeClaims; "" while new claims are Machines, None while there are none."""
        classes = {"Machine": "", "NodeClaim": self.node_class}
        return classes.get(self.claim_kind)

    @property
    def carrier(self) -> Carrier:
        """How pods reach registries and hubs."""
        prefix = f"{self.preset_registry}/" if self.preset_registry else ""
        beside = (*_WITHOUT_PROXY, self.no_proxy) if self.https_proxy else (self.no_proxy,)
        variables = {
            "HTTPS_PROXY": self.https_proxy,
            "HTTP_PROXY": self.https_proxy,
            "NO_PROXY": ",".join(host for host in beside if host),
            "HF_ENDPOINT": self.hub_endpoint,
            "HF_HUB_OFFLINE": "1" if self.hub_offline else "",
        }
        return Carrier(
            image=self.artifacts_image or f"{prefix}kaito-artifacts:{VERSION}",
            ca_bundle=self.ca_bundle,
            environment=tuple((name, value) for name, value in variables.items() if value),
        )


def read(argv: Sequence[str]) -> Settings:
    """Settings from the command line and the environment.

    Args:
        argv: arguments without the program's name.

    Raises:
        SystemExit: code 2 when they do not hold, code 0 after `--help`.
    """
    return identified(flags.load(Settings, argv, os.environ, prefix=PREFIX))
