"""Carry out the actions of a plan, in order. Doing one twice is harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.workspace import WORKSPACES
from kaito.controllers.workspace.step import (
    Action,
    Apply,
    Create,
    Delete,
    ReleaseFinalizer,
    SetFinalizers,
    Step,
)
from kaito.kube.client import Client
from kaito.kube.errors import AlreadyExists, Conflict, NotFound, OperatorError
from kaito.kube.objects import Manifest, Ref

log = structlog.get_logger()


class NameTaken(OperatorError):
    """An object of the name that we need belongs to somebody else."""

    def __init__(self, kind: str, ref: Ref) -> None:
        super().__init__(
            f"{kind} {ref.name} exists and belongs to somebody else: rename or delete it,"
            " or give the Workspace another name"
        )


class Executor:
    """Does what plans say, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

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
            case Apply():
                await self._apply(action)
            case Delete(resource, ref, uid, version):
                await self._client.delete(resource, ref, uid=uid, resource_version=version)
                log.info("object.deleted", target=resource.kind, target_name=ref.name)
            case SetFinalizers(ref, version, finalizers):
                await self._set_finalizers(ref, version, finalizers)
            case ReleaseFinalizer():
                await self._release(action)

    async def _apply(self, action: Apply) -> None:
        """Mend an object, unless it changed since it was seen."""
        await self._client.apply(
            action.resource,
            decided_on(action.manifest, uid=action.uid, version=action.resource_version),
        )
        log.info("workload.applied", target=action.resource.kind)

    async def _create(self, action: Create) -> None:
        """Create an object; one of the same name is success if it is ours."""
        try:
            made = await self._client.create(action.resource, action.manifest)
        except AlreadyExists:
            await self._adopt(action)
        else:
            kind = action.resource.kind
            log.info("object.created", target=kind, target_name=made.metadata.name)

    async def _adopt(self, action: Create) -> None:
        """Make sure that the object that is there already is ours."""
        wanted = action.resource.type.model_validate(action.manifest)
        found = await self._client.get(action.resource, wanted.ref)
        if found is None:
            raise Conflict(409, "Conflict", f"{wanted.ref} vanished while it was looked at")
        owners = {owner.uid for owner in found.metadata.owner_references}
        if action.owner_uid not in {found.metadata.labels.get(labels.CREATED_FOR), *owners}:
            raise NameTaken(action.resource.kind, wanted.ref)

    async def _set_finalizers(
        self, ref: Ref, resource_version: str, finalizers: tuple[str, ...]
    ) -> None:
        """Replace the finalizers of a Workspace that has not changed since it was seen."""
        patch: Manifest = {
            "metadata": {"resourceVersion": resource_version, "finalizers": list(finalizers)}
        }
        await self._client.merge_patch(WORKSPACES, ref, patch)

    async def _release(self, action: ReleaseFinalizer) -> None:
        """Remove our finalizer, after a look at the API server itself."""
        selector = f"{labels.CREATED_FOR}={action.uid}"
        if await self._client.list(MACHINES, labels=selector):
            raise Conflict(409, "Conflict", "a claim of this Workspace still exists")
        try:
            await self._set_finalizers(action.ref, action.resource_version, action.finalizers)
        except NotFound:
            return
        log.info("workspace.released")


def decided_on(manifest: Manifest, *, uid: str, version: str) -> Manifest:
    """The manifest, accepted only for that very object at that very version."""
    found = manifest.get("metadata")
    metadata = found if isinstance(found, Mapping) else {}
    return {**manifest, "metadata": {**metadata, "uid": uid, "resourceVersion": version}}
