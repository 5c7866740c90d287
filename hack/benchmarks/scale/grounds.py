"""What a run stands on: an API server with etcd, and infrastructure of one kind or the other."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.benchmarks.scale.programs import answering
from hack.benchmarks.scale.record import NAMESPACE, workspace
from hack.benchmarks.scale.script import NAME, send
from hack.cluster.arm.settings import Pace
from hack.cluster.layout import Layout
from kaito.kube.client import Client
from tests import realserver
from tests.provisioner.stack import Stack, stacked

POOL_SECONDS = 5.0
DELETE_SECONDS = 1.0
_POLLING = {"PROVISIONER_POLL_SECONDS": "15", "PROVISIONER_POLL_BUSY_SECONDS": "0.5"}
"""The first as by default, the second as on every local cluster."""

Json = Any


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run takes place.

    Attributes:
        layout: of the servers.
        client: of the administrator.
        stack: the cloud; None where nodes need none.
    """

    layout: Layout
    client: Client
    stack: Stack | None = None

    def pool(self, name: str) -> Json:
        """Properties of a pool, as they were asked for; None where there is no cloud."""
        if self.stack is None:
            return None
        found: Json = self.stack.door.instances()
        pool = next(each for each in found["instances"] if each["pool"] == name)
        return {
            "count": 1,
            "vmSize": pool["vmSize"],
            "nodeLabels": pool["labels"],
            "nodeTaints": pool["taints"],
        }

    async def buy(self, pools: Mapping[str, Json]) -> None:
        """Begin to create these pools, all at once."""
        if self.stack and pools:
            await self.stack.portal.create_all(pools)


Opened = AbstractAsyncContextManager[Ground]


@asynccontextmanager
async def instant(*, controlled: bool) -> AsyncIterator[Ground]:
    """Machines are Ready, and pods run, as soon as they are seen.

    Args:
        controlled: whether controllers run; it makes no difference here.
    """
    async with realserver.serving(cached=True) as layout:
        client = await realserver.connect(layout, "bench")
        try:
            await _settle(client)
            async with answering(layout, "--machines"):
                yield Ground(layout, client)
        finally:
            await client.close()


@asynccontextmanager
async def pools(*, controlled: bool) -> AsyncIterator[Ground]:
    """Machines are pools of an ARM server, each of which takes five seconds.

    Args:
        controlled: whether the provisioner serves the Machines.
    """
    pace = Pace(provision_seconds=POOL_SECONDS, delete_seconds=DELETE_SECONDS)
    with tempfile.TemporaryDirectory() as evidence:
        async with stacked(Path(evidence), pace=pace) as stack:
            if controlled:
                await stack.start(**_POLLING)
                await stack.ready()
            await _settle(stack.client)
            async with answering(stack.layout):
                yield Ground(stack.layout, stack.client, stack)


async def _settle(client: Client) -> None:
    """Have the server ready for all that follows.

    The ServiceAccount of pods is made, as the controller manager does where there is one. A new
    server takes up to two seconds until it knows which addresses a Service may have, and as long
    until it has read the policies that admit a Workspace: that is no part of any figure.
    """
    of_namespace = f"/api/v1/namespaces/{NAMESPACE}"
    await client.request(
        "POST", f"{of_namespace}/serviceaccounts", body={"metadata": {"name": "default"}}
    )
    first = {"metadata": {"name": "first"}, "spec": {"ports": [{"port": 80}]}}
    await client.request("POST", f"{of_namespace}/services", body=first)
    await client.request("DELETE", f"{of_namespace}/services/first")
    tried = workspace(finalizer=False)
    await send(client, tried.model_copy(update={"query": "dryRun=All"}), {NAME: "first"})


GROUNDS: Mapping[str, Callable[..., Opened]] = {"instant": instant, "pools": pools}
