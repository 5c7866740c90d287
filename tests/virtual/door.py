"""The way from a Client to the API in memory without a socket, and what goes wrong on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import pydantic_core

from kaito.kube.answers import failure
from kaito.kube.errors import Unavailable
from kaito.kube.transport import Call
from tests.virtual.api import Api
from tests.virtual.wire import Refused

BOOKMARK_SECONDS = 60.0


class Weather(Protocol):
    """What may go wrong between a client and the server. Each method may wait or raise."""

    async def before(self, what: str) -> None:
        """A request is on its way; what is raised here, the server never sees."""
        ...

    async def after(self, what: str) -> None:
        """It has been carried out; what is raised here, the client never hears."""
        ...

    async def line(self, call: Call, line: bytes) -> bytes:
        """A line of a watch arrives."""
        ...


class Fair:
    """Nothing goes wrong."""

    async def before(self, what: str) -> None:
        """Let it pass."""

    async def after(self, what: str) -> None:
        """Let it pass."""

    async def line(self, call: Call, line: bytes) -> bytes:
        """Let it pass."""
        return line


class Door:
    """A `kaito.kube.transport.Wire` that ends in an Api of this process."""

    def __init__(self, api: Api, weather: Weather) -> None:
        self._api = api
        self._weather = weather

    async def send(self, call: Call) -> bytes:
        """The body of the answer."""
        what = f"{call.method} {call.path}"
        await self._weather.before(what)
        answer = self._api.answer(call)
        await self._weather.after(what)
        if answer.code >= 300:
            raise failure(answer.code, answer.text, {})
        return answer.text

    @asynccontextmanager
    async def stream(
        self, call: Call, *, idle_seconds: float, total_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a watch."""
        await self._weather.before(f"WATCH {call.path}")
        try:
            watcher = self._api.watch(call)
        except Refused as refusal:
            body = pydantic_core.to_json(refusal.status)
            raise failure(refusal.code, body, {}) from refusal
        seconds = min(total_seconds, watcher.seconds or total_seconds)
        deadline = asyncio.get_running_loop().time() + seconds

        async def lines() -> AsyncIterator[bytes]:
            while line := await _next(watcher.lines.get, deadline, idle_seconds):
                yield await self._weather.line(call, line)

        try:
            yield lines()
        finally:
            self._api.unwatch(watcher)

    async def close(self) -> None:
        """Nothing is open."""


async def mark(api: Api) -> None:
    """Send bookmarks for ever."""
    while True:
        await asyncio.sleep(BOOKMARK_SECONDS)
        api.bookmark()


async def _next(get: Callable[[], Awaitable[bytes]], deadline: float, idle_seconds: float) -> bytes:
    """The next line; empty when the time of the whole answer is over.

    Raises:
        Unavailable: nothing came for `idle_seconds`.
    """
    now = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(min(deadline - now, idle_seconds)):
            return await get()
    except TimeoutError as error:
        if asyncio.get_running_loop().time() >= deadline:
            return b""
        raise Unavailable(0, "StreamBroken", "silent") from error
