"""The whole provisioner in one place: an API server and a cloud in memory, and a clock by hand.

Each call to either may be made to crash the process before or after it took effect; `restart`
brings up a new process with nothing but what the API server and the cloud remember.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.kube.client import Client
from kaito.kube.errors import Conflict, NotFound, Throttled
from kaito.kube.events import Recorder
from kaito.kube.kinds import NODES, PODS, Node, Pod
from kaito.kube.lease import NotLeading
from kaito.kube.objects import KubeObject, Manifest, Ref
from kaito.kube.resource import Resource
from provisioner.cloud import Instance, InstanceSpec, InstanceState, Owner
from provisioner.controllers.garbage.controller import GarbageController
from provisioner.controllers.machine.act import Actor
from provisioner.controllers.machine.controller import ClaimController
from provisioner.controllers.machine.kinds import Claim, ClaimKind
from provisioner.controllers.machine.ledger import Ledger
from provisioner.failures import CloudError, InstanceExists
from provisioner.instances import Instances, Pace
from tests.unit.provisioner import builders

REF = Ref("", builders.NAME)
ROUNDS = 400


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
    objects: dict[tuple[str, Ref], KubeObject] = field(default_factory=dict)
    version: int = 10
    releases: list[tuple[str, ...]] = field(default_factory=list)
    evictions: list[str] = field(default_factory=list)
    budgets: set[str] = field(default_factory=set)
    on_release: Callable[[], None] = lambda: None

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
        wanted = cast("dict[str, object]", patch.get("metadata", {})).get("resourceVersion")
        if wanted not in (None, stored.metadata.resource_version):
            raise Conflict(409, "Conflict", "old")
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
        if metadata["uid"] != stored.metadata.uid:
            raise Conflict(409, "Conflict", "another")
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

    async def delete(self, resource: Resource[KubeObject], ref: Ref, *, uid: str) -> bool:
        """As `Client.delete`."""
        self.fuse.before()
        stored = self.objects.get((resource.plural, ref))
        if stored is None or stored.metadata.uid != uid:
            return False
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


@dataclass
class Skies:
    """A cloud in memory that behaves as the documentation says, with a journal.

    Attributes:
        refusals: for the next launches, in order; None lets one pass.
        fates: of the next accepted launches; None lets one succeed.
        mute: raised by every LIST while set.
    """

    fuse: Fuse
    clock: Time
    pools: dict[str, Instance] = field(default_factory=dict)
    launches: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    terminations: list[str] = field(default_factory=list)
    lists: int = 0
    refusals: list[CloudError | None] = field(default_factory=list)
    fates: list[CloudError | None] = field(default_factory=list)
    mute: CloudError | None = None

    def __post_init__(self) -> None:
        self.pools["system"] = builders.instance(InstanceState.RUNNING, name="system")

    async def launch(self, spec: InstanceSpec) -> None:
        """As `Cloud.launch`."""
        self.fuse.before()
        refusal = self.refusals.pop(0) if self.refusals else None
        if spec.name in self.pools:
            refusal = InstanceExists("EtagMismatch", "there is one")
        if refusal:
            self.refused.append(spec.name)
            raise refusal
        self.launches.append(spec.name)
        self.pools[spec.name] = Instance(
            name=spec.name,
            state=InstanceState.PENDING,
            phase="Creating",
            vm_size=spec.vm_size,
            labels=spec.labels,
            owner=spec.owner,
            created=spec.created,
            failure=self.fates.pop(0) if self.fates else None,
        )
        self.fuse.done()

    async def terminate(self, name: str) -> None:
        """As `Cloud.terminate`."""
        self.fuse.before()
        self.terminations.append(name)
        if name in self.pools:
            self.pools[name] = replace(self.pools[name], state=InstanceState.DELETING)
        self.fuse.done()

    async def instances(self) -> tuple[Instance, ...]:
        """As `Cloud.instances`."""
        self.fuse.before()
        self.lists += 1
        if self.mute:
            raise self.mute
        return tuple(self.pools.values())

    async def close(self) -> None:
        """As `Cloud.close`."""
        return

    def turn(self) -> None:
        """Let what is under way in the cloud end."""
        for name, pool in list(self.pools.items()):
            if pool.state is InstanceState.DELETING:
                del self.pools[name]
            elif pool.state is InstanceState.PENDING:
                state = InstanceState.FAILED if pool.failure else InstanceState.RUNNING
                self.pools[name] = replace(pool, state=state, phase=state.value)

    def owned(self, owner: Owner) -> list[str]:
        """Names of the pools of a claim."""
        return [name for name, pool in self.pools.items() if pool.owner == owner]


@dataclass
class Silence:
    """A recorder of Events that only remembers."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def event(self, *_: object, type: str, reason: str, **__: object) -> None:
        """As `Recorder.event`."""
        self.told.append((type, reason))


