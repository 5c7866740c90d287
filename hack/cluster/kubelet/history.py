"""What a restarted kubelet makes of the statuses that it wrote before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hack.cluster.kubelet.pod import Container
from hack.cluster.kubelet.states import (
    KILLED_EXIT_CODE,
    STATUS_UNKNOWN,
    Terminated,
    View,
    Waiting,
    restarts_after,
)
from kaito.kube.kinds import ContainerState, ContainerStatus


def first_view(
    container: Container, statuses: Sequence[ContainerStatus], *, reason: str, now: datetime
) -> View:
    """Where a container stands before this kubelet does anything.

    Containers die with the process kubelet, so one that ran has been killed.

    Args:
        container: of the spec.
        statuses: of the pod as the API server has it; empty for a new pod.
        reason: why a container that never ran waits.
        now: when one that ran is noticed to have ended.
    """
    before = next((one for one in statuses if one.name == container.name), None)
    fresh = View(container.name, container.image, Waiting(reason))
    if before is None:
        return fresh
    last = _end(before.last_state)
    # One that waited for its restart has ended, too, and is started again at once.
    end = _killed(before.state, now) or _end(before.state) or last
    return View(container.name, container.image, end or fresh.state, last, before.restart_count)


def is_over(view: View, policy: str) -> bool:
    """Whether the container has ended and is not to be started again."""
    return isinstance(view.state, Terminated) and not restarts_after(view.state, policy)


def _killed(state: ContainerState, now: datetime) -> Terminated | None:
    if state.running is None:
        return None
    message = "The kubelet that ran this container ended, and the container with it"
    return Terminated(KILLED_EXIT_CODE, STATUS_UNKNOWN, state.running.started_at, now, message)


def _end(state: ContainerState) -> Terminated | None:
    one = state.terminated
    if one is None:
        return None
    return Terminated(one.exit_code, one.reason, one.started_at, one.finished_at, one.message)
