"""A cache that is too small for everybody: nobody fails, and nobody's answer changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.presets.page import metrics_page
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(240)

CACHE_BYTES = 4_000_000
TOKENS = 500
QUESTIONS = ("What is Kubernetes?", "Who are you?", "What is a GPU?", "Hello")


@pytest.fixture(scope="module")
def narrow(model: Path) -> Iterator[Program]:
    """A server whose cache holds two or three of the requests below."""
    program = Program.start(
        model,
        "--served-model-name=tiny",
        f"--kv-cache-bytes={CACHE_BYTES}",
        "--max-batch-tokens=64",
        "--threads=1",
    )
    try:
        assert program.wait_for("cache.allocated")["pages"] in range(3, 10)
        program.wait_for("model.loaded")
        yield program
    finally:
        program.close()


async def answered(http: aiohttp.ClientSession, question: str) -> tuple[int, Any]:
    fields = {
        "model": "tiny",
        "prompt": question,
        "temperature": 0,
        "max_tokens": TOKENS,
        "ignore_eos": True,
    }
    async with http.post("/v1/completions", json=fields) as response:
        return response.status, await response.json()


async def test_the_context_is_no_longer_than_the_cache(narrow: Program) -> None:
    async with aiohttp.ClientSession(narrow.url) as http:
        async with http.get("/v1/models") as response:
            length = (await response.json())["data"][0]["max_model_len"]
        fields = {"model": "tiny", "prompt": "Hello", "max_tokens": length}
        async with http.post("/v1/completions", json=fields) as response:
            refused = await response.json()

    assert TOKENS < length < 4096
    assert (response.status, refused["error"]["param"]) == (400, "max_tokens")
    assert str(length) in refused["error"]["message"]


async def test_who_has_to_make_room_goes_on_where_he_was(narrow: Program) -> None:
    async with aiohttp.ClientSession(narrow.url) as http:
        one_by_one = [await answered(http, question) for question in QUESTIONS]
        at_once = await asyncio.gather(*(answered(http, question) for question in QUESTIONS * 3))

    assert [status for status, _ in one_by_one + at_once] == [200] * 16
    expected = [body["choices"][0]["text"] for _, body in one_by_one]
    assert [body["choices"][0]["text"] for _, body in at_once] == expected * 3
    assert {body["usage"]["completion_tokens"] for _, body in at_once} == {TOKENS}
    assert await shown(narrow, "vllm:num_preemptions_total") > 0


async def test_who_waits_is_told_by_what_he_waits_for(narrow: Program) -> None:
    many = [asyncio.create_task(stream(narrow, {})) for _ in range(12)]
    capacity = await waiting(narrow, "capacity")
    for one in many:
        one.cancel()
    await asyncio.wait(many)
    # What is not for the batch has the model to itself.
    alone = asyncio.create_task(stream(narrow, {"repetition_penalty": 1.1}))
    while await shown(narrow, "vllm:num_requests_running") != 1:
        assert not alone.done()
    other = asyncio.create_task(stream(narrow, {}))
    deferred = await waiting(narrow, "deferred")
    await asyncio.gather(alone, other)

    assert capacity > 0
    assert deferred == 1


async def stream(narrow: Program, fields: dict[str, object]) -> bytes:
    body = {"model": "tiny", "prompt": "Hello", "max_tokens": TOKENS, "ignore_eos": True} | fields
    async with (
        aiohttp.ClientSession(narrow.url) as http,
        http.post("/v1/completions", json=body | {"stream": True}) as response,
    ):
        return await response.read()


async def waiting(narrow: Program, reason: str) -> float:
    """How many wait for this, as soon as there are any."""
    while not (found := await shown(narrow, "vllm:num_requests_waiting_by_reason", reason=reason)):
        pass
    return found


async def shown(narrow: Program, name: str, **labels: str) -> float:
    """One sample of the server's metrics."""
    async with aiohttp.ClientSession(narrow.url) as http:
        return (await metrics_page(http)).value(name, **labels)
