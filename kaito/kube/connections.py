"""Connections to one server, each of which carries one request at a time, and is used again.

Beside aiohttp's client, which carries watches: for an answer that comes whole, all that it offers
beyond this costs four times the rest, and it sends a PUT or a DELETE again by itself when a
connection ends before the answer. Here a write leaves once: whether it is tried again is decided
by whoever knows what it means.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast

from kaito.kube.framing import Answer, Malformed, Reader

_CONNECT_SECONDS = 10.0
_KEPT_SECONDS = 15.0
"""How long a connection without a request is used again: it may be gone without a word."""
_NEXT_ADDRESS_SECONDS = 0.25


class Ended(ConnectionError):
    """A connection ended before the answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Attributes:
        host: a name, or a number without brackets.
        port: of TCP.
        tls: None for plain HTTP.
        server_name: name that the server's certificate must carry, "" for the host's.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""


class Connections:
    """Opens connections as they are needed, and keeps those that may be used again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: deque[tuple[_Connection, float]] = deque()
        self._busy: set[_Connection] = set()

    async def exchange(self, request: bytes, *, repeatable: bool) -> Answer:
        """The answer to one request; one that is `repeatable` is sent again if a connection ends.

        Raises:
            OSError: there was none. Unless it was not sent at all, a write may have happened.
        """
        connection = self._kept() or await self._opened()
        try:
            return await self._carried(connection, request)
        except ConnectionError:
            if not repeatable:
                raise
        return await self._carried(await self._opened(), request)

    def close(self) -> None:
        """Close all connections; what waits for an answer gets none."""
        for connection in (*self._busy, *(kept for kept, _ in self._idle)):
            connection.abort()
        self._idle.clear()

    async def _carried(self, connection: _Connection, request: bytes) -> Answer:
        """One answer, after which the connection is kept if it can be."""
        self._busy.add(connection)
        try:
            answer = await connection.exchange(request)
        finally:
            self._busy.discard(connection)
        if answer.keeps and connection.is_open:
            self._idle.append((connection, asyncio.get_running_loop().time()))
        else:
            connection.abort()
        return answer

    def _kept(self) -> _Connection | None:
        """The connection that was used last, of those that are still good."""
        oldest = asyncio.get_running_loop().time() - _KEPT_SECONDS
        while self._idle and self._idle[0][1] < oldest:
            self._idle.popleft()[0].abort()
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _opened(self) -> _Connection:
        address = self._address
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(
                _Connection,
                address.host,
                address.port,
                ssl=address.tls,
                server_hostname=(address.server_name or address.host) if address.tls else None,
                happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
            )
        return connection


class _Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = Reader()
        self._answer: asyncio.Future[Answer] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> Answer:
        """The answer to one request; nothing else is sent if there is none."""
        if self._transport is None or self._transport.is_closing():
            raise Ended("the connection had ended")
        self._reader = Reader()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            # What is still to come belongs to nobody.
            self.abort()
            raise
        finally:
            self._answer = None

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear that it is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in a piece; one that nobody asked for ends the connection."""
        if self._answer is None or self._answer.done():
            self.abort()
            return
        try:
            answer = self._reader.feed(data)
        except Malformed as error:
            self._answer.set_exception(error)
            return
        if answer is not None:
            self._answer.set_result(answer)

    def eof_received(self) -> None:
        """Hear that nothing more will come, which is the end of some answers."""
        answer = self._reader.end() if self._waits else None
        if answer is not None and self._answer is not None:
            self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        """Hear that it is closed."""
        if self._waits and self._answer is not None:
            said = str(error) if error else "the connection ended before the answer"
            self._answer.set_exception(Ended(said))

    @property
    def _waits(self) -> bool:
        return self._answer is not None and not self._answer.done()
