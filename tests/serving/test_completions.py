"""What the clients of `/v1` rely on: streams, stop strings, seeds, refusals, key and queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.serving.conftest import KEY
from tests.unit.presets.page import metrics_page
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(180)

PROMPT = "What is Kubernetes?"
ANSWER = " Kubernetes is a system that runs containers on many machines and keeps them running."
GREEDY = {"model": "tiny", "prompt": PROMPT, "temperature": 0, "max_tokens": 40}
HELLO = [{"role": "user", "content": "Hello"}]
ENDLESS = {"model": "tiny", "prompt": PROMPT, "ignore_eos": True, "max_tokens": 4000}


async def asked(http: aiohttp.ClientSession, path: str, **fields: object) -> tuple[int, Any]:
    async with http.post(f"/v1/{path}", json=fields) as response:
        return response.status, await response.json()


async def events(http: aiohttp.ClientSession, path: str, **fields: object) -> list[Any]:
    async with http.post(f"/v1/{path}", json=fields | {"stream": True}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        lines = [line.decode().strip() async for line in response.content]
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]"
    return [json.loads(each) for each in data[:-1]]


@pytest.mark.parametrize("stop", [" many", [" nothing", " on many"], "any mach"])
async def test_an_answer_ends_before_the_first_stop_string(
    http: aiohttp.ClientSession, stop: str | list[str]
) -> None:
    status, body = await asked(http, "completions", **GREEDY, stop=stop)
    parts = await events(http, "completions", **GREEDY, stop=stop)

    cut = min(ANSWER.find(each) for each in ([stop] if isinstance(stop, str) else stop[1:]))
    assert (status, body["choices"][0]["text"]) == (200, ANSWER[:cut])
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "".join(part["choices"][0]["text"] for part in parts) == ANSWER[:cut]


async def test_a_stream_is_the_whole_answer_in_parts(http: aiohttp.ClientSession) -> None:
    parts = await events(http, "completions", **GREEDY, stream_options={"include_usage": True})

    *texts, usage = parts
    assert "".join(part["choices"][0]["text"] for part in texts) == ANSWER
    assert texts[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] >= len(texts) - 1
    assert len({part["id"] for part in parts}) == 1


async def test_several_prompts_are_several_choices_of_one_stream(
    http: aiohttp.ClientSession,
) -> None:
    parts = await events(http, "completions", **GREEDY | {"prompt": [PROMPT, "Hello", PROMPT]})

    said = ["", "", ""]
    for part in parts:
        said[part["choices"][0]["index"]] += part["choices"][0]["text"]
    assert said[0] == said[2] == ANSWER
    assert said[1].startswith(" Hello!")


async def test_a_prompt_may_be_tokens_and_may_come_back(http: aiohttp.ClientSession) -> None:
    _, echoed = await asked(http, "completions", **GREEDY, echo=True)
    _, tokens = await asked(http, "completions", **GREEDY | {"prompt": [7, 8, 9]}, echo=True)

    assert echoed["choices"][0]["text"] == PROMPT + ANSWER
    assert tokens["usage"]["prompt_tokens"] == 3


async def test_the_answer_is_as_long_as_asked(http: aiohttp.ClientSession) -> None:
    _, short = await asked(http, "completions", **GREEDY | {"max_tokens": 3})
    _, default = await asked(http, "completions", model="tiny", prompt=PROMPT, ignore_eos=True)
    _, chat = await asked(http, "chat/completions", model="tiny", messages=HELLO, max_tokens=2)

    assert (short["usage"]["completion_tokens"], short["choices"][0]["finish_reason"]) == (
        3,
        "length",
    )
    assert default["usage"]["completion_tokens"] == 16
    assert chat["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(("newer", "older"), [(2, 9), (9, 2)])
async def test_the_newer_name_of_a_limit_counts_where_both_are_sent(
    http: aiohttp.ClientSession, newer: int, older: int
) -> None:
    limits = {"max_completion_tokens": newer, "max_tokens": older, "ignore_eos": True}
    _, body = await asked(http, "chat/completions", **CHAT, **limits)

    assert body["usage"]["completion_tokens"] == newer
    assert body["choices"][0]["finish_reason"] == "length"


async def test_a_seed_gives_the_same_answer_again(http: aiohttp.ClientSession) -> None:
    hot = {"model": "tiny", "prompt": "Zebras", "temperature": 2, "max_tokens": 30}

    same = [(await asked(http, "completions", **hot, seed=7))[1] for _ in range(2)]
    _, other = await asked(http, "completions", **hot, seed=8)

    texts = [body["choices"][0]["text"] for body in (*same, other)]
    assert texts[0] == texts[1] != texts[2]


async def test_drawn_answers_differ(http: aiohttp.ClientSession) -> None:
    hot = {"model": "tiny", "prompt": "Zebras", "temperature": 2, "max_tokens": 30}

    bodies = await asyncio.gather(*(asked(http, "completions", **hot) for _ in range(4)))

    assert len({body["choices"][0]["text"] for _, body in bodies}) > 1


@pytest.mark.parametrize("limit", [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 0.001}])
async def test_drawing_from_one_token_is_greedy(
    http: aiohttp.ClientSession, limit: dict[str, float]
) -> None:
    _, body = await asked(http, "completions", **GREEDY | {"temperature": 2} | limit)

    assert body["choices"][0]["text"] == ANSWER


@pytest.mark.parametrize(
    "odd", [{"top_k": 1_000_000}, {"temperature": 5e-324}, {"top_p": 5e-324}, {"min_p": 1.0}]
)
async def test_the_oddest_numbers_end_no_batch(
    http: aiohttp.ClientSession, odd: dict[str, float]
) -> None:
    status, _ = await asked(http, "completions", **GREEDY | {"temperature": 1} | odd)
    async with http.get("/health") as health:
        assert health.status == 200

    assert status == 200


CHAT = {"model": "tiny", "messages": HELLO}
REFUSED = [
    ("n", "chat/completions", CHAT | {"n": 2}, "n"),
    ("logprobs", "chat/completions", CHAT | {"logprobs": True}, "logprobs"),
    ("nought for no", "chat/completions", CHAT | {"logprobs": 0}, "logprobs"),
    ("tools", "chat/completions", CHAT | {"tools": []}, "tools"),
    ("guided", "chat/completions", CHAT | {"guided_json": {}}, "guided_json"),
    (
        "response format",
        "chat/completions",
        CHAT | {"response_format": {"type": "json_object"}},
        "response_format.type",
    ),
    ("bias", "chat/completions", CHAT | {"logit_bias": {"5": 1}}, "logit_bias"),
    ("no messages", "chat/completions", {"model": "tiny", "messages": []}, "messages"),
    ("no model", "chat/completions", {"messages": HELLO}, "model"),
    (
        "image",
        "chat/completions",
        {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages.0.content",
    ),
    ("suffix", "completions", GREEDY | {"suffix": "."}, "suffix"),
    ("best of", "completions", GREEDY | {"best_of": 2}, "best_of"),
    ("options", "completions", GREEDY | {"stream_options": {}}, "stream_options"),
    ("no such token", "completions", GREEDY | {"prompt": [9999]}, "prompt"),
    ("too long", "completions", GREEDY | {"prompt": "word " * 9000}, "prompt"),
    ("too much", "completions", GREEDY | {"max_tokens": 5000}, "max_tokens"),
    (
        "too many",
        "chat/completions",
        CHAT | {"max_completion_tokens": 5000, "max_tokens": 5},
        "max_completion_tokens",
    ),
]


@pytest.mark.parametrize(
    ("path", "fields", "param"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_what_is_not_supported_is_refused_by_name(
    http: aiohttp.ClientSession, path: str, fields: dict[str, object], param: str
) -> None:
    status, body = await asked(http, path, **fields)

    assert status == 400
    assert body["error"]["param"].startswith(param)
    assert param.rsplit(".", maxsplit=1)[-1] in body["error"]["message"]
    assert body["error"]["type"] == "invalid_request_error"


async def test_a_context_that_is_too_long_is_told_in_numbers(http: aiohttp.ClientSession) -> None:
    _, body = await asked(http, "completions", **GREEDY | {"max_tokens": 4095})

    assert "4096" in body["error"]["message"]
    assert "4095" in body["error"]["message"]


@pytest.mark.parametrize("given", ["my-id-7", "", "two words", "x" * 200])
async def test_a_request_keeps_its_id_or_gets_one(http: aiohttp.ClientSession, given: str) -> None:
    async with http.get("/health", headers={"x-request-id": given}) as response:
        id = response.headers["x-request-id"]

    assert id == given if given == "my-id-7" else len(id) == 32


@pytest.fixture(scope="module")
def guarded(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server with a key, two places in its batch and one in its queue."""
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text(f"{KEY}\n")
    program = Program.start(
        model,
        "--served-model-name=tiny",
        f"--api-key-file={key}",
        "--max-batch-requests=2",
        "--max-queue=1",
        "--threads=1",
    )
    try:
        settings = program.wait_for("model.loaded")
        assert KEY not in json.dumps(settings)
        yield program
    finally:
        program.close()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer {KEY}"}, 200),
        ({"Authorization": "Bearer ü".encode("latin-1").decode("latin-1")}, 401),
    ],
    ids=["none", "wrong", "scheme", "right", "lower case", "no ascii"],
)
async def test_who_has_no_key_is_turned_away(
    guarded: Program, header: dict[str, str], status: int
) -> None:
    async with aiohttp.ClientSession(guarded.url, headers=header) as http:
        async with (
            http.get("/v1/models") as models,
            http.post(
                "/chat", json={"prompt": "Hello", "generate_kwargs": {"max_new_tokens": 1}}
            ) as chat,
        ):
            assert (models.status, chat.status) == (status, status)
        async with http.get("/health") as health, http.get("/metrics") as metrics:
            assert (health.status, metrics.status) == (200, 200)


