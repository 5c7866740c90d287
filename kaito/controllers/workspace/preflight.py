"""Phases that look, with the user's own secrets, at what a workspace needs from outside.

`ensure_preflight` comes before a node is bought; `ensure_change` before a workload that runs is
given another list of adapters, so that a mistake in it does not end what answers now.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import INFERENCE_READY, JOB_STARTED
from kaito.controllers.workspace.nodes import model
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Create, Delete, Step, done, hold
from kaito.controllers.workspace.workload import wanted_workload
from kaito.kube.conditions import condition
from kaito.kube.kinds import PODS, ContainerStatus, ContainerTerminated, Pod
from kaito.kube.objects import Manifest
from kaito.workloads.adapters import adapter_items, fetched_items
from kaito.workloads.note import Broken, note_of
from kaito.workloads.preflight import (
    CONTAINER,
    beside_the_model,
    needs_preflight,
    rendered_preflight,
)
from kaito.workloads.tuning import run_of

PATIENCE_SECONDS = 60.0
"""How long the pod may take to run at all; nodes are bought without it then."""
AGAIN_SECONDS = 60.0
"""How soon what was refused is looked at again: secrets and registries are not watched."""
_REFUSED = 1
"""Exit code of a container that has found something wrong, and has said what."""


def ensure_preflight(seen: Observed) -> Step:
    """What the workspace needs from outside can be had, or a workload has it already."""
    if _is_under_way(seen):
        return _forgotten(seen) if seen.workspace.tuning else done("", Reason.RECONCILING)
    if not needs_preflight(seen.workspace, model(seen)):
        return _forgotten(seen)
    return _looked(seen, rendered_preflight(seen.workspace, seen.options.carrier, model(seen)))


def ensure_change(seen: Observed) -> Step:
    """Another list of adapters can be had, or the workload has it already."""
    if seen.workload is None:
        return done("", Reason.RECONCILING)
    if not adapter_items(seen.workspace) or _is_fetched(seen):
        return _forgotten(seen)
    look = rendered_preflight(seen.workspace, seen.options.carrier, model(seen))
    spec = wanted_workload(seen)["spec"]
    return _looked(
        seen, beside_the_model(look, spec["template"]) if isinstance(spec, dict) else look
    )


def _is_under_way(seen: Observed) -> bool:
    """Whether there is a workload of what was looked at; a change of one is `ensure_change`'s."""
    if seen.workspace.tuning is None:
        return seen.workload is not None
    job = seen.job
    run = job.metadata.annotations.get(labels.REVISION) if job else None
    return run == run_of(seen.workspace)


def _is_fetched(seen: Observed) -> bool:
    """Whether the workload's pods fetch exactly these adapters."""
    wanted = [item.flag() for item in adapter_items(seen.workspace)]
    return seen.workload is not None and fetched_items(seen.workload.spec.template) == wanted


def _forgotten(seen: Observed) -> Step:
    """Nothing is to be looked at; a pod that has looked is not needed any more."""
    gone = tuple(Delete(PODS, pod) for pod in seen.preflights if not pod.is_deleting)
    return replace(done("", Reason.RECONCILING), actions=gone)


def _looked(seen: Observed, wanted: Manifest) -> Step:
    """What the pod says; there is one for what is wanted now, and none for anything else."""
    metadata = wanted["metadata"]
    name = str(metadata["name"]) if isinstance(metadata, dict) else ""
    others = tuple(
        Delete(PODS, pod)
        for pod in seen.preflights
        if pod.metadata.name != name and not pod.is_deleting
    )
    pod = next((one for one in seen.preflights if one.metadata.name == name), None)
    if pod is None:
        step = _waiting(seen, Create(PODS, wanted, seen.workspace.metadata.uid))
    elif pod.is_deleting:
        step = _waiting(seen)
    else:
        step = _said(seen, pod)
    return replace(step, actions=(*step.actions, *others))


