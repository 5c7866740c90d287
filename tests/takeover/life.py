"""What goes on in the cluster all the time, so that there is always something to write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from hack.cluster.kubelet.instances import SUCCEEDED, Instance
from hack.cluster.kubelet.machine import Machine, conditions, machines, node_manifest
from kaito.kube.errors import AlreadyExists, NotFound
from kaito.kube.kinds import DEPLOYMENTS, NODES
from kaito.kube.objects import Ref
from tests.bystander import NAMESPACE, holds, quick_start, until
from tests.takeover.ground import Ground

SLOTS = 3
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 120.0
INITIALIZED = "karpenter.sh/initialized"
WORKSPACES = f"/apis/kaito.sh/v1alpha1/namespaces/{NAMESPACE}/workspaces"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
DEPLOYED = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"

Json = Any


@dataclass(slots=True)
class Life:
    """Users, kubelets and the built-in controllers, as far as anybody here sees them.

    Attributes:
        ground: where.
        chance: which trouble comes next.
        lives: Workspaces that have come and gone.
    """

    ground: Ground
    chance: Random
    lives: int = 0
    _ending: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self) -> None:
        """Start all of it."""
        slots = [self._slot(number) for number in range(SLOTS)]
        runs = [self._for_ever(self._boot), self._for_ever(self._run_pods), *slots]
        self._tasks = [asyncio.create_task(each) for each in runs]

    async def end(self) -> None:
        """Let the Workspaces that are there go their way, and wait until nothing is left."""
        self._ending = True
        await asyncio.gather(*self._tasks[2:])
        await until("nothing to be left", self._is_empty, limit_seconds=PATIENCE_SECONDS)

    async def stop(self) -> None:
        """Stop at once."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise what has ended a part of it."""
        for each in self._tasks:
            if each.done() and not self._ending:
                each.result()

    async def _for_ever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await step()
            await asyncio.sleep(LOOK_SECONDS)

    async def _boot(self) -> None:
        """Each machine that runs gets its Node."""
        pools = [Instance.model_validate(each) for each in await self.ground.bystander.pools()]
        for machine in machines(tuple(each for each in pools if each.state == SUCCEEDED)):
            if await self.ground.client.get(NODES, Ref("", machine.name)) is None:
                await self._join(machine)

    async def _join(self, machine: Machine) -> None:
        now = datetime.now(UTC)
        manifest: Json = node_manifest(machine, self.ground.layout, version="v1.36.0", now=now)
        try:
            await self.ground.client.create(NODES, manifest)
        except AlreadyExists:
            return
        await self._set_ready(machine.name, ready=True)
        # The API server itself has put a taint on a node that was not ready yet.
        path = NODES.path(Ref("", machine.name))
        await self._patch(path, {"spec": {"taints": manifest["spec"]["taints"]}})

    async def _run_pods(self) -> None:
        """Each Deployment gets as many pods as it asks for, in numbers only."""
        for each in await self.ground.bystander.items(DEPLOYED):
            generation, count = each["metadata"]["generation"], each["spec"]["replicas"]
            if each["status"].get("observedGeneration") == generation:
                continue
            words = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            status = {"observedGeneration": generation, **dict.fromkeys(words, count)}
            ref = Ref(NAMESPACE, each["metadata"]["name"])
            path = DEPLOYMENTS.path(ref, subresource="status")
            await self._patch(path, {"status": status})

    async def _slot(self, number: int) -> None:
        count = 0
        while not self._ending:
            count += 1
            await self._live(f"w{number}-{count}")
            self.lives += 1

    async def _live(self, name: str) -> None:
        """One Workspace from its beginning to its end, with trouble in between."""
        selector = {"matchLabels": {"apps": name}}
        resource = {"instanceType": "Standard_NC6s_v3", "labelSelector": selector}
        wire = json.loads(quick_start(name, resource=resource))
        await self.ground.client.request("POST", WORKSPACES, body=wire)
        await self._until_ready(name)
        troubles = [self._scale, self._redirect, self._unlabel, self._fail]
        for trouble in self.chance.sample(troubles, len(troubles)):
            await trouble(name)
            await self._until_ready(name)
        await self.ground.client.request("DELETE", f"{WORKSPACES}/{name}")
        await self._until(f"{name} to be gone", lambda: self._is_gone(name))

    async def _scale(self, name: str) -> None:
        """Somebody scales the Deployment."""
        path = f"{DEPLOYED}/{name}"
        await self._patch(path, {"spec": {"replicas": 2}})
        await self._until(f"{name} to be scaled back", lambda: self._says(path, 1, "replicas"))

    async def _redirect(self, name: str) -> None:
        """Somebody has the Service lead elsewhere."""
        path, key = f"{SERVICES}/{name}", "kaito.sh/workspace"
        await self._patch(path, {"spec": {"selector": {key: "elsewhere"}}})
        await self._until(f"{name} to be led back", lambda: self._says(path, name, "selector", key))

    async def _unlabel(self, name: str) -> None:
        """Somebody takes a label off the node."""
        for node in await self.ground.bystander.nodes(name):
            path = f"/api/v1/nodes/{node['metadata']['name']}"
            await self._patch(path, {"metadata": {"labels": {INITIALIZED: None}}})
            await self._until(f"{name} to be labelled", lambda: self._is_labelled(name))

    async def _fail(self, name: str) -> None:
        """The node is not ready for a while."""
        for node in await self.ground.bystander.nodes(name):
            await self._set_ready(node["metadata"]["name"], ready=False)
            await self._until(f"{name} to be unready", lambda: self._is_unready(name))
            await self._set_ready(node["metadata"]["name"], ready=True)

    async def _set_ready(self, node: str, *, ready: bool) -> None:
        status = {"conditions": list(conditions((), datetime.now(UTC), ready=ready))}
        path = NODES.path(Ref("", node), subresource="status")
        await self._patch(path, {"status": status}, STRATEGIC)

    async def _patch(self, path: str, patch: Json, content_type: str = MERGE) -> None:
        try:
            await self.ground.client.request("PATCH", path, body=patch, content_type=content_type)
        except NotFound:
            return

    async def _until_ready(self, name: str) -> None:
        await self._until(f"{name} to be ready", lambda: self._is_ready(name))

    async def _until(self, what: str, look: Callable[[], Awaitable[bool]]) -> None:
        await until(what, look, limit_seconds=PATIENCE_SECONDS)

    async def _is_ready(self, name: str) -> bool:
        workspace, claims = await self._both(name)
        return holds(workspace, "WorkspaceReady") and all(holds(each, "Ready") for each in claims)

    async def _is_unready(self, name: str) -> bool:
        workspace, claims = await self._both(name)
        return not (
            holds(workspace, "WorkspaceReady") or any(holds(each, "Ready") for each in claims)
        )

    async def _both(self, name: str) -> tuple[Json, list[Json]]:
        bystander = self.ground.bystander
        return await bystander.workspace(name), await bystander.machines(name)

    async def _is_gone(self, name: str) -> bool:
        return await self.ground.bystander.workspace(name) is None

    async def _is_labelled(self, name: str) -> bool:
        nodes = await self.ground.bystander.nodes(name)
        return all(INITIALIZED in each["metadata"]["labels"] for each in nodes)

    async def _says(self, path: str, value: object, *fields: str) -> bool:
        found = await self.ground.bystander.get(path)
        part = found["spec"]
        for each in fields:
            part = part[each]
        return bool(part == value)

    async def _is_empty(self) -> bool:
        seen = self.ground.bystander
        paths = ("/apis/karpenter.sh/v1alpha5/machines", "/api/v1/nodes", DEPLOYED, WORKSPACES)
        return not (any([await seen.items(each) for each in paths]) or await seen.pools())
