"""A real API server for the whole ring, with etcd and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from hack.cluster.layout import Layout
from tests import realserver
from tests.admission.door import Door


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def layout() -> AsyncIterator[Layout]:
    """The server's own files and ports."""
    async with realserver.serving(cached=True) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door(layout: Layout) -> AsyncIterator[Door]:
    """An administrator's way in."""
    client = await realserver.connect(layout, "admin")
    yield Door(client)
    await client.close()
