"""The service proxy's listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hack.cluster.addresses.routes import Address
from hack.cluster.addresses.services import Listeners

FRONT = Address("127.111.250.1", 8080)
CLOSED = Address("127.239.250.1", 1)


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    listeners = Listeners()
    yield listeners
    listeners.close()


@pytest.fixture
async def endpoints() -> AsyncIterator[tuple[Address, Address]]:
    """Two endpoints that answer with their host and what they were sent."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("sockname")[0]
        writer.write(host.encode() + b" " + await reader.read())
        writer.close()

    servers = [
        await asyncio.start_server(answer, host, 0) for host in ("127.239.250.2", "127.239.250.3")
    ]
    yield (
        Address(*servers[0].sockets[0].getsockname()),
        Address(*servers[1].sockets[0].getsockname()),
    )
    for server in servers:
        server.close()
        await server.wait_closed()


async def ask(address: Address, sent: bytes = b"hello") -> bytes:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_connection_reaches_an_endpoint_and_its_answer_comes_back(
    listeners: Listeners, endpoints: tuple[Address, Address]
) -> None:
    await listeners.follow({FRONT: endpoints[:1]})

    assert await ask(FRONT, b"x" * 1_000_000) == b"127.239.250.2 " + b"x" * 1_000_000


async def test_connections_are_spread_over_the_endpoints(
    listeners: Listeners, endpoints: tuple[Address, Address]
) -> None:
    await listeners.follow({FRONT: endpoints})

    answers = [await ask(FRONT) for _ in range(4)]

    assert sorted(answers) == [b"127.239.250.2 hello"] * 2 + [b"127.239.250.3 hello"] * 2


async def test_an_endpoint_that_refuses_is_passed_over(
    listeners: Listeners, endpoints: tuple[Address, Address]
) -> None:
    await listeners.follow({FRONT: (CLOSED, endpoints[0])})

    assert [await ask(FRONT) for _ in range(2)] == [b"127.239.250.2 hello"] * 2


async def test_where_no_endpoint_answers_the_connection_ends(listeners: Listeners) -> None:
    await listeners.follow({FRONT: (CLOSED,)})

    assert await ask(FRONT, b"") == b""


async def test_a_route_that_is_gone_is_closed(
    listeners: Listeners, endpoints: tuple[Address, Address]
) -> None:
    await listeners.follow({FRONT: endpoints})
    await listeners.follow({})

    with pytest.raises(ConnectionRefusedError):
        await ask(FRONT)


async def test_a_listener_follows_its_endpoints(
    listeners: Listeners, endpoints: tuple[Address, Address]
) -> None:
    await listeners.follow({FRONT: endpoints[:1]})
    await listeners.follow({FRONT: endpoints[1:]})

    assert await ask(FRONT) == b"127.239.250.3 hello"


async def test_an_address_that_is_taken_does_not_stop_the_others(
    listeners: Listeners, endpoints: tuple[Address, Address]
) -> None:
    await listeners.follow({endpoints[1]: endpoints[:1], FRONT: endpoints[:1]})

    assert await ask(FRONT) == b"127.239.250.2 hello"
