"""The server as PID 1 of its container: what streams when SIGTERM comes has its time to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
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
def drain_seconds() -> int:
    return 120


@pytest.fixture
def contained(model: Path, drain_seconds: int) -> Iterator[Program]:
    """A loaded server that is the first process of its namespace."""
    program = Program.spawn(
        f"--pretrained-model-name-or-path={model}",
        "--served-model-name=tiny",
        f"--drain-seconds={drain_seconds}",
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


@pytest.mark.parametrize("drain_seconds", [1])
async def test_a_stream_that_is_longer_than_the_drain_is_cut_and_the_server_ends(
    contained: Program,
) -> None:
    longer, body = ENDLESS | {"max_tokens": 3500}, b""
    async with (
        aiohttp.ClientSession(contained.url) as http,
        http.post("/v1/completions", json=longer) as stream,
    ):
        assert (await stream.content.readline()).startswith(b"data: {")
        signal_first_process(contained)
        with suppress(aiohttp.ClientPayloadError):
            async for line in stream.content:
                body += line
    code = await asyncio.to_thread(contained.process.wait, 60)

    assert code == 0
    assert b"data: {" in body, "it went on for the second"
    assert b"[DONE]" not in body
