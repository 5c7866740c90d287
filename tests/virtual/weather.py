"""What goes wrong: by chance, at one chosen call, or not at all."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from kaito.kube.errors import Conflict, Throttled, Unavailable
from kaito.kube.transport import Call

Errors = Callable[[], Exception]


def _unavailable() -> Exception:
    return Unavailable(500, "InternalError", "a fault")


def _throttled() -> Exception:
    return Throttled(429, "TooManyRequests", "a fault", retry_after_seconds=1)


def _no_answer() -> Exception:
    return Unavailable(0, "NoAnswer", "a fault")


def _conflict() -> Exception:
    return Conflict(409, "Conflict", "a fault")


@dataclass(slots=True)
class Storm:
    """Faults by chance until a moment; from then on the weather is fair.

    Attributes:
        chance: where they come from.
        until: time of the loop.
        rate: how likely each call is to meet one.
        killed: called to kill the process, which the call then never returns to.
    """

    chance: random.Random
    until: float
    rate: float
    killed: Callable[[], None]

    async def before(self, what: str) -> None:
        """Slow, refused, throttled, or the process ends."""
        if not self._strikes():
            return
        fault = self.chance.randrange(6)
        if fault == 0:
            await asyncio.sleep(self.chance.uniform(0, 20))
        elif fault == 1:
            await self._die()
        else:
            raise self._error(what, fault)

    async def after(self, what: str) -> None:
        """Slow, lost, or the process ends."""
        if not self._strikes():
            return
        fault = self.chance.randrange(3)
        if fault == 0:
            await asyncio.sleep(self.chance.uniform(0, 20))
        elif fault == 1:
            await self._die()
        else:
            raise self._error(what, 2)

    async def line(self, call: Call, line: bytes) -> bytes:
        """Late, cut off, silent for long, or the version is forgotten."""
        if not self._strikes():
            return line
        fault = self.chance.randrange(4)
        if fault == 0:
            await asyncio.sleep(self.chance.uniform(0, 60))
        elif fault == 1:
            raise Unavailable(0, "StreamBroken", "a fault")
        elif fault == 2:
            status = {"kind": "Status", "code": 410, "reason": "Expired"}
            return json.dumps({"type": "ERROR", "object": status}).encode()
        else:
            await asyncio.sleep(90)
            raise Unavailable(0, "StreamBroken", "silent")
        return line

    def _strikes(self) -> bool:
        now = asyncio.get_running_loop().time()
        return now < self.until and self.chance.random() < self.rate

    def _error(self, what: str, fault: int) -> Exception:
        if "pool/" in what:
            return ConnectionError("a fault")
        kinds: tuple[Errors, ...] = (_no_answer, _unavailable, _throttled, _conflict)
        is_write = not what.startswith(("GET", "WATCH"))
        return kinds[min(fault - 2, 3 if is_write else 2)]()

    async def _die(self) -> None:
        self.killed()
        await asyncio.Event().wait()


@dataclass(slots=True)
class Calls:
    """A count of the calls of all processes, and the one at which the caller is killed.

    Attributes:
        fatal: number of that call, from 0; None kills nobody.
        done: what was called, in order.
    """

    fatal: int | None = None
    done: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Sniper:
    """Kills the process right after one call has been carried out."""

    calls: Calls
    killed: Callable[[], None]

    async def before(self, what: str) -> None:
        """Let it pass."""

    async def after(self, what: str) -> None:
        """Count it, and kill."""
        self.calls.done.append(what)
        if len(self.calls.done) - 1 == self.calls.fatal:
            self.killed()
            await asyncio.Event().wait()

    async def line(self, call: Call, line: bytes) -> bytes:
        """Let it pass."""
        return line


@dataclass(slots=True)
class Fog:
    """The caches of one process stand still from one version of the API on, for a while.

    Attributes:
        version: lines about later versions wait.
        seconds: how long each watch waits, once.
        relists: whether the watch then breaks, so that everything in between is never seen.
    """

    version: int
    seconds: float
    relists: bool
    waited: set[str] = field(default_factory=set)

    async def before(self, what: str) -> None:
        """Let it pass."""

    async def after(self, what: str) -> None:
        """Let it pass."""

    async def line(self, call: Call, line: bytes) -> bytes:
        """Hold back what is newer, once."""
        version = int(json.loads(line)["object"]["metadata"]["resourceVersion"])
        if version <= self.version or call.path in self.waited:
            return line
        self.waited.add(call.path)
        await asyncio.sleep(self.seconds)
        if not self.relists:
            return line
        status = {"kind": "Status", "code": 410, "reason": "Expired"}
        return json.dumps({"type": "ERROR", "object": status}).encode()
