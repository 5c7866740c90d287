"""The status of a pod, from its spec and what its containers do. Pure.

The API server checks little of it: that a finished pod stays finished and that restart counts
never fall is ours to get right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hack.cluster.kubelet.pod import Pod
from hack.cluster.kubelet.reasons import EVICTED
from hack.cluster.kubelet.states import Running, State, Terminated, View, Waiting
from kaito.kube.objects import Condition, Manifest

NOT_READY = "ContainersNotReady"
NOT_INITIALIZED = "ContainersNotInitialized"
GATES_NOT_READY = "ReadinessGatesNotReady"
COMPLETED = "PodCompleted"
FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a status is made of.

    Attributes:
        pod: as the API server has it; its conditions keep their times where nothing changes.
        init: one view for each init container, in the spec's order.
        containers: one for each container.
        pod_ip: nominal address, "" before it has one.
        host_ip: nominal address of the node.
        started_at: when this kubelet first saw the pod.
        is_ending: the pod is being deleted and nothing of it runs any more.
        now: of this status.
        eviction: why its node has ended it; "" where it has not.
    """

    pod: Pod
    init: tuple[View, ...]
    containers: tuple[View, ...]
    pod_ip: str
    host_ip: str
    started_at: datetime
    is_ending: bool
    now: datetime
    eviction: str = ""


def pod_status(seen: Seen) -> dict[str, object]:
    """The status to write, in wire form, for a strategic merge patch."""
    phase = _phase(seen)
    status: dict[str, object] = {
        "phase": phase,
        "observedGeneration": seen.pod.metadata.generation,
        "conditions": _conditions(seen, phase),
        "hostIP": seen.host_ip,
        "hostIPs": [{"ip": seen.host_ip}],
        "startTime": wire_time(seen.started_at),
        "containerStatuses": [_container_status(view) for view in seen.containers],
    }
    if seen.eviction and phase == "Failed":
        status |= {"reason": EVICTED, "message": seen.eviction}
    if seen.init:
        sidecars = _sidecar_names(seen.pod)
        status["initContainerStatuses"] = [
            _container_status(view if view.name in sidecars else _init_view(view))
            for view in seen.init
        ]
    if seen.pod_ip:
        status["podIP"] = seen.pod_ip
        status["podIPs"] = [{"ip": seen.pod_ip}]
    return status


