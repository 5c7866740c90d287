"""A cluster with Flux for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.flux.ground import flux_cluster, operator_files
from tests.flux.repository import Repository
from tests.flux.stage import Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """A cluster whose Flux follows a repository that holds the operator, and no model yet."""
    async with flux_cluster() as cluster:
        files = operator_files(cluster.layout)
        async with Repository.serving(cluster, files) as repository:
            yield Stage(cluster, repository)
