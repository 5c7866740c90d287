"""What keeps a workload's pods from running: the first cause, in words, with the remedy. Pure.

A kubelet's own words change from try to try ("back-off 40s", "back-off 80s"). What is said
here stays the same as long as the cause does, so that saying it again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from kaito.api.reasons import Reason
from kaito.kube.conditions import condition
from kaito.kube.kinds import (
    ContainerStatus,
    ContainerTerminated,
    ContainerWaiting,
    Pod,
    ReplicaSpec,
)
from kaito.kube.messages import excerpt
from kaito.workloads.adapters import CONTAINER, FIT
from kaito.workloads.bounds import UNBOUNDED, Bounds, bounds_of
from kaito.workloads.cause import Cause
from kaito.workloads.group import LOST_EXIT_CODE
from kaito.workloads.mounting import is_about_sandbox
from kaito.workloads.pulling import PULL, pull_cause

_START = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "PostStartHookError",
        "RunContainerError",
        "StartError",
    }
)
_MISSING = (
    ": create what is missing in the Workspace's namespace, or correct its name (the Secret of"
    " inference.preset.presetOptions.modelAccessSecret, or one that inference.template names)"
)
_VOLUME_GRACE = timedelta(seconds=60)
"""How long what a pod is started with may be away before that counts as lasting."""
_NO_COMPLAINTS: Mapping[str, str] = MappingProxyType({})
_NO_SPEC = ReplicaSpec()
_NO_COMMAND = frozenset({126, 127})
"""Exit codes with which a shell says that it cannot run, or cannot find, a command."""
_SIGNALLED = frozenset({137, 143})
"""Exit codes of a program that was killed, or told to end."""
_RESTARTS = 3
"""Restarts after which a crash counts as lasting."""
_STEADY = timedelta(minutes=10)
"""How long a container has to run for its kubelet to forget that it crashed before."""
_BYGONE = timedelta(hours=1)
"""How long what has failed may be the reason why what followed it is not up."""
_LAST_LINES = 3
_ADAPTERS = frozenset({CONTAINER, FIT})
"""Containers whose last words are about an adapter."""
_SAID_BY_SERVER = re.compile(r"adapter [^\s:]+: ")
"""How the last words of our server begin that are about one (docs/reference/image.md)."""


def first_cause(
    pods: Iterable[Pod],
    *,
    now: datetime,
    spec: ReplicaSpec = _NO_SPEC,
    complaints: Mapping[str, str] = _NO_COMPLAINTS,
) -> Cause | None:
    """The cause to speak of, None while the pods merely take their time.

    Several pods mostly fail alike: the first that is `heard` speaks for all of them.

    Args:
        pods: of the workload.
        now: time of the look.
        spec: of the workload: when its pods count, what its containers may use.
        complaints: why volumes or sandboxes of pods are missing, by the pod's name.
    """
    bounds, known = bounds_of(spec), tuple(pods)
    for pod in heard(known, now=now):
        said = complaints.get(pod.metadata.name)
        found = (said and _placeless(pod, said, now=now)) or next(_causes(pod, now, bounds), None)
        if found:
            return _until_bygone(found, pod, known)
    return None


def heard(pods: Iterable[Pod], *, now: datetime) -> list[Pod]:
    """The pods that have something to say, in turn, by name.

    One that has failed for good comes after its successors, and says nothing once they are of
    another revision, or it is long ago: it stays until somebody deletes it. Of a group that serves
    together come last those that ended because another was lost.
    """
    known = tuple(pods)
    return sorted((one for one in known if not _is_bygone(one, known, now)), key=_turn)


def _is_bygone(pod: Pod, among: Iterable[Pod], now: datetime) -> bool:
    """Whether a pod that has failed is not why those that followed it are not up."""
    later, ended = _successors(pod, among), _failed_at(pod)
    if not later or ended is None:
        return False
    return now >= ended + _BYGONE or any(_makers(one) != _makers(pod) for one in later)


def _until_bygone(cause: Cause, pod: Pod, among: Iterable[Pod]) -> Cause:
    """The cause, which a pod that has failed gives only so long where others have followed it."""
    ended = _failed_at(pod)
    if ended is None or not _successors(pod, among):
        return cause
    return replace(cause, until=min(cause.until or ended + _BYGONE, ended + _BYGONE))


def _successors(pod: Pod, among: Iterable[Pod]) -> list[Pod]:
    """The pods that were made after one."""
    made = pod.metadata.creation_timestamp
    dated = ((one, one.metadata.creation_timestamp) for one in among)
    return [one for one, later in dated if made and later and later > made]


def _failed_at(pod: Pod) -> datetime | None:
    """When a pod has failed for good, None of one that has not, or does not say."""
    if pod.status.phase != "Failed":
        return None
    changes = (one.last_transition_time for one in pod.status.conditions)
    return max((each for each in changes if each), default=pod.metadata.creation_timestamp)


def _makers(pod: Pod) -> frozenset[str]:
    """Who made a pod: of each revision of a Deployment another ReplicaSet."""
    return frozenset(owner.uid for owner in pod.metadata.owner_references)


def _turn(pod: Pod) -> tuple[bool, bool, str]:
    """When a pod is heard, among others."""
    return _is_left_alone(pod), pod.status.phase == "Failed", pod.metadata.name


def _is_left_alone(pod: Pod) -> bool:
    """Whether the pod ended for the loss of another, which is the one to speak of."""
    ends = (
        one.state.terminated or one.last_state.terminated for one in pod.status.container_statuses
    )
    return any(end.exit_code == LOST_EXIT_CODE for end in ends if end)


def _causes(pod: Pod, now: datetime, bounds: Mapping[str, Bounds]) -> Iterator[Cause]:
    """Everything that is wrong with one pod, the earliest in its life first."""
    if pod.is_deleting:
        return
    yield from _of_pod(pod)
    status = pod.status
    for container in (*status.init_container_statuses, *status.container_statuses):
        where = f"pod {pod.metadata.name}, container {container.name}"
        bound = bounds.get(container.name, UNBOUNDED)
        yield from _of_container(
            container, where=where, since=status.start_time, now=now, bounds=bound
        )
        if container in status.container_statuses or bound.is_sidecar:
            yield from _unanswering(container, where=where)


def _of_pod(pod: Pod) -> Iterator[Cause]:
    """What stands in the way of the pod as a whole."""
    name, status = pod.metadata.name, pod.status
    scheduled = condition(status.conditions, "PodScheduled")
    if scheduled and scheduled.status == "False":
        yield Cause(
            Reason.UNSCHEDULABLE,
            f"pod {name} fits no node: {scheduled.message}: free the GPUs of the nodes that"
            " resource.labelSelector selects, look at their taints, or create the volume claim that"
            " is missing",
        )
    if status.phase == "Failed" and status.reason:
        yield Cause(
            Reason.POD_EVICTED,
            f"pod {name} was ended by its node: {status.reason}: {status.message}".rstrip(": "),
        )


def _placeless(pod: Pod, said: str, *, now: datetime) -> Cause:
    """A pod that has not all it needs to be started; what that comes from may follow by itself."""
    until = (pod.status.start_time or now) + _VOLUME_GRACE
    found = _without_sandbox(pod, said) if is_about_sandbox(said) else _without_volume(pod, said)
    return replace(found, lasting=now >= until, until=until)


def _without_volume(pod: Pod, said: str) -> Cause:
    """A volume that cannot be mounted."""
    return Cause(
        Reason.VOLUME_NOT_MOUNTED,
        f"pod {pod.metadata.name} has not all of its volumes: {excerpt(said)}: create what is"
        " missing in the Workspace's namespace, or correct its name",
    )


def _without_sandbox(pod: Pod, said: str) -> Cause:
    """A node that cannot start the pod."""
    return Cause(
        Reason.CONTAINER_START_ERROR,
        f"node {pod.spec.node_name} cannot start pod {pod.metadata.name}: {excerpt(said)}: look at"
        " its container runtime and network plugin, and at the template's runtimeClassName",
    )


def _of_container(
    container: ContainerStatus,
    *,
    where: str,
    since: datetime | None,
    now: datetime,
    bounds: Bounds,
) -> Iterator[Cause]:
    """What is wrong with one container."""
    waiting = container.state.waiting
    if waiting and waiting.reason in PULL:
        yield pull_cause(container, waiting, where=where, since=since, now=now)
    if waiting and waiting.reason in _START:
        said = f"{where} cannot be started: {waiting.reason}: {waiting.message}".rstrip(": ")
        remedy = _MISSING if waiting.reason == "CreateContainerConfigError" else ""
        yield Cause(Reason.CONTAINER_START_ERROR, f"{said}{remedy}", lasting=True)
    ended = container.state.terminated or container.last_state.terminated
    until = _past_at(container, ended, bounds) if ended else None
    is_down = not bounds.is_settled(container, now=now) and (until is None or now < until)
    if ended and is_down and (refusal := _refused_adapter(container, ended)):
        lasting = container.restart_count >= 1
        yield Cause(Reason.ADAPTER_FAILED, refusal, lasting=lasting, until=until)
    elif ended and is_down and _is_failure(ended, waiting, bounds):
        lasting = container.restart_count >= _RESTARTS and not _was_steady(ended, bounds)
        crash = _end_cause(ended, where=where, lasting=lasting, bounds=bounds)
        yield replace(crash, until=until)


def _unanswering(container: ContainerStatus, *, where: str) -> Iterator[Cause]:
    """That a container takes no requests; one that runs before the others never does."""
    if container.state.running and container.started and not container.ready:
        yield Cause(
            Reason.NOT_ANSWERING,
            f"{where} runs, and its readiness probe does not pass: `kubectl logs` of the pod"
            " says what it is doing",
        )


def _past_at(
    container: ContainerStatus, ended: ContainerTerminated, bounds: Bounds
) -> datetime | None:
    """When an end is of the past: what runs now has come further, or has had time enough to.

    None where nothing runs.
    """
    running = container.state.running
    if running is None or running.started_at is None:
        return None
    return running.started_at + min(max(_STEADY, _ran(ended)), max(_BYGONE, _loading(bounds)))


def _was_steady(ended: ContainerTerminated, bounds: Bounds) -> bool:
    """Whether a container was up before it ended, so that restarts of old days do not count."""
    return _ran(ended) > max(_STEADY, _loading(bounds))


def _loading(bounds: Bounds) -> timedelta:
    """How long a container may take to start, nothing where it has no such probe."""
    return timedelta(seconds=bounds.startup.latest_seconds if bounds.startup else 0)


def _ran(ended: ContainerTerminated) -> timedelta:
    """How long a container ran, nothing where that is not known."""
    if ended.started_at is None or ended.finished_at is None:
        return timedelta(0)
    return ended.finished_at - ended.started_at


def _refused_adapter(container: ContainerStatus, ended: ContainerTerminated) -> str:
    """What was said of an adapter that cannot be served; "" where it is not about one."""
    said = ended.message.strip()
    if ended.exit_code != 1:
        return ""
    if container.name in _ADAPTERS:
        return said
    if _SAID_BY_SERVER.match(said):
        return f"inference.adapters: {said}: mend that, or take it out of the list"
    return ""


def _is_failure(
    ended: ContainerTerminated, waiting: ContainerWaiting | None, bounds: Bounds
) -> bool:
    """Whether an end speaks of trouble: a server that ends well is restarted as well."""
    is_looping = bool(waiting and waiting.reason == "CrashLoopBackOff")
    is_late = bool(bounds.startup and bounds.startup.is_met(ended))
    return is_looping or is_late or ended.exit_code not in (0, LOST_EXIT_CODE)


def _end_cause(ended: ContainerTerminated, *, where: str, lasting: bool, bounds: Bounds) -> Cause:
    """A container that has ended and will be, or was, started again."""
    reason, remedy = _end(ended, bounds)
    said = f": {last}" if (last := _last_lines(ended.message)) else ""
    message = f"{where} ended with exit code {ended.exit_code}{said}: {remedy}"
    return Cause(reason, message, lasting=lasting)


def _end(ended: ContainerTerminated, bounds: Bounds) -> tuple[Reason, str]:
    """What an end means, and what to do about it."""
    if ended.reason == "OOMKilled":
        return Reason.CONTAINER_OOM_KILLED, _memory_remedy(bounds.memory)
    if bounds.startup and bounds.startup.is_met(ended):
        remedy = (
            "its startup probe did not pass in time: `kubectl logs --previous` says how far it got"
        )
        return Reason.STARTUP_PROBE_FAILED, remedy
    if ended.exit_code in _NO_COMMAND:
        remedy = "the image does not hold the command: use an image built for this preset"
        return Reason.CONTAINER_CRASH_LOOP, remedy
    if bounds.liveness and ended.exit_code in _SIGNALLED and bounds.liveness.is_met(ended):
        remedy = (
            "a signal ended it, most likely because its liveness probe did not pass: `kubectl"
            " describe pod` says whether, `kubectl logs --previous` what it was doing"
        )
        return Reason.CONTAINER_CRASH_LOOP, remedy
    return Reason.CONTAINER_CRASH_LOOP, "`kubectl logs --previous` of the pod shows the whole log"


def _memory_remedy(limit: str) -> str:
    """What to do about a container that needs more memory than it may use, or than there is."""
    if limit:
        return (
            f"it used more memory than its limit of {limit}: raise resources.limits.memory of the"
            " container, or have it use less"
        )
    return "it used more memory than it may: choose a larger instance type or a smaller model"


def _last_lines(log: str) -> str:
    """The end of a log on one line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return excerpt(" | ".join(lines[-_LAST_LINES:]))
