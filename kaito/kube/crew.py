"""Tasks that somebody owns: none ends without being noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

log = structlog.get_logger()


class Crew:
    """The long-running tasks of a process.

    Each is meant to run until it is told to stop. One that ends by itself, by an error or
    by returning, is a fault that ends the process: a program that lives on with a dead
    part looks healthy and does nothing.

    Attributes:
        ended: set when a task has ended by itself.
    """

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._stopping: set[asyncio.Task[None]] = set()

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run a task from now on."""

        async def owned() -> None:
            await run()

        task = asyncio.create_task(owned(), name=name)
        task.add_done_callback(self._notice)
        return task

    async def stop(
        self, tasks: Iterable[asyncio.Task[None]], *, grace_seconds: float = 0.0
    ) -> None:
        """End tasks: let them finish for a while, then cancel them, and wait for all.

        A part that fails meanwhile, such as the lease, ends the grace.
        """
        ending = list(tasks)
        self._stopping.update(ending)
        if not ending:
            return
        if grace_seconds:
            await self._until_done(ending, grace_seconds)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def release(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Let tasks end by themselves from now on."""
        self._stopping.update(tasks)

    async def _until_done(self, tasks: list[asyncio.Task[None]], seconds: float) -> None:
        """Wait until all have ended, for some time, and no longer once a part has failed."""
        waits = [
            asyncio.create_task(asyncio.wait(tasks)),
            asyncio.create_task(self.ended.wait()),
        ]
        await asyncio.wait(waits, timeout=seconds, return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()

    def _notice(self, task: asyncio.Task[None]) -> None:
        """Say that a task has ended, unless that was asked for and it did so without an error.

        A cancellation that nobody asked for is an end like any other.
        """
        was_asked = task in self._stopping or task.cancelling()
        self._stopping.discard(task)
        error = None if task.cancelled() else task.exception()
        if was_asked and error is None:
            return
        log.error("task.ended", task=task.get_name(), exc_info=error)
        self.ended.set()
