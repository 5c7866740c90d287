"""The tiny model behind vLLM's own server and our program, without a GPU, with two adapters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hack.benchmarks.scale.programs import free_port
from hack.cluster import models
from hack.cluster.cache import cache_folder
from tests.bystander import until
from tests.unit.presets.program import inference_python

HERE = Path(__file__).parent
SERVING = HERE.parent / "serving"
ROOT = HERE.parents[1]
PROGRAM = ROOT / "presets" / "inference" / "vllm_server.py"
CONTEXT_TOKENS = 512
TOKENS = 40
START_SECONDS = 150.0
"""Generous: its imports alone take fifteen on two processors."""

Answers = dict[str, list[str]]


@dataclass(frozen=True)
class Server:
    """One that runs."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    async def until_up(self) -> None:
        """Return once it answers."""
        await until("an answer of vLLM's", self._is_up, limit_seconds=START_SECONDS)

    async def _is_up(self) -> bool:
        """Whether it answers; an AssertionError with its last words once it has ended."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            async with aiohttp.ClientSession(self.url) as http, http.get("/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def output_of(script: Path, *arguments: object, given: str = "") -> str:
    """Standard output of a script in the inference environment."""
    command = [str(inference_python()), str(script), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def model() -> Path:
    """The folder of the tiny model, made once a machine."""
    folder = cache_folder() / "models" / "tiny-phi-3"
    models.ensure(folder, python=inference_python())
    return folder


@pytest.fixture(scope="session")
def adapters(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapters `ships` and `birds`, and both merged."""
    folder = tmp_path_factory.mktemp("adapters")
    output_of(SERVING / "adapters.py", model, folder)
    return folder


@pytest.fixture(scope="session")
def oracle(model: Path, adapters: Path) -> Callable[[Mapping[str, list[str]]], Answers]:
    """Asks transformers and PEFT, in a process of their own: prompts by adapter."""

    def ask(asked: Mapping[str, list[str]]) -> Answers:
        given = json.dumps(asked)
        answers: Answers = json.loads(
            output_of(SERVING / "oracle.py", model, adapters, TOKENS, given=given)
        )
        return answers

    return ask


@pytest.fixture(scope="session")
def start(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts our program as its image does, with `vllm` in PATH."""
    folder = tmp_path_factory.mktemp("bin")
    shutil.copy(HERE / "vllm_on_cpu.py", folder / "vllm")
    (folder / "vllm").chmod(0o755)
    started: list[Server] = []

    def begin(
        *flags: str, model: Path | str = model, prefix: Sequence[str] = (), **environment: str
    ) -> Server:
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log"
        command: list[str | Path] = [
            *prefix,
            *(cache_folder() / "vllm" / "bin" / "python", PROGRAM, model),
            *("--host=127.0.0.1", f"--port={port}", "--served-model-name=tiny"),
            *(f"--max-model-len={CONTEXT_TOKENS}", "--dtype=float32", *flags),
        ]
        variables = {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "HOME": str(folder),
            **environment,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT
            )
        started.append(Server(process, f"http://127.0.0.1:{port}", log))
        return started[-1]

    yield begin
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def running(start: Callable[..., Server], adapters: Path) -> Server:
    """One with both adapters, from its start on."""
    return start(f"--adapters-dir={adapters}")


@pytest.fixture
async def server(running: Server) -> Server:
    """The same, once it answers."""
    await running.until_up()
    return running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of it."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session
