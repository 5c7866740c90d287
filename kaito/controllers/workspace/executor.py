"""Carry out the actions of a plan, in order. Doing one twice is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES, Workspace
from kaito.controllers.workspace.observe import workspace_of
from kaito.controllers.workspace.step import (
    Action,
    AddFinalizer,
    Apply,
    Create,
    Delete,
    DeleteUnseen,
    Pin,
    ReleaseFinalizer,
    Step,
    Unpin,
)
from kaito.kube import logs
from kaito.kube.client import Client
from kaito.kube.errors import Conflict, NotFound
from kaito.kube.kinds import DEPLOYMENTS, JOBS, NODES, STATEFULSETS, Node
from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource
from kaito.kube.writer import Gone, LabelsLost, Writer
from kaito.nodes.claim import is_made_for, traced
from kaito.nodes.selection import holder

_RELABELLED = (DEPLOYMENTS, STATEFULSETS)
"""What gets labels back that it has lost: of other Kinds there is no right to change any."""
_LOST_SECONDS = 10.0
"""How soon to look whether a claim has gone of which no cache tells: a pool takes minutes."""

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
            LabelsLost: it is there and ours, and our caches never hear of it.
        """
        actions = [action for step in steps for action in step.actions]
        for action in actions:
            await self._act(action)
        return len(actions)

    async def _act(self, action: Action) -> None:
        """Carry out one action."""
        match action:
            case Create():
                await self._ensure(action)
            case Apply(resource, manifest, seen):
                await self._writer.apply(resource, seen, manifest)
                log.info("workload.applied", target=resource.kind)
            case Delete(resource, seen):
                await self._delete(resource, seen)
            case DeleteUnseen(workspace):
                await self._delete_unseen(workspace)
            case AddFinalizer(workspace):
                await self._writer.add_finalizer(WORKSPACES, workspace, labels.WORKSPACE_FINALIZER)
            case Pin() | Unpin():
                await self._mark(action)
            case ReleaseFinalizer():
                await self._release(action)

    async def _ensure(self, action: Create) -> None:
        """Create an object; one that our caches lost sight of is given its labels back."""
        try:
            await self._create(action)
        except LabelsLost as error:
            if action.resource not in _RELABELLED:
                raise
            patch = {"metadata": {"labels": error.labels}}
            made = await self._writer.patch(action.resource, error.found, patch)
            if not error.labels.items() <= made.metadata.labels.items():
                raise  # A webhook takes them off.
            log.info(
                "object.relabelled",
                target=action.resource.kind,
                target_name=error.found.metadata.name,
            )

    async def _create(self, action: Create) -> None:
        """Create an object; a claim has no owner that could be referred to, but a label.

        What a template holds is sent as it is written, so that a misspelt field would be dropped in
        silence. Who serves the claims may have older definitions of them than we: theirs is that.
        """
        is_claim = action.resource in (MACHINES, NODECLAIMS)
        manifest = traced(action.manifest, logs.reconcile_id()) if is_claim else action.manifest
        made = await self._writer.create(
            action.resource,
            manifest,
            owner_uid=action.owner_uid,
            is_ours=partial(is_made_for, workspace_uid=action.owner_uid),
            strict=not is_claim,
        )
        if made is not None:
            name = made.metadata.name
            log.info("object.created", target=action.resource.kind, target_name=name)

    async def _mark(self, action: Pin | Unpin) -> None:
        """Label a node, or take our label off."""
        if isinstance(action, Pin):
            await self._pin(action.node, action.uid)
        else:
            await self._unpin(action.node)

    async def _pin(self, node: Node, uid: str) -> None:
        """Label a node; whose label it carries already is looked for in the API server itself."""
        other = holder(node)
        if other and any(
            each.metadata.uid == other for each in await self._client.list(WORKSPACES)
        ):
            raise Conflict(409, "Conflict", f"{node.metadata.name} is another Workspace's")
        await self._writer.patch(NODES, node, {"metadata": {"labels": {labels.CREATED_FOR: uid}}})
        log.info("node.pinned", node=node.metadata.name)

    async def _unpin(self, node: Node) -> None:
        """Take our label off a node."""
        try:
            await self._writer.patch(
                NODES, node, {"metadata": {"labels": {labels.CREATED_FOR: None}}}
            )
        except Gone:
            return
        log.info("node.unpinned", node=node.metadata.name)

    async def _release(self, action: ReleaseFinalizer) -> None:
        """Remove our finalizer, after a look at the API server itself.

        A claim that has lost our other labels is in no cache: nobody else would give it back.
        """
        workspace = action.workspace
        selector = f"{labels.CREATED_FOR}={workspace.metadata.uid}"
        pinned = f"{selector},!{labels.WORKSPACE},!{labels.RAGENGINE}"
        for kind, of in ((MACHINES, selector), (NODECLAIMS, selector), (NODES, pinned)):
            found = await self._found(kind, of)
            claims = found if kind is not NODES else ()
            lost = [each for each in claims if workspace.ref not in workspace_of(each)]
            for each in lost:
                if not each.is_deleting:
                    await self._delete(kind, each)
            if found:
                said = f"a {kind.kind} of this Workspace still exists"
                wait = _LOST_SECONDS if lost else None
                raise Conflict(409, "Conflict", said, retry_after_seconds=wait)
        await self._writer.remove_finalizer(WORKSPACES, workspace, labels.WORKSPACE_FINALIZER)
        log.info("workspace.released")

    async def _found(self, kind: Resource[KubeObject], selector: str) -> Sequence[KubeObject]:
        """The objects of a kind; of a kind that is not installed there is none."""
        try:
            return await self._client.list(kind, labels=selector)
        except NotFound:
            return ()

    async def _delete_unseen(self, workspace: Workspace) -> None:
        """Delete what runs the Workspace's pods, as the API server itself knows it."""
        for kind in (DEPLOYMENTS, STATEFULSETS, JOBS):
            found: KubeObject | None = await self._client.get(kind, workspace.ref)
            owners = {owner.uid for owner in found.metadata.owner_references} if found else set()
            if found and workspace.metadata.uid in owners and not found.is_deleting:
                await self._delete(kind, found)

    async def _delete(self, kind: Resource[KubeObject], seen: KubeObject) -> None:
        """Delete an object as it was seen."""
        await self._writer.delete(kind, seen)
        log.info("object.deleted", target=kind.kind, target_name=seen.metadata.name)
