"""`/chat` on vLLM's own server: its answers are those of transformers and PEFT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import pytest

from tests.bystander import until
from tests.vllm.conftest import CONTEXT_TOKENS, TOKENS, Answers, Server

pytestmark = pytest.mark.timeout(300)

PROMPTS = ["What is KAITO?", "Who are you?", "What is Kubernetes?"]
BOTH = "ships+birds"
GREEDY: Mapping[str, object] = {"do_sample": False, "max_new_tokens": TOKENS}


@pytest.fixture(scope="module")
def expected(oracle: Callable[[Mapping[str, list[str]]], Answers]) -> Answers:
    return oracle(dict.fromkeys(("", "ships", "birds", BOTH), PROMPTS))


async def asked(http: aiohttp.ClientSession, **fields: object) -> tuple[int, Any]:
    """Status and body of an answer of `/chat`."""
    async with http.post("/chat", json=fields) as response:
        return response.status, await response.json()


async def chat(http: aiohttp.ClientSession, **fields: object) -> str:
    status, body = await asked(http, **fields)
    assert (status, list(body)) == (200, ["Result"]), body
    return str(body["Result"])


async def total(http: aiohttp.ClientSession, *names: str) -> float:
    """Sum of all samples of some series."""
    starts = tuple(f"vllm:{name}{{" for name in names)
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(starts))


async def tokens_seen(http: aiohttp.ClientSession) -> float:
    """How many tokens were read and written so far."""
    return await total(http, "prompt_tokens_total", "generation_tokens_total")


async def test_it_answers_with_all_adapters_together(
    http: aiohttp.ClientSession, expected: Answers
) -> None:
    answers = [
        await chat(http, prompt=prompt, return_full_text=False, generate_kwargs=GREEDY)
        for prompt in PROMPTS
    ]

    assert answers == expected[BOTH]
    assert answers != expected[""]


@pytest.mark.parametrize("name", ["", "ships", "birds"])
async def test_an_adapter_answers_by_its_name(
    http: aiohttp.ClientSession, expected: Answers, name: str
) -> None:
    answers = []
    for prompt in PROMPTS:
        fields = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0}
        async with http.post("/v1/completions", json={"model": name or "tiny", **fields}) as got:
            answers.append((await got.json())["choices"][0]["text"])

    assert answers == expected[name]


async def test_one_adapter_alone_is_what_chat_answers_with(
    start: Callable[..., Server], adapters: Any, expected: Answers, tmp_path: Any
) -> None:
    (tmp_path / "birds").symlink_to(adapters / "birds")
    server = start(f"--adapters-dir={tmp_path}")
    await server.until_up()

    async with aiohttp.ClientSession(server.url) as http:
        answer = await chat(http, prompt=PROMPTS[1], generate_kwargs=GREEDY)

    assert answer == PROMPTS[1] + expected["birds"][1]


async def test_a_prefix_and_the_prompt_are_left_out_as_asked(
    http: aiohttp.ClientSession, expected: Answers
) -> None:
    prefix, prompt = "What is ", "Kubernetes?"

    whole = await chat(http, prefix=prefix, prompt=prompt, generate_kwargs=GREEDY)
    alone = await chat(
        http, prefix=prefix, prompt=prompt, return_full_text=False, generate_kwargs=GREEDY
    )

    assert whole == prompt + alone == prompt + expected[BOTH][2]


async def test_a_conversation_goes_through_the_models_template(http: aiohttp.ClientSession) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    fields = {"model": ".merged", "max_tokens": TOKENS, "temperature": 0, "messages": messages}
    async with http.post("/v1/chat/completions", json=fields) as response:
        own = (await response.json())["choices"][0]["message"]["content"]

    assert own
    assert await chat(http, messages=messages, generate_kwargs=GREEDY) == own


async def test_prompt_and_answer_have_two_hundred_tokens_unless_told(
    http: aiohttp.ClientSession,
) -> None:
    before = await tokens_seen(http)

    await chat(http, prompt="Hello", generate_kwargs={"do_sample": False, "eos_token_id": 511})

    assert await tokens_seen(http) - before == 200


@pytest.mark.parametrize("said", ["prompt", "messages"])
async def test_a_hole_makes_room_for_what_is_too_long(
    http: aiohttp.ClientSession, said: str
) -> None:
    text = "," * 3 * CONTEXT_TOKENS
    fields: dict[str, object] = {
        said: text if said == "prompt" else [{"role": "user", "content": text}],
        "generate_kwargs": {"do_sample": False, "max_new_tokens": 4},
    }

    status, refused = await asked(http, **fields)
    answer = await chat(http, **fields, handle_long_generation="hole", return_full_text=False)

    assert (status, refused["error"]["param"]) == (400, "prompt")
    assert f"the model's context {CONTEXT_TOKENS}" in refused["error"]["message"]
    assert len(answer) > 1


async def token_ids(http: aiohttp.ClientSession, text: str) -> list[int]:
    """The tokens of a text, as vLLM reads it."""
    fields = {"model": "tiny", "prompt": text, "max_tokens": 1, "return_token_ids": True}
    async with http.post("/v1/completions", json=fields) as response:
        ids: list[int] = (await response.json())["choices"][0]["prompt_token_ids"]
    return ids


async def test_a_stop_string_and_a_token_end_the_answer(
    http: aiohttp.ClientSession, expected: Answers
) -> None:
    whole = expected[BOTH][0]
    stop = whole[8:12]

    by_text = await chat(
        http,
        prompt=PROMPTS[0],
        return_full_text=False,
        generate_kwargs={**GREEDY, "stop_strings": [stop]},
    )
    token = (await token_ids(http, PROMPTS[0] + whole))[6]
    by_token = await chat(
        http,
        prompt=PROMPTS[0],
        return_full_text=False,
        generate_kwargs={**GREEDY, "eos_token_id": token},
    )

    assert by_text == whole[: whole.index(stop) + len(stop)]
    assert whole.startswith(by_token)
    assert 0 < len(by_token) < len(whole)


@pytest.mark.parametrize("least", [{"min_new_tokens": 60}, {"min_length": 63}])
async def test_the_answer_is_no_shorter_than_the_least(
    http: aiohttp.ClientSession, least: Mapping[str, int]
) -> None:
    kwargs = {**GREEDY, "max_new_tokens": 60, **least}
    prompt_tokens = len(await token_ids(http, PROMPTS[0]))
    before = await tokens_seen(http)

    await chat(http, prompt=PROMPTS[0], generate_kwargs=kwargs)

    expected = 60 + prompt_tokens if "min_new_tokens" in least else 63
    assert await tokens_seen(http) - before >= expected


@pytest.mark.parametrize(
    ("kwargs", "field"),
    [
        ({"num_beams": 4}, "generate_kwargs.num_beams"),
        ({"typical_p": 0.5}, "generate_kwargs.typical_p"),
        ({"no_repeat_ngram_size": 2}, "generate_kwargs.no_repeat_ngram_size"),
        ({"bad_words_ids": [[7]]}, "generate_kwargs.bad_words_ids"),
        ({"suppress_tokens": [7]}, "generate_kwargs.suppress_tokens"),
        ({"max_new_tokens": 5000}, "generate_kwargs.max_new_tokens"),
    ],
)
async def test_what_cannot_be_followed_is_refused_by_name(
    http: aiohttp.ClientSession, kwargs: Mapping[str, object], field: str
) -> None:
    status, body = await asked(http, prompt="Hello", generate_kwargs=kwargs)

    assert (status, body["error"]["param"]) == (400, field)


async def test_what_changes_nothing_is_taken(
    http: aiohttp.ClientSession, expected: Answers
) -> None:
    neutral = {"num_beams": 1, "typical_p": 1.0, "repetition_penalty": 1.0, "pad_token_id": 3}

    answer = await chat(
        http, prompt=PROMPTS[0], return_full_text=False, generate_kwargs={**GREEDY, **neutral}
    )

    assert answer == expected[BOTH][0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ('{"question": "x"}', 422),
        ('{"prompt": ""}', 400),
        ('{"prompt": "a", "messages": [{"role": "user", "content": "b"}]}', 400),
        ('{"prompt": "a", "clean_up_tokenization_spaces": true}', 400),
        ('{"prompt": "a", "generate_kwargs": {"temperature": "hot"}}', 422),
    ],
)
async def test_a_wrong_body_is_refused_as_on_our_own_server(
    http: aiohttp.ClientSession, body: str, status: int
) -> None:
    async with http.post("/chat", data=body) as response:
        error = (await response.json())["error"]

    assert response.status == error["code"] == status
    assert set(error) == {"message", "type", "param", "code"}


async def test_an_answer_carries_the_id_of_its_request(http: aiohttp.ClientSession) -> None:
    async with http.post("/chat", json={"prompt": "a"}, headers={"x-request-id": "mine"}) as got:
        assert got.headers["x-request-id"] == "mine"
    async with http.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "Healthy"})
        assert response.headers["x-request-id"]


async def test_the_key_is_asked_for_on_chat_too(start: Callable[..., Server]) -> None:
    server = start("--api-key=secret")
    await server.until_up()

    async with aiohttp.ClientSession(server.url) as http:
        without, refused = await asked(http, prompt="Hello", generate_kwargs=GREEDY)
    headers = {"Authorization": "Bearer secret"}
    async with aiohttp.ClientSession(server.url, headers=headers) as http:
        answer = await chat(http, prompt="Hello", generate_kwargs=GREEDY)

    assert (without, refused["error"]["code"]) == (401, 401)
    assert answer.startswith("Hello")


async def test_a_client_that_leaves_ends_its_request(http: aiohttp.ClientSession) -> None:
    most = CONTEXT_TOKENS - 20
    endless = {"do_sample": False, "eos_token_id": 511, "max_new_tokens": most}
    before = await total(http, "generation_tokens_total")

    async def begun() -> bool:
        return await total(http, "generation_tokens_total") > before

    async def alone() -> bool:
        # The last that is told of the running ones is with its own last token.
        await chat(http, prompt="Hello", generate_kwargs={"do_sample": False, "max_new_tokens": 1})
        return await total(http, "num_requests_running") == 1

    leaving = asyncio.create_task(chat(http, prompt="Hello", generate_kwargs=endless))
    await until("the first token", begun)
    leaving.cancel()
    await until("nobody else's request", alone)

    assert await total(http, "generation_tokens_total") - before < most
