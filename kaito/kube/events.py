"""Kubernetes Events: what people read in `kubectl describe`.

They are a courtesy: queued, sent in the background when nothing else is, for a few seconds,
repeated ones counted instead of sent again, dropped rather than waited for. A reconcile never
notices.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from kaito.kube import metrics
from kaito.kube.client import Client
from kaito.kube.clock import Clock
from kaito.kube.errors import AlreadyExists, KubeError, NotFound, Throttled, Unavailable
from kaito.kube.objects import KubeModel, KubeObject, Manifest, Ref
from kaito.kube.resource import Resource

_QUEUE_LIMIT = 1000
_SEEN_LIMIT = 4096
_NOTE_LIMIT_BYTES = 1024
_BURST = 25
_REFILL_SECONDS = 300.0
_TRIES = 12
_TRY_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
"""How long an event lets other requests go first: in a burst it would make them slower."""
_CLUSTER_NAMESPACE = "default"
_SIMILAR_COUNT = 10
_SIMILAR_SECONDS = 600.0
_COMBINED = "(combined from similar events): "

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger()


class _Series(KubeModel):
    """How often an event was seen after the first time."""

    count: int = 1


class KubeEvent(KubeObject):
    """An Event of events.k8s.io/v1, as far as it is read back."""

    series: _Series | None = None


EVENTS = Resource("events.k8s.io", "v1", "events", "Event", KubeEvent)


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One event, as it is sent.

    Attributes:
        ref: where it is stored.
        time: of the sighting, as it is stored.
        manifest: of the event.
        since: monotonic time of the sighting, in seconds.
    """

    ref: Ref
    time: str
    manifest: Manifest
    since: float


