"""An API server that has nothing of ours in it, and the package as it is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bystander import Bystander
from tests.delivery.installation import installed
from tests.realserver import serving


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def empty() -> AsyncIterator[Bystander]:
    """One server for all tests here; each leaves it as it found it."""
    async with serving(cached=True, defined=False) as layout:
        yield Bystander(layout)


@pytest.fixture(scope="package")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `pip install` has put the programs of the package."""
    return installed(tmp_path_factory.mktemp("reader"))
