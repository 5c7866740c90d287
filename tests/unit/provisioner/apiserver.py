"""An API server in memory, as much of it as the provisioner uses, and clocks moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from kaito.kube.errors import Conflict, NotFound, Throttled
from kaito.kube.kinds import PODS, Pod
from kaito.kube.objects import KubeObject, Manifest, Ref
from kaito.kube.resource import Resource
from tests.unit.provisioner import builders


class Crash(BaseException):
    """The process ends here, without a word."""


@dataclass
class Time:
    """Both clocks, moved by hand."""

    at: float = 1000.0

    def now(self) -> datetime:
        """The wall clock."""
        return builders.BORN + timedelta(seconds=self.at - 1000.0)

    def monotonic(self) -> float:
        """The other one."""
        return self.at

    def between(self, low_seconds: float, high_seconds: float) -> float:
        """No dice here: always the longest."""
        return high_seconds


@dataclass
class Fuse:
    """Counts calls; burns at one of them, before or after its effect."""

    burns_at: int = 0
    after: bool = False
    calls: int = 0

    def before(self) -> None:
        """A call begins."""
        self.calls += 1
        if self.calls == self.burns_at and not self.after:
            raise Crash

    def done(self) -> None:
        """A call has taken effect."""
        if self.calls == self.burns_at and self.after:
            raise Crash


def merge(target: dict[str, object], patch: Manifest) -> dict[str, object]:
    """RFC 7386."""
    out = dict(target)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            inner = out.get(key)
            out[key] = merge(inner if isinstance(inner, dict) else {}, value)
        else:
            out[key] = value
    return out


@dataclass
class Api:
    """Objects by resource and ref, and just as much of the API server as is used.

    Attributes:
        budgets: names of pods that a PodDisruptionBudget does not let go.
    """

    fuse: Fuse
    clock: Time
    objects: dict[tuple[str, Ref], KubeObject] = field(default_factory=dict)
    version: int = 10
    releases: list[tuple[str, ...]] = field(default_factory=list)
    evictions: list[str] = field(default_factory=list)
    budgets: set[str] = field(default_factory=set)
    on_release: Callable[[], None] = lambda: None

    def guard(self) -> None:
        """As `Client.guard`: this process may always act."""

    async def get(self, resource: Resource[KubeObject], ref: Ref) -> KubeObject | None:
        """As `Client.get`."""
        self.fuse.before()
        return self.objects.get((resource.plural, ref))

    async def merge_patch(
        self, resource: Resource[KubeObject], ref: Ref, patch: Manifest
    ) -> KubeObject:
        """As `Client.merge_patch`."""
        self.fuse.before()
        stored = self._found(resource, ref)
        _check(stored, cast("dict[str, str]", patch["metadata"]))
        changed = self.store(resource, merge(stored.model_dump(by_alias=True), patch))
        if changed.is_deleting and not changed.metadata.finalizers:
            self.on_release()
            del self.objects[(resource.plural, ref)]
        self.fuse.done()
        return changed

    async def apply(
        self, resource: Resource[KubeObject], manifest: Manifest, *, subresource: str
    ) -> KubeObject:
        """As `Client.apply`."""
        assert subresource == "status"
        self.fuse.before()
        metadata = cast("dict[str, str]", manifest["metadata"])
        stored = self._found(resource, Ref("", metadata["name"]))
        _check(stored, metadata)
        wire = {**stored.model_dump(by_alias=True), "status": manifest["status"]}
        changed = self.store(resource, wire)
        self.fuse.done()
        return changed

    async def list(self, resource: Resource[KubeObject], *, fields: str) -> tuple[KubeObject, ...]:
        """As `Client.list` of the pods on a node."""
        self.fuse.before()
        found = (each for (kind, _), each in self.objects.items() if kind == resource.plural)
        name = fields.removeprefix("spec.nodeName=")
        return tuple(pod for pod in found if cast("Pod", pod).spec.node_name == name)

    async def request(self, method: str, path: str, *, body: Manifest) -> object:
        """As `Client.request` for an eviction."""
        self.fuse.before()
        assert (method, body["apiVersion"], body["kind"]) == ("POST", "policy/v1", "Eviction")
        metadata = cast("dict[str, str]", body["metadata"])
        ref = Ref(metadata["namespace"], metadata["name"])
        assert path == f"/api/v1/namespaces/{ref.namespace}/pods/{ref.name}/eviction"
        pod = self._found(PODS, ref)
        options = cast("dict[str, dict[str, str]]", body["deleteOptions"])
        if options["preconditions"]["uid"] != pod.metadata.uid:
            raise Conflict(409, "Conflict", "another pod")
        self.evictions.append(ref.name)
        if ref.name in self.budgets:
            raise Throttled(429, "TooManyRequests", "It would violate the disruption budget.")
        del self.objects[(PODS.plural, ref)]
        self.fuse.done()
        return {}

    async def delete(
        self, resource: Resource[KubeObject], ref: Ref, *, uid: str, resource_version: str
    ) -> bool:
        """As `Client.delete`."""
        self.fuse.before()
        stored = self.objects.get((resource.plural, ref))
        if stored is None:
            return False
        _check(stored, {"uid": uid, "resourceVersion": resource_version})
        if stored.metadata.finalizers:
            stamp = stored.metadata.deletion_timestamp or self.clock.now()
            self.store(
                resource,
                merge(
                    stored.model_dump(by_alias=True),
                    {"metadata": {"deletionTimestamp": stamp.isoformat()}},
                ),
            )
        else:
            del self.objects[(resource.plural, ref)]
        self.fuse.done()
        return True

    def store(self, resource: Resource[KubeObject], wire: dict[str, object]) -> KubeObject:
        """Put an object under a new version."""
        self.version += 1
        made = resource.type.model_validate(wire)
        metadata = made.metadata.model_copy(update={"resource_version": str(self.version)})
        made = made.model_copy(update={"metadata": metadata})
        self.objects[(resource.plural, made.ref)] = made
        return made

    def _found(self, resource: Resource[KubeObject], ref: Ref) -> KubeObject:
        if (resource.plural, ref) not in self.objects:
            raise NotFound(404, "NotFound", str(ref))
        return self.objects[(resource.plural, ref)]


def _check(stored: KubeObject, wanted: dict[str, str]) -> None:
    """Every write names the very object and version that it was decided on."""
    metadata = stored.metadata
    if (wanted["uid"], wanted["resourceVersion"]) != (metadata.uid, metadata.resource_version):
        raise Conflict(409, "Conflict", "old")
