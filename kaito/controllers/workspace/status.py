"""Derive the status from the look that the plan was made from; `Ready` is never set by hand."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.api.reasons import Reason
from kaito.api.workspace import (
    INFERENCE_READY,
    MACHINE_READY,
    READY,
    RESOURCE_READY,
    WORKSPACE_DELETING,
    WORKSPACE_READY,
    WorkspaceStatus,
)
from kaito.controllers.workspace.nodes import chosen_nodes
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Step
from kaito.kube.conditions import condition, merged
from kaito.kube.objects import Condition, Manifest

STAGES = (MACHINE_READY, RESOURCE_READY, INFERENCE_READY)
"""Conditions that stand from the first look on, Unknown until their phase is reached."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the workspace is ready, and the reason in both forms."""

    ready: bool
    reason: Reason
    message: str


def verdict(steps: tuple[Step, ...]) -> Verdict:
    """What the plan as a whole says: the first unsatisfied phase speaks for the workspace."""
    for step in steps:
        if not step.satisfied:
            return Verdict(ready=False, reason=step.reason, message=step.message)
    return Verdict(ready=True, reason=Reason.READY, message="the model answers")


def status(seen: Observed, steps: tuple[Step, ...]) -> WorkspaceStatus:
    """The status that follows from a look and its plan."""
    generation = seen.workspace.metadata.generation
    spoken = {step.condition: step for step in steps if step.condition}
    found = [_stage(seen, type_, spoken.get(type_)) for type_ in STAGES]
    whole = verdict(steps)
    found += [
        _condition(type_, whole.reason, whole.message, holds=whole.ready, generation=generation)
        for type_ in (WORKSPACE_READY, READY)
    ]
    if seen.workspace.is_deleting:
        found.append(
            _condition(
                WORKSPACE_DELETING,
                whole.reason,
                whole.message,
                holds=True,
                generation=generation,
            )
        )
    return WorkspaceStatus(
        observed_generation=generation,
        worker_nodes=_worker_nodes(seen, steps),
        conditions=merged(seen.workspace.status.conditions, found, now=seen.now),
    )


def status_manifest(status: WorkspaceStatus) -> Manifest:
    """A status in wire form, every field that we own and only those."""
    return {
        "observedGeneration": status.observed_generation,
        "workerNodes": list(status.worker_nodes),
        "conditions": [_wire(found) for found in status.conditions],
    }


def _stage(seen: Observed, type_: str, step: Step | None) -> Condition:
    """The condition of one stage; behind an unsatisfied phase it keeps what it last said."""
    if step:
        generation = seen.workspace.metadata.generation
        return _condition(
            type_, step.reason, step.message, holds=step.satisfied, generation=generation
        )
    last = condition(seen.workspace.status.conditions, type_)
    return last or Condition(
        type=type_,
        status="Unknown",
        reason=Reason.WAITING,
        message="an earlier stage is not done",
        observed_generation=seen.workspace.metadata.generation,
    )


def _condition(
    type_: str, reason: Reason, message: str, *, holds: bool, generation: int
) -> Condition:
    """A condition that is True or False."""
    return Condition(
        type=type_,
        status="True" if holds else "False",
        reason=reason,
        message=message,
        observed_generation=generation,
    )


def _wire(found: Condition) -> Manifest:
    """A condition in the shape of metav1.Condition."""
    return found.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"severity"})


def _worker_nodes(seen: Observed, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Names of the nodes in use, sorted; the last known ones where nodes were not looked at."""
    if not any(step.condition == RESOURCE_READY and step.satisfied for step in steps):
        return seen.workspace.status.worker_nodes
    return tuple(sorted(node.metadata.name for node in chosen_nodes(seen)))