class Recorder:
    """Sends events in the name of one controller.

    Attributes:
        clock: stamps the events and refills the allowance of each object.
    """

    def __init__(self, client: Client, *, controller: str, instance: str) -> None:
        """Make a recorder; nothing is sent before `run`.

        Args:
            client: sends.
            controller: qualified name of who reports, e.g. "kaito.sh/workspace".
            instance: which process of it, e.g. the pod's name.
        """
        self.clock: Clock = client.clock
        self._client = client
        self._controller = controller
        self._instance = instance
        self._queue: asyncio.Queue[_Sighting] = asyncio.Queue(_QUEUE_LIMIT)
        self._counts: OrderedDict[Ref, int] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()
        self._similar: OrderedDict[tuple[str, str, str], _Similar] = OrderedDict()

    def event(
        self,
        obj: KubeObject,
        resource: Resource[KubeObject],
        *,
        type: str,
        reason: str,
        message: str,
        action: str = "Reconcile",
    ) -> None:
        """Queue an event; at once, and whatever happens.

        Args:
            obj: what it is about.
            resource: the object's kind.
            type: "Normal" or "Warning".
            reason: CamelCase word for programs.
            message: one sentence for people, without a period; cut at 1024 bytes.
            action: what was being done.
        """
        if not self._allowance(obj.metadata.uid).take(self.clock.monotonic()):
            metrics.EVENTS_DROPPED.labels("object").inc()
            return
        uid = obj.metadata.uid
        said = self._combined((uid, type, reason), message)
        note = (said or message).encode()[:_NOTE_LIMIT_BYTES].decode(errors="ignore")
        time = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        key = (self._controller, uid, type, reason, action, _COMBINED if said else note)
        suffix = hashlib.sha256("\0".join(key).encode()).hexdigest()[:16]
        ref = Ref(obj.ref.namespace or _CLUSTER_NAMESPACE, f"{obj.metadata.name[:200]}.{suffix}")
        manifest: Manifest = {
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "eventTime": time,
            "reportingController": self._controller,
            "reportingInstance": self._instance[:128],
            "action": action,
            "reason": reason,
            "regarding": _reference(obj, resource),
            "note": note,
            "type": type,
        }
        try:
            self._queue.put_nowait(_Sighting(ref, time, manifest, self.clock.monotonic()))
        except asyncio.QueueFull:
            metrics.EVENTS_DROPPED.labels("queue").inc()

    async def run(self) -> None:
        """Send what is queued until cancelled."""
        while True:
            sighting = await self._queue.get()
            age = self.clock.monotonic() - sighting.since
            await self._client.quiet.wait(_PATIENCE_SECONDS - age)
            await self._deliver(sighting)

    async def _deliver(self, sighting: _Sighting) -> None:
        """Send one event, again and again while that can help."""
        for attempt in range(_TRIES):
            try:
                await self._send(sighting)
            except (Throttled, Unavailable):
                await asyncio.sleep(
                    self.clock.between(0 if attempt == 0 else _TRY_SECONDS, _TRY_SECONDS)
                )
            except KubeError as error:
                log.warning("event.refused", name=str(sighting.ref), error=str(error))
                break
            else:
                return
        metrics.EVENTS_DROPPED.labels("api").inc()

    async def _send(self, sighting: _Sighting) -> None:
        """Make the event, or count it up where it exists.

        Its name is computed from what it says, so a repetition finds the first one even
        after a restart, and a lost answer cannot double it.
        """
        count = self._counts.get(sighting.ref, 0)
        if count and await self._count_up(sighting, count + 1):
            return
        try:
            await self._client.create(EVENTS, sighting.manifest)
            self._remember(sighting.ref, 1)
        except AlreadyExists:
            stored = await self._client.get(EVENTS, sighting.ref)
            before = stored.series.count if stored and stored.series else 1
            await self._count_up(sighting, before + 1)

    async def _count_up(self, sighting: _Sighting, count: int) -> bool:
        """Whether the stored event was there to be counted up."""
        series = {"count": count, "lastObservedTime": sighting.time}
        try:
            await self._client.merge_patch(EVENTS, sighting.ref, {"series": series})
        except NotFound:
            self._counts.pop(sighting.ref, None)
            return False
        self._remember(sighting.ref, count)
        return True

    def _remember(self, ref: Ref, count: int) -> None:
        self._counts[ref] = count
        self._counts.move_to_end(ref)
        if len(self._counts) > _SEEN_LIMIT:
            self._counts.popitem(last=False)

    def _allowance(self, uid: str) -> _Allowance:
        return _newest(self._allowances, uid, lambda: _Allowance(self.clock.monotonic()))

    def _combined(self, kind: tuple[str, str, str], message: str) -> str:
        """What stands for too many messages of one kind; "" as long as each may have its own."""
        now = self.clock.monotonic()
        similar = _newest(self._similar, kind, _Similar)
        return _COMBINED + message if similar.count(message, now) >= _SIMILAR_COUNT else ""


class _Similar:
    """The different messages of one kind in the last ten minutes."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def count(self, message: str, now: float) -> int:
        """How many there are with this one."""
        recent = {each: at for each, at in self._seen.items() if now - at < _SIMILAR_SECONDS}
        self._seen = {**recent, message: now} if len(recent) < _SIMILAR_COUNT else recent
        return len(self._seen)


class _Allowance:
    """How many events one object may still have: a burst, then one in five minutes."""

    def __init__(self, now: float) -> None:
        self._left = float(_BURST)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether there is one left; takes it."""
        self._left = min(_BURST, self._left + (now - self._at) / _REFILL_SECONDS)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _newest(known: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """What is known under a key, made if need be; the keys that were not used for longest go."""
    if key not in known:
        known[key] = make()
    known.move_to_end(key)
    if len(known) > _SEEN_LIMIT:
        known.popitem(last=False)
    return known[key]


def _reference(obj: KubeObject, resource: Resource[KubeObject]) -> Manifest:
    """An ObjectReference."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": obj.metadata.name,
        "namespace": obj.metadata.namespace,
        "uid": obj.metadata.uid,
        "resourceVersion": obj.metadata.resource_version,
    }
