"""One server with two adapters for all tests here, and what the library answers by itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from hack.cluster import models
from hack.cluster.cache import cache_folder
from tests.unit.presets.program import Program, inference_python

HERE = Path(__file__).parent
TOKENS = 40
KEY = "tiny-key"

Answers = dict[str, list[str]]


@pytest.fixture(scope="session")
def clients() -> Path:
    """The interpreter that has the clients."""
    interpreter = cache_folder() / "clients" / "bin" / "python"
    if not interpreter.exists():
        pytest.fail(f"no environment of clients at {interpreter}: hack/install clients makes it")
    return interpreter


@pytest.fixture(scope="session")
def model() -> Path:
    """The folder of the tiny model, made once a machine."""
    folder = cache_folder() / "models" / "tiny-phi-3"
    models.ensure(folder, python=inference_python())
    return folder


def output_of(script: str, *arguments: object, given: str = "") -> str:
    """Standard output of a script of this folder in the inference environment."""
    command = [str(inference_python()), str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def adapters(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapters `ships` and `birds`, and both merged."""
    folder = tmp_path_factory.mktemp("adapters")
    output_of("adapters.py", model, folder)
    return folder


@pytest.fixture(scope="session")
def oracle(model: Path, adapters: Path) -> Callable[[dict[str, list[str]]], Answers]:
    """Asks the library, in a process of its own: prompts by adapter, answers in the same order."""

    def ask(asked: dict[str, list[str]]) -> Answers:
        answers: Answers = json.loads(
            output_of("oracle.py", model, adapters, TOKENS, given=json.dumps(asked))
        )
        return answers

    return ask


@pytest.fixture(scope="session")
def server(model: Path, adapters: Path) -> Iterator[Program]:
    """A server with its model and its adapters loaded."""
    program = Program.start(
        model, "--served-model-name=tiny", f"--adapters-dir={adapters}", "--threads=1"
    )
    try:
        program.wait_for("model.loaded")
        yield program
    finally:
        program.close()


@pytest.fixture
async def http(server: Program) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the loaded server."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session
