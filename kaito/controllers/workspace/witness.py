"""Ask the Events of what comes no further: of pods without a sandbox, and groups without pods.

Only of those, and only now and then: a pod that gets its sandbox in time costs no request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from kaito.controllers.workspace.observe import Observed
from kaito.kube.client import Client
from kaito.kube.errors import KubeError
from kaito.kube.kinds import Pod
from kaito.kube.objects import KubeObject
from kaito.workloads.mounting import COMPLAINTS, PODLESS_SECONDS, complaint, due_seconds

_SOONEST, _LATEST = timedelta(seconds=15), timedelta(minutes=5)
"""How often the Events of one object are read, at first and after twenty minutes."""
_FORGET = timedelta(minutes=10)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was said of one object, when it was asked, and since when it is asked about."""

    since: datetime
    at: datetime
    said: str

    @property
    def pace(self) -> timedelta:
        """How long that holds: what has been stuck for long seldom has anything new to say."""
        return min(max((self.at - self.since) / 4, _SOONEST), _LATEST)


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
        for each in _stuck(seen):
            heard = self._heard.get(each.metadata.uid)
            again.append((heard.pace if heard else _SOONEST).total_seconds())
        return min(again, default=None)

    async def _ask(self, subject: KubeObject, client: Client, *, now: datetime) -> str:
        """What was said of an object; read anew when that was a while ago."""
        uid = subject.metadata.uid
        last = self._heard.get(uid)
        if last and now - last.at < last.pace:
            return last.said
        self._heard = {key: heard for key, heard in self._heard.items() if now - heard.at < _FORGET}
        said = await _read(subject, client)
        if said is None:
            said = last.said if last else ""
        self._heard[uid] = _Heard(last.since if last else now, now, said)
        return said


async def _read(subject: KubeObject, client: Client) -> str | None:
    """What the Events of an object say against it; None where they cannot be read."""
    selector = f"regarding.uid={subject.metadata.uid},type=Warning"
    try:
        events = await client.list(
            COMPLAINTS, namespace=subject.metadata.namespace, fields=selector
        )
    except KubeError as error:
        log.warning("events.denied", about=str(subject.ref), error=str(error))
        return None
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
