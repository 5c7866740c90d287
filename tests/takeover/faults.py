"""What befalls a process while it leads and a write of its own is on the way."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from aiohttp import web

from tests.engine.proxy import Fault, Pass
from tests.takeover.replica import RENEW_SECONDS, Replica

FOR_EVER = 10**9
GATHER_SECONDS = 1.0
"""In this time something comes up about most objects."""

Undo = Callable[[], Awaitable[None]]
Place = tuple[str, str, str]


class Trouble(StrEnum):
    """What happens."""

    STOPPED = "stopped, continued"
    RACED = "stopped, continued into a race"
    KILLED = "killed"
    HALF_OPEN = "half-open link"
    SLOW = "slow API server"


@dataclass(slots=True)
class Held:
    """Writes that are kept on the link: the process has sent them, the server has not had them.

    Attributes:
        kind: of the first: method and resource, for people.
        place: of the first: resource, namespace and name of the object.
        status: of the server's answer to the first to be answered; 0 until then.
    """

    kind: str = ""
    place: Place = ("", "", "")
    status: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def fault(self, request: web.Request, let_through: Pass) -> web.StreamResponse:
        """Keep one until all are released."""
        if not self.arrived.is_set():
            self.kind, self.place = kind(request), place(request)
            self.arrived.set()
        await self.released.wait()
        answer = await let_through()
        self.status = self.status or answer.status
        self.answered.set()
        return answer


def changes(request: web.Request) -> bool:
    """Whether it is to change an object that is there; leases and Events aside."""
    changing = request.method in {"PUT", "PATCH", "DELETE"}
    return changing and place(request)[0] not in {"leases", "events"}


def place(request: web.Request) -> Place:
    """Resource, namespace and name in its path."""
    words = request.path.strip("/").split("/")
    words = words[2:] if words[0] == "api" else words[3:]
    namespace = ""
    if words[0] == "namespaces" and len(words) > 2:
        namespace, words = words[1], words[2:]
    return words[0], namespace, words[1] if len(words) > 1 else ""


def kind(request: web.Request) -> str:
    """Method and resource, with the subresource if there is one."""
    tail = "/status" if request.path.endswith("/status") else ""
    return f"{request.method} {place(request)[0]}{tail}"


async def struck(trouble: Trouble, old: Replica, new: Replica, chance: Random) -> Undo:
    """Have it happen to the leader; what it returns ends it, and the old process with it.

    Args:
        trouble: what.
        old: who leads.
        new: who will.
        chance: how slow is slow.
    """
    match trouble:
        case Trouble.STOPPED | Trouble.RACED:
            old.signal(signal.SIGSTOP)
            return (lambda: _race(old, new)) if trouble is Trouble.RACED else (lambda: _go_on(old))
        case Trouble.KILLED:
            old.signal(signal.SIGKILL)
        case Trouble.SLOW:
            return _slowed(old, new, chance)
        case Trouble.HALF_OPEN:
            return _cut_off(old)
    return lambda: _ended(old)


async def _ended(old: Replica) -> None:
    await old.process.wait()


async def _go_on(old: Replica) -> None:
    old.signal(signal.SIGCONT)
    await old.process.wait()


async def _race(old: Replica, new: Replica) -> None:
    """The old one hears of all that the new one wrote, and of something that is still to do.

    It may well be quicker: what the new one would do about it is kept on the link.
    """
    kept = Held()
    rule = new.link.next(kept.fault, changes, FOR_EVER)
    await kept.arrived.wait()
    await asyncio.sleep(GATHER_SECONDS)
    await _go_on(old)
    rule.left = 0
    kept.released.set()


def _cut_off(old: Replica) -> Undo:
    """Nothing comes through in either direction, until all that was sent does, late."""
    opened = asyncio.Event()

    async def stalled(_: web.Request, let_through: Pass) -> web.StreamResponse:
        await opened.wait()
        return await let_through()

    async def open_again() -> None:
        opened.set()
        await old.process.wait()

    old.link.next(stalled, _all, FOR_EVER)
    old.link.freeze()
    return open_again


def _slowed(old: Replica, new: Replica, chance: Random) -> Undo:
    """Every answer takes long: for the old one longer than its lease holds."""
    old.link.next(_delayed(chance, 2 * RENEW_SECONDS), _all, FOR_EVER)
    rule = new.link.next(_delayed(chance, RENEW_SECONDS / 5), _all, FOR_EVER)

    async def recover() -> None:
        await old.process.wait()
        rule.left = 0

    return recover


def _delayed(chance: Random, most_seconds: float) -> Fault:
    """A request waits on its way there, and its answer on its way back."""

    async def fault(_: web.Request, let_through: Pass) -> web.StreamResponse:
        await asyncio.sleep(chance.uniform(0, most_seconds))
        answer = await let_through()
        await asyncio.sleep(chance.uniform(0, most_seconds))
        return answer

    return fault


def _all(_: web.Request) -> bool:
    return True
