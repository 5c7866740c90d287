"""One process: what runs in it, in which order it starts, and how it ends.

Start: health server, informers, their first lists, leadership, controllers. Stop, on
SIGTERM or SIGINT: take no more work, let what is in work end, then informers, and only
then give the lease back. When the lease is lost, or any part ends by itself, there is no
grace: everything is cancelled and the process exits with 1.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import structlog

from kaito.kube import health, tls
from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.crew import Crew
from kaito.kube.informer import Informer
from kaito.kube.lease import Elector
from kaito.kube.objects import KubeObject
from kaito.kube.reflector import Selection
from kaito.kube.resource import Resource
from kaito.kube.stalls import watch_stalls
from kaito.kube.store import Index

T = TypeVar("T", bound=KubeObject)
Run = Callable[[], Awaitable[None]]
Doubt = Callable[[], str]
"""Why something is not ready, in a sentence; "" when it is."""


class Followed(Protocol):
    """What the process needs of an informer, whatever its type."""

    synced: asyncio.Event
    trouble: str

    async def run(self) -> None:
        """Follow until cancelled."""
        ...


_GRACE_SECONDS = 20.0
_COLLECTOR_THRESHOLDS = (50_000, 20, 100)
"""Python's own make it walk the objects of a first list again and again while they come in: half
the time that the list takes, and pauses of the event loop of a fifth of a second."""

log = structlog.get_logger()


class Manager:
    """Owns informers, controllers and background tasks.

    Attributes:
        ports: of health and metrics, once they are served.
    """

    def __init__(
        self,
        client: Client,
        *,
        elector: Elector | None,
        host: str,
        health_port: int,
        metrics_port: int,
        door: health.Door | None = None,
    ) -> None:
        """Make a manager; nothing runs before `run`.

        Args:
            client: of the informers; the caller closes it.
            elector: gains leadership before controllers start, and is asked before each of
                their writes; None leads at once.
            host: address that the health and metrics servers listen on.
            health_port: 0 picks a free one.
            metrics_port: may be the same where there is no door.
            door: stands before the metrics; None: open to all.
        """
        self.ports = (0, 0)
        self._client = client
        self._elector = elector
        if elector:
            client.guard = elector.guard
        self._host = host
        self._door = door
        self._asked_ports = (health_port, metrics_port)
        self._informers: dict[str, Followed] = {}
        self._controllers: list[Controller] = []
        self._background: dict[str, Run] = {}
        self._doubts: dict[str, Doubt] = {}
        self._crew = Crew()
        self._stopping = asyncio.Event()

    def informer(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        labels: str = "",
        indexes: Mapping[str, Index[T]] | None = None,
        optional: bool = False,
        name: str = "",
    ) -> Informer[T]:
        """Make an informer that runs as long as the process; see `Informer` and `Selection`.

        Raises:
            ValueError: another is called so: the series of one would hide the other's.
        """
        informer = Informer(
            self._client,
            resource,
            selection=Selection(namespace, labels, optional=optional, name=name),
            indexes=indexes,
        )
        task = f"informer-{informer.name}"
        if task in self._informers:
            raise ValueError(f"two informers are called {informer.name}")
        self._informers[task] = informer
        return informer

    def add(self, controller: Controller) -> None:
        """Run a controller while this process leads."""
        self._controllers.append(controller)

    def background(self, name: str, run: Run) -> None:
        """Run a task while this process leads; it runs until cancelled."""
        self._background[name] = run

    def ready_when(self, name: str, doubt: Doubt) -> None:
        """Have /readyz ask for something that is no informer, too; it goes on while it waits."""
        self._doubts[name] = doubt

    def stop(self) -> None:
        """Begin an orderly stop, as SIGTERM does."""
        self._stopping.set()

    def troubles(self) -> Sequence[str]:
        """What /readyz reports: everything that is waited for, and why."""
        troubles = {name: informer.trouble for name, informer in self._informers.items()}
        troubles.update({name: doubt() for name, doubt in self._doubts.items()})
        return [f"{name}: {trouble}" for name, trouble in troubles.items() if trouble]

    async def run(self) -> int:
        """Run until told to stop.

        Returns:
            The exit status: 0 after an orderly stop, 1 when a part ended by itself.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        if gc.get_freeze_count():
            gc.collect()  # An earlier manager of this interpreter may have left something.
        gc.freeze()
        gc.set_threshold(*_COLLECTOR_THRESHOLDS)
        tls.take_little()
        async with health.served(
            host=self._host,
            ports=self._asked_ports,
            door=self._door,
            alive=self._unwell,
            ready=self.troubles,
            remarks=self._remarks,
        ) as self.ports:
            return await self._serve()

    async def _serve(self) -> int:
        """Start everything, wait for a reason to end, stop everything."""
        following = [self._crew.start(name, each.run) for name, each in self._informers.items()]
        following.append(self._crew.start("stalls", watch_stalls))
        working: list[asyncio.Task[None]] = []
        leading: list[asyncio.Task[None]] = []
        starting = asyncio.create_task(self._bring_up(working, leading))
        try:
            await self._until_told(starting)
        finally:
            failed = self._crew.ended.is_set() or _has_failed(starting)
            if _has_failed(starting):
                log.error("process.unstarted", exc_info=starting.exception())
            log.info("process.stopping", failed=failed, waits_for=list(self.troubles()))
            await self._crew.stop([starting])
            await self._stop_work(working, grace_seconds=0.0 if failed else _GRACE_SECONDS)
            await self._crew.stop(following)
            await self._crew.stop(leading)
            if self._elector:
                await self._elector.release()
        return 1 if failed or self._crew.ended.is_set() else 0

    async def _bring_up(
        self, working: list[asyncio.Task[None]], leading: list[asyncio.Task[None]]
    ) -> None:
        """First lists, leadership, work; the tasks that it starts are added to the lists."""
        # As long as a resource cannot be read, /readyz and the log say so and nothing starts:
        # to end the process would only hide the reason behind a crash loop.
        for informer in self._informers.values():
            await informer.synced.wait()
        # What is cached now stays for long: the collector need not walk it any more. It is not
        # run first, which would stop the loop: the little that it could free is not worth that.
        gc.freeze()
        if self._elector:
            await self._elector.acquire()
            leading.append(self._crew.start("lease", self._elector.hold))
        working += [self._crew.start(name, run) for name, run in self._background.items()]
        working += [self._crew.start(each.name, each.run) for each in self._controllers]

    async def _until_told(self, starting: asyncio.Task[None]) -> None:
        """Wait for a signal, for the end of a part, or for a start that fails."""
        reasons = [
            asyncio.create_task(self._stopping.wait()),
            asyncio.create_task(self._crew.ended.wait()),
        ]
        try:
            done, _ = await asyncio.wait([*reasons, starting], return_when="FIRST_COMPLETED")
            if starting in done and not _has_failed(starting):
                await asyncio.wait(reasons, return_when="FIRST_COMPLETED")
        finally:
            for reason in reasons:
                reason.cancel()

    async def _stop_work(
        self, working: Sequence[asyncio.Task[None]], *, grace_seconds: float
    ) -> None:
        """End background tasks at once, and controllers when their workers are through."""
        self._crew.release(working)
        for controller in self._controllers:
            controller.stop()
        names = {controller.name for controller in self._controllers}
        await self._crew.stop([task for task in working if task.get_name() not in names])
        await self._crew.stop(working, grace_seconds=grace_seconds)

    def _unwell(self) -> Sequence[str]:
        """What /healthz reports: that this answers at all is the better half of it."""
        ended = ("a part has ended",) if self._crew.ended.is_set() else ()
        overstayed = self._elector is not None and self._elector.is_overstayed
        return (*ended, "the lease is overstayed") if overstayed else ended

    def _remarks(self) -> Sequence[str]:
        """What /readyz says besides: those that stand by are as ready as the one that leads."""
        return (f"lease: {self._elector.state}",) if self._elector else ()


def _has_failed(task: asyncio.Task[None]) -> bool:
    """Whether a task has ended with an error."""
    return task.done() and not task.cancelled() and task.exception() is not None
