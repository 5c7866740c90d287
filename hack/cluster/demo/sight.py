"""What a bystander sees of one workspace: through the API server and the ARM server's journal.

The demo only looks: it writes nothing but the quick start itself, with kubectl.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from pydantic import BaseModel

from hack.cluster.layout import Layout
from kaito.api import labels
from kaito.api.machine import MACHINES, Machine
from kaito.kube.client import Client
from kaito.kube.kinds import NODES, PODS, Node, Pod

DEFAULT_NAMESPACE = "default"

D = TypeVar("D", bound=BaseModel)


class Entry(BaseModel):
    """One request that ARM has answered."""

    method: str
    pool: str | None = None
    status: int


class Journal(BaseModel):
    """Every request so far."""

    requests: tuple[Entry, ...]


class Instance(BaseModel):
    """A pool whose VMs exist."""

    pool: str
    state: str
    mode: str


class Instances(BaseModel):
    """Every pool whose VMs exist."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """One look.

    Attributes:
        machines: Machines made for the workspace.
        nodes: nodes made for it.
        pods: its pods.
        requested: names of pools that ARM was asked for and agreed to create.
        instances: state of each pool whose VMs exist, by name, the system pool left out.
    """

    machines: tuple[Machine, ...]
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    requested: tuple[str, ...]
    instances: Mapping[str, str]


class Bystander:
    """Looks at one workspace again and again."""

    def __init__(self, layout: Layout, workspace: str) -> None:
        self._layout = layout
        self._selector = f"{labels.WORKSPACE}={workspace}"

    async def __aenter__(self) -> Self:
        self._client = await Client.connect(
            user_agent="kaito-demo",
            field_manager="kaito-demo",
            kubeconfig=str(self._layout.admin_kubeconfig),
        )
        trusted = ssl.create_default_context(cafile=str(self._layout.arm_ca_certificate))
        self._arm = aiohttp.ClientSession(
            base_url=self._layout.arm_url, connector=aiohttp.TCPConnector(ssl=trusted)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._arm.close()
        await self._client.close()

    async def look(self) -> Sight:
        """See everything once."""
        journal = await self._door("journal", Journal)
        instances = await self._door("instances", Instances)
        return Sight(
            machines=await self._client.list(MACHINES, labels=self._selector),
            nodes=await self._client.list(NODES, labels=self._selector),
            pods=await self._client.list(PODS, namespace=DEFAULT_NAMESPACE, labels=self._selector),
            requested=tuple(
                entry.pool or ""
                for entry in journal.requests
                if entry.method == "PUT" and entry.status == HTTPStatus.CREATED
            ),
            instances={
                each.pool: each.state for each in instances.instances if each.mode != "System"
            },
        )

    async def _door(self, name: str, kind: type[D]) -> D:
        """Read from the ARM server's local door."""
        async with self._arm.get(f"/local/{name}") as response:
            return kind.model_validate_json(await response.read())
