"""The two real programs, wired as the products wire them, without ports and threads."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

import kaito.app
import provisioner.app
from kaito.catalog.catalog import read_catalog
from kaito.kube import health, lease, manager
from kaito.kube.client import Client
from kaito.kube.manager import Manager
from kaito.settings import Settings as KaitoSettings
from provisioner.settings import Settings as ProvisionerSettings
from tests.virtual.api import Api
from tests.virtual.cloud import Arm, LocalCloud
from tests.virtual.door import Door, Link
from tests.virtual.loop import VirtualClock, VirtualLoop, virtual

KAITO, PROVISIONER = kaito.app.NAME, provisioner.app.NAME
NAMES = (KAITO, PROVISIONER)

PRESETS = Path(__file__).parents[2] / "presets"
CATALOG = cache(read_catalog)
"""The real one, read once."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How all processes run.

    Attributes:
        seed: of all chance.
        elects: whether there are two of each program, which take turns.
        claim_kind: what nodes are asked for by.
    """

    seed: int = 0
    elects: bool = False
    claim_kind: Literal["Machine", "NodeClaim", "None"] = "Machine"


@dataclass(slots=True)
class Life:
    """One process, from its start to its end.

    Attributes:
        name: of the program.
        link: its network; tells whether it was killed, and when it is over.
        loop: everything in it.
        task: what it runs; its result is the exit status.
        manager: of its parts, once they are made.
    """

    name: str
    link: Link
    loop: VirtualLoop
    task: asyncio.Task[int] | None = None
    manager: Manager | None = None

    def start(self, manner: Manner) -> None:
        """Begin to run; the seed and its identity make its chance."""
        clock = VirtualClock(self.loop, random.Random(f"{manner.seed}/{self.link.who}"))
        main = _main(self.name, self.link.who, clock, manner)
        self.task = self.loop.create_task(main)
        self.task.add_done_callback(lambda _: self.link.killed.set())

    def pause(self) -> None:
        """Stop everything in it (SIGSTOP)."""
        self.loop.stopped = True

    def resume(self) -> None:
        """Go on (SIGCONT)."""
        self.loop.stopped = False

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self.loop.call_soon(self.loop.signals[signal.SIGTERM])


class Collector:
    """In place of the module gc: all processes share a memory, and it is not theirs to manage."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *_asked: 0


class Nobody:
    """In place of the watchdog: the thread that would end a process comes too late."""

    def __init__(self, **_asked: Any) -> None: ...

    def start(self, clock: Any) -> None:
        """Begin to watch."""

    def extend(self, deadline: float) -> None:
        """Move the deadline on."""

    def stop(self) -> None:
        """Watch no more."""


@contextmanager
def wired(api: Api, arm: Arm, lives: dict[VirtualLoop, Life]) -> Iterator[None]:
    """The products' own wiring leads to the API and the cloud in memory.

    Args:
        api: of all processes.
        arm: of the provisioner.
        lives: of each process, by its loop.
    """

    async def connect(**asked: Any) -> Client:
        door = Door(api, lives[virtual()].link)
        return Client(door, field_manager=asked["field_manager"], clock=asked["clock"])

    whole = Manager.run

    async def run(self: Manager) -> int:
        lives[virtual()].manager = self
        return await whole(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "connect", connect)
        patch.setattr(Manager, "run", run)
        patch.setattr(health, "served", _served)
        patch.setattr(manager, "gc", Collector())
        patch.setattr(manager, "watch_stalls", _forever)
        patch.setattr(lease, "Watchdog", Nobody)
        patch.setattr(kaito.app, "read_catalog", CATALOG)
        patch.setattr(provisioner.app, "aks", lambda _: LocalCloud(arm, lives[virtual()].link))
        yield


async def _main(name: str, who: str, clock: VirtualClock, manner: Manner) -> int:
    """What `python -m` runs once the settings are read."""
    if name == KAITO:
        settings = KaitoSettings(
            leader_elect=manner.elects,
            identity=who,
            presets_dir=PRESETS,
            claim_kind=manner.claim_kind,
        )
        return await kaito.app.run(settings, clock=clock)
    required = ("subscription_id", "resource_group", "cluster_name", "client_id", "tenant_id")
    given = dict.fromkeys(required, "x")
    asked = ProvisionerSettings(leader_elect=manner.elects, identity=who, **given)
    return await provisioner.app.run(asked, clock=clock)


@asynccontextmanager
async def _served(**_asked: Any) -> AsyncIterator[tuple[int, int]]:
    yield 0, 0


async def _forever() -> None:
    await asyncio.Event().wait()
