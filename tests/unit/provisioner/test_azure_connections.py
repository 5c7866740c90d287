"""One connection serves one request after the other, also where the CA is not the system's."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.unit.cluster.arm.conftest import Server, credentials, server
from tests.unit.provisioner.aks import aks

__all__ = ["credentials", "server"]


class Relay:
    """Passes bytes on to a server, and counts who comes."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self.connections = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def test_requests_in_a_row_share_a_connection(server: Server, tmp_path: Path) -> None:
    relay = Relay(server.url)
    listening = await asyncio.start_server(relay.pass_on, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    cloud = aks(replace(server, url=f"https://127.0.0.1:{port}"), tmp_path / "token")
    try:
        for _ in range(5):
            await cloud.instances()
        sign_in_and_arm = 2
        assert relay.connections == sign_in_and_arm
    finally:
        await cloud.close()
        listening.close()
