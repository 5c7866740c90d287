"""Do what the plan wants: one method an action, and no decision of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import structlog

from kaito.api import labels
from kaito.kube.client import Client
from kaito.kube.clock import Clock
from kaito.kube.errors import Conflict, Denied, Invalid, KubeError, Throttled
from kaito.kube.kinds import NODES, Pod
from kaito.kube.objects import Ref
from kaito.kube.writer import Writer
from provisioner.cloud import Cloud, InstanceSpec
from provisioner.controllers.machine.kinds import Aspect, Claim
from provisioner.controllers.machine.ledger import Ledger
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.reservations import Reservations
from provisioner.controllers.machine.step import (
    Action,
    AddFinalizer,
    CordonNode,
    DeleteClaim,
    DeleteNode,
    EvictPods,
    LabelClaim,
    LabelNode,
    Launch,
    ReleaseFinalizer,
    Terminate,
)
from provisioner.failures import CloudError

log = structlog.get_logger()

INSTANCE_LAUNCHED = "instance.launched"
INSTANCE_TERMINATED = "instance.terminated"
CLOUD_REFUSED = "instance.refused"
CLAIM_EXPIRED = "claim.expired"
CLAIM_RELEASED = "claim.released"
PODS_EVICTED = "pods.evicted"

CloudAction = Launch | Terminate


@dataclass(frozen=True, slots=True)
class Actor:
    """Carries out actions.

    Attributes:
        client: of the API server.
        cloud: of the machines.
        guard: raises unless this process may act; asked before each effect on the cloud.
        ledger: where it is noted what became of a call to the cloud.
        clock: says when.
        reservations: of places in the cluster, for what is being launched.
    """

    client: Client
    cloud: Cloud
    guard: Callable[[], None]
    ledger: Ledger
    clock: Clock
    reservations: Reservations = field(default_factory=Reservations)

    @property
    def writer(self) -> Writer:
        """Of the API server."""
        return Writer(self.client)

    def keep(self, uids: frozenset[str]) -> None:
        """Forget the claims that are not among these."""
        self.ledger.keep(uids)

    async def act(self, seen: Observed, action: Action) -> None:
        """Carry out one action.

        Raises:
            Conflict: the plan was made from a view that is old by now.
            KubeError: the API server did not do its part.
        """
        match action:
            case Launch() | Terminate():
                await self._in_cloud(seen, action)
            case AddFinalizer():
                await self._add_finalizer(seen, action)
            case ReleaseFinalizer():
                await self._release_finalizer(seen)
            case LabelNode() | LabelClaim() | CordonNode():
                await self._patch(seen, action)
            case EvictPods():
                await self._evict(seen, action)
            case DeleteNode() | DeleteClaim():
                await self._delete(seen, action)

    async def _in_cloud(self, seen: Observed, action: CloudAction) -> None:
        """Call the cloud; a refusal is noted, not raised: the next plan says what it means."""
        monotonic = self.clock.monotonic()
        if (left := self.cloud.turns.seconds(seen.uid)) > 0:
            self.ledger.paused(seen.uid, until=monotonic + left)
            return
        try:
            if isinstance(action, Launch):
                with self.reservations.held(action.spec.name, self.clock):
                    await self._launch(seen, action.spec)
            else:
                await self._terminate(seen, action)
        except CloudError as failure:
            log.warning(CLOUD_REFUSED, reason=type(failure).__name__, error=str(failure))
            because = action.because if isinstance(action, Terminate) else None
            self.ledger.failed(seen.uid, failure, monotonic=self.clock.monotonic(), because=because)

    async def _launch(self, seen: Observed, spec: InstanceSpec) -> None:
        """Begin to create the instance, if the claim is what the store says it is.

        The store may lag behind: nothing is bought for a claim that is gone by now, nor for one
        whose launch has failed meanwhile, as whoever led before has put on record.
        """
        live = cast("Claim | None", await self.client.get(seen.kind.resource, seen.claim.ref))
        if (
            live is None
            or live.metadata.uid != seen.uid
            or live.is_deleting
            or labels.TERMINATION_FINALIZER not in live.metadata.finalizers
            or seen.kind.condition(live, Aspect.LAUNCHED) != seen.condition(Aspect.LAUNCHED)
        ):
            raise Conflict(0, "StaleView", f"{seen.kind.name} {seen.claim.ref} changed meanwhile")
        self.guard()
        await self.cloud.launch(spec)
        self.ledger.launched(seen.uid, monotonic=self.clock.monotonic())
        log.info(INSTANCE_LAUNCHED, instance=spec.name, vm_size=spec.vm_size, uid=seen.uid)

    async def _terminate(self, seen: Observed, action: Terminate) -> None:
        """Begin to delete the instance; why it failed outlives it in the ledger."""
        self.guard()
        await self.cloud.terminate(action.name)
        if action.because:
            self.ledger.acted(seen.uid, monotonic=self.clock.monotonic())
            self.ledger.failed(seen.uid, action.because, monotonic=self.clock.monotonic())
        else:
            self.ledger.terminated(seen.uid, monotonic=self.clock.monotonic())
        log.info(INSTANCE_TERMINATED, instance=action.name, uid=seen.uid)

    async def _add_finalizer(self, seen: Observed, action: AddFinalizer) -> None:
        """Store the finalizer, and what people look for on the claim."""
        shown = {"labels": dict(action.labels), "annotations": dict(action.annotations)}
        await self.writer.add_finalizer(
            seen.kind.resource,
            seen.claim,
            labels.TERMINATION_FINALIZER,
            {key: value for key, value in shown.items() if value},
        )

    async def _release_finalizer(self, seen: Observed) -> None:
        """Let the claim go, and forget it."""
        await self.writer.remove_finalizer(
            seen.kind.resource, seen.claim, labels.TERMINATION_FINALIZER
        )
        self.ledger.forget(seen.uid)
        log.info(CLAIM_RELEASED, uid=seen.uid)

    async def _patch(self, seen: Observed, action: LabelNode | LabelClaim | CordonNode) -> None:
        """Merge into the node, or into the claim."""
        match action:
            case LabelNode():
                await self.writer.patch(NODES, action.node, _labelled(action))
            case LabelClaim():
                shown = {"metadata": {"labels": dict(action.labels)}}
                await self.writer.patch(seen.kind.resource, seen.claim, shown)
            case CordonNode():
                await self.writer.patch(NODES, action.node, {"spec": {"unschedulable": True}})

    async def _delete(self, seen: Observed, action: DeleteNode | DeleteClaim) -> None:
        """Delete exactly that object; a claim's finalizer gives back what is behind it."""
        if isinstance(action, DeleteNode):
            await self.writer.delete(NODES, action.node)
            return
        await self.writer.delete(seen.kind.resource, seen.claim)
        log.warning(CLAIM_EXPIRED, uid=seen.uid)

    async def _evict(self, seen: Observed, action: EvictPods) -> None:
        """One round; who forbids an eviction is noted, and asked again in the next round."""
        blocked = [await self._eviction(pod) for pod in action.pods]
        refusals = [each for each in blocked if each]
        self.ledger.evicted(seen.uid, blocked=refusals[0] if refusals else "")
        log.info(PODS_EVICTED, uid=seen.uid, asked=len(blocked), refused=len(refusals))

    async def _eviction(self, pod: Pod) -> str:
        """Ask for one eviction; why it was refused, "" when it was not."""
        try:
            await self.writer.evict(pod)
        except (Throttled, Denied, Invalid) as error:
            return _refusal(pod.ref, error)
        return ""


def _labelled(action: LabelNode) -> dict[str, object]:
    """What is merged into a Node."""
    patch: dict[str, object] = {"metadata": {"labels": dict(action.labels)}}
    if action.taints is not None:
        patch["spec"] = {
            "taints": [
                {"key": key, "effect": effect, **({"value": value} if value else {})}
                for key, value, effect in action.taints
            ]
        }
    return patch


def _refusal(pod: Ref, error: KubeError) -> str:
    said = error.message.rstrip(". ") or error.reason
    return f"Pod {pod} may not be evicted: {said}"
