"""An API server that has nothing of ours in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.bystander import Bystander
from tests.realserver import serving


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def empty() -> AsyncIterator[Bystander]:
    """One server for all tests here; each leaves it as it found it."""
    async with serving(cached=True, defined=False) as layout:
        yield Bystander(layout)
