"""What our program asks of requests before vLLM's own server has them."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hack.cluster.cache import cache_folder
from tests.bystander import until
from tests.unit.presets.series import labels_of
from tests.vllm.conftest import CONTEXT_TOKENS, Server

pytestmark = pytest.mark.timeout(300)

CLIENT = Path(__file__).with_name("openai_client.py")
REJECTED = "kaito_inference_requests_rejected_total"
HELLO: Mapping[str, object] = {"model": "tiny", "prompt": "Hello", "max_tokens": 2}
ENDLESS: Mapping[str, object] = {
    **HELLO,
    "max_tokens": CONTEXT_TOKENS - 20,
    "ignore_eos": True,
    "stream": True,
}


async def completion(http: aiohttp.ClientSession, **fields: object) -> tuple[int, Any]:
    """Status and body of an answer."""
    async with http.post("/v1/completions", json={**HELLO, **fields}) as response:
        return response.status, await response.json()


def test_openais_client_is_refused_a_field_that_vllm_would_ignore(
    server: Server, http: aiohttp.ClientSession
) -> None:
    bodies: list[dict[str, object]] = [
        {"nonsense": 1},
        {"stream": True, "stream_options": {"include_usage": True, "nonsense": 1}},
        {"min_p": 0.1},
        {"request_id": "mine"},
        {"return_token_offsets": True},
    ]
    command: list[str | Path] = [cache_folder() / "vllm" / "bin" / "python", CLIENT, server.url]

    done = subprocess.run(
        [*command, "tiny", *map(json.dumps, bodies)], stdout=subprocess.PIPE, check=True, text=True
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]

    params = [(one["status"], one["param"]) for one in said]
    assert params == [
        *((400, "nonsense"), (400, "stream_options.nonsense"), (200, None)),
        *((400, "request_id"), (400, "return_token_offsets")),
    ]
    assert all(one["id"] for one in said)


async def test_a_field_of_chats_alone_is_refused_on_completions(
    http: aiohttp.ClientSession,
) -> None:
    status, body = await completion(http, reasoning_effort="low")

    assert (status, body["error"]["param"]) == (400, "reasoning_effort")
    assert set(body["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("newer", "older"), [(2, 9), (9, 2)])
async def test_the_newer_name_of_a_limit_counts_where_both_are_sent(
    http: aiohttp.ClientSession, newer: int, older: int
) -> None:
    hello = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
    limits = {"max_completion_tokens": newer, "max_tokens": older, "ignore_eos": True}
    async with http.post("/v1/chat/completions", json={**hello, **limits}) as response:
        said = await response.json()

    assert said["usage"]["completion_tokens"] == newer
    assert said["choices"][0]["finish_reason"] == "length"


async def test_an_id_goes_along_with_every_answer(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/completions", json=HELLO, headers={"x-request-id": "mine"}) as got:
        assert got.headers.getall("x-request-id") == ["mine"]
        assert (await got.json())["id"] == "cmpl-mine"
    async with http.post("/v1/completions", json=HELLO) as response:
        (id,) = response.headers.getall("x-request-id")
        assert (await response.json())["id"] == f"cmpl-{id}"
    async with http.get("/v1/models") as response:
        assert response.headers.getall("x-request-id")


async def test_a_body_that_is_too_large_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/completions", data=io.BytesIO(b"a" * (17 << 20))) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == 413


@pytest.fixture(scope="module")
def narrow(start: Callable[..., Server]) -> Server:
    """One that answers a request, has another wait, and asks for a key."""
    return start("--max-num-seqs=1", "--max-queue=1", "--api-key=secret")


async def test_a_request_too_many_is_refused_until_another_has_ended(narrow: Server) -> None:
    await narrow.until_up()
    headers = {"Authorization": "Bearer secret"}
    async with aiohttp.ClientSession(narrow.url, headers=headers) as http:
        taken = [await http.post("/v1/completions", json=ENDLESS) for _ in range(2)]

        over, said = await completion(http)
        async with http.post("/chat", json={"prompt": "Hello"}) as response:
            chat, wait = response.status, response.headers["retry-after"]
        async with http.get("/metrics") as response:
            page = await response.text()
        for answer in taken:
            answer.close()

        async def is_free() -> bool:
            return (await completion(http))[0] == 200

        await until("a free place", is_free)

    assert (over, said["error"]["code"], chat, wait) == (429, 429, 429, "1")
    assert labels_of(page)[REJECTED] == {"model_name", "engine"}
    assert f'{REJECTED}{{engine="0",model_name="tiny"}} 2.0' in page


async def test_who_has_no_key_is_told_of_no_field_and_takes_no_place(narrow: Server) -> None:
    await narrow.until_up()

    headers = {"Authorization": "Bearer secret"}
    async with (
        aiohttp.ClientSession(narrow.url) as nobody,
        aiohttp.ClientSession(narrow.url, headers=headers) as http,
    ):
        unknown = [completion(nobody, nonsense=1) for _ in range(8)]
        good = [completion(nobody) for _ in range(8)]
        *told, mine = await asyncio.gather(*unknown, *good, completion(http))

    assert [(status, body["error"]["code"]) for status, body in told] == [(401, 401)] * 16
    assert mine[0] == 200


@pytest.mark.parametrize("fields", [{"prompt": ["Hello"] * 3}, {"n": 3}])
async def test_one_request_has_no_more_texts_than_there_are_places(
    narrow: Server, fields: Mapping[str, object]
) -> None:
    await narrow.until_up()

    headers = {"Authorization": "Bearer secret"}
    async with aiohttp.ClientSession(narrow.url, headers=headers) as http:
        status, body = await completion(http, **fields)

    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert "3 texts; a request has 2" in body["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        *("/invocations", "/inference/v1/generate", "/generative_scoring", "/tokenize"),
        *("/v1/responses", "/v1/messages", "/v1/chat/completions/batch", "/v1/completions/render"),
    ],
)
async def test_a_path_of_vllms_that_is_not_in_the_contract_is_none(
    http: aiohttp.ClientSession, path: str
) -> None:
    async with http.post(path, json=HELLO) as response:
        error = (await response.json())["error"]

    assert response.status == error["code"] == 404
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/version", "/metrics", "/openapi.json", "/health"])
async def test_what_the_contract_opens_needs_no_key(narrow: Server, path: str) -> None:
    await narrow.until_up()

    async with aiohttp.ClientSession(narrow.url) as http, http.get(path) as response:
        assert response.status == 200
