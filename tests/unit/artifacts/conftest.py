"""A registry with TLS and an account, for all tests here; each test takes names of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.ociregistry import OciRegistry, oci_registry
from tests.unit.artifacts.carrier import Carrier


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OciRegistry]:
    """One for the whole session."""
    async with oci_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest_asyncio.fixture
async def own(tmp_path: Path) -> AsyncIterator[OciRegistry]:
    """A registry of one test's own, to be stopped or halted."""
    async with oci_registry(tmp_path / "own") as running:
        yield running


@pytest.fixture
def carrier(registry: OciRegistry, tmp_path: Path) -> Carrier:
    """The program, with the right account and authority."""
    return Carrier(registry, tmp_path)
