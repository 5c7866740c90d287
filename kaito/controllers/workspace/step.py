"""What a phase concludes, and the actions that would move it: values, not effects."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.api.reasons import Reason
from kaito.api.workspace import Attempt, TuningResult, Workspace
from kaito.kube.kinds import Node
from kaito.kube.objects import KubeObject, Manifest
from kaito.kube.resource import Resource


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object; one of that name that is there already is success if it is ours.

    Attributes:
        owner_uid: uid of the Workspace; ours is what it owns, or what carries it as a label.
    """

    resource: Resource[KubeObject]
    manifest: Manifest
    owner_uid: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Make an object that is ours what `manifest` says, by server-side apply.

    Attributes:
        seen: the object that this was decided on; it is never made anew, and a later state of
            it is looked at again first.
    """

    resource: Resource[KubeObject]
    manifest: Manifest
    seen: KubeObject


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly this object as it was seen; a namesake with another uid stays."""

    resource: Resource[KubeObject]
    seen: KubeObject


@dataclass(frozen=True, slots=True)
class DeleteUnseen:
    """Delete the Workspace's workloads that caches miss: somebody has taken our label off."""

    workspace: Workspace


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Store our finalizer on the Workspace, unless it changed since it was seen."""

    workspace: Workspace


@dataclass(frozen=True, slots=True)
class ReleaseFinalizer:
    """Let the Workspace go, once the API server itself says that nothing of it is left.

    A cache may not know yet of a claim that was created a moment ago; forgetting it here
    would leave a GPU node that nobody pays attention to; one that does not know yet of a label
    on a node of the user's would leave that node to nobody.
    """

    workspace: Workspace


@dataclass(frozen=True, slots=True)
class Pin:
    """Give a node of the user's the label by which pods are pinned, unless it changed since.

    Attributes:
        uid: of the Workspace. That of another is replaced only once that other is gone.
    """

    node: Node
    uid: str


@dataclass(frozen=True, slots=True)
class Unpin:
    """Take that label off a node, unless it changed since; a node that is gone is success."""

    node: Node


Action = Create | Apply | Delete | DeleteUnseen | AddFinalizer | ReleaseFinalizer | Pin | Unpin


@dataclass(frozen=True, slots=True)
class Step:
    """What one phase concludes.

    Four of its answers are yes or no, each to a question of its own: the conditions ask whether it
    is `satisfied`, the plan whether it `holds_up`, the report whether it is to be `told`, and the
    verdict whether it is `lasting`. The last three are asked of a step that is not satisfied only.

    Attributes:
        condition: the condition type that it speaks for; "" for none.
        satisfied: whether the next phase may be looked at.
        reason: why, from the closed vocabulary.
        message: the same for people; stable as long as nothing changes.
        actions: what would move it; none while it waits for someone else.
        recheck_seconds: when to look again even if nothing happens; None: only on events.
        lasting: False while a reason that is terminal may still pass by itself.
        failed: claims that came to nothing, for the status to keep.
        tuned: what the tuning came to, for the status to keep.
        told: False while it is too early to tell people: what follows at once would replace it.
        holds_up: False where the next phase need not see what the actions lead to: that they were
            carried out first is enough.
    """

    condition: str
    satisfied: bool
    reason: Reason
    message: str = ""
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None
    lasting: bool = True
    failed: tuple[Attempt, ...] = ()
    told: bool = True
    tuned: TuningResult | None = None
    holds_up: bool = True


def hold(condition: str, reason: Reason, message: str, *actions: Action) -> Step:
    """Say that a phase is not satisfied yet, and what would move it."""
    return Step(condition, satisfied=False, reason=reason, message=message, actions=actions)


def done(condition: str, reason: Reason, message: str = "") -> Step:
    """Say that a phase is satisfied."""
    return Step(condition, satisfied=True, reason=reason, message=message)