class World:
    """The API server, the cloud and one process."""

    def __init__(self, kind: ClaimKind, *, fuse: Fuse | None = None) -> None:
        self.kind = kind
        self.clock = Time()
        self.fuse = fuse or Fuse()
        self.api = Api(self.fuse)
        self.cloud = Skies(self.fuse, self.clock)
        self.events = Silence()
        self.api.on_release = self._check_release
        self.nodes_join = True
        self.lags = False
        self.leads = True
        self.old: dict[tuple[str, Ref], KubeObject] = {}
        self.released_with: list[str] = []
        self.restart()

    def restart(self) -> None:
        """A new process, that remembers nothing."""
        client = cast("Client", self.api)
        self.instances = Instances(self.cloud, clock=self.clock, pace=Pace())
        actor = Actor(client, self.cloud, self.guard, Ledger(), self.clock)
        self.controller = ClaimController(
            self.kind, self, self.instances, actor, cast("Recorder", self.events), self.clock
        )
        self.garbage = GarbageController(
            client,
            self.cloud,
            self.instances,
            self,
            self.guard,
            self.clock,
            resources={self.kind.name: self.kind.resource},
        )

    def guard(self) -> None:
        """As `Elector.guard`."""
        if not self.leads:
            raise NotLeading("the lease is lost")

    def create(self, **changes: object) -> None:
        """A user creates the claim."""
        made = builders.claim(self.kind, **changes)
        self.api.objects[(self.kind.resource.plural, made.ref)] = made

    def delete(self) -> None:
        """A user deletes the claim."""
        stored = self.stored()
        if not stored.metadata.finalizers:
            del self.api.objects[(self.kind.resource.plural, REF)]
            return
        wire = merge(
            stored.model_dump(by_alias=True),
            {"metadata": {"deletionTimestamp": self.clock.now().isoformat()}},
        )
        self.api.store(self.kind.resource, wire)

    async def round(self, seconds: float = 2.0) -> None:
        """A tick: the world moves, the cloud is listed, the claim is reconciled."""
        self.clock.at += seconds
        self.cloud.turn()
        self._join()
        await self.instances.refresh()
        self.old = dict(self.api.objects)
        await self.controller.reconcile(REF)
        await self.controller.reconcile(REF)

    async def settle(self, rounds: int = 12, seconds: float = 2.0) -> None:
        """Several ticks; a crash is followed by a restart."""
        for _ in range(rounds):
            try:
                await self.round(seconds)
            except Conflict:
                continue
            except Crash:
                self.restart()

    # What the informers know

    def claim(self, kind: ClaimKind, ref: Ref) -> Claim | None:
        """One claim."""
        objects = self.old if self.lags else self.api.objects
        return cast("Claim | None", objects.get((kind.resource.plural, ref)))

    def nodes(self, instance: str) -> tuple[Node, ...]:
        """The nodes of an instance."""
        return tuple(
            each for each in self.all_nodes() if each.metadata.labels["agentpool"] == instance
        )

    def all_nodes(self) -> tuple[Node, ...]:
        """All nodes."""
        found = [each for (kind, _), each in self.api.objects.items() if kind == "nodes"]
        return cast("tuple[Node, ...]", tuple(found))

    def uids(self) -> frozenset[str]:
        """Uids of all claims."""
        plural = self.kind.resource.plural
        return frozenset(
            each.metadata.uid for (kind, _), each in self.api.objects.items() if kind == plural
        )

    # What tests ask

    def stored(self) -> Claim:
        """The claim as the API server has it."""
        found = self.api.objects[(self.kind.resource.plural, REF)]
        assert isinstance(found, Machine | NodeClaim)
        return found

    def condition(self, aspect: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        name = aspect if aspect == "Ready" else f"{self.kind.prefix}{aspect}"
        for each in self.stored().status.conditions:
            if each.type == name:
                return each.status, each.reason
        return "", ""

    @property
    def owner(self) -> Owner:
        """The mark of the claim."""
        return builders.owner(self.kind.name)

    @property
    def is_ready(self) -> bool:
        """The goal, without asking the planner: one pool, one node, Ready."""
        return (
            self.condition("Ready")[0] == "True"
            and self.cloud.owned(self.owner) == [builders.NAME]
            and len(self.nodes(builders.NAME)) == 1
        )

    def _check_release(self) -> None:
        """Noted when the finalizer goes: whatever is still there has leaked."""
        self.released_with += self.cloud.owned(self.owner)

    def _join(self) -> None:
        """The kubelets of running pools register; those of vanished ones fall silent."""
        pool = self.cloud.pools.get(builders.NAME)
        here = self.nodes(builders.NAME)
        up = pool is not None and pool.state is InstanceState.RUNNING and pool.owner is not None
        if up and not here and self.nodes_join:
            made = builders.node()
            self.api.objects[(NODES.plural, made.ref)] = made
