"""Take-over after take-over of one lease."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from aiohttp import web

from hack.cluster.layout import OPERATOR_NAMESPACE
from tests.bystander import LOOK_SECONDS, until
from tests.takeover.audit import Write
from tests.takeover.faults import Held, Trouble, changes, kind, struck
from tests.takeover.ground import Ground
from tests.takeover.replica import Program, Replica

PATIENCE_SECONDS = 120.0
VARIETY_SECONDS = 4.0
"""How long to wait for a write of a kind that was not yet held."""

MOST_SPOILED = 5
BUSY_WRITES = 10
"""By then a new leader has written to whatever there is."""


class Spoiled(Exception):
    """A process ended that was not to: on a busy machine a lease may be lost by itself."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """One that was brought about.

    Attributes:
        trouble: what befell the one that led.
        old: who led.
        new: who leads now.
        write: what was under way.
        answer: HTTP status of the answer to that, when it came through at last.
    """

    trouble: Trouble
    old: str
    new: str
    write: str
    answer: int


@dataclass(slots=True)
class Campaign:
    """Two replicas of one program, one of which leads.

    Attributes:
        program: which.
        ground: where.
        chance: decides what it may.
        done: what has been brought about.
        spoiled: how often it did not come about.
    """

    program: Program
    ground: Ground
    chance: Random
    done: list[Takeover] = field(default_factory=list)
    spoiled: int = 0
    _replicas: list[Replica] = field(default_factory=list)
    _held: Counter[str] = field(default_factory=Counter)

    async def run(self, troubles: Iterable[Trouble]) -> None:
        """One take-over for each of these, and two replicas at the end."""
        for trouble in troubles:
            while True:
                old, new = await self._pair()
                try:
                    self.done.append(await self._takeover(trouble, old, new))
                    break
                except Spoiled:
                    self.spoiled += 1
                    assert self.spoiled < MOST_SPOILED
                    await old.end()
        await self._pair()

    async def end(self) -> None:
        """Kill whoever runs, and close all links."""
        for each in self._replicas:
            await each.end()

    def said(self) -> str:
        """The end of each process's log."""
        return "\n".join(f"{each.name}:\n{each.said()}" for each in self._replicas)

    async def _takeover(self, trouble: Trouble, old: Replica, new: Replica) -> Takeover:
        """Have a write under way, let trouble come, and let go when all is lost."""
        kept = await self._caught(old)
        undo = await struck(trouble, old, new, self.chance)
        try:
            await self._until(f"{new.name} to lead", lambda: self._leads(new), new)
            await self._until(f"{new.name} to write", lambda: self._wrote(new, kept), new)
            if trouble is Trouble.RACED:
                await self._until(f"{new.name} to be busy", lambda: self._is_busy(new), new)
        finally:
            kept.released.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            if self.chance.random() < 0.5:
                await kept.answered.wait()
            await undo()
            await kept.answered.wait()
        return Takeover(trouble, old.name, new.name, kept.kind, kept.status)

    async def _caught(self, old: Replica) -> Held:
        """Keep the next write of a process on its link: of a new kind, if one comes soon."""
        kept = Held()
        loop = asyncio.get_running_loop()
        patience = loop.time() + VARIETY_SECONDS

        def concerns(request: web.Request) -> bool:
            is_new = not self._held[kind(request)]
            return changes(request) and (is_new or loop.time() > patience)

        async def caught() -> bool:
            return kept.arrived.is_set()

        old.link.next(kept.fault, concerns)
        await self._until(f"{old.name} to write", caught, old)
        self._held[kept.kind] += 1
        return kept

    async def _until(self, what: str, look: Callable[[], Awaitable[bool]], who: Replica) -> None:
        """Wait for it.

        Raises:
            Spoiled: the process has ended that was to bring it about.
        """

        async def seen() -> bool:
            if not who.is_alive:
                raise Spoiled(what)
            return await look()

        await until(what, seen, limit_seconds=PATIENCE_SECONDS)

    async def _leads(self, new: Replica) -> bool:
        return await self._holder() == new.name

    async def _wrote(self, new: Replica, kept: Held) -> bool:
        return any(each.place == kept.place for each in self._writes(new))

    async def _is_busy(self, new: Replica) -> bool:
        return len(self._writes(new)) > BUSY_WRITES

    def _writes(self, new: Replica) -> list[Write]:
        """What it has written so far, its lease and Events aside."""
        return [
            each
            for each in self.ground.log.read()
            if each.process == new.name
            and each.accepted
            and each.place[0] not in {"leases", "events"}
        ]

    async def _pair(self) -> tuple[Replica, Replica]:
        """Who leads, and who stands by; whoever has ended is replaced, as a kubelet would."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                alive = [each for each in self._replicas if each.is_alive]
                for _ in range(len(alive), 2):
                    name = f"{self.program}-{len(self._replicas) + 1}"
                    made = await Replica.start(self.ground.layout, self.program, name)
                    self._replicas.append(made)
                holder = await self._holder()
                leading = [each for each in alive if each.name == holder]
                waiting = [each for each in alive if each.name != holder and each.stands_by]
                if leading and waiting:
                    return leading[0], waiting[0]
                await asyncio.sleep(LOOK_SECONDS)

    async def _holder(self) -> str:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases/{self.program}"
        lease = await self.ground.bystander.get(path)
        return str(lease["spec"]["holderIdentity"]) if lease else ""
