"""One tiny model and one server for all tests here; the rest is started where it is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from hack.cluster import models
from hack.cluster.cache import cache_folder
from tests.unit.presets.program import Program, inference_python


@pytest.fixture(scope="session")
def python() -> Path:
    """The inference environment's interpreter."""
    interpreter = inference_python()
    if not interpreter.exists():
        pytest.fail(f"no inference environment at {interpreter}: hack/install makes it")
    return interpreter


@pytest.fixture(scope="session")
def model(python: Path) -> Path:
    """The folder of the tiny model, made once a machine."""
    folder = cache_folder() / "models" / "tiny-phi-3"
    models.ensure(folder, python=python)
    return folder


@pytest.fixture(scope="session")
def server(model: Path) -> Iterator[Program]:
    """A server with its model loaded."""
    program = Program.start(model, "--served-model-name=tiny")
    program.wait_for("model.loaded")
    yield program
    program.close()


@pytest.fixture
async def http(server: Program) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the loaded server."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session
