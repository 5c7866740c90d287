"""A claim's status, derived from the snapshot that the plan saw. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kaito.api.machine import MachineStatus
from kaito.api.nodeclaim import NodeClaimStatus
from kaito.kube.kinds import Node
from kaito.kube.objects import Condition, Manifest
from provisioner.controllers.machine.kinds import DEPENDENTS, Aspect, ClaimKind
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.step import DONE, Step


def conditions(seen: Observed, steps: Sequence[Step]) -> tuple[Condition, ...]:
    """All conditions of the claim, in the shape and order of its Kind.

    A phase that is hidden behind an unsatisfied one keeps what it said last; it never turns
    True by default. Ready is the first step that is not satisfied.
    """
    latest = {step.aspect: step for step in steps}
    found = [_dependent(seen, aspect, latest.get(aspect)) for aspect in DEPENDENTS]
    found.append(_moved(seen, _ready(seen, steps)))
    if seen.kind.knative:
        return tuple(sorted(found, key=lambda each: each.type))
    return tuple(found)


def status(seen: Observed, steps: Sequence[Step]) -> Manifest | None:
    """All that the claim is to say of itself; None when it says so already."""
    wanted = conditions(seen, steps)
    facts = _facts(seen, steps)
    told = seen.claim.status
    stored = {
        "nodeName": told.node_name,
        "providerID": told.provider_id,
        "capacity": told.capacity,
        "allocatable": told.allocatable,
        "imageID": _image(told),
    }
    if wanted == _ordered(seen.kind, told.conditions) and facts == stored:
        return None
    return {
        **{key: value for key, value in facts.items() if value},
        "conditions": [_wire(seen.kind, each) for each in wanted],
    }


def _dependent(seen: Observed, aspect: Aspect, step: Step | None) -> Condition:
    """The condition of one phase."""
    if step is not None:
        return _moved(seen, _told(seen, aspect, step))
    stored = seen.condition(aspect)
    if stored is not None:
        return stored
    state, reason, message = seen.kind.pending
    blank = Condition(
        type=seen.kind.condition_type(aspect), status=state, reason=reason, message=message
    )
    return _moved(seen, blank)


def _ready(seen: Observed, steps: Sequence[Step]) -> Condition:
    """Ready, as the steps have it together."""
    unhappy = next((step for step in steps if not step.satisfied), None)
    return _told(seen, Aspect.READY, unhappy or Step(Aspect.READY, DONE, Aspect.READY))


def _told(seen: Observed, aspect: Aspect, step: Step) -> Condition:
    return Condition(
        type=seen.kind.condition_type(aspect),
        status=step.status,
        reason=step.reason,
        message=step.message,
        observed_generation=None if seen.kind.knative else seen.claim.metadata.generation,
    )


def _moved(seen: Observed, new: Condition) -> Condition:
    """`new` with its transition time: that of the stored one where nothing moved."""
    old = next((each for each in seen.claim.status.conditions if each.type == new.type), None)
    same = old is not None and old.status == new.status
    if old is not None and seen.kind.knative:
        same = (old.status, old.reason, old.message) == (new.status, new.reason, new.message)
    since = old.last_transition_time if old is not None and same else None
    now = seen.moment.now.astimezone(UTC).replace(microsecond=0)
    return new.model_copy(update={"last_transition_time": since or now})


def _ordered(kind: ClaimKind, stored: Sequence[Condition]) -> tuple[Condition, ...]:
    """Our stored conditions in the order in which `conditions` gives them."""
    names = [kind.condition_type(aspect) for aspect in Aspect]
    places = {name: place for place, name in enumerate(sorted(names) if kind.knative else names)}
    ours = (each for each in stored if each.type in places)
    return tuple(sorted(ours, key=lambda each: places[each.type]))


def _facts(seen: Observed, steps: Sequence[Step]) -> Mapping[str, object]:
    """What is known of the node; once registered, it stays on record.

    What the cloud promises is told once the instance runs: a write of its own while it is being
    created would tell nobody more than its size does.
    """
    told = seen.claim.status
    latest = {step.aspect: step for step in steps}
    over = {aspect for aspect, step in latest.items() if step.satisfied}
    node = seen.nodes[0] if Aspect.REGISTERED in over else Node()
    instance = seen.instance if seen.owned and Aspect.LAUNCHED in over else None
    promised, image = (instance.capacity, instance.image) if instance else ({}, "")
    return {
        "nodeName": node.metadata.name or told.node_name,
        "providerID": node.spec.provider_id or told.provider_id,
        "capacity": node.status.capacity or told.capacity or promised,
        "allocatable": node.status.allocatable or told.allocatable,
        "imageID": (image if seen.kind.has_image else "") or _image(told),
    }


def _image(told: MachineStatus | NodeClaimStatus) -> str:
    """The image on record; a Machine has none."""
    return told.image_id if isinstance(told, NodeClaimStatus) else ""


def _wire(kind: ClaimKind, condition: Condition) -> Manifest:
    """A condition as it goes to the API server."""
    wire: dict[str, object] = {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": _stamp(condition.last_transition_time),
    }
    if not kind.knative and condition.observed_generation is not None:
        wire["observedGeneration"] = condition.observed_generation
    return wire


def _stamp(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
