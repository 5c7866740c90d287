"""Ask the Events of what comes no further: of pods without a sandbox, and groups without pods.

Only of those, and only now and then: a pod that gets its sandbox in time costs no request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from kaito.controllers.workspace.observe import Observed
from kaito.kube.client import Client
from kaito.kube.errors import Denied
from kaito.kube.kinds import Pod
from kaito.kube.objects import KubeObject
from kaito.workloads.mounting import COMPLAINTS, PODLESS_SECONDS, complaint, due_seconds

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
        """The same look, and with it what Events say of what comes no further."""
        stuck = _stuck(seen)
        if not stuck:
            return seen
        said = {each.metadata.name: await self._ask(each, client, now=seen.now) for each in stuck}
        return replace(seen, complaints={name: text for name, text in said.items() if text})

    def again_seconds(self, seen: Observed) -> float | None:
        """How soon the next look is worth it; None where nothing is waited for."""
        due = [due_seconds(pod, now=seen.now) for pod in seen.pods]
        again = [seconds for seconds in due if seconds is not None and seconds > 0]
        return min([*again, _AGAIN_SECONDS] if _stuck(seen) else again, default=None)

    async def _ask(self, subject: KubeObject, client: Client, *, now: datetime) -> str:
        """What was said of an object; read anew when that was a while ago."""
        uid = subject.metadata.uid
        last = self._heard.get(uid)
        if last and now - last.at < timedelta(seconds=_AGAIN_SECONDS):
            return last.said
        self._heard = {key: heard for key, heard in self._heard.items() if now - heard.at < _FORGET}
        said = await _read(subject, client)
        self._heard[uid] = _Heard(now, said)
        return said


async def _read(subject: KubeObject, client: Client) -> str:
    """What the Events of an object say against it."""
    selector = f"regarding.uid={subject.metadata.uid},type=Warning"
    try:
        events = await client.list(
            COMPLAINTS, namespace=subject.metadata.namespace, fields=selector
        )
    except Denied as error:
        log.warning("events.denied", about=str(subject.ref), error=str(error))
        return ""
    return complaint(events)


def _stuck(seen: Observed) -> list[KubeObject]:
    """Pods that have been without a sandbox for too long, and a StatefulSet without any pod."""
    stuck: list[KubeObject] = [pod for pod in seen.pods if _is_stuck(pod, seen.now)]
    group = seen.stateful_set
    since = group.metadata.creation_timestamp if group else None
    if group and since and not group.status.replicas:
        stuck += [group] if (seen.now - since).total_seconds() >= PODLESS_SECONDS else []
    return stuck


def _is_stuck(pod: Pod, now: datetime) -> bool:
    """Whether a pod has been without a sandbox for too long."""
    due = due_seconds(pod, now=now)
    return due is not None and due <= 0
