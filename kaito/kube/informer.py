"""A live copy of one resource, shared by everyone in the process who reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import structlog

from kaito.kube import metrics
from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.decoding import Listing
from kaito.kube.errors import KubeError
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.reflector import Patience, Reflector, Selection
from kaito.kube.resource import Resource
from kaito.kube.store import Change, Index, Store
from kaito.kube.workqueue import LOW, NORMAL

T = TypeVar("T", bound=KubeObject)
Handler = Callable[[T | None, T | None], None]
"""Hears (before, after) of each change; it only enqueues, and returns at once."""


class Add(Protocol):
    """Takes keys that are to be worked on, as `Workqueue.add` does."""

    def __call__(self, key: Ref, *, priority: int | None = None) -> None:
        """Have the key worked on."""
        ...


log = structlog.get_logger()


class Informer(Generic[T]):
    """Keeps a Store up to date and tells handlers what changed.

    The store is changed before any handler hears of it. Handlers see some of the states
    of an object, in their order, and the last one always; a delete and a new create under
    one name are two changes.

    Attributes:
        resource: what is copied.
        store: the copy.
        synced: set once the first whole list is in the store.
        version: the resourceVersion up to which the store has everything.
        trouble: why the collection cannot be read at present, "" when it can.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource[T],
        *,
        selection: Selection | None = None,
        indexes: Mapping[str, Index[T]] | None = None,
    ) -> None:
        """Make an informer; nothing is read before `run`.

        Args:
            client: of the API server.
            resource: what to copy.
            selection: which of its objects, and whether it may be missing; None means all.
            indexes: further ways to find objects in the store.
        """
        self.resource = resource
        self.store: Store[T] = Store(indexes)
        self.synced = asyncio.Event()
        self.patience = Patience(clock=client.clock, backoff=Backoff(clock=client.clock))
        self._client = client
        self.version = ""
        self.trouble = "no list yet"
        self._selection = selection or Selection()
        self._handlers: list[Handler[T]] = []
        self._is_initial = True
        self._handler_errors = metrics.HANDLER_ERRORS.labels(self.name)
        metrics.INFORMER_OBJECTS.labels(self.name).set_function(self.store.__len__)
        self._readable = metrics.INFORMER_READABLE.labels(self.name)

    @property
    def name(self) -> str:
        """What series and logs call it: no other informer of the process is called so."""
        return self._selection.name or self.resource.plural

    @property
    def labels(self) -> str:
        """The label selector of its objects, "" for all."""
        return self._selection.labels

    def on_change(self, handler: Handler[T]) -> None:
        """Have changes told to `handler`; what is already there is told at once."""
        self._handlers.append(handler)
        self._is_initial = True
        for item in self.store.list():
            self._call(handler, None, item)
        self._is_initial = not self.synced.is_set()

    def watch(self, keys: Callable[[T], Iterable[Ref]], add: Add) -> None:
        """Add the keys that a change concerns: those of the state before and of that after.

        What is merely there, in the first list, is less urgent than what changes.
        """

        def enqueue(old: T | None, new: T | None) -> None:
            concerned = {key for item in (old, new) if item is not None for key in keys(item)}
            priority = LOW if self._is_initial else NORMAL
            for key in sorted(concerned):
                add(key, priority=priority)

        self.on_change(enqueue)

    async def run(self) -> None:
        """Follow the API server until cancelled."""
        reflector = Reflector(self._client, self.resource, self, self._selection, self.patience)
        await reflector.run()

    def listed(self, listing: Listing[T]) -> None:
        """Take in a whole list, in one step for all readers.

        One without a version is that of a resource that is not served.
        """
        self.version = listing.resource_version and self.version
        self._tell(self.store.replace(listing))
        self.trouble = ""
        self._readable.set(1)
        if not self.synced.is_set():
            log.info("informer.synced", resource=self.name, count=len(self.store))
            self.synced.set()
            self._is_initial = False

    def changed(self, item: T) -> None:
        """Take in one object."""
        self._tell(self.store.put(item))

    def removed(self, ref: Ref) -> None:
        """Drop one object."""
        self._tell(self.store.remove(ref))

    def reached(self, version: str) -> None:
        """Note how far the store has come."""
        self.version = version

    def known(self, ref: Ref) -> T | None:
        """The object in the store."""
        return self.store.get(ref)

    def failed(self, error: KubeError) -> None:
        """Stay at what was last known, and let everyone see why."""
        self.trouble = str(error)
        self._readable.set(0)

    def _tell(self, changes: Iterable[Change[T]]) -> None:
        for old, new in changes:
            for handler in self._handlers:
                self._call(handler, old, new)

    def _call(self, handler: Handler[T], old: T | None, new: T | None) -> None:
        """Tell one handler; a bug in it is its own affair and ends nothing."""
        try:
            handler(old, new)
        except Exception:
            self._handler_errors.inc()
            item = new or old
            name = str(item.ref) if item else ""
            log.exception("handler.failed", resource=self.name, name=name)