def wire_time(moment: datetime) -> str:
    """A time as objects carry it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _phase(seen: Seen) -> str:
    if seen.pod.is_finished:
        return seen.pod.status.phase
    if seen.eviction and not any(isinstance(one.state, Running) for one in seen.containers):
        return "Failed"
    if seen.is_ending:
        everything = (*seen.init, *seen.containers)
        return "Succeeded" if all(view.is_complete for view in everything) else "Failed"
    return _init_phase(seen) or _main_phase(seen)


def _init_phase(seen: Seen) -> str:
    """The phase while init containers decide it, else ""."""
    sidecars = _sidecar_names(seen.pod)
    for view in seen.init:
        if view.name in sidecars:
            if not view.started and not _has_ended(seen.containers):
                return "Pending"
        elif not view.is_complete:
            failed = isinstance(view.state, Terminated) and seen.pod.spec.restart_policy == "Never"
            return "Failed" if failed else "Pending"
    return ""


def _main_phase(seen: Seen) -> str:
    views = seen.containers
    if any(isinstance(view.state, Waiting) and view.last is None for view in views):
        return "Pending"
    if any(isinstance(view.state, Running) for view in views):
        return "Running"
    if seen.pod.spec.restart_policy == "Always":
        return "Running"
    if all(view.is_complete for view in views):
        return "Succeeded"
    if seen.pod.spec.restart_policy == "Never":
        return "Failed"
    return "Running"


def _conditions(seen: Seen, phase: str) -> list[Manifest]:
    ready = _containers_ready(seen, phase)
    wanted = (
        _judged("PodReadyToStartContainers", holds=bool(seen.pod_ip) and phase not in FINISHED),
        _initialized(seen, phase),
        _gated(seen.pod, ready),
        ready,
    )
    before = {condition.type: condition for condition in seen.pod.status.conditions}
    return [_stamped(one, before.get(one.type), seen.now) for one in wanted]


def _stamped(new: Condition, old: Condition | None, now: datetime) -> Manifest:
    """The condition in wire form; its time moves only when its status does."""
    unchanged = old is not None and old.status == new.status
    moment = old.last_transition_time if old is not None and unchanged else now
    return {
        "type": new.type,
        "status": new.status,
        "reason": new.reason or None,
        "message": new.message or None,
        "lastProbeTime": None,
        "lastTransitionTime": wire_time(moment or now),
    }


def _judged(type: str, *, holds: bool, reason: str = "", message: str = "") -> Condition:
    return Condition(type=type, status="True" if holds else "False", reason=reason, message=message)


def _initialized(seen: Seen, phase: str) -> Condition:
    sidecars = _sidecar_names(seen.pod)
    missing = [
        view.name
        for view in seen.init
        if not (view.started if view.name in sidecars else view.is_complete)
    ]
    if missing and phase not in FINISHED:
        message = f"containers with incomplete status: {_names(missing)}"
        return _judged("Initialized", holds=False, reason=NOT_INITIALIZED, message=message)
    done = COMPLETED if phase == "Succeeded" else ""
    return _judged("Initialized", holds=not missing or phase == "Succeeded", reason=done)


def _containers_ready(seen: Seen, phase: str) -> Condition:
    if phase == "Succeeded":
        return _judged("ContainersReady", holds=False, reason=COMPLETED)
    sidecars = _sidecar_names(seen.pod)
    counted = (*(view for view in seen.init if view.name in sidecars), *seen.containers)
    unready = [view.name for view in counted if not view.ready]
    if unready or not counted:
        message = f"containers with unready status: {_names(unready)}"
        return _judged("ContainersReady", holds=False, reason=NOT_READY, message=message)
    return _judged("ContainersReady", holds=True)


def _gated(pod: Pod, ready: Condition) -> Condition:
    """Ready: all containers are, and everything that others must confirm."""
    verdict = ready.model_copy(update={"type": "Ready"})
    confirmed = {one.type for one in pod.status.conditions if one.status == "True"}
    open_gates = [
        gate.condition_type
        for gate in pod.spec.readiness_gates
        if gate.condition_type not in confirmed
    ]
    if ready.status == "True" and open_gates:
        message = f"waiting for the conditions {_names(open_gates)}"
        return _judged("Ready", holds=False, reason=GATES_NOT_READY, message=message)
    return verdict


def _init_view(view: View) -> View:
    """An init container counts as ready once it has done its work, and not while it does it."""
    return replace(view, ready=view.is_complete)


def _container_status(view: View) -> Manifest:
    status: dict[str, object] = {
        "name": view.name,
        "image": view.image,
        "imageID": view.image_id,
        "ready": view.ready,
        "started": view.started,
        "restartCount": view.restarts,
        "state": _state(view.state),
        "lastState": _state(view.last) if view.last else {},
    }
    if view.container_id:
        status["containerID"] = view.container_id
    return status


def _state(state: State) -> Manifest:
    match state:
        case Waiting(reason, message):
            return {"waiting": _without_empty({"reason": reason, "message": message})}
        case Running(started_at):
            return {"running": {"startedAt": wire_time(started_at)}}
        case Terminated():
            return {"terminated": _terminated(state)}


def _terminated(end: Terminated) -> Manifest:
    times = {
        "startedAt": wire_time(end.started_at) if end.started_at else "",
        "finishedAt": wire_time(end.finished_at) if end.finished_at else "",
    }
    texts = {"reason": end.reason, "message": end.message, "containerID": end.container_id}
    return {"exitCode": end.exit_code, **_without_empty({**times, **texts})}


def _without_empty(texts: dict[str, str]) -> dict[str, object]:
    return {key: text for key, text in texts.items() if text}


def _sidecar_names(pod: Pod) -> frozenset[str]:
    return frozenset(one.name for one in pod.spec.init_containers if one.restart_policy == "Always")


def _has_ended(views: Sequence[View]) -> bool:
    return bool(views) and all(isinstance(view.state, Terminated) for view in views)


def _names(names: Iterable[str]) -> str:
    return "[" + " ".join(names) + "]"
