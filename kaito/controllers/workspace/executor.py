"""Carry out the actions of a plan, in order. Doing one twice is harmless."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES, Workspace
from kaito.controllers.workspace.step import (
    Action,
    AddFinalizer,
    Apply,
    Create,
    Delete,
    ReleaseFinalizer,
    Step,
)
from kaito.kube import logs
from kaito.kube.client import Client
from kaito.kube.errors import Conflict, NotFound
from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource
from kaito.kube.writer import Writer
from kaito.nodes.claim import traced

log = structlog.get_logger()


class Executor:
    """Does what plans say, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._writer = Writer(client)

    async def run(self, steps: Sequence[Step]) -> int:
        """Carry out every action of `steps`.

        Returns:
            How many there were.

        Raises:
            KubeError: the first that fails; those before it are done, those after it are not.
            NameTaken: something that was to be created is somebody else's.
        """
        actions = [action for step in steps for action in step.actions]
        for action in actions:
            await self._act(action)
        return len(actions)

    async def _act(self, action: Action) -> None:
        """Carry out one action."""
        match action:
            case Create():
                await self._create(action)
            case Apply(resource, manifest, seen):
                await self._writer.apply(resource, seen, manifest)
                log.info("workload.applied", target=resource.kind)
            case Delete(resource, seen):
                await self._writer.delete(resource, seen)
                log.info("object.deleted", target=resource.kind, target_name=seen.metadata.name)
            case AddFinalizer(workspace):
                await self._writer.add_finalizer(WORKSPACES, workspace, labels.WORKSPACE_FINALIZER)
            case ReleaseFinalizer(workspace):
                await self._release(workspace)

    async def _create(self, action: Create) -> None:
        """Create an object; a claim has no owner that could be referred to, but a label."""
        is_claim = action.resource in (MACHINES, NODECLAIMS)
        manifest = traced(action.manifest, logs.reconcile_id()) if is_claim else action.manifest
        made = await self._writer.create(
            action.resource, manifest, owner_uid=action.owner_uid, mark=labels.CREATED_FOR
        )
        if made is not None:
            name = made.metadata.name
            log.info("object.created", target=action.resource.kind, target_name=name)

    async def _release(self, workspace: Workspace) -> None:
        """Remove our finalizer, after a look at the API server itself."""
        selector = f"{labels.CREATED_FOR}={workspace.metadata.uid}"
        for kind in (MACHINES, NODECLAIMS):
            if await self._exists(kind, selector):
                raise Conflict(409, "Conflict", f"a {kind.kind} of this Workspace still exists")
        await self._writer.remove_finalizer(WORKSPACES, workspace, labels.WORKSPACE_FINALIZER)
        log.info("workspace.released")

    async def _exists(self, kind: Resource[KubeObject], selector: str) -> bool:
        """Whether there is an object of a kind; of a kind that is not installed there is none."""
        try:
            return bool(await self._client.list(kind, labels=selector))
        except NotFound:
            return False