def _said(seen: Observed, pod: Pod) -> Step:
    """What a pod has come to."""
    if pod.status.phase == "Succeeded":
        return done("", Reason.RECONCILING)
    refusals = [one for one in _containers(pod) if _refusal(one)]
    if refusals:
        return _failed(seen, pod, "; ".join(_refusal(one) for one in refusals))
    if pod.status.phase == "Failed":
        why = pod.status.reason or _ends(pod) or "it has ended without a word"
        return _skipped(f"pod {pod.metadata.name} has failed: {why}")
    since = pod.metadata.creation_timestamp or seen.now
    left = (since + timedelta(seconds=PATIENCE_SECONDS) - seen.now).total_seconds()
    if _has_begun(pod) or left > 0:
        return replace(_waiting(seen), recheck_seconds=left if left > 0 else None)
    return _skipped(f"pod {pod.metadata.name} did not run for {PATIENCE_SECONDS:.0f} s{_why(pod)}")


def _waiting(seen: Observed, *actions: Create) -> Step:
    """The look is under way; what an earlier one of the same spec has found stands meanwhile."""
    condition_type = _condition(seen)
    last = condition(seen.workspace.status.conditions, condition_type)
    if (
        last
        and last.reason == Reason.PREFLIGHT_FAILED
        and last.observed_generation == seen.workspace.metadata.generation
    ):
        return hold(condition_type, Reason.PREFLIGHT_FAILED, last.message, *actions)
    message = "images, secrets and registries are looked at before a node is bought"
    return hold(condition_type, Reason.PREFLIGHT, message, *actions)


def _failed(seen: Observed, pod: Pod, message: str) -> Step:
    """Something cannot be had; it is looked at again after a while."""
    ended = max((end for one in _containers(pod) if (end := _finished(one))), default=None)
    again = (ended or seen.now) + timedelta(seconds=AGAIN_SECONDS)
    left = (again - seen.now).total_seconds()
    step = hold(_condition(seen), Reason.PREFLIGHT_FAILED, message)
    if left > 0:
        return replace(step, recheck_seconds=left)
    return replace(step, actions=(Delete(PODS, pod),))


def _skipped(why: str) -> Step:
    """The look could not be taken: the workspace comes up without it."""
    return done(
        "",
        Reason.PREFLIGHT_SKIPPED,
        f"images, secrets and registries were not looked at before: {why}",
    )


def _containers(pod: Pod) -> tuple[ContainerStatus, ...]:
    """All that look, in the order in which they do."""
    return (*pod.status.init_container_statuses, *pod.status.container_statuses)


def _has_begun(pod: Pod) -> bool:
    """Whether a container runs, or has run."""
    begun = any(one.state.running or one.state.terminated for one in _containers(pod))
    return begun or pod.status.phase == "Running"


def _refusal(container: ContainerStatus) -> str:
    """What a container has found wrong; "" where it has not."""
    ended = container.state.terminated
    if ended is None or ended.exit_code != _REFUSED or not ended.message:
        return ""
    note = None if container.name == CONTAINER else note_of(ended.message)
    return note.message if isinstance(note, Broken) else ended.message.strip()


def _finished(container: ContainerStatus) -> datetime | None:
    """When a container has ended."""
    return container.state.terminated.finished_at if container.state.terminated else None


def _ends(pod: Pod) -> str:
    """How the containers of a pod have ended."""
    found = (one.state.terminated for one in _containers(pod))
    return ", ".join(_end(ended) for ended in found if ended)


def _end(ended: ContainerTerminated) -> str:
    """One end in words."""
    return f"{ended.reason or 'Ended'} with exit code {ended.exit_code}"


def _why(pod: Pod) -> str:
    """Why a pod does not run, as the scheduler or the kubelet says."""
    scheduled = condition(pod.status.conditions, "PodScheduled")
    if scheduled and scheduled.status == "False":
        return f": {scheduled.message}"
    found = (one.state.waiting for one in _containers(pod))
    said = next((f"{one.reason}: {one.message}".strip(": ") for one in found if one), "")
    return f": {said}" if said else ""


def _condition(seen: Observed) -> str:
    """The condition that speaks of the workload."""
    return JOB_STARTED if seen.workspace.tuning else INFERENCE_READY
