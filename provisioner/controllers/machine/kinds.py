"""What differs between Machine and NodeClaim; everything else is one code path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from kaito.api import labels
from kaito.api.machine import MACHINES, Machine
from kaito.api.nodeclaim import NODE_CLASS_GROUP, NODE_CLASS_KIND, NODECLAIMS, NodeClaim
from kaito.kube.objects import Condition
from kaito.kube.resource import Resource
from provisioner.quantity import seconds

Claim = Machine | NodeClaim

OWNERSHIP_LABELS = (labels.WORKSPACE, labels.RAGENGINE)


class Aspect(StrEnum):
    """What a condition is about, by the name that NodeClaim gives it."""

    LAUNCHED = "Launched"
    REGISTERED = "Registered"
    INITIALIZED = "Initialized"
    READY = "Ready"


DEPENDENTS = (Aspect.LAUNCHED, Aspect.REGISTERED, Aspect.INITIALIZED)
"""Ready is derived from these, in this order, and from the node's heartbeat."""


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """One of the two Kinds.

    Attributes:
        name: the Kind.
        resource: where it lives.
        prefix: of the names of its dependent conditions.
        pending: status, reason and message of a dependent that was never looked at.
        knative: conditions are of knative's shape: sorted by type, no observedGeneration, and
            lastTransitionTime moves with any change.
        owns: whether a claim is ours to carry out.
        has_image: its status tells the image of the node.
    """

    name: str
    resource: Resource[Machine] | Resource[NodeClaim]
    prefix: str
    pending: tuple[str, str, str]
    knative: bool
    owns: Callable[[Claim], bool]
    has_image: bool

    def condition_type(self, aspect: Aspect) -> str:
        """Name of the condition about `aspect`."""
        return aspect if aspect is Aspect.READY else f"{self.prefix}{aspect}"

    def condition(self, claim: Claim, aspect: Aspect) -> Condition | None:
        """The stored condition about `aspect`."""
        wanted = self.condition_type(aspect)
        return next((each for each in claim.status.conditions if each.type == wanted), None)


def workspace(claim: Claim) -> str:
    """Value of the claim's ownership label; "" when it has none."""
    marks = claim.metadata.labels
    return next((marks[key] for key in OWNERSHIP_LABELS if key in marks), "")


def grace_seconds(claim: Claim) -> float | None:
    """How long its pods may keep the claim's machine once it is deleted; None: not said."""
    wanted = claim.spec.termination_grace_period if isinstance(claim, NodeClaim) else None
    return seconds(wanted) if wanted else None


def _owns_machine(claim: Claim) -> bool:
    """By label: v1alpha5 has no reference to a class."""
    return any(key in claim.metadata.labels for key in OWNERSHIP_LABELS)


def _owns_node_claim(claim: Claim) -> bool:
    """By class: another Karpenter may live in the cluster."""
    if not isinstance(claim, NodeClaim):
        return False
    reference = claim.spec.node_class_ref
    return (reference.group, reference.kind) == (NODE_CLASS_GROUP, NODE_CLASS_KIND)


MACHINE = ClaimKind(
    name="Machine",
    resource=MACHINES,
    prefix="Machine",
    pending=("False", "MachineNotLaunched", "Machine is not launched"),
    knative=True,
    owns=_owns_machine,
    has_image=False,
)

NODE_CLAIM = ClaimKind(
    name="NodeClaim",
    resource=NODECLAIMS,
    prefix="",
    pending=("Unknown", "AwaitingReconciliation", "object is awaiting reconciliation"),
    knative=False,
    owns=_owns_node_claim,
    has_image=True,
)

KINDS = (MACHINE, NODE_CLAIM)
