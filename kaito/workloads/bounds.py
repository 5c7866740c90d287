"""What a workload says of its containers, as far as their ends are judged by it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.kube.kinds import ContainerStatus, ReplicaSpec
from kaito.workloads.startup import (
    ProbeLimit,
    containers_of,
    liveness_limits,
    startup_limits,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one container may do, and has to do.

    Attributes:
        startup: when it is ended if its startup probe does not pass; None without one.
        liveness: when it may be ended if its liveness probe does not pass; None without one.
        memory: how much it may use, a quantity as its pod names it; "" where nothing bounds it.
        settling: how long it has to be ready on end before it counts.
        is_sidecar: whether it stays beside the others, though it starts before them.
    """

    startup: ProbeLimit | None = None
    liveness: ProbeLimit | None = None
    memory: str = ""
    settling: timedelta = timedelta(0)
    is_sidecar: bool = False

    def is_settled(self, container: ContainerStatus, *, now: datetime) -> bool:
        """Whether the container is ready, and has run for long enough that it counts."""
        running = container.state.running
        since = running.started_at if running else None
        return container.ready and (since is None or now - since >= self.settling)


UNBOUNDED = Bounds()
"""Of a container of which the workload says nothing."""


def bounds_of(spec: ReplicaSpec) -> Mapping[str, Bounds]:
    """The bounds of each container of a workload's pods, by its name."""
    startup, liveness = startup_limits(spec.template), liveness_limits(spec.template)
    settling = timedelta(seconds=spec.min_ready_seconds)
    return {
        (name := str(container.get("name"))): Bounds(
            startup.get(name),
            liveness.get(name),
            _memory(container),
            settling,
            is_sidecar=container.get("restartPolicy") == "Always",
        )
        for container in containers_of(spec.template)
    }


def _memory(container: Mapping[str, object]) -> str:
    """The container's limit on memory, as it stands on the wire."""
    resources = container.get("resources")
    limits = resources.get("limits") if isinstance(resources, Mapping) else None
    return str(limits.get("memory", "")) if isinstance(limits, Mapping) else ""
