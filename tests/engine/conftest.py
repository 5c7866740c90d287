"""One API server for all tests of a module, and a proxy of its own for each."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio

from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.transport import Endpoint, Transport
from tests import realserver
from tests.engine import proxy
from tests.engine.maps import Maps
from tests.engine.proxy import Proxy
from tests.unit.kube.builders import Anonymous


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def layout() -> AsyncIterator[Layout]:
    """A server for the whole ring: tests use names of their own."""
    async with realserver.serving(cached=False) as layout:
        yield layout


@pytest_asyncio.fixture(loop_scope="session")
async def link(layout: Layout) -> AsyncIterator[Proxy]:
    """The way to the server, which can be broken."""
    async with proxy.proxying(layout) as link:
        yield link


@pytest_asyncio.fixture(loop_scope="session")
async def client(link: Proxy) -> AsyncIterator[Client]:
    """A client that goes through the proxy."""
    transport = Transport(Endpoint(link.url, Anonymous()), user_agent="engine", max_in_flight=32)
    client = Client(transport, field_manager="engine")
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def maps(layout: Layout) -> AsyncIterator[Maps]:
    """Other people, who reach the server directly."""
    direct = await realserver.connect(layout, "others")
    yield Maps(direct, f"engine-{uuid.uuid4().hex[:8]}")
    await direct.close()
