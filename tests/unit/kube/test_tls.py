"""What a connection with TLS keeps, and what comes through it."""

from __future__ import annotations

import asyncio
import gc
import ssl
from asyncio.sslproto import SSLProtocol

import pytest

from kaito.kube.certs import Certificate
from kaito.kube.client import Client
from kaito.kube.clock import SYSTEM_CLOCK
from kaito.kube.connections import Address, Connections
from kaito.kube.manager import Manager

HOST = "127.0.0.1"
ASYNCIO_BYTES = 256 * 2**10
BODY = bytes(range(256)) * 4096


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A mebibyte to whoever asks, and again to who asks again."""
    while await reader.read(2**16):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY))


def ends() -> list[SSLProtocol]:
    """Every end of a connection with TLS that this process has."""
    return [each for each in gc.get_objects() if isinstance(each, SSLProtocol)]


async def test_connections_of_a_process_keep_little_and_lose_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = ends()
    monkeypatch.setattr(SSLProtocol, "max_size", ASYNCIO_BYTES)
    boss = Manager(client, elector=None, host=HOST, health_port=0, metrics_port=0)
    boss.stop()
    await boss.run()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    shown = Certificate(None, name="server", clock=SYSTEM_CLOCK).context
    server = await asyncio.start_server(answer, HOST, 0, ssl=shown)
    connections = Connections(Address(HOST, server.sockets[0].getsockname()[1], trusting))

    async with server, asyncio.timeout(30):
        found = [
            (await connections.exchange(b"GET / HTTP/1.1\r\n\r\n", repeatable=True)).body
            for _ in range(2)
        ]
        kept = [len(each.get_buffer(-1)) for each in ends() if each not in others]
        connections.close()

    assert found == [BODY, BODY]
    assert len(kept) >= 2
    assert max(kept) <= ASYNCIO_BYTES / 4
