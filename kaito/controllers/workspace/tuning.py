"""Phases of a tuning: the Job, its result, and the nodes given back once there is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import JOB_STARTED, READY, RESOURCE_READY, TuningResult, Workspace
from kaito.controllers.workspace.nodes import claims_ready, model
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Create, Delete, Step, done, hold
from kaito.kube.conditions import condition
from kaito.kube.kinds import JOBS, ContainerStatus, Job, Pod
from kaito.kube.objects import Manifest
from kaito.nodes.claim import resource_of
from kaito.workloads.cause import Cause
from kaito.workloads.diagnosis import first_cause
from kaito.workloads.note import Broken, Tuned, note_of
from kaito.workloads.tuning import TRAINER, rendered_tuning, run_of

_NO_NODES = "the tuning is done: no node is needed"
_RETRY_SECONDS = 120.0
"""How long a container has to run again before what ended it last counts as overcome."""


def is_recorded(seen: Observed) -> bool:
    """Whether the status holds the result of the present spec: nothing is run for it again."""
    result = seen.workspace.status.tuning
    return result is not None and result.run == run_of(seen.workspace)


def ensure_job(seen: Observed) -> Step:
    """There is a Job of the present spec, and its pod has run."""
    name = seen.workspace.metadata.name
    job = seen.job
    if job is None:
        create = Create(JOBS, wanted_job(seen), seen.workspace.metadata.uid)
        return hold(JOB_STARTED, Reason.APPLYING, f"creating Job {name}", create)
    if job.is_deleting:
        message = f"waiting for Job {name} of an earlier spec to go"
        return hold(JOB_STARTED, Reason.WORKLOAD_DELETING, message)
    if job.metadata.annotations.get(labels.REVISION) != run_of(seen.workspace):
        message = f"the spec has changed: Job {name} is replaced"
        return hold(JOB_STARTED, Reason.APPLYING, message, Delete(JOBS, job))
    if _is_complete(job) or any(_has_run(pod) for pod in _pods(seen, job)):
        return done(JOB_STARTED, Reason.TUNING, f"Job {name} has started")
    return _unstarted(seen, job)


def await_result(seen: Observed) -> Step:
    """The trainer has said what it came to."""
    if seen.job is None:
        return hold("", Reason.WORKLOAD_PROGRESSING, "waiting for the Job")
    notes = [_note(status) for pod in _pods(seen, seen.job) for status in _trainers(pod)]
    found = next((note for note in notes if isinstance(note, Tuned)), None)
    if found is None and _is_complete(seen.job):
        # The pod went with its node before anybody read its last words.
        found = Tuned()
    if found:
        result = _result(seen, found)
        return replace(done("", Reason.READY, _sentence(seen.workspace, result)), tuned=result)
    return _running(seen, seen.job)


def give_back(seen: Observed) -> Step:
    """Nobody pays for a GPU that has nothing to do any more."""
    deletions = tuple(
        Delete(resource_of(claim), claim)
        for claim in (*seen.claims, *seen.stripped)
        if not claim.is_deleting
    )
    step = done(claims_ready(seen), Reason.NODES_RELEASED, _NO_NODES)
    return replace(step, actions=deletions)


def need_no_nodes(seen: Observed) -> Step:
    """No node is in use, whoever it belongs to."""
    _ = seen
    return done(RESOURCE_READY, Reason.NODES_RELEASED, _NO_NODES)


def conclude(seen: Observed) -> Step:
    """The result stands in the status."""
    found = seen.workspace.status.tuning
    return done("", Reason.READY, _sentence(seen.workspace, found) if found else "")


def wanted_job(seen: Observed) -> Manifest:
    """The Job as the spec would have it.

    Raises:
        ValueError: the workspace tunes nothing.
    """
    preset = model(seen)
    if preset is None:
        raise ValueError(f"{seen.workspace.metadata.name} tunes nothing")
    return rendered_tuning(
        seen.workspace,
        preset,
        registry=seen.options.registry,
        carrier=seen.options.carrier,
    )


def _unstarted(seen: Observed, job: Job) -> Step:
    """Why the pod has not run yet."""
    cause = _cause(seen, _pods(seen, job), told_by=JOB_STARTED)
    if cause is None:
        return hold(JOB_STARTED, Reason.WORKLOAD_PROGRESSING, "waiting for the Job's pod")
    step = hold(JOB_STARTED, cause.reason, cause.message)
    left = (cause.until - seen.now).total_seconds() if cause.until else 0
    return replace(step, lasting=cause.lasting, recheck_seconds=left if left > 0 else None)


def _running(seen: Observed, job: Job) -> Step:
    """How the present attempt is doing."""
    pods = _pods(seen, job)
    for status in (status for pod in pods for status in _trainers(pod)):
        note = _note(status)
        running = status.state.running
        since = running.started_at if running else None
        over = since + timedelta(seconds=_RETRY_SECONDS) if since else None
        if isinstance(note, Broken) and (over is None or seen.now < over):
            step = hold("", note.reason, _tried_again(note))
            left = (over - seen.now).total_seconds() if over else None
            return replace(step, lasting=note.lasting, recheck_seconds=left)
        if running:
            return hold("", Reason.TUNING, "the trainer runs: its log says how far it is")
    cause = _cause(seen, pods, told_by=READY)
    if cause is None:
        return hold("", Reason.TUNING, "waiting for the Job's pod")
    return replace(hold("", cause.reason, cause.message), lasting=cause.lasting)


def _cause(seen: Observed, pods: Iterable[Pod], *, told_by: str) -> Cause | None:
    """What keeps pods from running, as far as this look and the last one know it."""
    found = first_cause(pods, now=seen.now, complaints=seen.complaints)
    return found.recalled(condition(seen.workspace.status.conditions, told_by)) if found else None


def _tried_again(note: Broken) -> str:
    """What is said of an attempt that has failed."""
    if note.lasting:
        return (
            f"{note.message}; the trainer is started again every few minutes, and goes on once that"
            " is mended; until then its node is paid for"
        )
    return note.message


def _sentence(workspace: Workspace, result: TuningResult) -> str:
    """What the tuning came to, for people."""
    steps = f" after {result.steps} steps" if result.steps is not None else ""
    loss = f" with loss {result.loss}" if result.loss is not None else ""
    return f"the adapter is {_place(workspace, result)}{steps}{loss}"


def _place(workspace: Workspace, result: TuningResult) -> str:
    """Where it is; the note that says it may be lost."""
    wanted = workspace.tuning.output.image if workspace.tuning else None
    image = result.image or wanted
    if not image:
        return "in tuning.output.volumeSource"
    return f"pushed as {image}@{result.digest}" if result.digest else f"pushed as {image}"


def _result(seen: Observed, found: Tuned) -> TuningResult:
    """What the status keeps."""
    return TuningResult(
        run=run_of(seen.workspace),
        steps=found.steps,
        loss=f"{found.loss:g}" if found.loss is not None else None,
        image=found.image or None,
        digest=found.digest or None,
    )


def _pods(seen: Observed, job: Job) -> tuple[Pod, ...]:
    """Pods of this very Job, by name."""
    found = (
        pod
        for pod in seen.pods
        if any(owner.uid == job.metadata.uid for owner in pod.metadata.owner_references)
    )
    return tuple(sorted(found, key=lambda pod: pod.metadata.name))


def _trainers(pod: Pod) -> tuple[ContainerStatus, ...]:
    """What is known of a pod's trainer."""
    return tuple(one for one in pod.status.container_statuses if one.name == TRAINER)


def _has_run(pod: Pod) -> bool:
    """Whether the trainer of a pod runs, or has run."""
    return any(
        one.state.running or one.state.terminated or one.last_state.terminated
        for one in _trainers(pod)
    )


def _note(status: ContainerStatus) -> Tuned | Broken | None:
    """The last words of a trainer; those of its last end while it runs again."""
    ended = status.state.terminated or status.last_state.terminated
    return note_of(ended.message) if ended else None


def _is_complete(job: Job) -> bool:
    """Whether the Job's pod has ended well."""
    found = condition(job.status.conditions, "Complete")
    return found is not None and found.status == "True"
