"""Fixtures of the workspace controller's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.controllers.workspace.bench import Bench, benched

EXAMPLES = Path(__file__).parents[4] / "manifests" / "examples"


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    """Text of each quick start, by the name of its file."""
    return {path.stem: path.read_text() for path in EXAMPLES.glob("*.yaml")}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A reconciler, a client and an API server with nothing in it."""
    async with benched() as bench:
        yield bench
