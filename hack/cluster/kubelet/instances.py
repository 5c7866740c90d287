"""The virtual machines that exist, as the ARM server's local door tells them.

The door is no part of Azure: it stands for the machines themselves booting and vanishing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import aiohttp
import structlog
from pydantic import Field, ValidationError

from hack.cluster.layout import Layout
from kaito.kube.objects import KubeModel

log = structlog.get_logger()

WAIT_SECONDS = 30
RETRY_SECONDS = 0.5
SUCCEEDED = "Succeeded"


class Instance(KubeModel):
    """The machines of one agent pool.

    Attributes:
        pool: name of the pool.
        state: its provisioningState.
        vm_size: e.g. "Standard_NC6s_v3".
        count: how many machines it has.
        labels: the pool's nodeLabels.
        taints: the pool's nodeTaints, each "key=value:effect".
        gpus: of one machine; 0 for none.
        vcpus: of one machine.
        memory_gib: of one machine.
        mode: "System" or "User".
        number: unique among the pools of the cluster, 1 to 4095; gives addresses.
        gpu_model: for the label that a GPU operator would set; "" when it is not known.
    """

    pool: str
    state: str
    vm_size: str = ""
    count: int = 1
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()
    gpus: int = 0
    vcpus: int = 2
    memory_gib: float = Field(default=8, alias="memoryGiB")
    mode: str = "User"
    number: int

    @property
    def exists(self) -> bool:
        """Whether its machines run: a pool that was never there in full has none."""
        return self.state not in ("Creating", "Failed", "Canceled")


class Answer(KubeModel):
    """What the door says."""

    revision: int = 0
    instances: tuple[Instance, ...] = ()


async def follow(layout: Layout, http: aiohttp.ClientSession) -> AsyncIterator[Answer]:
    """All pools, now and after each change; it waits while the ARM server is away."""
    revision = 0
    while True:
        try:
            answer = await _ask(layout, http, revision)
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            log.warning("instances.delayed", error=str(error) or type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
            revision = 0
            continue
        if answer.revision != revision or not revision:
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
