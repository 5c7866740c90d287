"""Event loops that share a time which jumps: an hour passes as soon as all is done.

Each process has a loop of its own, so that one of them can be stopped for a while or die between
two steps as SIGSTOP and SIGKILL do it: without a word to any of its tasks.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_BURIAL_TURNS = 10_000
_RESOLUTION_SECONDS = 1e-9


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop that waits for nobody; a Timeline turns it.

    Attributes:
        stopped: while it is set, nothing here runs (SIGSTOP).
        signals: handlers, by number.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline
        self._ahead = 0.0
        self.stopped = False
        self.signals: dict[int, Callable[[], object]] = {}
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._timeline.now + self._ahead

    def is_busy(self) -> bool:
        """Whether there is something to do now."""
        return bool(self._ready) and not self.stopped

    def next_time(self) -> float:
        """When there is something to do next; infinity for never."""
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        return scheduled[0].when() if scheduled and not self.stopped else float("inf")

    def turn(self) -> None:
        """Do everything that is to be done now, once."""
        now, scheduled, ready = self.time() + _RESOLUTION_SECONDS, self._scheduled, self._ready
        while scheduled and scheduled[0].when() <= now:
            ready.append(heapq.heappop(scheduled))
        events._set_running_loop(self)
        try:
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(None)

    def bury(self) -> None:
        """End all tasks of a process that is no more, at the speed of light."""
        self.stopped = False
        for task in asyncio.all_tasks(self):
            task.cancel()
        for _ in range(_BURIAL_TURNS):
            if not asyncio.all_tasks(self):
                break
            if not self._ready:
                self._ahead += max(0.0, self.next_time() - self.time())
            self.turn()
        self.close()

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts
    ) -> None:
        """Remember what a signal does; nobody but a test sends one."""
        self.signals[sig] = partial(callback, *args)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers go when their time comes."""

    def _write_to_self(self) -> None:
        """There are no threads that could wake it."""


class Timeline:
    """What time it is for everybody, and whose turn it is.

    Attributes:
        now: seconds since the beginning.
        main: the loop of everything that is no process: the world, and the story itself.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.main = VirtualLoop(self)
        self._loops = [self.main]
        self._ended: list[VirtualLoop] = []

    def seconds(self) -> float:
        """The same moment in seconds since 1970."""
        return BEGIN.timestamp() + self.now

    def loop(self) -> VirtualLoop:
        """The loop of a new process."""
        loop = VirtualLoop(self)
        self._loops.append(loop)
        return loop

    def end(self, loop: VirtualLoop) -> None:
        """A process is no more; its tasks end before anybody else goes on."""
        self._ended.append(loop)

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Tell a story to its end."""
        telling = self.main.create_task(story)
        try:
            while not telling.done():
                self._turn()
        finally:
            self._ended.extend(loop for loop in self._loops if loop not in self._ended)
            self._bury()
        return telling.result()

    def _bury(self) -> None:
        """End the loops of those that are no more."""
        while self._ended:
            loop = self._ended.pop()
            self._loops.remove(loop)
            loop.bury()

    def _turn(self) -> None:
        """Everybody's next step; when nobody has any, time passes."""
        self._bury()
        busy = [loop for loop in self._loops if loop.is_busy()]
        if not busy:
            at = min(loop.next_time() for loop in self._loops)
            if at == float("inf"):
                raise RuntimeError("everybody waits, and nobody will ever wake them")
            self.now = max(self.now, at)
            busy = [loop for loop in self._loops if loop.next_time() <= self.now]
        for loop in busy:
            loop.turn()


@dataclass(frozen=True, slots=True)
class VirtualClock:
    """A `kaito.kube.clock.Clock` of one process.

    Attributes:
        loop: whose time it tells.
        dice: its chance.
    """

    loop: VirtualLoop
    dice: random.Random

    def now(self) -> datetime:
        """What the calendar says."""
        return BEGIN + timedelta(seconds=self.loop.time())

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.loop.time()

    def between(self, low_seconds: float, high_seconds: float) -> float:
        """A delay drawn evenly."""
        return self.dice.uniform(low_seconds, high_seconds)


def virtual() -> VirtualLoop:
    """The loop of the process that runs this."""
    return cast("VirtualLoop", asyncio.get_running_loop())
