"""Two hundred clients at once, of which every other one leaves in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.unit.presets.page import Page, metrics_page
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(300)

CLIENTS = 200
ROUNDS = 3
PROMPT = "What is Kubernetes?"
ANSWER = " Kubernetes is a system that runs containers on many machines and keeps them running."
SHORT = {"model": "tiny", "prompt": PROMPT, "temperature": 0, "max_tokens": 40, "stream": True}
ENDLESS = SHORT | {"ignore_eos": True, "max_tokens": 2000}
REASONS = ("stop", "length", "abort", "error")


@pytest.fixture(scope="module")
def roomy(model: Path) -> Iterator[Program]:
    """A server where two hundred may wait."""
    program = Program.start(model, "--served-model-name=tiny", "--max-queue=200", "--threads=1")
    try:
        program.wait_for("model.loaded")
        yield program
    finally:
        program.close()


async def whole(http: aiohttp.ClientSession) -> str:
    """Read an answer to its end."""
    async with http.post("/v1/completions", json=SHORT) as response:
        assert response.status == 200
        lines = [line.decode().strip() async for line in response.content]
    data = [line.removeprefix("data: ") for line in lines if line]
    return "".join(json.loads(each)["choices"][0]["text"] for each in data[:-1])


async def broken_off(url: str) -> None:
    """Leave after the first words, or before them, of an answer that takes long."""
    async with (
        aiohttp.ClientSession(url) as http,
        http.post("/v1/completions", json=ENDLESS) as response,
    ):
        assert response.status == 200
        await response.content.readline()


async def crowd(url: str) -> list[str]:
    """All clients once; the answers of those who stayed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(url, connector=connector) as http,
        asyncio.TaskGroup() as group,
    ):
        staying = [group.create_task(whole(http)) for _ in range(CLIENTS // 2)]
        for _ in range(CLIENTS // 2):
            group.create_task(broken_off(url))
    return [task.result() for task in staying]


async def until_idle(http: aiohttp.ClientSession) -> Page:
    """The metrics, once nothing is under way."""
    found = await metrics_page(http)
    while found.value("vllm:num_requests_running") or found.value("vllm:num_requests_waiting"):
        found = await metrics_page(http)
    return found


async def until_empty(http: aiohttp.ClientSession) -> None:
    """Ask until the cache holds nothing of anybody; what may be shared counts as free."""
    while (await metrics_page(http)).value("vllm:kv_cache_usage_perc") > 0:
        pass


async def test_a_crowd_of_which_half_leaves_is_answered_and_leaves_nothing_behind(
    roomy: Program,
) -> None:
    async with aiohttp.ClientSession(roomy.url) as http:
        answers = await crowd(roomy.url)
        first = await until_idle(http)
        for _ in range(ROUNDS - 1):
            answers += await crowd(roomy.url)
        last = await until_idle(http)
        await until_empty(http)

    assert answers == [ANSWER] * (CLIENTS // 2 * ROUNDS)
    ended = {
        reason: last.value("vllm:request_success_total", finished_reason=reason)
        for reason in REASONS
    }
    assert ended == {
        "stop": CLIENTS // 2 * ROUNDS,
        "abort": CLIENTS // 2 * ROUNDS,
        "length": 0,
        "error": 0,
    }
    assert last.value("kaito_inference_requests_rejected_total") == 0
    written = last.value("vllm:request_generation_tokens_sum")
    assert written == last.value("vllm:generation_tokens_total")
    counted = last.value("vllm:time_to_first_token_seconds_count")
    assert CLIENTS // 2 * ROUNDS <= counted <= CLIENTS * ROUNDS
    assert last.value("process_open_fds") <= first.value("process_open_fds") + 2
    memory = "process_resident_memory_bytes"
    assert last.value(memory) < first.value(memory) * 1.1
