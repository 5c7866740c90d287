"""Fixtures that several rings share: a cluster that is up."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hack.cluster.cache import cache_folder
from hack.cluster.session import running
from tests.bystander import Bystander


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Bystander]:
    """A cluster of this module's own, with the operator on it."""
    folder = cache_folder() / "clusters"
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="test-", dir=folder))
    async with running(home=home) as layout:
        yield Bystander(layout)
