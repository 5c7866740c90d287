"""A reconcile never sees a cache that is older than its own last write.

A write is answered before the informer hears of it. A reconcile that ran in between would
decide from the state before the write: do it twice, or take it back. So what a reconcile
writes is noted, and its key waits until every informer concerned has passed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from kaito.kube import metrics
from kaito.kube.backoff import doubled
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource
from kaito.kube.versions import is_older

_KEY = re.compile(r"[\w./-]+")
"""A label selector that asks for one key, whatever its value."""
_FIRST_SECONDS = 0.02
_CAP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Write:
    """What a write left behind.

    Attributes:
        resource: of the object.
        ref: the object.
        uid: which one of that name, "" when that is not known.
        version: the resourceVersion of the answer, "" when the object is gone.
        labels: of the object as it was written, None when they are not known.
    """

    resource: Resource[KubeObject]
    ref: Ref
    uid: str
    version: str
    labels: Mapping[str, str] | None = None


class Cache(Protocol):
    """An informer, as far as the gate asks it."""

    @property
    def resource(self) -> Resource[KubeObject]:
        """What it is a copy of."""
        ...

    @property
    def name(self) -> str:
        """What series call it."""
        ...

    @property
    def version(self) -> str:
        """The resourceVersion up to which it has everything, "" when that is not known."""
        ...

    @property
    def labels(self) -> str:
        """The label selector of what it is a copy of, "" for everything."""
        ...

    def known(self, ref: Ref) -> KubeObject | None:
        """The object in the store."""
        ...


_NOTES: ContextVar[list[Write] | None] = ContextVar("writes", default=None)


def note(write: Write) -> None:
    """Remember a write, if it is made on behalf of a key."""
    notes = _NOTES.get()
    if notes is not None:
        notes.append(write)


@contextmanager
def noted() -> Iterator[Sequence[Write]]:
    """Collect the writes that are made inside, also by tasks that are started there."""
    notes: list[Write] = []
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


class Gate:
    """Which keys still wait for the caches of their controller."""

    def __init__(self, name: str = "", *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._name = name
        self._clock = clock
        self._caches: list[Cache] = []
        self._writes: dict[Ref, list[Write]] = {}
        self._waits: dict[Ref, int] = {}

    def __len__(self) -> int:
        """Keys that were not yet seen open since their last write."""
        return len(self._writes)

    def watch(self, cache: Cache) -> None:
        """Have keys wait for this cache."""
        self._caches.append(cache)
        lag = metrics.CACHE_LAG.labels(self._name, cache.name)
        lag.set_function(lambda: self.lag(cache))

    def wrote(self, key: Ref, writes: Sequence[Write]) -> None:
        """Remember what a reconcile of `key` wrote."""
        pending = [write for write in writes if not self._is_seen(write)]
        if pending:
            self._writes.setdefault(key, []).extend(pending)

    def is_open(self, key: Ref) -> bool:
        """Whether all caches have passed what was written for `key`."""
        pending = [each for each in self._writes.get(key, ()) if not self._is_seen(each)]
        if pending:
            self._writes[key] = pending
            return False
        self._writes.pop(key, None)
        self._waits.pop(key, None)
        return True

    def lag(self, cache: Cache) -> int:
        """How many versions a cache is behind the newest write that a key waits for."""
        pending = [int(each.version) for each in self._pending(cache) if each.version]
        return max(0, max(pending) - int(cache.version or 0)) if pending else 0

    def wait_seconds(self, key: Ref) -> float:
        """How long to leave a key that is not open; mostly an event wakes it before."""
        waits = self._waits.get(key, 0)
        self._waits[key] = waits + 1
        seconds = doubled(waits, first_seconds=_FIRST_SECONDS, cap_seconds=_CAP_SECONDS)
        return self._clock.between(seconds, 1.5 * seconds)

    def _pending(self, cache: Cache) -> Iterator[Write]:
        for writes in self._writes.values():
            yield from (write for write in writes if _concerns(cache, write))

    def _is_seen(self, write: Write) -> bool:
        return all(_has_seen(cache, write) for cache in self._caches if _concerns(cache, write))


def _concerns(cache: Cache, write: Write) -> bool:
    """Whether the cache will hear of the write.

    Of two caches of one resource that select by labels, one may never hear of what the other
    holds: its version moves with what it selects, and once a minute. Only a selector that is one
    key is looked into; of any other the write counts as one of its own.
    """
    one, other = cache.resource, write.resource
    if (one.group, one.plural) != (other.group, other.plural):
        return False
    is_key = _KEY.fullmatch(cache.labels) is not None
    return write.labels is None or not is_key or cache.labels in write.labels


def _has_seen(cache: Cache, write: Write) -> bool:
    if write.version:
        # A cache without a version is that of a resource that is not served: nothing will come.
        return not cache.version or not is_older(cache.version, write.version)
    known = cache.known(write.ref)
    return known is None or known.is_deleting or known.metadata.uid != write.uid
