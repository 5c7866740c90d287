"""Ask the Events of pods that come no further what their kubelet says of their volumes.

Only of such pods, and only now and then: a pod that gets its sandbox in time costs no request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from kaito.controllers.workspace.observe import Observed
from kaito.kube.client import Client
from kaito.kube.errors import Denied
from kaito.kube.kinds import Pod
from kaito.workloads.mounting import COMPLAINTS, complaint, due_seconds

_AGAIN_SECONDS = 15.0
"""How often the Events of one pod are read."""
_FORGET = timedelta(minutes=10)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was said of one pod, and when it was asked."""

    at: datetime
    said: str


@dataclass(slots=True)
class Witness:
    """Remembers for a while what was said of each pod, by its uid."""

    _heard: dict[str, _Heard] = field(default_factory=dict)

    async def completed(self, seen: Observed, client: Client) -> Observed:
        """The same look, and with it what Events say of the pods that come no further."""
        stuck = [pod for pod in seen.pods if _is_stuck(pod, seen.now)]
        if not stuck:
            return seen
        said = {pod.metadata.name: await self._ask(pod, client, now=seen.now) for pod in stuck}
        return replace(seen, complaints={name: text for name, text in said.items() if text})

    def again_seconds(self, seen: Observed) -> float | None:
        """How soon the next look is worth it; None while no pod waits for its sandbox."""
        due = (due_seconds(pod, now=seen.now) for pod in seen.pods)
        return min((each if each > 0 else _AGAIN_SECONDS for each in due if each), default=None)

    async def _ask(self, pod: Pod, client: Client, *, now: datetime) -> str:
        """What was said of a pod; read anew when that was a while ago."""
        uid = pod.metadata.uid
        last = self._heard.get(uid)
        if last and now - last.at < timedelta(seconds=_AGAIN_SECONDS):
            return last.said
        self._heard = {key: heard for key, heard in self._heard.items() if now - heard.at < _FORGET}
        said = await _read(pod, client)
        self._heard[uid] = _Heard(now, said)
        return said


async def _read(pod: Pod, client: Client) -> str:
    """What the Events of a pod say of its volumes."""
    selector = f"regarding.uid={pod.metadata.uid},type=Warning"
    try:
        events = await client.list(COMPLAINTS, namespace=pod.metadata.namespace, fields=selector)
    except Denied as error:
        log.warning("events.denied", pod=str(pod.ref), error=str(error))
        return ""
    return complaint(events)


def _is_stuck(pod: Pod, now: datetime) -> bool:
    """Whether a pod has been without a sandbox for too long."""
    due = due_seconds(pod, now=now)
    return due is not None and due <= 0
