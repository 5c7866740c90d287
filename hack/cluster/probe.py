"""One HTTP request to a part on loopback, to see whether it is ready."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.layout import Layout

LIMIT_SECONDS = 5.0
OK = 200


def client_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS that trusts one authority and presents one client certificate."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(certificate, key)
    return context


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks a server on 127.0.0.1.

    Attributes:
        port: where it listens.
        context: how to trust it, and who asks.
    """

    port: int
    context: ssl.SSLContext = field(repr=False)

    @classmethod
    def as_admin(cls, layout: Layout, port: int) -> Probe:
        """Asks a server whose certificate is the cluster's, as its administrator."""
        party = layout.certificate("admin"), layout.key("admin")
        return cls(port, client_context(layout.ca_certificate, *party))

    async def body(self, path: str) -> bytes | None:
        """Body of a GET that was answered with 200, else None."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self._get(path)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return None

    async def succeeds(self, path: str) -> bool:
        """Whether a GET is answered with 200."""
        return await self.body(path) is not None

    async def json(self, path: str) -> object:
        """Decoded body, None when there is none."""
        body = await self.body(path)
        return None if body is None else json.loads(body)

    async def _get(self, path: str) -> bytes | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        try:
            # HTTP/1.0: the body ends where the connection does.
            writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.read()
        finally:
            writer.close()
        return body if int(head.split(b" ", 2)[1]) == OK else None
