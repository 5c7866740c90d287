"""Tells of what is left over, after each list of instances, and removes it once it is old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from kaito.kube.client import Client
from kaito.kube.clock import Clock
from kaito.kube.errors import Conflict, KubeError
from kaito.kube.events import Recorder
from kaito.kube.kinds import NODES, Node
from kaito.kube.lease import NotLeading
from kaito.kube.objects import KubeObject, ObjectMeta, Ref
from kaito.kube.resource import Resource
from kaito.kube.writer import Writer
from provisioner import metrics
from provisioner.cloud import Cloud, Instance, Owner
from provisioner.controllers.garbage.pauses import Pauses
from provisioner.controllers.garbage.plan import Observed, born, orphans, strays, suspects
from provisioner.failures import CloudError
from provisioner.instances import Instances, Listing

log = structlog.get_logger()

INSTANCE_ORPHANED = "instance.orphaned"
NODE_ORPHANED = "node.orphaned"
LEFTOVER_FOUND = "orphan.found"
SWEEP_FAILED = "garbage.refused"


class Census(Protocol):
    """What the informers know."""

    def uids(self) -> frozenset[str]:
        """Uids of all claims of both Kinds."""
        ...

    def all_nodes(self) -> tuple[Node, ...]:
        """All nodes."""
        ...


@dataclass(frozen=True, slots=True)
class GarbageController:
    """Deletes instances without a claim and nodes without an instance.

    Attributes:
        client: of the API server.
        cloud: of the machines.
        instances: the shared view of the cloud.
        census: what the informers know.
        guard: raises unless this process may act.
        clock: of this process.
        resources: of claims, by the name of their Kind.
        recorder: of Kubernetes Events.
        age_seconds: what is younger is left alone.
        deletes: whether anything is removed at all; else it is only told.
        known: names of the leftovers that were told.
        pauses: before an instance is asked to go once more.
    """

    client: Client
    cloud: Cloud
    instances: Instances
    census: Census
    guard: Callable[[], None]
    clock: Clock
    resources: Mapping[str, Resource[KubeObject]]
    recorder: Recorder
    age_seconds: float = 60.0
    deletes: bool = True
    known: set[str] = field(default_factory=set)
    pauses: Pauses = field(default_factory=Pauses)
    refreshed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Sweep after each new list, until cancelled."""
        swept: Listing | None = None
        while True:
            await self.refreshed.wait()
            self.refreshed.clear()
            if self.instances.listing is not None and self.instances.listing is not swept:
                swept = self.instances.listing
                await self.sweep(swept)

    async def sweep(self, listing: Listing) -> None:
        """Remove everything that is left over as of this list."""
        seen = Observed(
            listing=listing,
            claims=self.census.uids(),
            nodes=self.census.all_nodes(),
            now=self.clock.now(),
            age_seconds=self.age_seconds,
        )
        _count(listing)
        await self._tell(seen)
        self.pauses.keep(_uids(listing))
        if not self.deletes:
            return
        for instance in orphans(seen):
            await self._remove(instance)
        for node in strays(seen):
            await self._remove(node)

    async def _tell(self, seen: Observed) -> None:
        """Publish what is left over, and tell of each once, before anything is done about it."""
        found = suspects(seen)
        for kind, model in (("instance", Instance), ("node", Node)):
            ages = [seen.seconds_old(born(each)) for each in found if isinstance(each, model)]
            metrics.LEFTOVERS.labels(kind).set(len(ages))
            metrics.LEFTOVER_AGE.labels(kind).set(max(ages, default=0.0))
        self.known.intersection_update({_name(each) for each in found})
        for leftover in found:
            if _name(leftover) in self.known:
                continue
            try:
                await self._report(leftover, seconds=seen.seconds_old(born(leftover)))
            except KubeError as error:
                log.warning(SWEEP_FAILED, error=str(error), reason=type(error).__name__)

    async def _report(self, leftover: Instance | Node, *, seconds: float) -> None:
        """One Event, about the node, or about the claim that a pool was launched for."""
        name, then = _name(leftover), f"is deleted when it is {self.age_seconds:g} s old"
        if not self.deletes:
            then = "stays, because PROVISIONER_GARBAGE_ACTION is report"
        obj: KubeObject = Node()
        resource: Resource[KubeObject] = NODES
        if isinstance(leftover, Node):
            obj, reason, lacks = leftover, "NodeOrphaned", "has no agent pool"
        elif leftover.owner is None or await self._lives(leftover.owner):
            return
        else:
            owner = leftover.owner
            obj = KubeObject(metadata=ObjectMeta(name=owner.name, uid=owner.uid))
            resource = self.resources[owner.kind]
            reason, lacks = "InstanceOrphaned", f"has no {owner.kind}"
        self.known.add(name)
        said = f"{name} {lacks}, is {seconds:.0f} s old, and {then}"
        self.recorder.event(obj, resource, type="Warning", reason=reason, message=said)
        log.warning(LEFTOVER_FOUND, orphan=name, seconds=round(seconds))

    async def _remove(self, leftover: Instance | Node) -> None:
        """One removal; a refusal is logged, and another follows after its pause."""
        try:
            if isinstance(leftover, Instance):
                await self._terminate(leftover)
            else:
                await self._delete(leftover)
        except (Conflict, NotLeading) as error:
            # It changed meanwhile, or the lease is lost: whoever leads next looks for itself.
            log.debug(SWEEP_FAILED, orphan=_name(leftover), reason=type(error).__name__)
        except (CloudError, KubeError) as error:
            log.warning(SWEEP_FAILED, error=str(error), reason=type(error).__name__)

    async def _terminate(self, instance: Instance) -> None:
        """Terminate an orphan, unless it is not its turn or the API server knows its claim."""
        owner = instance.owner
        if owner is None or not self.pauses.is_over(owner.uid, monotonic=self.clock.monotonic()):
            return
        if await self._lives(owner) or self.cloud.turns.seconds(owner.uid) > 0:
            return
        self.guard()
        try:
            await self.cloud.terminate(instance.name)
        except CloudError as failure:
            self.pauses.asked(owner.uid, failure, monotonic=self.clock.monotonic())
            raise
        self.pauses.asked(owner.uid, None, monotonic=self.clock.monotonic())
        metrics.ORPHANS.labels("instance").inc()
        log.warning(INSTANCE_ORPHANED, instance=instance.name, uid=owner.uid)

    async def _lives(self, owner: Owner) -> bool:
        """Whether the claim exists now; a Kind that we do not know is left alone."""
        resource = self.resources.get(owner.kind)
        if resource is None:
            return True
        claim = await self.client.get(resource, Ref("", owner.name))
        return claim is not None and claim.metadata.uid == owner.uid

    async def _delete(self, node: Node) -> None:
        await Writer(self.client).delete(NODES, node)
        metrics.ORPHANS.labels("node").inc()
        log.warning(NODE_ORPHANED, node=node.metadata.name)


def _name(leftover: Instance | Node) -> str:
    if isinstance(leftover, Instance):
        return f"Agent pool {leftover.name}"
    return f"Node {leftover.metadata.name}"


def _uids(listing: Listing) -> frozenset[str]:
    """Of the claims that the instances were launched for."""
    return frozenset(each.owner.uid for each in listing.instances.values() if each.owner)


def _count(listing: Listing) -> None:
    """Publish how many instances of ours are in which state."""
    states = [each.state for each in listing.instances.values() if each.owner]
    metrics.INSTANCES.clear()
    for state in sorted(set(states)):
        metrics.INSTANCES.labels(state).set(states.count(state))
