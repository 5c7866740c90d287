"""Pods as kubelets report them, and what is said of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kaito.kube.kinds import Pod, ReplicaSpec
from kaito.workloads.cause import Cause
from kaito.workloads.diagnosis import first_cause

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WAITING_LONG = BEGAN + timedelta(hours=1)


def pod(name: str = "p", **status: object) -> Pod:
    """A pod of that name with a status."""
    return Pod.model_validate(
        {"metadata": {"name": name}, "status": {"startTime": BEGAN.isoformat(), **status}}
    )


def container(**changes: object) -> Pod:
    """A pod of one container."""
    return pod(containerStatuses=[{"name": "w", "image": "registry.example/phi:1", **changes}])


def waiting(reason: str, message: str = "", **changes: object) -> Pod:
    """A pod whose container waits for that reason."""
    return container(state={"waiting": {"reason": reason, "message": message}}, **changes)


def crashed(restarts: int = 0, **end: object) -> Pod:
    """A pod whose container has ended and waits for its next start."""
    ended = {"exitCode": 1, "reason": "Error", **end}
    return waiting(
        "CrashLoopBackOff",
        f"back-off {10 * 2**restarts}s restarting failed container",
        restartCount=restarts,
        lastState={"terminated": ended},
    )


def ran_for(seconds: int, **end: Any) -> Pod:
    """A pod whose container was ended after that long, by a signal unless `end` says otherwise."""
    ended = BEGAN + timedelta(seconds=seconds)
    times = {"startedAt": BEGAN.isoformat(), "finishedAt": ended.isoformat()}
    return crashed(0, **{"exitCode": 143, **times, **end})


def cause(*pods: Pod, now: datetime = WAITING_LONG, probe: dict[str, int] | None = None) -> Cause:
    """The cause; `probe` is the startup probe of the container."""
    template = {"spec": {"containers": [{"name": "w", "startupProbe": probe or {}}]}}
    found = first_cause(pods, now=now, spec=ReplicaSpec(template=template))
    assert found
    return found


def named(name: str, sick: Pod) -> Pod:
    """The same pod under another name."""
    return sick.model_copy(update={"metadata": sick.metadata.model_copy(update={"name": name})})
