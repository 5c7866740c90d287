"""Workers that bring keys to their desired state, one key at a time each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from kaito.kube import metrics
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.deadlines import Deadlines
from kaito.kube.gate import Gate, noted
from kaito.kube.informer import Informer
from kaito.kube.logs import begin_reconcile
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.outcome import POLICIES, Level, Outcome, Policies, asked_seconds, policy
from kaito.kube.workqueue import JITTER, ShutDown, Workqueue

T = TypeVar("T", bound=KubeObject)
Reconcile = Callable[[Ref], Awaitable[Outcome]]

_DEADLINE_SECONDS = 120.0

log = structlog.get_logger()


class Controller:
    """A queue, its workers, and what they call.

    Attributes:
        name: label of metrics and key of log lines.
        queue: for what arrives by other ways than informers.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        *,
        workers: int = 4,
        policies: Policies | None = None,
        deadline_seconds: float = _DEADLINE_SECONDS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a controller; nothing runs before `run`.

        Args:
            name: one word, unique in the process.
            reconcile: brings one key a step closer; it may be called for keys that are gone.
            workers: keys in work at a time.
            policies: rows for error classes that `kaito.kube.outcome` does not know.
            deadline_seconds: a reconcile that takes longer is a TimeoutError.
            clock: time and chance.
        """
        self.name = name
        self._clock = clock
        self.queue = queue = Workqueue(name, clock=clock)
        self._reconcile = reconcile
        self._workers = workers
        self._policies = {**POLICIES, **(policies or {})}
        self._deadlines = Deadlines(deadline_seconds)
        self._informers: list[asyncio.Event] = []
        self._said: dict[Ref, str] = {}
        self._gate = Gate(name, clock=clock)
        self._meter = _Meter(name)
        metrics.WORKERS.labels(name).set(workers)
        metrics.ACTIVE_WORKERS.labels(name).set_function(lambda: len(queue.ages))

    def watch(self, informer: Informer[T], keys: Callable[[T], Iterable[Ref]]) -> None:
        """Reconcile the keys that a change concerns.

        Args:
            informer: whose changes; the workers do not start before it has synced.
            keys: which keys an object concerns; asked for the state before a change and
                for that after it.
        """
        self._informers.append(informer.synced)
        self._gate.watch(informer)
        informer.watch(keys, self.queue.add)

    def nudge(self, ref: Ref) -> None:
        """Look again, unless the last look failed: the next one is appointed, and backs off."""
        if ref not in self._said:
            self.queue.add(ref)

    def is_busy(self, ref: Ref) -> bool:
        """Whether the key waits, is worked on, or its last write has yet to be heard of."""
        return ref in self.queue or not self._gate.is_open(ref)

    async def run(self) -> None:
        """Work until `stop`, and then until what is in work has ended."""
        for synced in self._informers:
            await synced.wait()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    def stop(self) -> None:
        """Take no more keys; those in work may end."""
        self.queue.shut_down()

    async def _work(self) -> None:
        while True:
            try:
                ref = await self.queue.get()
            except ShutDown:
                return
            # A worker's own context: the next key takes the place of this one.
            begin_reconcile(self.name, ref, now=self._clock.now())
            began = self._clock.monotonic()
            try:
                await self._visit(ref)
            finally:
                self._meter.seconds.observe(self._clock.monotonic() - began)
                self.queue.done(ref)

    async def _visit(self, ref: Ref) -> None:
        """One attempt, unless a cache has yet to hear of what the last one wrote."""
        if not self._gate.is_open(ref):
            self._meter.deferred.inc()
            self.queue.add_after(ref, self._gate.wait_seconds(ref))
            return
        with noted() as writes:
            try:
                await self._attempt(ref)
            finally:
                self._gate.wrote(ref, writes)

    async def _attempt(self, ref: Ref) -> None:
        """One reconcile, and what it means for its key.

        This is the only place that catches every exception: whatever a reconcile raises
        is the affair of its own key and ends neither the worker nor the process.
        """
        try:
            outcome = await self._bounded(ref)
        except Exception as error:
            log.debug("reconcile.raised", exc_info=True)
            self._retry(ref, error)
            return
        self.queue.forget(ref)
        self._said.pop(ref, None)
        if outcome.recheck_seconds is None:
            self._meter.success.inc()
        else:
            self._meter.requeue_after.inc()
            self.queue.add_after(ref, outcome.recheck_seconds)

    async def _bounded(self, ref: Ref) -> Outcome:
        """One reconcile, and an end to it."""
        deadline = self._deadlines.begin()
        try:
            with deadline:
                return await self._reconcile(ref)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            raise RuntimeError("what a reconcile waited for was cancelled") from error
        finally:
            if deadline.is_over:
                self._meter.timeouts.inc()

    def _retry(self, ref: Ref, error: Exception) -> None:
        row = policy(error, self._policies)
        self._meter.count(row.level, terminal=row.cap_seconds is None and row.wait_seconds > 1)
        self._say(ref, error, row.level)
        asked = asked_seconds(error)
        if asked is None and row.cap_seconds is not None:
            self.queue.add_failed(ref, first_seconds=row.wait_seconds, cap_seconds=row.cap_seconds)
            return
        # Never earlier than asked, and not all keys at once.
        seconds = row.wait_seconds if asked is None else asked
        self.queue.add_after(ref, self._clock.between(seconds, (1 + JITTER) * seconds))

    def _say(self, ref: Ref, error: Exception, level: Level) -> None:
        """Log a failure at its level once, and its repetitions at debug."""
        said = f"{type(error).__name__}: {error}"
        repeated = self._said.get(ref) == said
        self._said[ref] = said
        say = log.debug if repeated else getattr(log, level.value)
        say("reconcile.failed", error=said)


def _is_cancelled() -> bool:
    """Whether somebody wants the running task itself to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Meter:
    """The controller's metrics, their children resolved once."""

    def __init__(self, name: str) -> None:
        self.success = metrics.RECONCILES.labels(name, "success")
        self.requeue_after = metrics.RECONCILES.labels(name, "requeue_after")
        self.requeue = metrics.RECONCILES.labels(name, "requeue")
        self.error = metrics.RECONCILES.labels(name, "error")
        self.errors = metrics.RECONCILE_ERRORS.labels(name)
        self.terminal = metrics.RECONCILE_TERMINAL_ERRORS.labels(name)
        self.timeouts = metrics.RECONCILE_TIMEOUTS.labels(name)
        self.deferred = metrics.RECONCILES_DEFERRED.labels(name)
        self.panics = metrics.RECONCILE_PANICS.labels(name)
        self.seconds = metrics.RECONCILE_SECONDS.labels(name)

    def count(self, level: Level, *, terminal: bool) -> None:
        """Count one failure; debug is an expected race, not an error."""
        if level is Level.DEBUG:
            self.requeue.inc()
            return
        self.error.inc()
        self.errors.inc()
        if terminal:
            self.terminal.inc()
        if level is Level.BUG:
            self.panics.inc()
