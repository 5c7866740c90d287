"""Two hundred clients at once, of which every other one leaves in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

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


async def samples(http: aiohttp.ClientSession) -> dict[str, float]:
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def ended(found: dict[str, float], reason: str) -> float:
    name = f'vllm:request_success_total{{engine="0",finished_reason="{reason}",model_name="tiny"}}'
    return found[name]


def of(found: dict[str, float], name: str) -> float:
    return found[f'{name}{{engine="0",model_name="tiny"}}']


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


async def until_idle(http: aiohttp.ClientSession) -> dict[str, float]:
    """The metrics, once nothing is under way."""
    found = await samples(http)
    while of(found, "vllm:num_requests_running") or of(found, "vllm:num_requests_waiting"):
        found = await samples(http)
    return found


async def until_empty(http: aiohttp.ClientSession) -> None:
    """Ask until the cache holds nothing of anybody; what may be shared counts as free."""
    while of(await samples(http), "vllm:kv_cache_usage_perc") > 0:
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
    assert {reason: ended(last, reason) for reason in REASONS} == {
        "stop": CLIENTS // 2 * ROUNDS,
        "abort": CLIENTS // 2 * ROUNDS,
        "length": 0,
        "error": 0,
    }
    assert of(last, "kaito_inference_requests_rejected_total") == 0
    assert of(last, "vllm:request_generation_tokens_sum") == of(
        last, "vllm:generation_tokens_total"
    )
    counted = of(last, "vllm:time_to_first_token_seconds_count")
    assert CLIENTS // 2 * ROUNDS <= counted <= CLIENTS * ROUNDS
    assert last["process_open_fds"] <= first["process_open_fds"] + 2
    assert last["process_resident_memory_bytes"] < first["process_resident_memory_bytes"] * 1.1
