"""One consistent look at everything that the plan for a claim may depend on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from kaito.kube.errors import InvalidSpec
from kaito.kube.kinds import Node, Pod
from kaito.kube.objects import Condition
from provisioner.cloud import Instance, InstanceSpec
from provisioner.controllers.machine.kinds import Aspect, Claim, ClaimKind, grace_seconds
from provisioner.controllers.machine.ledger import Entry
from provisioner.controllers.machine.order import instance_name, order
from provisioner.controllers.machine.reasons import Reason
from provisioner.failures import CloudError
from provisioner.instances import Listing


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each phase may take, in seconds; reported in the condition when it is over.

    Attributes:
        launch_seconds: until the instance runs.
        registration_seconds: from then until its node joins.
        initialization_seconds: from then until the node is usable.
        deletes: a phase that is overdue has the claim deleted; else its condition says so.
        drain_seconds: from the deletion of the claim until pods are waited for no longer,
            where it does not say so itself.
    """

    launch_seconds: float = 1800.0
    registration_seconds: float = 900.0
    initialization_seconds: float = 900.0
    drain_seconds: float = 300.0
    deletes: bool = False

    def of(self, claim: Claim) -> Deadlines:
        """These, where the claim does not say otherwise."""
        grace = grace_seconds(claim)
        return self if grace is None else replace(self, drain_seconds=grace)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks: `now` for what is stored, `monotonic` for what this process did."""

    now: datetime
    monotonic: float


@dataclass(frozen=True, slots=True)
class Observed:
    """A claim and what surrounds it.

    Attributes:
        kind: which of the two Kinds.
        claim: as last seen.
        order: what it asks for, or why that cannot be.
        entry: what this process remembers of it.
        listing: the newest complete list of instances; None before the first.
        list_failure: why the newest attempt to list failed; None when it did not.
        nodes: with the instance's name in both agent-pool labels, and not older than the claim.
        moment: when this is.
        closed_until: monotonic; the cloud wants no requests before.
        deadlines: of the phases.
        pods: on the nodes; looked at only while a drain is due.
        reserved: how many instances are being launched that the list does not have.
    """

    kind: ClaimKind
    claim: Claim
    order: InstanceSpec | InvalidSpec
    entry: Entry
    listing: Listing | None
    list_failure: CloudError | None
    nodes: tuple[Node, ...]
    moment: Moment
    closed_until: float = float("-inf")
    deadlines: Deadlines = Deadlines()
    pods: tuple[Pod, ...] = ()
    reserved: int = 0

    @property
    def occupied(self) -> int:
        """How many places of the cluster are taken, by whomever."""
        return len(self.listing.instances) + self.reserved if self.listing else 0

    @property
    def name(self) -> str:
        """Of the instance."""
        return instance_name(self.claim)

    @property
    def fresh(self) -> bool:
        """Whether the list of instances is new enough to act on an absence."""
        return self.listing is not None and self.listing.as_of > self.entry.look_after

    @property
    def instance(self) -> Instance | None:
        """Of that name, whoever it belongs to."""
        return self.listing.instances.get(self.name) if self.listing else None

    @property
    def owned(self) -> bool:
        """Whether that instance was launched for this very claim."""
        found = self.instance
        return found is not None and found.owner is not None and found.owner.uid == self.uid

    @property
    def gone(self) -> bool:
        """Whether two lists in a row did not have the instance, the newest being fresh."""
        return self.fresh and self.listing is not None and self.listing.is_gone(self.name)

    @property
    def retry_seconds(self) -> float:
        """How long to leave the cloud alone yet; 0 or less when it may be asked."""
        return max(self.closed_until, self.entry.retry_at) - self.moment.monotonic

    @property
    def uid(self) -> str:
        """Of the claim."""
        return self.claim.metadata.uid

    @property
    def was_launched(self) -> bool:
        """Whether the instance is on record as having run: there is never a second one."""
        told = self.condition(Aspect.LAUNCHED)
        ran = told is not None and (told.status == "True" or told.reason == Reason.INSTANCE_GONE)
        return ran or bool(self.claim.status.provider_id)

    def condition(self, aspect: Aspect) -> Condition | None:
        """The stored condition about `aspect`."""
        return self.kind.condition(self.claim, aspect)


def ordered(kind: ClaimKind, claim: Claim, *, now: datetime) -> InstanceSpec | InvalidSpec:
    """What a claim asks for; why that cannot be is a value here, not an exception."""
    try:
        return order(kind, claim, now=now)
    except InvalidSpec as refusal:
        return refusal


def nodes_of(claim: Claim, candidates: Iterable[Node]) -> tuple[Node, ...]:
    """The nodes that may be this claim's.

    A node that is older than the claim belongs to an earlier instance of the same name.
    """
    born = claim.metadata.creation_timestamp
    return tuple(
        node
        for node in sorted(candidates, key=lambda each: each.ref)
        if born is None
        or node.metadata.creation_timestamp is None
        or node.metadata.creation_timestamp >= born
    )
