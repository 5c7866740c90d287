"""What is under way when it is told to end, as the first process of its container."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.bystander import until
from tests.vllm.conftest import Server

pytestmark = pytest.mark.timeout(300)

TOKENS = 200
OWN_PIDS = (
    *("bwrap", "--bind", "/", "/", "--proc", "/proc", "--dev-bind", "/dev", "/dev"),
    *("--unshare-pid", "--as-pid-1", "--die-with-parent"),
)


def signal_first_process(server: Server) -> None:
    """Tell the process inside to end, as a kubelet does."""
    pid = server.process.pid
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    os.kill(int(child), signal.SIGTERM)


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """The data of each event of a stream."""
    async for line in response.content:
        if line.startswith(b"data: "):
            yield line.decode().removeprefix("data: ").strip()


async def test_a_stream_goes_on_to_its_end_and_nobody_else_is_let_in(
    start: Callable[..., Server],
) -> None:
    server = start(prefix=OWN_PIDS)
    await server.until_up()
    fields = {"model": "tiny", "prompt": "Hello", "max_tokens": TOKENS, "ignore_eos": True}
    usage = {"stream": True, "stream_options": {"include_usage": True}}

    async def is_closed() -> bool:
        try:
            async with aiohttp.ClientSession(server.url) as other, other.get("/health") as answer:
                return answer.status == 503
        except aiohttp.ClientError:
            return True

    async with (
        aiohttp.ClientSession(server.url) as http,
        http.post("/v1/completions", json={**fields, **usage}) as response,
    ):
        stream = events(response)
        first = await anext(stream)
        signal_first_process(server)
        await until("a closed door", is_closed)
        rest = [event async for event in stream]

    chunks: list[Any] = [json.loads(event) for event in [first, *rest[:-1]]]
    assert rest[-1] == "[DONE]"
    assert chunks[-1]["usage"]["completion_tokens"] == TOKENS
    assert [one["choices"][0]["finish_reason"] for one in chunks if one["choices"]][-1] == "length"
    assert server.process.wait(60) == 0, server.log.read_text()[-3000:]
