"""Derive the status from the look that the plan was made from; `Ready` is never set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kaito.api.reasons import TERMINAL, Reason
from kaito.api.workspace import (
    INFERENCE_READY,
    JOB_STARTED,
    MACHINE_READY,
    NODE_CLAIM_READY,
    READY,
    RECONCILING,
    RESOURCE_READY,
    STALLED,
    WORKSPACE_DELETING,
    WORKSPACE_READY,
    WORKSPACE_SUCCEEDED,
    Attempt,
    State,
    TuningResult,
    WorkspaceStatus,
)
from kaito.controllers.workspace.nodes import chosen_nodes, claims_ready, model
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Step
from kaito.controllers.workspace.workload import is_serving, stranded
from kaito.kube.conditions import condition, merged
from kaito.kube.messages import shortened
from kaito.kube.objects import Condition, Manifest
from kaito.nodes.attempts import kept, recorded
from kaito.nodes.hardware import instance_type
from kaito.nodes.selection import named_types

PASSING = (RECONCILING, STALLED)
"""Conditions that stand only while they are True, and never together: what kstatus reads."""
CLAIMS_READY = (MACHINE_READY, NODE_CLAIM_READY)
"""The condition about claims; of the two only that of the Kind that is asked for stands."""
_MOST_SAID = 4096
"""Characters of a condition's message: the schema takes eight times as many, etcd far fewer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the workspace is ready, and the reason in both forms.

    Attributes:
        stalled: it is not, and waiting alone will not change that.
    """

    ready: bool
    reason: Reason
    message: str
    stalled: bool = False


def verdict(steps: tuple[Step, ...]) -> Verdict:
    """What the plan as a whole says: the first unsatisfied phase speaks for the workspace."""
    for step in steps:
        if not step.satisfied:
            stalled = step.lasting and step.reason in TERMINAL
            return Verdict(ready=False, reason=step.reason, message=step.message, stalled=stalled)
    said = (step.message for step in steps if step.reason is Reason.READY)
    message = next(said, "the model answers")
    return Verdict(ready=True, reason=Reason.READY, message=message)


def status(seen: Observed, steps: tuple[Step, ...]) -> WorkspaceStatus:
    """The status that follows from a look and its plan."""
    generation = seen.workspace.metadata.generation
    spoken = {step.condition: step for step in steps if step.condition}
    whole = verdict(steps)
    stages = [_stage(seen, type_, spoken.get(type_)) for type_ in stage_types(seen)]
    found = [
        _condition(type_, whole.reason, whole.message, holds=holds, generation=generation)
        for type_, holds in _summary(whole, is_deleting=seen.workspace.is_deleting).items()
    ]
    after = merged(seen.workspace.status.conditions, stages + found, now=seen.now)
    over = {*PASSING, *CLAIMS_READY} - {each.type for each in stages + found}
    return WorkspaceStatus(
        state=_state(seen, whole),
        observed_generation=generation,
        worker_nodes=_worker_nodes(seen, steps),
        instance_type=_instance_type(seen, spoken),
        attempts=_attempts(seen, steps, is_ready=whole.ready),
        tuning=_tuning(seen, steps),
        conditions=tuple(each for each in after if each.type not in over),
    )


def _state(seen: Observed, whole: Verdict) -> State:
    """The conditions in one word; what has answered once is not ready rather than pending."""
    if seen.workspace.tuning:
        return _tuning_state(whole)
    if whole.ready:
        return "Ready"
    has_answered = seen.workspace.status.state in ("Ready", "NotReady")
    return "NotReady" if has_answered or whole.stalled else "Pending"


def _tuning_state(whole: Verdict) -> State:
    """The conditions of a tuning in one word."""
    if whole.ready:
        return "Succeeded"
    if whole.stalled:
        return "Failed"
    return "Running" if whole.reason is Reason.TUNING else "Pending"


def stage_types(seen: Observed) -> tuple[str, ...]:
    """Conditions that stand from the first look on, Unknown until their phase is reached."""
    last = JOB_STARTED if seen.workspace.tuning else INFERENCE_READY
    return (claims_ready(seen), RESOURCE_READY, last)


def _instance_type(seen: Observed, spoken: Mapping[str, Step]) -> str | None:
    """The type that nodes are asked for with, where the spec leaves a choice."""
    if len(named_types(seen.workspace)) == 1 or not seen.options.buys:
        return None
    if claims_ready(seen) not in spoken:
        return seen.workspace.status.instance_type
    return instance_type(seen.workspace, model(seen), seen.catalog.skus)


def _attempts(seen: Observed, steps: tuple[Step, ...], *, is_ready: bool) -> tuple[Attempt, ...]:
    """Claims that came to nothing; of a workspace that is ready, those that decided its type."""
    stored = seen.workspace.status.attempts
    found = recorded(stored, (one for step in steps for one in step.failed))
    return kept(found) if is_ready else found


def _tuning(seen: Observed, steps: tuple[Step, ...]) -> TuningResult | None:
    """What the tuning came to; the last result stands until there is another."""
    found = [step.tuned for step in steps if step.tuned]
    return found[-1] if found else seen.workspace.status.tuning


def _summary(whole: Verdict, *, is_deleting: bool) -> dict[str, bool]:
    """The conditions that speak for the workspace as a whole, and whether they hold."""
    summary = dict.fromkeys((WORKSPACE_READY, WORKSPACE_SUCCEEDED, READY), whole.ready)
    if not whole.ready:
        summary[STALLED if whole.stalled else RECONCILING] = True
    if is_deleting:
        summary[WORKSPACE_DELETING] = True
    return summary


def status_manifest(status: WorkspaceStatus) -> Manifest:
    """A status in wire form, every field that we own and only those."""
    return {
        **({"state": status.state} if status.state else {}),
        "observedGeneration": status.observed_generation,
        "workerNodes": list(status.worker_nodes),
        **({"instanceType": status.instance_type} if status.instance_type else {}),
        **({"attempts": [_plain(one) for one in status.attempts]} if status.attempts else {}),
        **({"tuning": _plain(status.tuning)} if status.tuning else {}),
        "conditions": [_wire(found) for found in status.conditions],
    }


def _stage(seen: Observed, type_: str, step: Step | None) -> Condition:
    """The condition of one stage; behind an unsatisfied phase it keeps what it last said.

    That the model answers is never kept: pods may end while an earlier stage is not done.
    """
    generation = seen.workspace.metadata.generation
    if step:
        return _condition(
            type_, step.reason, step.message, holds=step.satisfied, generation=generation
        )
    last = condition(seen.workspace.status.conditions, type_)
    if last and not (type_ == INFERENCE_READY and last.status == "True" and not _serves(seen)):
        return last
    return Condition(
        type=type_,
        status="False" if last else "Unknown",
        reason=Reason.WAITING,
        message="an earlier stage is not done",
        observed_generation=generation,
    )


def _serves(seen: Observed) -> bool:
    """Whether the workload answers at this moment, whatever the plan looks at."""
    if seen.workload is None or stranded(seen):
        return False
    return is_serving(seen.workload, count=seen.workspace.resource.count)


def _condition(
    type_: str, reason: Reason, message: str, *, holds: bool, generation: int
) -> Condition:
    """A condition that is True or False."""
    return Condition(
        type=type_,
        status="True" if holds else "False",
        reason=reason,
        message=shortened(message, most=_MOST_SAID),
        observed_generation=generation,
    )


def _plain(part: Attempt | TuningResult) -> Manifest:
    """A part of the status in wire form."""
    return part.model_dump(by_alias=True, mode="json", exclude_none=True)


def _wire(found: Condition) -> Manifest:
    """A condition in the shape of metav1.Condition."""
    return found.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"severity"})


def _worker_nodes(seen: Observed, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Names of the nodes in use, sorted; the last known ones where nodes were not looked at."""
    if any(step.reason is Reason.NODES_RELEASED for step in steps):
        return ()
    about = [step.satisfied for step in steps if step.condition == RESOURCE_READY]
    if not about or not all(about):
        return seen.workspace.status.worker_nodes
    return tuple(sorted(node.metadata.name for node in chosen_nodes(seen)))
