"""Every write inside the cluster: callers say what, this says how.

A controller decides from a cache, which may be old; another process may have acted since. So
each write names what it was decided on: a create has a computed name, everything else the uid
and the resourceVersion of the object *as it was seen*. What has changed meanwhile, or is gone,
is a Conflict: our view was old, and the next one decides anew. What would change nothing is
not sent. A process that no longer leads writes nothing: one that was stopped for a while may
hear of what its successor wrote, and would write over that, before it hears that it was
succeeded. That a key is not looked at again before its caches have heard of its writes is the
work of `kaito.kube.gate`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel

from kaito.kube import metrics
from kaito.kube.client import Client
from kaito.kube.decoding import ref_of
from kaito.kube.errors import AlreadyExists, Conflict, NotFound, OperatorError
from kaito.kube.kinds import PODS, Pod
from kaito.kube.objects import KubeObject, Manifest, Ref
from kaito.kube.ownership import as_applied
from kaito.kube.relabel import relabelling
from kaito.kube.resource import Resource

T = TypeVar("T", bound=KubeObject)


class NameTaken(OperatorError):
    """An object of the name that we need belongs to somebody else."""

    def __init__(self, kind: str, ref: Ref) -> None:
        super().__init__(
            f"{kind} {ref.name} exists and belongs to somebody else: rename or delete it,"
            " or give the owner another name"
        )


class LabelsLost(OperatorError):
    """An object of ours lacks labels that it was made with: caches that select by them miss it.

    Attributes:
        found: the object.
        labels: those that it lacks, or has with other values.
    """

    def __init__(
        self, resource: Resource[KubeObject], found: KubeObject, labels: Mapping[str, str]
    ) -> None:
        super().__init__(relabelling(resource, found, labels))
        self.found = found
        self.labels = labels


class Writer:
    """Writes for controllers; doing one thing twice is harmless."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(
        self,
        resource: Resource[T],
        manifest: Manifest,
        *,
        owner_uid: str,
        is_ours: Callable[[KubeObject], bool] | None = None,
        strict: bool = False,
    ) -> T | None:
        """Create an object; one of its name that is there already is success if it is ours.

        Args:
            resource: its kind.
            manifest: the object; its name is computed from the owner, never generated.
            owner_uid: whose it is: the uid of the controller among its ownerReferences.
            is_ours: tells an object of that owner where no reference can.
            strict: have fields refused that no schema has; otherwise the server drops them.

        Returns:
            The object; None when it was there already.

        Raises:
            NameTaken: an object of that name is somebody else's.
            Conflict: it is ours, and is just going or gone.
            LabelsLost: it is ours, and lacks labels of the manifest.
        """
        ref = ref_of(manifest)
        if not ref.name:
            raise ValueError(f"a {resource.kind} without a computed name could be made twice")
        self._client.guard()
        try:
            return await self._client.create(resource, manifest, strict=strict)
        except AlreadyExists:
            found = await self._client.get(resource, ref)
        if found is not None and not _is_of(found, owner_uid, is_ours):
            raise NameTaken(resource.kind, ref)
        if found is None or found.is_deleting:
            raise Conflict(409, "Conflict", f"{resource.kind} {ref} was on its way out")
        if lost := _lost(found, manifest):
            raise LabelsLost(resource, found, lost)
        return None

    async def apply(self, resource: Resource[T], seen: T, manifest: Manifest) -> T:
        """Server-side apply to an object; it is never made anew.

        What we made it with, and `manifest` does not name any more, is taken out.

        Raises:
            Conflict: it is not as it was seen.
        """
        seen = await self._applied(resource, seen)
        self._client.guard()
        return await _over(seen, self._client.apply(resource, _decided_on(seen, manifest)))

    async def _applied(self, resource: Resource[T], seen: T) -> T:
        """The object, once all that we have written of it counts as applied."""
        lock = _lock(seen)
        self._client.guard()
        entries = await self._client.managed_fields(resource, seen.ref)
        upgraded = as_applied(entries, self._client.field_manager)
        if upgraded is None:
            return seen
        patch = {"metadata": {**lock, "managedFields": upgraded}}
        self._client.guard()
        return await _over(seen, self._client.merge_patch(resource, seen.ref, patch))

    async def apply_status(self, resource: Resource[T], seen: T, status: Manifest) -> T:
        """Have the object say this of itself: all of our fields, and only those.

        Raises:
            Conflict: it is not as it was seen.
        """
        if _says_already(seen, status):
            return seen
        manifest = _decided_on(seen, {"metadata": _place(seen), "status": status})
        self._client.guard()
        return await _over(seen, self._client.apply(resource, manifest, subresource="status"))

    async def patch(self, resource: Resource[T], seen: T, patch: Manifest) -> T:
        """Overwrite the named fields; lists are replaced whole.

        Raises:
            Conflict: it is not as it was seen.
        """
        known = seen.model_dump(mode="json", by_alias=True, exclude_none=True)
        if _is_covered(patch, known):
            return seen
        self._client.guard()
        return await _over(
            seen, self._client.merge_patch(resource, seen.ref, _decided_on(seen, patch))
        )

    async def delete(self, resource: Resource[T], seen: T) -> None:
        """Delete exactly that object in exactly that state; what is going or gone is left alone.

        Raises:
            Conflict: it is not as it was seen.
        """
        if seen.is_deleting:
            return
        metadata = seen.metadata
        self._client.guard()
        await self._client.delete(
            resource, seen.ref, uid=metadata.uid, resource_version=metadata.resource_version
        )

    async def add_finalizer(
        self, resource: Resource[T], seen: T, finalizer: str, metadata: Manifest | None = None
    ) -> T:
        """Store a finalizer beside those of others, and what else its metadata is to say.

        Raises:
            Conflict: the object is not as it was seen, or is being deleted: the API server
                takes no new finalizers then.
        """
        if seen.is_deleting:
            raise Conflict(409, "Deleting", f"{resource.kind} {seen.ref} is being deleted")
        finalizers = list(dict.fromkeys((*seen.metadata.finalizers, finalizer)))
        return await self.patch(
            resource, seen, {"metadata": {**(metadata or {}), "finalizers": finalizers}}
        )

    async def remove_finalizer(self, resource: Resource[T], seen: T, finalizer: str) -> None:
        """Take a finalizer off, and leave those of others; an object that is gone is success.

        Raises:
            Conflict: the object is not as it was seen.
        """
        left = [each for each in seen.metadata.finalizers if each != finalizer]
        try:
            await self.patch(resource, seen, {"metadata": {"finalizers": left}})
        except Gone:
            return

    async def evict(self, pod: Pod) -> None:
        """Ask for the eviction of that very pod; one that is gone is success.

        Raises:
            Throttled: a PodDisruptionBudget does not let it go now.
            KubeError: it is refused for another reason.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": _place(pod),
            "deleteOptions": {"preconditions": {"uid": pod.metadata.uid}},
        }
        self._client.guard()
        try:
            await self._client.request(
                "POST", PODS.path(pod.ref, subresource="eviction"), body=body
            )
        except (NotFound, Conflict):
            return  # it is gone, or another pod has its name


class Gone(Conflict):
    """The object that was to be changed is no more."""


async def _over(seen: T, write: Awaitable[T]) -> T:
    """What a write has made of `seen`."""
    try:
        made = await write
    except NotFound as error:
        raise Gone(error.status, error.reason, error.message) from error
    if made.metadata.resource_version == seen.metadata.resource_version:
        metrics.WRITES_VOID.inc()
    return made


def _is_of(found: KubeObject, owner_uid: str, is_ours: Callable[[KubeObject], bool] | None) -> bool:
    """Whether the object has that owner."""
    owners = {each.uid for each in found.metadata.owner_references if each.controller}
    return owner_uid in owners or (is_ours is not None and is_ours(found))


def _lost(found: KubeObject, manifest: Manifest) -> Mapping[str, str]:
    """The labels of a manifest that the object does not have."""
    metadata = manifest.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    wanted = labels if isinstance(labels, Mapping) else {}
    return {key: value for key, value in wanted.items() if found.metadata.labels.get(key) != value}


def _place(seen: KubeObject) -> Manifest:
    """Metadata that names the object."""
    namespace = {"namespace": seen.metadata.namespace} if seen.metadata.namespace else {}
    return {"name": seen.metadata.name, **namespace}


def _decided_on(seen: KubeObject, manifest: Manifest) -> Manifest:
    """The manifest, accepted only for that very object at that very version."""
    found = manifest.get("metadata")
    metadata = found if isinstance(found, Mapping) else {}
    return {**manifest, "metadata": {**metadata, **_lock(seen)}}


def _lock(seen: KubeObject) -> Mapping[str, str]:
    """The metadata without which no write is accepted."""
    lock = {"uid": seen.metadata.uid, "resourceVersion": seen.metadata.resource_version}
    if not all(lock.values()):
        raise ValueError(f"{seen.ref} was never read: there is no version to write over")
    return lock


def _is_covered(patch: object, known: object) -> bool:
    """Whether all that a merge patch says is so already; what is not known counts as news."""
    if isinstance(patch, Mapping):
        return isinstance(known, Mapping) and all(
            key in known and _is_covered(value, known[key]) for key, value in patch.items()
        )
    return patch == known


def _says_already(seen: KubeObject, status: Manifest) -> bool:
    """Whether reading the status back would give what was seen."""
    field = type(seen).model_fields.get("status")
    kind = field.annotation if field else None
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return False
    return kind.model_validate(status) == getattr(seen, "status", None)
