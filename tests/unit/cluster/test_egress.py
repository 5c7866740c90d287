"""The CONNECT proxy between the API server and everything behind nominal addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hack.cluster.addresses.egress import Target, serve_egress, target
from hack.cluster.layout import Layout
from tests.unit.cluster.layouts import a_layout


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("10.227.1.2:8080", "127.227.1.2"),
        ("10.19.0.1:10250", "127.19.0.1"),
        ("127.99.4.5:443", "127.99.4.5"),
    ],
    ids=["pod", "node", "service"],
)
def test_addresses_of_the_cluster_are_found_on_loopback(authority: str, host: str) -> None:
    port = int(authority.split(":")[1])

    assert target(a_layout(slot=3), authority) == Target(host, port)


@pytest.mark.parametrize(
    "authority",
    [
        "10.224.1.2:80",
        "10.1.0.1:10250",
        "10.250.0.1:443",
        "127.0.0.1:2379",
        "127.227.1.2:80",
        "169.254.169.254:80",
        "example.org:443",
        "10.227.1.2",
        "10.227.1.2:0",
        "10.227.1.2:65536",
        "10.227.1.2:-1",
        "[::1]:80",
        "10.227.1.2.example.org:80",
        "",
    ],
)
def test_everything_else_is_refused(authority: str) -> None:
    assert target(a_layout(slot=3), authority) is None


@pytest.fixture
async def layout(tmp_path: Path) -> AsyncIterator[Layout]:
    layout = a_layout(slot=15, home=tmp_path)
    layout.run.mkdir()
    server = await serve_egress(layout)
    yield layout
    server.close()
    await server.wait_closed()


async def ask(layout: Layout, request: str, sent: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_unix_connection(layout.egress_socket)
    writer.write(request.encode() + b"\r\n\r\n" + sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_bytes_go_to_the_pod_and_come_back(layout: Layout) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    server = await asyncio.start_server(shout, "127.239.250.9", 0)
    port = server.sockets[0].getsockname()[1]

    answer = await ask(layout, f"CONNECT 10.239.250.9:{port} HTTP/1.1\r\nHost: x", b"hello")

    server.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nHELLO")


async def test_an_address_outside_the_cluster_is_forbidden(layout: Layout) -> None:
    answer = await ask(layout, "CONNECT 127.0.0.1:22 HTTP/1.1")

    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_another_method_is_forbidden(layout: Layout) -> None:
    answer = await ask(layout, "GET 10.239.250.9:80 HTTP/1.1")

    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_a_closed_port_is_a_bad_gateway(layout: Layout) -> None:
    answer = await ask(layout, "CONNECT 10.239.250.10:1 HTTP/1.1")

    assert answer.startswith(b"HTTP/1.1 502 ")


async def test_a_request_without_an_end_gets_no_answer(layout: Layout) -> None:
    reader, writer = await asyncio.open_unix_connection(layout.egress_socket)
    writer.write(b"CONNECT 10.239")
    writer.write_eof()

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
