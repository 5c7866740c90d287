"""The virtual machines that exist, as the ARM server's local door tells them.

The door is no part of Azure: it stands for the machines themselves booting and vanishing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator

import aiohttp
import structlog
from pydantic import Field, ValidationError

from hack.cluster.layout import Layout
from kaito.kube.objects import KubeModel

log = structlog.get_logger()

WAIT_SECONDS = 30
RETRY_SECONDS = 0.5
SUCCEEDED = "Succeeded"
UNKNOWN = -1
"""A revision that there never is."""


class Instance(KubeModel):
    """The machines of one agent pool that exist, whatever is being done to the pool.

    Attributes:
        pool: name of the pool.
        state: its provisioningState.
        vm_size: e.g. "Standard_NC6s_v3".
        ordinals: one number for each machine, unique in the cluster for ever.
        scale_set: name of the VM scale set that they belong to.
        node_resource_group: of that scale set.
        labels: the pool's nodeLabels.
        taints: the pool's nodeTaints, each "key=value:effect".
        gpus: of one machine; 0 for none.
        vcpus: of one machine.
        memory_gib: of one machine.
        disk_gib: of one machine.
        mode: "System" or "User".
    """

    pool: str
    state: str
    vm_size: str
    ordinals: tuple[int, ...]
    scale_set: str
    node_resource_group: str
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()
    gpus: int = 0
    vcpus: int
    memory_gib: float = Field(alias="memoryGiB")
    disk_gib: int = Field(default=128, alias="osDiskSizeGiB")
    mode: str = "User"


class Answer(KubeModel):
    """What the door says."""

    revision: int
    instances: tuple[Instance, ...] = ()


async def follow(layout: Layout, http: aiohttp.ClientSession) -> AsyncGenerator[Answer, None]:
    """All pools, now and after each change; it waits while the ARM server is away."""
    revision = UNKNOWN
    while True:
        try:
            answer = await _ask(layout, http, revision)
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            log.warning("instances.delayed", error=str(error) or type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
            revision = UNKNOWN
            continue
        if answer.revision != revision:
            yield answer
        revision = answer.revision


async def _ask(layout: Layout, http: aiohttp.ClientSession, revision: int) -> Answer:
    trust = ssl.create_default_context(cafile=layout.arm_ca_certificate)
    async with http.get(
        f"{layout.arm_url}/local/instances",
        params={"since": str(revision), "wait": str(WAIT_SECONDS)},
        ssl=trust,
        timeout=aiohttp.ClientTimeout(total=2 * WAIT_SECONDS),
        raise_for_status=True,
    ) as response:
        return Answer.model_validate(await response.json())
