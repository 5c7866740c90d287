"""The whole provisioner in one place: an API server and a cloud in memory, and a clock by hand.

Each call to either may be made to crash the process before or after it took effect; `restart`
brings up a new process with nothing but what the API server and the cloud remember.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.kube.client import Client
from kaito.kube.errors import Conflict
from kaito.kube.events import Recorder
from kaito.kube.kinds import NODES, Node
from kaito.kube.lease import NotLeading
from kaito.kube.objects import KubeObject, Ref
from provisioner.cloud import Instance, InstanceSpec, InstanceState, Owner
from provisioner.controllers.garbage.controller import GarbageController
from provisioner.controllers.machine.act import Actor
from provisioner.controllers.machine.controller import ClaimController
from provisioner.controllers.machine.kinds import Claim, ClaimKind
from provisioner.controllers.machine.ledger import Ledger
from provisioner.controllers.machine.observe import Deadlines
from provisioner.failures import CloudError, InstanceExists
from provisioner.instances import Instances, Pace
from provisioner.turns import Turns
from tests.unit.provisioner import builders
from tests.unit.provisioner.apiserver import Api, Crash, Fuse, Time, merge

REF = Ref("", builders.NAME)
ROUNDS = 400


@dataclass
class Skies:
    """A cloud in memory that behaves as the documentation says, with a journal.

    Attributes:
        refusals: for the next launches, in order; None lets one pass.
        fates: of the next accepted launches; None lets one succeed.
        mute: raised by every LIST while set.
        still: nothing that is under way ends.
        boots: machines run before their launch has ended.
        unheard: raised instead of the answer to the next deletions, which come about.
        undeletable: why accepted deletions fail and leave the pool behind, while set.
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
    still: bool = False
    boots: bool = False
    unheard: list[CloudError] = field(default_factory=list)
    undeletable: CloudError | None = None

    def __post_init__(self) -> None:
        self.turns = Turns(self.clock.monotonic)
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
        if self.unheard:
            raise self.unheard.pop(0)
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
        for name, pool in [] if self.still else list(self.pools.items()):
            if pool.state is InstanceState.DELETING and self.undeletable:
                self.pools[name] = replace(
                    pool, state=InstanceState.FAILED, phase="Failed", failure=self.undeletable
                )
            elif pool.state is InstanceState.DELETING:
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

    def __init__(
        self, kind: ClaimKind, *, fuse: Fuse | None = None, deadlines: Deadlines | None = None
    ) -> None:
        self.kind = kind
        self.clock = Time()
        self.fuse = fuse or Fuse()
        self.api = Api(self.fuse, self.clock)
        self.cloud = Skies(self.fuse, self.clock)
        self.events = Silence()
        self.api.on_release = self._check_release
        self.nodes_join = True
        self.lags = False
        self.leads = True
        self.deadlines = deadlines or Deadlines()
        self.old: dict[tuple[str, Ref], KubeObject] = {}
        self.released_with: list[str] = []
        self.restart()

    def restart(self) -> None:
        """A new process, that remembers nothing."""
        client = cast("Client", self.api)
        self.instances = Instances(self.cloud, clock=self.clock, pace=Pace())
        actor = Actor(client, self.cloud, self.guard, Ledger(), self.clock)
        self.controller = ClaimController(
            self.kind,
            self,
            self.instances,
            actor,
            cast("Recorder", self.events),
            self.clock,
            self.deadlines,
        )
        self.garbage = GarbageController(
            client,
            self.cloud,
            self.instances,
            self,
            self.guard,
            self.clock,
            resources={self.kind.name: self.kind.resource},
            recorder=cast("Recorder", self.events),
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
        """The kubelets of machines that run register; those of vanished ones fall silent."""
        pool = self.cloud.pools.get(builders.NAME)
        here = self.nodes(builders.NAME)
        running = {InstanceState.RUNNING, *([InstanceState.PENDING] if self.cloud.boots else ())}
        up = pool is not None and pool.state in running and pool.owner is not None
        if up and not here and self.nodes_join:
            born = {"creationTimestamp": self.clock.now().isoformat()}
            made = builders.node(metadata=born)
            self.api.objects[(NODES.plural, made.ref)] = made
