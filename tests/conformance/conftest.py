"""The server under test: in memory, in memory over HTTP, and real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import cast

import pytest
import pytest_asyncio

from kaito.kube.client import Client
from kaito.kube.token import RotatingToken
from kaito.kube.transport import Endpoint, Transport
from tests import realserver
from tests.virtual.api import Api
from tests.virtual.door import Door, Fair, Link
from tests.virtual.loop import VirtualLoop
from tests.virtual.served import served


@dataclass(frozen=True, slots=True)
class Server:
    """One that is up.

    Attributes:
        connect: makes a client with a field manager.
        compact: has it forget all versions before one.
    """

    connect: Callable[[str], Awaitable[Client]]
    compact: Callable[[int], Awaitable[None]]


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["memory", "memory-over-http", "real"]
)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """One for the whole ring: tests use names of their own."""
    async with AsyncExitStack() as stack:
        if request.param == "real":
            layout = await stack.enter_async_context(realserver.serving(cached=True))

            async def connect(manager: str) -> Client:
                return await realserver.connect(layout, manager)

            async def compact(version: int) -> None:
                await realserver.compact(layout, str(version))

            yield Server(connect, compact)
            return
        api, url = Api(), ""
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        link = Link("conformance", Fair(), loop)
        if request.param == "memory-over-http":
            url, _ = await stack.enter_async_context(served(api))

        async def connect_memory(manager: str) -> Client:
            return Client(_wire(url) if url else Door(api, link), field_manager=manager)

        async def compact_memory(_version: int) -> None:
            api.compact()

        yield Server(connect_memory, compact_memory)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(server: Server) -> AsyncIterator[Client]:
    """A client with the field manager "one"."""
    made = await server.connect("one")
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def other(server: Server) -> AsyncIterator[Client]:
    """A client with the field manager "two"."""
    made = await server.connect("two")
    yield made
    await made.close()


def _wire(url: str) -> Transport:
    async def nothing(_: str) -> str:
        return ""

    endpoint = Endpoint(url, RotatingToken("", nothing))
    return Transport(endpoint, user_agent="conformance", max_in_flight=8)
