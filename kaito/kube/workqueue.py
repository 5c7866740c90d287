"""Keys that wait for a worker: each at most once, and never with two workers.

A key is *dirty* when it has to be worked on and *processing* while a worker has it. An
add of a processing key makes it dirty only; `done` then puts it back. So a change during
a run causes exactly one more run, and a thousand changes before a run cause one.

Keys are handed out in the order in which they came, those of a lower priority as if they
had come later: a tenth of a second for each level. So the first list of ten thousand
objects does not hold up what a user does meanwhile, and nothing waits for ever.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from functools import partial
from itertools import count

from kaito.kube import metrics
from kaito.kube.backoff import doubled
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.objects import Ref

NORMAL = 0
"""Priority of changes."""
LOW = -100
"""Priority of what is merely there: the first list."""

_LEVEL_SECONDS = 0.1
_FIRST_SECONDS = 1.0
_CAP_SECONDS = 300.0
JITTER = 0.2
"""Part of a wait by which the waits of two keys may differ."""


_VOID_LIMIT = 64
"""Appointments that were dropped, and may stay in the heap until it is made anew."""


class ShutDown(Exception):
    """The queue hands out no more keys."""


class Workqueue:
    """A queue for one controller, on one event loop."""

    def __init__(self, name: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._queue: list[tuple[float, int, Ref]] = []
        self._queued: dict[Ref, int] = {}
        self._numbers = count()
        self._dirty: dict[Ref, float] = {}
        self._processing: dict[Ref, float] = {}
        self._levels: dict[Ref, int] = {}
        self._due: dict[Ref, float] = {}
        self._heap: list[tuple[float, Ref]] = []
        self._failures: dict[Ref, int] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at: float | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._meter = _Meter(name, self)

    def __len__(self) -> int:
        """Keys that a worker could take now."""
        return len(self._queued)

    def __contains__(self, key: Ref) -> bool:
        """Whether the key waits for a worker, or has one; one that is merely appointed does not."""
        return key in self._dirty or key in self._processing

    def depth(self, level: int) -> int:
        """Keys of one priority that a worker could take now."""
        return sum(self._levels[key] == level for key in self._queued)

    @property
    def ages(self) -> tuple[float, ...]:
        """Seconds that each key in work has been there."""
        now = self._clock.monotonic()
        return tuple(now - since for since in self._processing.values())

    def add(self, key: Ref, *, priority: int | None = None) -> None:
        """Have the key worked on as soon as its turn comes; a later appointment is dropped.

        Args:
            key: what to work on.
            priority: of two for one key the higher counts; None keeps that which the key
                has at the moment, or else is `NORMAL`.
        """
        if self._closed:
            return
        self._due.pop(key, None)
        held = self._levels.get(key)
        if key in self._dirty:
            if priority is not None and held is not None and priority > held:
                self._promote(key, priority)
            return
        self._meter.adds.inc()
        self._levels[key] = _level(priority, held)
        self._dirty[key] = self._clock.monotonic()
        if key not in self._processing:
            self._enqueue(key)

    def add_after(self, key: Ref, seconds: float) -> None:
        """Have the key worked on after a while; the earlier of two appointments holds."""
        if seconds <= 0:
            self.add(key)
            return
        at = self._clock.monotonic() + seconds
        if self._closed or key in self._dirty or self._due.get(key, at + 1) <= at:
            return
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._due) + _VOID_LIMIT:
            self._heap = [(at, key) for key, at in self._due.items()]
            heapq.heapify(self._heap)
        self._set_alarm()

    def add_failed(
        self,
        key: Ref,
        *,
        first_seconds: float = _FIRST_SECONDS,
        cap_seconds: float = _CAP_SECONDS,
    ) -> None:
        """Have the key worked on after a wait that doubles with each failure in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._meter.retries.inc()
        seconds = doubled(failures, first_seconds=first_seconds, cap_seconds=cap_seconds)
        self.add_after(key, self._clock.between((1 - JITTER) * seconds, (1 + JITTER) * seconds))

    def forget(self, key: Ref) -> None:
        """Count no failures any more."""
        self._failures.pop(key, None)

    async def get(self) -> Ref:
        """The next key, which is then this caller's alone until `done`.

        Raises:
            ShutDown: there will be none.
        """
        while not self._closed:
            self._collect_due()
            if self._queued:
                return self._take()
            await self._woken()
        raise ShutDown

    def done(self, key: Ref) -> None:
        """Give the key back; it is queued again if it was added meanwhile."""
        self._meter.work_seconds.observe(self._clock.monotonic() - self._processing.pop(key))
        if key in self._dirty and not self._closed:
            self._enqueue(key)
        elif key not in self._due:
            self._levels.pop(key, None)

    def shut_down(self) -> None:
        """Hand out nothing any more; a restart looks at every object anyway."""
        self._closed = True
        self._set_alarm()
        while self._waiters:
            self._wake()

    async def _woken(self) -> None:
        """Wait for a key, an appointment or the end."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self._wake()  # what this one was woken for is somebody else's now
            raise

    def _wake(self) -> None:
        """Wake the worker that has waited longest: a key is for one, so the others sleep on."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _promote(self, key: Ref, priority: int) -> None:
        """Put a key to the end of a higher level."""
        if key in self._queued:
            self._levels[key] = priority
            self._enqueue(key)
        self._levels[key] = priority

    def _enqueue(self, key: Ref) -> None:
        level = self._levels[key]
        number = self._queued[key] = next(self._numbers)
        rank = self._clock.monotonic() - _LEVEL_SECONDS * level
        heapq.heappush(self._queue, (rank, number, key))
        self._meter.know(level)
        self._wake()

    def _take(self) -> Ref:
        """The first key; a place that a promoted key has left is passed over."""
        while True:
            _, number, key = heapq.heappop(self._queue)
            if self._queued.get(key) == number:
                break
        del self._queued[key]
        now = self._clock.monotonic()
        self._meter.wait_seconds.observe(now - self._dirty.pop(key))
        self._processing[key] = now
        return key

    def _collect_due(self) -> None:
        """Queue the keys whose time has come."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                self.add(key)
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Wake a worker when the first appointment is due."""
        at = self._heap[0][0] if self._heap and not self._closed else None
        if at == self._alarm_at:
            return
        if self._alarm:
            self._alarm.cancel()
        self._alarm, self._alarm_at = None, at
        if at is not None:
            seconds = max(0.0, at - self._clock.monotonic())
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._alarm = self._alarm_at = None
        self._wake()


