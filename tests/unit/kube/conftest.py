"""A server and a client for each test that asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kaito.kube.client import Client
from kaito.kube.transport import Endpoint, Transport
from tests.unit.kube import apiserver
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import Anonymous


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API server with nothing in it."""
    async with apiserver.served() as api:
        yield api


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    """A client of that server."""
    transport = Transport(Endpoint(api.url, Anonymous()), user_agent="tests/1", max_in_flight=8)
    client = Client(transport, field_manager="tests")
    yield client
    await client.close()