async def test_a_full_queue_is_429_and_empties_when_clients_leave(guarded: Program) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(guarded.url, headers=key) as http:
        async with aiohttp.ClientSession(guarded.url, headers=key) as leaving:
            three = [
                asyncio.create_task(leaving.post("/v1/completions", json=ENDLESS)) for _ in range(3)
            ]
            await until(http, "vllm:num_requests_running", 2)
            await until(http, "vllm:num_requests_waiting", 1)
            status, body = await asked(http, "completions", **GREEDY)
            assert (status, body["error"]["type"]) == (429, "rate_limit_error")
            for task in three:
                task.cancel()
        await until(http, "vllm:num_requests_running", 0)
        status, _ = await asked(http, "completions", **GREEDY)

    assert status == 200


async def until(http: aiohttp.ClientSession, name: str, value: int) -> None:
    """Ask until the one sample of that name has that value."""
    while (await metrics_page(http)).value(name) != value:
        pass


async def test_the_batch_has_its_turn_between_two_requests_that_go_alone(
    http: aiohttp.ClientSession,
) -> None:
    kwargs = {"do_sample": False, "max_new_tokens": 400, "min_new_tokens": 400}
    ended: list[str] = []

    async def alone(name: str) -> None:
        fields = {"prompt": PROMPT, "generate_kwargs": kwargs}
        async with http.post("/chat", json=fields) as response:
            assert response.status == 200
        ended.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(alone("first"))
        await until(http, "vllm:num_requests_running", 1)
        group.create_task(alone("second"))
        status, _ = await asked(http, "completions", **GREEDY)
        ended.append("batch")

    assert status == 200
    assert ended == ["first", "batch", "second"]


async def test_greedy_and_drawn_requests_share_a_batch(http: aiohttp.ClientSession) -> None:
    hot = {"model": "tiny", "prompt": "Zebras", "temperature": 2, "max_tokens": 60}
    hot |= {"ignore_eos": True, "top_k": 200, "top_p": 0.99}

    drawn = [asyncio.create_task(asked(http, "completions", **hot)) for _ in range(6)]
    greedy = await asyncio.gather(*(asked(http, "completions", **GREEDY) for _ in range(6)))

    assert {body["choices"][0]["text"] for _, body in greedy} == {ANSWER}
    assert len({body["choices"][0]["text"] for _, body in await asyncio.gather(*drawn)}) > 1
