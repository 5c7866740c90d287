"""The way of a process to the API and the cloud in memory without a socket, and what befalls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import Protocol, TypeVar

import pydantic_core

from kaito.kube.answers import failure
from kaito.kube.errors import Unavailable
from kaito.kube.transport import Call
from tests.virtual.api import Api
from tests.virtual.loop import VirtualLoop, virtual
from tests.virtual.watching import Watcher
from tests.virtual.wire import Refused

T = TypeVar("T")

BOOKMARK_SECONDS = 60.0
ANSWER_SECONDS = 30.0
LEASE_ANSWER_SECONDS = 5.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request.

    Attributes:
        out_seconds: its way there, which it goes to its end even when its sender dies.
        back_seconds: the way of the answer.
        refusal: what it meets instead of being carried out.
        is_lost: whether it never arrives.
        is_mute: whether it is carried out, and the answer never arrives.
        kills: whether its sender dies as soon as it is on its way.
    """

    out_seconds: float = 0.0
    back_seconds: float = 0.0
    refusal: Exception | None = None
    is_lost: bool = False
    is_mute: bool = False
    kills: bool = False


@dataclass(frozen=True, slots=True)
class Lateness:
    """What becomes of one line of a watch.

    Attributes:
        lag_seconds: how far the server is behind; the connection looks alive.
        is_over: ends that before its time.
        silent_seconds: how long the connection says nothing.
        breaks: whether the connection then ends.
        expires: called when it is over, if the server has then forgotten the version.
    """

    lag_seconds: float = 0.0
    is_over: Callable[[], bool] | None = None
    silent_seconds: float = 0.0
    breaks: bool = False
    expires: Callable[[], object] | None = None


FAIR = Fate()
PROMPT = Lateness()
EXPIRED = pydantic_core.to_json(
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
)


class Weather(Protocol):
    """What befalls the requests of one process."""

    def fate(self, what: str) -> Fate:
        """What becomes of a request: `what` is its method and path."""
        ...

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """What becomes of a line of a watch."""
        ...


class Fair:
    """Nothing goes wrong."""

    def fate(self, what: str) -> Fate:
        """Let it pass."""
        return FAIR

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Let it pass."""
        return PROMPT


class Link:
    """The network between one process and everybody else.

    Attributes:
        who: identity of the process.
        is_dead: whether the process is no more.
        on_send: called with each request's method and path when it is sent; what it returns
            is called when the process is done with the request.
        refused: writes that the server has refused; to delete what is gone is no such thing.
    """

    def __init__(self, who: str, weather: Weather, main: VirtualLoop) -> None:
        self.who = who
        self._whole = asyncio.Event()
        self._whole.set()
        self.is_dead = False
        self.on_send: Callable[[Link, str], Callable[[], None]] = lambda _link, _what: _nothing
        self.refused: list[str] = []
        self.weather = weather
        self._main = main
        self.killed = asyncio.Event()

    async def carry(self, what: str, act: Callable[[], T], *, seconds: float) -> T:
        """Send a request, have it carried out, and return the answer.

        Raises:
            ConnectionError: there is none within that many seconds; it may still be carried out.
        """
        if self.is_dead:
            raise ConnectionError("this process is no more")
        done = self.on_send(self, what)
        try:
            fate = self.weather.fate(what)
            if fate is FAIR and not self.is_cut:
                return act()
            return await self._fated(fate, act, seconds)
        finally:
            done()

    async def line(self, watcher: Watcher, call: Call, deadline: float, idle: float) -> bytes:
        """The next line of a watch; empty when its time is over.

        Raises:
            Unavailable: nothing came for `idle` seconds, or the connection broke.
        """
        loop = virtual()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + idle)):
                line = await watcher.lines.get()
                late = self.weather.lateness(call, line) if line else PROMPT
                await asyncio.sleep(late.silent_seconds)
                await self._whole.wait()
        except TimeoutError as error:
            if loop.time() >= deadline:
                return b""
            raise Unavailable(0, "StreamBroken", "silent") from error
        if late is PROMPT:
            return line
        await _lag(late)
        if late.breaks:
            raise Unavailable(0, "StreamBroken", "a fault")
        if late.expires is None:
            return line
        late.expires()
        return EXPIRED

    @property
    def is_cut(self) -> bool:
        """Whether nothing passes, in either direction."""
        return not self._whole.is_set()

    def cut(self) -> None:
        """Let nothing pass."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything pass again."""
        self._whole.set()

    def kill(self) -> None:
        """End the process at once (SIGKILL)."""
        self.is_dead = True
        self.killed.set()

    async def _fated(self, fate: Fate, act: Callable[[], T], seconds: float) -> T:
        if fate.refusal:
            raise fate.refusal
        loop = virtual()
        answered: asyncio.Future[T] = loop.create_future()

        def arrive() -> None:
            answer = act()
            if not (fate.is_mute or answered.done() or loop.is_closed()):
                answered.set_result(answer)

        if fate.kills:
            self.kill()
        if fate.out_seconds:
            self._main.call_later(fate.out_seconds, arrive)
        elif not (fate.is_lost or self.is_cut):
            arrive()
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(answered, fate)
        except TimeoutError as error:
            raise ConnectionError(f"no answer within {seconds:g} s") from error

    async def _answer(self, answered: asyncio.Future[T], fate: Fate) -> T:
        """The answer, when it has come all the way; the dead wait for ever."""
        if self.is_dead:
            await asyncio.Event().wait()
        answer = await answered
        await asyncio.sleep(fate.back_seconds)
        await self._whole.wait()
        return answer