class _Meter:
    """The queue's metrics, their children resolved once."""

    def __init__(self, name: str, queue: Workqueue) -> None:
        self._name = name
        self._queue = queue
        self._levels: set[int] = set()
        for level in (NORMAL, LOW):
            self.know(level)
        self.adds = metrics.QUEUE_ADDS.labels(name, name)
        self.retries = metrics.QUEUE_RETRIES.labels(name, name)
        self.wait_seconds = metrics.QUEUE_WAIT_SECONDS.labels(name, name)
        self.work_seconds = metrics.QUEUE_WORK_SECONDS.labels(name, name)
        metrics.QUEUE_UNFINISHED_SECONDS.labels(name, name).set_function(lambda: sum(queue.ages))
        metrics.QUEUE_LONGEST_SECONDS.labels(name, name).set_function(
            lambda: max(queue.ages, default=0.0)
        )

    def know(self, level: int) -> None:
        """Have a level measured from now on."""
        if level not in self._levels:
            self._levels.add(level)
            child = metrics.QUEUE_DEPTH.labels(self._name, self._name, str(level))
            child.set_function(partial(self._queue.depth, level))


def _level(priority: int | None, held: int | None) -> int:
    """The priority of a key that becomes dirty."""
    if priority is None:
        return NORMAL if held is None else held
    return priority if held is None else max(priority, held)
