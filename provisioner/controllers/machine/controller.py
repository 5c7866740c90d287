"""Keeps one Kind of claim and its instances in step: observe, plan, act, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from structlog.contextvars import bind_contextvars

from kaito.api import labels
from kaito.kube.clock import Clock
from kaito.kube.errors import Conflict, Invalid
from kaito.kube.events import Recorder
from kaito.kube.kinds import PODS, Node, Pod
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from provisioner import metrics
from provisioner.controllers.machine import report
from provisioner.controllers.machine.act import Actor
from provisioner.controllers.machine.drain import is_due
from provisioner.controllers.machine.kinds import Claim, ClaimKind
from provisioner.controllers.machine.observe import (
    Deadlines,
    Moment,
    Observed,
    nodes_of,
    ordered,
)
from provisioner.controllers.machine.order import instance_name
from provisioner.controllers.machine.plan import plan
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.status import status
from provisioner.controllers.machine.step import (
    AddFinalizer,
    LabelClaim,
    LabelNode,
    Launch,
    ReleaseFinalizer,
    Step,
    Terminate,
)
from provisioner.instances import Instances


class Stores(Protocol):
    """What the informers know."""

    def claim(self, kind: ClaimKind, ref: Ref) -> Claim | None:
        """A claim."""
        ...

    def nodes(self, instance: str) -> tuple[Node, ...]:
        """The nodes that say they belong to that instance."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimController:
    """The reconcile of one Kind.

    Attributes:
        kind: which.
        stores: of claims and nodes.
        instances: the shared view of the cloud.
        actor: carries out actions, and keeps the ledger.
        recorder: of Kubernetes Events.
        clock: of this process.
        deadlines: of the phases.
    """

    kind: ClaimKind
    stores: Stores
    instances: Instances
    actor: Actor
    recorder: Recorder
    clock: Clock
    deadlines: Deadlines = field(default_factory=Deadlines)

    async def reconcile(self, ref: Ref) -> Outcome:
        """Bring one claim one step closer to its spec."""
        claim = self.stores.claim(self.kind, ref)
        if claim is None or not self.kind.owns(claim):
            self.instances.rest(self.kind.name, ref)
            return DONE
        _trace(claim)
        seen = self.observe(claim)
        if is_due(seen):
            seen = replace(seen, pods=await self._pods(seen.nodes))
        steps = plan(seen)
        self._pace(ref, steps)
        for step in steps:
            for action in step.actions:
                await self.actor.act(seen, action)
        if any(step.satisfied and step.reason == Reason.LAUNCHED for step in steps):
            self.actor.ledger.succeeded(seen.uid)
        if _asks_for(steps, ReleaseFinalizer):
            metrics.TERMINATED.labels(self.kind.name).inc()
            self.instances.rest(self.kind.name, ref)
            return DONE
        if any(_asks_for(steps, each) for each in (AddFinalizer, LabelClaim, LabelNode)):
            # The claim or its node is another version now, which brings the key back at once.
            return DONE
        await self._report(seen, steps)
        return outcome(steps)

    def observe(self, claim: Claim) -> Observed:
        """One look at everything."""
        moment = Moment(self.clock.now(), self.clock.monotonic())
        ledger, listing = self.actor.ledger, self.instances.listing
        name = instance_name(claim)
        return Observed(
            kind=self.kind,
            claim=claim,
            order=ordered(self.kind, claim, now=moment.now),
            entry=ledger.entry(self.kind, claim, monotonic=moment.monotonic),
            listing=listing,
            list_failure=self.instances.failure,
            nodes=nodes_of(claim, self.stores.nodes(name)),
            moment=moment,
            closed_until=ledger.closed_until,
            deadlines=self.deadlines.of(claim),
            reserved=self.actor.reservations.beside(name, listing) if listing else 0,
        )

    async def _pods(self, nodes: Sequence[Node]) -> tuple[Pod, ...]:
        """The pods on these nodes, read live: a cache of all pods would cost far more."""
        found: list[Pod] = []
        for node in nodes:
            found += await self.actor.client.list(
                PODS, fields=f"spec.nodeName={node.metadata.name}"
            )
        return tuple(sorted(found, key=lambda pod: pod.ref))

    def _pace(self, ref: Ref, steps: Sequence[Step]) -> None:
        """Have the cloud looked at often while this claim waits for it."""
        waiting = [step for step in steps if step.in_cloud]
        if waiting:
            is_steady = all(step.is_steady for step in waiting)
            self.instances.watch(self.kind.name, ref, is_steady=is_steady)
        else:
            self.instances.rest(self.kind.name, ref)

    async def _report(self, seen: Observed, steps: Sequence[Step]) -> None:
        """Write the status if it differs, and tell of what changed."""
        if not steps or report.is_brief(seen, steps):
            return
        wanted = status(seen, steps)
        if wanted is None:
            return
        try:
            await self.actor.writer.apply_status(self.kind.resource, seen.claim, wanted)
        except (Conflict, Invalid):
            # An old claim may not fit a newer schema; that must not keep it from going.
            if not seen.claim.is_deleting:
                raise
        report.told(self.recorder, seen, steps)


def _trace(claim: Claim) -> None:
    """Have each line of this pass name the workspace, and what created the claim in kaito's log."""
    found = claim.metadata
    keys = {
        "workspace": found.labels.get(labels.WORKSPACE),
        "workspace_namespace": found.labels.get(labels.WORKSPACE_NAMESPACE),
        "created_by": found.annotations.get(labels.CREATED_BY),
    }
    bind_contextvars(**{key: value for key, value in keys.items() if value})


def outcome(steps: Sequence[Step]) -> Outcome:
    """When to look again: at once after a call to the cloud, to say what became of it."""
    if _asks_for(steps, Launch) or _asks_for(steps, Terminate):
        return Outcome(recheck_seconds=0.0)
    waits = [step.recheck_seconds for step in steps if step.recheck_seconds is not None]
    return Outcome(recheck_seconds=min(waits)) if waits else DONE


def _asks_for(steps: Sequence[Step], action: type) -> bool:
    return any(isinstance(each, action) for step in steps for each in step.actions)