class Door:
    """A `kaito.kube.transport.Wire` that ends in an Api of this process."""

    def __init__(self, api: Api, link: Link) -> None:
        self._api = api
        self._link = link

    async def send(self, call: Call) -> bytes:
        """The body of the answer."""
        is_lease = "/coordination.k8s.io/" in call.path
        seconds = LEASE_ANSWER_SECONDS if is_lease else ANSWER_SECONDS
        try:
            answer = await self._link.carry(
                f"{call.method} {call.path}",
                lambda: self._api.answer(call, by=self._link.who),
                seconds=seconds,
            )
        except ConnectionError as error:
            raise Unavailable(0, "NoAnswer", str(error)) from error
        if answer.code >= 300:
            if call.method != "GET" and (call.method, answer.code) != ("DELETE", 404):
                self._link.refused.append(f"{call.method} {call.path}: {answer.code}")
            raise failure(answer.code, answer.text, {})
        return answer.text

    @asynccontextmanager
    async def stream(
        self, call: Call, *, idle_seconds: float, total_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a watch."""
        watcher = await self._opened(call)
        seconds = min(total_seconds, watcher.seconds or total_seconds)
        deadline = virtual().time() + seconds

        async def lines() -> AsyncIterator[bytes]:
            while line := await self._link.line(watcher, call, deadline, idle_seconds):
                yield line

        try:
            yield lines()
        finally:
            self._api.unwatch(watcher)

    async def close(self) -> None:
        """Nothing is open."""

    async def _opened(self, call: Call) -> Watcher:
        """A watch; the server forgets one that nobody waits for any more when it begins."""
        watchers: list[Watcher] = []
        is_wanted = True

        def act() -> Watcher | Refused:
            try:
                watcher = self._api.watch(call)
            except Refused as refusal:
                return refusal
            if is_wanted:
                watchers.append(watcher)
            else:
                self._api.unwatch(watcher)
            return watcher

        try:
            found = await self._link.carry(f"WATCH {call.path}", act, seconds=ANSWER_SECONDS)
        except BaseException as error:
            is_wanted = False
            for watcher in watchers:
                self._api.unwatch(watcher)
            if isinstance(error, ConnectionError):
                raise Unavailable(0, "NoAnswer", str(error)) from error
            raise
        if isinstance(found, Refused):
            raise failure(found.code, pydantic_core.to_json(found.status), {})
        return found


async def mark(api: Api) -> None:
    """Send bookmarks for ever."""
    while True:
        await asyncio.sleep(BOOKMARK_SECONDS)
        api.bookmark()


async def _lag(late: Lateness) -> None:
    """Wait as long as the server is behind."""
    if late.is_over is None:
        await asyncio.sleep(late.lag_seconds)
        return
    for _ in range(ceil(late.lag_seconds / _LOOK_SECONDS)):
        if late.is_over():
            break
        await asyncio.sleep(_LOOK_SECONDS)


def _nothing() -> None:
    """What follows a request that nobody looks at."""
