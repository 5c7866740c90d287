"""What a cluster does around the controllers: nodes join and fall silent, pods run, owners go.

The control plane here has no controllers of its own and no kubelets; this stands for them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from kaito.kube.errors import NotFound
from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref
from tests.bystander import NAMESPACE
from tests.takeover.life import MERGE, STRATEGIC, Life

Json = Any

SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets"
DEPLOYED = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
WORKSPACES = f"/apis/kaito.sh/v1alpha1/namespaces/{NAMESPACE}/workspaces"
OWNED = (SETS, DEPLOYED, SERVICES, PODS)
LOOK_SECONDS = 0.1
SYSTEM_NODE = "system-0"
"""A node that is there all the time: in a cluster without a ready one, none counts as lost."""
LONG_AGO = "2026-01-01T00:00:00Z"


@dataclass(slots=True)
class Surroundings(Life):
    """The parts of `Life` that no user has a hand in, and a few more."""

    _task: asyncio.Task[None] | None = field(default=None)

    def begin(self) -> None:
        """Start all of it."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop at once."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def silence(self, node: str) -> None:
        """A node stops being ready, as its node controller has seen long ago."""
        said = {"type": "Ready", "status": "Unknown", "lastTransitionTime": LONG_AGO}
        path = NODES.path(Ref("", node), subresource="status")
        await self._patch(path, {"status": {"conditions": [said]}}, STRATEGIC)

    async def _run(self) -> None:
        system = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": SYSTEM_NODE}}
        await self.ground.client.create(NODES, system)
        await self._set_ready(SYSTEM_NODE, ready=True)
        await self.ground.client.request("POST", ACCOUNTS, body={"metadata": {"name": "default"}})
        while True:
            await self._boot()
            for path in (SETS, DEPLOYED):
                await self._run_replicas(path)
            await self._run_alone()
            await self._collect()
            await asyncio.sleep(LOOK_SECONDS)

    async def _run_replicas(self, path: str) -> None:
        """Each workload gets as many pods as it asks for, in numbers only."""
        for each in await self.ground.bystander.items(path):
            generation, count = each["metadata"]["generation"], each["spec"]["replicas"]
            if each["status"].get("observedGeneration") != generation:
                words = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
                status = {"observedGeneration": generation, **dict.fromkeys(words, count)}
                where = f"{path}/{each['metadata']['name']}/status"
                await self._patch(where, {"status": status}, MERGE)

    async def _run_alone(self) -> None:
        """Pods that nobody's workload has made look at something, and find it well."""
        for each in await self.ground.bystander.items(PODS):
            if each["status"]["phase"] == "Pending":
                where = f"{PODS}/{each['metadata']['name']}/status"
                await self._patch(where, {"status": {"phase": "Succeeded"}}, MERGE)

    async def _collect(self) -> None:
        """What belongs to a Workspace that is gone goes too, as the garbage collector has it."""
        living = {one["metadata"]["uid"] for one in await self.ground.bystander.items(WORKSPACES)}
        for path in OWNED:
            for each in await self.ground.bystander.items(path):
                owners = {one["uid"] for one in each["metadata"].get("ownerReferences", ())}
                if owners and not owners & living:
                    await self._delete(f"{path}/{each['metadata']['name']}")

    async def _delete(self, path: str) -> None:
        try:
            await self.ground.client.request("DELETE", path)
        except NotFound:
            return
