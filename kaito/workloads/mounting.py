"""Volumes and sandboxes that a pod lacks: what a kubelet says in Events, and nowhere else. Pure.

A container whose volume is missing waits as `ContainerCreating`, without a word, for ever. Volumes
come before the sandbox of a pod, and images after it: as long as the condition
`PodReadyToStartContainers` (Kubernetes 1.29) is not True, it is not an image that is waited for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pydantic import Field

from kaito.kube.conditions import condition
from kaito.kube.kinds import Pod
from kaito.kube.objects import KubeModel, KubeObject
from kaito.kube.resource import Resource

PATIENCE_SECONDS = 4.0
"""How long a pod may be without a sandbox before anybody asks why."""

PODLESS_SECONDS = 10.0
"""How long a StatefulSet, which keeps its troubles to its Events, may be without any pod."""

_REASONS = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedCreate", "FailedCreatePodSandBox"}
)
_NO_SANDBOX = "Failed to create pod sandbox"
"""How a kubelet says that the container runtime, or the network, gives the pod no place."""
_HASH = re.compile(r'"?[0-9a-f]{32,64}"?')
"""The name of a sandbox, another one with each try."""
_CURRENT = timedelta(seconds=360)
"""How far apart a kubelet reports what still holds: at last, once in five minutes."""
_COUNT = 2
"""How many different complaints are passed on."""
_NEVER = datetime.min.replace(tzinfo=UTC)


class _Series(KubeModel):
    """When an Event was seen again."""

    last_observed_time: datetime | None = None


class Complaint(KubeObject):
    """An Event of a pod, as far as it tells why a volume or its sandbox is missing.

    Attributes:
        reason: a kubelet's word, such as FailedMount.
        note: its sentence.
        event_time: when it was seen, as newer components write it.
        deprecated_last_timestamp: when it was seen last, as kubelets write it.
        series: when it was seen again, as newer components write it.
    """

    reason: str = ""
    note: str = ""
    event_time: datetime | None = None
    deprecated_last_timestamp: datetime | None = None
    series: _Series | None = Field(default=None)

    @property
    def time(self) -> datetime:
        """When it was seen last."""
        again = self.series.last_observed_time if self.series else None
        return again or self.deprecated_last_timestamp or self.event_time or _NEVER


COMPLAINTS = Resource("events.k8s.io", "v1", "events", "Event", Complaint)


def due_seconds(pod: Pod, *, now: datetime) -> float | None:
    """Seconds until a pod has been without a sandbox for too long, 0 or less if it has.

    None for a pod that has one, that is not on a node yet, that has ended or is to end.
    """
    status = pod.status
    if pod.is_deleting or status.phase != "Pending" or status.start_time is None:
        return None
    ready = condition(status.conditions, "PodReadyToStartContainers")
    if ready and ready.status == "True":
        return None
    return PATIENCE_SECONDS - (now - status.start_time).total_seconds()


def complaint(events: Iterable[Complaint]) -> str:
    """What keeps a pod's volumes or its sandbox from it, "" if nobody has said so.

    The sentences are those that still come again, in an order that does not change with each try.
    """
    found = [event for event in events if event.reason in _REASONS and event.note]
    newest = max((event.time for event in found), default=_NEVER)
    current = {_HASH.sub("…", one.note) for one in found if newest - one.time <= _CURRENT}
    return "; ".join(sorted(current)[:_COUNT])


def is_about_sandbox(said: str) -> bool:
    """Whether a complaint is that the pod has no sandbox, for which its volumes were there."""
    return said.startswith(_NO_SANDBOX)
