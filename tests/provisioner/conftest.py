"""One stack for the whole ring; each test starts the provisioner that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.provisioner.stack import Stack, stacked


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The stack, without a provisioner."""
    async with stacked(tmp_path_factory.mktemp("evidence")) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="session")
async def stack(cloud: Stack) -> AsyncIterator[Stack]:
    """The stack, to start a provisioner in; afterwards nothing runs, goes wrong or is left."""
    yield cloud
    cloud.door.trap = None
    cloud.machines.silent = cloud.machines.blind = ""
    await cloud.stop()
    cloud.play()
    await cloud.raze()
