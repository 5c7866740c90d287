"""Connections that carry requests, against a server that does what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from kaito.kube.connections import Address, Connections, Ended

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(data: bytes) -> Say:
    """Answer with that."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return say


def body(text: str, *headers: str) -> bytes:
    """An answer."""
    lines = "".join(f"{each}\r\n" for each in headers)
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode()


async def ends(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.close()


async def nothing(_: asyncio.StreamWriter) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Server:
    """What it is to say, and how many connections and requests there were."""

    address: Address
    script: list[Say] = field(default_factory=list)
    opened: int = 0
    requests: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    serving: list[asyncio.Task[object] | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Follow the script on one connection."""
        self.opened += 1
        self.serving.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                self.heard.set()
                await self.script.pop(0)(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*script: Say) -> AsyncIterator[tuple[Server, Connections]]:
    """A server with a script, and connections to it."""
    server = Server(Address("", 0), list(script))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    connections = Connections(Address("127.0.0.1", listening.sockets[0].getsockname()[1]))
    try:
        yield server, connections
    finally:
        connections.close()
        listening.close()
        await asyncio.gather(*(each for each in server.serving if each))


async def test_a_connection_is_used_again() -> None:
    async with serving(says(body("a")), says(body("b"))) as (server, connections):
        found = [await connections.exchange(REQUEST, repeatable=False) for _ in range(2)]

    assert [each.body for each in found] == [b"a", b"b"]
    assert server.opened == 1


async def test_a_thousand_requests_leave_no_more_connections_than_there_were_at_once() -> None:
    at_once = 8
    async with serving(*[says(body("a"))] * 1000) as (server, connections):

        async def ask(count: int) -> None:
            for _ in range(count):
                await connections.exchange(REQUEST, repeatable=False)

        await asyncio.gather(*(ask(1000 // at_once) for _ in range(at_once)))
        busy, idle = len(connections._busy), len(connections._idle)

    assert (server.requests, busy) == (1000, 0)
    assert idle == server.opened <= at_once


async def test_each_of_two_requests_at_a_time_has_its_own_connection() -> None:
    async with serving(nothing, says(body("b"))) as (server, connections):
        first = asyncio.create_task(connections.exchange(REQUEST, repeatable=False))
        await server.heard.wait()
        found = await connections.exchange(REQUEST, repeatable=False)
        first.cancel()

    assert (found.body, server.opened) == (b"b", 2)


async def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    script = [says(body("a", "Connection: close")), says(body("b"))]
    async with serving(*script) as (server, connections):
        for _ in range(2):
            await connections.exchange(REQUEST, repeatable=False)

    assert server.opened == 2


async def test_a_request_that_may_be_repeated_is_sent_again_once() -> None:
    async with serving(ends, says(body("a")), ends, ends) as (server, connections):
        found = await connections.exchange(REQUEST, repeatable=True)
        with pytest.raises(Ended):
            await connections.exchange(REQUEST, repeatable=True)

    assert (found.body, server.requests) == (b"a", 4)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_write_leaves_once_whatever_becomes_of_its_answer(said: bytes) -> None:
    async def breaks(writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with serving(says(body("a")), breaks) as (server, connections):
        await connections.exchange(REQUEST, repeatable=False)
        with pytest.raises(Ended):
            await connections.exchange(REQUEST, repeatable=False)

    assert server.requests == 2


async def test_a_late_answer_is_nobodys() -> None:
    script = [nothing, says(body("late") + body("a")), says(body("b"))]
    async with serving(*script) as (server, connections):
        late = asyncio.create_task(connections.exchange(REQUEST, repeatable=False))
        await server.heard.wait()
        late.cancel()
        with pytest.raises(ConnectionError):
            await connections.exchange(REQUEST, repeatable=False)
        found = await connections.exchange(REQUEST, repeatable=False)

    assert found.body == b"b"


async def test_bytes_that_nobody_asked_for_end_a_connection() -> None:
    answered = asyncio.Event()

    async def goes_on(writer: asyncio.StreamWriter) -> None:
        writer.write(body("a"))
        await answered.wait()
        writer.write(body("of nobody"))

    async with serving(goes_on, says(body("b"))) as (server, connections):
        first = await connections.exchange(REQUEST, repeatable=False)
        answered.set()
        await asyncio.gather(*(each for each in server.serving if each))
        found = await connections.exchange(REQUEST, repeatable=False)

    assert (first.body, found.body) == (b"a", b"b")


async def test_what_waits_for_an_answer_hears_of_the_close() -> None:
    async with serving(nothing) as (server, connections):
        waiting = asyncio.create_task(connections.exchange(REQUEST, repeatable=False))
        await server.heard.wait()
        connections.close()

        with pytest.raises(Ended):
            await waiting


async def test_a_server_that_is_not_there_is_an_os_error() -> None:
    async with serving() as (_, connections):
        pass

    with pytest.raises(OSError, match="Connect call failed"):
        await connections.exchange(REQUEST, repeatable=True)
