"""What a phase concludes, and the words for what it wants done."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.kube.kinds import Node, Pod
from provisioner.cloud import InstanceSpec
from provisioner.controllers.machine.kinds import Aspect
from provisioner.failures import CloudError


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Store the finalizer, and what people look for on the claim.

    Attributes:
        labels: that the printer columns show.
        annotations: the instance's name, where it is not the claim's.
    """

    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """Begin to create the instance."""

    spec: InstanceSpec


@dataclass(frozen=True, slots=True)
class Terminate:
    """Begin to delete the instance.

    Attributes:
        name: of the instance.
        because: why it failed, when that is the reason.
    """

    name: str
    because: CloudError | None = None


@dataclass(frozen=True, slots=True)
class LabelNode:
    """Merge labels into a node, and taints that it does not have yet.

    Attributes:
        node: as it was seen.
        labels: to set.
        taints: the whole list to store; None leaves it alone.
    """

    node: Node
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[tuple[str, str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class LabelClaim:
    """Show on the claim what its machine came to be.

    Attributes:
        labels: to set.
    """

    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CordonNode:
    """Let no further pod onto a node."""

    node: Node


@dataclass(frozen=True, slots=True)
class EvictPods:
    """Ask once for the eviction of each of these pods; a namesake that came later stays."""

    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class DeleteNode:
    """Delete the Node object of a machine that is gone."""

    node: Node


@dataclass(frozen=True, slots=True)
class DeleteClaim:
    """Delete the claim, as its owner would."""


@dataclass(frozen=True, slots=True)
class ReleaseFinalizer:
    """Let the API server forget the claim."""


Action = (
    AddFinalizer
    | Launch
    | Terminate
    | LabelNode
    | LabelClaim
    | CordonNode
    | EvictPods
    | DeleteNode
    | DeleteClaim
    | ReleaseFinalizer
)

FAILED = "False"
WAITING = "Unknown"
DONE = "True"


@dataclass(frozen=True, slots=True)
class Step:
    """One phase's conclusion.

    Attributes:
        aspect: the condition that it is about.
        status: "True" (satisfied), "False" (a person may have to act) or "Unknown" (wait).
        reason: of the condition.
        message: one sentence without a trailing period.
        actions: what would move it.
        recheck_seconds: look again after; None for events only.
        in_cloud: it waits for a newer list of instances.
        is_steady: a list that says the same of the instance would change nothing.
        is_brief: it may be over so soon that nobody need be told of it alone.
    """

    aspect: Aspect
    status: str
    reason: str
    message: str = ""
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None
    in_cloud: bool = False
    is_steady: bool = False
    is_brief: bool = False

    @property
    def satisfied(self) -> bool:
        """Whether the next phase may be looked at."""
        return self.status == DONE


def done(aspect: Aspect, reason: str) -> Step:
    """Say that a phase is satisfied."""
    return Step(aspect, DONE, reason)


def hold(aspect: Aspect, reason: str, message: str, *actions: Action) -> Step:
    """Say that a phase waits for something that comes by itself, or for its actions."""
    return Step(aspect, WAITING, reason, message, actions)


def failed(aspect: Aspect, reason: str, message: str, *actions: Action) -> Step:
    """Say that a phase cannot go on, and why."""
    return Step(aspect, FAILED, reason, message, actions)
