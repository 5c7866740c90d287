"""List, then watch, for ever: the API server's state as a stream of calls to a sink.

The list is streamed where the server can do that, and read in pages where it cannot. The
watch goes on from the last version that the sink has taken in. Only a version that
the server no longer knows (410, as HTTP status or as an event) costs a new list; a
connection that ends, breaks or falls silent does not.

A resource that may be missing is empty while discovery says that it is, and is looked for
until it appears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from kaito.kube import metrics
from kaito.kube.answers import decoded, failure_of
from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.decoding import (
    Gathered,
    Listing,
    decode,
    is_initial_end,
    ref_of,
    version_of,
)
from kaito.kube.discovery import is_absent
from kaito.kube.errors import (
    Expired,
    KubeError,
    NotFound,
    Throttled,
    Unavailable,
    Undecodable,
)
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource
from kaito.kube.versions import checked

T = TypeVar("T", bound=KubeObject)

_REASONS = ("start", "expired", "absent", "Forbidden", "NotFound", "InternalError")
"""What makes lists necessary, the likeliest: these series exist from the start."""

_SHORT_SECONDS = 1.0
_WATCH_SECONDS = (300, 600)
_WATCH_MARGIN_SECONDS = 5
_EVENTS_A_TURN = 256
_SERVER_ERRORS_LIMIT = 5

log = structlog.get_logger()


class Sink(Protocol[T]):
    """Who takes in what the reflector hears."""

    def listed(self, listing: Listing[T]) -> None:
        """The whole collection, which replaces what was known."""
        ...

    def changed(self, item: T) -> None:
        """One object, new or changed."""
        ...

    def removed(self, ref: Ref) -> None:
        """One object that is gone."""
        ...

    def reached(self, version: str) -> None:
        """Everything up to that resourceVersion has been handed over."""
        ...

    def failed(self, error: KubeError) -> None:
        """The collection cannot be read for now; the next `listed` ends that."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource; empty fields select all.

    Attributes:
        namespace: "" means all.
        labels: a label selector.
        fields: a field selector.
        optional: whether the resource itself may be missing, which counts as empty.
        name: what series and logs call it, where two select from one resource; "" means
            the resource's plural.
    """

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    optional: bool = False
    name: str = ""

    @property
    def params(self) -> Mapping[str, str]:
        """The query that the API server filters by."""
        query = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in query.items() if value}


@dataclass(slots=True)
class Patience:
    """How long a reflector waits, and for what.

    Attributes:
        idle_seconds: silence after which a watch counts as dead; bookmarks come about
            once a minute, so a live one is never silent for longer.
        absent_seconds: between looks for a resource that is not served.
        reminder_seconds: between warnings that a streamed list has no end yet.
        backoff: between failures.
        clock: time and chance.
    """

    idle_seconds: float = 80.0
    absent_seconds: float = 2.0
    reminder_seconds: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = SYSTEM_CLOCK


class Reflector(Generic[T]):
    """Follows one resource."""

    def __init__(
        self,
        client: Client,
        resource: Resource[T],
        sink: Sink[T],
        selection: Selection,
        patience: Patience,
    ) -> None:
        self._client = client
        self._resource = resource
        self._sink = sink
        self._selection = selection
        self._patience = patience
        self._version = ""
        self._reason = "start"
        self._gathered: Gathered[T] | None = None
        self._may_stream = True
        self._server_errors = 0
        self._listed_at = float("-inf")
        self._heard_at = patience.clock.monotonic()
        self._has_heard = False
        self._name = selection.name or resource.plural
        metrics.INFORMER_HEARD.labels(self._name).set_function(self._heard_timestamp)
        metrics.INFORMER_AGE.labels(self._name).set_function(self._age)
        for reason in _REASONS:
            metrics.INFORMER_LISTS.labels(self._name, reason)

    def _age(self) -> float:
        return self._patience.clock.monotonic() - self._heard_at

    def _heard_timestamp(self) -> float:
        """Unix time of the last word, 0 before the first."""
        return self._patience.clock.now().timestamp() - self._age() if self._has_heard else 0.0

    async def run(self) -> None:
        """Follow until cancelled; no failure ends it."""
        while True:
            try:
                if self._version:
                    await self._watch()
                elif self._may_stream:
                    await self._list_by_watch()
                else:
                    self._may_stream = True
                    await self._list()
            except KubeError as error:
                await self._recover(error)

    async def _list_by_watch(self) -> None:
        """Have the collection streamed, and go on with its changes on the same connection.

        The server then need not hold the whole list in memory. One that knows no such
        watch refuses it, and is asked for pages instead.
        """
        self._gathered = Gathered()
        self._schedule_reminder()
        try:
            await self._watch()
        except KubeError as error:
            if self._gathered is None or isinstance(error, Throttled):
                raise
            # Pages are for this round only: the next list may come from a newer server.
            self._may_stream = False
            if isinstance(error, Unavailable) and not error.status:
                raise
        finally:
            self._gathered = None
            self._reminder.cancel()

    def _schedule_reminder(self) -> None:
        loop = asyncio.get_running_loop()
        self._reminder = loop.call_later(self._patience.reminder_seconds, self._remind)

    def _remind(self) -> None:
        """Say again and again that a streamed list has no end yet."""
        if self._gathered is not None:
            count = len(self._gathered)
            log.warning("informer.unfinished", resource=self._name, count=count)
            self._schedule_reminder()

    async def _list(self) -> None:
        """Read the collection in pages and hand it over whole."""
        try:
            listing = await self._client.listing(
                self._resource, namespace=self._selection.namespace, params=self._selection.params
            )
        except NotFound:
            if not (self._selection.optional and await is_absent(self._client, self._resource)):
                raise
            await self._do_without()
        else:
            self._take_list(listing)

    async def _do_without(self) -> None:
        """Count a resource that is not served as empty, until the next look."""
        self._sink.listed(Listing((), ""))
        self._note_word()
        self._reason = "absent"
        await asyncio.sleep(self._patience.clock.between(1.0, 1.5) * self._patience.absent_seconds)

    def _take_list(self, listing: Listing[T]) -> None:
        """Hand a whole collection over, and only then move the version on."""
        version = checked(listing.resource_version)
        metrics.INFORMER_LISTS.labels(self._name, self._reason).inc()
        self._sink.listed(listing)
        self._listed_at = self._patience.clock.monotonic()
        self._reach(version)
        if self._reason != "start":
            log.info("informer.relisted", resource=self._name, reason=self._reason)

    def _reach(self, version: str) -> None:
        """Note how far the sink has come."""
        self._version = version
        self._sink.reached(version)
        self._server_errors = 0
        self._note_word()

    def _note_word(self) -> None:
        """Note that the API server has just said how things are."""
        self._heard_at = self._patience.clock.monotonic()
        self._has_heard = True

    async def _watch(self) -> None:
        """Take in changes until the stream ends.

        Raises:
            KubeError: it did not begin, or ended at once without a word, or the server
                ended it with an error.
        """
        began = self._patience.clock.monotonic()
        count = 0
        try:
            seconds = int(self._patience.clock.between(*_WATCH_SECONDS))
            async with self._client.stream(
                self._resource.path(namespace=self._selection.namespace),
                params=self._watch_params(seconds),
                idle_seconds=self._patience.idle_seconds,
                total_seconds=seconds + _WATCH_MARGIN_SECONDS,
            ) as lines:
                async for line in lines:
                    self._take(line)
                    count += 1
                    if count % _EVENTS_A_TURN == 0:
                        await asyncio.sleep(0)
        except Unavailable as error:
            is_useless = self._gathered is not None or not self._was_alive(began, count)
            if error.status or is_useless:
                raise
            log.debug("watch.broken", resource=self._name, error=str(error))
            return
        if self._gathered is not None:
            raise Unavailable(0, "CutShort", "ended before the whole list was there")
        if not self._was_alive(began, count):
            raise Unavailable(0, "VeryShortWatch", "ended at once without an event")

    def _watch_params(self, seconds: int) -> Mapping[str, str]:
        query = {
            **self._selection.params,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        if self._gathered is None:
            return {**query, "resourceVersion": self._version}
        return {**query, "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}

    def _was_alive(self, began: float, count: int) -> bool:
        """Whether a watch that has ended was a good one, so that the next may begin at once."""
        return count > 0 or self._patience.clock.monotonic() - began >= _SHORT_SECONDS

    def _take(self, line: bytes) -> None:
        """Hand one event over, and only then move the version on."""
        event = decoded(line)
        if not isinstance(event, Mapping) or not isinstance(event.get("object"), Mapping):
            raise Undecodable(0, "NotAnEvent", line[:200].decode(errors="replace"))
        kind, item = event.get("type"), event["object"]
        if kind == "ERROR":
            raise failure_of(item)
        if self._gathered is not None:
            self._gather(self._gathered, kind, item)
            return
        if kind in ("ADDED", "MODIFIED"):
            found = decode(self._resource, item)
            if found is not None:
                self._sink.changed(found)
        elif kind == "DELETED":
            self._sink.removed(ref_of(item))
        self._reach(checked(version_of(item)))

    def _gather(self, gathered: Gathered[T], kind: object, item: Mapping[str, object]) -> None:
        """Add one event to a list that is being streamed; its end hands the list over."""
        ref = ref_of(item)
        if kind == "BOOKMARK" and is_initial_end(item):
            self._gathered = None
            self._take_list(gathered.listing(version_of(item)))
        elif kind in ("ADDED", "MODIFIED"):
            gathered.put(ref, decode(self._resource, item))
        elif kind == "DELETED":
            gathered.remove(ref)

    async def _recover(self, error: KubeError) -> None:
        """Decide where to go on, and wait if there is reason to."""
        now = self._patience.clock.monotonic()
        if isinstance(error, Expired):
            fresh = now - self._listed_at < _SHORT_SECONDS
            had_version, self._version, self._reason = self._version, "", "expired"
            if had_version and not fresh:
                return
        elif not self._may_resume(error):
            self._version, self._reason = "", error.reason
        if not self._version:
            self._sink.failed(error)
        seconds = self._patience.backoff.delay(now, floor_seconds=error.retry_after_seconds or 0)
        log.warning(
            "informer.interrupted",
            resource=self._name,
            seconds=round(seconds, 1),
            error=str(error),
        )
        await asyncio.sleep(seconds)

    def _may_resume(self, error: KubeError) -> bool:
        """Whether the same version can be watched again after `error`."""
        if not isinstance(error, Throttled | Unavailable):
            return False
        self._server_errors += 1 if error.status and isinstance(error, Unavailable) else 0
        return self._server_errors < _SERVER_ERRORS_LIMIT
