"""The CONNECT proxy that the API server reaches nodes, pods and Services through.

It listens on a unix socket, maps the cluster's nominal addresses to loopback, and refuses
everything else: no packet of the API server leaves this machine.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path

import structlog

from hack.cluster.addresses.streams import join
from hack.cluster.layout import Layout, loopback

log = structlog.get_logger()

CONNECTION_REFUSED = "connection.refused"
CONNECT_SECONDS = 5.0
HEAD_SECONDS = 10.0
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Target:
    """Where bytes go on loopback."""

    host: str
    port: int


def target(layout: Layout, authority: str) -> Target | None:
    """The loopback end of "HOST:PORT", None when it is not in this cluster.

    Nodes and pods are mapped; a cluster IP is a loopback address already.
    """
    host, _, port = authority.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= LAST_PORT:
        return None
    try:
        address = IPv4Address(host)
    except AddressValueError:
        return None
    if address in IPv4Network(layout.service_cidr):
        return Target(host, int(port))
    if host.startswith((layout.node_prefix, layout.pod_prefix)):
        return Target(loopback(host), int(port))
    return None


async def serve_egress(layout: Layout) -> asyncio.Server:
    """Listen on the cluster's egress socket until the server is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _tunnel(layout, reader, writer)
        finally:
            writer.close()

    _remove(layout.egress_socket)
    return await asyncio.start_unix_server(serve, layout.egress_socket)


async def _tunnel(
    layout: Layout, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError):
        return
    method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
    authority = rest.partition(" ")[0]
    found = target(layout, authority) if method == "CONNECT" else None
    if found is None:
        log.warning(CONNECTION_REFUSED, method=method, authority=authority)
        await _answer(writer, "403 Forbidden")
        return
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            far = await asyncio.open_connection(found.host, found.port)
    except (OSError, TimeoutError) as error:
        log.debug(CONNECTION_REFUSED, authority=authority, error=str(error))
        await _answer(writer, "502 Bad Gateway")
        return
    await _answer(writer, "200 Connection Established")
    await join((reader, writer), far)


async def _answer(writer: asyncio.StreamWriter, status: str) -> None:
    try:
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        await writer.drain()
    except OSError:
        return


def _remove(socket: Path) -> None:
    socket.unlink(missing_ok=True)
