"""The server as PID 1 of its container: what streams when SIGTERM comes is streamed to its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(180)

TOKENS = 600
ENDLESS = {
    "model": "tiny",
    "prompt": "What is Kubernetes?",
    "temperature": 0,
    "ignore_eos": True,
    "max_tokens": TOKENS,
    "stream": True,
    "stream_options": {"include_usage": True},
}
OWN_PIDS = ("bwrap", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-pid")


@pytest.fixture
def contained(model: Path) -> Iterator[Program]:
    """A loaded server that is the first process of its namespace."""
    program = Program.spawn(
        f"--pretrained-model-name-or-path={model}",
        "--served-model-name=tiny",
        "--drain-seconds=120",
        "--threads=1",
        prefix=(*OWN_PIDS, "--as-pid-1", "--die-with-parent"),
    )
    try:
        program.url = f"http://127.0.0.1:{program.wait_for('server.listening')['port']}"
        program.wait_for("model.loaded")
        yield program
    finally:
        program.close()


def signal_first_process(program: Program) -> None:
    pid = program.process.pid
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    os.kill(int(child), signal.SIGTERM)


async def test_sigterm_lets_streams_end_and_nobody_else_in(contained: Program) -> None:
    async with aiohttp.ClientSession(contained.url) as http:
        streams = [await http.post("/v1/completions", json=ENDLESS) for _ in range(3)]
        for stream in streams:
            assert (await stream.content.readline()).startswith(b"data: {")
        signal_first_process(contained)
        bodies = [await stream.text() for stream in streams]
    code = await asyncio.to_thread(contained.process.wait, 60)

    assert code == 0
    for body in bodies:
        assert body.endswith("data: [DONE]\n\n")
        assert f'"completion_tokens":{TOKENS}' in body
    async with aiohttp.ClientSession(contained.url) as http:
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get("/health")
